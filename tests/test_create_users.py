"""Creating one user: local, LDAP, SAML or for API keys only, and why it is refused."""

import json
from typing import Any

import pytest

from tests.cast import PASSWORD
from tests.service import Service

CREATE = """mutation($input: CreateUserInput!) { createUser(input: $input) {
  user { id username email name firstName lastName externalId state accessibility version isLdap isSaml isApiOnly
    is2faEnabled hasValidPassword canCreateProjectsInRoot ldapServerNumber loginDn lastLoginAt role { id name }
    identityProvider { id } tags aliases variables { name value } groups { nodes { id } }
    organizations { nodes { id } } createdBy { id } updatedBy { id } }
  errors { code message path index } } }"""
DN = "cn=new,ou=users,dc=x,dc=test"
LOCAL = {"local": {"password": PASSWORD}}
LDAP = {"ldap": {"serverNumber": 1, "loginDn": DN}}


def row(**more: Any) -> dict[str, Any]:
    """The least that a user needs, with changes."""
    least = {"username": "new", "email": "new@x.test", "name": "New", "role": {"name": "normal user"}}
    return {**least, "authentication": LOCAL, **more}


async def create(service: Service, who: str = "admin", **more: Any) -> Any:
    return (await service.data(CREATE, {"input": row(**more)}, who=who))["createUser"]


async def test_a_local_user_is_made_with_all_that_was_sent(service: Service) -> None:
    answer = await create(
        service,
        who="it",
        username="Zoë.K",
        email="Zoe@Bücher.test",
        name="Zoë Kay",
        firstName="Zoë",
        lastName="Kay",
        externalId="hr-1",
        tags=["b|a", "A"],
        aliases=["ID-1|ID-2"],
        variables=[{"name": "Plan", "value": "free"}],
        organizationIds=["organization_3", "organization_5", "organization_3"],
        groupIds=["group_2"],
    )
    assert answer == {
        "user": {
            "id": "user_10",
            "username": "Zoë.K",
            "email": "Zoe@Bücher.test",
            "name": "Zoë Kay",
            "firstName": "Zoë",
            "lastName": "Kay",
            "externalId": "hr-1",
            "state": "ACTIVE",
            "accessibility": "INTERACTIVE",
            "version": 1,
            "isLdap": False,
            "isSaml": False,
            "isApiOnly": False,
            "is2faEnabled": False,
            "hasValidPassword": True,
            "canCreateProjectsInRoot": False,
            "ldapServerNumber": None,
            "loginDn": None,
            "lastLoginAt": None,
            "role": {"id": "role_4", "name": "Normal user"},
            "identityProvider": {"id": "provider_1"},
            "tags": ["a", "b"],
            "aliases": ["ID-1", "ID-2"],
            "variables": [{"name": "Plan", "value": "free"}],
            "groups": {"nodes": [{"id": "group_2"}]},
            "organizations": {"nodes": [{"id": "organization_3"}, {"id": "organization_5"}]},
            "createdBy": {"id": "user_2"},
            "updatedBy": {"id": "user_2"},
        },
        "errors": [],
    }
    stored = "SELECT username_key, email_key, name_key, external_id, password_hash FROM users WHERE id = 10"
    ((*keys, hashed),) = await service.rows(stored)
    assert keys == ["zoë.k", "zoe@xn--bcher-kva.test", "zoë kay", "hr-1"]
    assert hashed.startswith("$argon2id$")
    ((action, actor, label, changes),) = await service.rows(
        "SELECT action, actor_username, subject_label, changes FROM audit_events"
        " WHERE subject_type = 'user' AND subject_id = 10"
    )
    assert (action, actor, label) == ("CREATED", "it", "Zoë.K")
    changes = json.loads(changes)
    assert changes["email"] == [None, "Zoe@Bücher.test"]
    assert changes["role"] == [None, "Normal user"]
    assert changes["groups"] == [None, ["IT works"]]
    assert await service.scalar("SELECT COUNT(*) FROM letters") == 0


@pytest.mark.parametrize(
    ("authentication", "shown", "stored"),
    [
        (LDAP, (True, False, False, "INTERACTIVE", 1, DN), (2, 2, DN)),
        ({"saml": {}}, (False, True, False, "INTERACTIVE", None, None), (4, None, None)),
        (
            {"saml": {"identityProviderId": "provider_4", "provisionedBy": LDAP["ldap"]}},
            (True, True, False, "INTERACTIVE", 1, DN),
            (4, 2, DN),
        ),
        ({"apiOnly": True}, (False, False, True, "API_ONLY", None, None), (None, None, None)),
    ],
    ids=["ldap", "saml", "saml provisioned by ldap", "api only"],
)
async def test_users_without_a_password_sign_in_elsewhere(
    service: Service, authentication: Any, shown: tuple[Any, ...], stored: tuple[Any, ...]
) -> None:
    answer = await create(service, authentication=authentication)
    assert answer["errors"] == []
    user = answer["user"]
    names = ("isLdap", "isSaml", "isApiOnly", "accessibility", "ldapServerNumber", "loginDn")
    assert tuple(user[name] for name in names) == shown
    assert user["hasValidPassword"] is False
    sql = "SELECT provider_id, ldap_provider_id, login_dn, password_hash FROM users WHERE id = 10"
    assert await service.rows(sql) == [(*stored, None)]


@pytest.mark.parametrize(
    ("more", "code", "path"),
    [
        ({"username": " "}, "REQUIRED", "username"),
        ({"email": ""}, "REQUIRED", "email"),
        ({"name": "\t"}, "REQUIRED", "name"),
        ({"email": "new@@x.test"}, "INVALID", "email"),
        ({"username": "user_7"}, "INVALID", "username"),
        ({"username": "MEMBER"}, "TAKEN", "username"),
        ({"email": "Member@usergraph.test"}, "TAKEN", "email"),
        ({"username": "member@usergraph.test"}, "TAKEN", "username"),
        ({"email": "x@x.test", "aliases": ["m-8"]}, "TAKEN", "aliases"),
        ({"externalId": "hr-8"}, "TAKEN", "externalId"),
        ({"authentication": {"local": {}}}, "REQUIRED", "authentication.local.password"),
        ({"authentication": {"local": {"password": None}}}, "REQUIRED", "authentication.local.password"),
        ({"authentication": {"apiOnly": False}}, "INVALID", "authentication.apiOnly"),
        (
            {"authentication": {"ldap": {"serverNumber": 0, "loginDn": DN}}},
            "INVALID",
            "authentication.ldap.serverNumber",
        ),
        (
            {"authentication": {"ldap": {"serverNumber": 10, "loginDn": DN}}},
            "INVALID",
            "authentication.ldap.serverNumber",
        ),
        (
            {"authentication": {"ldap": {"serverNumber": 2, "loginDn": DN}}},
            "PROVIDER_DISABLED",
            "authentication.ldap.serverNumber",
        ),
        (
            {"authentication": {"ldap": {"serverNumber": 9, "loginDn": DN}}},
            "PROVIDER_NOT_CONFIGURED",
            "authentication.ldap.serverNumber",
        ),
        ({"authentication": {"ldap": {"serverNumber": 1, "loginDn": "new"}}}, "INVALID", "authentication.ldap.loginDn"),
        ({"authentication": {"ldap": {"serverNumber": 1, "loginDn": ""}}}, "REQUIRED", "authentication.ldap.loginDn"),
        (
            {"authentication": {"saml": {"identityProviderId": "provider_2"}}},
            "INVALID",
            "authentication.saml.identityProviderId",
        ),
        ({"role": {"name": "Deactivated"}}, "NOT_FOUND", "role.name"),
        ({"role": {"id": "role_99"}}, "NOT_FOUND", "role.id"),
        ({"role": {"id": "99999999999999999999"}}, "NOT_FOUND", "role.id"),
        ({"organizationIds": ["organization_1", "organization_99"]}, "NOT_FOUND", "organizationIds.1"),
        ({"groupIds": ["organization_1"]}, "NOT_FOUND", "groupIds.0"),
        ({"variables": [{"name": "", "value": "x"}]}, "REQUIRED", "variables.0.name"),
        ({"tags": [f"t{number}" for number in range(101)]}, "INVALID", "tags"),
    ],
)
async def test_what_is_wrong_is_told_with_its_place(service: Service, more: Any, code: str, path: str) -> None:
    await service.set_external_id(8, "hr-8")
    await service.write("INSERT INTO user_aliases (user_id, value, value_key) VALUES (8, 'M-8', 'm-8')")
    before = await service.snapshot()
    answer = await create(service, **more)
    assert answer["user"] is None
    assert [(e["code"], ".".join(e["path"])) for e in answer["errors"]] == [(code, path)]
    assert all(e["message"] and e["index"] is None for e in answer["errors"])
    assert await service.snapshot() == before


async def test_all_that_is_wrong_is_told_at_once(service: Service) -> None:
    answer = await create(service, username="a b", email="x", role={"name": "Emperor"}, groupIds=["group_9"])
    assert sorted((e["code"], e["path"][0]) for e in answer["errors"]) == [
        ("INVALID", "email"),
        ("INVALID", "username"),
        ("NOT_FOUND", "groupIds"),
        ("NOT_FOUND", "role"),
    ]


@pytest.mark.parametrize("name", ["username", "email", "name", "role", "authentication"])
async def test_what_every_user_needs_cannot_be_left_out(service: Service, name: str) -> None:
    given = row()
    given.pop(name)
    assert await service.codes(CREATE, {"input": given}) == ["BAD_USER_INPUT"]
    assert await service.codes(CREATE, {"input": row(**{name: None})}) == ["BAD_USER_INPUT"]
    assert await service.scalar("SELECT COUNT(*) FROM users") == 9


async def test_a_user_signs_in_in_one_way(service: Service) -> None:
    for authentication in ({}, {**LOCAL, **LDAP}, {"local": None, **LDAP}):
        assert await service.codes(CREATE, {"input": row(authentication=authentication)}) == ["BAD_USER_INPUT"]
    assert await service.scalar("SELECT COUNT(*) FROM users") == 9


@pytest.mark.parametrize(
    "password",
    ["fourteen chars", "a" * 40, "abcabcabcabcabcabc", "new@x.test.is.long", "é" * 513 + "abcdefgh"],
    ids=["short", "one letter", "few letters", "the address", "too many bytes"],
)
async def test_weak_passwords_are_refused(service: Service, password: str) -> None:
    more: dict[str, Any] = {"authentication": {"local": {"password": password}}}
    if "@" in password:
        more["email"] = password.upper()
    answer = await create(service, **more)
    assert [(e["code"], e["path"]) for e in answer["errors"]] == [
        ("WEAK_PASSWORD", ["authentication", "local", "password"])
    ]
    assert password not in json.dumps(answer)
    assert await service.scalar("SELECT COUNT(*) FROM users") == 9


async def test_a_login_dn_is_one_users_whatever_its_spelling(service: Service) -> None:
    assert (await create(service, authentication=LDAP))["errors"] == []
    spelled = {"ldap": {"serverNumber": 1, "loginDn": "CN=New, OU=Users,dc=X , DC=test"}}
    answer = await create(service, username="other", email="other@x.test", authentication=spelled)
    assert [e["code"] for e in answer["errors"]] == ["TAKEN"]
    assert await service.scalar("SELECT COUNT(*) FROM users") == 10


@pytest.mark.parametrize(
    ("role", "kept"),
    [
        ("admin", "Admin"),
        ("PROJECT MANAGER", "Project manager"),
        ("only read", "Read only"),
        ("Read Only", "Read only"),
        ("it", "IT"),
        ("fulladmin", "Admin"),
        ("LimitedAdmin", "IT"),
        ("participant", "Normal user"),
    ],
)
async def test_roles_are_named_in_any_case_and_by_synonyms(service: Service, role: str, kept: str) -> None:
    answer = await create(service, role={"name": role}, dryRun=True)
    assert answer["user"]["role"]["name"] == kept


@pytest.mark.parametrize("default", [False, True])
async def test_projects_in_root_are_for_it_and_project_managers(service_with: Any, default: bool) -> None:
    """Not said: the setting. Said: what was said. For other roles: never."""
    async with service_with(projects_in_root=default) as service:
        cases = [
            ("IT", {}, default),
            ("Project manager", {"canCreateProjectsInRoot": None}, default),
            ("Project manager", {"canCreateProjectsInRoot": True}, True),
            ("IT", {"canCreateProjectsInRoot": False}, False),
            ("Admin", {"canCreateProjectsInRoot": True}, False),
            ("Normal user", {"canCreateProjectsInRoot": True}, False),
            ("Read only", {}, False),
        ]
        for number, (role, more, expected) in enumerate(cases):
            names = {"username": f"u{number}", "email": f"u{number}@x.test", "role": {"name": role}}
            answer = await create(service, **names, authentication={"saml": {}}, **more)
            assert (answer["errors"], answer["user"]["canCreateProjectsInRoot"]) == ([], expected)
        stored = await service.rows("SELECT can_create_projects_in_root FROM users WHERE id > 9 ORDER BY id")
        assert [bool(each[0]) for each in stored] == [expected for _, _, expected in cases]


async def test_saml_is_refused_where_it_is_switched_off_or_not_there(service: Service) -> None:
    await service.write("UPDATE identity_providers SET is_enabled = FALSE WHERE id = 4")
    off = await create(service, authentication={"saml": {}})
    assert [e["code"] for e in off["errors"]] == ["PROVIDER_DISABLED"]
    await service.write("DELETE FROM identity_providers WHERE id = 4")
    absent = await create(service, authentication={"saml": {}})
    assert [e["code"] for e in absent["errors"]] == ["PROVIDER_NOT_CONFIGURED"]


async def test_two_spellings_of_a_variable_are_one_variable(service: Service) -> None:
    answer = await create(service, variables=[{"name": "Team", "value": "1"}, {"name": "TEAM", "value": "2"}])
    assert answer["errors"] == []
    assert answer["user"]["variables"] == [{"name": "TEAM", "value": "2"}]
    assert await service.rows("SELECT name_key, value FROM user_variables") == [("team", "2")]
