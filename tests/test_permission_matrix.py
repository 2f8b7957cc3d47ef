"""The permission matrix: who may read and do what, by every query, mutation and field, for eight kinds of viewer."""

from datetime import timedelta
from typing import Any

import pytest
from graphql import GraphQLObjectType, build_schema, get_named_type, is_leaf_type

from graph.schema import build
from models.values import now
from tests.cast import PASSWORD
from tests.service import PEOPLE, Service, beyond_who_asks

SDL = build_schema(build().as_str())
Who = frozenset[str]

# Who may; everybody else is refused: FORBIDDEN with a key, UNAUTHENTICATED without one.
VIEWERS = (*PEOPLE, "stranger")  # `orgadmin` administers Acme, `robot` is API-only with the role IT
NOBODY: Who = frozenset()
ANYBODY: Who = frozenset(VIEWERS)
WITH_KEY: Who = frozenset(PEOPLE)
LISTERS: Who = WITH_KEY - {"readonly"}  # they see who there is and how the directory is arranged
READERS: Who = frozenset({"admin", "it", "robot", "orgadmin"})  # they read users whole, and manage them
PLATFORM: Who = READERS - {"orgadmin"}
ADMINS: Who = frozenset({"admin"})

# query field: who may, an example, and the fields that the others are told they may not read
QUERIES: dict[str, tuple[Who, str, str]] = {
    "viewer": (WITH_KEY, "{ viewer { permissions visibleUserFields } }", ""),
    "me": (WITH_KEY, "{ me { id email role { name } } }", ""),
    "node": (LISTERS, '{ node(id: "user_8") { id ... on User { name } } }', "User.id User.name"),
    "nodes": (LISTERS, '{ nodes(ids: ["user_8"]) { id ... on User { name } } }', "User.id User.name"),
    "user": (LISTERS, '{ user(by: {id: "user_8"}) { id name } }', "User.id User.name"),
    "users": (LISTERS, "{ users { nodes { id name } } }", "User.id User.name"),
    "usersByKeys": (LISTERS, '{ usersByKeys(keys: [{id: "user_8"}]) { id name } }', "User.id User.name"),
    "roles": (LISTERS, "{ roles { id weight } }", "Role.id Role.weight"),
    "identityProviders": (LISTERS, "{ identityProviders { name } }", "IdentityProvider.name"),
    "organizations": (LISTERS, "{ organizations { nodes { name } } }", "Organization.name"),
    "groups": (LISTERS, "{ groups { nodes { name } } }", "Group.name"),
    "memberships": (READERS, "{ memberships { nodes { id } } }", "OrganizationMember.id"),
    "groupMemberships": (READERS, "{ groupMemberships { nodes { id } } }", "GroupMember.id"),
    "userReport": (LISTERS, "{ userReport { total rows } }", "User.id"),
    "invitations": (READERS, "{ invitations { nodes { id state } } }", "Invitation.id Invitation.state"),
    "invitationByToken": (ANYBODY, '{ invitationByToken(token: "none") { name expiresAt } }', ""),
    "apiKeys": (WITH_KEY, "{ apiKeys { nodes { id name } } }", ""),
    "directoryJobs": (READERS, "{ directoryJobs { nodes { id state } } }", "DirectoryJob.id DirectoryJob.state"),
    "savedReports": (LISTERS, "{ savedReports { nodes { name } } }", "SavedReport.name"),
    "savedReport": (LISTERS, '{ savedReport(name: "posture") { id document } }', "SavedReport.id SavedReport.document"),
    "auditEvents": (READERS, "{ auditEvents { nodes { id changes } } }", "AuditEvent.id AuditEvent.changes"),
}

# They name nobody, and are about whoever calls; tests/test_second_factor.py asks them.
OF_ONE_SELF = {"enrollSecondFactor", "confirmSecondFactor", "disableSecondFactor", "regenerateRecoveryCodes"}

# mutation: who may, within Acme where it is about users or organizations, and an input
MUTATIONS: dict[str, tuple[Who, dict[str, Any]]] = {
    "createUser": (READERS, {"username": "new", "email": "new@x.test", "name": "New", "role": {"name": "Read only"},
                             "organizationIds": ["organization_3"], "authentication": {"apiOnly": True}}),
    "inviteUsers": (READERS, {"users": [{"email": "new@x.test", "organizationIds": ["organization_3"]}]}),
    "acceptInvitation": (ANYBODY, {"token": "{invitationToken}", "password": PASSWORD}),
    "resendInvitations": (READERS, {"ids": ["{invitation}"]}),
    "revokeInvitations": (READERS, {"ids": ["{invitation}"]}),
    "updateUser": (READERS, {"id": "user_8", "email": "moved@x.test"}),
    "upsertUsers": (READERS, {"users": [{"email": "member@usergraph.test", "name": "Renamed"}]}),
    "reconcileUsers": (PLATFORM, {"source": "hr", "users": [{"email": "new@x.test"}]}),
    "syncDirectory": (PLATFORM, {"provider": "provider_2"}),
    "convertUsers": (READERS, {"conversions": [{"id": "user_8", "to": {"saml": {}}}]}),
    "revertConversions": (READERS, {"ids": ["{clerk}"]}),
    "activateUsers": (READERS, {"ids": ["{clerk}"]}),
    "deactivateUsers": (READERS, {"ids": ["user_8"]}),
    "deleteUsers": (frozenset({"admin", "orgadmin"}), {"ids": ["user_8"]}),
    "eraseUsers": (frozenset({"admin"}), {"ids": ["user_8"]}),
    "changePassword": (READERS, {"id": "user_8", "newPassword": "a long new password"}),
    "requestPasswordReset": (ANYBODY, {"email": "member@usergraph.test"}),
    "resetPassword": (ANYBODY, {"token": "{resetToken}", "newPassword": "a long new password"}),
    "signIn": (ANYBODY, {"username": "member", "password": PASSWORD}),
    "signOut": (NOBODY, {}),
    "resetSecondFactor": (READERS, {"ids": ["user_8"]}),
    "endSessions": (READERS, {"ids": ["{session}"]}),
    "createApiKey": (READERS, {"userId": "user_8", "name": "new"}),
    "revokeApiKeys": (READERS, {"ids": ["{key}"]}),
    "createRole": (ADMINS, {"name": "New", "weight": 10, "permissions": ["USE_SELF_SERVICE"]}),
    "updateRole": (ADMINS, {"id": "{role}", "weight": 11}),
    "deleteRole": (ADMINS, {"id": "{role}"}),
    "createIdentityProvider": (ADMINS, {"name": "New", "prefix": "new", "kind": "SAML"}),
    "updateIdentityProvider": (ADMINS, {"id": "provider_3", "isEnabled": True}),
    "testIdentityProvider": (ADMINS, {"id": "provider_3"}),
    "deleteIdentityProvider": (ADMINS, {"id": "provider_3"}),
    "createOrganization": (READERS, {"name": "New", "parentId": "organization_2"}),
    "updateOrganization": (READERS, {"id": "organization_4", "name": "Renamed"}),
    "deleteOrganization": (READERS, {"id": "organization_4"}),
    "addOrganizationMembers": (READERS, {"id": "organization_4", "userIds": ["user_8"]}),
    "removeOrganizationMembers": (READERS, {"id": "organization_3", "userIds": ["user_8"]}),
    "createGroup": (PLATFORM, {"name": "New"}),  # groups belong to the platform …
    "updateGroup": (PLATFORM, {"id": "group_1", "name": "Renamed"}),
    "deleteGroup": (PLATFORM, {"id": "group_1"}),
    "addGroupMembers": (READERS, {"id": "group_2", "userIds": ["user_8"]}),  # … who is in them, to who manages the user
    "removeGroupMembers": (READERS, {"id": "group_1", "userIds": ["user_8"]}),
    "createSavedReport": (LISTERS, {"name": "new", "document": "{ me { id } }", "sharedWith": [{"name": "Read only"}]}),
    "updateSavedReport": (ADMINS, {"id": "{report}", "name": "renamed"}),
    "deleteSavedReports": (ADMINS, {"ids": ["{report}"]}),
}  # fmt: skip
# Everybody may revoke their own keys, so another's is not forbidden but is not there; a key is no session to leave.
REFUSED_OTHERWISE = {"revokeApiKeys": "NOT_FOUND", "endSessions": "NOT_FOUND", "signOut": "WRONG_STATE"}

# What everybody with a key may do to themselves, and what comes of it where that is not OK.
OWN: dict[str, tuple[dict[str, Any], dict[str, str]]] = {
    "updateUser": ({"id": "{me}", "name": "Renamed", "firstName": "Re", "lastName": "Named"}, {}),
    "changePassword": (
        {"id": "{me}", "newPassword": "a long new password", "currentPassword": PASSWORD},
        {"robot": "PASSWORD_NOT_LOCAL"},
    ),
    "convertUsers": (
        {"conversions": [{"id": "{me}", "to": {"saml": {}}}]},
        {"robot": "WRONG_STATE", "admin": "LAST_ADMINISTRATOR"},
    ),
    "revertConversions": ({"ids": ["{me}"]}, dict.fromkeys(PEOPLE, "WRONG_STATE")),  # nothing to take back, but allowed
    "createApiKey": ({"userId": "{me}", "name": "mine"}, {}),
    "revokeApiKeys": ({"ids": ["{myKey}"]}, {}),
    "endSessions": ({"ids": ["{mySession}"]}, {}),
    "activateUsers": ({"ids": ["{me}"]}, {who: "SELF" if who in READERS else "FORBIDDEN" for who in PEOPLE}),
    "deactivateUsers": ({"ids": ["{me}"]}, {who: "SELF" if who in READERS else "FORBIDDEN" for who in PEOPLE}),
    "updateSavedReport": ({"id": "{myReport}", "name": "renamed"}, {"readonly": "FORBIDDEN"}),
    "deleteSavedReports": ({"ids": ["{myReport}"]}, {"readonly": "FORBIDDEN"}),
    "deleteUsers": (
        {"ids": ["{me}"]},
        {who: "SELF" if who in ("admin", "orgadmin") else "FORBIDDEN" for who in PEOPLE},
    ),
    "eraseUsers": ({"ids": ["{me}"]}, {who: "SELF" if who == "admin" else "FORBIDDEN" for who in PEOPLE}),
}

# field of User: who may read it of others
USER_FIELDS: dict[str, Who] = {
    "id": LISTERS,
    "stableId": LISTERS,
    "name": LISTERS,
    **dict.fromkeys(("username", "email", "firstName", "lastName", "externalId", "externalIds"), READERS),
    **dict.fromkeys(("state", "accessibility", "isActive", "isLdap", "isSaml", "isApiOnly"), READERS),
    **dict.fromkeys(("is2faEnabled", "hasValidPassword", "canCreateProjectsInRoot"), READERS),
    **dict.fromkeys(("ldapServerNumber", "loginDn", "lastLoginAt", "lastApiRequestAt"), READERS),
    **dict.fromkeys(("createdAt", "updatedAt", "version", "createdBy", "updatedBy"), READERS),
    **dict.fromkeys(("role", "identityProvider", "tags", "aliases", "variables"), READERS),
    **dict.fromkeys(("groupCount", "groups", "organizations", "memberships", "invitations", "apiKeys"), READERS),
    "sessions": READERS,
}

# type: how its rows are reached, who may read a field, and which fields differ from that
OTHER_FIELDS: dict[str, tuple[str, Who, dict[str, Who]]] = {
    "Role": ("{ roles { ? } }", LISTERS, {"userCount": READERS, "users": READERS}),
    "IdentityProvider": (
        "{ identityProviders { ? } }",
        LISTERS,
        {"userCount": READERS, "users": READERS, "ldapSettings": ADMINS, "samlSettings": ADMINS},
    ),
    "Organization": (
        "{ organizations { nodes { ? } } }",
        LISTERS,
        {"userCount": READERS, "users": READERS, "members": READERS},
    ),
    "Group": ("{ groups { nodes { ? } } }", LISTERS, {"userCount": READERS, "users": READERS}),
    "OrganizationMember": ('{ user(by: {id: "user_8"}) { memberships { nodes { ? } } } }', READERS, {}),
    "GroupMember": ("{ groupMemberships { nodes { ? } } }", READERS, {}),
    "Invitation": ("{ invitations { nodes { ? } } }", READERS, {}),
    "ApiKey": ("{ apiKeys { nodes { ? } } }", WITH_KEY, {}),
    "Session": ("{ me { sessions { nodes { ? } } } }", WITH_KEY, {}),
    "DirectoryJob": ("{ directoryJobs { nodes { ? } } }", READERS, {}),
    "DirectoryJobRow": ("{ directoryJobs { nodes { rows { nodes { ? } } } } }", READERS, {}),
    "AuditEvent": ("{ auditEvents { nodes { ? } } }", READERS, {}),
    "SavedReport": ("{ savedReports { nodes { ? } } }", LISTERS, {}),
}

# What refuses the way to a type before its own fields are looked at.
BEHIND = {"OrganizationMember": "User.memberships", "DirectoryJobRow": "DirectoryJob.rows"}


def fields_of(type_name: str) -> list[str]:
    found = SDL.type_map[type_name]
    assert isinstance(found, GraphQLObjectType)
    return list(found.fields)


def selecting(type_name: str, field: str) -> str:
    """A selection of the field that reads nothing of what lies behind it."""
    found = SDL.type_map[type_name]
    assert isinstance(found, GraphQLObjectType)
    inner = get_named_type(found.fields[field].type)
    return field if is_leaf_type(inner) else f"{field} {{ __typename }}"


def expected(who: str, allowed: Who, fields: str = "") -> str:
    if who in allowed:
        return "OK"
    return "UNAUTHENTICATED" if who == "stranger" else f"FORBIDDEN {fields}".strip()


async def read(service: Service, who: str, query: str) -> str:
    """What comes of a query: OK, or the code with the fields; a refused one must not have read a row."""
    with service.statements() as statements:
        body = await service.ask(query, who=None if who == "stranger" else who)
    if "errors" not in body:
        absent = [name for name, value in body["data"].items() if value is None]
        assert absent in ([], ["invitationByToken"]), body  # the example's token is nobody's
        return "OK"
    read_rows = beyond_who_asks(statements)
    assert read_rows == [], "a refused query reads nothing but who asks (and notes the use of the key)"
    assert body.get("data") is None
    told = [error["extensions"] for error in body["errors"]]
    return " ".join([word for each in told for word in (each["code"], *each.get("fields", ()))])


async def call(service: Service, who: str, mutation: str, given: dict[str, Any], *, dry: bool) -> str:
    """What comes of a mutation: OK, or the codes of its refusals."""
    assert SDL.mutation_type is not None
    declared = SDL.mutation_type.fields[mutation]
    payload = get_named_type(declared.type)
    rows = "results { action errors { code } }" if "results" in fields_of(payload.name) else ""
    operation = f"{mutation}(input: $input) {{ errors {{ code }} {rows} }}"
    document = f"mutation($input: {declared.args['input'].type}) {{ {operation} }}"
    variables = {"input": {**given, "dryRun": dry}}
    body = await service.ask(document, variables, who=None if who == "stranger" else who)
    if "errors" in body:
        assert body.get("data") is None
        return " ".join(error["extensions"]["code"] for error in body["errors"])
    done = body["data"][mutation]
    errors = done["errors"] or [error for row in done.get("results", ()) for error in row["errors"]]
    assert errors or all(row["action"] not in ("FAILED", "SKIPPED") for row in done.get("results", ()))
    return " ".join(error["code"] for error in errors) or "OK"


def filled(given: Any, names: dict[str, str]) -> Any:
    if isinstance(given, dict):
        return {key: filled(value, names) for key, value in given.items()}
    if isinstance(given, list):
        return [filled(value, names) for value in given]
    return names.get(given[1:-1], given) if isinstance(given, str) and given.startswith("{") else given


async def a_session(service: Service, username: str) -> str:
    await service.write(
        "INSERT INTO sessions (user_id, token_digest, created_at, expires_at)"
        " SELECT id, $2, created_at, $3 FROM users WHERE username_key = $1",
        username,
        f"digest of {username}",
        now() + timedelta(days=1),
    )
    return f"session_{await service.scalar('SELECT MAX(id) FROM sessions')}"


async def a_report(service: Service, username: str) -> str:
    await service.write(
        "INSERT INTO saved_reports"
        " (name, name_key, document, variables, owner_id, is_built_in, created_at, updated_at, version)"
        " SELECT 'mine', 'mine', '{ me { id } }', '{}', id, false, created_at, created_at, 1 FROM users"
        " WHERE username_key = $1",
        username,
    )
    return f"report_{await service.scalar('SELECT MAX(id) FROM saved_reports')}"


async def set_up(service: Service) -> dict[str, str]:
    """Something of each kind for the mutations to be about, in Acme East where it can be."""
    prepared = await service.data("""mutation {
      inviteUsers(input: {users: [{email: "guest@x.test", organizationIds: ["organization_3"]}]}) {
        results { invitation { id link } }
      }
      requestPasswordReset(input: {email: "member@usergraph.test"}) { link }
      createRole(input: {name: "Helper", weight: 10, permissions: [USE_SELF_SERVICE]}) { role { id } }
      createApiKey(input: {userId: "user_8", name: "old"}) { apiKey { id } }
      createSavedReport(input: {name: "all", document: "{ me { id } }",
        sharedWith: [{name: "IT"}, {name: "Project manager"}, {name: "Normal user"}]}) { savedReport { id } }
      createUser(input: {username: "clerk", email: "clerk@x.test", name: "Clerk", role: {name: "User"},
        organizationIds: ["organization_3"], authentication: {ldap: {serverNumber: 1, loginDn: "cn=clerk"}}}) {
        user { id }
      }
    }""")
    clerk = prepared["createUser"]["user"]["id"]
    conversion = f'{{conversions: [{{id: "{clerk}", to: {{local: {{}}}}}}]}}'
    await service.data(f"mutation {{ convertUsers(input: {conversion}) {{ summary {{ updated }} }} }}")
    invitation = prepared["inviteUsers"]["results"][0]["invitation"]
    return {
        "clerk": clerk,
        "invitation": invitation["id"],
        "invitationToken": invitation["link"].split("#")[1],
        "resetToken": prepared["requestPasswordReset"]["link"].split("#")[1],
        "role": prepared["createRole"]["role"]["id"],
        "key": prepared["createApiKey"]["apiKey"]["id"],
        "session": await a_session(service, "member"),
        "report": prepared["createSavedReport"]["savedReport"]["id"],
    }


def test_the_table_has_every_query_and_mutation_and_every_field_of_user() -> None:
    assert SDL.query_type is not None
    assert SDL.mutation_type is not None
    hint = "Add it to the table of tests/test_permission_matrix.py, for all eight viewers."
    assert set(QUERIES) == set(SDL.query_type.fields), hint
    assert set(MUTATIONS) | OF_ONE_SELF == set(SDL.mutation_type.fields), hint
    assert set(USER_FIELDS) == set(fields_of("User")), hint


@pytest.mark.parametrize("who", VIEWERS)
async def test_every_query_and_field_answers_whom_the_table_says_and_refuses_the_others_unread(
    service: Service, who: str
) -> None:
    found = {name: await read(service, who, query) for name, (_, query, _) in QUERIES.items()}
    wanted = {name: expected(who, allowed, fields) for name, (allowed, _, fields) in QUERIES.items()}
    for field, allowed in USER_FIELDS.items():
        query = f'{{ user(by: {{id: "user_8"}}) {{ {selecting("User", field)} }} }}'
        found[f"User.{field}"] = await read(service, who, query)
        wanted[f"User.{field}"] = expected(who, allowed, f"User.{field}")
    for type_name, (path, most, differing) in OTHER_FIELDS.items():
        for field in fields_of(type_name):
            name = f"{type_name}.{field}"
            found[name] = await read(service, who, path.replace("?", selecting(type_name, field)))
            first = BEHIND.get(type_name, name)
            wanted[name] = expected(who, differing.get(field, most), first)
    own = " ".join(selecting("User", field) for field in USER_FIELDS)
    found["own user"] = await read(service, who, f"{{ me {{ {own} }} viewer {{ user {{ {own} }} }} }}")
    wanted["own user"] = expected(who, WITH_KEY)
    assert found == wanted


@pytest.mark.parametrize("who", VIEWERS)
async def test_every_mutation_obeys_whom_the_table_says_and_refuses_the_others_unstored(
    service: Service, who: str
) -> None:
    names = await set_up(service)
    before = await service.snapshot()
    wanted = {name: expected(who, allowed) for name, (allowed, _) in MUTATIONS.items()}
    wanted |= {name: code for name, code in REFUSED_OTHERWISE.items() if wanted[name] == "FORBIDDEN"}
    # What is allowed is asked as a dry run, so that every mutation meets the same directory.
    found = {
        name: await call(service, who, name, filled(given, names), dry=wanted[name] == "OK")
        for name, (_, given) in MUTATIONS.items()
    }
    assert found == wanted
    kept = ("directory_jobs", "directory_job_rows")  # plans, which a dry run of these is for
    after = {**await service.snapshot(), **{name: before[name] for name in kept}}
    assert after == before


@pytest.mark.parametrize("mutation", sorted(OF_ONE_SELF))
async def test_a_stranger_has_no_second_factor(service: Service, mutation: str) -> None:
    given = {} if mutation == "enrollSecondFactor" else {"code": "123456"}
    assert await call(service, "stranger", mutation, given, dry=False) == "UNAUTHENTICATED"


@pytest.mark.parametrize("who", VIEWERS)
async def test_everybody_may_do_to_themselves_what_the_table_says(service: Service, who: str) -> None:
    me = "admin" if who == "stranger" else who  # a stranger may not even name somebody as themselves
    key_id = await service.scalar("SELECT id FROM api_keys WHERE user_id = $1", PEOPLE.index(me) + 1)
    names = {"me": await service.id_of(me), "myKey": f"key_{key_id}", "mySession": await a_session(service, me)}
    names["myReport"] = await a_report(service, me)
    before = await service.snapshot()
    wanted = {name: refused.get(who, "OK") for name, (_, refused) in OWN.items()}
    if who == "stranger":
        wanted = dict.fromkeys(OWN, "UNAUTHENTICATED")
    found = {
        name: await call(service, who, name, filled(given, names), dry=wanted[name] == "OK")
        for name, (given, _) in OWN.items()
    }
    assert found == wanted
    assert await service.snapshot() == before
