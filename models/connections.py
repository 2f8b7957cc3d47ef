"""One connection, for a while: what runs on it, counted and timed."""

import asyncio
from collections.abc import Callable, Generator, Sequence
from datetime import datetime
from functools import lru_cache, partial
from time import perf_counter
from typing import Any, NamedTuple, TypeVar

import orjson

from models.dialects import Dialect
from models.pools_sqlite import Reader, ended
from models.watching import CURRENT, Observer, Tally, writes

AT_ONCE = 1_000  # rows that are shaped on the event loop; more are shaped in a thread
MOST_ARGUMENTS = 100  # of a function of SQLite; one built with more takes them too

T = TypeVar("T")
Record = Sequence[Any]
Tracer = Callable[[str], None]


class Statement(NamedTuple):
    """`anew`: the best plan depends on these very values, so PostgreSQL may not use one it has kept.

    `width` is how many columns it has, where its rows may be many and hold texts, numbers and nulls alone; `listed` is
    where in the text its columns end, where others may be added.
    """

    sql: str
    values: Sequence[Any]
    anew: bool = False
    width: int = 0
    listed: int = 0


# A plan for reading that knows no connection: it yields statements and is sent their rows.
Steps = Generator[Statement, Sequence[Record], T]


def _send(steps: Steps[T], rows: Any) -> tuple[Statement | None, T | None]:
    """The next statement, or the result of the last step."""
    try:
        return steps.send(rows), None
    except StopIteration as done:
        return None, done.value


async def in_thread(work: Callable[[], T]) -> T:
    """What `work` makes in a thread; a caller that is cancelled meanwhile goes when the thread has ended."""
    future = asyncio.get_running_loop().run_in_executor(None, work)
    try:
        return await asyncio.shield(future)
    except asyncio.CancelledError:
        await ended(future)
        raise


class Connection:
    """One connection for a while. Rows come back as tuples in the order selected."""

    statements = 0
    seconds = 0.0

    def __init__(
        self, raw: Any, dialect: Dialect, tracer: Tracer | None = None, observer: Observer | None = None
    ) -> None:
        self.raw = raw
        self.dialect = dialect
        self.asked = CURRENT.get()
        self._tracer = tracer
        self._observer = observer
        self._turn = asyncio.Lock()

    @property
    def within(self) -> Any:
        """The span that what runs here belongs to."""
        return self.asked.span if self.asked is not None else None

    def count(self, tally: Tally) -> None:
        """Add what ran here, once it is given back: not before, as statements of SQLite run in threads."""
        tally.reads += self.statements
        tally.read_seconds += self.seconds
        if self.asked is not None:
            self.asked.statements += self.statements

    def _ran(self, sql: str, begun: float, failure: str | None) -> None:
        self.statements += 1
        self.seconds += (seconds := perf_counter() - begun)
        if self._observer is not None:
            self._observer.statement(self.within, sql, seconds, failure)

    async def rows(self, sql: str, *values: Any, plan_anew: bool = False) -> Sequence[Record]:
        if self._tracer is not None:
            self._tracer(sql)
        bound = [self.dialect.bind(value) for value in values]
        async with self._turn:
            begun, failure = perf_counter(), None
            try:
                if self.dialect.name == "sqlite":
                    fetched: Sequence[Record] = await self.raw.execute_fetchall(self.dialect.text(sql), bound)
                    return fetched
                if plan_anew:
                    return await (await self.raw.prepare(sql)).fetch(*bound)  # type: ignore[no-any-return]
                return await self.raw.fetch(sql, *bound)  # type: ignore[no-any-return]
            except BaseException as error:
                failure = type(error).__name__
                raise
            finally:
                self._ran(sql, begun, failure)

    async def run(self, steps: Steps[T], size: int = 0) -> T:
        """What `steps` returns, once every statement that it yields was run and its rows were sent back.

        `size` is how many rows it has in memory already.
        """
        rows: Any = None
        longest = size
        while True:
            # What was read is shaped at a later step, too.
            longest = max(longest, len(rows or ()))
            step = partial(_send, steps, rows)
            statement, result = step() if longest <= AT_ONCE else await in_thread(step)
            if statement is None:
                return result  # type: ignore[return-value]
            rows = await self.rows(statement.sql, *statement.values, plan_anew=statement.anew)

    async def one(self, sql: str, *values: Any) -> Record | None:
        found = await self.rows(sql, *values)
        return found[0] if found else None

    async def scalar(self, sql: str, *values: Any) -> Any:
        found = await self.rows(sql, *values)
        return found[0][0] if found else None


class Threaded(Connection):
    """A reading connection of SQLite. What runs on it runs in a thread, from the first statement to the last."""

    raw: Reader

    async def rows(self, sql: str, *values: Any, plan_anew: bool = False) -> Sequence[Record]:
        return await self.raw.do(lambda: self._fetch(Statement(sql, values)))

    async def run(self, steps: Steps[T], size: int = 0) -> T:
        return await self.raw.do(lambda: self._drive(steps, self._fetch_at_once))

    def drive(self, steps: Steps[T]) -> T:
        """Here and now, in the caller's thread."""
        return self._drive(steps, self._fetch)

    def _drive(self, steps: Steps[T], fetch: Callable[[Statement], Sequence[Record]]) -> T:
        rows: Any = None
        while True:
            try:
                statement = steps.send(rows)
            except StopIteration as done:
                return done.value  # type: ignore[no-any-return]
            rows = fetch(statement)

    def _fetch_at_once(self, statement: Statement) -> Sequence[Record]:
        """All rows as one JSON text: sqlite3 passes Python's lock on at every row, on which threads lose their time."""
        if not 0 < statement.width <= MOST_ARGUMENTS:
            return self._fetch(statement)
        found = self._fetch(statement._replace(sql=_as_json(statement.sql, statement.width)), statement.sql)
        rows: list[list[Any]] = orjson.loads(found[0][0])
        return rows

    def _fetch(self, statement: Statement, told: str | None = None) -> Sequence[Record]:
        if self._tracer is not None:
            self._tracer(told or statement.sql)
        bound = [self.dialect.bind(value) for value in statement.values]
        begun, failure = perf_counter(), None
        try:
            return self.raw.connection.execute(self.dialect.text(statement.sql), bound).fetchall()
        except BaseException as error:
            failure = type(error).__name__
            raise
        finally:
            self._ran(statement.sql, begun, failure)


@lru_cache(maxsize=1024)
def _as_json(sql: str, width: int) -> str:
    names = ", ".join(f"c{number}" for number in range(width))
    return f"WITH found({names}) AS ({sql}) SELECT CAST(json_group_array(json_array({names})) AS BLOB) FROM found"


class Transaction(Connection):
    """A transaction; `discard()` makes its end a rollback, which is what a dry run is.

    `moment` is when all that it changes changed, as its rows and their history say.
    `failed` is the first statement's error: PostgreSQL would turn a commit after it into a silent rollback.
    """

    moment: datetime
    discarded = False
    ended = False
    failed: Exception | None = None
    writes = 0
    write_seconds = 0.0

    span: Any = None

    @property
    def within(self) -> Any:
        return self.span or super().within

    def begin(self) -> None:
        if self._observer is not None:
            self.span = self._observer.begin(self.within)

    def count_as(self, outcome: str, tally: Tally) -> None:
        """Add what ran here, and how it ended."""
        self.count(tally)
        tally.reads -= self.writes
        tally.writes += self.writes
        tally.read_seconds -= self.write_seconds
        tally.write_seconds += self.write_seconds
        tally.transactions[outcome] += 1
        if self._observer is not None:
            self._observer.end(self.span, outcome)

    def _ran(self, sql: str, begun: float, failure: str | None) -> None:
        before = self.seconds
        super()._ran(sql, begun, failure)
        if writes(sql):
            self.writes += 1
            self.write_seconds += self.seconds - before

    async def load(self, table: str, columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
        """Rows as a stream, which PostgreSQL alone takes."""
        begun, failure = perf_counter(), None
        try:
            await self.raw.copy_records_to_table(table, columns=columns, records=rows)
        except Exception as error:
            self.failed, failure = self.failed or error, type(error).__name__
            raise
        finally:
            self._ran(f"COPY {table}", begun, failure)

    def discard(self) -> None:
        self.discarded = True

    async def rows(self, sql: str, *values: Any, plan_anew: bool = False) -> Sequence[Record]:
        if self.ended:
            raise RuntimeError("this transaction has ended; a task has outlived it")
        try:
            return await super().rows(sql, *values, plan_anew=plan_anew)
        except Exception as error:
            self.failed = self.failed or error
            raise
