"""Streams: one statement's rows a batch at a time, in a snapshot of their own on one connection."""

import asyncio
import sqlite3
from collections.abc import AsyncGenerator, Callable, Sequence
from time import perf_counter
from typing import Any, TypeVar

from models.connections import Connection, Record, Statement, Steps, Threaded, in_thread

T = TypeVar("T")
Plan = Callable[[Sequence[Record]], Steps[T]]
PATIENCE = 5.0  # seconds for a snapshot to be ended; a connection that takes longer is closed


class Stream(Connection):
    """PostgreSQL: a cursor in a transaction that only reads, and sees the rows of its beginning to its end.

    The statement is prepared without a name: behind a pooler, nothing of it stays in the server's session.
    """

    _statement: Statement | None = None
    _cursor: Any = None
    _spent = 0.0
    _failure: str | None = None

    async def begin(self, steps: Steps[Statement]) -> None:
        """`steps` answers the statement whose rows are streamed; what it yields on the way runs in the same snapshot"""
        await self.raw.execute("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
        statement = self._statement = await self.run(steps)
        if self._tracer is not None:
            self._tracer(statement.sql)
        prepared = await self.raw.prepare(statement.sql, name="")
        self._cursor = await prepared.cursor(*map(self.dialect.bind, statement.values))

    async def batches(self, size: int, plan: Plan[T], write: Callable[[T], bytes]) -> AsyncGenerator[bytes, None]:
        """What `write` makes, in a thread, of each batch of `size` rows as `plan` shapes it.

        The next batch is read while one is written and taken: no more than two are in memory.
        """
        ahead = asyncio.ensure_future(self._batch(size, plan))
        try:
            while (batch := await ahead) is not None:
                ahead = asyncio.ensure_future(self._batch(size, plan))
                yield await in_thread(lambda made=batch: write(made))  # type: ignore[misc]
        finally:
            ahead.cancel()
            await asyncio.gather(ahead, return_exceptions=True)

    async def _batch(self, size: int, plan: Plan[T]) -> T | None:
        rows = await self._fetch_some(size)
        return await self.run(plan(rows)) if rows else None

    async def _fetch_some(self, size: int) -> Sequence[Record]:
        async with self._turn:
            begun = perf_counter()
            try:
                return await self._cursor.fetch(size)  # type: ignore[no-any-return]
            except BaseException as error:
                self._failure = type(error).__name__
                raise
            finally:
                self._spent += perf_counter() - begun

    async def end(self) -> bool:
        """Whether the connection is fit for others."""
        if self._statement is not None:
            self._ran(self._statement.sql, perf_counter() - self._spent, self._failure)
        try:
            async with asyncio.timeout(PATIENCE):
                await self.raw.execute("ROLLBACK")  # waits for a broken-off statement to end
        except Exception:
            self.raw.terminate()
            return False
        return True


class ThreadedStream(Threaded):
    """SQLite: a reader's cursor within a transaction. A batch is read, shaped and written in the reader's thread.

    One after the other: a thread that reads passes Python's lock on at every row, and would wait for one that writes.
    """

    _statement: Statement | None = None
    _cursor: sqlite3.Cursor | None = None
    _spent = 0.0
    _failure: str | None = None

    async def begin(self, steps: Steps[Statement]) -> None:
        await self.raw.do(lambda: self._open(steps))

    def _open(self, steps: Steps[Statement]) -> None:
        self.raw.connection.execute("BEGIN")
        statement = self._statement = self.drive(steps)
        if self._tracer is not None:
            self._tracer(statement.sql)
        bound = [self.dialect.bind(value) for value in statement.values]
        begun = perf_counter()
        self._cursor = self.raw.connection.execute(self.dialect.text(statement.sql), bound)
        self._spent = perf_counter() - begun

    async def batches(self, size: int, plan: Plan[T], write: Callable[[T], bytes]) -> AsyncGenerator[bytes, None]:
        while (written := await self.raw.do(lambda: self._batch(size, plan, write))) is not None:
            yield written

    def _batch(self, size: int, plan: Plan[T], write: Callable[[T], bytes]) -> bytes | None:
        assert self._cursor is not None
        begun = perf_counter()
        try:
            rows = self._cursor.fetchmany(size)
        except BaseException as error:
            self._failure = type(error).__name__
            raise
        finally:
            self._spent += perf_counter() - begun
        return write(self._drive(plan(rows), self._fetch_at_once)) if rows else None

    async def end(self) -> bool:
        if self._statement is not None:
            self._ran(self._statement.sql, perf_counter() - self._spent, self._failure)
        if self._cursor is not None:
            self._cursor.close()  # until then an interruption holds, for whatever is executed next
        self.raw.connection.rollback()
        return True


__all__ = ["Stream", "ThreadedStream", "in_thread"]
