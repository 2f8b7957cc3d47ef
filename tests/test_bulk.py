"""Bulk calls: as many SQL statements for ten rows as for a thousand, and a limit to the rows of one call."""

from collections.abc import Callable
from typing import Any

import pytest

from resolvers.match_keys import limit_ids
from resolvers.policy import GrantLimit, Right
from tests.service import Service, codes

FEW, MANY = 20, 1_000  # more than bring their short lists with them

INPUTS = {
    "deactivateUsers": "DeactivateUsersInput",
    "activateUsers": "ActivateUsersInput",
    "deleteUsers": "DeleteUsersInput",
    "revertConversions": "RevertConversionsInput",
    "addGroupMembers": "AddGroupMembersInput",
    "removeGroupMembers": "RemoveGroupMembersInput",
    "resendInvitations": "ResendInvitationsInput",
    "revokeInvitations": "RevokeInvitationsInput",
}
SHOWN = "user { id name role { name } groups { nodes { id } } tags createdBy { id } }"


async def call(service: Service, name: str, given: dict[str, Any]) -> Any:
    type_ = INPUTS.get(name, f"{name[0].upper()}{name[1:]}Input")
    document = f"""mutation($input: {type_}!) {{ {name}(input: $input) {{ errors {{ code path }}
      summary {{ created updated unchanged skipped failed }}
      results {{ index action {SHOWN} errors {{ code }} }} }} }}"""
    return (await service.data(document, {"input": given}))[name]


async def counted(service: Service, name: str, given: dict[str, Any], rows: int, action: str) -> int:
    """The SQL statements of a call whose every row came to `action`."""
    # The first use of a key is recorded a moment later, in statements of its own.
    await service.data("{ me { id } }")
    await service.app.state.touches.close()
    with service.statements() as seen:
        answer = await call(service, name, given)
    assert answer["errors"] == []
    assert [(each["index"], each["action"]) for each in answer["results"]] == [(i, action) for i in range(rows)]
    return len(seen)


def fresh(start: int, count: int) -> list[dict[str, Any]]:
    """Rows for users of all kinds of things: nothing in a row may cost a statement of its own."""
    return [
        {
            "ref": str(number),
            "email": f"person{number}@bulk.test",
            "name": f"Person {number}",
            "tags": [f"t{number % 7}", "all"],
            "aliases": [f"P-{number}"],
            "variables": [{"name": "Number", "value": str(number)}],
            "organizationIds": ["organization_3", f"organization_{4 + number % 2}"],
            "groupIds": ["group_1"],
            "role": {"name": ("IT", "normal user", "only read")[number % 3]},
        }
        for number in range(start, start + count)
    ]


def ldap(row: dict[str, Any]) -> dict[str, Any]:
    dn = f"cn={row['ref']},dc=bulk,dc=test"
    return {**row, "authentication": {"ldap": {"serverNumber": 1, "loginDn": dn}}}


async def members_made(service: Service, count: int) -> list[str]:
    """So many users more, without the answer's cost in the tests that need them only to exist."""
    start = await service.scalar("SELECT COUNT(*) FROM users")
    document = """mutation($input: UpsertUsersInput!) { upsertUsers(input: $input) {
      errors { code } results { user { id } } } }"""
    rows = [{"email": f"made{number}@bulk.test"} for number in range(start, start + count)]
    made = (await service.data(document, {"input": {"users": rows}}))["upsertUsers"]
    return [result["user"]["id"] for result in made["results"]]


async def store_grant_limit(service: Service) -> None:
    """What the viewer can grant is stored with the first user whom they make (resolvers/match_keys.py)."""
    await service.database.transaction(lambda tx: limit_ids(tx, [GrantLimit(100, frozenset(Right))]))


async def test_inviting_costs_the_same_for_ten_and_for_a_thousand(service: Service) -> None:
    await store_grant_limit(service)
    few = await counted(service, "inviteUsers", {"users": fresh(0, FEW)}, FEW, "CREATED")
    many = await counted(service, "inviteUsers", {"users": fresh(FEW, MANY)}, MANY, "CREATED")
    assert many == few
    for table in ("invitations", "letters"):
        assert await service.scalar(f"SELECT COUNT(*) FROM {table}") == FEW + MANY
    assert await service.scalar("SELECT COUNT(*) FROM audit_events WHERE action = 'INVITED'") == FEW + MANY


async def test_upserting_costs_the_same_for_ten_and_for_a_thousand(service: Service) -> None:
    await store_grant_limit(service)
    few = await counted(service, "upsertUsers", {"users": [ldap(r) for r in fresh(0, FEW)]}, FEW, "CREATED")
    many = await counted(service, "upsertUsers", {"users": [ldap(r) for r in fresh(FEW, MANY)]}, MANY, "CREATED")
    assert many == few

    def changed(start: int, count: int) -> dict[str, Any]:
        more = {"tags": ["later"], "groupIds": ["group_2"], "variables": [{"name": "number", "value": "x"}]}
        return {
            "users": [
                {"email": r["email"].upper(), "firstName": "New", "aliases": [f"Q-{r['ref']}"], **more}
                for r in fresh(start, count)
            ]
        }

    few = await counted(service, "upsertUsers", changed(0, FEW), FEW, "UPDATED")
    many = await counted(service, "upsertUsers", changed(FEW, MANY), MANY, "UPDATED")
    assert many == few
    few = await counted(service, "upsertUsers", changed(0, FEW), FEW, "UNCHANGED")
    many = await counted(service, "upsertUsers", changed(FEW, MANY), MANY, "UNCHANGED")
    assert many == few
    off = {"role": {"name": "Deactivated"}}
    gone = [{"email": row["email"], **off} for row in fresh(0, FEW + MANY)]
    few = await counted(service, "upsertUsers", {"users": gone[:FEW]}, FEW, "UPDATED")
    many = await counted(service, "upsertUsers", {"users": gone[FEW:]}, MANY, "UPDATED")
    assert many == few
    assert await service.scalar("SELECT COUNT(*) FROM users WHERE state = 'DEACTIVATED'") == FEW + MANY
    assert await service.scalar("SELECT COUNT(*) FROM user_tags") == 3 * (FEW + MANY)
    assert await service.scalar("SELECT COUNT(*) FROM user_aliases") == 2 * (FEW + MANY)


ByIds = Callable[[list[str]], dict[str, Any]]


def ids(users: list[str]) -> dict[str, Any]:
    return {"ids": users}


def to_ldap(users: list[str]) -> dict[str, Any]:
    dns = ((user, f"cn={user},dc=bulk") for user in users)
    return {"conversions": [{"id": u, "to": {"ldap": {"serverNumber": 1, "loginDn": dn}}} for u, dn in dns]}


def grouped(users: list[str]) -> dict[str, Any]:
    return {"id": "group_2", "userIds": users}


def placed(users: list[str]) -> dict[str, Any]:
    return {"id": "organization_4", "userIds": users}


async def test_calls_about_existing_users_cost_the_same_for_ten_and_for_a_thousand(service: Service) -> None:
    few, many = await members_made(service, FEW), await members_made(service, MANY)
    steps: list[tuple[str, ByIds, str]] = [
        ("convertUsers", to_ldap, "UPDATED"),
        ("revertConversions", ids, "UPDATED"),
        ("addGroupMembers", grouped, "UPDATED"),
        ("removeGroupMembers", grouped, "UPDATED"),
        ("addOrganizationMembers", placed, "UPDATED"),
        ("removeOrganizationMembers", placed, "UPDATED"),
        ("deactivateUsers", ids, "UPDATED"),
        ("deactivateUsers", ids, "UNCHANGED"),
        ("activateUsers", ids, "UPDATED"),
        ("deleteUsers", ids, "DELETED"),
    ]
    for name, given, action in steps:
        cost = await counted(service, name, given(few), FEW, action)
        assert await counted(service, name, given(many), MANY, action) == cost, name
    assert await service.scalar("SELECT COUNT(*) FROM users") == 9
    recorded = dict(await service.rows("SELECT action, COUNT(*) FROM audit_events GROUP BY action"))
    for action in ("CONVERTED", "CONVERSION_REVERTED", "ACTIVATED", "DEACTIVATED", "DELETED"):
        assert recorded[action] == FEW + MANY


async def test_later_steps_of_invitations_cost_the_same_for_ten_and_for_a_thousand(service: Service) -> None:
    await call(service, "inviteUsers", {"users": [{"email": f"p{n}@bulk.test"} for n in range(FEW + MANY)]})
    sent = [f"invitation_{row[0]}" for row in await service.rows("SELECT id FROM invitations ORDER BY id")]
    for name in ("resendInvitations", "revokeInvitations"):
        cost = await counted(service, name, ids(sent[:FEW]), FEW, "UPDATED")
        assert await counted(service, name, ids(sent[FEW:]), MANY, "UPDATED") == cost, name


async def test_refused_rows_cost_no_statements_of_their_own(service: Service) -> None:
    def bad(count: int) -> dict[str, Any]:
        users = [{"email": f"no{n}@bulk.test", "groupIds": [f"group_{n + 90}"]} for n in range(count)]
        return {"users": users, "errorPolicy": "REJECT_FAILED"}

    few = await counted(service, "upsertUsers", bad(FEW), FEW, "FAILED")
    assert await counted(service, "upsertUsers", bad(MANY), MANY, "FAILED") == few


LIMITED: list[tuple[str, dict[str, Any], list[str]]] = [
    ("inviteUsers", {"users": [{"email": f"a{n}@x.test"} for n in range(4)]}, ["users"]),
    ("upsertUsers", {"users": [{"email": f"a{n}@x.test"} for n in range(4)]}, ["users"]),
    ("convertUsers", to_ldap([f"user_{n}" for n in range(6, 10)]), ["conversions"]),
    *(
        (name, {"ids": ["user_3", "user_4", "user_8", "user_9"]}, ["ids"])
        for name in ("activateUsers", "deactivateUsers", "deleteUsers", "revertConversions")
    ),
    *(
        (name, {"ids": [f"invitation_{n}" for n in range(4)]}, ["ids"])
        for name in ("resendInvitations", "revokeInvitations")
    ),
    ("revokeApiKeys", {"ids": [f"key_{n}" for n in range(3, 7)]}, ["ids"]),
    *(
        (name, {"id": "group_1", "userIds": [f"user_{n}" for n in range(6, 10)]}, ["userIds"])
        for name in ("addGroupMembers", "removeGroupMembers")
    ),
    *(
        (name, {"id": "organization_4", "userIds": [f"user_{n}" for n in range(6, 10)]}, ["userIds"])
        for name in ("addOrganizationMembers", "removeOrganizationMembers")
    ),
]


async def test_more_rows_than_the_setting_are_refused_as_a_whole(service_with: Any) -> None:
    async with service_with(max_bulk=3) as service:
        before = await service.snapshot()
        for name, given, path in LIMITED:
            for policy in ({}, {"errorPolicy": "REJECT_FAILED"}):
                answer = await call(service, name, {**given, **policy})
                assert answer["summary"] is None
                assert 0 < len(answer["results"]) <= 3
                assert {code for each in answer["results"] for code in codes(each["errors"])} == {"TOO_MANY"}
                assert [(e["code"], e["path"]) for e in answer["errors"]] == [("TOO_MANY", path)], name
        assert await service.snapshot() == before
        three = await call(service, "upsertUsers", {"users": [{"email": f"a{n}@x.test"} for n in range(3)]})
        assert three["summary"]["created"] == 3


@pytest.mark.parametrize("name", ["inviteUsers", "upsertUsers"])
async def test_an_empty_call_answers_no_rows(service: Service, name: str) -> None:
    before = await service.snapshot()
    answer = await call(service, name, {"users": []})
    assert (codes(answer["errors"]), answer["results"]) == ([], [])
    assert answer["summary"] == dict.fromkeys(("created", "updated", "unchanged", "skipped", "failed"), 0)
    assert await service.snapshot() == before
