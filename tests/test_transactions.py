"""The one door to writing: what cancelled callers, errors, other writers and lost connections leave behind."""

import asyncio
import contextlib
import itertools
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest
from tortoise.exceptions import TransactionManagementError

from models.database import Database, Transaction
from models.errors import Invalid, Unavailable

MANY = 1_000_000
HANG = 20  # seconds after which something that should have ended is taken to hang
Opened = Callable[..., Awaitable[Database]]


@pytest.fixture
async def opened(database_url: str) -> AsyncIterator[Opened]:
    """Open databases over one directory, with a table of their own to write in; closed afterwards."""
    made: list[Database] = []

    async def open_(*, pool: int = 2, wait: int = 5) -> Database:
        database = Database(database_url, pool=pool, wait=wait)
        await database.open()
        made.append(database)
        if len(made) == 1:
            await write(database, "CREATE TABLE marks (n INTEGER NOT NULL UNIQUE)")
        return database

    yield open_
    for database in made:
        await asyncio.wait_for(database.close(), HANG)


async def write(database: Database, sql: str, *values: Any) -> None:
    await database.transaction(lambda tx: tx.rows(sql, *values))


async def mark(tx: Transaction, *numbers: int) -> None:
    for n in numbers:
        await tx.rows("INSERT INTO marks (n) VALUES ($1)", n)


async def marks(database: Database) -> list[int]:
    async with database.reading() as connection:
        return [row[0] for row in await connection.rows("SELECT n FROM marks ORDER BY n")]


async def is_healthy(database: Database) -> None:
    """A hundred transactions and reads, some at once: more than the pool has connections."""
    numbers = itertools.count(MANY)

    async def one() -> None:
        await database.transaction(lambda tx: mark(tx, next(numbers)))
        await marks(database)

    for _ in range(20):
        await asyncio.wait_for(asyncio.gather(*(one() for _ in range(5))), HANG)
    assert [n for n in await marks(database) if n >= MANY] == list(range(MANY, MANY + 100))
    await write(database, "DELETE FROM marks WHERE n >= $1", MANY)


async def all_or_nothing(database: Database, witness: Database) -> None:
    """Every transaction wrote a pair of marks; closing waits for those that outlived their callers."""
    await asyncio.wait_for(database.close(), HANG)
    found = await marks(witness)
    assert [n for n in found if n % 2 == 0] == [n - 1 for n in found if n % 2]
    assert found


@pytest.mark.parametrize("pool", [1, 2])
async def test_a_transaction_whose_caller_is_cancelled_completes(opened: Opened, pool: int) -> None:
    database = await opened(pool=pool)
    inside, go_on = asyncio.Event(), asyncio.Event()

    async def work(tx: Transaction) -> None:
        await mark(tx, 1)
        inside.set()
        await go_on.wait()
        await mark(tx, 2)

    caller = asyncio.create_task(database.transaction(work))
    await inside.wait()
    caller.cancel()
    with pytest.raises(asyncio.CancelledError):
        await caller
    go_on.set()
    await is_healthy(database)
    witness = await opened(pool=1)
    await asyncio.wait_for(database.close(), HANG)
    assert await marks(witness) == [1, 2]


async def test_callers_cancelled_at_any_moment_leave_all_or_nothing_and_every_connection(opened: Opened) -> None:
    """Sixty moments: before the turn to write, at the beginning, in the middle, at the end."""
    database, witness = await opened(pool=2), await opened(pool=1)
    ended: list[BaseException | None] = []
    for ticks in range(60):
        writer = asyncio.create_task(database.transaction(lambda tx, n=2 * ticks: mark(tx, n, n + 1)))  # type: ignore[misc]
        reader = asyncio.create_task(marks(database))
        for _ in range(ticks):
            await asyncio.sleep(0)
        if ticks > 40:  # threads and sockets answer in their own time: let some get further
            await asyncio.wait([reader])
        writer.cancel()
        reader.cancel()
        for task in (writer, reader):
            await asyncio.wait([task], timeout=HANG)
            assert task.done()
            ended.append(None if not task.cancelled() else asyncio.CancelledError())
    assert any(ended), "nobody was cancelled, so this asked nothing"
    await is_healthy(database)
    await all_or_nothing(database, witness)


async def test_siblings_cancelled_by_an_error_and_by_a_time_out_give_everything_back(opened: Opened) -> None:
    database, witness = await opened(pool=1), await opened(pool=1)

    async def slow(tx: Transaction, n: int) -> None:
        await mark(tx, n)
        await asyncio.sleep(0)
        await mark(tx, n + 1)

    async def failing() -> None:
        await asyncio.sleep(0)
        raise ValueError("a sibling")

    for n in range(0, 40, 4):
        with contextlib.suppress(BaseExceptionGroup):
            async with asyncio.TaskGroup() as group:
                group.create_task(database.transaction(lambda tx, n=n: slow(tx, n)))  # type: ignore[misc]
                group.create_task(failing())
                group.create_task(marks(database))
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(0):
                await database.transaction(lambda tx, n=n + 2: slow(tx, n))  # type: ignore[misc]
    await is_healthy(database)
    await all_or_nothing(database, witness)


class Ending(BaseException):
    """Neither an Exception nor a cancellation."""


@pytest.mark.parametrize(
    "error",
    [
        ValueError("a bug"),
        Invalid("name", reason="refused"),
        TransactionManagementError("of Tortoise's"),
        TimeoutError("of something else"),
        OSError("of something else"),
        asyncio.CancelledError(),
        Ending(),
    ],
    ids=lambda error: type(error).__name__,
)
async def test_every_exception_rolls_back(opened: Opened, error: BaseException) -> None:
    database = await opened(pool=1)

    async def work(tx: Transaction) -> None:
        await mark(tx, 1)
        raise error

    with pytest.raises((type(error), Unavailable)):
        await database.transaction(work)
    await write(database, "INSERT INTO marks (n) VALUES (2)")
    assert await marks(database) == [2]


@pytest.mark.parametrize("wrong", ["INSERT INTO marks (n) VALUES (1)", "INSERT INTO nowhere VALUES (1)", "SELEC 1"])
async def test_an_error_of_the_database_rolls_back_also_when_it_is_swallowed(opened: Opened, wrong: str) -> None:
    """PostgreSQL turns the COMMIT after an error into a ROLLBACK, and says nothing: that may not pass for success."""
    database = await opened(pool=1)

    async def raising(tx: Transaction) -> None:
        await mark(tx, 1)
        await tx.rows(wrong)

    async def swallowing(tx: Transaction) -> None:
        with contextlib.suppress(Exception):
            await raising(tx)

    with pytest.raises(Exception, match=r"(?i)unique|nowhere|syntax") as raised:
        await database.transaction(raising)
    assert not isinstance(raised.value, Unavailable)
    assert await marks(database) == []
    succeeded = True
    try:
        await database.transaction(swallowing)
    except Exception:
        succeeded = False
    assert await marks(database) == ([1] if succeeded else [])
    await is_healthy(database)


async def test_a_discarded_transaction_answers_and_stores_nothing(opened: Opened) -> None:
    database = await opened(pool=1)

    async def work(tx: Transaction) -> Any:
        await mark(tx, 1)
        tx.discard()
        await mark(tx, 2)
        return await tx.scalar("SELECT COUNT(*) FROM marks")

    assert await database.transaction(work) == 2
    assert await marks(database) == []
    await is_healthy(database)


async def test_a_task_that_outlives_its_transaction_can_write_no_more(opened: Opened) -> None:
    database = await opened(pool=2)
    kept: list[Transaction] = []

    async def work(tx: Transaction) -> None:
        kept.append(tx)
        await mark(tx, 1)

    async def beside(tx: Transaction) -> None:
        with pytest.raises(Exception, match=r"."):
            await mark(kept[0], 3)
        await mark(tx, 4)
        raise ValueError

    await database.transaction(work)
    with pytest.raises(Exception, match=r"."):
        await mark(kept[0], 2)
    with pytest.raises(ValueError, match=r"^$"):
        await database.transaction(beside)
    assert await marks(database) == [1]
    await is_healthy(database)


async def test_tasks_within_a_transaction_take_turns_and_belong_to_it(opened: Opened) -> None:
    database = await opened(pool=1)
    gone = 0

    async def work(tx: Transaction) -> None:
        nonlocal gone
        await asyncio.gather(*(mark(tx, n) for n in range(10)))
        gone += 1
        if gone == 1:
            raise ValueError

    with pytest.raises(ValueError, match=r"^$"):
        await database.transaction(work)
    assert await marks(database) == []
    await database.transaction(work)
    assert await marks(database) == list(range(10))


async def test_a_transaction_within_a_transaction_is_refused_instead_of_waiting_for_itself(opened: Opened) -> None:
    database = await opened(pool=2, wait=1)

    async def work(tx: Transaction) -> None:
        await mark(tx, 1)
        await database.transaction(lambda inner: mark(inner, 2))

    caller = asyncio.create_task(database.transaction(work))
    done, _ = await asyncio.wait([caller], timeout=HANG)
    assert done, "it waits for itself"
    assert isinstance(caller.exception(), Exception)
    assert await marks(database) == []
    await is_healthy(database)


async def test_two_writers_reading_first_lose_no_update(opened: Opened) -> None:
    """Two databases as two processes have them: who begins has the turn to write, so nobody reads what will change."""
    one, other = await opened(pool=1), await opened(pool=1)
    await write(one, "INSERT INTO marks (n) VALUES (0)")

    async def increment(tx: Transaction) -> None:
        n = await tx.scalar("SELECT n FROM marks")
        await asyncio.sleep(0)
        await tx.rows("UPDATE marks SET n = $1", n + 1)

    async def many(database: Database) -> None:
        for _ in range(25):
            await database.transaction(increment)

    await asyncio.gather(many(one), many(other), many(one), many(other))
    assert await marks(one) == await marks(other) == [100]


@contextlib.asynccontextmanager
async def writing(database: Database, n: int) -> AsyncIterator[None]:
    """A transaction that has written and is not over yet."""
    inside, go_on = asyncio.Event(), asyncio.Event()

    async def work(tx: Transaction) -> None:
        await mark(tx, n)
        inside.set()
        await go_on.wait()

    task = asyncio.create_task(database.transaction(work))
    await inside.wait()
    try:
        yield
    finally:
        go_on.set()
        await task


async def test_readers_do_not_wait_for_a_writer_and_see_only_what_is_committed(opened: Opened) -> None:
    database, other = await opened(pool=2, wait=1), await opened(pool=2)
    async with writing(database, 1):
        assert await asyncio.gather(*(marks(d) for d in (database, other) * 10)) == [[]] * 20
    assert await marks(database) == await marks(other) == [1]


async def test_a_database_locked_by_another_process_is_unavailable_to_write_and_goes_on_reading(opened: Opened) -> None:
    other, database = await opened(), await opened(pool=4, wait=1)
    async with writing(other, 1):
        outcomes = await asyncio.gather(
            *(database.transaction(lambda tx: mark(tx, 2)) for _ in range(3)),
            *(marks(database) for _ in range(3)),
            return_exceptions=True,
        )
        assert [type(each) for each in outcomes[:3]] == [Unavailable] * 3
        assert outcomes[3:] == [[]] * 3
    await is_healthy(database)
    assert await marks(database) == [1]


async def test_a_pool_that_stays_exhausted_is_unavailable_and_recovers(opened: Opened) -> None:
    database = await opened(pool=2, wait=1)
    async with database.reading() as one, database.reading() as two:
        with pytest.raises(Unavailable):
            await marks(database)
        assert [await each.scalar("SELECT 1") for each in (one, two)] == [1, 1]
    await is_healthy(database)
