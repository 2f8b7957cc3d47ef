"""What users and their neighbours answer: every field, by every key, the same on both databases."""

from tests.service import Service

BEFORE = "2024-02-29T12:30:00.000000Z"
AFTER = "2024-02-29T12:30:00.000001Z"
LDAP = "ldap_provider_id = 2, login_dn = 'cn=Me,dc=x', login_dn_key = 'cn=me,dc=x'"


async def furnished(service: Service) -> None:
    """`normal` (user_4) gets something in every field; all of it is told below."""
    before, after = "2024-02-29 12:30:00+00:00", "2024-02-29 12:30:00.000001+00:00"
    for sql in (
        "UPDATE users SET first_name = 'Nora', last_name = 'Mal', role_id = 3, version = 7,"
        f" provider_id = 4, {LDAP}, password_hash = NULL, can_create_projects_in_root = TRUE, created_by_id = 2,"
        f" updated_by_id = 3, created_at = '{before}', updated_at = '{after}', last_login_at = '{after}',"
        f" last_api_request_at = '{before}' WHERE id = 4",
        "INSERT INTO user_tags (user_id, value, value_key) VALUES (4, 'West', 'west'), (4, '\u00c4ST', '\u00e4st')",
        "INSERT INTO user_aliases (user_id, value, value_key) VALUES (4, 'AE-4', 'ae-4')",
        "UPDATE users SET external_id = 'E-4' WHERE id = 4",
        "INSERT INTO user_external_ids (user_id, source, value)"
        " VALUES (4, 'hr', 'p4'), (4, 'api', 'E-4'), (8, 'hr', 'E-4')",
        "INSERT INTO user_variables (user_id, name, name_key, value) "
        " VALUES (4, 'Tier', 'tier', '1'), (4, 'Cost', 'cost', '2')",
        f"INSERT INTO group_members (group_id, user_id, created_at) VALUES (1, 4, '{before}'), (2, 4, '{before}')",
        "INSERT INTO organization_members (organization_id, user_id, role_id, created_at)"
        f" VALUES (5, 4, 2, '{before}'), (3, 4, NULL, '{after}')",
        "INSERT INTO invitations (user_id, provider_id, token_digest, state, sent_count, expires_at, created_at,"
        f" created_by_id, closed_at) VALUES (4, 4, 'd', 'ACCEPTED', 2, '{after}', '{before}', 1, '{after}')",
        "INSERT INTO sessions (user_id, token_digest, address, user_agent, created_at, last_used_at, expires_at,"
        f" ended_at) VALUES (4, 'd', '::1', 'curl', '{before}', '{before}', '{after}', '{after}')",
        f"UPDATE api_keys SET created_at = '{before}', rights = '[\"LIST_USERS\"]', last_used_at = NULL"
        " WHERE user_id = 4",
    ):
        await service.write(sql)


WHOLE = """fragment Whole on User { __typename id stableId username email name firstName lastName externalId state
  accessibility isActive isLdap isSaml isApiOnly is2faEnabled hasValidPassword canCreateProjectsInRoot ldapServerNumber
  loginDn
  lastLoginAt lastApiRequestAt createdAt updatedAt version role { id name } identityProvider { id prefix }
  createdBy { id name } updatedBy { username } tags aliases externalIds { source value }
  variables { name value } groupCount
  groups { totalCount nodes { id name } } organizations { nodes { id name } }
  memberships { totalCount nodes { organization { name } role { name } createdAt user { id } } }
  invitations { nodes { id state sentCount expiresAt createdAt closedAt identityProvider { id } createdBy { id }
    user { id } } }
  sessions { nodes { id isOpen isCurrent createdAt lastUsedAt expiresAt endedAt address userAgent user { id } } }
  apiKeys { nodes { id name prefix permissions isValid expiresAt revokedAt lastUsedAt createdAt user { id }
    createdBy { id } } } }"""
NORMAL = {
    "__typename": "User",
    "id": "user_4",
    "stableId": "user_4",
    "username": "normal",
    "email": "normal@usergraph.test",
    "name": "Normal",
    "firstName": "Nora",
    "lastName": "Mal",
    "externalId": "E-4",
    "state": "ACTIVE",
    "accessibility": "INTERACTIVE",
    "isActive": True,
    "isLdap": True,
    "isSaml": True,
    "isApiOnly": False,
    "is2faEnabled": False,
    "hasValidPassword": False,
    "canCreateProjectsInRoot": True,
    "ldapServerNumber": 1,
    "loginDn": "cn=Me,dc=x",
    "lastLoginAt": AFTER,
    "lastApiRequestAt": BEFORE,
    "createdAt": BEFORE,
    "updatedAt": AFTER,
    "version": 7,
    "role": {"id": "role_3", "name": "Project manager"},
    "identityProvider": {"id": "provider_4", "prefix": "sso"},
    "createdBy": {"id": "user_2", "name": "It"},
    "updatedBy": {"username": "pm"},
    "tags": ["West", "\u00c4ST"],
    "aliases": ["AE-4"],
    "externalIds": [{"source": "api", "value": "E-4"}, {"source": "hr", "value": "p4"}],
    "variables": [{"name": "Cost", "value": "2"}, {"name": "Tier", "value": "1"}],
    "groupCount": 2,
    "groups": {
        "totalCount": 2,
        "nodes": [{"id": "group_2", "name": "IT works"}, {"id": "group_1", "name": "Web work"}],
    },
    "organizations": {
        "nodes": [{"id": "organization_3", "name": "Acme East"}, {"id": "organization_5", "name": "Other"}]
    },
    "memberships": {
        "totalCount": 2,
        "nodes": [
            {"organization": {"name": "Other"}, "role": {"name": "IT"}, "createdAt": BEFORE, "user": {"id": "user_4"}},
            {"organization": {"name": "Acme East"}, "role": None, "createdAt": AFTER, "user": {"id": "user_4"}},
        ],
    },
    "invitations": {
        "nodes": [
            {
                "id": "invitation_1",
                "state": "ACCEPTED",
                "sentCount": 2,
                "expiresAt": AFTER,
                "createdAt": BEFORE,
                "closedAt": AFTER,
                "identityProvider": {"id": "provider_4"},
                "createdBy": {"id": "user_1"},
                "user": {"id": "user_4"},
            }
        ]
    },
    "sessions": {
        "nodes": [
            {
                "id": "session_1",
                "isOpen": False,
                "isCurrent": False,
                "createdAt": BEFORE,
                "lastUsedAt": BEFORE,
                "expiresAt": AFTER,
                "endedAt": AFTER,
                "address": "::1",
                "userAgent": "curl",
                "user": {"id": "user_4"},
            }
        ]
    },
}
NORMALS_KEY = {
    "name": "test",
    "prefix": "ug_test_",
    "permissions": ["LIST_USERS"],
    "isValid": True,
    "expiresAt": None,
    "revokedAt": None,
    "lastUsedAt": None,
    "createdAt": BEFORE,
    "user": {"id": "user_4"},
    "createdBy": None,
}


async def test_every_field_of_a_user_in_list_show_and_node_has_its_value(service: Service) -> None:
    """A4, A5, A6, A7: however a user is reached, they are told the same."""
    await furnished(service)
    number = await service.scalar("SELECT id FROM api_keys WHERE user_id = 4")
    expected = {**NORMAL, "apiKeys": {"nodes": [{"id": f"key_{number}", **NORMALS_KEY}]}}
    query = """{ users(where: {id: {eq: "user_4"}}) { nodes { ...Whole } edges { node { ...Whole } } }
      byId: user(by: {id: "user_4"}) { ...Whole } node(id: "user_4") { ...Whole } nodes(ids: ["user_4"]) { ...Whole }
      usersByKeys(keys: [{alias: "ae-4"}]) { ...Whole } }"""
    data = await service.data(query + WHOLE)
    assert data == {
        "users": {"nodes": [expected], "edges": [{"node": expected}]},
        "byId": expected,
        "node": expected,
        "nodes": [expected],
        "usersByKeys": [expected],
    }


async def test_the_query_of_every_field_names_every_field(service: Service) -> None:
    fields = (await service.data('{ __type(name: "User") { fields { name } } }'))["__type"]["fields"]
    assert {field["name"] for field in fields} == {*NORMAL, "apiKeys"} - {"__typename"}


async def test_a_user_is_found_by_every_key_in_every_spelling(service: Service) -> None:
    """A7: in every case, and in no spelling of somebody else."""
    await furnished(service)
    query = "query ($by: UserKey!) { user(by: $by) { id } }"
    for by in (
        {"id": "user_4"},
        {"email": "Normal@Usergraph.TEST"},
        {"username": "NORMAL"},
        {"username": " Normal "},
        {"alias": "ae-4"},
        {"alias": "AE-4"},
        {"externalId": "E-4"},
        {"externalIdOf": {"source": "hr", "value": "p4"}},
        {"externalIdOf": {"source": "api", "value": "E-4"}},
    ):
        assert (await service.data(query, {"by": by}))["user"] == {"id": "user_4"}, by
    for by in (
        {"id": "user_99"},
        {"id": "role_4"},
        {"id": "4"},
        {"id": ""},
        {"id": "user_99999999999999999999"},
        {"email": "nobody@usergraph.test"},
        {"email": "no address"},
        {"username": "norma_"},
        {"username": "\uff4eormal"},
        {"externalId": "p4"},
        {"externalIdOf": {"source": "HR", "value": "p4"}},
        {"externalIdOf": {"source": "hr", "value": "P4"}},
        {"username": "normal@usergraph.test"},
        {"alias": "west"},
        {"alias": ""},
        {"externalId": "e-4"},
    ):
        assert (await service.data(query, {"by": by}))["user"] is None, by
    for wrong in ({}, {"id": "user_4", "email": "x"}, {"id": None}):
        assert await service.codes(query, {"by": wrong}) == ["BAD_USER_INPUT"], wrong


async def test_many_keys_of_any_kind_are_answered_in_the_order_asked(service: Service) -> None:
    """A8."""
    await furnished(service)
    query = "query ($keys: [UserKey!]!) { usersByKeys(keys: $keys) { id username } }"
    keys = [
        {"alias": "AE-4"},
        {"id": "user_9"},
        {"alias": "unknown"},
        {"email": "ADMIN@usergraph.example"},
        {"username": "it"},
        {"id": "user_9"},
        {"externalId": "E-4"},
        {"id": "group_1"},
        {"email": "member@usergraph.test"},
    ]
    found = (await service.data(query, {"keys": keys}))["usersByKeys"]
    assert [each and each["id"] for each in found] == [
        "user_4",
        "user_9",
        None,
        "user_1",
        "user_2",
        "user_9",
        "user_4",
        None,
        "user_8",
    ]
    assert (await service.data(query, {"keys": []}))["usersByKeys"] == []
    assert await service.codes(query, {"keys": [{"id": "user_1"}] * 1_001}) == ["INVALID"]


async def test_me_is_who_asks(service: Service) -> None:
    query = """{ me { id username role { name permissions } }
      viewer { user { id } permissions administeredOrganizationIds } }"""
    data = await service.data(query, who="orgadmin")
    rights = ["LIST_USERS", "READ_DIRECTORY", "USE_SELF_SERVICE"]
    assert data["me"] == {
        "id": "user_6",
        "username": "orgadmin",
        "role": {"name": "Normal user", "permissions": rights},
    }
    assert data["viewer"]["user"] == {"id": "user_6"}
    assert data["viewer"]["administeredOrganizationIds"] == ["organization_2"]
    assert set(rights) < set(data["viewer"]["permissions"])
    assert (await service.data("{ viewer { administeredOrganizationIds } }", who="it"))["viewer"] == {
        "administeredOrganizationIds": []
    }


async def test_lists_of_objects_without_a_selected_column_answer_their_types(service: Service) -> None:
    await furnished(service)
    query = '{ user(by: {id: "user_4"}) { variables { __typename } externalIds { __typename } } }'
    data = await service.data(query)
    assert data["user"]["variables"] == [{"__typename": "Variable"}] * 2
    assert {each["__typename"] for each in data["user"]["externalIds"]} <= {"ExternalId"}
