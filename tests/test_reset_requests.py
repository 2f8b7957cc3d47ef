"""Who asks for a reset without the right to: told nothing, not even by the time it takes, and not for ever."""

import asyncio
import logging
from datetime import timedelta
from statistics import median
from time import monotonic
from typing import Any

import pytest

from models.database import Transaction
from models.values import now
from resolvers import passwords, tarpit
from resolvers.tarpit import RESETS
from tests.service import Service
from tests.signing_in import REFUSED, counts, sign_in
from tests.test_passwords import REQUEST, events, request, reset

ACCEPTED = {"accepted": True, "link": None, "expiresAt": None, "errors": []}
KNOWN = "outsider@usergraph.test"


async def ask_from(service: Service, address: str, email: str, **more: Any) -> None:
    """As a stranger at an address, through a trusted proxy."""
    body = {"query": REQUEST, "variables": {"input": {"email": email, **more}}}
    answer = (await service.post(body, who=None, headers={"x-forwarded-for": address})).json()
    assert answer["data"]["requestPasswordReset"] == ACCEPTED


async def open_resets(service: Service) -> list[tuple[Any, ...]]:
    return await service.rows("SELECT id, user_id FROM password_resets WHERE closed_at IS NULL ORDER BY id")


async def letter_token(service: Service) -> str:
    sealed = await service.scalar("SELECT link FROM letters WHERE user_id = 9")
    link = service.app.state.services.sealer.open(sealed)
    assert link is not None
    token: str = link.split("#")[1]
    return token


async def test_asking_again_within_five_minutes_changes_nothing(service: Service) -> None:
    assert await request(service, KNOWN, who=None) == ACCEPTED
    token, before = await letter_token(service), await service.snapshot()
    for who in (None, "normal", None):
        assert await request(service, KNOWN, who=who) == ACCEPTED
    assert await service.snapshot() == before, "one reset, one letter, one event, however often it is asked"
    assert (await reset(service, token))["errors"] == []


@pytest.mark.parametrize(
    "then",
    [
        "UPDATE password_resets SET created_at = $1",
        "UPDATE password_resets SET closed_at = $1",
        "UPDATE password_resets SET expires_at = $1",
    ],
)
async def test_afterwards_another_letter_goes_out(service: Service, then: str) -> None:
    """Five minutes later, or when the one before was used or is over."""
    await request(service, KNOWN, who=None)
    first = await letter_token(service)
    await service.write(then, now() - passwords.NOT_AGAIN)
    assert await request(service, KNOWN, who=None) == ACCEPTED
    assert await open_resets(service) == [(2, 9)]
    assert await letter_token(service) != first
    assert [event[0] for event in await events(service, 9)] == ["PASSWORD_RESET_REQUESTED"] * 2


async def test_a_stranger_does_not_end_a_link_that_was_just_handed_over(service: Service) -> None:
    link = (await request(service, KNOWN))["link"]
    assert await request(service, KNOWN, who=None) == ACCEPTED
    assert (await reset(service, link.split("#")[1]))["errors"] == []


async def test_an_administrator_makes_a_new_link_whenever_they_ask(service: Service) -> None:
    await request(service, KNOWN, who=None)
    for _ in range(2):
        assert (await request(service, KNOWN))["link"] is not None
    assert await open_resets(service) == [(3, 9)]
    assert await service.scalar("SELECT COUNT(*) FROM sign_in_failures") == 1, "only the stranger is counted"


async def test_twenty_are_free_from_an_address_and_then_the_answer_alone_stays(
    service_with: Any, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING, "usergraph")
    async with service_with(trusted_proxies="127.0.0.1/32") as service:
        await asyncio.gather(*(ask_from(service, "203.0.113.9", f"nobody{n}@x.test") for n in range(RESETS.free)))
        before = await service.snapshot()
        await service.write("UPDATE sign_in_failures SET blocked_until = $1", now() + timedelta(minutes=1))
        await ask_from(service, "203.0.113.9", KNOWN)
        assert await service.snapshot() == before, "one too many"
        assert await service.rows("SELECT count FROM sign_in_failures") == [(RESETS.free + 1,)]
        await ask_from(service, "203.0.113.10", KNOWN)
        assert await open_resets(service) == [(1, 9)], "elsewhere is another matter"
    told = [each.getMessage() for each in caplog.records]
    assert told == ["too many resets asked for from one address: further ones wait"]


async def test_waits_double_and_are_forgotten_after_an_hour(service: Service) -> None:
    moment, sealer = now(), service.app.state.services.sealer

    async def waits(address: str = "192.0.2.1") -> bool:
        async def work(tx: Transaction) -> bool:
            return await tarpit.count_reset(tx, sealer, address=address, moment=moment)

        return await service.database.transaction(work)

    assert [await waits() for _ in range(RESETS.free)] == [False] * 20
    assert await waits()
    assert not await waits("192.0.2.2")
    moment += timedelta(seconds=1)
    assert not await waits(), "the first wait is one second"
    assert await waits(), "the next is longer"
    moment += RESETS.longest
    assert not await waits(), "and no wait is longer than a quarter of an hour"
    moment += RESETS.forget + timedelta(seconds=1)
    assert [await waits() for _ in range(RESETS.free + 1)] == [False] * 20 + [True]


async def test_requests_are_counted_apart_from_failed_sign_ins(service: Service) -> None:
    await asyncio.gather(*(request(service, f"nobody{n}@x.test", who=None) for n in range(3)))
    assert await counts(service) == [3]
    assert await sign_in(service, password="wrong") == REFUSED
    assert await counts(service) == [1, 1, 1, 3]


async def test_a_dry_run_of_a_stranger_brings_about_nothing(service: Service) -> None:
    before = await service.snapshot()
    assert await request(service, KNOWN, who=None, dryRun=True) == ACCEPTED
    assert await service.snapshot() == before
    assert await service.rows("SELECT * FROM sign_in_failures") == []


async def test_the_time_it_takes_does_not_tell_who_exists(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    """Even where making a reset takes long, all of which is over before the answer's time has come."""
    real, slow = passwords._post, 0.15

    async def post(*given: Any) -> Any:
        await asyncio.sleep(slow)
        return await real(*given)

    monkeypatch.setattr(passwords, "_post", post)
    took: dict[str, list[float]] = {KNOWN: [], "nobody@x.test": []}
    for _ in range(5):
        for email, times in took.items():
            begun = monotonic()
            assert await request(service, email, who=None) == ACCEPTED
            times.append(monotonic() - begun)
        await service.write("DELETE FROM password_resets")
    assert await service.scalar("SELECT COUNT(*) FROM audit_events WHERE subject_id = 9") == 5
    assert min(min(times) for times in took.values()) >= passwords.FLOOR
    assert abs(median(took[KNOWN]) - median(took["nobody@x.test"])) < slow / 2


async def test_nothing_is_held_while_an_answer_waits(service: Service) -> None:
    begun = monotonic()
    await asyncio.gather(*(request(service, f"nobody{n}@x.test", who=None) for n in range(15)))
    assert monotonic() - begun < 15 * passwords.FLOOR / 2
