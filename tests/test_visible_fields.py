"""Which fields a viewer reads: of others, of themselves, and of what hangs on them; and that none leaks by asking."""

from typing import Any

import pytest
from graphql import (
    GraphQLEnumType,
    GraphQLInputObjectType,
    GraphQLObjectType,
    build_schema,
    get_named_type,
    is_leaf_type,
)

from graph.schema import build
from tests.service import PEOPLE, Service, beyond_who_asks

SDL = build_schema(build().as_str())


async def refusal(service: Service, who: str, query: str) -> list[str]:
    """The fields of a query that is refused before any row is read; [] for one that answers."""
    with service.statements() as statements:
        body = await service.ask(query, who=who)
    if "errors" not in body:
        return []
    assert body.get("data") is None
    assert [error["extensions"]["code"] for error in body["errors"]] == ["FORBIDDEN"]
    fields: list[str] = body["errors"][0]["extensions"]["fields"]
    message = body["errors"][0]["message"]
    assert message.startswith((f"You may not read {', '.join(fields)}.", "You may not list "))
    assert beyond_who_asks(statements) == []
    return fields


def input_fields(name: str) -> dict[str, Any]:
    found = SDL.type_map[name]
    assert isinstance(found, GraphQLInputObjectType)
    return {field: get_named_type(each.type) for field, each in found.fields.items()}


def a_condition(type_: Any) -> str:
    """Any condition that this input takes."""
    operators = input_fields(type_.name)
    if "isNull" in operators:
        return "{isNull: true}"
    if "eq" not in operators:
        return "{}"
    equal = operators["eq"]
    if isinstance(equal, GraphQLEnumType):
        return f"{{eq: {next(iter(equal.values))}}}"
    return "{eq: true}" if equal.name == "Boolean" else '{eq: "x"}'


NAMES = ["id", "stableId", "name"]
READABLE = {"normal": NAMES, "pm": NAMES, "readonly": []}


@pytest.mark.parametrize("who", READABLE)
async def test_what_may_not_be_read_may_not_be_filtered_by(service: Service, who: str) -> None:
    for name, type_ in input_fields("UserWhere").items():
        if name in ("and", "or", "not"):
            continue
        wanted = [] if name in READABLE[who] else [f"User.{name}"]
        plain = f"{{{name}: {a_condition(type_)}}}"
        for where in (plain, f"{{not: {plain}}}", f"{{or: [{{}}, {{and: [{plain}]}}]}}"):
            assert await refusal(service, who, f"{{ users(where: {where}) {{ __typename }} }}") == wanted
    by_owner = '{ apiKeys(where: {user: {email: {eq: "x"}}}) { __typename } }'
    assert await refusal(service, who, by_owner) == ["User.email"]


@pytest.mark.parametrize("who", READABLE)
async def test_what_may_not_be_read_may_not_be_sorted_or_searched_by_nor_looked_up(service: Service, who: str) -> None:
    orders = SDL.type_map["UserOrderField"]
    assert isinstance(orders, GraphQLEnumType)
    for order in orders.values:
        head, *rest = order.lower().split("_")
        name = head + "".join(word.capitalize() for word in rest)
        query = f"{{ users(orderBy: [{{field: {order}}}]) {{ __typename }} }}"
        assert await refusal(service, who, query) == ([] if name in READABLE[who] else [f"User.{name}"])
    searched = [] if "name" in READABLE[who] else ["User.name"]  # over what they may read
    assert await refusal(service, who, '{ users(search: "a") { __typename } }') == searched
    for key in input_fields("UserKey"):
        field = {"alias": "aliases", "externalIdOf": "externalIds"}.get(key, key)
        value = '{source: "x", value: "x"}' if key == "externalIdOf" else '"x"'
        if field != "id":
            assert await refusal(service, who, f"{{ user(by: {{{key}: {value}}}) {{ __typename }} }}") == [
                f"User.{field}"
            ]
            many = f"{{ usersByKeys(keys: [{{{key}: {value}}}]) {{ __typename }} }}"
            assert await refusal(service, who, many) == [f"User.{field}"]


async def test_one_refusal_names_every_unreadable_field_once_wherever_it_stands(service: Service) -> None:
    query = """{ users(where: {email: {contains: "x"}}) { nodes { id email again: email role { name } ...more } } }
               fragment more on User { tags createdBy { email } }"""
    assert await refusal(service, "normal", query) == ["User.email", "User.role", "User.tags", "User.createdBy"]
    skipped = "query($yes: Boolean = true) { users { nodes { id email @skip(if: $yes) } } }"
    assert await refusal(service, "normal", skipped) == []


async def test_rights_are_asked_anew_for_a_document_that_was_answered_before(service: Service) -> None:
    """A plan is kept with its document; it must not serve who has other rights."""
    query = "query($no: Boolean = false) { users { nodes { id email @skip(if: $no) } } }"
    assert await refusal(service, "admin", query) == []
    assert await refusal(service, "normal", query) == ["User.email"]
    assert await refusal(service, "readonly", query) == ["User.id", "User.email"]
    assert await refusal(service, "it", query) == []
    await service.write("UPDATE users SET role_id = 4 WHERE username = 'it'")
    assert await refusal(service, "it", query) == ["User.email"]


@pytest.mark.parametrize("who", PEOPLE)
async def test_visible_user_fields_are_exactly_those_that_answer(service: Service, who: str) -> None:
    user = SDL.type_map["User"]
    assert isinstance(user, GraphQLObjectType)
    answering = []
    for name, field in user.fields.items():
        inner = "" if is_leaf_type(get_named_type(field.type)) else "{ __typename }"
        if await refusal(service, who, f"{{ users(first: 1) {{ nodes {{ {name} {inner} }} }} }}") == []:
            answering.append(name)
    data = await service.data("{ viewer { visibleUserFields user { username } } }", who=who)
    assert data == {"viewer": {"visibleUserFields": answering, "user": {"username": who}}}
    assert answering == READABLE.get(who, list(user.fields))


UNSEEN = ("totalCount", "nodes { __typename }", "edges { cursor }", "pageInfo { endCursor }")
LISTS = ("users", "organizations", "groups", "invitations", "auditEvents")


@pytest.mark.parametrize(("who", "lists"), [("readonly", LISTS), ("normal", ("invitations", "auditEvents"))])
async def test_lists_that_may_not_be_read_tell_no_counts_cursors_or_kinds(
    service: Service, who: str, lists: tuple[str, ...]
) -> None:
    """A cursor holds what its list is ordered by: that of a group is the group's name."""
    asked = [f"{{ {name} {{ {part} }} }}" for name in lists for part in UNSEEN]
    if who == "readonly":
        asked += ["{ roles { __typename } }", "{ identityProviders { __typename } }"]
    assert [query for query in asked if await refusal(service, who, query) == []] == []


async def test_what_may_not_be_read_is_absent_even_for_who_asks_only_its_kind(service: Service) -> None:
    for typed, name in (
        ("role_1", "Role"),
        ("provider_1", "IdentityProvider"),
        ("organization_2", "Organization"),
        ("user_1", "User"),
    ):
        assert await service.data(f'{{ node(id: "{typed}") {{ id __typename }} }}', who="readonly") == {"node": None}
        body = await service.ask(f'{{ node(id: "{typed}") {{ ... on {name} {{ __typename }} }} }}', who="readonly")
        assert body.get("data") in (None, {"node": None}), typed


async def test_read_only_reads_themselves_whole_with_the_names_of_what_hangs_on_them(service: Service) -> None:
    await service.write("INSERT INTO group_members (group_id, user_id, created_at) SELECT 1, 5, created_at FROM users WHERE id = 5")  # fmt: skip # noqa: E501
    await service.write("INSERT INTO organization_members (organization_id, user_id, role_id, created_at) SELECT 5, 5, 4, created_at FROM users WHERE id = 5")  # fmt: skip # noqa: E501
    query = """{ me {
      id email state role { id name weight permissions } identityProvider { id name kind }
      groupCount groups { totalCount nodes { id name description } } organizations { nodes { id name } }
      apiKeys { nodes { id name isValid user { __typename } } } invitations { totalCount }
      memberships { nodes { organization { id name } role { id name } } }
      createdBy { id name } updatedBy { id name }
    } }"""
    admin = {"id": "user_1", "name": "Administrator"}
    other, normal = {"id": "organization_5", "name": "Other"}, {"id": "role_4", "name": "Normal user"}
    assert await service.data(query, who="readonly") == {
        "me": {
            "id": "user_5",
            "email": "readonly@usergraph.test",
            "state": "ACTIVE",
            "role": {"id": "role_5", "name": "Read only", "weight": 20, "permissions": ["USE_SELF_SERVICE"]},
            "identityProvider": {"id": "provider_1", "name": "Local passwords", "kind": "LOCAL"},
            "groupCount": 1,
            "groups": {"totalCount": 1, "nodes": [{"id": "group_1", "name": "Web work", "description": None}]},
            "organizations": {"nodes": [other]},
            "apiKeys": {"nodes": [{"id": "key_5", "name": "test", "isValid": True, "user": {"__typename": "User"}}]},
            "invitations": {"totalCount": 0},
            "memberships": {"nodes": [{"organization": other, "role": normal}]},
            "createdBy": admin,
            "updatedBy": admin,
        }
    }


FARTHER = [
    ("{ me { role { users { nodes { id } } } } }", ["Role.users"]),
    ("{ me { role { userCount } } }", ["Role.userCount"]),
    ("{ me { groups { nodes { name userCount users { totalCount } } } } }", ["Group.userCount", "Group.users"]),
    ("{ me { organizations { nodes { parent { name } } } } }", ["Organization.parent"]),
    ("{ me { organizations { nodes { children { totalCount } } } } }", ["Organization.children"]),
    ("{ me { createdBy { name email } } }", ["User.email"]),
    ("{ me { createdBy { createdBy { name } } } }", ["User.createdBy"]),
    ("{ me { identityProvider { users { totalCount } } } }", ["IdentityProvider.users"]),
    ("{ me { apiKeys { nodes { user { email } } } } }", ["User.email"]),
    ("{ viewer { user { updatedBy { username } } } }", ["User.username"]),
    (
        'mutation { updateUser(input: {id: "user_5", name: "X"}) { user { email createdBy { email } } } }',
        ["User.email"],
    ),
    ('mutation { updateUser(input: {id: "user_9", name: "X"}) { user { name } } }', ["User.name"]),
    ('mutation { createApiKey(input: {name: "x"}) { apiKey { user { email } } } }', ["User.email"]),
]


async def test_nothing_farther_away_is_read_through_oneself(service: Service) -> None:
    before = await service.snapshot()
    for query, fields in FARTHER:
        assert await refusal(service, "readonly", query) == fields, query
    assert await service.snapshot() == before


async def test_a_change_whose_answer_may_not_be_read_is_refused_before_it_is_made(service: Service) -> None:
    role = '{name: "Doorkeeper", weight: 50, permissions: [DEACTIVATE_USERS]}'
    made = await service.data(f"mutation {{ createRole(input: {role}) {{ role {{ id }} }} }}")
    number = made["createRole"]["role"]["id"].removeprefix("role_")
    await service.write(f"UPDATE users SET role_id = {number} WHERE username = 'pm'")
    before = await service.snapshot()
    call = 'mutation {{ deactivateUsers(input: {{ids: ["user_8"]}}) {{ results {{ action {} }} }} }}'
    assert await refusal(service, "pm", call.format("user { email }")) == ["User.email"]
    assert await service.snapshot() == before
    done = await service.data(call.format(""), who="pm")
    assert done == {"deactivateUsers": {"results": [{"action": "UPDATED"}]}}
    assert await service.scalar("SELECT state FROM users WHERE id = 8") == "DEACTIVATED"
