"""The one door to writing: what cancelled callers, errors and tasks that outlive it leave behind."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Any

import pytest
from tortoise.exceptions import TransactionManagementError

from models.database import Database, Transaction
from models.errors import Invalid, Unavailable
from tests.marks import HANG, Opened, is_healthy, mark, marks, opening, write


@pytest.fixture
async def opened(database_url: str) -> AsyncIterator[Opened]:
    async with opening(database_url) as open_:
        yield open_


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
