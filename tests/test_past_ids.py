"""What is read as of a time has an id of its own, by which lookups answer as of then, and which nothing changes."""

from typing import Any

import pytest

from models.errors import ErrorCode
from tests.exporting import by_csv, by_lines, whole
from tests.history import moment
from tests.mutations import ask
from tests.service import Service, beyond_who_asks

NESTED = """id stableId name role { id stableId } createdBy { id }
  groups { nodes { id stableId users { nodes { id } } } }
  organizations { nodes { id } } memberships { edges { node { id stableId organization { id } } } }
  apiKeys { nodes { id createdBy { id } } } identityProvider { id }"""


async def renamed(service: Service) -> str:
    """A time at which user_8 was called otherwise than it is now."""
    at = await moment()
    assert (await ask(service, "updateUser", {"id": "user_8", "name": "Renamed"}, "errors { code }"))["errors"] == []
    return at


def ids(value: Any) -> list[str]:
    if isinstance(value, dict):
        here = [value["id"]] if "id" in value else []
        return here + [each for inner in value.values() for each in ids(inner)]
    return [each for inner in value for each in ids(inner)] if isinstance(value, list) else []


async def test_ids_below_as_of_name_the_time_at_every_depth(service: Service) -> None:
    at = await renamed(service)
    document = f"query($at: DateTime) {{ users(asOf: $at, first: 9) {{ nodes {{ {NESTED} }} }} }}"
    past = (await service.data(document, {"at": at}))["users"]["nodes"]
    found = ids(past)
    assert len(found) > 30
    assert {each.partition("@")[2] for each in found} == {at}
    assert {each.split("_")[0] for each in found} == {
        "user",
        "role",
        "group",
        "organization",
        "membership",
        "key",
        "provider",
    }
    now = (await service.data(document, {"at": None}))["users"]["nodes"]
    assert "@" not in "".join(ids(now))
    assert [each["stableId"] for each in past] == [each["id"] for each in now]


async def test_one_time_has_one_form_of_id_however_it_is_written(service: Service) -> None:
    document = "query($at: DateTime) { users(asOf: $at, first: 1) { nodes { id } } }"
    await renamed(service)
    await service.write("UPDATE users_history SET valid_from = '2026-01-01 00:00:00+00:00'")
    for written in ("2026-03-31T12:00:00Z", "2026-03-31T12:00:00.000Z", "2026-03-31T14:00:00+02:00"):
        found = (await service.data(document, {"at": written}))["users"]["nodes"]
        assert found == [{"id": "user_1@2026-03-31T12:00:00.000000Z"}]


async def test_lookups_by_such_an_id_answer_as_of_then(service: Service) -> None:
    at = await renamed(service)
    past = f"user_8@{at}"
    document = """query($id: ID!, $ids: [ID!]!) {
      node(id: $id) { __typename id ... on User { stableId name role { id } } }
      nodes(ids: $ids) { id ... on User { name } ... on Role { name } }
      user(by: {id: $id}) { id name groups { nodes { id } } }
      usersByKeys(keys: [{id: $id}, {id: "user_8"}, {username: "member"}]) { id name } }"""
    data = await service.data(
        document, {"id": past, "ids": [past, "user_8", f"role_1@{at}", f"session_1@{at}", "user_8@x"]}
    )
    assert data == {
        "node": {
            "__typename": "User",
            "id": past,
            "stableId": "user_8",
            "name": "Member",
            "role": {"id": f"role_4@{at}"},
        },
        "nodes": [
            {"id": past, "name": "Member"},
            {"id": "user_8", "name": "Renamed"},
            {"id": f"role_1@{at}", "name": "Admin"},
            None,
            None,
        ],
        "user": {"id": past, "name": "Member", "groups": {"nodes": [{"id": f"group_1@{at}"}]}},
        "usersByKeys": [
            {"id": past, "name": "Member"},
            {"id": "user_8", "name": "Renamed"},
            {"id": "user_8", "name": "Renamed"},
        ],
    }


async def test_every_id_below_as_of_is_found_again_by_node(service: Service) -> None:
    at = await renamed(service)
    await ask(service, "deleteGroup", {"id": "group_1"}, "errors { code }")
    document = f"query($at: DateTime) {{ users(asOf: $at, first: 9) {{ nodes {{ {NESTED} }} }} }}"
    found = sorted(set(ids((await service.data(document, {"at": at}))["users"]["nodes"])))
    data = await service.data("query($ids: [ID!]!) { nodes(ids: $ids) { id } }", {"ids": found})
    assert data["nodes"] == [{"id": each} for each in found]


async def test_what_did_not_exist_then_or_cannot_be_seen_is_null(service: Service) -> None:
    early = await moment()
    await ask(service, "createGroup", {"name": "New"}, "errors { code }")
    number = await service.scalar("SELECT max(id) FROM groups")
    for typed in (
        f"group_{number}@{early}",
        f"user_999@{early}",
        f"invitation_1@{early}",
        f"user_8@{early}x",
        "user_8@",
    ):
        assert (await service.data("query($id: ID!) { node(id: $id) { id } }", {"id": typed}))["node"] is None, typed


@pytest.mark.parametrize(
    ("id", "who", "code"),
    [
        ("user_8@2026-03-31T12:00:00Z", "pm", "FORBIDDEN"),
        ("user_8@2999-03-31T12:00:00Z", "admin", "INVALID"),
    ],
)
async def test_lookups_by_an_id_of_a_time_are_refused_as_as_of_is(
    service: Service, id: str, who: str, code: str
) -> None:
    for document in (
        "query($id: ID!) { found: node(id: $id) { id } }",
        "query($id: ID!) { found: nodes(ids: [$id]) { id } }",
        "query($id: ID!) { found: user(by: {id: $id}) { id } }",
        "query($id: ID!) { found: usersByKeys(keys: [{id: $id}]) { id } }",
    ):
        body = await service.ask(document, {"id": id}, who=who)
        assert [error["extensions"]["code"] for error in body["errors"]] == [code], body
        assert body["errors"][0]["path"] == ["found"]
        assert body["data"] is None


async def test_fields_without_history_are_refused_for_ids_of_a_time(service: Service) -> None:
    at = await renamed(service)
    for document, field in (
        ("query($id: ID!) { node(id: $id) { ... on User { lastLoginAt } } }", "User.lastLoginAt"),
        ("query($id: ID!) { user(by: {id: $id}) { sessions { nodes { id } } } }", "User.sessions"),
    ):
        body = await service.ask(document, {"id": f"user_8@{at}"})
        assert body["errors"][0]["extensions"] == {"code": "WITHOUT_HISTORY", "fields": [field]}
        assert "errors" not in await service.ask(document, {"id": "user_8"})


async def test_many_times_in_one_lookup_are_refused_and_each_costs_one_statement(service: Service) -> None:
    times = [f"2026-01-{day:02}T00:00:00Z" for day in range(1, 12)]
    document = "query($ids: [ID!]!) { nodes(ids: $ids) { id ... on User { name } } }"
    assert await service.codes(document, {"ids": [f"user_1@{at}" for at in times]}) == ["INVALID"]
    at = await renamed(service)
    with service.statements() as seen:
        await service.data(document, {"ids": [f"user_{number}@{at}" for number in range(1, 9)]})
    assert len(beyond_who_asks(seen)) == 1


async def test_conditions_take_ids_of_the_same_time_and_refuse_others(service: Service) -> None:
    at = await renamed(service)
    document = """query($at: DateTime, $id: ID!) { users(asOf: $at, where: {id: {in: [$id]}}) { nodes { name } } }"""
    past = f"user_8@{at}"
    assert (await service.data(document, {"at": at, "id": past}))["users"]["nodes"] == [{"name": "Member"}]
    nested = """query($at: DateTime, $id: ID!) {
      users(asOf: $at, where: {not: {groups: {some: {users: {some: {id: {eq: $id}}}}}}}) { totalCount } }"""
    found = (await service.data(nested, {"at": at, "id": past}))["users"]
    assert found == (await service.data(nested, {"at": at, "id": "user_8"}))["users"]
    reason = f"{past} is user_8 as of a time that this list is not read at. Compare with its stableId, user_8."
    measured = "measures: [{measure: COUNT, where: {id: {eq: $id}}}]"
    for asked in (
        document,
        nested,
        "query($id: String!) { auditEvents(where: {subjectId: {eq: $id}}) { totalCount } }",
        "query($id: ID!) { userReport(where: {id: {eq: $id}}) { rows } }",
        f"query($id: ID!) {{ userReport({measured}) {{ rows }} }}",
    ):
        body = await service.ask(asked, {"id": past} if "$at" not in asked else {"at": None, "id": past})
        assert [(e["message"], e["extensions"]["code"]) for e in body["errors"]] == [(reason, "INVALID")], asked


@pytest.mark.parametrize(
    ("name", "given", "path"),
    [
        ("updateUser", {"id": "user_8@{}", "name": "X"}, ["id"]),
        ("updateUser", {"id": "user_8", "role": {"id": "role_2@{}"}}, ["role", "id"]),
        ("changePassword", {"id": "user_8@{}", "newPassword": "a long new password"}, ["id"]),
        ("deleteGroup", {"id": "group_1@{}"}, ["id"]),
        ("updateGroup", {"id": "group_1@{}", "name": "X"}, ["id"]),
        ("addGroupMembers", {"id": "group_1@{}", "userIds": ["user_8"]}, ["id"]),
        ("updateOrganization", {"id": "organization_4", "parentId": "organization_5@{}"}, ["parentId"]),
        ("deleteOrganization", {"id": "organization_4@{}"}, ["id"]),
        ("updateRole", {"id": "role_4@{}", "name": "X"}, ["id"]),
        ("updateIdentityProvider", {"id": "provider_1@{}", "name": "X"}, ["id"]),
        ("createApiKey", {"userId": "user_8@{}", "name": "X"}, ["userId"]),
    ],
)
async def test_mutations_refuse_ids_of_a_time_and_store_nothing(
    service: Service, name: str, given: dict[str, Any], path: list[str | int]
) -> None:
    at = await moment()
    filled: Any = _filled(given, at)
    before = await service.snapshot()
    answer = await ask(service, name, filled, "errors { code message path }")
    ((stable, id),) = [(each.partition("@")[0], each) for each in _texts(filled) if "@" in each]
    assert answer["errors"] == [
        {
            "code": "PAST_ID",
            "message": f"{id} is {stable} as it was in the past, which cannot be changed. Send its stableId, {stable}.",
            "path": path,
        }
    ]
    assert await service.snapshot() == before


async def test_bulk_mutations_refuse_ids_of_a_time_row_by_row(service: Service) -> None:
    at = await moment()
    rows = ["user_8", f"user_9@{at}"]
    for name, given in (
        ("deactivateUsers", {"ids": rows}),
        ("activateUsers", {"ids": rows}),
        ("deleteUsers", {"ids": rows}),
        ("revokeApiKeys", {"ids": ["key_5", f"key_5@{at}"]}),
        ("addGroupMembers", {"id": "group_1", "userIds": rows}),
        ("removeGroupMembers", {"id": "group_1", "userIds": rows}),
        ("addOrganizationMembers", {"id": "organization_4", "userIds": rows}),
    ):
        answer = await ask(service, name, given, "results { errors { code } } errors { code path }")
        assert {error["code"] for row in answer["results"] for error in row["errors"]} <= {"PAST_ID", "OTHERS_FAILED"}
        assert answer["results"][1]["errors"] == [{"code": "PAST_ID"}], name
    assert await service.scalar("SELECT count(*) FROM users WHERE id IN (8, 9)") == 2


def _filled(value: Any, at: str) -> Any:
    if isinstance(value, dict):
        return {name: _filled(each, at) for name, each in value.items()}
    if isinstance(value, list):
        return [_filled(each, at) for each in value]
    return value.format(at) if isinstance(value, str) else value


def _texts(value: Any) -> list[str]:
    if isinstance(value, dict):
        return [each for inner in value.values() for each in _texts(inner)]
    if isinstance(value, list):
        return [each for inner in value for each in _texts(inner)]
    return [value] if isinstance(value, str) else []


async def test_exports_as_of_a_time_have_the_ids_of_the_answer(service: Service) -> None:
    at = await renamed(service)
    fields = "id stableId role { id stableId } groups { nodes { id } }"
    query = f'{{ users(asOf: "{at}", where: {{id: {{eq: "user_8"}}}}) {{ nodes {{ {fields} }} }} }}'
    assert by_csv(await whole(service, query, "csv")) == [
        {
            "id": f"user_8@{at}",
            "stableId": "user_8",
            "role.id": f"role_4@{at}",
            "role.stableId": "role_4",
            "groups": f"group_1@{at}",
        }
    ]
    (line,) = by_lines(await whole(service, query, "ndjson"))
    assert (line["id"], line["groups"]["nodes"]) == (f"user_8@{at}", [{"id": f"group_1@{at}"}])
    now = query.replace(f'asOf: "{at}", ', "")
    assert by_csv(await whole(service, now, "csv"))[0]["id"] == "user_8"


async def test_the_stable_id_needs_the_rights_of_the_id(service: Service) -> None:
    assert (await service.data("{ users(first: 1) { nodes { stableId } } }", who="normal"))["users"]["nodes"]
    assert await service.codes("{ users(first: 1) { nodes { stableId } } }", who="readonly") == ["FORBIDDEN"]
    assert (await service.data("{ me { stableId role { stableId } } }", who="readonly"))["me"]


def test_the_code_of_past_ids_is_part_of_the_catalogue() -> None:
    assert ErrorCode.PAST_ID == "PAST_ID"
