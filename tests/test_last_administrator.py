"""Somebody who can administer is always left: the last one is not taken away by any way, nor by themselves."""

import asyncio
from typing import Any

import pytest

from resolvers.policy import Right
from tests.calls import change, hold, new_role, refused, told
from tests.service import Service

ALL = [right.value for right in Right]
EMAIL = "admin@usergraph.example"
# Every way to be rid of user_1, the only administrator of the cast; `it` is made as heavy, but administers no roles.
WAYS: list[tuple[str, dict[str, Any]]] = [
    ("deactivateUsers", {"ids": ["user_1"]}),
    ("deleteUsers", {"ids": ["user_1"]}),
    ("updateUser", {"id": "user_1", "role": {"name": "IT"}}),
    ("updateUser", {"id": "user_1", "role": {"name": "Janitor"}}),
    ("upsertUsers", {"users": [{"email": EMAIL, "role": {"name": "Read only"}}]}),
    ("upsertUsers", {"users": [{"email": EMAIL, "role": {"name": "Deactivated"}}]}),
    ("upsertUsers", {"users": [{"email": EMAIL, "isActive": False}]}),
    ("convertUsers", {"conversions": [{"id": "user_1", "to": {"saml": {}}}]}),
    ("revertConversions", {"ids": ["user_1"]}),
    ("updateIdentityProvider", {"id": "provider_1", "isEnabled": False}),
]
# As heavy is not enough to open another way in to somebody: that takes as many rights.
WHO = {"convertUsers": "admin", "revertConversions": "admin"}
JANITOR = [right for right in ALL if right != "MANAGE_ROLES"]

LDAP = {"ldap": {"serverNumber": 1, "loginDn": "cn=admin"}}


async def with_janitor(service: Service) -> None:
    await hold(service, "it", await new_role(service, "Janitor", 100, JANITOR))
    await service.write(
        "INSERT INTO previous_identities (user_id, provider_id, ldap_provider_id, login_dn, created_at)"
        " SELECT 1, 2, 2, 'cn=admin', created_at FROM users WHERE id = 1"
    )


@pytest.fixture
async def service(service: Service) -> Service:
    """The cast with another address for its administrator."""
    await service.write(f"UPDATE users SET email = '{EMAIL}', email_key = '{EMAIL}' WHERE id = 1")
    return service


async def administrators(service: Service) -> list[int]:
    sql = "SELECT id FROM users WHERE role_id = 1 AND state = 'ACTIVE' ORDER BY id"
    return [row[0] for row in await service.rows(sql)]


async def test_the_last_administrator_is_not_taken_away_by_any_way(service: Service) -> None:
    await with_janitor(service)
    for mutation, given in WAYS:
        assert await refused(service, mutation, given, who=WHO.get(mutation, "it")) == "LAST_ADMINISTRATOR", (
            mutation,
            given,
        )


async def test_a_further_administrator_makes_each_of_these_ways_free(service: Service) -> None:
    await with_janitor(service)
    # One who signs in elsewhere, so that switching local passwords off leaves them too.
    await service.write("UPDATE users SET role_id = 1, provider_id = NULL WHERE username = 'pm'")
    for mutation, given in WAYS:
        assert told(await change(service, mutation, {**given, "dryRun": True}, who=WHO.get(mutation, "it"))) == [], (
            mutation,
            given,
        )


@pytest.mark.parametrize(
    "other",
    [
        "UPDATE users SET role_id = 1, state = 'DEACTIVATED' WHERE username = 'pm'",
        "UPDATE users SET role_id = 1, state = 'INVITED' WHERE username = 'pm'",
        "UPDATE users SET role_id = 1, provider_id = 3, ldap_provider_id = 3, login_dn = 'x', login_dn_key = 'x'"
        " WHERE username = 'pm'",
    ],
    ids=["deactivated", "invited", "behind a provider that is switched off"],
)
async def test_an_administrator_who_cannot_get_in_does_not_count(service: Service, other: str) -> None:
    await with_janitor(service)
    await service.write(other)
    for mutation, given in WAYS:
        assert await refused(service, mutation, given, who=WHO.get(mutation, "it")) == "LAST_ADMINISTRATOR", (
            mutation,
            given,
        )


async def test_the_last_administrator_does_not_take_themselves_away(service: Service) -> None:
    for mutation, given in [*WAYS, ("convertUsers", {"conversions": [{"id": "user_1", "to": LDAP}]})]:
        code = {"deactivateUsers": "SELF", "deleteUsers": "SELF", "revertConversions": "WRONG_STATE"}.get(mutation, "")
        if mutation == "upsertUsers" and given["users"][0].get("role") != {"name": "Read only"}:
            code = "SELF"
        if given.get("role") != {"name": "Janitor"}:
            found = (await refused(service, mutation, given)).split(" ")
            assert found[0] == (code or "LAST_ADMINISTRATOR"), (mutation, given)


async def test_the_role_of_the_last_administrator_is_neither_stripped_nor_deleted(service: Service) -> None:
    boss = f"role_{await new_role(service, 'Boss', 100, ALL)}"
    assert await refused(service, "updateUser", {"id": "user_1", "role": {"id": boss}}) == ""
    for missing in ("MANAGE_ROLES", "UPDATE_USERS"):
        given = {"id": boss, "permissions": [right for right in ALL if right != missing]}
        assert await refused(service, "updateRole", given) == "LAST_ADMINISTRATOR"
    assert await refused(service, "deleteRole", {"id": boss}) == "IN_USE"
    assert await refused(service, "updateRole", {"id": "role_1", "permissions": []}) == "BUILT_IN"
    assert await refused(service, "deleteRole", {"id": "role_1"}) == "BUILT_IN"
    enough = {"id": boss, "permissions": ["MANAGE_ROLES", "UPDATE_USERS"]}
    assert await refused(service, "updateRole", enough) == ""


@pytest.mark.parametrize(
    ("mutation", "given", "left"),
    [
        ("deactivateUsers", {"ids": ["user_1", "user_3"]}, [3]),
        ("deleteUsers", {"ids": ["user_3", "user_1"]}, [1]),
        (
            "upsertUsers",
            {"users": [{"email": e, "role": {"name": "IT"}} for e in (EMAIL, "pm@usergraph.test")]},
            [3],
        ),
        (
            "upsertUsers",
            {"users": [{"email": e, "role": {"name": "Deactivated"}} for e in ("pm@usergraph.test", EMAIL)]},
            [1],
        ),
    ],
)
async def test_one_call_does_not_take_all_administrators_away(
    service: Service, mutation: str, given: dict[str, Any], left: list[int]
) -> None:
    await with_janitor(service)
    await hold(service, "pm", 1)
    before = await service.snapshot()
    payload = await change(service, mutation, given, who="it")
    assert [row["action"] for row in payload["results"]] == ["SKIPPED", "FAILED"]
    assert told(payload) == ["OTHERS_FAILED", "LAST_ADMINISTRATOR"]
    assert await service.snapshot() == before
    payload = await change(service, mutation, {**given, "errorPolicy": "REJECT_FAILED"}, who="it")
    assert told(payload) == ["LAST_ADMINISTRATOR"]
    assert await administrators(service) == left


async def test_administrators_are_not_converted_away_one_after_the_other(service: Service) -> None:
    """Whether another provider answers is not known here: one who signs in here stays."""
    await with_janitor(service)
    await hold(service, "pm", 1)
    both: dict[str, Any] = {"conversions": [{"id": user, "to": {"saml": {}}} for user in ("user_1", "user_3")]}
    assert (await refused(service, "convertUsers", both)).split(" ")[-1] == "LAST_ADMINISTRATOR"
    one, other = ({"conversions": [each]} for each in both["conversions"])
    assert await refused(service, "convertUsers", one) == ""
    # The key of the first ended with the conversion.
    assert await refused(service, "convertUsers", other, who="pm") == "LAST_ADMINISTRATOR"


@pytest.mark.parametrize(
    ("mutation", "given"),
    [
        ("updateUser", lambda user: {"id": user, "role": {"name": "Read only"}}),
        ("deactivateUsers", lambda user: {"ids": [user]}),
        ("deleteUsers", lambda user: {"ids": [user]}),
        ("convertUsers", lambda user: {"conversions": [{"id": user, "to": {"saml": {}}}]}),
    ],
)
async def test_two_administrators_who_take_each_other_away_at_once_leave_one(
    service: Service, mutation: str, given: Any
) -> None:
    await hold(service, "pm", 1)
    if mutation == "convertUsers":
        await service.write("UPDATE identity_providers SET is_enabled = false WHERE id <> 1")
        await service.write("UPDATE identity_providers SET is_enabled = true WHERE id = 4")

    async def attempt(user: str, who: str) -> list[str]:
        try:
            return told(await change(service, mutation, given(user), who=who))
        except AssertionError as out:  # `change` takes no top-level error, which is what a lost key is
            if "UNAUTHENTICATED" not in str(out):
                raise
            return ["UNAUTHENTICATED"]

    codes = sorted(await asyncio.gather(attempt("user_3", "admin"), attempt("user_1", "pm")))
    # Who comes second is the last one's enemy, or no administrator any more, or out, as the turns fall.
    assert codes[0] == []
    assert codes[1] in (["LAST_ADMINISTRATOR"], ["USER_TOO_HEAVY"], ["FORBIDDEN"], ["UNAUTHENTICATED"])
    local = "SELECT count(*) FROM users WHERE role_id = 1 AND state = 'ACTIVE' AND provider_id = 1"
    assert await service.scalar(local) == 1


async def test_nobody_gives_themselves_access_or_takes_it_from_themselves(service: Service) -> None:
    own = await service.scalar("SELECT email FROM users WHERE username = 'it'")
    for mutation, given in (
        ("deactivateUsers", {"ids": ["user_2"]}),
        ("activateUsers", {"ids": ["user_2"]}),
        ("upsertUsers", {"users": [{"email": own, "isActive": False}]}),
        ("upsertUsers", {"users": [{"email": own.upper(), "role": {"name": "deactivated"}}]}),
    ):
        assert await refused(service, mutation, given, who="it") == "SELF", mutation
    payload = await change(service, "deactivateUsers", {"ids": ["user_2"]}, who="it", more="summary { failed updated }")
    message = "Nobody may deactivate themselves. Ask another administrator."
    assert payload == {
        "errors": [],
        "results": [{"action": "FAILED", "errors": [{"code": "SELF", "message": message, "path": ["ids", "0"]}]}],
        "summary": {"failed": 1, "updated": 0},
    }
    assert await refused(service, "upsertUsers", {"users": [{"email": own, "isActive": True}]}, who="it") == ""
