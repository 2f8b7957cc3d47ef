"""The connections: many that read, and one door to writing."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Generator, Sequence
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

from models.dialects import Dialect
from models.errors import Unavailable
from models.pools import Pool, PostgresPool, Reader, SQLitePool
from models.settings import BadSetting, Settings

T = TypeVar("T")
Record = Sequence[Any]
Tracer = Callable[[str], None]


class Statement(NamedTuple):
    """`anew`: the best plan depends on these very values, so PostgreSQL may not use one it has kept."""

    sql: str
    values: Sequence[Any]
    anew: bool = False


# A plan for reading that knows no connection: it yields statements and is sent their rows.
Steps = Generator[Statement, Sequence[Record], T]

log = logging.getLogger("usergraph.database")

ATTEMPTS = 3


class Connection:
    """One connection for a while. Rows come back as tuples in the order selected."""

    def __init__(self, raw: Any, dialect: Dialect, tracer: Tracer | None = None) -> None:
        self.raw = raw
        self.dialect = dialect
        self._tracer = tracer
        self._turn = asyncio.Lock()

    async def rows(self, sql: str, *values: Any, plan_anew: bool = False) -> Sequence[Record]:
        if self._tracer is not None:
            self._tracer(sql)
        bound = [self.dialect.bind(value) for value in values]
        async with self._turn:
            if self.dialect.name == "sqlite":
                fetched: Sequence[Record] = await self.raw.execute_fetchall(self.dialect.text(sql), bound)
                return fetched
            if plan_anew:
                return await (await self.raw.prepare(sql)).fetch(*bound)  # type: ignore[no-any-return]
            return await self.raw.fetch(sql, *bound)  # type: ignore[no-any-return]

    async def run(self, steps: Steps[T]) -> T:
        """What `steps` returns, once every statement that it yields was run and its rows were sent back."""
        rows: Any = None
        try:
            while True:
                statement = steps.send(rows)
                rows = await self.rows(statement.sql, *statement.values, plan_anew=statement.anew)
        except StopIteration as done:
            return done.value  # type: ignore[no-any-return]

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

    async def run(self, steps: Steps[T]) -> T:
        return await self.raw.do(lambda: self.drive(steps))

    def drive(self, steps: Steps[T]) -> T:
        rows: Any = None
        while True:
            try:
                statement = steps.send(rows)
            except StopIteration as done:
                return done.value  # type: ignore[no-any-return]
            rows = self._fetch(statement)

    def _fetch(self, statement: Statement) -> Sequence[Record]:
        if self._tracer is not None:
            self._tracer(statement.sql)
        bound = [self.dialect.bind(value) for value in statement.values]
        return self.raw.connection.execute(self.dialect.text(statement.sql), bound).fetchall()


class Transaction(Connection):
    """A transaction; `discard()` makes its end a rollback, which is what a dry run is.

    `failed` is the first statement's error: PostgreSQL would turn a commit after it into a silent rollback.
    """

    discarded = False
    ended = False
    failed: Exception | None = None

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


class Database:
    """The open database. `reading()` lends a connection; `transaction(work)` is the only way to write."""

    def __init__(self, url: str, *, pool: int = 8, wait: int = 5, prepare: bool = True) -> None:
        self.url = url
        self.wait = wait
        self.file = sqlite_file(url)
        self._pool: Pool = SQLitePool(self.file, pool, wait) if self.file else PostgresPool(url, pool, wait, prepare)
        self._running: set[asyncio.Task[Any]] = set()
        self.tracer: Tracer | None = None

    @classmethod
    def of(cls, settings: Settings) -> "Database":
        return cls(
            settings.database_url,
            pool=settings.database_pool,
            wait=settings.database_wait,
            prepare=settings.database_prepare,
        )

    @property
    def dialect(self) -> Dialect:
        return self._pool.dialect

    async def open(self) -> None:
        await self._pool.open()

    async def close(self) -> None:
        """Waits for the transactions that outlived their callers, then closes every connection."""
        if self._running:
            await asyncio.wait(self._running)
        await self._pool.close()

    def reading(self) -> "_Reading":
        """`async with database.reading() as connection`. Raises Unavailable where none is free in time."""
        return _Reading(self)

    async def read(self, steps: Steps[T], *, quick: bool = False) -> T:
        """Run a plan on a connection of its own.

        A `quick` plan reads few rows by index. SQLite runs it here and now: handing it to a thread would take longer.
        """
        async with _Reading(self) as connection:
            if quick and isinstance(connection, Threaded):
                return connection.drive(steps)
            return await connection.run(steps)

    async def transaction(self, work: Callable[[Transaction], Awaitable[T]]) -> T:
        """Run `work` in one transaction that a cancelled caller cannot break off.

        It begins at once, rolls back on every exception, commits otherwise, and gives the connection back in every
        case; deadlocks and serialization failures run `work` again, a bounded number of times. Inside, start no
        tasks: they would outlive the transaction.
        """
        return await self._finish(self._attempts(work))

    async def _finish(self, work: Awaitable[T]) -> T:
        task = asyncio.ensure_future(work)
        self._running.add(task)
        task.add_done_callback(self._ended)
        return await asyncio.shield(task)

    def _ended(self, task: "asyncio.Task[Any]") -> None:
        self._running.discard(task)
        if not task.cancelled():
            task.exception()  # looked at here, because a cancelled caller no longer does

    async def _attempts(self, work: Callable[[Transaction], Awaitable[T]]) -> T:
        for attempt in range(1, ATTEMPTS + 1):
            try:
                return await self._once(work)
            except Exception as error:
                if not self._pool.is_conflict(error):
                    raise self._translated(error) from error
                if attempt == ATTEMPTS:
                    raise Unavailable("others kept changing the same rows") from error
                log.info("transaction conflict, attempt %d of %d", attempt, ATTEMPTS)
        raise AssertionError("unreachable")

    async def _once(self, work: Callable[[Transaction], Awaitable[T]]) -> T:
        raw = await self._pool.begin()
        sound = False
        try:
            transaction = Transaction(raw, self.dialect, self.tracer)
            try:
                result = await work(transaction)
            except BaseException:
                await self._pool.rollback(raw)
                raise
            finally:
                transaction.ended = True
            if transaction.failed is not None:
                await self._pool.rollback(raw)
                raise transaction.failed
            if transaction.discarded:
                await self._pool.rollback(raw)
            else:
                await self._commit(raw)
            sound = True
            return result
        finally:
            await self._pool.end(raw, sound=sound)

    async def _commit(self, raw: Any) -> None:
        try:
            await self._pool.commit(raw)
        except BaseException:
            await self._pool.rollback(raw)
            raise

    def _translated(self, error: Exception) -> Exception:
        return Unavailable("the database does not answer") if self._pool.is_away(error) else error


class _Reading:
    """A class and no generator: every request passes here."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._raw: Any = None

    async def __aenter__(self) -> Connection:
        database = self._database
        try:
            self._raw = await database._pool.take()
        except TimeoutError as error:
            raise Unavailable("every connection is busy") from error
        except Exception as error:
            raise database._translated(error) from error
        kind = Threaded if isinstance(self._raw, Reader) else Connection
        return kind(self._raw, database.dialect, database.tracer)

    async def __aexit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        await self._database._pool.give(self._raw, sound=error is None)
        if isinstance(error, Exception):
            translated = self._database._translated(error)
            if translated is not error:
                raise translated from error


def sqlite_file(url: str) -> Path | None:
    """The file of an `sqlite://` address (relative to the working directory), or None for PostgreSQL."""
    if url.startswith("sqlite://"):
        path = url.removeprefix("sqlite://")
        if not path or ":memory:" in path:
            raise BadSetting("USERGRAPH_DATABASE_URL needs a file, as in sqlite://.data/usergraph.sqlite3.")
        return Path(path)
    if url.startswith(("postgres://", "postgresql://")):
        return None
    raise BadSetting("USERGRAPH_DATABASE_URL begins with sqlite:// or postgres://.")
