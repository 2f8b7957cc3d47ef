"""What is watched while the service works: the request at hand, and what the database was asked."""

import re
from contextvars import ContextVar
from functools import lru_cache
from time import perf_counter
from typing import Any, Protocol

NO_OPERATION, ANONYMOUS = "none", "anonymous"
_WRITES = re.compile(r"\b(INSERT INTO|UPDATE|DELETE FROM)\b")


class Asked:
    """A request at work: who asks for which operation, and how it ended. Never what was sent or answered."""

    operation = kind = NO_OPERATION
    outcome = "gone"  # until it is answered
    status = statements = 0
    user_id: int | None = None
    span: Any = None

    def __init__(self, request_id: str) -> None:
        self.id = request_id
        self.begun = perf_counter()


# None outside of any request. A task that serves several of them says itself whose work it does.
CURRENT: ContextVar[Asked | None] = ContextVar("usergraph_request", default=None)


class Tally:
    """What a process has asked of its database so far; plain numbers, because every request adds to them."""

    __slots__ = ("read_seconds", "reads", "transactions", "write_seconds", "writes")

    def __init__(self) -> None:
        self.reads = self.writes = 0
        self.read_seconds = self.write_seconds = 0.0
        self.transactions = dict.fromkeys(("committed", "rolled_back", "conflict", "failed"), 0)


class Observer(Protocol):
    """Follows statements and transactions one by one. `within` is what `begin` answered, or a request's span.

    `failure` names an exception's class; its text may hold values.
    """

    def begin(self, within: Any) -> Any: ...

    def end(self, transaction: Any, outcome: str) -> None: ...

    def statement(self, within: Any, sql: str, seconds: float, failure: str | None) -> None: ...


@lru_cache(maxsize=512)
def writes(sql: str) -> bool:
    """Whether a statement changes rows. Looks at texts of our own, whose values are parameters."""
    return (not sql.lstrip().startswith("SELECT") and _WRITES.search(sql) is not None) or sql.startswith("COPY")
