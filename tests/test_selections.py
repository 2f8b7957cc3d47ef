"""What a selection costs and how it is shaped: statements, aliases, fragments, directives, type names."""

from typing import Any

import pytest

from models import bulk
from models.api_keys import ApiKey
from models.database import Transaction
from models.groups import GroupMember
from models.invitations import Invitation
from models.organizations import OrganizationMember
from models.users import User, UserAlias, UserTag, UserVariable
from models.values import now
from tests.service import Service, beyond_who_asks

BIG = """query ($first: Int) { users(first: $first) { totalCount pageInfo { endCursor } edges { cursor node {
  id username accessibility ldapServerNumber role { name permissions synonyms userCount }
  identityProvider { name userCount } createdBy { username role { name } } updatedBy { username }
  tags aliases variables { name value } groupCount groups(first: 3) { totalCount nodes { name userCount } }
  organizations(first: 3) { nodes { name parent { name } } }
  memberships(first: 3) { nodes { organization { name } role { name } } }
  invitations(first: 3) { totalCount nodes { state createdBy { username } } }
  apiKeys(first: 3) { nodes { name isValid createdBy { username } } } } } } }"""
USERS = """fragment Users on UserConnection { totalCount
  nodes { username role { name } tags groups(first: 2) { nodes { name } } } }"""
KEYS = "apiKeys(first: $first) { totalCount nodes { name user { username role { name } tags } } }"
INVITATIONS = "invitations(first: $first) { nodes { state user { username groups(first: 2) { totalCount } } } }"
LISTS = {
    "users": BIG,
    "roles": "query ($first: Int) { roles { name synonyms userCount users(first: $first) { ...Users } } }" + USERS,
    "providers": "query ($first: Int) { identityProviders { name userCount users(first: $first) { ...Users } } }"
    + USERS,
    "groups": "query ($first: Int) { groups(first: 2) { nodes { name users(first: $first) { ...Users } } } }" + USERS,
    "organizations": """query ($first: Int) { organizations(first: 5) { nodes { name parent { name }
      children(first: 5) { nodes { name userCount users(first: $first) { ...Users } } } } } }"""
    + USERS,
    "keys": "query ($first: Int) { " + KEYS + " }",
    "invitations": "query ($first: Int) { " + INVITATIONS + " }",
}


async def crowd(tx: Transaction) -> None:
    """Two hundred users, each with one of everything; and keys used so lately that no use is recorded anew."""
    at = now()
    users = [
        {
            "username": f"c{n}",
            "username_key": f"c{n}",
            "email": f"c{n}@x.org",
            "email_key": f"c{n}@x.org",
            "name": f"C{n}",
            "name_key": f"c{n}",
            "state": "ACTIVE",
            "role_id": 1 + n % 5,
            "provider_id": 1 + n % 4,
            "can_create_projects_in_root": False,
            "created_at": at,
            "created_by_id": 1 + n % 9,
            "updated_at": at,
            "updated_by_id": 1 + n % 7,
            "version": 1,
        }
        for n in range(200)
    ]
    ids = sorted(row[0] for row in await bulk.insert(tx, User, users))
    key = {"name": "key", "prefix": "x", "created_by_id": 1, "created_at": at}
    invitation = {"state": "PENDING", "expires_at": at, "created_at": at, "created_by_id": 2, "sent_count": 1}
    member = {"organization_id": 2, "role_id": 4, "created_at": at}
    await bulk.insert(tx, UserTag, [{"user_id": i, "value": "t", "value_key": "t"} for i in ids])
    await bulk.insert(tx, UserAlias, [{"user_id": i, "value": f"a{i}", "value_key": f"a{i}"} for i in ids])
    await bulk.insert(tx, UserVariable, [{"user_id": i, "name": "v", "name_key": "v", "value": "1"} for i in ids])
    await bulk.insert(tx, GroupMember, [{"group_id": 1 + i % 2, "user_id": i, "created_at": at} for i in ids])
    await bulk.insert(tx, OrganizationMember, [{"user_id": i, **member} for i in ids])
    await bulk.insert(tx, Invitation, [{"user_id": i, "token_digest": f"{i}", **invitation} for i in ids])
    await bulk.insert(tx, ApiKey, [{"user_id": i, "digest": f"{i}", **key} for i in ids])
    await tx.rows("UPDATE api_keys SET last_used_at = $1", at)


@pytest.fixture
async def crowded(service: Service) -> Service:
    await service.database.transaction(crowd)
    return service


async def statements(service: Service, query: str, variables: dict[str, Any] | None = None) -> list[str]:
    """What a query runs beyond finding out who asks."""
    with service.statements() as seen:
        await service.data(query, variables)
    asked = beyond_who_asks(seen)
    assert len(seen) - len(asked) <= 1
    return asked


@pytest.mark.parametrize("name", list(LISTS))
async def test_a_nested_list_costs_the_same_statements_for_one_row_and_for_two_hundred(
    crowded: Service, name: str
) -> None:
    """A15. Few rows may bring their short lists with them, and so cost less."""
    # From the end, where every user has everything: an empty level needs no statement.
    query = LISTS[name].replace("users(first: $first)", "users(last: $first)")
    one = await statements(crowded, query, {"first": 1})
    some = await statements(crowded, query, {"first": 20})
    many = await statements(crowded, query, {"first": 200})
    assert sorted(many) == sorted(some)
    assert len(one) <= len(many) <= 30


async def test_many_keys_and_many_nodes_cost_the_same_statements_as_a_few(crowded: Service) -> None:
    keys = "query ($keys: [UserKey!]!) { usersByKeys(keys: $keys) { username role { name } tags } }"
    nodes = "query ($ids: [ID!]!) { nodes(ids: $ids) { id ... on User { role { name } } ... on Role { userCount } } }"
    numbers = range(10, 210)
    few = await statements(crowded, keys, {"keys": [{"alias": "a10"}, {"email": "c1@x.org"}, {"id": "user_12"}]})
    mixed = [each for n in numbers for each in ({"alias": f"a{n}"}, {"email": f"c{n}@x.org"}, {"id": f"user_{n}"})]
    many = await statements(crowded, keys, {"keys": mixed})
    assert sorted(many) == sorted(few)
    assert len(few) == 4
    one = await statements(crowded, nodes, {"ids": ["user_10", "role_1"]})
    every = [*(f"user_{n}" for n in numbers), *(f"role_{n}" for n in range(1, 6))]
    assert sorted(await statements(crowded, nodes, {"ids": every})) == sorted(one)
    assert len(one) == 3


async def test_a_count_alone_is_one_count_and_reads_no_row(crowded: Service) -> None:
    """Beside the look at how large a table is, every few minutes, where a scan may be worth a warning."""
    await crowded.data('{ users(search: "c1") { totalCount } }')
    for what in ("users", 'users(where: {role: {name: {eq: "IT"}}, tags: {some: {eq: "t"}}}, search: "c1")'):
        seen = await statements(crowded, "{ " + what + " { totalCount } }")
        assert len(seen) == 1
        assert seen[0].startswith("SELECT COUNT(*) FROM users")
    for what in ("groups", "organizations", "invitations", "apiKeys", "auditEvents"):
        seen = await statements(crowded, "{ " + what + " { totalCount } }")
        assert [each.startswith("SELECT COUNT(*)") for each in seen] == [True], what
    assert not any("COUNT" in each for each in await statements(crowded, "{ users { nodes { id } } }"))
    nested = await statements(crowded, "{ groups { nodes { users { totalCount } } } }")
    assert [("COUNT" in each) for each in nested] == [False, True]


async def test_only_selected_columns_are_read(crowded: Service) -> None:
    (seen,) = await statements(crowded, "{ users { nodes { id name } } }")
    assert "password_hash" not in seen
    assert "email" not in seen
    assert "identity_providers" not in seen


async def test_type_names_stand_at_every_level(service: Service) -> None:
    query = """{ __typename viewer { __typename } me { __typename role { __typename } variables { __typename }
      groups { __typename } } users(first: 1) { __typename pageInfo { __typename hasNextPage }
      edges { __typename cursor node { __typename } } nodes { t: __typename apiKeys(first: 1) { __typename
        edges { __typename node { __typename } } } } } roles { __typename }
      organizations(last: 1) { nodes { __typename members { __typename edges { __typename } } } } }"""
    data = await service.data(query)
    assert (data["__typename"], data["viewer"]) == ("Query", {"__typename": "Viewer"})
    assert data["me"] == {
        "__typename": "User",
        "role": {"__typename": "Role"},
        "variables": [],
        "groups": {"__typename": "GroupConnection"},
    }
    users = data["users"]
    cursor = users["edges"][0].pop("cursor")
    assert cursor
    assert users == {
        "__typename": "UserConnection",
        "pageInfo": {"__typename": "PageInfo", "hasNextPage": True},
        "edges": [{"__typename": "UserEdge", "node": {"__typename": "User"}}],
        "nodes": [
            {
                "t": "User",
                "apiKeys": {
                    "__typename": "ApiKeyConnection",
                    "edges": [{"__typename": "ApiKeyEdge", "node": {"__typename": "ApiKey"}}],
                },
            }
        ],
    }
    assert data["roles"] == [{"__typename": "Role"}] * 5
    assert data["organizations"] == {
        "nodes": [
            {"__typename": "Organization", "members": {"__typename": "OrganizationMemberConnection", "edges": []}}
        ]
    }


async def test_aliases_and_fragments_are_merged_as_graphql_says(service: Service) -> None:
    query = """query { b: users(first: 1) { nodes { ...A } } a: users(last: 1) { all: nodes { handle: username ...A
        ... { again: username } ... on User { role { weight } } } some: nodes { id } count: totalCount n: totalCount
        edges { place: node { ...B } } edges { place: node { name } } } }
      fragment A on User { id role { name } ...B }
      fragment B on Node { ... on User { email } ... on Role { weight } }"""
    data = await service.data(query)
    assert list(data) == ["b", "a"]
    assert data["b"] == {"nodes": [{"id": "user_1", "role": {"name": "Admin"}, "email": "admin@usergraph.example"}]}
    last = {
        "handle": "outsider",
        "id": "user_9",
        "role": {"name": "Normal user", "weight": 40},
        "email": "outsider@usergraph.test",
        "again": "outsider",
    }
    assert data["a"] == {
        "all": [last],
        "some": [{"id": "user_9"}],
        "count": 9,
        "n": 9,
        "edges": [{"place": {"email": "outsider@usergraph.test", "name": "Outsider"}}],
    }
    assert list(data["a"]["all"][0]) == ["handle", "id", "role", "email", "again"]


async def test_skip_and_include_decide_for_each_request(service: Service) -> None:
    query = """query ($no: Boolean!, $yes: Boolean = true) { me { id name @skip(if: $no) email @include(if: $yes)
      ... @include(if: $no) { username } ...F @skip(if: $no) role @include(if: $yes) @skip(if: $no) { name }
      username @include(if: false) } users(first: 1) @include(if: $no) { totalCount } }
      fragment F on User { state }"""
    for _ in range(2):  # the second time from the cached plans
        for no in (True, False):
            for yes in (True, False):
                expected: dict[str, Any] = {"id": "user_2"}
                expected |= {} if no else {"name": "It", "state": "ACTIVE"}
                expected |= {"email": "it@usergraph.test"} if yes else {}
                expected |= {"username": "it"} if no else {}
                expected |= {"role": {"name": "IT"}} if yes and not no else {}
                data = await service.data(query, {"no": no, "yes": yes}, who="it")
                assert data["me"] == expected
                assert data.get("users") == ({"totalCount": 9} if no else None)
    default = await service.data(query, {"no": False}, who="it")
    assert default["me"]["email"] == "it@usergraph.test"
    assert await service.codes(query, {}, who="it") == ["BAD_USER_INPUT"]
