"""Converting users between local, LDAP and SAML sign-in: what they keep and lose, shown first."""

from typing import Any

import pytest

from tests.cast import PASSWORD
from tests.converting import BOTH, DN, LDAP, LOCAL, OWN, SAML, convert, events, furnish, identity, one, revert
from tests.service import Service, codes


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


@pytest.mark.parametrize("who", ["normal", "pm", "readonly", "it"])
async def test_everybody_may_convert_themselves_and_take_it_back(service: Service, who: str) -> None:
    user = await service.id_of(who)
    result = await one(service, SAML, user=user, who=who, shown=OWN)
    assert result["errors"] == []
    assert result["user"] == {
        "id": user,
        "isLdap": False,
        "isSaml": True,
        "loginDn": None,
        "hasValidPassword": False,
        "version": 2,
    }
    await restore_keys(service)
    assert (await one(service, LOCAL, user=user, who=who, shown=OWN))["action"] == "UPDATED"
    for expected in (True, False):
        await restore_keys(service)
        (reverted,) = await revert(service, user, who=who, shown=OWN)
        assert (reverted["errors"], reverted["user"]["isSaml"]) == ([], expected)
    recorded = await service.rows("SELECT DISTINCT actor_username FROM audit_events WHERE action LIKE 'CONVER%'")
    assert recorded == [(who,)]


async def restore_keys(service: Service) -> None:
    """Make the keys that a conversion ended work again."""
    await service.write("UPDATE api_keys SET revoked_at = NULL")


@pytest.mark.parametrize("who", ["normal", "pm", "readonly"])
async def test_converting_others_needs_the_right(service: Service, who: str) -> None:
    before = await service.snapshot()
    mixed = [(await service.id_of(who), SAML), ("user_8", SAML)]
    for pairs in ([("user_8", SAML)], mixed):
        answer = await convert(service, *pairs, who=who, shown="")
        assert codes(answer["errors"]) == ["FORBIDDEN"]
        assert {code for each in answer["results"] for code in codes(each["errors"])} == {"FORBIDDEN"}
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
    both = {"saml": {"provisionedBy": spelled["ldap"]}}
    for pairs, path in (
        ([("user_8", LDAP), ("user_9", spelled)], ["to", "ldap", "loginDn"]),
        ([("user_8", LDAP), ("user_9", both)], ["to", "saml", "provisionedBy", "loginDn"]),
        ([("user_8", LDAP), ("user_8", SAML)], ["id"]),
    ):
        results = (await convert(service, *pairs, errorPolicy="REJECT_FAILED", dryRun=True))["results"]
        assert [r["action"] for r in results] == ["UPDATED", "FAILED"]
        assert [(e["code"], e["path"]) for e in results[1]["errors"]] == [("DUPLICATE", ["conversions", "1", *path])]
    assert (await one(service, LDAP))["errors"] == []
    for to, path in ((spelled, ["to", "ldap", "loginDn"]), (both, ["to", "saml", "provisionedBy", "loginDn"])):
        result = await one(service, to, user="user_9")
        assert [(e["code"], e["path"]) for e in result["errors"]] == [("TAKEN", ["conversions", "0", *path])]
