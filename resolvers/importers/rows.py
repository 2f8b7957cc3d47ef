"""What every reader hands over: rows, their problems, and the refusal of a whole file."""

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from resolvers.importers.columns import Columns
    from resolvers.importers.encodings import Text


class UnreadableFile(Exception):
    """The file cannot be imported at all; the text is public: what is wrong, where, and what to do next."""


@dataclass(frozen=True, slots=True)
class Problem:
    """Why a row cannot be used, and what to do; `field` is "row" where the row's own shape is wrong."""

    field: str
    message: str


@dataclass(frozen=True, slots=True)
class Row:
    """One user of the file.

    `number` is the line where the record begins (JSON: the place in the array, from 1).
    `source` is the record as it stood, for the file of refused rows.
    `user` holds only what the row gives, under the names of the service's upsert; `ref` is always there.
    """

    number: int
    source: Mapping[str, Any]
    user: Mapping[str, Any]
    problems: Sequence[Problem]


class Source(ABC):
    """A file that was looked through once: its rows can be read as often as needed, and are counted.

    `total` counts user rows, good or not. `notes` says what is skipped or ignored.
    `groups` counts the members of each group that the file itself describes (LDIF only).
    `incomplete` says why users may be missing, where the file itself shows it.
    """

    format: str
    total: int
    groups: Mapping[str, int]
    noun = "line"  # what a row's number counts

    def __init__(self, text: "Text", columns: "Columns") -> None:
        self.text = text
        self.encoding = text.encoding
        self.notes = list(text.notes)
        self.columns = columns
        self.total = 0
        self.groups = {}
        self.incomplete: str | None = None

    @abstractmethod
    def __iter__(self) -> Iterator[Row]: ...


def counted(number: int, noun: str, nouns: str | None = None) -> str:
    """`1 row is`, `2 rows are`."""
    return f"{number:,} {noun} is" if number == 1 else f"{number:,} {nouns or noun + 's'} are"


def no_email(where: str) -> Problem:
    return Problem("email", f"there is no email, by which users are matched: write one in {where}")
