"""Making, changing and deleting roles: own ones freely, built-in ones only in their synonyms."""

import json
from typing import Any

import pytest

from tests.service import Service, codes

ROLE = (
    "role { id name weight permissions synonyms requiresSecondFactor isBuiltIn userCount } errors { code message path }"
)
DELETE = "mutation($id: ID!) { deleteRole(input: {id: $id}) { deletedId errors { code message path } } }"


async def create(service: Service, who: str = "admin", **more: Any) -> Any:
    given = {"name": "Auditor", "weight": 30, "permissions": ["READ_AUDIT", "USE_SELF_SERVICE"], **more}
    document = f"mutation($input: CreateRoleInput!) {{ createRole(input: $input) {{ {ROLE} }} }}"
    return (await service.data(document, {"input": given}, who=who))["createRole"]


async def update(service: Service, role: str, who: str = "admin", **given: Any) -> Any:
    document = f"mutation($input: UpdateRoleInput!) {{ updateRole(input: $input) {{ {ROLE} }} }}"
    return (await service.data(document, {"input": {"id": role, **given}}, who=who))["updateRole"]


async def delete(service: Service, role: str, who: str = "admin") -> Any:
    return (await service.data(DELETE, {"id": role}, who=who))["deleteRole"]


async def events(service: Service, role: int) -> list[tuple[str, Any]]:
    sql = "SELECT action, changes FROM audit_events WHERE subject_type = 'role' AND subject_id = $1 ORDER BY id"
    return [(action, json.loads(changes)) for action, changes in await service.rows(sql, role)]


async def give(service: Service, role: str, user: str = "user_9") -> Any:
    document = """mutation($input: UpdateUserInput!) { updateUser(input: $input) {
      user { role { name } } errors { code } } }"""
    return (await service.data(document, {"input": {"id": user, "role": {"id": role}}}))["updateUser"]


async def test_an_own_role_is_made_and_given(service: Service) -> None:
    answer = await create(service, synonyms=["Checker", "Revisor"])
    role = answer["role"]
    role["synonyms"].sort()
    assert answer == {
        "role": {
            "id": "role_6",
            "name": "Auditor",
            "weight": 30,
            "permissions": ["READ_AUDIT", "USE_SELF_SERVICE"],
            "synonyms": ["Checker", "Revisor"],
            "requiresSecondFactor": False,
            "isBuiltIn": False,
            "userCount": 0,
        },
        "errors": [],
    }
    names = await service.rows("SELECT name_key FROM role_names WHERE role_id = 6 ORDER BY name_key")
    assert names == [("auditor",), ("checker",), ("revisor",)]
    ((action, changes),) = await events(service, 6)
    assert (action, changes["name"], changes["weight"]) == ("CREATED", [None, "Auditor"], [None, 30])
    assert changes["permissions"] == [None, ["READ_AUDIT", "USE_SELF_SERVICE"]]
    assert sorted(changes["synonyms"][1]) == ["Checker", "Revisor"]
    document = """mutation { updateUser(input: {id: "user_4", role: {name: "CHECKER"}}) {
      user { role { name } } errors { code } } }"""
    assert (await service.data(document))["updateUser"] == {"user": {"role": {"name": "Auditor"}}, "errors": []}
    viewer = await service.data("{ viewer { permissions } }", who="normal")
    assert viewer == {"viewer": {"permissions": ["READ_AUDIT", "USE_SELF_SERVICE"]}}


@pytest.mark.parametrize(
    ("given", "code", "path"),
    [
        ({"name": " "}, "REQUIRED", "name"),
        ({"name": "only READ"}, "TAKEN", "name"),
        ({"name": "admin"}, "TAKEN", "name"),
        ({"name": "Deactivated"}, "INVALID", "name"),
        ({"synonyms": ["deactivated"]}, "INVALID", "name"),
        ({"synonyms": ["FullAdmin"]}, "TAKEN", "name"),
        ({"synonyms": [""]}, "REQUIRED", "synonyms"),
        ({"synonyms": [f"s{number}" for number in range(21)]}, "INVALID", "synonyms"),
        ({"weight": 0}, "INVALID", "weight"),
        ({"weight": 101}, "INVALID", "weight"),
    ],
)
async def test_a_role_that_cannot_be_says_why(service: Service, given: Any, code: str, path: str) -> None:
    await create(service, name="Mine", weight=20)
    before = await service.snapshot()
    for answer in (await create(service, **given), await update(service, "role_6", **given)):
        assert answer["role"] is None
        assert [(e["code"], e["path"][0]) for e in answer["errors"]] == [(code, path)]
    assert await service.snapshot() == before


async def test_an_own_role_changes_field_by_field_and_its_holders_with_it(service: Service) -> None:
    await create(service, synonyms=["Checker"])
    await give(service, "role_6", "user_4")
    steps: list[tuple[dict[str, Any], dict[str, Any]]] = [
        ({"name": "Reviewer"}, {"name": ["Auditor", "Reviewer"]}),
        ({"weight": 35}, {"weight": [30, 35]}),
        ({"permissions": ["LIST_USERS"]}, {"permissions": [["READ_AUDIT", "USE_SELF_SERVICE"], ["LIST_USERS"]]}),
        ({"synonyms": ["Looker"]}, {"synonyms": [["Checker"], ["Looker"]]}),
        ({"synonyms": []}, {"synonyms": [["Looker"], []]}),
    ]
    for given, changes in steps:
        assert (await update(service, "role_6", **given))["errors"] == []
        assert (await events(service, 6))[-1] == ("UPDATED", changes)
    assert (await update(service, "role_6"))["role"] == {
        "id": "role_6",
        "name": "Reviewer",
        "weight": 35,
        "permissions": ["LIST_USERS"],
        "synonyms": [],
        "requiresSecondFactor": False,
        "isBuiltIn": False,
        "userCount": 1,
    }
    assert await service.rows("SELECT name_key FROM role_names WHERE role_id = 6") == [("reviewer",)]
    assert await service.data("{ viewer { permissions } }", who="normal") == {"viewer": {"permissions": ["LIST_USERS"]}}
    assert (await create(service, name="Auditor", weight=10))["errors"] == []


async def test_a_change_to_nothing_new_is_none(service: Service) -> None:
    await create(service)
    before = await service.rows("SELECT * FROM roles ORDER BY id")
    snapshot = await service.snapshot()
    same = {"name": "Auditor", "weight": 30, "permissions": ["USE_SELF_SERVICE", "READ_AUDIT"], "synonyms": []}
    for given in ({}, same):
        assert (await update(service, "role_6", **given))["errors"] == []
        assert await service.rows("SELECT * FROM roles ORDER BY id") == before
        assert await service.snapshot() == snapshot


async def test_built_in_roles_stay_but_for_their_synonyms(service: Service) -> None:
    before = await service.snapshot()
    for given in ({"name": "Boss"}, {"weight": 10}, {"permissions": []}, {"name": "Boss", "synonyms": ["B"]}):
        answer = await update(service, "role_4", **given)
        assert [(e["code"], e["path"]) for e in answer["errors"]] == [("BUILT_IN", ["id"])]
    assert codes((await delete(service, "role_4"))["errors"]) == ["BUILT_IN"]
    assert await service.snapshot() == before
    answer = await update(service, "role_4", synonyms=["Worker"])
    assert (answer["errors"], answer["role"]["name"], answer["role"]["synonyms"]) == ([], "Normal user", ["Worker"])
    made = await service.data("""mutation { upsertUsers(input: {users: [{email: "a@x.test", role: {name: "worker"}}]}) {
      results { user { role { id } } } } }""")
    assert made["upsertUsers"]["results"] == [{"user": {"role": {"id": "role_4"}}}]


async def test_a_role_in_use_is_not_deleted(service: Service) -> None:
    await create(service)
    await give(service, "role_6")
    assert codes((await delete(service, "role_6"))["errors"]) == ["IN_USE"]
    await give(service, "role_4")
    document = """mutation { addOrganizationMembers(input: {id: "organization_4", userIds: "user_9",
      role: {id: "role_6"}}) { errors { code } results { errors { code } } } }"""
    await service.data(document)
    answer = await delete(service, "role_6")
    assert (answer["deletedId"], codes(answer["errors"])) == (None, ["IN_USE"])
    assert "1 memberships" in answer["errors"][0]["message"]
    leave = (
        'mutation { removeOrganizationMembers(input: {id: "organization_4", userIds: "user_9"}) { errors { code } } }'
    )
    await service.data(leave)
    assert await delete(service, "role_6") == {"deletedId": "role_6", "errors": []}
    assert await service.scalar("SELECT COUNT(*) FROM roles") == 5
    assert await service.scalar("SELECT COUNT(*) FROM role_names WHERE name_key = 'auditor'") == 0
    assert [action for action, _ in await events(service, 6)] == ["CREATED", "DELETED"]
    assert codes((await delete(service, "role_6"))["errors"]) == ["NOT_FOUND"]


async def test_the_last_role_that_administers_keeps_its_rights(service: Service) -> None:
    everything = (await service.data('{ node(id: "role_1") { ... on Role { permissions } } }'))["node"]["permissions"]
    await create(service, name="Root", weight=100, permissions=everything)
    assert (await give(service, "role_6", "user_2"))["errors"] == []
    await service.data(
        'mutation { updateUser(input: {id: "user_1", role: {name: "IT"}}) { errors { code } } }', who="it"
    )
    before = await service.snapshot()
    for given in ({"permissions": ["READ_AUDIT"]}, {"permissions": [p for p in everything if p != "MANAGE_ROLES"]}):
        answer = await update(service, "role_6", who="it", **given)
        assert (answer["role"], codes(answer["errors"])) == (None, ["LAST_ADMINISTRATOR"])
    assert await service.snapshot() == before


@pytest.mark.parametrize("who", ["it", "pm", "normal", "readonly", "orgadmin"])
async def test_roles_are_for_administrators_of_the_platform(service: Service, who: str) -> None:
    await create(service, weight=10, permissions=[])
    before = await service.snapshot()
    for document in (
        '{ createRole(input: {name: "X", weight: 1, permissions: []}) { errors { code } } }',
        '{ updateRole(input: {id: "role_6", name: "X"}) { errors { code } } }',
        '{ deleteRole(input: {id: "role_6"}) { errors { code } } }',
    ):
        (answer,) = (await service.data(f"mutation {document}", who=who)).values()
        assert codes(answer["errors"]) == ["FORBIDDEN"]
    assert await service.snapshot() == before


async def test_roles_that_are_not_there_are_not_found(service: Service) -> None:
    for role in ("role_99", "user_1", "x"):
        for answer in (await update(service, role, weight=5), await delete(service, role)):
            assert [(e["code"], e["path"]) for e in answer["errors"]] == [("NOT_FOUND", ["id"])]


async def test_a_role_can_demand_a_second_factor_also_a_built_in_one(service: Service) -> None:
    made = await create(service, requiresSecondFactor=True)
    assert made["role"]["requiresSecondFactor"] is True
    assert (await events(service, 6))[0][1]["requiresSecondFactor"] == [None, True]
    for role in ("role_6", "role_1"):
        for demanded in (False, True):
            answer = await update(service, role, requiresSecondFactor=demanded)
            assert (answer["role"]["requiresSecondFactor"], answer["errors"]) == (demanded, [])
    assert (await events(service, 1))[-1] == ("UPDATED", {"requiresSecondFactor": [False, True]})
    assert (await update(service, "role_6", synonyms=["Checker"]))["role"]["requiresSecondFactor"] is True
    demanding = await service.data("{ roles(where: {requiresSecondFactor: {eq: true}}) { id } }")
    assert demanding == {"roles": [{"id": "role_1"}, {"id": "role_6"}]}
    refused = await update(service, "role_1", requiresSecondFactor=False, weight=90)
    assert codes(refused["errors"]) == ["BUILT_IN"]
