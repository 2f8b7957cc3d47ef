"""PostgreSQL's connections, and the lock by which writers take turns."""

import asyncio
from datetime import datetime
from typing import Any

import asyncpg

from models.dialects import Dialect, Postgres
from models.errors import Unavailable
from models.pooler import may_prepare
from models.pools import LONGEST
from models.values import now
from models.versions import SETTING

WRITER_LOCK = 7_461_100  # the advisory lock that makes PostgreSQL, like SQLite, write one transaction at a time


class PostgresPool:
    """An asyncpg pool; writing takes its turn through an advisory lock that all processes share.

    Without `prepare` it works behind a pooler that lends a server's connection for one transaction: nothing is kept
    in a session, no prepared statement and no setting. Such a pooler is noticed when the pool is opened.
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
        self._prepare = await may_prepare(self._url, self._wait, self._prepare)
        try:
            self._pool = await asyncpg.create_pool(
                self._url,
                min_size=0,  # a floor is tried for again and again while the server is away, with tracebacks
                max_size=self._size,
                timeout=self._wait,
                command_timeout=LONGEST,
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

    async def begin(self) -> tuple[Any, datetime]:
        """One round trip. Each statement sees what was committed before it, so also what its turn waited for."""
        turn = f"SELECT pg_advisory_xact_lock({WRITER_LOCK})"
        await asyncio.wait_for(self._writers.acquire(), self._wait)
        raw = None
        try:
            raw = await self.take()
            moment = now()  # who comes later has its turn later, near enough: versions never overlap
            told = f"SET LOCAL {self._bound}; SET LOCAL {SETTING} = '{moment.isoformat()}'"
            await raw.execute(f"BEGIN ISOLATION LEVEL READ COMMITTED; {told}; {turn}")
        except BaseException:
            try:
                await self.rollback(raw)
            finally:
                await self.end(raw, sound=False)
            raise
        return raw, moment

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
