"""SQLite's connections: a writer and several readers on one file."""

import asyncio
import sqlite3
from collections.abc import Callable
from concurrent.futures import Executor, ThreadPoolExecutor
from datetime import datetime
from pathlib import Path
from typing import Any, TypeVar

import aiosqlite

from models.dialects import Dialect, SQLite, instant
from models.errors import Unavailable
from models.pools import LONGEST
from models.values import now
from models.versions import MOMENT

PRAGMAS = ("PRAGMA foreign_keys = ON", "PRAGMA case_sensitive_like = ON")
T = TypeVar("T")

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


async def ended(future: "asyncio.Future[Any]") -> None:
    """Waits for what nobody takes the result of any more."""
    await asyncio.wait([future])
    if not future.cancelled():
        future.exception()  # looked at, or it would be told of as never retrieved


class Reader:
    """A reading connection of SQLite; what is done with it is done in a thread, and broken off with its caller.

    What takes too long is broken off too, and raises TimeoutError.
    """

    def __init__(self, connection: sqlite3.Connection, threads: Executor) -> None:
        self.connection = connection
        self._threads = threads

    async def do(self, work: Callable[[], T]) -> T:
        future = asyncio.get_running_loop().run_in_executor(self._threads, work)
        try:
            async with asyncio.timeout(LONGEST):
                return await asyncio.shield(future)
        except (asyncio.CancelledError, TimeoutError):
            self.connection.interrupt()
            await ended(future)
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

    async def begin(self) -> tuple[aiosqlite.Connection, datetime]:
        if self._writer is None:
            raise Unavailable("the database is closed")
        await asyncio.wait_for(self._turn.acquire(), self._wait)
        try:
            await self._writer.execute_fetchall("BEGIN IMMEDIATE")
            moment = now()
            await self._writer.execute_fetchall(f"INSERT INTO {MOMENT} VALUES (?)", (instant(moment),))
        except BaseException:
            try:
                await self.rollback(self._writer)
            finally:
                self._turn.release()
            raise
        return self._writer, moment

    async def commit(self, raw: aiosqlite.Connection) -> None:
        await raw.execute_fetchall(f"DELETE FROM {MOMENT}")
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
