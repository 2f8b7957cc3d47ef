"""The tree of organizations: made, renamed, moved and deleted, and who belongs to them in what role."""

import json
from typing import Any

import pytest

from tests.service import Service, codes

ORGANIZATION = "organization { id name parent { id } userCount children { nodes { id } } } errors { code message path }"
MEMBERS = """organization { id users(orderBy: [{field: ID}]) { nodes { id } } } errors { code path }
  results { index ref action user { id } errors { code path index } }"""


async def create(service: Service, name: str, parent: str | None = None, who: str = "admin") -> Any:
    document = (
        f"mutation($input: CreateOrganizationInput!) {{ createOrganization(input: $input) {{ {ORGANIZATION} }} }}"
    )
    given = {"name": name, **({"parentId": parent} if parent else {})}
    return (await service.data(document, {"input": given}, who=who))["createOrganization"]


async def update(service: Service, organization: str, who: str = "admin", **given: Any) -> Any:
    document = (
        f"mutation($input: UpdateOrganizationInput!) {{ updateOrganization(input: $input) {{ {ORGANIZATION} }} }}"
    )
    return (await service.data(document, {"input": {"id": organization, **given}}, who=who))["updateOrganization"]


async def delete(service: Service, organization: str, who: str = "admin") -> Any:
    document = "mutation($id: ID!) { deleteOrganization(input: {id: $id}) { deletedId errors { code message path } } }"
    return (await service.data(document, {"id": organization}, who=who))["deleteOrganization"]


async def add(service: Service, organization: str, *users: str, who: str = "admin", **more: Any) -> Any:
    document = (
        f"mutation($input: AddOrganizationMembersInput!) {{ addOrganizationMembers(input: $input) {{ {MEMBERS} }} }}"
    )
    given = {"id": organization, "userIds": users, **more}
    return (await service.data(document, {"input": given}, who=who))["addOrganizationMembers"]


async def remove(service: Service, organization: str, *users: str, who: str = "admin", **more: Any) -> Any:
    call = "mutation($input: RemoveOrganizationMembersInput!) { removeOrganizationMembers(input: $input) { %s } }"
    given = {"id": organization, "userIds": users, **more}
    return (await service.data(call % MEMBERS, {"input": given}, who=who))["removeOrganizationMembers"]


async def tree(service: Service) -> list[tuple[Any, ...]]:
    return await service.rows("SELECT id, name, parent_id FROM organizations ORDER BY id")


async def events(service: Service, kind: str, number: int) -> list[tuple[str, Any]]:
    sql = "SELECT action, changes FROM audit_events WHERE subject_type = $1 AND subject_id = $2 ORDER BY id"
    return [(action, json.loads(changes)) for action, changes in await service.rows(sql, kind, number)]


async def chain(service: Service, length: int, parent: int, first: int) -> None:
    """Organizations below one another, the first one below `parent`."""
    for number in range(first, first + length):
        above = parent if number == first else number - 1
        await service.write(
            "INSERT INTO organizations (id, name, name_key, parent_id, created_at, updated_at)"
            " SELECT $1, $2, $2, $3, created_at, updated_at FROM organizations WHERE id = 1",
            number,
            f"level {number}",
            above,
        )


async def test_an_organization_is_made_below_the_root_or_below_another(service: Service) -> None:
    below_root = await create(service, " North  Wind ")
    assert below_root == {
        "organization": {
            "id": "organization_6",
            "name": "North  Wind",
            "parent": {"id": "organization_1"},
            "userCount": 0,
            "children": {"nodes": []},
        },
        "errors": [],
    }
    below = await create(service, "North Wind", "organization_6")
    assert below["organization"]["parent"] == {"id": "organization_6"}
    assert (await tree(service))[5:] == [(6, "North  Wind", 1), (7, "North Wind", 6)]
    assert await events(service, "organization", 7) == [
        ("CREATED", {"name": [None, "North Wind"], "parent": [None, "organization_6"]})
    ]


@pytest.mark.parametrize(
    ("name", "parent", "code", "path"),
    [
        ("", None, "REQUIRED", "name"),
        ("n" * 256, None, "INVALID", "name"),
        ("acme EAST", "organization_2", "TAKEN", "name"),
        ("Acme", "organization_1", "TAKEN", "name"),
        ("New", "organization_99", "NOT_FOUND", "parentId"),
        ("New", "group_1", "NOT_FOUND", "parentId"),
    ],
)
async def test_one_that_cannot_be_says_why(
    service: Service, name: str, parent: str | None, code: str, path: str
) -> None:
    before = await service.snapshot()
    answer = await create(service, name, parent)
    assert answer["organization"] is None
    assert [(e["code"], e["path"]) for e in answer["errors"]] == [(code, [path])]
    assert await service.snapshot() == before


async def test_a_name_is_free_below_another_parent(service: Service) -> None:
    assert (await create(service, "Acme East", "organization_4"))["errors"] == []
    moved = await update(service, "organization_6", parentId="organization_2")
    assert codes(moved["errors"]) == ["TAKEN"]
    both = await update(service, "organization_6", parentId="organization_2", name="Acme South")
    assert (both["errors"], both["organization"]["parent"]) == ([], {"id": "organization_2"})


async def test_it_is_renamed_and_moved_with_all_that_is_below_it(service: Service) -> None:
    renamed = await update(service, "organization_2", name="Apex")
    assert renamed["organization"] == {
        "id": "organization_2",
        "name": "Apex",
        "parent": {"id": "organization_1"},
        "userCount": 1,
        "children": {"nodes": [{"id": "organization_3"}, {"id": "organization_4"}]},
    }
    moved = await update(service, "organization_2", parentId="organization_5")
    assert moved["organization"]["parent"] == {"id": "organization_5"}
    assert await events(service, "organization", 2) == [
        ("UPDATED", {"name": ["Acme", "Apex"]}),
        ("UPDATED", {"parent": ["organization_1", "organization_5"]}),
    ]
    within = '{ users(where: {organizations: {some: {id: {within: "organization_5"}}}}) { nodes { id } } }'
    found = (await service.data(within))["users"]["nodes"]
    assert [user["id"] for user in found] == ["user_6", "user_8", "user_9"]
    before = await service.snapshot()
    same = await update(service, "organization_2", name="Apex", parentId="organization_5")
    assert same["errors"] == []
    assert await service.snapshot() == before
    assert (await update(service, "organization_1", name="World"))["organization"]["name"] == "World"


async def test_no_organization_is_below_itself(service: Service) -> None:
    before = await service.snapshot()
    for moved, parent in (
        ("organization_2", "organization_2"),
        ("organization_2", "organization_3"),
        ("organization_1", "organization_5"),
        ("organization_1", "organization_1"),
    ):
        answer = await update(service, moved, parentId=parent)
        assert answer["organization"] is None
        assert [(e["code"], e["path"]) for e in answer["errors"]] == [("INVALID", ["parentId"])]
    assert await service.snapshot() == before


async def test_the_tree_has_a_depth_that_neither_making_nor_moving_exceeds(service: Service) -> None:
    """Fifty levels, the root's among them."""
    await chain(service, 48, 2, 100)
    assert codes((await create(service, "Too deep", "organization_147"))["errors"]) == ["INVALID"]
    await chain(service, 30, 5, 200)
    refused = await update(service, "organization_200", parentId="organization_130")
    assert [(e["code"], e["path"]) for e in refused["errors"]] == [("INVALID", ["parentId"])]
    assert (await update(service, "organization_229", parentId="organization_130"))["errors"] == []
    assert await service.rows("SELECT id, parent_id FROM organizations WHERE id IN (200, 229) ORDER BY id") == [
        (200, 5),
        (229, 130),
    ]


async def test_only_an_organization_with_nothing_below_it_is_deleted(service: Service) -> None:
    before = await service.snapshot()
    for organization, code in (
        ("organization_1", "INVALID"),
        ("organization_2", "IN_USE"),
        ("organization_99", "NOT_FOUND"),
        ("user_1", "NOT_FOUND"),
    ):
        answer = await delete(service, organization)
        assert (answer["deletedId"], [(e["code"], e["path"]) for e in answer["errors"]]) == (None, [(code, ["id"])])
    assert await service.snapshot() == before
    assert await delete(service, "organization_3") == {"deletedId": "organization_3", "errors": []}
    assert await service.scalar("SELECT COUNT(*) FROM organization_members WHERE organization_id = 3") == 0
    assert await service.scalar("SELECT state FROM users WHERE id = 8") == "ACTIVE"
    action, changes = (await events(service, "organization", 3))[-1]
    assert (action, changes["name"]) == ("DELETED", ["Acme East", None])


async def test_members_are_added_once_each_and_their_role_is_set(service: Service) -> None:
    answer = await add(service, "organization_3", "user_9", "user_8")
    assert answer == {
        "organization": {"id": "organization_3", "users": {"nodes": [{"id": "user_8"}, {"id": "user_9"}]}},
        "errors": [],
        "results": [
            {"index": 0, "ref": "user_9", "action": "UPDATED", "user": {"id": "user_9"}, "errors": []},
            {"index": 1, "ref": "user_8", "action": "UNCHANGED", "user": {"id": "user_8"}, "errors": []},
        ],
    }
    stored = "SELECT user_id, role_id FROM organization_members WHERE organization_id = 3 ORDER BY user_id"
    assert await service.rows(stored) == [(8, None), (9, None)]
    action, changes = (await events(service, "organization", 3))[-1]
    assert (action, changes["members"]) == ("MEMBERS_ADDED", [None, ["outsider"]])
    assert (await events(service, "user", 9))[-1][0] == "UPDATED"
    promoted = await add(service, "organization_3", "user_8", "user_9", role={"name": "LimitedAdmin"})
    assert [result["action"] for result in promoted["results"]] == ["UPDATED", "UPDATED"]
    assert await service.rows(stored) == [(8, 2), (9, 2)]
    again = await add(service, "organization_3", "user_8", role={"name": "IT"})
    assert [result["action"] for result in again["results"]] == ["UNCHANGED"]


async def test_members_leave_and_stay_users(service: Service) -> None:
    answer = await remove(service, "organization_3", "user_8", "user_9")
    assert [(r["ref"], r["action"]) for r in answer["results"]] == [("user_8", "UPDATED"), ("user_9", "UNCHANGED")]
    assert answer["organization"]["users"]["nodes"] == []
    assert await service.scalar("SELECT COUNT(*) FROM organization_members WHERE organization_id = 3") == 0
    assert (await events(service, "organization", 3))[-1] == ("MEMBERS_REMOVED", {"members": [["member"], None]})
    assert await service.data('{ user(by: {id: "user_8"}) { state } }') == {"user": {"state": "ACTIVE"}}


async def test_refused_members_say_why(service: Service) -> None:
    before = await service.snapshot()
    for call in (add, remove):
        results = (await call(service, "organization_5", "user_8", "user_99", "user_8", "role_1"))["results"]
        assert [codes(result["errors"]) for result in results] == [
            ["OTHERS_FAILED"],
            ["NOT_FOUND"],
            ["DUPLICATE"],
            ["NOT_FOUND"],
        ]
        assert [e["path"] for result in results for e in result["errors"]] == [["userIds", str(n)] for n in range(4)]
        missing = await call(service, "organization_99", "user_8")
        assert [(e["code"], e["path"]) for e in missing["errors"]] == [("NOT_FOUND", ["id"])]
    unknown = await add(service, "organization_5", "user_8", role={"name": "Emperor"})
    assert [(e["code"], e["path"]) for e in unknown["errors"]] == [("NOT_FOUND", ["role", "name"])]
    assert await service.snapshot() == before


@pytest.mark.parametrize("who", ["pm", "normal", "readonly"])
async def test_the_tree_is_for_those_with_the_right(service: Service, who: str) -> None:
    before = await service.snapshot()
    for document in (
        '{ createOrganization(input: {name: "X"}) { errors { code } } }',
        '{ updateOrganization(input: {id: "organization_3", name: "X"}) { errors { code } } }',
        '{ deleteOrganization(input: {id: "organization_3"}) { errors { code } } }',
        '{ addOrganizationMembers(input: {id: "organization_3", userIds: "user_9"}) { errors { code } } }',
        '{ removeOrganizationMembers(input: {id: "organization_3", userIds: "user_8"}) { errors { code } } }',
    ):
        (answer,) = (await service.data(f"mutation {document}", who=who)).values()
        assert codes(answer["errors"]) == ["FORBIDDEN"]
    assert await service.snapshot() == before
