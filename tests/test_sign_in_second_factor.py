"""Signing in where a second factor is on: asked for after the right password only, and its guesses are failures."""

import asyncio
from typing import Any

from tests import factors
from tests.cast import PASSWORD
from tests.service import Service, changed
from tests.signing_in import REFUSED, counts, sign_in


async def asked_for(service: Service, **given: Any) -> bool:
    """Whether the code alone is missing."""
    answer = await sign_in(service, "normal", **given)
    assert answer["session"] is None
    if answer == REFUSED:
        return False
    ((code, path),) = [(error["code"], error["path"]) for error in answer["errors"]]
    assert (code, path) == ("SECOND_FACTOR_REQUIRED", ["code"])
    return True


async def test_the_code_is_asked_for_after_the_right_password_only(service: Service) -> None:
    secret, _ = await factors.enroll(service)
    await service.write("DELETE FROM sign_in_failures")
    assert await asked_for(service)
    assert await asked_for(service, code="")
    assert await counts(service) == [0, 0, 0], "a right password without its code is no failure"
    assert not await asked_for(service, password="wrong")
    assert not await asked_for(service, password="wrong", code=factors.code(secret))
    assert await counts(service) == [2, 2, 2]
    answer = await sign_in(service, "normal", code=factors.code(secret))
    assert (answer["errors"], answer["mustEnrollSecondFactor"]) == ([], False)
    assert (await changed(service, "user_4"))[-1] == "SIGNED_IN"


async def test_a_wrong_code_is_a_failure_like_any_other(service: Service) -> None:
    secret, _ = await factors.enroll(service)
    await service.write("DELETE FROM sign_in_failures")
    for _ in range(5):
        assert await sign_in(service, "normal", code=factors.wrong(secret)) == REFUSED
    assert await sign_in(service, "normal", code=factors.code(secret)) == REFUSED, "it has to wait"
    assert not await asked_for(service), "not even whether the password is right is told meanwhile"
    assert (await changed(service, "user_4"))[-1] == "SIGN_IN_BLOCKED"
    assert await service.scalar("SELECT COUNT(*) FROM sessions") == 0


async def test_asking_for_the_code_does_not_forget_wrong_ones(service: Service) -> None:
    secret, _ = await factors.enroll(service)
    await service.write("DELETE FROM sign_in_failures")
    for _ in range(4):
        assert await sign_in(service, "normal", code=factors.wrong(secret)) == REFUSED
        assert await asked_for(service)
    assert await counts(service) == [4, 4, 4]
    assert await sign_in(service, "normal", code=factors.wrong(secret), dryRun=True) == REFUSED
    assert not await asked_for(service), "a dry run is a guess too"


async def test_one_code_opens_one_session(service: Service) -> None:
    secret, recovery = await factors.enroll(service)
    for code in (factors.code(secret), recovery[0]):
        opened = await service.scalar("SELECT COUNT(*) FROM sessions")
        answers = await asyncio.gather(*(sign_in(service, "normal", code=code) for _ in range(3)))
        assert [answer["errors"] for answer in answers].count([]) == 1
        assert [answer for answer in answers if answer["errors"]] == [REFUSED] * 2
        assert await service.scalar("SELECT COUNT(*) FROM sessions") == opened + 1
    before = await service.snapshot()
    assert (await sign_in(service, "normal", code=recovery[1], dryRun=True))["errors"] == []
    assert await service.snapshot() == before
    assert (await sign_in(service, "normal", code=recovery[1]))["errors"] == [], "a dry run has not used it up"


async def test_a_code_is_not_looked_at_where_none_is_needed(service: Service) -> None:
    assert (await sign_in(service, "member", PASSWORD, code="123456"))["errors"] == []
