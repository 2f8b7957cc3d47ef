"""Which rows a viewer sees, by whatever way they ask."""

from typing import Any

import pytest
from graphql import GraphQLEnumType, build_schema

from graph.schema import build
from tests.service import Service

SDL = build_schema(build().as_str())
ORGADMIN, MEMBER = {"id": "user_6"}, {"id": "user_8"}
NONE: dict[str, Any] = {"nodes": [], "totalCount": 0}
ONE: dict[str, Any] = {"nodes": [MEMBER], "totalCount": 1}
BOTH: dict[str, Any] = {"nodes": [ORGADMIN, MEMBER], "totalCount": 2}
PAGE = "{ nodes { id } totalCount }"
MEMBERS = "{ totalCount nodes { user { id } } }"
NO_MAKERS = {"createdBy": None, "updatedBy": None}

# The administrator of Acme sees themselves and `member` of Acme East, and no other user: by key, list, relation,
# count, condition or search.
WITHIN_ACME: dict[str, tuple[str, Any]] = {
    "list": (f"users {PAGE}", BOTH),
    "list backwards": (f"users(last: 1) {PAGE}", {"nodes": [MEMBER], "totalCount": 2}),
    "count": ("users { totalCount }", {"totalCount": 2}),
    "node": ('node(id: "user_1") { id }', None),
    "node by its type": ('node(id: "user_9") { ... on User { id email } }', None),
    "node within": ('node(id: "user_8") { id }', MEMBER),
    "nodes": ('nodes(ids: ["user_9", "user_8", "user_999", "key_1"]) { id }', [None, MEMBER, None, None]),
    "user by id": ('user(by: {id: "user_9"}) { id }', None),
    "user by email": ('user(by: {email: "outsider@usergraph.test"}) { id }', None),
    "user by username": ('user(by: {username: "admin"}) { id }', None),
    "user by alias": ('user(by: {alias: "wanderer"}) { id }', None),
    "user within": ('user(by: {email: "MEMBER@usergraph.test"}) { id }', MEMBER),
    "users by keys": (
        'usersByKeys(keys: [{id: "user_9"}, {username: "Member"}, {alias: "wanderer"}, {id: "user_6"}]) { id }',
        [None, MEMBER, None, ORGADMIN],
    ),
    "makers": ("users { nodes { createdBy { id } updatedBy { id } } }", {"nodes": [NO_MAKERS, NO_MAKERS]}),
    "groups": (
        f"groups {{ nodes {{ name userCount users {PAGE} }} }}",
        {
            "nodes": [
                {"name": "IT works", "userCount": 0, "users": NONE},
                {"name": "Web work", "userCount": 1, "users": ONE},
            ]
        },
    ),
    "roles": (
        f"roles {{ name userCount users {PAGE} }}",
        [
            {"name": "Admin", "userCount": 0, "users": NONE},
            {"name": "IT", "userCount": 0, "users": NONE},
            {"name": "Project manager", "userCount": 0, "users": NONE},
            {"name": "Normal user", "userCount": 2, "users": BOTH},
            {"name": "Read only", "userCount": 0, "users": NONE},
        ],
    ),
    "providers": (
        f"identityProviders {{ userCount users {PAGE} }}",
        [{"userCount": 2, "users": BOTH}, *[{"userCount": 0, "users": NONE}] * 3],
    ),
    "organizations": (
        f"organizations {{ nodes {{ name userCount users {PAGE} members {MEMBERS} }} }}",
        {
            "nodes": [
                {
                    "name": name,
                    "userCount": len(users),
                    "users": {"nodes": users, "totalCount": len(users)},
                    "members": {"totalCount": len(users), "nodes": [{"user": user} for user in users]},
                }
                for name, users in (
                    ("Acme", [ORGADMIN]),
                    ("Acme East", [MEMBER]),
                    ("Acme West", []),
                    ("Other", []),
                    ("Platform", []),
                )
            ]
        },
    ),
    "search": (f'users(search: "outsider") {PAGE}', NONE),
    "search by alias": (f'users(search: "wanderer") {PAGE}', NONE),
    "search for what all have": (f'users(search: "usergraph") {PAGE}', BOTH),
    "where id": (f'users(where: {{id: {{in: ["user_1", "user_8", "user_9"]}}}}) {PAGE}', ONE),
    "where not": (f'users(where: {{not: {{id: {{eq: "user_6"}}}}}}) {PAGE}', ONE),
    "where or": (f'users(where: {{or: [{{state: {{eq: ACTIVE}}}}, {{email: {{contains: "@"}}}}]}}) {PAGE}', BOTH),
    "where maker": (f'users(where: {{createdBy: {{username: {{eq: "admin"}}}}}}) {PAGE}', NONE),
    "where maker's id": (f'users(where: {{createdBy: {{id: {{eq: "user_1"}}}}}}) {PAGE}', NONE),
    "where any maker": (f"users(where: {{createdBy: {{}}}}) {PAGE}", NONE),
    "where changer's address": (f'users(where: {{updatedBy: {{email: {{startsWith: "a"}}}}}}) {PAGE}', NONE),
    "where no such maker": (f'users(where: {{not: {{createdBy: {{username: {{eq: "admin"}}}}}}}}) {PAGE}', BOTH),
    "where group": (f'users(where: {{groups: {{some: {{name: {{eq: "web work"}}}}}}}}) {PAGE}', ONE),
    "where other group": (f'users(where: {{groups: {{none: {{name: {{eq: "no such"}}}}}}}}) {PAGE}', BOTH),
    "where organization": (f'users(where: {{organizations: {{some: {{name: {{eq: "Other"}}}}}}}}) {PAGE}', NONE),
    "where below": (f'users(where: {{organizations: {{some: {{id: {{within: "organization_1"}}}}}}}}) {PAGE}', BOTH),
    "where alias": (f'users(where: {{aliases: {{some: {{eq: "wanderer"}}}}}}) {PAGE}', NONE),
    "members where user": (
        'organizations(where: {id: {eq: "organization_5"}}) { nodes { members(where: {user: {}}) { totalCount } } }',
        {"nodes": [{"members": {"totalCount": 0}}]},
    ),
    "keys": ("apiKeys { nodes { id user { id } } }", {"nodes": [{"id": "key_6", "user": ORGADMIN}]}),
    "keys of somebody": (f'apiKeys(where: {{user: {{username: {{eq: "admin"}}}}}}) {PAGE}', NONE),
    "invitations": (
        "invitations { totalCount nodes { user { name } createdBy { id } } }",
        {"totalCount": 1, "nodes": [{"user": {"name": "Near"}, "createdBy": None}]},
    ),
    "invitations of somebody": (f'invitations(where: {{user: {{email: {{contains: "far"}}}}}}) {PAGE}', NONE),
    "audit": (
        "auditEvents { totalCount nodes { action subject { ... on User { name } } actor { id } } }",
        {"totalCount": 1, "nodes": [{"action": "INVITED", "subject": {"name": "Near"}, "actor": None}]},
    ),
}  # fmt: skip
INVITED = ("invitations", "invitations of somebody", "audit")


async def join(service: Service, table: str, parent: int, user: int) -> None:
    """Make a membership that the service did not make."""
    column = {"group_members": "group_id", "organization_members": "organization_id"}[table]
    columns = f"({column}, user_id, created_at)"
    await service.write(f"INSERT INTO {table} {columns} SELECT {parent}, {user}, created_at FROM users WHERE id = 1")


async def test_an_organizations_administrator_meets_nobody_from_outside_by_whatever_way(service: Service) -> None:
    async def answer(query: str) -> Any:
        return (await service.data(f"{{ it: {query} }}", who="orgadmin"))["it"]

    await join(service, "group_members", 1, 9)
    await service.write("INSERT INTO user_aliases (user_id, value, value_key) VALUES (9, 'wanderer', 'wanderer')")
    await service.write("UPDATE users SET search_key = search_key || ' wanderer' WHERE id = 9")
    found = {name: await answer(query) for name, (query, _) in WITHIN_ACME.items() if name not in INVITED}
    invited = await service.data("""mutation { inviteUsers(input: {users: [
        {email: "near@x.test", name: "Near", organizationIds: ["organization_3"]},
        {email: "far@x.test", organizationIds: ["organization_5"]},
        {email: "nowhere@x.test"}
    ]}) { summary { created } } }""")
    assert invited == {"inviteUsers": {"summary": {"created": 3}}}
    found |= {name: await answer(WITHIN_ACME[name][0]) for name in INVITED}
    assert found == {name: wanted for name, (_, wanted) in WITHIN_ACME.items()}


async def test_rows_appear_and_vanish_with_the_membership_and_its_role(service: Service) -> None:
    """Nothing about visibility is remembered from one request to the next."""

    async def seen(who: str) -> list[str]:
        return [each["id"] for each in (await service.data(f"{{ users {PAGE} }}", who=who))["users"]["nodes"]]

    everybody = [f"user_{number}" for number in range(1, 10)]
    assert await seen("orgadmin") == ["user_6", "user_8"]
    await join(service, "organization_members", 4, 3)
    assert await seen("orgadmin") == ["user_3", "user_6", "user_8"]
    await service.write("UPDATE organizations SET parent_id = 5 WHERE id = 3")
    assert await seen("orgadmin") == ["user_3", "user_6"]
    await service.write("UPDATE organization_members SET role_id = NULL WHERE user_id = 6")
    assert await seen("orgadmin") == everybody  # a Normal user again, who lists all and reads id and name
    await service.write("UPDATE users SET role_id = 5 WHERE id = 6")
    assert await service.codes(f"{{ users {PAGE} }}", who="orgadmin") == ["FORBIDDEN"]


async def test_administrators_of_different_organizations_with_the_same_rights_see_their_own(service: Service) -> None:
    """A plan is kept with its document by rights; where these hold is not part of it."""
    await join(service, "organization_members", 5, 4)
    await service.write("UPDATE organization_members SET role_id = 1 WHERE user_id = 4")
    listed = {}
    for who in ("orgadmin", "normal"):
        users = (await service.data("{ users { nodes { id email } totalCount } }", who=who))["users"]
        listed[who] = ([each["id"] for each in users["nodes"]], users["totalCount"])
    assert listed == {"orgadmin": (["user_6", "user_8"], 2), "normal": (["user_4", "user_9"], 2)}


def user_orders() -> list[str]:
    found = SDL.type_map["UserOrderField"]
    assert isinstance(found, GraphQLEnumType)
    return list(found.values)


async def test_pages_in_any_order_never_step_outside(service: Service) -> None:
    for field in user_orders():
        for direction in ("ASC", "DESC"):
            seen, after, more = [], "null", True
            while more:
                listing = f"users(first: 1, after: {after}, orderBy: {{field: {field}, direction: {direction}}})"
                query = f"{{ {listing} {{ nodes {{ id }} pageInfo {{ hasNextPage endCursor }} totalCount }} }}"
                page = (await service.data(query, who="orgadmin"))["users"]
                assert page["totalCount"] == 2
                seen += [each["id"] for each in page["nodes"]]
                after, more = f'"{page["pageInfo"]["endCursor"]}"', page["pageInfo"]["hasNextPage"]
            assert sorted(seen) == ["user_6", "user_8"], (field, direction)


async def test_the_cursors_of_others_open_nothing(service: Service) -> None:
    edges = (await service.data("{ users { edges { cursor node { id } } } }"))["users"]["edges"]
    foreign = {edge["node"]["id"]: edge["cursor"] for edge in edges}
    listing = "{{ users({}) {{ nodes {{ id }} totalCount pageInfo {{ hasNextPage hasPreviousPage }} }} }}"
    for arguments, nodes in (
        (f'after: "{foreign["user_7"]}"', [MEMBER]),
        (f'after: "{foreign["user_9"]}"', []),
        (f'last: 9, before: "{foreign["user_2"]}"', []),
        (f'last: 9, before: "{foreign["user_9"]}"', [ORGADMIN, MEMBER]),
    ):
        users = (await service.data(listing.format(arguments), who="orgadmin"))["users"]
        assert (users["nodes"], users["totalCount"]) == (nodes, 2)


@pytest.mark.parametrize("who", ["normal", "pm"])
async def test_normal_users_and_project_managers_see_that_everybody_is_there(service: Service, who: str) -> None:
    names = [str(row[0]) for row in await service.rows("SELECT name FROM users ORDER BY id")]
    everybody = [{"id": f"user_{number}", "name": name} for number, name in enumerate(names, 1)]
    data = await service.data('{ users { nodes { id name } totalCount } node(id: "user_1") { id } }', who=who)
    assert data == {"users": {"nodes": everybody, "totalCount": 9}, "node": {"id": "user_1"}}


@pytest.mark.parametrize("who", ["normal", "readonly"])
async def test_keys_of_others_are_not_there(service: Service, who: str) -> None:
    own = {"normal": "key_4", "readonly": "key_5"}[who]
    data = await service.data(
        f'{{ apiKeys {PAGE} a: node(id: "key_1") {{ id }} b: node(id: "{own}") {{ id }} }}', who=who
    )
    assert data == {"apiKeys": {"nodes": [{"id": own}], "totalCount": 1}, "a": None, "b": {"id": own}}


async def test_invitations_and_audit_events_are_absent_for_who_may_not_read_them(service: Service) -> None:
    await service.data('mutation { inviteUsers(input: {users: [{email: "x@x.test"}]}) { summary { created } } }')
    event = await service.scalar("SELECT max(id) FROM audit_events")
    query = f'{{ nodes(ids: ["invitation_1", "event_{event}", "role_1"]) {{ id }} }}'
    assert await service.data(query) == {"nodes": [{"id": "invitation_1"}, {"id": f"event_{event}"}, {"id": "role_1"}]}
    assert await service.data(query, who="normal") == {"nodes": [None, None, {"id": "role_1"}]}
    assert await service.data(query, who="readonly") == {"nodes": [None, None, None]}


@pytest.mark.parametrize(
    "mutation", ["deactivateUsers(input: {ids: [%s]})", "convertUsers(input: {conversions: [%s]})"]
)
async def test_the_refusal_to_touch_an_invisible_user_does_not_tell_how_heavy_they_are(
    service: Service, mutation: str
) -> None:
    told = []
    for user in ("user_1", "user_9"):  # the Admin, and a Normal user of another organization
        row = f'{{id: "{user}", to: {{saml: {{}}}}}}' if "conversions" in mutation else f'"{user}"'
        query = f"mutation {{ it: {mutation % row} {{ results {{ user {{ id }} errors {{ code message }} }} }} }}"
        told.append((await service.data(query, who="orgadmin"))["it"]["results"])
    missing = [
        [{"user": None, "errors": [{"code": "NOT_FOUND", "message": f"There is no user {user}."}]}]
        for user in ("user_1", "user_9")
    ]
    assert told == missing
