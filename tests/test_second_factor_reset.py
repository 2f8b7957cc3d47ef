"""The second factor of others: taken away by who may set passwords there, and what survives around it."""

import asyncio
from typing import Any

import pytest
from cryptography.fernet import Fernet

from tests.cast import PASSWORD
from tests.factors import CONFIRM, DISABLE, REGENERATE, RESET, begin, call, code, enroll
from tests.service import SECRET, Service, changed, codes

OFF = "SELECT totp_secret, totp_pending, totp_enabled_at, totp_last_step FROM users WHERE id = 4"
NOTHING = [(None, None, None, None)]


async def reset(service: Service, *ids: str, who: str = "admin", **more: Any) -> Any:
    return await call(service, RESET, who, ids=list(ids), **more)


async def open_session(service: Service, user: int) -> None:
    await service.write(
        "INSERT INTO sessions (user_id, token_digest, created_at, expires_at)"
        " SELECT id, 'digest', created_at, updated_at FROM users WHERE id = $1",
        user,
    )


@pytest.mark.parametrize("who", ["admin", "it"])
async def test_an_administrator_takes_it_away(service: Service, who: str) -> None:
    secret, recovery = await enroll(service)
    await begin(service, "pm")
    await open_session(service, 4)
    answer = await reset(service, "user_4", "user_3", "user_9", who=who)
    assert answer == {
        "results": [
            {"ref": "user_4", "action": "UPDATED", "changedFields": ["is2faEnabled"], "errors": []},
            {"ref": "user_3", "action": "UPDATED", "changedFields": ["is2faEnabled"], "errors": []},
            {"ref": "user_9", "action": "UNCHANGED", "changedFields": [], "errors": []},
        ],
        "errors": [],
    }
    assert await service.rows(OFF) == NOTHING
    assert await service.rows("SELECT id FROM users WHERE totp_pending IS NOT NULL") == []
    assert await service.scalar("SELECT COUNT(*) FROM recovery_codes") == 0
    assert await service.scalar("SELECT COUNT(*) FROM sessions WHERE ended_at IS NULL") == 0
    assert (await changed(service, "user_4"))[-1] == "SECOND_FACTOR_RESET"
    assert "SECOND_FACTOR_RESET" not in await changed(service, "user_9")
    for given in (code(secret), recovery[0]):
        assert codes((await call(service, REGENERATE, code=given))["errors"]) == ["WRONG_STATE"]


@pytest.mark.parametrize(
    ("who", "user", "code"),
    [
        ("it", "user_1", "USER_TOO_HEAVY"),
        ("it", "user_2", "SELF"),
        ("orgadmin", "user_9", "NOT_FOUND"),
        ("admin", "user_99", "NOT_FOUND"),
        ("admin", "role_1", "NOT_FOUND"),
    ],
)
async def test_it_is_taken_away_only_where_one_may(service: Service, who: str, user: str, code: str) -> None:
    await enroll(service)
    before = await service.snapshot()
    answer = await reset(service, "user_8", user, who=who)
    assert [codes(each["errors"]) for each in answer["results"]] == [["OTHERS_FAILED"], [code]]
    assert await service.snapshot() == before


@pytest.mark.parametrize("who", ["pm", "normal", "readonly"])
async def test_taking_it_away_needs_the_right_also_for_oneself(service: Service, who: str) -> None:
    await enroll(service, who)
    for user in ("user_8", await service.id_of(who)):
        answer = await reset(service, user, who=who)
        assert codes(answer["errors"]) == ["FORBIDDEN"]
        assert {code for each in answer["results"] for code in codes(each["errors"])} == {"FORBIDDEN"}
    assert await service.scalar("SELECT COUNT(*) FROM users WHERE totp_enabled_at IS NOT NULL") == 1


async def test_an_organizations_administrator_takes_it_away_within_it(service: Service) -> None:
    await service.write("UPDATE users SET totp_secret = 'x', totp_enabled_at = created_at WHERE id = 8")
    dry = await reset(service, "user_8", who="orgadmin", dryRun=True)
    assert await service.scalar("SELECT totp_secret FROM users WHERE id = 8") == "x"
    assert await reset(service, "user_8", who="orgadmin") == dry
    assert await service.scalar("SELECT totp_secret FROM users WHERE id = 8") is None


async def test_a_role_demands_it_of_who_holds_it_anywhere(service: Service) -> None:
    secret, _ = await enroll(service)
    role = 'mutation { updateRole(input: {id: "role_4", requiresSecondFactor: %s}) { errors { code } } }'
    await service.data(role % "true")
    refused = await call(service, DISABLE, code=code(secret), currentPassword=PASSWORD)
    assert codes(refused["errors"]) == ["WRONG_STATE"]
    assert "The role Normal user demands a second factor." in refused["errors"][0]["message"]
    await service.data(role % "false")
    # The refusal used no code up.
    assert (await call(service, DISABLE, code=code(secret), currentPassword=PASSWORD))["errors"] == []


async def test_a_role_in_an_organization_demands_it_too(service: Service) -> None:
    secret, _ = await enroll(service, "orgadmin")
    await service.write("UPDATE roles SET requires_second_factor = TRUE WHERE name = 'Admin'")
    refused = await call(service, DISABLE, "orgadmin", code=code(secret), currentPassword=PASSWORD)
    assert codes(refused["errors"]) == ["WRONG_STATE"]


async def test_a_key_needs_no_second_factor(service: Service) -> None:
    await service.write("UPDATE roles SET requires_second_factor = TRUE")
    assert (await service.data("{ users { totalCount } }", who="it"))["users"] == {"totalCount": 9}


async def test_it_survives_conversions_and_their_reversal(service: Service) -> None:
    secret, _ = await enroll(service)
    before = await service.rows(OFF)
    for to in ("saml: {}", 'ldap: {serverNumber: 1, loginDn: "cn=n,dc=x"}', "local: {}"):
        document = f'mutation {{ convertUsers(input: {{conversions: [{{id: "user_4", to: {{{to}}}}}]}}) {{ results {{'
        (result,) = (await service.data(f"{document} kept errors {{ code }} }} }} }}"))["convertUsers"]["results"]
        assert ("secondFactor" in result["kept"], result["errors"]) == (True, [])
        assert await service.rows(OFF) == before
    revert = 'mutation { revertConversions(input: {ids: ["user_4"]}) { results { errors { code } } } }'
    for _ in range(3):
        assert (await service.data(revert))["revertConversions"]["results"] == [{"errors": []}]
    assert await service.rows(OFF) == before
    await service.write("UPDATE api_keys SET revoked_at = NULL WHERE user_id = 4")  # the conversions ended it
    assert (await call(service, REGENERATE, code=code(secret)))["errors"] == []


async def test_of_many_at_once_with_one_code_one_succeeds(service: Service) -> None:
    secret, _ = await enroll(service)
    given = code(secret)
    for _ in ("a code", "a recovery code"):
        before = await service.scalar("SELECT COUNT(*) FROM audit_events WHERE action = 'RECOVERY_CODES_MADE'")
        answers = await asyncio.gather(*(call(service, REGENERATE, code=given) for _ in range(5)))
        assert [len(each["recoveryCodes"]) for each in answers if not each["errors"]] == [10]
        after = await service.scalar("SELECT COUNT(*) FROM audit_events WHERE action = 'RECOVERY_CODES_MADE'")
        assert after == before + 1
        given = next(each["recoveryCodes"][0] for each in answers if not each["errors"])
        await service.write("DELETE FROM sign_in_failures")


async def test_a_secret_sealed_with_an_older_key_works_while_that_is_listed(service_with: Any) -> None:
    newer = Fernet.generate_key().decode()
    async with service_with() as service:
        secret, _ = await enroll(service)
        pending = await begin(service, "pm")
    async with service_with(secret_key=f"{newer},{SECRET}") as service:
        assert (await call(service, REGENERATE, code=code(secret)))["errors"] == []
        assert (await call(service, CONFIRM, "pm", code=code(pending)))["errors"] == []
    async with service_with(secret_key=newer) as service:
        assert codes((await call(service, REGENERATE, code=code(secret, 1)))["errors"]) == ["WRONG_CODE"]
