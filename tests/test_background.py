"""Workers of a process: they go on whatever happens, and end with it."""

import asyncio
import logging
import time

import pytest

from graph import background
from graph.background import Background, Worker
from models.errors import Unavailable


async def test_turns_follow_each_other_while_there_is_more_and_rest_otherwise() -> None:
    moments: list[float] = []
    enough = asyncio.Event()

    async def turn() -> bool:
        moments.append(time.monotonic())
        if len(moments) == 4:
            enough.set()
        return len(moments) != 3

    running = Background([Worker("counting", turn, pause=0.2)])
    begun = time.monotonic()
    async with running.running():
        await asyncio.wait_for(enough.wait(), 10)
    assert moments[0] - begun >= 0.15, "a process that only starts and ends does nothing"
    assert moments[2] - moments[0] < 0.1
    assert moments[3] - moments[2] >= 0.15


async def test_a_worker_that_fails_is_tried_again_and_told_of_once(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "usergraph.background")
    failures = [ValueError("broken"), ValueError("broken"), Unavailable("the database does not answer"), None, None]
    others = 0
    enough = asyncio.Event()

    async def turn() -> bool:
        failure = failures.pop(0) if failures else None
        if not failures:
            enough.set()
        if failure is not None:
            raise failure
        return False

    async def other() -> bool:
        nonlocal others
        others += 1
        return False

    async with Background([Worker("failing", turn, pause=0.01), Worker("other", other, pause=0.01)]).running():
        await asyncio.wait_for(enough.wait(), 10)
    assert [each.getMessage() for each in caplog.records] == [
        "failing failed and will be tried again",
        "failing waits: the database does not answer",
        "failing works again after 3 failures",
    ]
    assert others > 5


async def test_resting_workers_end_at_once_and_a_turn_gets_its_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(background, "GRACE", 0.5)
    ended: list[str] = []

    async def short() -> bool:
        await asyncio.sleep(0.2)
        ended.append(f"short, told {running.is_stopping()}")
        return True

    async def endless() -> bool:
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            ended.append("endless")
            raise
        return True

    async def nothing() -> bool:
        return False

    running = Background([Worker("resting", nothing, pause=60)])
    begun = time.monotonic()
    async with running.running():
        await asyncio.sleep(0.05)
    assert time.monotonic() - begun < 0.3

    running = Background([Worker("short", short, pause=0), Worker("endless", endless, pause=0)])
    begun = time.monotonic()
    async with running.running():
        await asyncio.sleep(0.1)
    assert time.monotonic() - begun < 1.5
    assert ended == ["short, told True", "endless"]
