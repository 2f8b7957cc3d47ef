"""The connections of each database: how they are opened, lent, and written through."""

import asyncio
import sqlite3
from collections.abc import Callable
from concurrent.futures import Executor, ThreadPoolExecutor
from pathlib import Path
from typing import Any, Protocol, TypeVar

import aiosqlite
import asyncpg

from models.dialects import Dialect, Postgres, SQLite
from models.errors import Unavailable

WRITER_LOCK = 7_461_100  # the advisory lock that makes PostgreSQL, like SQLite, write one transaction at a time

PRAGMAS = ("PRAGMA foreign_keys = ON", "PRAGMA case_sensitive_like = ON")
T = TypeVar("T")


class Pool(Protocol):
    """What each database brings: connections to read on, and one to write on."""

    dialect: Dialect

    def connections(self) -> tuple[int, int, int]: ...

    async def open(self) -> None: ...

    async def close(self) -> None: ...

    async def take(self) -> Any: ...

    async def give(self, raw: Any, *, sound: bool = True) -> None: ...

    async def begin(self) -> Any: ...

    async def commit(self, raw: Any) -> None: ...

    async def rollback(self, raw: Any) -> None: ...

    async def end(self, raw: Any, *, sound: bool) -> None: ...

    def is_conflict(self, error: BaseException) -> bool: ...

    def is_away(self, error: BaseException) -> bool: ...


_PASSING = {
    sqlite3.SQLITE_BUSY,
    sqlite3.SQLITE_LOCKED,
    sqlite3.SQLITE_NOMEM,
    sqlite3.SQLITE_READONLY,
    sqlite3.SQLITE_IOERR,
    sqlite3.SQLITE_FULL,
    sqlite3.SQLITE_CANTOPEN,
    sqlite3.SQLITE_PROTOCOL,
}


class Reader:
    """A reading connection of SQLite; what is done with it is done in a thread, and broken off with its caller."""

    def __init__(self, connection: sqlite3.Connection, threads: Executor) -> None:
        self.connection = connection
        self._threads = threads

    async def do(self, work: Callable[[], T]) -> T:
        future = asyncio.get_running_loop().run_in_executor(self._threads, work)
        try:
            return await asyncio.shield(future)
        except asyncio.CancelledError:
            self.connection.interrupt()
            await asyncio.wait([future])
            raise


class SQLitePool:
    """A writer and several readers on one file in WAL mode, each with its own thread."""

    def __init__(self, path: Path, size: int, wait: int) -> None:
        self.dialect: Dialect = SQLite()
        self._path = path
        self._size = min(size, 4)
        self._wait = wait
        self._readers: asyncio.LifoQueue[Reader] = asyncio.LifoQueue()
        self._threads = ThreadPoolExecutor(self._size, "usergraph-reader")
        self._writer: aiosqlite.Connection | None = None
        self._turn = asyncio.Lock()

    async def open(self) -> None:
        if not self._path.exists() or self._path.stat().st_size == 0:
            raise Unavailable(f"There is no directory in {self._path} yet. Run: usergraph migrate")
        try:
            self._writer = await self._connect("PRAGMA journal_mode = WAL", "PRAGMA synchronous = NORMAL")
            for _ in range(self._size):
                self._readers.put_nowait(self._reader())
        except sqlite3.DatabaseError as error:
            await self.close()
            raise Unavailable(f"{self._path} cannot be opened as an SQLite database: {error}") from error

    def _reader(self) -> Reader:
        raw = sqlite3.connect(
            self._path, isolation_level=None, timeout=self._wait, check_same_thread=False, cached_statements=500
        )
        try:
            for pragma in (*PRAGMAS, "PRAGMA query_only = ON"):
                raw.execute(pragma)
        except BaseException:
            raw.close()
            raise
        return Reader(raw, self._threads)

    async def _connect(self, *pragmas: str) -> aiosqlite.Connection:
        raw = await aiosqlite.connect(self._path, isolation_level=None, timeout=self._wait)
        try:
            for pragma in (*PRAGMAS, *pragmas):
                await raw.execute_fetchall(pragma)
        except BaseException:
            await raw.close()
            raise
        return raw

    async def close(self) -> None:
        while not self._readers.empty():
            self._readers.get_nowait().connection.close()
        self._threads.shutdown(wait=False)
        if self._writer is not None:
            await self._writer.close()
            self._writer = None

    def connections(self) -> tuple[int, int, int]:
        idle = self._readers.qsize() + (not self._turn.locked())
        return (self._size + 1 - idle, idle, self._size + 1) if self._writer is not None else (0, 0, self._size + 1)

    async def take(self) -> Reader:
        if self._readers.empty():
            return await asyncio.wait_for(self._readers.get(), self._wait)
        return self._readers.get_nowait()

    async def give(self, raw: Reader, *, sound: bool = True) -> None:
        self._readers.put_nowait(raw)

    async def begin(self) -> aiosqlite.Connection:
        if self._writer is None:
            raise Unavailable("the database is closed")
        await asyncio.wait_for(self._turn.acquire(), self._wait)
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

    async def end(self, raw: aiosqlite.Connection, *, sound: bool) -> None:
        self._turn.release()

    def is_conflict(self, error: BaseException) -> bool:
        return False  # BEGIN IMMEDIATE waits for its turn at the start and meets nobody afterwards

    def is_away(self, error: BaseException) -> bool:
        """Busy, locked, unreadable, unwritable, full: all that may pass. Anything else is a fault of this program."""
        code = getattr(error, "sqlite_errorcode", None) if isinstance(error, sqlite3.OperationalError) else None
        return isinstance(error, TimeoutError) or (code is not None and code & 0xFF in _PASSING)


class PostgresPool:
    """An asyncpg pool; writing takes its turn through an advisory lock that all processes share.

    Without `prepare` it works behind a pooler that lends a server's connection for one transaction: nothing is kept
    in a session, no prepared statement and no setting.
    """

    def __init__(self, url: str, size: int, wait: int, prepare: bool = True) -> None:
        self.dialect: Dialect = Postgres()
        self._url = url
        self._size = size
        self._wait = wait
        self._prepare = prepare
        self._bound = f"lock_timeout = {wait * 1000}"
        self._writers = asyncio.Semaphore(max(1, size // 2))  # who waits to write leaves others what to read with
        self._pool: Any = None
        self._at_hand, self._waiting = list[Any](), 0

    async def open(self) -> None:
        try:
            self._pool = await asyncpg.create_pool(
                self._url,
                min_size=0,  # a floor is tried for again and again while the server is away, with tracebacks
                max_size=self._size,
                timeout=self._wait,
                command_timeout=120,
                reset=_leave_as_it_is,
                init=self._begin_session,
                statement_cache_size=100 if self._prepare else 0,
                server_settings={"timezone": "UTC"},  # poolers refuse most others, lock_timeout among them
            )
            await self.give(await self.take())
        except (OSError, asyncpg.PostgresError, TimeoutError, ValueError) as error:
            raise Unavailable(f"PostgreSQL does not answer at USERGRAPH_DATABASE_URL: {error}") from error

    async def close(self) -> None:
        if self._pool is not None:
            while self._at_hand:
                await self._pool.release(self._at_hand.pop())
            try:
                await asyncio.wait_for(self._pool.close(), 5)
            except TimeoutError:
                self._pool.terminate()
            self._pool = None

    def connections(self) -> tuple[int, int, int]:
        there = self._pool.get_size() if self._pool is not None else 0
        idle = self._pool.get_idle_size() + len(self._at_hand) if self._pool is not None else 0
        return there - idle, idle, self._size

    async def _begin_session(self, raw: Any) -> None:
        if self._prepare:
            await raw.execute(f"SET {self._bound}")

    async def take(self) -> Any:
        """A connection at hand, without asyncpg's bookkeeping, which costs as much as a small query."""
        while self._at_hand:
            raw = self._at_hand.pop()
            if not raw.is_closed():
                return raw
            await self._pool.release(raw)
        self._waiting += 1
        try:
            return await self._pool.acquire(timeout=self._wait)
        finally:
            self._waiting -= 1

    async def give(self, raw: Any, *, sound: bool = True) -> None:
        if sound and not self._waiting and self._pool is not None:
            self._at_hand.append(raw)
        else:
            await self._pool.release(raw)  # which waits for a broken-off statement to end

    async def begin(self) -> Any:
        """One round trip. Each statement sees what was committed before it, so also what its turn waited for."""
        turn = f"SELECT pg_advisory_xact_lock({WRITER_LOCK})"
        await asyncio.wait_for(self._writers.acquire(), self._wait)
        raw = None
        try:
            raw = await self.take()
            await raw.execute(f"BEGIN ISOLATION LEVEL READ COMMITTED; SET LOCAL {self._bound}; {turn}")
        except BaseException:
            try:
                await self.rollback(raw)
            finally:
                await self.end(raw, sound=False)
            raise
        return raw

    async def commit(self, raw: Any) -> None:
        await raw.execute("COMMIT")

    async def rollback(self, raw: Any) -> None:
        if raw is not None and not raw.is_closed():
            await raw.execute("ROLLBACK")

    async def end(self, raw: Any, *, sound: bool) -> None:
        self._writers.release()
        if raw is not None:
            await self.give(raw, sound=sound)

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
                asyncpg.InternalClientError,
                asyncpg.LockNotAvailableError,
                asyncpg.CannotConnectNowError,
                asyncpg.TooManyConnectionsError,
                asyncpg.AdminShutdownError,
                asyncpg.CrashShutdownError,
                asyncpg.ReadOnlySQLTransactionError,
                asyncpg.InsufficientResourcesError,
            ),
        )


async def _leave_as_it_is(connection: Any) -> None:
    """Nothing here changes a session, so giving a connection back costs no round trip."""
