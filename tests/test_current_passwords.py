"""Guessing the current password of who is signed in: counted like a failed sign-in, whatever it is asked for."""

from typing import Any

import pytest

from tests.cast import PASSWORD
from tests.service import Service, codes
from tests.signing_in import REFUSED, counts, sign_in

CHANGE = """mutation($input: ChangePasswordInput!) { changePassword(input: $input) { errors { code message path } } }"""
ENROLL = """mutation($input: EnrollSecondFactorInput!) { enrollSecondFactor(input: $input) {
  secret errors { code message path } } }"""
NEW = "quilted harbour 77 lanterns"


async def call(service: Service, document: str, current: str, **more: Any) -> Any:
    given = {"currentPassword": current, **more}
    if document is CHANGE:
        given |= {"id": "user_4", "newPassword": NEW}
    return next(iter((await service.data(document, {"input": given}, who="normal")).values()))


@pytest.mark.parametrize("document", [CHANGE, ENROLL], ids=["changePassword", "enrollSecondFactor"])
async def test_guessing_makes_one_wait(service: Service, document: str) -> None:
    """Also by dry runs; the right one is not taken any more then, and signing in from there waits too."""
    for attempt in range(5):
        answer = await call(service, document, f"guess {attempt}", dryRun=attempt % 2 == 0)
        assert codes(answer["errors"]) == ["WRONG_PASSWORD"]
    assert await counts(service) == [5, 5, 5]
    await service.write("UPDATE sign_in_failures SET blocked_until = '2999-01-01 00:00:00+00:00'")
    before = await service.snapshot()
    answer = await call(service, document, PASSWORD)
    assert [(e["code"], "Wait" in e["message"]) for e in answer["errors"]] == [("WRONG_STATE", True)]
    assert await sign_in(service, "normal") == REFUSED
    assert await service.snapshot() == before
    await service.write("UPDATE sign_in_failures SET blocked_until = NULL")
    assert (await call(service, document, PASSWORD))["errors"] == []


async def test_a_right_one_is_no_failure(service: Service) -> None:
    assert (await call(service, ENROLL, PASSWORD))["errors"] == []
    assert (await call(service, CHANGE, PASSWORD))["errors"] == []
    assert await counts(service) == [0, 0, 0]
