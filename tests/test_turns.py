"""Who waits for whom at the database: writers for their turn, readers for nobody, and no one for ever."""

import asyncio
import contextlib
from collections.abc import AsyncIterator

import pytest

from models.database import Database, Transaction
from models.errors import Unavailable
from tests.marks import HANG, Opened, is_healthy, mark, marks, opening, write


@pytest.fixture
async def opened(database_url: str) -> AsyncIterator[Opened]:
    async with opening(database_url) as open_:
        yield open_


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
    one, other = await opened(pool=1, wait=60), await opened(pool=1, wait=60)
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
