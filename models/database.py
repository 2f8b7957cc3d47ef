"""The connections: many that read, and one door to writing."""

import asyncio
import contextlib
import logging
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any, TypeVar

from models.connections import Connection, Record, Statement, Steps, Threaded, Tracer, Transaction
from models.dialects import Dialect
from models.errors import TooBusy, TooSlow, Unavailable
from models.pools import Pool
from models.pools_postgres import PostgresPool
from models.pools_sqlite import Reader, SQLitePool
from models.settings import BadSetting, Settings
from models.streams import Stream, ThreadedStream
from models.watching import Observer, Tally

T = TypeVar("T")

log = logging.getLogger("usergraph.database")

ATTEMPTS = 3
TELL_EVERY = 10  # seconds until the same cause is logged again


class Database:
    """The open database. `reading()` lends a connection; `transaction(work)` is the only way to write."""

    def __init__(self, url: str, *, pool: int = 8, wait: int = 5, prepare: bool = True, streams: int = 2) -> None:
        self.url = url
        self.wait = wait
        self.file = sqlite_file(url)
        self._pool: Pool = SQLitePool(self.file, pool, wait) if self.file else PostgresPool(url, pool, wait, prepare)
        self._running: set[asyncio.Task[Any]] = set()
        readers = self._pool.connections()[2] - (1 if self.file else 0)
        lengthy = readers - 1 if readers > 2 else readers  # of two, streams already leave one
        self._places: Counter[int | None] = Counter()  # by who streams
        self._most_places = min(streams, lengthy - 1)
        self._long = asyncio.Semaphore(lengthy)
        self._told = ("", 0.0)
        self.tally = Tally()
        self.observer: Observer | None = None
        self.tracer: Tracer | None = None

    @classmethod
    def of(cls, settings: Settings) -> "Database":
        return cls(
            settings.database_url,
            pool=settings.database_pool,
            wait=settings.database_wait,
            prepare=settings.database_prepare,
            streams=settings.exports,
        )

    @property
    def dialect(self) -> Dialect:
        return self._pool.dialect

    def connections(self) -> tuple[int, int, int]:
        """How many are in use, how many open but idle, how many there may be."""
        return self._pool.connections()

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
        Others leave it a connection, however many they are. Raises TooSlow for what takes too long.
        """
        if not quick:
            async with self._at_length(), _Reading(self) as connection:
                try:
                    return await connection.run(steps)
                except TimeoutError as error:
                    raise TooSlow("a statement took too long") from error
        async with _Reading(self) as connection:
            return connection.drive(steps) if isinstance(connection, Threaded) else await connection.run(steps)

    @contextlib.asynccontextmanager
    async def _at_length(self) -> AsyncIterator[None]:
        """For what may take its connection for long: all but one are for that. Raises Unavailable as for none free."""
        try:
            async with asyncio.timeout(self.wait):
                await self._long.acquire()
        except TimeoutError as error:
            raise self._unavailable("every connection is busy", error) from error
        try:
            yield
        finally:
            self._long.release()

    @contextlib.asynccontextmanager
    async def stream(self, steps: Steps[Statement]) -> AsyncIterator[Stream | ThreadedStream]:
        """The rows of the statement that `steps` answers, in batches on a connection of their own.

        It is for who has a `place`.
        """
        try:
            async with self._streaming(steps) as stream:
                yield stream
        except Exception as error:
            if (translated := self._translated(error)) is not error:
                raise translated from error
            raise

    @contextlib.contextmanager
    def place(self, user_id: int | None) -> Iterator[None]:
        """One of the places of those who stream, which last, while others need connections too.

        A user has half of them, or the only one. Raises TooBusy where all are taken, where the user's share is, and
        always where there is but one connection.
        """
        if self._places.total() >= self._most_places:
            raise TooBusy("as many streams are open as may be")
        if self._places[user_id] >= max(1, self._most_places // 2):
            raise TooBusy("this user streams as much as one may", is_of_one=True)
        self._places[user_id] += 1
        try:
            yield
        finally:
            self._places[user_id] -= 1
            self._places += Counter()  # which drops those who have none

    @contextlib.asynccontextmanager
    async def _streaming(self, steps: Steps[Statement]) -> AsyncIterator[Stream | ThreadedStream]:
        async with self._at_length():
            raw = await self.take()
            kind = ThreadedStream if isinstance(raw, Reader) else Stream
            stream = kind(raw, self.dialect, self.tracer, self.observer)
            try:
                await stream.begin(steps)
                yield stream
            finally:
                await self._finish(self._end(stream))

    async def take(self) -> Any:
        """A connection to read on. Raises Unavailable where none is free in time."""
        try:
            return await self._pool.take()
        except TimeoutError as error:
            raise self._unavailable("every connection is busy", error) from error
        except Exception as error:
            raise self._translated(error) from error

    async def _end(self, stream: Stream | ThreadedStream) -> None:
        """Whatever became of its caller, a connection is given back without its snapshot."""
        sound = False
        try:
            sound = await stream.end()
        finally:
            stream.count(self.tally)
            await self._pool.give(stream.raw, sound=sound)

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
        raw, moment = await self._pool.begin()
        sound, outcome = False, "failed"
        transaction = Transaction(raw, self.dialect, self.tracer, self.observer)
        transaction.moment = moment
        try:
            transaction.begin()
            try:
                result = await work(transaction)
            except BaseException as error:
                outcome = "conflict" if self._pool.is_conflict(error) else "failed"
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
            sound, outcome = True, "rolled_back" if transaction.discarded else "committed"
            return result
        finally:
            try:
                await self._pool.end(raw, sound=sound)
            finally:
                transaction.count_as(outcome, self.tally)

    async def _commit(self, raw: Any) -> None:
        try:
            await self._pool.commit(raw)
        except BaseException:
            await self._pool.rollback(raw)
            raise

    def _translated(self, error: Exception) -> Exception:
        return self._unavailable("the database does not answer", error) if self._pool.is_away(error) else error

    def _unavailable(self, what: str, error: Exception) -> Unavailable:
        """The cause goes to the log, as callers are not told it; not for each of them, who all meet the same one."""
        told = f"{what}: {type(error).__name__} {error}".rstrip()
        if told != self._told[0] or time.monotonic() - self._told[1] > TELL_EVERY:
            log.warning("%s", told)
            self._told = (told, time.monotonic())
        return Unavailable(what)


class _Reading:
    """A class and no generator: every request passes here."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._raw: Any = None
        self._lent: Connection

    async def __aenter__(self) -> Connection:
        database = self._database
        self._raw = await database.take()
        kind = Threaded if isinstance(self._raw, Reader) else Connection
        self._lent = kind(self._raw, database.dialect, database.tracer, database.observer)
        return self._lent

    async def __aexit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        self._lent.count(self._database.tally)
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


__all__ = ["Connection", "Database", "Record", "Statement", "Steps", "Threaded", "Tracer", "Transaction", "sqlite_file"]
