"""The connections: many that read, and one door to writing."""

import asyncio
import logging
import sqlite3
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Protocol, TypeVar

import aiosqlite
import asyncpg

from models.dialects import Dialect, Postgres, SQLite
from models.errors import Unavailable
from models.settings import BadSetting

T = TypeVar("T")
Record = Sequence[Any]
Tracer = Callable[[str], None]

log = logging.getLogger("usergraph.database")

ATTEMPTS = 3
WRITER_LOCK = 7_461_100  # the advisory lock that makes PostgreSQL, like SQLite, write one transaction at a time


class Connection:
    """One connection for a while. Rows come back as tuples in the order selected."""

    def __init__(self, raw: Any, dialect: Dialect, tracer: Tracer | None = None) -> None:
        self.raw = raw
        self.dialect = dialect
        self._tracer = tracer
        self._turn = asyncio.Lock()
        self.discarded = False

    async def rows(self, sql: str, *values: Any) -> Sequence[Record]:
        if self._tracer is not None:
            self._tracer(sql)
        bound = [self.dialect.bind(value) for value in values]
        async with self._turn:
            if self.dialect.name == "sqlite":
                fetched: Sequence[Record] = await self.raw.execute_fetchall(self.dialect.text(sql), bound)
                return fetched
            return await self.raw.fetch(sql, *bound)  # type: ignore[no-any-return]

    async def one(self, sql: str, *values: Any) -> Record | None:
        found = await self.rows(sql, *values)
        return found[0] if found else None

    async def scalar(self, sql: str, *values: Any) -> Any:
        found = await self.rows(sql, *values)
        return found[0][0] if found else None


class Transaction(Connection):
    """A transaction; `discard()` makes its end a rollback, which is what a dry run is."""

    def discard(self) -> None:
        self.discarded = True


class Pool(Protocol):
    """What each database brings: connections to read on, and one to write on."""

    dialect: Dialect

    async def open(self) -> None: ...

    async def close(self) -> None: ...

    async def take(self) -> Any: ...

    async def give(self, raw: Any) -> None: ...

    async def begin(self) -> Any: ...

    async def commit(self, raw: Any) -> None: ...

    async def rollback(self, raw: Any) -> None: ...

    async def end(self, raw: Any) -> None: ...

    def is_conflict(self, error: BaseException) -> bool: ...

    def is_away(self, error: BaseException) -> bool: ...


class SQLitePool:
    """A writer and several readers on one file in WAL mode, each with its own thread."""

    def __init__(self, path: Path, size: int, wait: int) -> None:
        self.dialect: Dialect = SQLite()
        self._path = path
        self._size = min(size, 4)
        self._wait = wait
        self._readers: asyncio.LifoQueue[aiosqlite.Connection] = asyncio.LifoQueue()
        self._writer: aiosqlite.Connection | None = None
        self._turn = asyncio.Lock()

    async def open(self) -> None:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        try:
            self._writer = await self._connect("PRAGMA journal_mode = WAL", "PRAGMA synchronous = NORMAL")
            for _ in range(self._size):
                self._readers.put_nowait(await self._connect("PRAGMA query_only = ON"))
        except sqlite3.DatabaseError as error:
            await self.close()
            raise Unavailable(f"{self._path} cannot be opened as an SQLite database: {error}") from error

    async def _connect(self, *pragmas: str) -> aiosqlite.Connection:
        raw = await aiosqlite.connect(self._path, isolation_level=None, timeout=self._wait)
        try:
            for pragma in ("PRAGMA foreign_keys = ON", *pragmas):
                await raw.execute_fetchall(pragma)
        except BaseException:
            await raw.close()
            raise
        return raw

    async def close(self) -> None:
        while not self._readers.empty():
            await self._readers.get_nowait().close()
        if self._writer is not None:
            await self._writer.close()
            self._writer = None

    async def take(self) -> aiosqlite.Connection:
        return await self._readers.get()

    async def give(self, raw: aiosqlite.Connection) -> None:
        self._readers.put_nowait(raw)

    async def begin(self) -> aiosqlite.Connection:
        if self._writer is None:
            raise Unavailable("the database is closed")
        await self._turn.acquire()
        try:
            await self._writer.execute_fetchall("BEGIN IMMEDIATE")
        except BaseException:
            self._turn.release()
            raise
        return self._writer

    async def commit(self, raw: aiosqlite.Connection) -> None:
        await raw.execute_fetchall("COMMIT")

    async def rollback(self, raw: aiosqlite.Connection) -> None:
        if raw.in_transaction:
            await raw.execute_fetchall("ROLLBACK")

    async def end(self, raw: aiosqlite.Connection) -> None:
        self._turn.release()

    def is_conflict(self, error: BaseException) -> bool:
        return False  # BEGIN IMMEDIATE waits for its turn at the start and meets nobody afterwards

    def is_away(self, error: BaseException) -> bool:
        return isinstance(error, sqlite3.OperationalError)


class PostgresPool:
    """An asyncpg pool; writing takes its turn through an advisory lock that all processes share."""

    def __init__(self, url: str, size: int, wait: int) -> None:
        self.dialect: Dialect = Postgres()
        self._url = url
        self._size = size
        self._wait = wait
        self._pool: Any = None
        self._open: dict[int, Any] = {}

    async def open(self) -> None:
        try:
            self._pool = await asyncpg.create_pool(
                self._url,
                min_size=1,
                max_size=self._size,
                timeout=self._wait,
                command_timeout=120,
                reset=_leave_as_it_is,
                server_settings={"timezone": "UTC", "lock_timeout": str(self._wait * 1000)},
            )
        except (OSError, asyncpg.PostgresError, TimeoutError) as error:
            raise Unavailable(f"PostgreSQL does not answer: {error}") from error

    async def close(self) -> None:
        if self._pool is not None:
            try:
                await asyncio.wait_for(self._pool.close(), 5)
            except TimeoutError:
                self._pool.terminate()
            self._pool = None

    async def take(self) -> Any:
        return await self._pool.acquire(timeout=self._wait)

    async def give(self, raw: Any) -> None:
        await self._pool.release(raw)

    async def begin(self) -> Any:
        raw = await self._pool.acquire(timeout=self._wait)
        transaction = raw.transaction()
        try:
            await transaction.start()
            self._open[id(raw)] = transaction
            await raw.fetch("SELECT pg_advisory_xact_lock($1)", WRITER_LOCK)
        except BaseException:
            await self.rollback(raw)
            await self.end(raw)
            raise
        return raw

    async def commit(self, raw: Any) -> None:
        await self._open.pop(id(raw)).commit()

    async def rollback(self, raw: Any) -> None:
        transaction = self._open.pop(id(raw), None)
        if transaction is not None and not raw.is_closed():
            await transaction.rollback()

    async def end(self, raw: Any) -> None:
        await self._pool.release(raw)

    def is_conflict(self, error: BaseException) -> bool:
        return isinstance(error, (asyncpg.DeadlockDetectedError, asyncpg.SerializationError))

    def is_away(self, error: BaseException) -> bool:
        return isinstance(
            error,
            (
                OSError,
                TimeoutError,
                asyncpg.PostgresConnectionError,
                asyncpg.InterfaceError,
                asyncpg.LockNotAvailableError,
                asyncpg.CannotConnectNowError,
                asyncpg.TooManyConnectionsError,
                asyncpg.AdminShutdownError,
                asyncpg.ReadOnlySQLTransactionError,
                asyncpg.InsufficientResourcesError,
            ),
        )


async def _leave_as_it_is(connection: Any) -> None:
    """Nothing here changes a session, so giving a connection back costs no round trip."""


class Database:
    """The open database. `reading()` lends a connection; `transaction(work)` is the only way to write."""

    def __init__(self, url: str, *, pool: int = 8, wait: int = 5) -> None:
        self.url = url
        self.wait = wait
        self.file = sqlite_file(url)
        self._pool: Pool = SQLitePool(self.file, pool, wait) if self.file else PostgresPool(url, pool, wait)
        self._running: set[asyncio.Task[Any]] = set()
        self.tracer: Tracer | None = None

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

    @asynccontextmanager
    async def reading(self) -> AsyncIterator[Connection]:
        try:
            raw = await asyncio.wait_for(self._pool.take(), self.wait)
        except Exception as error:
            raise self._translated(error) from error
        try:
            yield Connection(raw, self.dialect, self.tracer)
        except Exception as error:
            raise self._translated(error) from error
        finally:
            await self._finish(self._pool.give(raw))

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
                if attempt == ATTEMPTS or not self._pool.is_conflict(error):
                    raise self._translated(error) from error
                log.info("transaction conflict, attempt %d of %d", attempt, ATTEMPTS)
        raise AssertionError("unreachable")

    async def _once(self, work: Callable[[Transaction], Awaitable[T]]) -> T:
        raw = await self._pool.begin()
        try:
            transaction = Transaction(raw, self.dialect, self.tracer)
            try:
                result = await work(transaction)
            except BaseException:
                await self._pool.rollback(raw)
                raise
            if transaction.discarded:
                await self._pool.rollback(raw)
            else:
                await self._commit(raw)
            return result
        finally:
            await self._pool.end(raw)

    async def _commit(self, raw: Any) -> None:
        try:
            await self._pool.commit(raw)
        except BaseException:
            await self._pool.rollback(raw)
            raise

    def _translated(self, error: Exception) -> Exception:
        return Unavailable("the database does not answer") if self._pool.is_away(error) else error


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
