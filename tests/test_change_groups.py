"""Groups: made, renamed and deleted, and their members added and taken out."""

import json
from typing import Any

import pytest

from tests.service import Service, codes

GROUP = "group { id name description userCount } errors { code message path }"
MEMBERS = """summary { updated unchanged skipped failed } errors { code path }
  group { id userCount users(orderBy: [{field: ID}]) { nodes { id groupCount } } }
  results { index ref action user { id groupCount } errors { code path index } }"""


async def create(service: Service, **given: Any) -> Any:
    document = f"mutation($input: CreateGroupInput!) {{ createGroup(input: $input) {{ {GROUP} }} }}"
    return (await service.data(document, {"input": given}))["createGroup"]


async def update(service: Service, group: str, **given: Any) -> Any:
    document = f"mutation($input: UpdateGroupInput!) {{ updateGroup(input: $input) {{ {GROUP} }} }}"
    return (await service.data(document, {"input": {"id": group, **given}}))["updateGroup"]


async def delete(service: Service, group: str) -> Any:
    document = "mutation($id: ID!) { deleteGroup(input: {id: $id}) { deletedId errors { code path } } }"
    return (await service.data(document, {"id": group}))["deleteGroup"]


async def members(service: Service, name: str, group: str, *users: str, **more: Any) -> Any:
    document = f"mutation($input: {name[0].upper()}{name[1:]}Input!) {{ {name}(input: $input) {{ {MEMBERS} }} }}"
    given = {"id": group, "userIds": users, **more}
    return (await service.data(document, {"input": given}))[name]


async def events(service: Service, kind: str, number: int) -> list[tuple[str, Any]]:
    sql = "SELECT action, changes FROM audit_events WHERE subject_type = $1 AND subject_id = $2 ORDER BY id"
    return [(action, json.loads(changes)) for action, changes in await service.rows(sql, kind, number)]


async def test_a_group_is_made(service: Service) -> None:
    answer = await create(service, name=" Choir ", description="Sings on Mondays")
    assert answer == {
        "group": {"id": "group_3", "name": "Choir", "description": "Sings on Mondays", "userCount": 0},
        "errors": [],
    }
    plain = await create(service, name="Band")
    assert plain["group"]["description"] is None
    assert await service.rows("SELECT name, name_key, description FROM groups WHERE id > 2 ORDER BY id") == [
        ("Choir", "choir", "Sings on Mondays"),
        ("Band", "band", None),
    ]
    ((action, changes),) = await events(service, "group", 3)
    assert (action, changes["name"], changes["description"]) == (
        "CREATED",
        [None, "Choir"],
        [None, "Sings on Mondays"],
    )


@pytest.mark.parametrize(
    ("given", "code", "path"),
    [
        ({"name": " "}, "REQUIRED", "name"),
        ({"name": "WEB work"}, "TAKEN", "name"),
        ({"name": "web\u200bwork"}, "INVALID", "name"),
        ({"name": "n" * 256}, "INVALID", "name"),
        ({"name": "X", "description": "d" * 2_000}, "INVALID", "description"),
    ],
)
async def test_a_group_that_cannot_be_says_why(service: Service, given: Any, code: str, path: str) -> None:
    before = await service.snapshot()
    for answer in (await create(service, **given), await update(service, "group_2", **given)):
        assert answer["group"] is None
        assert [(e["code"], e["path"]) for e in answer["errors"]] == [(code, [path])]
    assert await service.snapshot() == before


async def test_a_group_changes_in_what_is_sent(service: Service) -> None:
    steps: list[tuple[dict[str, Any], tuple[str, str | None], dict[str, Any] | None]] = [
        ({"description": "Pages"}, ("Web work", "Pages"), {"description": [None, "Pages"]}),
        ({"name": "web WORK"}, ("web WORK", "Pages"), {"name": ["Web work", "web WORK"]}),
        ({"name": "web WORK", "description": "Pages"}, ("web WORK", "Pages"), None),
        ({}, ("web WORK", "Pages"), None),
        ({"description": None}, ("web WORK", None), {"description": ["Pages", None]}),
    ]
    for given, (name, description), changes in steps:
        count = len(await events(service, "group", 1))
        answer = await update(service, "group_1", **given)
        assert answer == {
            "group": {"id": "group_1", "name": name, "description": description, "userCount": 1},
            "errors": [],
        }
        assert (await events(service, "group", 1))[count:] == ([("UPDATED", changes)] if changes else [])


async def test_a_group_is_deleted_and_its_members_stay(service: Service) -> None:
    assert await delete(service, "group_1") == {"deletedId": "group_1", "errors": []}
    assert await service.rows("SELECT id FROM groups") == [(2,)]
    assert await service.scalar("SELECT COUNT(*) FROM group_members") == 0
    assert await service.data('{ user(by: {id: "user_8"}) { state groupCount } }') == {
        "user": {"state": "ACTIVE", "groupCount": 0}
    }
    action, changes = (await events(service, "group", 1))[-1]
    assert (action, changes["name"]) == ("DELETED", ["Web work", None])


async def test_groups_that_are_not_there_are_not_found(service: Service) -> None:
    for group in ("group_99", "user_1", "group_x"):
        answers = [
            await update(service, group, name="X"),
            await delete(service, group),
            await members(service, "addGroupMembers", group, "user_8"),
            await members(service, "removeGroupMembers", group, "user_8"),
        ]
        for answer in answers:
            assert [(e["code"], e["path"]) for e in answer["errors"]] == [("NOT_FOUND", ["id"])]


async def test_members_are_added_once_each(service: Service) -> None:
    answer = await members(service, "addGroupMembers", "group_1", "user_9", "user_8", "user_1")
    added = {"id": "user_9", "groupCount": 1}
    assert answer == {
        "summary": {"updated": 2, "unchanged": 1, "skipped": 0, "failed": 0},
        "errors": [],
        "group": {
            "id": "group_1",
            "userCount": 3,
            "users": {"nodes": [{"id": f"user_{number}", "groupCount": 1} for number in (1, 8, 9)]},
        },
        "results": [
            {"index": 0, "ref": "user_9", "action": "UPDATED", "user": added, "errors": []},
            {"index": 1, "ref": "user_8", "action": "UNCHANGED", "user": {**added, "id": "user_8"}, "errors": []},
            {"index": 2, "ref": "user_1", "action": "UPDATED", "user": {**added, "id": "user_1"}, "errors": []},
        ],
    }
    stored = await service.rows("SELECT user_id FROM group_members WHERE group_id = 1 ORDER BY user_id")
    assert stored == [(1,), (8,), (9,)]
    assert (await events(service, "group", 1))[-1] == ("MEMBERS_ADDED", {"members": [None, ["outsider", "admin"]]})
    action, changes = (await events(service, "user", 9))[-1]
    assert action == "UPDATED"
    assert "groups" in changes
    before = await service.snapshot()
    again = await members(service, "addGroupMembers", "group_1", "user_9")
    assert [result["action"] for result in again["results"]] == ["UNCHANGED"]
    assert await service.snapshot() == before


async def test_members_are_taken_out(service: Service) -> None:
    before = await service.snapshot()
    dry = await members(service, "removeGroupMembers", "group_1", "user_8", "user_9", dryRun=True)
    assert await service.snapshot() == before
    real = await members(service, "removeGroupMembers", "group_1", "user_8", "user_9")
    assert dry == real
    assert [(result["ref"], result["action"]) for result in real["results"]] == [
        ("user_8", "UPDATED"),
        ("user_9", "UNCHANGED"),
    ]
    assert real["group"] == {"id": "group_1", "userCount": 0, "users": {"nodes": []}}
    assert await service.scalar("SELECT COUNT(*) FROM group_members") == 0
    assert (await events(service, "group", 1))[-1] == ("MEMBERS_REMOVED", {"members": [["member"], None]})


@pytest.mark.parametrize("name", ["addGroupMembers", "removeGroupMembers"])
async def test_refused_members_say_why(service: Service, name: str) -> None:
    before = await service.snapshot()
    ids = ("user_9", "user_99", "user_9", "group_1")
    results = (await members(service, name, "group_2", *ids))["results"]
    assert [(r["ref"], r["action"], r["user"]) for r in results] == [
        ("user_9", "SKIPPED", None),
        ("user_99", "FAILED", None),
        ("user_9", "FAILED", None),
        ("group_1", "FAILED", None),
    ]
    assert [(e["code"], e["path"], e["index"]) for r in results for e in r["errors"]] == [
        (code, ["userIds", str(index)], index)
        for index, code in enumerate(("OTHERS_FAILED", "NOT_FOUND", "DUPLICATE", "NOT_FOUND"))
    ]
    assert await service.snapshot() == before
    accepted = (await members(service, name, "group_2", *ids, errorPolicy="REJECT_FAILED"))["results"]
    assert [result["action"] for result in accepted] == [
        "UPDATED" if name == "addGroupMembers" else "UNCHANGED",
        "FAILED",
        "FAILED",
        "FAILED",
    ]


@pytest.mark.parametrize("who", ["pm", "normal", "readonly"])
async def test_groups_are_for_those_with_the_right(service: Service, who: str) -> None:
    before = await service.snapshot()
    for document in (
        '{ createGroup(input: {name: "X"}) { errors { code } } }',
        '{ updateGroup(input: {id: "group_1", name: "X"}) { errors { code } } }',
        '{ deleteGroup(input: {id: "group_1"}) { errors { code } } }',
        '{ addGroupMembers(input: {id: "group_1", userIds: "user_9"}) { errors { code } } }',
        '{ removeGroupMembers(input: {id: "group_1", userIds: "user_8"}) { errors { code } } }',
    ):
        (answer,) = (await service.data(f"mutation {document}", who=who)).values()
        assert codes(answer["errors"]) == ["FORBIDDEN"]
    assert await service.snapshot() == before
