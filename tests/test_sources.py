"""What the sources S0 and S3 send about one user, sent here."""

from typing import Any

import pytest

from tests.cast import PASSWORD
from tests.service import Service, changed, codes

CREATE = """mutation($input: CreateUserInput!) {
  createUser(input: $input) { user { id username email name isLdap isSaml ldapServerNumber loginDn hasValidPassword
    canCreateProjectsInRoot role { name } } errors { code message path } } }"""
SHOWN = """id username email name state accessibility isActive isLdap isSaml isApiOnly is2faEnabled hasValidPassword
  canCreateProjectsInRoot ldapServerNumber loginDn lastLoginAt lastApiRequestAt createdAt updatedAt
  role { name } groups(orderBy: [{field: NAME}]) { nodes { id name } } groupCount
  createdBy { id username email name role { name } } updatedBy { id username email name role { name } }"""


async def test_s3_lists_counts_and_pages_for_administrators_and_less_for_others(service: Service) -> None:
    listed = "id name username email role { name } lastLoginAt lastApiRequestAt isActive isLdap isSaml isApiOnly "
    listed += "is2faEnabled hasValidPassword groupCount"
    data = await service.data(f"{{ users(first: 4) {{ totalCount pageInfo {{ endCursor }} nodes {{ {listed} }} }} }}")
    assert data["users"]["totalCount"] == 9
    cursor = data["users"]["pageInfo"]["endCursor"]
    after = await service.data("query($c: String) { users(first: 9, after: $c) { nodes { id } } }", {"c": cursor})
    seen = [node["id"] for node in (*data["users"]["nodes"], *after["users"]["nodes"])]
    assert sorted(seen) == [f"user_{number}" for number in range(1, 10)]
    for who in ("pm", "normal"):
        answer = await service.data("{ users { nodes { id name } } }", who=who)
        assert {"id": "user_9", "name": "Outsider"} in answer["users"]["nodes"]
        assert await service.codes(f"{{ users {{ nodes {{ {listed} }} }} }}", who=who) == ["FORBIDDEN"]
    assert await service.codes("{ users { nodes { id name } } }", who="readonly") == ["FORBIDDEN"]


async def test_s3_shows_a_user_and_me_in_the_same_words(service: Service) -> None:
    await service.write(
        "INSERT INTO group_members (group_id, user_id, created_at) SELECT g.id, 2, g.created_at FROM groups g"
    )
    shown = await service.data(f'{{ user(by: {{id: "user_2"}}) {{ {SHOWN} }} }}')
    me = await service.data(f"{{ me {{ {SHOWN} }} }}", who="it")
    creator = {
        "id": "user_1",
        "username": "admin",
        "email": "admin@usergraph.example",
        "name": "Administrator",
        "role": {"name": "Admin"},
    }
    for user in (shown["user"], me["me"]):
        times = {name: user.pop(name) for name in ("createdAt", "updatedAt", "lastApiRequestAt")}
        assert times["createdAt"] == times["updatedAt"]
        assert user == {
            "id": "user_2",
            "username": "it",
            "email": "it@usergraph.test",
            "name": "It",
            "state": "ACTIVE",
            "accessibility": "INTERACTIVE",
            "isActive": True,
            "isLdap": False,
            "isSaml": False,
            "isApiOnly": False,
            "is2faEnabled": False,
            "hasValidPassword": True,
            "canCreateProjectsInRoot": False,
            "ldapServerNumber": None,
            "loginDn": None,
            "lastLoginAt": None,
            "role": {"name": "IT"},
            "groups": {"nodes": [{"id": "group_2", "name": "IT works"}, {"id": "group_1", "name": "Web work"}]},
            "groupCount": 2,
            "createdBy": creator,
            "updatedBy": creator,
        }


S3_USER = {"username": "johnnotboss", "email": "john@test.com", "name": "John", "role": {"name": "project manager"}}
S3_DN = "cn=johnnotboss,ou=users,dc=ds,dc=mycompany,dc=com"


@pytest.mark.parametrize(
    ("authentication", "expected"),
    [
        ({"local": {"password": PASSWORD}}, (False, False, None, None, True)),
        ({"ldap": {"serverNumber": 1, "loginDn": S3_DN}}, (True, False, 1, S3_DN, False)),
        ({"saml": {}}, (False, True, None, None, False)),
    ],
    ids=["normal", "ldap", "saml"],
)
async def test_s3_creates_users_of_each_kind(service: Service, authentication: Any, expected: tuple[Any, ...]) -> None:
    given = {**S3_USER, "authentication": authentication, "canCreateProjectsInRoot": True}
    user = (await service.data(CREATE, {"input": given}))["createUser"]["user"]
    kinds = ("isLdap", "isSaml", "ldapServerNumber", "loginDn", "hasValidPassword")
    assert tuple(user[name] for name in kinds) == expected
    assert (user["id"], user["role"], user["canCreateProjectsInRoot"]) == (
        "user_10",
        {"name": "Project manager"},
        True,
    )
    assert await service.rows("SELECT username, email, name, login_dn FROM users WHERE id = 10") == [
        ("johnnotboss", "john@test.com", "John", expected[3])
    ]


async def test_s3s_own_passwords_are_too_short_by_default(service: Service) -> None:
    before = await service.snapshot()
    given = {**S3_USER, "authentication": {"local": {"password": "testpassword"}}}
    refused = (await service.data(CREATE, {"input": given}))["createUser"]
    assert refused["user"] is None
    assert [(e["code"], e["path"]) for e in refused["errors"]] == [
        ("WEAK_PASSWORD", ["authentication", "local", "password"])
    ]
    document = """mutation { changePassword(input: {id: "user_9", newPassword: "thisistheone"}) {
      user { id } errors { code message path } } }"""
    answer = (await service.data(document))["changePassword"]
    assert answer["user"] is None
    assert [(e["code"], e["path"]) for e in answer["errors"]] == [("WEAK_PASSWORD", ["newPassword"])]
    assert "15" in answer["errors"][0]["message"]
    assert await service.snapshot() == before


async def test_s3s_own_passwords_are_guessable_whatever_length_is_asked_for(service_with: Any) -> None:
    async with service_with(password_length=8) as service:
        before = await service.snapshot()
        document = """mutation($new: String!) { changePassword(input: {id: "user_9", newPassword: $new}) {
          user { id hasValidPassword } errors { code } } }"""
        refused = (await service.data(document, {"new": "thisistheone"}))["changePassword"]
        assert refused == {"user": None, "errors": [{"code": "WEAK_PASSWORD"}]}
        given = {**S3_USER, "authentication": {"local": {"password": "testpassword"}}}
        assert codes((await service.data(CREATE, {"input": given}))["createUser"]["errors"]) == ["WEAK_PASSWORD"]
        assert await service.snapshot() == before
        done = (await service.data(document, {"new": "thatwazthe1"}))["changePassword"]
        assert done == {"user": {"id": "user_9", "hasValidPassword": True}, "errors": []}
        assert await service.snapshot() != before


async def test_s3_updates_the_name_only(service: Service) -> None:
    (before,) = await service.rows("SELECT username, email, role_id, password_hash, version FROM users WHERE id = 9")
    data = await service.data("""mutation { updateUser(input: {id: "user_9", name: "Johnny"}) {
      user { name username } changedFields errors { code } } }""")
    assert data["updateUser"] == {
        "user": {"name": "Johnny", "username": "outsider"},
        "changedFields": ["name"],
        "errors": [],
    }
    sql = "SELECT name, name_key, username, email, role_id, password_hash, version FROM users WHERE id = 9"
    assert await service.rows(sql) == [("Johnny", "johnny", *before[:4], before[4] + 1)]


async def test_s3_deactivates_activates_and_deletes_a_user(service: Service) -> None:
    steps = [
        ("deactivateUsers", "user { isActive } errors { code }", {"user": {"isActive": False}, "errors": []}),
        ("activateUsers", "user { isActive } errors { code }", {"user": {"isActive": True}, "errors": []}),
        ("deleteUsers", "deletedId errors { code }", {"deletedId": "user_9", "errors": []}),
    ]
    for name, selection, expected in steps:
        document = f'mutation {{ {name}(input: {{ids: "user_9"}}) {{ results {{ {selection} }} }} }}'
        assert (await service.data(document))[name] == {"results": [expected]}
    assert await service.data('{ user(by: {id: "user_9"}) { id } }') == {"user": None}
    assert await changed(service, "user_9") == ["DEACTIVATED", "ACTIVATED", "DELETED"]


async def test_s3_converts_to_ldap_to_saml_and_to_normal(service: Service) -> None:
    dn = "CN=Jane,CN=Users,DC=tpm,DC=local"
    document = """mutation($to: AuthenticationInput!) { convertUsers(input: {conversions: [{id: "user_9", to: $to}]}) {
      results { user { isLdap isSaml ldapServerNumber loginDn hasValidPassword } errors { code } } } }"""
    steps: list[tuple[Any, tuple[Any, ...]]] = [
        ({"ldap": {"serverNumber": 1, "loginDn": dn}}, (True, False, 1, dn, False)),
        ({"local": {}}, (False, False, None, None, False)),
        ({"saml": {}}, (False, True, None, None, False)),
        ({"local": {}}, (False, False, None, None, False)),
    ]
    for to, expected in steps:
        (result,) = (await service.data(document, {"to": to}))["convertUsers"]["results"]
        assert result["errors"] == []
        assert tuple(result["user"].values()) == expected
    assert await service.rows("SELECT provider_id, ldap_provider_id, password_hash FROM users WHERE id = 9") == [
        (1, None, None)
    ]
    assert await changed(service, "user_9") == ["CONVERTED"] * 4


async def test_s0_manages_all_aspects_of_a_user(service: Service) -> None:
    given = {**S3_USER, "authentication": {"local": {"password": PASSWORD}}}
    user = (await service.data(CREATE, {"input": given}))["createUser"]["user"]
    changed_ = await service.data(
        'mutation($id: ID!) { updateUser(input: {id: $id, email: "jon@test.com"}) { user { email } errors { code } } }',
        {"id": user["id"]},
    )
    assert changed_["updateUser"] == {"user": {"email": "jon@test.com"}, "errors": []}
    details = await service.data("{ users(first: 1000) { nodes { " + SHOWN.replace("groupCount", "") + " } } }")
    assert len(details["users"]["nodes"]) == 10
    reset = await service.data(
        'mutation { requestPasswordReset(input: {email: "jon@test.com"}) { accepted link errors { code } } }'
    )
    token = reset["requestPasswordReset"]["link"].split("#")[1]
    done = await service.data(
        'mutation($t: String!) { resetPassword(input: {token: $t, newPassword: "amber ladder quiet 77"}) {'
        " user { id } errors { code } } }",
        {"t": token},
        who=None,
    )
    assert done["resetPassword"] == {"user": {"id": user["id"]}, "errors": []}
    off = await service.data(
        "mutation($id: ID!) { deactivateUsers(input: {ids: [$id]}) { results { user { isActive } } } }",
        {"id": user["id"]},
    )
    assert off["deactivateUsers"]["results"] == [{"user": {"isActive": False}}]
    assert await changed(service, user["id"]) == [
        "CREATED",
        "UPDATED",
        "PASSWORD_RESET_REQUESTED",
        "PASSWORD_RESET",
        "DEACTIVATED",
    ]
