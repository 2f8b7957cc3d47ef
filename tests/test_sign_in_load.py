"""A hundred sign-ins at once: bounded memory, nobody else kept waiting, and an end to what may queue."""

import asyncio
import os
import time
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from models import bulk
from models.users import User
from models.values import now
from tests.service import Service
from tests.signing_in import SIGN_IN, sign_in

WIDE = 150  # megabytes that a hundred sign-ins may take beyond what was there; a hundred hashes at once take 1,900


def resident() -> int:
    """Megabytes of this process in memory."""
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") // 1_000_000


async def people(service: Service, count: int) -> None:
    """So many users who sign in with the password of the cast."""
    names = ("state", "role_id", "provider_id", "password_hash", "can_create_projects_in_root", "version")
    times = ("created_at", "updated_at")
    values = (await service.rows(f"SELECT {', '.join(names)} FROM users WHERE id = 8"))[0]
    shared = dict(zip(names, values, strict=True)) | {name: now() for name in times}
    shared["can_create_projects_in_root"] = False
    naming = ("username", "username_key", "email", "email_key", "name", "name_key")
    rows = [dict.fromkeys(naming, f"clerk{number}") | shared for number in range(count)]
    await service.database.transaction(lambda tx: bulk.insert(tx, User, rows))


@pytest.fixture
async def patient(service_with: Any) -> AsyncIterator[Service]:
    """A service whose writers wait long for their turn: it is not the machine that is tested."""
    async with service_with(database_wait=60) as made:
        yield made


async def test_a_hundred_at_once_take_bounded_memory_while_queries_stay_quick(patient: Service) -> None:
    service = patient
    await sign_in(service)
    await service.data("{ me { id } }")
    before, most, waits = resident(), 0, []
    await people(service, 100)
    signing = asyncio.gather(*(sign_in(service, f"clerk{number}") for number in range(100)))
    while not signing.done():
        begun = time.perf_counter()
        assert (await service.data("{ me { id username } }"))["me"]["id"] == "user_1"
        waits.append(time.perf_counter() - begun)
        most = max(most, resident())
        await asyncio.sleep(0.01)
    assert all(answer["errors"] == [] for answer in await signing)
    assert await service.scalar("SELECT COUNT(*) FROM sessions") == 101
    assert most - before < WIDE
    assert len(waits) > 10
    assert sorted(waits)[len(waits) // 2] < 0.25
    pool: ThreadPoolExecutor = service.app.state.services.hasher._pool
    assert pool._max_workers == os.cpu_count()


async def test_what_the_queue_does_not_hold_is_told_so_at_once_and_is_no_failure(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("resolvers.hashing.MOST_WAITING", 10)
    given = {"username": "member", "password": "wrong"}

    async def attempt(number: int) -> Any:
        body = {"query": SIGN_IN, "variables": {"input": {**given, "username": f"nobody {number}"}}}
        return (await service.post(body, who=None)).json()

    answers = await asyncio.gather(*(attempt(number) for number in range(60)))
    codes = [each["errors"][0]["extensions"]["code"] for each in answers if "errors" in each]
    assert set(codes) == {"SERVICE_UNAVAILABLE"}
    refused = [each for each in answers if "errors" not in each]
    assert len(refused) >= 10
    assert all(each["data"]["signIn"]["errors"][0]["code"] == "INVALID_CREDENTIALS" for each in refused)
    assert await service.scalar("SELECT SUM(count) FROM sign_in_failures") == 3 * len(refused)
    assert (await sign_in(service))["errors"] == []
