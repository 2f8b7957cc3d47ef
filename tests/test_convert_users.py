"""Converting users between local, LDAP and SAML sign-in: what they keep and lose, shown first and taken back."""

import json
from typing import Any

import pytest

from tests.cast import PASSWORD
from tests.service import Service, codes

SHOWN = """user { id version isLdap isSaml ldapServerNumber loginDn hasValidPassword is2faEnabled accessibility
  role { name } identityProvider { id } tags aliases groups { nodes { id } } organizations { nodes { id } } }"""
CONVERT = """mutation($input: ConvertUsersInput!) { convertUsers(input: $input) { errors { code path }
  results { index ref action changedFields kept lost errors { code path index } %s } } }"""
REVERT = """mutation($input: RevertConversionsInput!) { revertConversions(input: $input) { errors { code path }
  results { index ref action changedFields errors { code path index } %s } } }"""
DN = "CN=Jane,CN=Users,DC=tpm,DC=local"
LDAP: dict[str, Any] = {"ldap": {"serverNumber": 1, "loginDn": DN}}
SAML: dict[str, Any] = {"saml": {}}
BOTH: dict[str, Any] = {"saml": {"identityProviderId": "provider_4", "provisionedBy": LDAP["ldap"]}}
LOCAL: dict[str, Any] = {"local": {}}
OWN = "user { id isLdap isSaml loginDn hasValidPassword version }"


async def convert(
    service: Service, *pairs: tuple[str, Any], who: str = "admin", shown: str = SHOWN, **more: Any
) -> Any:
    given = {"conversions": [{"id": user, "to": to} for user, to in pairs], **more}
    return (await service.data(CONVERT % shown, {"input": given}, who=who))["convertUsers"]


async def one(service: Service, to: Any, user: str = "user_8", **more: Any) -> Any:
    (result,) = (await convert(service, (user, to), **more))["results"]
    return result


async def revert(service: Service, *users: str, who: str = "admin", shown: str = SHOWN, **more: Any) -> Any:
    answer = await service.data(REVERT % shown, {"input": {"ids": users, **more}}, who=who)
    return answer["revertConversions"]["results"]


async def furnish(service: Service) -> None:
    """Give `member` all that a conversion must keep, and a session that it ends."""
    await service.data("""mutation { updateUser(
      input: {id: "user_8", tags: ["t"], aliases: ["a"], groupIds: "group_2"}) { errors { code } } }""")
    await service.write("UPDATE users SET totp_secret = 'sealed', totp_enabled_at = created_at WHERE id = 8")
    await service.write(
        "INSERT INTO sessions (user_id, token_digest, created_at, expires_at)"
        " SELECT 8, 'd', created_at, created_at FROM users WHERE id = 8"
    )


async def identity(service: Service, user: int = 8) -> tuple[Any, ...]:
    sql = "SELECT provider_id, ldap_provider_id, login_dn, password_hash FROM users WHERE id = $1"
    return (await service.rows(sql, user))[0]


async def events(service: Service, user: int = 8) -> list[tuple[str, Any]]:
    sql = "SELECT action, changes FROM audit_events WHERE subject_type = 'user' AND subject_id = $1 ORDER BY id"
    return [(row[0], json.loads(row[1])) for row in await service.rows(sql, user)]


@pytest.mark.parametrize(
    ("to", "shown", "stored"),
    [
        (LDAP, (True, False, 1, DN, {"id": "provider_2"}), (2, 2, DN, None)),
        (SAML, (False, True, None, None, {"id": "provider_4"}), (4, None, None, None)),
        (BOTH, (True, True, 1, DN, {"id": "provider_4"}), (4, 2, DN, None)),
    ],
    ids=["ldap", "saml", "saml provisioned by ldap"],
)
async def test_a_local_user_is_converted_and_keeps_everything_but_the_password(
    service: Service, to: Any, shown: tuple[Any, ...], stored: tuple[Any, ...]
) -> None:
    await furnish(service)
    before = await service.snapshot()
    dry = await one(service, to, dryRun=True)
    assert await service.snapshot() == before
    real = await one(service, to)
    assert dry == real
    user = real.pop("user")
    assert (real["index"], real["ref"], real["action"], real["errors"]) == (0, "user_8", "UPDATED", [])
    assert set(real["kept"]) == {
        "id",
        "role",
        "groups",
        "organizations",
        "tags",
        "aliases",
        "variables",
        "apiKeys",
        "secondFactor",
    }
    assert real["lost"] == ["sessions", "password"]
    assert "identityProvider" in real["changedFields"]
    names = ("isLdap", "isSaml", "ldapServerNumber", "loginDn", "identityProvider")
    assert tuple(user.pop(name) for name in names) == shown
    user["groups"]["nodes"].sort(key=lambda node: node["id"])
    assert user == {
        "id": "user_8",
        "version": 3,
        "hasValidPassword": False,
        "is2faEnabled": True,
        "accessibility": "INTERACTIVE",
        "role": {"name": "Normal user"},
        "tags": ["t"],
        "aliases": ["a"],
        "groups": {"nodes": [{"id": "group_1"}, {"id": "group_2"}]},
        "organizations": {"nodes": [{"id": "organization_3"}]},
    }
    assert await identity(service) == stored
    assert await service.scalar("SELECT COUNT(*) FROM sessions WHERE user_id = 8 AND ended_at IS NULL") == 0
    action, changes = (await events(service))[-1]
    assert action == "CONVERTED"
    assert ["Local passwords", "Single sign-on" if "saml" in to else "Main LDAP"] in changes.values()


@pytest.mark.parametrize("through", [LDAP, SAML, BOTH], ids=["ldap", "saml", "both"])
async def test_back_to_local_the_old_password_is_not_valid_any_more(service: Service, through: Any) -> None:
    await one(service, through)
    result = await one(service, LOCAL)
    assert result["lost"] == (["sessions"] if through is SAML else ["sessions", "loginDn"])
    user = result["user"]
    assert (user["isLdap"], user["isSaml"], user["loginDn"], user["hasValidPassword"]) == (False, False, None, False)
    assert await identity(service) == (1, None, None, None)
    assert [action for action, _ in await events(service)] == ["CONVERTED", "CONVERTED"]


async def test_what_is_so_already_is_unchanged_and_keeps_its_password(service: Service) -> None:
    before = await service.snapshot()
    result = await one(service, LOCAL)
    assert (result["action"], result["changedFields"], result["lost"]) == ("UNCHANGED", [], [])
    assert result["user"]["hasValidPassword"] is True
    assert await service.snapshot() == before


async def test_a_password_sent_with_a_conversion_is_not_dropped_in_silence(service: Service) -> None:
    await one(service, SAML)
    result = await one(service, {"local": {"password": PASSWORD}})
    assert (result["action"], result["user"]) == ("FAILED", None)
    assert [(e["code"], e["path"][:3]) for e in result["errors"]] == [("INVALID", ["conversions", "0", "to"])]
    assert (await identity(service))[0] == 4


async def test_a_conversion_is_taken_back_with_its_password(service: Service) -> None:
    await furnish(service)
    before = await identity(service)
    await one(service, LDAP)
    snapshot = await service.snapshot()
    dry = await revert(service, "user_8", dryRun=True)
    assert await service.snapshot() == snapshot
    real = await revert(service, "user_8")
    assert dry == real
    (result,) = real
    assert (result["index"], result["ref"], result["action"], result["errors"]) == (0, "user_8", "UPDATED", [])
    assert "identityProvider" in result["changedFields"]
    assert (result["user"]["isLdap"], result["user"]["loginDn"], result["user"]["hasValidPassword"]) == (
        False,
        None,
        True,
    )
    assert await identity(service) == before
    action, changes = (await events(service))[-1]
    assert action == "CONVERSION_REVERTED"
    assert ["Main LDAP", "Local passwords"] in changes.values()
    assert [DN, None] in changes.values()
    (again,) = await revert(service, "user_8")
    assert codes(again["errors"]) == ["WRONG_STATE"]


async def test_conversions_are_taken_back_one_by_one(service: Service) -> None:
    for to in (LDAP, SAML, LOCAL):
        await one(service, to)
    seen = []
    for _ in range(3):
        (result,) = await revert(service, "user_8")
        seen.append((result["user"]["isLdap"], result["user"]["isSaml"], result["user"]["hasValidPassword"]))
    assert seen == [(False, True, False), (True, False, False), (False, False, True)]


async def test_a_password_set_since_the_conversion_stays(service: Service) -> None:
    await one(service, SAML)
    await one(service, LOCAL)
    await service.data("""mutation { changePassword(input: {id: "user_8", newPassword: "amber ladder quiet 77"}) {
      errors { code } } }""")
    newer = (await identity(service))[3]
    assert newer is not None
    await revert(service, "user_8")
    await revert(service, "user_8")
    assert await identity(service) == (1, None, None, newer)


async def test_a_conversion_is_not_taken_back_to_where_nobody_gets_in(service: Service) -> None:
    await one(service, LDAP)
    await one(service, LOCAL)
    await service.write("UPDATE identity_providers SET is_enabled = FALSE WHERE id = 2")
    before = await service.snapshot()
    (result,) = await revert(service, "user_8")
    assert (result["action"], codes(result["errors"])) == ("FAILED", ["PROVIDER_DISABLED"])
    assert await service.snapshot() == before


async def test_a_dn_taken_meanwhile_stays_with_its_new_owner(service: Service) -> None:
    await one(service, LDAP)
    await one(service, LOCAL)
    await one(service, LDAP, user="user_9")
    (result,) = await revert(service, "user_8")
    assert (result["action"], codes(result["errors"])) == ("FAILED", ["TAKEN"])
    assert await identity(service) == (1, None, None, None)


@pytest.mark.parametrize("who", ["normal", "pm", "readonly", "it"])
async def test_everybody_may_convert_themselves_and_take_it_back(service: Service, who: str) -> None:
    user = await service.id_of(who)
    result = await one(service, LDAP, user=user, who=who, shown=OWN)
    assert result["errors"] == []
    assert result["user"] == {
        "id": user,
        "isLdap": True,
        "isSaml": False,
        "loginDn": DN,
        "hasValidPassword": False,
        "version": 2,
    }
    assert (await one(service, LOCAL, user=user, who=who, shown=OWN))["action"] == "UPDATED"
    for expected in (True, False):
        (reverted,) = await revert(service, user, who=who, shown=OWN)
        assert (reverted["errors"], reverted["user"]["isLdap"]) == ([], expected)
    recorded = await service.rows("SELECT DISTINCT actor_username FROM audit_events WHERE action LIKE 'CONVER%'")
    assert recorded == [(who,)]


@pytest.mark.parametrize("who", ["normal", "pm", "readonly"])
async def test_converting_others_needs_the_right(service: Service, who: str) -> None:
    before = await service.snapshot()
    mixed = [(await service.id_of(who), SAML), ("user_8", SAML)]
    for pairs in ([("user_8", SAML)], mixed):
        answer = await convert(service, *pairs, who=who, shown="")
        assert (answer["results"], codes(answer["errors"])) == ([], ["FORBIDDEN"])
    assert await service.snapshot() == before


@pytest.mark.parametrize(
    ("user", "to", "code", "path"),
    [
        ("user_99", SAML, "NOT_FOUND", ["id"]),
        ("group_1", SAML, "NOT_FOUND", ["id"]),
        ("user_1", SAML, "LAST_ADMINISTRATOR", ["to"]),
        ("user_7", LOCAL, "WRONG_STATE", ["to"]),
        ("user_8", {"apiOnly": True}, "WRONG_STATE", ["to"]),
        ("user_8", {"ldap": {"serverNumber": 2, "loginDn": DN}}, "PROVIDER_DISABLED", ["to", "ldap", "serverNumber"]),
        (
            "user_8",
            {"ldap": {"serverNumber": 5, "loginDn": DN}},
            "PROVIDER_NOT_CONFIGURED",
            ["to", "ldap", "serverNumber"],
        ),
        ("user_8", {"ldap": {"serverNumber": 1, "loginDn": "jane"}}, "INVALID", ["to", "ldap", "loginDn"]),
        ("user_8", {"saml": {"identityProviderId": "provider_1"}}, "INVALID", ["to", "saml", "identityProviderId"]),
    ],
)
async def test_a_conversion_that_cannot_be_says_why(
    service: Service, user: str, to: Any, code: str, path: list[str]
) -> None:
    before = await service.snapshot()
    good, bad = (await convert(service, ("user_9", SAML), (user, to)))["results"]
    assert (good["action"], codes(good["errors"])) == ("SKIPPED", ["OTHERS_FAILED"])
    assert (bad["action"], bad["user"], bad["kept"], bad["lost"]) == ("FAILED", None, [], [])
    assert [(e["code"], e["path"], e["index"]) for e in bad["errors"]] == [(code, ["conversions", "1", *path], 1)]
    assert await service.snapshot() == before


async def test_two_rows_cannot_have_one_dn_or_one_user(service: Service) -> None:
    spelled = {"ldap": {"serverNumber": 1, "loginDn": DN.lower()}}
    for pairs in ([("user_8", LDAP), ("user_9", spelled)], [("user_8", LDAP), ("user_8", SAML)]):
        results = (await convert(service, *pairs, errorPolicy="REJECT_FAILED", dryRun=True))["results"]
        assert [r["action"] for r in results] == ["UPDATED", "FAILED"]
        assert codes(results[1]["errors"]) == ["DUPLICATE"]
