"""Nobody gives what they lack, nor touches who is heavier: not by role, invitation, key, or any other way."""

from typing import Any

from resolvers.policy import Right
from tests.calls import change, hold, join, new_key, new_role, refused, told
from tests.service import Service

ALL = [right.value for right in Right]
NEW = {"username": "new", "email": "new@x.test", "name": "New", "authentication": {"apiOnly": True}}


def ways_to_grant(role: str, organizations: list[str]) -> list[tuple[str, dict[str, Any]]]:
    """Every call by which somebody comes to hold a platform role."""
    named = {"role": {"name": role}}
    return [
        ("createUser", {**NEW, **named, "organizationIds": organizations}),
        ("inviteUsers", {"users": [{"email": "new@x.test", **named, "organizationIds": organizations}]}),
        ("upsertUsers", {"users": [{"email": "new@x.test", **named, "organizationIds": organizations}]}),
        ("upsertUsers", {"users": [{"email": "member@usergraph.test", **named}]}),
        ("updateUser", {"id": "user_8", **named}),
    ]


async def test_nobody_grants_a_platform_role_heavier_or_wider_than_their_own(service: Service) -> None:
    await new_role(service, "Trap", 10, ["DELETE_USERS"])  # light, but it may what IT may not
    for who, role, code in (
        ("it", "Admin", "ROLE_TOO_HEAVY"),
        ("it", "fulladmin", "ROLE_TOO_HEAVY"),
        ("it", "Trap", "RIGHTS_TOO_WIDE"),
        ("robot", "Admin", "ROLE_TOO_HEAVY"),
        ("orgadmin", "Admin", "ROLE_TOO_HEAVY"),
        ("orgadmin", "IT", "ROLE_TOO_HEAVY"),
        ("orgadmin", "Project manager", "ROLE_TOO_HEAVY"),
        ("orgadmin", "Trap", "RIGHTS_TOO_WIDE"),
        ("it", "IT", ""),
        ("orgadmin", "Normal user", ""),
    ):
        for mutation, given in ways_to_grant(role, ["organization_3"]):
            dry = {"dryRun": True} if code == "" else {}
            assert await refused(service, mutation, {**given, **dry}, who=who) == code, (who, role, mutation)
        own = {"id": await service.id_of(who), "role": {"name": role}}
        assert await refused(service, "updateUser", own, who=who) == code, (who, role)


async def test_nobody_grants_a_role_in_an_organization_heavier_or_wider_than_theirs_there(service: Service) -> None:
    await new_role(service, "Trap", 10, ["DELETE_USERS"])
    await join(service, 2, 4, role=2)  # `normal` is IT of Acme
    held = "SELECT r.name FROM organization_members m JOIN roles r ON r.id = m.role_id WHERE m.user_id = 8"
    for who, organization, role, code in (
        ("it", "organization_3", "Admin", "ROLE_TOO_HEAVY"),
        ("it", "organization_3", "Trap", "RIGHTS_TOO_WIDE"),
        ("it", "organization_3", "IT", ""),
        ("orgadmin", "organization_3", "Admin", ""),  # Admin of Acme, and so of Acme East
        ("orgadmin", "organization_3", "Trap", ""),
        ("orgadmin", "organization_5", "Read only", "OUTSIDE_ORGANIZATION"),
        ("orgadmin", "organization_1", "Admin", "OUTSIDE_ORGANIZATION"),
        ("normal", "organization_2", "Admin", "ROLE_TOO_HEAVY"),
        ("normal", "organization_2", "Trap", "RIGHTS_TOO_WIDE"),
        ("normal", "organization_2", "IT", ""),
        ("pm", "organization_3", "Read only", "FORBIDDEN"),
    ):
        given = {"id": organization, "userIds": ["user_8"], "role": {"name": role}}
        assert await refused(service, "addOrganizationMembers", given, who=who) == code, (who, organization, role)
        assert await service.rows(held) == ([(role,)] if code == "" else [])
        await service.write("UPDATE organization_members SET role_id = NULL WHERE user_id = 8")


async def test_a_role_is_not_made_or_changed_into_more_than_its_maker_has(service: Service) -> None:
    registrar = await new_role(service, "Registrar", 70, ["MANAGE_ROLES", "USE_SELF_SERVICE"])
    trap = f"role_{await new_role(service, 'Trap', 10, ['DELETE_USERS'])}"
    boss = f"role_{await new_role(service, 'Boss', 71, ['USE_SELF_SERVICE'])}"
    light = f"role_{await new_role(service, 'Light', 10, ['USE_SELF_SERVICE'])}"
    await hold(service, "pm", registrar)
    for mutation, given, code in (
        ("createRole", {"name": "New", "weight": 71, "permissions": []}, "ROLE_TOO_HEAVY"),
        ("createRole", {"name": "New", "weight": 10, "permissions": ["DELETE_USERS"]}, "RIGHTS_TOO_WIDE"),
        ("updateRole", {"id": light, "weight": 71}, "ROLE_TOO_HEAVY"),
        ("updateRole", {"id": light, "permissions": ["USE_SELF_SERVICE", "READ_AUDIT"]}, "RIGHTS_TOO_WIDE"),
        ("updateRole", {"id": f"role_{registrar}", "permissions": ALL}, "RIGHTS_TOO_WIDE"),
        ("updateRole", {"id": f"role_{registrar}", "weight": 100}, "ROLE_TOO_HEAVY"),
        ("updateRole", {"id": boss, "weight": 10}, "ROLE_TOO_HEAVY"),
        ("updateRole", {"id": boss, "name": "Nobody"}, "ROLE_TOO_HEAVY"),
        ("updateRole", {"id": trap, "permissions": []}, "RIGHTS_TOO_WIDE"),
        ("updateRole", {"id": "role_1", "synonyms": ["Chief"]}, "ROLE_TOO_HEAVY"),
        ("deleteRole", {"id": boss}, "ROLE_TOO_HEAVY"),
        ("deleteRole", {"id": trap}, "RIGHTS_TOO_WIDE"),
        ("createRole", {"name": "New", "weight": 70, "permissions": ["MANAGE_ROLES"]}, ""),
        ("updateRole", {"id": light, "weight": 70, "permissions": ["MANAGE_ROLES"]}, ""),
        ("deleteRole", {"id": light}, ""),
    ):
        assert await refused(service, mutation, given, who="pm") == code, (mutation, given)


async def a_boss(service: Service) -> dict[str, str]:
    """An Admin with something of everything that others could lay hands on; and one retired, and one invited."""
    login = {"ldap": {"serverNumber": 1, "loginDn": "cn=boss"}}
    boss = {"username": "boss", "email": "boss@x.test", "name": "Boss", "role": {"name": "Admin"}}
    home = {"organizationIds": ["organization_3"], "groupIds": ["group_1"]}
    made = await change(service, "createUser", {**boss, **home, "authentication": login}, more="user { id }")
    user = made["user"]["id"]
    assert told(await change(service, "convertUsers", {"conversions": [{"id": user, "to": {"local": {}}}]})) == []
    key = await change(service, "createApiKey", {"userId": user, "name": "boss"}, more="apiKey { id }")
    guest = {"users": [{"email": "guest@x.test", "role": {"name": "Admin"}}]}
    invited = await change(service, "inviteUsers", guest, more="results { invitation { id } }")
    retired = {**NEW, "role": {"name": "Admin"}, "username": "retired", "email": "retired@x.test"}
    gone = (await change(service, "createUser", retired, more="user { id }"))["user"]["id"]
    assert told(await change(service, "deactivateUsers", {"ids": [gone]})) == []
    invitation = invited["results"][0]["invitation"]["id"]
    return {"boss": user, "key": key["apiKey"]["id"], "invitation": invitation, "retired": gone}


async def test_a_heavier_user_is_left_alone_by_every_mutation(service: Service) -> None:
    names = await a_boss(service)
    boss = names["boss"]
    await hold(service, "it", await new_role(service, "Deputy", 99, ALL))
    for mutation, given in (
        ("updateUser", {"id": boss, "email": "mine@x.test"}),
        ("updateUser", {"id": boss, "username": "mine"}),
        ("updateUser", {"id": boss, "name": "Mine", "setTags": [], "aliases": ["mine"]}),
        ("updateUser", {"id": boss, "role": {"name": "Read only"}}),
        ("upsertUsers", {"users": [{"email": "boss@x.test", "name": "Mine"}]}),
        ("upsertUsers", {"users": [{"email": "BOSS@x.test", "role": {"name": "Deactivated"}}]}),
        ("upsertUsers", {"users": [{"email": "boss@x.test", "isActive": False}]}),
        ("changePassword", {"id": boss, "newPassword": "a long new password"}),
        ("requestPasswordReset", {"email": "boss@x.test"}),
        ("createApiKey", {"userId": boss, "name": "mine"}),
        ("createApiKey", {"userId": boss, "name": "mine", "permissions": ["USE_SELF_SERVICE"]}),
        ("revokeApiKeys", {"ids": [names["key"]]}),
        ("convertUsers", {"conversions": [{"id": boss, "to": {"saml": {}}}]}),
        ("revertConversions", {"ids": [boss]}),
        ("deactivateUsers", {"ids": [boss]}),
        ("activateUsers", {"ids": [names["retired"]]}),
        ("deleteUsers", {"ids": [boss]}),
        ("deleteUsers", {"ids": [names["retired"]]}),
        ("addOrganizationMembers", {"id": "organization_5", "userIds": [boss]}),
        ("addOrganizationMembers", {"id": "organization_3", "userIds": [boss], "role": {"name": "Read only"}}),
        ("removeOrganizationMembers", {"id": "organization_3", "userIds": [boss]}),
        ("addGroupMembers", {"id": "group_2", "userIds": [boss]}),
        ("removeGroupMembers", {"id": "group_1", "userIds": [boss]}),
        ("resendInvitations", {"ids": [names["invitation"]]}),
        ("revokeInvitations", {"ids": [names["invitation"]]}),
    ):
        assert await refused(service, mutation, given, who="it") == "USER_TOO_HEAVY", (mutation, given)
        # Only the weight is in the way: an Admin may.
        assert told(await change(service, mutation, {**given, "dryRun": True})) == [], (mutation, given)


async def test_what_hides_behind_good_rows_is_refused_with_them_and_alone_with_the_other_policy(
    service: Service,
) -> None:
    given = {"ids": ["user_8", "user_1", "user_999"]}
    before = await service.snapshot()
    payload = await change(service, "deactivateUsers", given, who="it")
    assert [(row["action"], [e["code"] for e in row["errors"]]) for row in payload["results"]] == [
        ("SKIPPED", ["OTHERS_FAILED"]),
        ("FAILED", ["USER_TOO_HEAVY"]),
        ("FAILED", ["NOT_FOUND"]),
    ]
    assert await service.snapshot() == before
    payload = await change(service, "deactivateUsers", {**given, "errorPolicy": "REJECT_FAILED"}, who="it")
    assert [row["action"] for row in payload["results"]] == ["UPDATED", "FAILED", "FAILED"]
    assert await service.rows("SELECT id FROM users WHERE state = 'DEACTIVATED'") == [(8,)]


async def test_the_first_administrator_is_found_by_their_own_address(service: Service) -> None:
    address = await service.scalar("SELECT email FROM users WHERE id = 1")
    more = "results { matchedBy user { id } }"
    payload = await change(service, "upsertUsers", {"users": [{"email": address, "name": "Chief"}]}, more=more)
    row = {"action": "UPDATED", "errors": [], "matchedBy": "EMAIL", "user": {"id": "user_1"}}
    assert payload == {"errors": [], "results": [row]}
    assert await service.scalar("SELECT name FROM users WHERE id = 1") == "Chief"


OTHERS_FIELDS: list[dict[str, Any]] = [
    {"email": "x@x.test"},
    {"username": "x"},
    {"externalId": "x"},
    {"role": {"name": "Read only"}},
    {"canCreateProjectsInRoot": True},
    {"tags": ["x"]},
    {"setAliases": ["x"]},
    {"removeVariables": ["x"]},
    {"organizationIds": ["organization_2"]},
    {"groupIds": ["group_1"]},
    {"ldapServerNumber": 1},
    {"loginDn": "cn=x"},
]


async def test_everybody_renames_themselves_and_changes_nothing_else_of_it(service: Service) -> None:
    before = await service.snapshot()
    for given in OTHERS_FIELDS:
        payload = await change(service, "updateUser", {"id": "user_3", "name": "Sly", **given}, who="pm")
        assert [(e["code"], e["path"]) for e in payload["errors"]] == [("FORBIDDEN", list(given))]
    assert await service.snapshot() == before
    assert await service.scalar("SELECT name FROM users WHERE id = 3") == "Pm"


NARROW = ["CREATE_USERS", "INVITE_USERS", "UPDATE_USERS", "MANAGE_ORGANIZATIONS", "MANAGE_ROLES", "MANAGE_API_KEYS"]


async def test_nobody_opens_a_way_in_to_a_user_who_may_more(service: Service) -> None:
    """As heavy as an administrator, and with few rights: no address, login DN or conversion leads to the others."""
    role = await new_role(service, "Clerk", 100, ["USE_SELF_SERVICE", "CREATE_USERS", "UPDATE_USERS", "CONVERT_USERS"])
    await hold(service, "pm", role)
    await change(service, "updateUser", {"id": "user_1", "externalId": "hr-1"})
    ldap = {"to": {"ldap": {"serverNumber": 1, "loginDn": "cn=mine"}}}
    before = await service.snapshot()
    for mutation, given in (
        ("updateUser", {"id": "user_1", "email": "mine@x.test"}),
        ("upsertUsers", {"users": [{"externalId": "hr-1", "email": "mine@x.test"}]}),
        ("convertUsers", {"conversions": [{"id": "user_1", **ldap}]}),
    ):
        assert await refused(service, mutation, given, who="pm") == "RIGHTS_TOO_WIDE", mutation
    assert await service.snapshot() == before
    for mutation, given in (
        ("updateUser", {"id": "user_1", "name": "Chief"}),
        ("updateUser", {"id": "user_3", "email": "mine@x.test"}),
        ("upsertUsers", {"users": [{"externalId": "hr-1", "email": "admin@usergraph.example", "name": "Boss"}]}),
    ):
        assert await refused(service, mutation, given, who="pm") == "", mutation
    await change(service, "convertUsers", {"conversions": [{"id": "user_2", **ldap}]})
    other = {"id": "user_2", "loginDn": "cn=other"}
    assert await refused(service, "updateUser", other, who="pm") == "RIGHTS_TOO_WIDE"


async def test_a_narrow_key_of_an_administrator_mints_nothing_wider_than_itself(service: Service) -> None:
    light = f"role_{await new_role(service, 'Light', 10, ['CREATE_USERS'])}"
    key = await new_key(service, NARROW)
    for mutation, given in (
        *ways_to_grant("Read only", []),
        ("addOrganizationMembers", {"id": "organization_3", "userIds": ["user_8"], "role": {"name": "Read only"}}),
        ("createRole", {"name": "New", "weight": 10, "permissions": ["USE_SELF_SERVICE"]}),
        ("updateRole", {"id": light, "permissions": [*NARROW, "READ_USERS"]}),
        ("updateRole", {"id": "role_5", "synonyms": []}),
        ("createApiKey", {"userId": "user_2", "name": "all of its owner's"}),
        ("createApiKey", {"userId": "user_2", "name": "some of them", "permissions": ["READ_USERS"]}),
    ):
        assert await refused(service, mutation, given, key=key) == "RIGHTS_TOO_WIDE", (mutation, given)
    for mutation, given in (
        ("deactivateUsers", {"ids": ["user_8"]}),
        ("changePassword", {"id": "user_8", "newPassword": "a long new password"}),
        ("createApiKey", {"name": "mine", "permissions": ["READ_USERS"]}),  # without self-service not even one's own
        ("convertUsers", {"conversions": [{"id": "user_1", "to": {"saml": {}}}]}),
    ):
        assert await refused(service, mutation, given, key=key) == "FORBIDDEN", (mutation, given)
    assert await refused(service, "createRole", {"name": "New", "weight": 10, "permissions": NARROW}, key=key) == ""


async def test_a_narrow_key_reads_no_more_than_it_may(service: Service) -> None:
    key = await new_key(service, ["LIST_USERS"])
    headers = {"x-apikey": key}

    async def answer(query: str) -> Any:
        return (await service.post({"query": query}, who=None, headers=headers)).json()

    viewer = await answer("{ viewer { permissions visibleUserFields } users { nodes { id name } } me { username } }")
    assert viewer["data"]["viewer"] == {"permissions": ["LIST_USERS"], "visibleUserFields": ["id", "stableId", "name"]}
    assert (len(viewer["data"]["users"]["nodes"]), viewer["data"]["me"]) == (9, {"username": "admin"})
    for query, field in (
        ("{ users { nodes { email } } }", "User.email"),
        ("{ roles { name } }", "Role.name"),
        ("{ auditEvents { nodes { id } } }", "AuditEvent.id"),
        ("{ apiKeys { nodes { id } } }", "ApiKey.id"),
    ):
        assert (await answer(query))["errors"][0]["extensions"] == {"code": "FORBIDDEN", "fields": [field]}


async def test_a_user_for_api_keys_only_never_gets_another_way_in(service: Service) -> None:
    data = await service.data(
        "{ me { isApiOnly accessibility hasValidPassword identityProvider { id } } }", who="robot"
    )
    nothing = {"hasValidPassword": False, "identityProvider": None}
    assert data == {"me": {"isApiOnly": True, "accessibility": "API_ONLY", **nothing}}
    for who in ("robot", "admin"):
        for mutation, given, code in (
            ("changePassword", {"id": "user_7", "newPassword": "a long new password"}, "PASSWORD_NOT_LOCAL"),
            ("convertUsers", {"conversions": [{"id": "user_7", "to": {"local": {}}}]}, "WRONG_STATE"),
            ("convertUsers", {"conversions": [{"id": "user_7", "to": {"saml": {}}}]}, "WRONG_STATE"),
            ("revertConversions", {"ids": ["user_7"]}, "WRONG_STATE"),
            ("requestPasswordReset", {"email": "robot@usergraph.test"}, "PASSWORD_NOT_LOCAL"),
            ("createApiKey", {"userId": "user_7", "name": "another"}, ""),
        ):
            assert await refused(service, mutation, given, who=who) == code, (who, mutation)
    before = await service.snapshot()
    reset = 'mutation { requestPasswordReset(input: {email: "robot@usergraph.test"}) { accepted link } }'
    answer = {"requestPasswordReset": {"accepted": True, "link": None}}
    assert await service.data(reset, who=None) == answer
    assert await service.snapshot() == before
