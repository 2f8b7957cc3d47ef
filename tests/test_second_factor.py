"""One's own second factor: set up, confirmed, replaced, turned off; each code once."""

import re
from datetime import timedelta
from typing import Any

import pytest

from models.values import now
from resolvers import recovery_codes, tokens
from tests.cast import PASSWORD
from tests.factors import CONFIRM, DISABLE, ENROLL, REGENERATE, begin, call, code, enroll, wrong
from tests.service import SECRET, Service, changed, codes
from tests.signing_in import ask_as

ME = "{ me { is2faEnabled version } }"
STORED = "SELECT totp_secret, totp_pending, totp_enabled_at, totp_last_step FROM users WHERE id = 4"


def refused(answer: Any) -> list[tuple[str, list[str]]]:
    return [(error["code"], error["path"]) for error in answer["errors"]]


async def is_on(service: Service, who: str = "normal") -> bool:
    found: bool = (await service.data(ME, who=who))["me"]["is2faEnabled"]
    return found


async def open_session(service: Service) -> None:
    await service.write(
        "INSERT INTO sessions (user_id, token_digest, created_at, expires_at)"
        " SELECT id, 'digest', created_at, updated_at FROM users WHERE id = 4"
    )


async def test_a_second_factor_is_on_once_a_code_of_it_is_confirmed(service: Service) -> None:
    await open_session(service)
    answer = await call(service, ENROLL, currentPassword=PASSWORD)
    secret = answer["secret"]
    assert re.fullmatch("[A-Z2-7]{32}", secret)
    assert answer["otpauthUri"] == f"otpauth://totp/usergraph:normal?secret={secret}&issuer=usergraph"
    assert not await is_on(service)
    assert await service.scalar("SELECT COUNT(*) FROM sessions WHERE ended_at IS NULL") == 1
    confirmed = await call(service, CONFIRM, code=f" {code(secret)[:3]} {code(secret)[3:]} ")
    assert confirmed["errors"] == []
    assert len(set(confirmed["recoveryCodes"])) == 10
    assert all(re.fullmatch("([A-Z2-7]{4}-){3}[A-Z2-7]{4}", each) for each in confirmed["recoveryCodes"])
    assert (await service.data(ME, who="normal"))["me"] == {"is2faEnabled": True, "version": 3}
    assert await service.scalar("SELECT COUNT(*) FROM sessions WHERE ended_at IS NULL") == 0
    assert await changed(service, "user_4") == ["SECOND_FACTOR_ENROLLED", "SECOND_FACTOR_ENABLED"]


async def test_nothing_of_it_is_kept_in_the_clear(service: Service) -> None:
    secret, recovery = await enroll(service)
    ((sealed, pending, _, step),) = await service.rows(STORED)
    assert service.app.state.services.sealer.open(sealed) == secret
    assert (pending, step is not None) == (None, True)
    kept = [row[0] for row in await service.rows("SELECT code_digest FROM recovery_codes WHERE user_id = 4")]
    assert sorted(kept) == sorted(
        tokens.digest(tokens.Purpose.RECOVERY_CODE, each.replace("-", "")) for each in recovery
    )
    everything = str([await service.snapshot(), await service.rows("SELECT changes FROM audit_events")])
    assert [each for each in (secret, SECRET, *recovery) if each in everything] == []


async def test_it_can_be_asked_and_ordered_by(service: Service) -> None:
    await enroll(service)
    found = await service.data("{ users(where: {is2faEnabled: {eq: true}}) { totalCount nodes { username } } }")
    assert found["users"] == {"totalCount": 1, "nodes": [{"username": "normal"}]}


@pytest.mark.parametrize(
    ("who", "given", "error"),
    [
        ("normal", {}, ("REQUIRED", ["currentPassword"])),
        ("normal", {"currentPassword": "plum violin harbour 42"}, ("WRONG_PASSWORD", ["currentPassword"])),
        ("normal", {"currentPassword": ""}, ("WRONG_PASSWORD", ["currentPassword"])),
        ("robot", {}, ("WRONG_STATE", [])),
    ],
)
async def test_setting_one_up_needs_the_password(service: Service, who: str, given: Any, error: Any) -> None:
    answer = await call(service, ENROLL, who, **given)
    assert (answer["secret"], answer["otpauthUri"], refused(answer)) == (None, None, [error])
    assert await service.rows("SELECT id FROM users WHERE totp_pending IS NOT NULL") == []


async def test_who_has_no_password_here_needs_none(service: Service) -> None:
    to = '[{id: "user_4", to: {saml: {}}}]'
    await service.data(f"mutation {{ convertUsers(input: {{conversions: {to}}}) {{ errors {{ code }} }} }}")
    await service.write("UPDATE api_keys SET revoked_at = NULL")  # which the conversion ended
    assert refused(await call(service, ENROLL)) == [("WRONG_STATE", [])], "a key, of which anybody may have got hold"
    token = tokens.make(tokens.Purpose.SESSION)
    await service.write(
        "INSERT INTO sessions (user_id, token_digest, created_at, last_used_at, expires_at) VALUES (4, $1, $2, $2, $3)",
        tokens.digest(tokens.Purpose.SESSION, token),
        now(),
        now() + timedelta(hours=1),
    )
    answer = await ask_as(service, token, ENROLL, {"input": {}})
    secret = answer["data"]["enrollSecondFactor"]["secret"]
    confirmed = await ask_as(service, token, CONFIRM, {"input": {"code": code(secret)}})
    assert confirmed["data"]["confirmSecondFactor"]["errors"] == []
    assert await is_on(service)


async def test_a_wrong_code_turns_nothing_on(service: Service) -> None:
    assert refused(await call(service, CONFIRM, code="123456")) == [("WRONG_STATE", [])]
    secret = await begin(service)
    for given in (wrong(secret), "", "12345", f"{code(secret)}0", "١٢٣٤٥٦", code(secret, 2), code(secret, -3)):
        answer = await call(service, CONFIRM, code=given)
        # The fifth failure begins a wait, which is told.
        assert refused(answer) in ([("WRONG_CODE", ["code"])], [("WRONG_STATE", ["code"])])
        assert answer["recoveryCodes"] == []
    assert not await is_on(service)


async def test_a_dry_run_tells_no_secret_and_stores_nothing(service: Service) -> None:
    dry = await call(service, ENROLL, currentPassword=PASSWORD, dryRun=True)
    assert dry == {"secret": None, "otpauthUri": None, "errors": []}
    assert await service.rows(STORED) == [(None, None, None, None)]
    secret = await begin(service)
    assert await call(service, CONFIRM, code=code(secret), dryRun=True) == {"recoveryCodes": [], "errors": []}
    assert not await is_on(service)
    assert (await call(service, CONFIRM, code=code(secret)))["errors"] == []


async def test_a_code_works_once(service: Service) -> None:
    secret, _ = await enroll(service)
    now = code(secret)
    assert len((await call(service, REGENERATE, code=now))["recoveryCodes"]) == 10
    for used in (now, code(secret, -1)):
        assert refused(await call(service, REGENERATE, code=used)) == [("WRONG_CODE", ["code"])]
    assert (await call(service, REGENERATE, code=code(secret, 1)))["errors"] == []
    assert refused(await call(service, REGENERATE, code=now)) == [("WRONG_CODE", ["code"])]


async def test_a_recovery_code_works_once_however_it_is_spelled(service: Service) -> None:
    _, recovery = await enroll(service)
    spelled = recovery[0].lower().replace("-", " ")
    anew = await call(service, REGENERATE, code=spelled)
    assert anew["errors"] == []
    for gone in (recovery[0], recovery[1]):
        assert refused(await call(service, REGENERATE, code=gone)) == [("WRONG_CODE", ["code"])]
    assert (await call(service, DISABLE, code=anew["recoveryCodes"][9], currentPassword=PASSWORD))["errors"] == []
    assert "RECOVERY_CODE_USED" in await changed(service, "user_4")


async def test_a_recovery_code_is_its_owners(service: Service) -> None:
    _, recovery = await enroll(service)
    await enroll(service, "pm")
    assert refused(await call(service, REGENERATE, "pm", code=recovery[0])) == [("WRONG_CODE", ["code"])]


async def test_turning_it_off_needs_password_and_code(service: Service) -> None:
    secret, _ = await enroll(service)
    for given, error in (
        ({"code": code(secret)}, ("REQUIRED", ["currentPassword"])),
        ({"code": code(secret), "currentPassword": "no"}, ("WRONG_PASSWORD", ["currentPassword"])),
        ({"code": wrong(secret), "currentPassword": PASSWORD}, ("WRONG_CODE", ["code"])),
    ):
        answer = await call(service, DISABLE, **given)
        assert (answer["is2faEnabled"], refused(answer)) == (None, [error])
    answer = await call(service, DISABLE, code=code(secret), currentPassword=PASSWORD)
    assert answer == {"is2faEnabled": False, "errors": []}
    assert await service.rows(STORED) == [(None, None, None, None)]
    assert await service.scalar("SELECT COUNT(*) FROM recovery_codes") == 0
    assert (await changed(service, "user_4"))[-1] == "SECOND_FACTOR_DISABLED"
    again = await call(service, DISABLE, code=code(secret, 1), currentPassword=PASSWORD)
    assert refused(again) == [("WRONG_STATE", [])]


async def test_an_authenticator_is_replaced_by_a_code_of_the_old_one(service: Service) -> None:
    old, _ = await enroll(service)
    for given, error in (({}, "REQUIRED"), ({"code": wrong(old)}, "WRONG_CODE")):
        assert refused(await call(service, ENROLL, currentPassword=PASSWORD, **given)) == [(error, ["code"])]
    new = await begin(service, code=code(old))
    assert await is_on(service)
    assert (await call(service, REGENERATE, code=code(old, 1)))["errors"] == []
    recovery = (await call(service, CONFIRM, code=code(new)))["recoveryCodes"]
    assert refused(await call(service, REGENERATE, code=code(old, 1))) == [("WRONG_CODE", ["code"])]
    assert (await call(service, REGENERATE, code=recovery[3]))["errors"] == []


async def test_guessing_codes_makes_one_wait(service: Service) -> None:
    """Also where the call would be refused or is a dry run: the right code is not taken any more either."""
    secret, _ = await enroll(service)
    for attempt in range(5):
        answer = await call(service, REGENERATE, code=wrong(secret), dryRun=attempt % 2 == 0)
        assert codes(answer["errors"]) == ["WRONG_CODE"]
    await service.write("UPDATE sign_in_failures SET blocked_until = '2999-01-01 00:00:00+00:00'")
    for document, more in ((REGENERATE, {}), (DISABLE, {"currentPassword": PASSWORD}), (REGENERATE, {"dryRun": True})):
        answer = await call(service, document, code=code(secret), **more)
        assert codes(answer["errors"]) == ["WRONG_STATE"]
        assert "Wait" in answer["errors"][0]["message"]
    await service.write("UPDATE sign_in_failures SET blocked_until = NULL, count = 0")
    assert (await call(service, REGENERATE, code=code(secret)))["errors"] == []


async def test_recovery_codes_stand_in_where_the_sealing_key_is_gone(service_with: Any) -> None:
    async with service_with() as service:
        secret, recovery = await enroll(service)
        await service.write("UPDATE users SET totp_secret = 'sealed with a key that is gone' WHERE id = 4")
        assert refused(await call(service, REGENERATE, code=code(secret))) == [("WRONG_CODE", ["code"])]
        assert (await call(service, REGENERATE, code=recovery[0]))["errors"] == []


def test_recovery_codes_hold_eighty_random_bits() -> None:
    assert len(recovery_codes._spelled(b"\0" * 10).replace("-", "")) * 5 == 80
