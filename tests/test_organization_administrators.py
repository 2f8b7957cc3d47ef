"""An organization's administrator acts within it and below, nowhere else, and not above their place in it."""

import json
import re
from typing import Any

import pytest

from tests.calls import change, join, new_key, new_role, refused, told
from tests.service import Service, key_of

OUTSIDE = "OUTSIDE_ORGANIZATION"
# Whether there is such an address elsewhere is not told.
NO_HINT = {"requestPasswordReset": "NOT_FOUND"}
NEW = {"username": "new", "email": "new@x.test", "name": "New", "role": {"name": "Normal user"}}
LOCAL = {"authentication": {"apiOnly": True}}


def on_user(user: str, email: str) -> list[tuple[str, dict[str, Any]]]:
    """Every mutation that is about an existing user."""
    return [
        ("updateUser", {"id": user, "name": "Mine"}),
        ("updateUser", {"id": user, "email": "mine@x.test", "role": {"name": "Read only"}}),
        ("upsertUsers", {"users": [{"email": email, "name": "Mine"}]}),
        ("upsertUsers", {"users": [{"email": email, "isActive": False}]}),
        ("upsertUsers", {"users": [{"email": email, "organizationIds": ["organization_2"]}]}),
        ("changePassword", {"id": user, "newPassword": "a long new password"}),
        ("requestPasswordReset", {"email": email}),
        ("createApiKey", {"userId": user, "name": "mine"}),
        ("convertUsers", {"conversions": [{"id": user, "to": {"saml": {}}}]}),
        ("revertConversions", {"ids": [user]}),
        ("activateUsers", {"ids": [user]}),
        ("deactivateUsers", {"ids": [user]}),
        ("deleteUsers", {"ids": [user]}),
        ("addOrganizationMembers", {"id": "organization_2", "userIds": [user]}),
        ("addOrganizationMembers", {"id": "organization_4", "userIds": [user], "role": {"name": "Read only"}}),
        ("removeOrganizationMembers", {"id": "organization_3", "userIds": [user]}),
        ("addGroupMembers", {"id": "group_2", "userIds": [user]}),
        ("removeGroupMembers", {"id": "group_1", "userIds": [user]}),
    ]


@pytest.mark.parametrize("elsewhere", [5, 1], ids=["of another one too", "of the platform too"])
async def test_users_who_do_not_lie_wholly_within_are_left_alone_by_every_mutation(
    service: Service, elsewhere: int
) -> None:
    await join(service, elsewhere, 8)
    for mutation, given in on_user("user_8", "member@usergraph.test"):
        assert await refused(service, mutation, given, who="orgadmin") == NO_HINT.get(mutation, OUTSIDE), mutation


@pytest.mark.parametrize(
    ("user", "email"),
    [("user_9", "outsider@usergraph.test"), ("user_4", "normal@usergraph.test")],
    ids=["of another organization", "of none"],
)
async def test_a_user_out_of_sight_is_refused_in_the_words_for_one_who_is_not_there(
    service: Service, user: str, email: str
) -> None:
    """An address cannot be said to be free: there it is the answer of every call that would make such a user."""
    for mutation, given in on_user(user, email):
        if mutation == "upsertUsers":
            assert await refused(service, mutation, given, who="orgadmin") == "TAKEN", given
            continue
        missing = json.loads(elsewhere(json.dumps(given), user, email))
        answers = [await change(service, mutation, each, who="orgadmin") for each in (given, missing)]
        assert told(answers[0]) == ["NOT_FOUND"], mutation
        assert elsewhere(json.dumps(answers[0]), user, email) == json.dumps(answers[1]), mutation


def elsewhere(text: str, user: str, email: str) -> str:
    """The same about somebody who is not there."""
    return re.sub(rf"{user}\b", "user_999", text).replace(email, "nobody@x.test")


async def test_rows_that_name_one_out_of_sight_twice_do_not_say_so(service: Service) -> None:
    await change(service, "updateUser", {"id": "user_9", "externalId": "hr-9"})
    row = {"email": "outsider@usergraph.test", "name": "Mine"}
    for rows in ([row, row], [row, {"email": "other@x.test", "externalId": "hr-9"}]):
        assert await refused(service, "upsertUsers", {"users": rows}, who="orgadmin") == "TAKEN TAKEN"
    for mutation in ("deactivateUsers", "activateUsers"):
        given = {"ids": ["user_9", "user_9"]}
        assert await refused(service, mutation, given, who="orgadmin") == "NOT_FOUND NOT_FOUND"
    twice = {"conversions": [{"id": "user_9", "to": {"saml": {}}}] * 2}
    assert await refused(service, "convertUsers", twice, who="orgadmin") == "NOT_FOUND NOT_FOUND"


async def test_keys_and_invitations_of_users_outside_are_left_alone(service: Service) -> None:
    far = {"users": [{"email": "far@x.test", "organizationIds": ["organization_5"]}]}
    invited = await change(service, "inviteUsers", far, more="results { invitation { id } }")
    invitation = invited["results"][0]["invitation"]["id"]
    key = (await change(service, "createApiKey", {"userId": "user_9", "name": "far"}, more="apiKey { id }"))["apiKey"]
    for mutation, given in (
        ("resendInvitations", {"ids": [invitation]}),
        ("revokeInvitations", {"ids": [invitation]}),
        ("revokeApiKeys", {"ids": [key["id"]]}),
        ("revokeApiKeys", {"ids": ["key_4"]}),
    ):
        assert await refused(service, mutation, given, who="orgadmin") == "NOT_FOUND", (mutation, given)


async def test_new_users_are_made_within(service: Service) -> None:
    for organizations, code in (
        ([], OUTSIDE),
        (["organization_5"], OUTSIDE),
        (["organization_1"], OUTSIDE),
        (["organization_3", "organization_5"], OUTSIDE),
        (["organization_2"], ""),
        (["organization_3", "organization_4"], ""),
    ):
        place = {"organizationIds": organizations}
        for mutation, given in (
            ("createUser", {**NEW, **LOCAL, **place}),
            ("inviteUsers", {"users": [{"email": "new@x.test", **place}]}),
            ("upsertUsers", {"users": [{"email": "new@x.test", **place}]}),
        ):
            dry = {"dryRun": True} if code == "" else {}
            found = await refused(service, mutation, {**given, **dry}, who="orgadmin")
            assert found == code, (mutation, organizations)


async def test_users_within_are_not_sent_to_other_organizations(service: Service) -> None:
    for number, code in ((5, OUTSIDE), (1, OUTSIDE), (4, "")):
        organization = f"organization_{number}"
        joined = f"SELECT count(*) FROM organization_members WHERE organization_id = {number} AND user_id IN (6, 8)"
        for mutation, given in (
            ("updateUser", {"id": "user_8", "organizationIds": [organization]}),
            ("upsertUsers", {"users": [{"email": "member@usergraph.test", "organizationIds": [organization]}]}),
            ("addOrganizationMembers", {"id": organization, "userIds": ["user_8"]}),
            ("addOrganizationMembers", {"id": organization, "userIds": ["user_6"], "role": {"name": "Admin"}}),
        ):
            assert await refused(service, mutation, given, who="orgadmin") == code, (mutation, organization)
            assert await service.scalar(joined) == (0 if code else 1), (mutation, organization)
            await service.write(f"DELETE FROM organization_members WHERE organization_id = {number}")


async def test_organizations_outside_are_left_alone(service: Service) -> None:
    for mutation, given in (
        ("createOrganization", {"name": "Mine"}),
        ("createOrganization", {"name": "Mine", "parentId": "organization_1"}),
        ("createOrganization", {"name": "Mine", "parentId": "organization_5"}),
        ("updateOrganization", {"id": "organization_5", "name": "Mine"}),
        ("updateOrganization", {"id": "organization_1", "name": "Mine"}),
        ("updateOrganization", {"id": "organization_5", "parentId": "organization_2"}),
        ("updateOrganization", {"id": "organization_4", "parentId": "organization_5"}),
        ("updateOrganization", {"id": "organization_2", "parentId": "organization_1"}),
        ("deleteOrganization", {"id": "organization_5"}),
        ("deleteOrganization", {"id": "organization_1"}),
        ("removeOrganizationMembers", {"id": "organization_5", "userIds": ["user_9"]}),
        ("removeOrganizationMembers", {"id": "organization_5", "userIds": ["user_8"]}),
    ):
        assert await refused(service, mutation, given, who="orgadmin") == OUTSIDE, (mutation, given)
    for mutation, given in (
        ("createOrganization", {"name": "Mine", "parentId": "organization_2"}),
        ("updateOrganization", {"id": "organization_4", "parentId": "organization_3"}),
        ("updateOrganization", {"id": "organization_2", "name": "Acme and sons"}),
        ("deleteOrganization", {"id": "organization_4"}),
    ):
        assert await refused(service, mutation, given, who="orgadmin") == "", (mutation, given)


async def test_what_belongs_to_the_platform_is_not_theirs(service: Service) -> None:
    group = {"users": [{"email": "member@usergraph.test", "groups": ["Brand new"]}], "createMissingGroups": True}
    for mutation, given in (
        ("createGroup", {"name": "Mine"}),
        ("updateGroup", {"id": "group_1", "name": "Mine"}),
        ("deleteGroup", {"id": "group_1"}),
        ("upsertUsers", group),
        ("createRole", {"name": "Mine", "weight": 1, "permissions": []}),
        ("updateRole", {"id": "role_5", "synonyms": []}),
        ("deleteRole", {"id": "role_5"}),
        ("createIdentityProvider", {"name": "Mine", "prefix": "mine", "kind": "SAML"}),
        ("updateIdentityProvider", {"id": "provider_3", "isEnabled": True}),
        ("deleteIdentityProvider", {"id": "provider_3"}),
    ):
        assert await refused(service, mutation, given, who="orgadmin") == "FORBIDDEN", (mutation, given)


async def test_what_was_lost_with_the_membership_is_lost_at_once(service: Service) -> None:
    assert await refused(service, "updateUser", {"id": "user_8", "name": "One"}, who="orgadmin") == ""
    gone = {"id": "organization_2", "userIds": ["user_6"]}
    assert told(await change(service, "removeOrganizationMembers", gone)) == []
    assert await refused(service, "updateUser", {"id": "user_8", "name": "Two"}, who="orgadmin") == "FORBIDDEN"


@pytest.mark.parametrize(
    ("who", "otherwise"),
    [("normal", {**NO_HINT, "deleteUsers": "FORBIDDEN"}), ("it", {"deleteUsers": "FORBIDDEN"})],
    ids=["IT of Acme", "IT of the platform"],
)
async def test_nobody_touches_who_is_heavier_than_themselves_in_an_organization(
    service: Service, who: str, otherwise: dict[str, str]
) -> None:
    """`orgadmin` is a Normal user of the platform and Admin of Acme; the others are IT, there or everywhere."""
    await join(service, 2, 4, role=2)
    for mutation, given in (
        *on_user("user_6", "orgadmin@usergraph.test"),
        ("revokeApiKeys", {"ids": ["key_6"]}),
        ("removeOrganizationMembers", {"id": "organization_2", "userIds": ["user_6"]}),
        ("addOrganizationMembers", {"id": "organization_2", "userIds": ["user_6"], "role": {"name": "Read only"}}),
    ):
        wanted = otherwise.get(mutation, "USER_TOO_HEAVY")
        assert await refused(service, mutation, given, who=who) == wanted, (mutation, given)
    assert await refused(service, "updateUser", {"id": "user_4", "name": "Other way"}, who="orgadmin") == ""


async def test_a_key_for_another_gives_no_rights_that_its_maker_lacks(service: Service) -> None:
    helper = await new_role(
        service, "Helper", 50, ["MANAGE_API_KEYS", "USE_SELF_SERVICE", "READ_DIRECTORY", "LIST_USERS"]
    )
    auditor = await new_role(service, "Auditor", 10, ["USE_SELF_SERVICE", "READ_AUDIT"])
    await service.write(f"UPDATE users SET role_id = {helper} WHERE id = 3")
    # An Admin of Acme is more than a Normal user with a key.
    wide = {"userId": "user_6", "name": "mine"}
    assert await refused(service, "createApiKey", wide, who="pm") in ("RIGHTS_TOO_WIDE", "USER_TOO_HEAVY")
    assert await refused(service, "createApiKey", {"userId": "user_4", "name": "mine"}, who="pm") == ""
    # Who reads the audit log of Acme does not come to read that of the platform, through a member who may.
    await service.write(f"UPDATE users SET role_id = {auditor} WHERE id = 8")
    for permissions in (None, ["READ_AUDIT"]):
        given = {"userId": "user_8", "name": "mine", "permissions": permissions}
        assert await refused(service, "createApiKey", given, who="orgadmin") == "RIGHTS_TOO_WIDE"


async def test_a_narrow_key_narrows_what_a_membership_gives(service: Service) -> None:
    key = await new_key(service, ["UPDATE_USERS", "LIST_USERS"], who="orgadmin")
    assert await refused(service, "updateUser", {"id": "user_8", "name": "Renamed"}, key=key) == ""
    assert await refused(service, "updateUser", {"id": "user_9", "name": "Renamed"}, key=key) == "OUTSIDE_ORGANIZATION"
    assert await refused(service, "deactivateUsers", {"ids": ["user_8"]}, key=key) == "FORBIDDEN"
    query = "{ viewer { permissions administeredOrganizationIds visibleUserFields } }"
    narrow = (await service.post({"query": query}, who=None, headers={"x-apikey": key})).json()["data"]["viewer"]
    assert narrow["permissions"] == ["LIST_USERS", "UPDATE_USERS"]
    assert narrow["visibleUserFields"] == ["id", "stableId", "name"]
    assert narrow["administeredOrganizationIds"] == ["organization_2"]
    whole = await service.post({"query": query}, who=None, headers={"x-apikey": key_of("orgadmin")})
    assert len(whole.json()["data"]["viewer"]["permissions"]) == 16
