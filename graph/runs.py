"""One execution of a plan, and how much it may bring into memory."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, TypeVar

from graph.errors import coded
from models.database import Record, Steps
from models.dialects import Dialect
from resolvers import history, loaders
from resolvers.node_ids import id_suffix
from resolvers.policy import Viewer

T = TypeVar("T")

A_ROW = 4  # values that a row weighs at least
MOST_VALUES = A_ROW * (loaders.MOST_ROWS - 1)  # of an answer: some 150 MB while it is made
LONG = 200  # characters of a text that weigh as much as one short value


@dataclass
class Run:
    """One execution of a plan: for whom, in which dialect, and its evaluated arguments."""

    viewer: Viewer
    dialect: Dialect
    arguments: Sequence[Any]
    id_suffix: str = ""  # of the ids of rows read as of a time
    values_left: int = field(default_factory=lambda: MOST_VALUES)

    def at(self, as_of: datetime | None, steps: Steps[T]) -> Steps[T]:
        """The steps, reading as of a time where one is given: with the rights that reach into the past."""
        if as_of is None:
            return (yield from steps)
        before = self.viewer, self.id_suffix
        self.viewer, self.id_suffix = history.viewer_of(self.viewer), id_suffix(as_of)
        try:
            return (yield from history.at(as_of, steps))
        finally:
            self.viewer, self.id_suffix = before

    def spend(self, values: int) -> None:
        """Raises ANSWER_TOO_LARGE where the answer would hold more than a process should keep in memory."""
        self.values_left -= values
        if self.values_left < 0:
            message = f"This answer would hold more than {MOST_VALUES} values. Ask for smaller pages or fewer fields."
            raise coded(message, "ANSWER_TOO_LARGE", limit=MOST_VALUES)

    def require_all(self, rows: Sequence[Record]) -> None:
        """Refuse what a statement's limit has cut off, also where its rows are not shaped, or not all of them."""
        if len(rows) >= loaders.MOST_ROWS:
            self.spend(A_ROW * len(rows))
