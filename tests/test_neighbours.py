"""Roles, providers, organizations, groups, audit events and nodes of every type, as they are read."""

from typing import Any

from resolvers.policy import BUILT_IN_ROLES
from tests.service import Service


async def test_roles_tell_weight_permissions_synonyms_and_users(service: Service) -> None:
    """A11."""
    data = await service.data(
        "{ roles { id name weight permissions synonyms isBuiltIn userCount users { totalCount nodes { username } } } }"
    )
    people: dict[str, list[str]] = {
        "Admin": ["admin"],
        "IT": ["it", "robot"],
        "Project manager": ["pm"],
        "Normal user": ["normal", "orgadmin", "member", "outsider"],
        "Read only": ["readonly"],
    }
    assert data["roles"] == [
        {
            "id": f"role_{number}",
            "name": role.name,
            "weight": role.weight,
            "permissions": sorted(role.rights),
            "synonyms": list(role.synonyms),
            "isBuiltIn": True,
            "userCount": len(people[role.name]),
            "users": {
                "totalCount": len(people[role.name]),
                "nodes": [{"username": name} for name in people[role.name]],
            },
        }
        for number, role in enumerate(BUILT_IN_ROLES, 1)
    ]


async def test_providers_tell_kind_prefix_number_and_users(service: Service) -> None:
    """A12."""
    await service.write(
        "UPDATE users SET provider_id = 4, ldap_provider_id = 2, login_dn = 'cn=x', login_dn_key = 'cn=x' WHERE id = 9"
    )
    data = await service.data(
        """{ identityProviders { id name prefix kind isEnabled serverNumber userCount users { nodes { username } } }
        ldap: identityProviders(where: {kind: {eq: LDAP}, isEnabled: {eq: true}}) { id } }"""
    )
    assert data["ldap"] == [{"id": "provider_2"}]
    named = ("id", "name", "prefix", "kind", "isEnabled", "serverNumber", "userCount")
    assert [tuple(each[name] for name in named) for each in data["identityProviders"]] == [
        ("provider_1", "Local passwords", "local", "LOCAL", True, None, 7),
        ("provider_2", "Main LDAP", "ldap1", "LDAP", True, 1, 0),
        ("provider_3", "Old LDAP", "ldap2", "LDAP", False, 2, 0),
        ("provider_4", "Single sign-on", "sso", "SAML", True, None, 1),
    ]
    assert data["identityProviders"][3]["users"] == {"nodes": [{"username": "outsider"}]}


async def test_organizations_are_a_tree_with_users_and_members(service: Service) -> None:
    """A13."""
    query = """{ organizations(first: 1, where: {id: {eq: "organization_1"}}) { nodes { name parent { id } userCount
      children(first: 5) { totalCount nodes { name parent { name } userCount users(first: 5) { nodes { username } }
        members(first: 5) { totalCount nodes { user { username } role { name } } }
        children(first: 5, orderBy: [{field: NAME, direction: DESC}]) {
          nodes { name userCount children(first: 5) { nodes { name } }
            users(first: 1) { totalCount nodes { username } } } } } } } } }"""
    root = (await service.data(query))["organizations"]["nodes"]
    assert root == [
        {
            "name": "Platform",
            "parent": None,
            "userCount": 0,
            "children": {
                "totalCount": 2,
                "nodes": [
                    {
                        "name": "Acme",
                        "parent": {"name": "Platform"},
                        "userCount": 1,
                        "users": {"nodes": [{"username": "orgadmin"}]},
                        "members": {
                            "totalCount": 1,
                            "nodes": [{"user": {"username": "orgadmin"}, "role": {"name": "Admin"}}],
                        },
                        "children": {
                            "nodes": [
                                {
                                    "name": "Acme West",
                                    "userCount": 0,
                                    "children": {"nodes": []},
                                    "users": {"totalCount": 0, "nodes": []},
                                },
                                {
                                    "name": "Acme East",
                                    "userCount": 1,
                                    "children": {"nodes": []},
                                    "users": {"totalCount": 1, "nodes": [{"username": "member"}]},
                                },
                            ]
                        },
                    },
                    {
                        "name": "Other",
                        "parent": {"name": "Platform"},
                        "userCount": 1,
                        "users": {"nodes": [{"username": "outsider"}]},
                        "members": {"totalCount": 1, "nodes": [{"user": {"username": "outsider"}, "role": None}]},
                        "children": {"nodes": []},
                    },
                ],
            },
        }
    ]
    flat = await service.data("{ organizations { totalCount nodes { name } } }")
    names = ["Acme", "Acme East", "Acme West", "Other", "Platform"]
    assert flat["organizations"] == {"totalCount": 5, "nodes": [{"name": name} for name in names]}


async def test_each_group_pages_its_own_users(service: Service) -> None:
    """A13: `first` and cursors are per group, and a page of one does not cut another's."""
    for user in range(1, 8):
        await service.write(
            "INSERT INTO group_members (group_id, user_id, created_at) VALUES (2, $1, CURRENT_TIMESTAMP)", user
        )
    query = """query ($after: String) { groups { nodes { name userCount users(first: 3, after: $after) {
      totalCount pageInfo { hasNextPage endCursor } edges { node { username } } } } } }"""
    both = (await service.data(query))["groups"]["nodes"]
    assert [group["name"] for group in both] == ["IT works", "Web work"]
    assert [group["userCount"] for group in both] == [7, 1]
    assert [[edge["node"]["username"] for edge in group["users"]["edges"]] for group in both] == [
        ["admin", "it", "pm"],
        ["member"],
    ]
    assert [group["users"]["pageInfo"]["hasNextPage"] for group in both] == [True, False]
    cursor = both[0]["users"]["pageInfo"]["endCursor"]
    rest = (await service.data(query, {"after": cursor}))["groups"]["nodes"]
    assert [[edge["node"]["username"] for edge in group["users"]["edges"]] for group in rest] == [
        ["normal", "readonly", "orgadmin"],
        ["member"],
    ]
    assert [group["users"]["totalCount"] for group in rest] == [7, 1]


INVITE = """mutation { inviteUsers(input: {users: [{email: "guest@x.org", name: "Guest",
  organizationIds: ["organization_3"], identityProviderId: "provider_4"}]}) {
    results { invitation { id } user { id } } } }"""


async def test_invitations_are_listed_with_their_state(service: Service) -> None:
    made = (await service.data(INVITE))["inviteUsers"]["results"][0]
    user = made["user"]["id"]
    expected = {
        "id": made["invitation"]["id"],
        "state": "PENDING",
        "sentCount": 1,
        "closedAt": None,
        "user": {"id": user, "state": "INVITED"},
        "identityProvider": {"name": "Single sign-on"},
        "createdBy": {"username": "admin"},
    }
    query = """{ invitations { totalCount nodes { ...I } }
      user(by: {email: "guest@x.org"}) { invitations { nodes { ...I } } } }
      fragment I on Invitation { id state sentCount closedAt user { id state } identityProvider { name }
        createdBy { username } }"""
    data = await service.data(query)
    assert data["invitations"] == {"totalCount": 1, "nodes": [expected]}
    assert data["user"]["invitations"] == {"nodes": [expected]}
    await service.write(
        "UPDATE invitations SET expires_at = $1", await service.scalar("SELECT MIN(created_at) FROM users")
    )
    assert (await service.data("{ invitations { nodes { state } } }"))["invitations"] == {
        "nodes": [{"state": "EXPIRED"}]
    }


CHANGES = """mutation { createRole(input: {name: "Helper", weight: 10, permissions: []}) { role { id } }
  createGroup(input: {name: "New group"}) { group { id } }
  createOrganization(input: {name: "New organization"}) { organization { id } }
  createIdentityProvider(input: {name: "New provider", prefix: "new", kind: SAML}) { identityProvider { id } }
  createUser(input: {username: "new", email: "new@x.org", name: "New user", role: {name: "IT"},
    authentication: {apiOnly: true}}) { user { id } } }"""


async def test_an_audit_event_leads_to_its_subject_of_whatever_type_while_it_is_there(service: Service) -> None:
    made = await service.data(CHANGES)
    subjects = [next(iter(payload.values()))["id"] for payload in made.values()]
    query = """{ auditEvents(first: 5) { nodes { id action actorUsername actor { username } subjectId subjectLabel
      requestId apiKeyId changes subject { __typename id ... on User { username } ... on Role { weight }
        ... on Group { description } ... on IdentityProvider { prefix }
        ... on Organization { parent { name } } } } } }"""
    told = (await service.data(query))["auditEvents"]["nodes"][::-1]
    assert [event["subjectId"] for event in told] == subjects
    assert {(event["action"], event["actorUsername"], event["actor"]["username"]) for event in told} == {
        ("CREATED", "admin", "admin")
    }
    assert [event["subject"] for event in told] == [
        {"__typename": "Role", "id": subjects[0], "weight": 10},
        {"__typename": "Group", "id": subjects[1], "description": None},
        {"__typename": "Organization", "id": subjects[2], "parent": {"name": "Platform"}},
        {"__typename": "IdentityProvider", "id": subjects[3], "prefix": "new"},
        {"__typename": "User", "id": subjects[4], "username": "new"},
    ]
    assert [event["subjectLabel"] for event in told] == [
        "Helper",
        "New group",
        "New organization",
        "New provider",
        "new",
    ]
    assert len({event["requestId"] for event in told}) == 1
    assert {event["apiKeyId"] for event in told} == {"key_1"}
    assert told[0]["changes"]["weight"] == [None, 10]
    delete = "mutation ($id: ID!) { deleteRole(input: {id: $id}) { deletedId } }"
    assert (await service.data(delete, {"id": subjects[0]}))["deleteRole"] == {"deletedId": subjects[0]}
    gone = (await service.data(query))["auditEvents"]["nodes"]
    assert [(event["action"], event["subjectLabel"], event["subject"]) for event in (gone[0], gone[-1])] == [
        ("DELETED", "Helper", None),
        ("CREATED", "New group", {"__typename": "Group", "id": subjects[1], "description": None}),
    ]


async def test_nodes_answer_every_type_in_the_order_asked(service: Service) -> None:
    """A7."""
    invitation = (await service.data(INVITE))["inviteUsers"]["results"][0]["invitation"]["id"]
    event = f"event_{await service.scalar('SELECT MAX(id) FROM audit_events')}"
    expected: list[dict[str, Any] | None] = [
        {"__typename": "Group", "id": "group_2", "name": "IT works"},
        {"__typename": "User", "id": "user_2", "name": "It"},
        None,
        {"__typename": "Role", "id": "role_2", "name": "IT"},
        {"__typename": "IdentityProvider", "id": "provider_2", "name": "Main LDAP"},
        {"__typename": "Organization", "id": "organization_2", "name": "Acme"},
        {"__typename": "Invitation", "id": invitation, "state": "PENDING"},
        {"__typename": "ApiKey", "id": "key_1", "name": "first key"},
        {"__typename": "AuditEvent", "id": event, "subjectLabel": "guest@x.org"},
        {"__typename": "User", "id": "user_2", "name": "It"},
        None,
        None,
    ]
    unknown = iter(["user_99", "nothing_1", "user_-1"])
    ids = [each["id"] if each else next(unknown) for each in expected]
    fields = """fragment Fields on Node { __typename id ... on User { name } ... on Role { name } ... on Group { name }
      ... on Organization { name } ... on IdentityProvider { name } ... on ApiKey { name } ... on Invitation { state }
      ... on AuditEvent { subjectLabel } }"""
    data = await service.data("query ($ids: [ID!]!) { nodes(ids: $ids) { ...Fields } }" + fields, {"ids": ids})
    assert data["nodes"] == expected
    for typed, node in zip(ids, expected, strict=True):
        one = await service.data("query ($id: ID!) { node(id: $id) { ...Fields } }" + fields, {"id": typed})
        assert one["node"] == node, typed
