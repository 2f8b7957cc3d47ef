"""The documents of the issues, asked here as they are written there."""

from tests.service import Service, changed


async def test_the_issues_document_creates_a_local_user(service: Service) -> None:
    data = await service.data("""mutation { createUser(input: {username: "johnnotboss", email: "john@test.com", name: "John", role: {name: "project manager"}, authentication: {local: {password: "plum violin harbour 41"}}, canCreateProjectsInRoot: true}) { user { id canCreateProjectsInRoot } errors { code message path } } }""")  # fmt: skip  # noqa: E501
    assert data == {
        "createUser": {"user": {"id": "user_10", "canCreateProjectsInRoot": True}, "errors": []},
    }
    stored = await service.rows(
        "SELECT u.username, u.email, u.name, r.name, u.state, u.provider_id, u.password_hash"
        " FROM users u JOIN roles r ON r.id = u.role_id WHERE u.id = 10"
    )
    assert stored[0][:6] == ("johnnotboss", "john@test.com", "John", "Project manager", "ACTIVE", 1)
    assert stored[0][6].startswith("$argon2id$")
    assert await changed(service, "user_10") == ["CREATED"]


async def test_the_issues_document_creates_an_ldap_user(service: Service) -> None:
    data = await service.data("""mutation { createUser(input: {username: "jane", email: "jane@test.com", name: "Jane", role: {name: "ONLY READ"}, authentication: {ldap: {serverNumber: 1, loginDn: "cn=jane,ou=users,dc=ds,dc=mycompany,dc=com"}}}) { user { isLdap loginDn } errors { code path } } }""")  # fmt: skip  # noqa: E501
    dn = "cn=jane,ou=users,dc=ds,dc=mycompany,dc=com"
    assert data == {"createUser": {"user": {"isLdap": True, "loginDn": dn}, "errors": []}}
    sql = "SELECT role_id, provider_id, ldap_provider_id, login_dn, password_hash FROM users WHERE username = 'jane'"
    assert await service.rows(sql) == [(5, 2, 2, dn, None)]


async def test_the_issues_document_upserts_a_user(service: Service) -> None:
    data = await service.data("""mutation { upsertUsers(input: {users: [{email: "bob@acme.test", role: {name: "FullAdmin"}, firstName: "Bob", lastName: "Smith", tags: ["AE|SouthEast"], aliases: ["ID-123"], ref: "row-1"}]}) { results { index ref action matchedBy changedFields user { tags aliases } errors { code message path } } errors { code } } }""")  # fmt: skip  # noqa: E501
    (result,) = data["upsertUsers"]["results"]
    fields = set(result.pop("changedFields"))
    assert fields >= {"email", "firstName", "lastName", "role", "tags", "aliases"}
    assert result == {
        "index": 0,
        "ref": "row-1",
        "action": "CREATED",
        "matchedBy": None,
        "user": {"tags": ["AE", "SouthEast"], "aliases": ["ID-123"]},
        "errors": [],
    }
    assert data["upsertUsers"]["errors"] == []
    assert await service.rows("SELECT value FROM user_tags ORDER BY id") == [("AE",), ("SouthEast",)]
    assert await service.rows("SELECT first_name, last_name, name, role_id FROM users WHERE id = 10") == [
        ("Bob", "Smith", "Bob Smith", 1)
    ]


async def test_the_issues_document_invites_a_user(service: Service) -> None:
    data = await service.data("""mutation { inviteUsers(input: {dryRun: false, errorPolicy: REJECT_FAILED, users: [{email: "a@x.test", role: {name: "Normal user"}, organizationIds: ["organization_2", "organization_3"], groupIds: ["group_1"], identityProviderId: "provider_1"}]}) { results { index action invitation { id link expiresAt } user { id state organizations { nodes { id name } } } errors { code } } } }""")  # fmt: skip  # noqa: E501
    (result,) = data["inviteUsers"]["results"]
    invitation = result.pop("invitation")
    assert result == {
        "index": 0,
        "action": "CREATED",
        "user": {
            "id": "user_10",
            "state": "INVITED",
            "organizations": {
                "nodes": [{"id": "organization_2", "name": "Acme"}, {"id": "organization_3", "name": "Acme East"}]
            },
        },
        "errors": [],
    }
    assert invitation["id"] == "invitation_1"
    assert invitation["link"].startswith("http://127.0.0.1:8000/invitation#ugi_")
    assert invitation["expiresAt"].endswith("Z")
    assert await service.rows("SELECT state, provider_id, sent_count FROM invitations") == [("PENDING", 1, 1)]


async def test_the_issues_document_tells_what_a_conversion_would_do(service: Service) -> None:
    before = await service.snapshot()
    data = await service.data("""mutation { convertUsers(input: {conversions: [{id: "user_9", to: {ldap: {serverNumber: 1, loginDn: "CN=Jane,CN=Users,DC=tpm,DC=local"}}}], dryRun: true}) { results { index user { id isLdap hasValidPassword } kept lost errors { code } } } }""")  # fmt: skip  # noqa: E501
    (result,) = data["convertUsers"]["results"]
    assert result["user"] == {"id": "user_9", "isLdap": True, "hasValidPassword": False}
    assert set(result["kept"]) >= {"id", "role", "groups", "tags", "secondFactor"}
    assert result["lost"] == ["sessions", "password"]
    assert (result["index"], result["errors"]) == (0, [])
    assert await service.snapshot() == before


async def test_the_issues_document_deactivates_a_user(service: Service) -> None:
    data = await service.data("""mutation { deactivateUsers(input: {ids: ["user_9"]}) { results { user { state isActive } endedSessions revokedKeys revokedInvitations errors { code } } } }""")  # fmt: skip  # noqa: E501
    assert data["deactivateUsers"]["results"] == [
        {
            "user": {"state": "DEACTIVATED", "isActive": False},
            "endedSessions": 0,
            "revokedKeys": 0,
            "revokedInvitations": 0,
            "errors": [],
        }
    ]
    assert await service.scalar("SELECT state FROM users WHERE id = 9") == "DEACTIVATED"
    assert await changed(service, "user_9") == ["DEACTIVATED"]


async def test_the_issues_document_lists_users_with_everything(service: Service) -> None:
    await service.write(
        "UPDATE users SET name = 'It Smith', name_key = 'it smith', search_key = 'it smith' WHERE id = 2"
    )
    data = await service.data("""query { users(first: 20, where: {and: [{role: {name: {eq: "IT"}}}, {createdAt: {after: "2024-01-01T00:00:00Z"}}]}, orderBy: [{field: LAST_LOGIN_AT, direction: DESC}], search: "smith") { totalCount pageInfo { hasNextPage endCursor } nodes { id username email name state accessibility isActive isLdap isSaml isApiOnly is2faEnabled hasValidPassword groupCount lastLoginAt lastApiRequestAt createdAt createdBy { id username role { name } } role { id name weight } groups { nodes { id name } } organizations { nodes { id name } } tags aliases variables { name value } } } }""")  # fmt: skip  # noqa: E501
    users = data["users"]
    assert users["totalCount"] == 1
    assert users["pageInfo"]["hasNextPage"] is False
    (node,) = users["nodes"]
    assert users["pageInfo"]["endCursor"]
    assert node.pop("createdAt").endswith("Z")
    assert node == {
        "id": "user_2",
        "username": "it",
        "email": "it@usergraph.test",
        "name": "It Smith",
        "state": "ACTIVE",
        "accessibility": "INTERACTIVE",
        "isActive": True,
        "isLdap": False,
        "isSaml": False,
        "isApiOnly": False,
        "is2faEnabled": False,
        "hasValidPassword": True,
        "groupCount": 0,
        "lastLoginAt": None,
        "lastApiRequestAt": None,
        "createdBy": {"id": "user_1", "username": "admin", "role": {"name": "Admin"}},
        "role": {"id": "role_2", "name": "IT", "weight": 80},
        "groups": {"nodes": []},
        "organizations": {"nodes": []},
        "tags": [],
        "aliases": [],
        "variables": [],
    }
