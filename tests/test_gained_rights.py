"""Nobody gains rights over others by moving them, or keeps for themselves what is the platform's to give."""

import json
from typing import Any

import pytest

from tests.calls import change, hold, join, new_role, refused, told
from tests.service import Service

MANAGER = ["MANAGE_ORGANIZATIONS", "UPDATE_USERS", "CREATE_USERS", "USE_SELF_SERVICE", "READ_DIRECTORY", "READ_USERS"]


async def a_manager(service: Service, rights: list[str] = MANAGER) -> None:
    """`orgadmin`, Admin of Acme, may manage organizations and update users everywhere, and nothing else there."""
    await hold(service, "orgadmin", await new_role(service, "Manager", 60, rights))


def ways_to_move(user: str, email: str, organization: str) -> list[tuple[str, dict[str, Any]]]:
    """Every call by which an existing user comes to be in an organization."""
    return [
        ("addOrganizationMembers", {"id": organization, "userIds": [user]}),
        ("addOrganizationMembers", {"id": organization, "userIds": [user], "role": {"name": "Read only"}}),
        ("updateUser", {"id": user, "organizationIds": [organization]}),
        ("upsertUsers", {"users": [{"email": email, "organizationIds": [organization]}]}),
    ]


async def test_a_user_is_not_moved_to_where_the_mover_may_more(service: Service) -> None:
    await a_manager(service)
    password = {"id": "user_4", "newPassword": "a long new password"}
    assert await refused(service, "changePassword", password, who="orgadmin") in ("NOT_FOUND", "OUTSIDE_ORGANIZATION")
    for user, email in (("user_4", "normal@usergraph.test"), ("user_5", "readonly@usergraph.test")):
        for organization in ("organization_2", "organization_3"):
            for mutation, given in ways_to_move(user, email, organization):
                assert await refused(service, mutation, given, who="orgadmin") == "RIGHTS_TOO_WIDE", mutation
        for mutation, given in ways_to_move(user, email, "organization_5"):
            assert told(await change(service, mutation, {**given, "dryRun": True}, who="orgadmin")) == [], mutation
            assert told(await change(service, mutation, {**given, "dryRun": True})) == [], mutation
    payload = await change(
        service, *ways_to_move("user_4", "normal@usergraph.test", "organization_2")[0], who="orgadmin"
    )
    (error,) = payload["results"][0]["errors"]
    assert "rights over user_4 that you do not have now: " in error["message"]
    assert "SET_PASSWORDS" in error["message"]
    # Within what is one's own, users move freely.
    for mutation, given in ways_to_move("user_8", "member@usergraph.test", "organization_4"):
        assert told(await change(service, mutation, {**given, "dryRun": True}, who="orgadmin")) == [], mutation


async def test_a_user_is_not_taken_out_of_the_one_place_that_is_not_the_movers(service: Service) -> None:
    await a_manager(service)
    await join(service, 5, 8)
    given = {"id": "organization_5", "userIds": ["user_8"]}
    assert await refused(service, "removeOrganizationMembers", given, who="orgadmin") == "RIGHTS_TOO_WIDE"
    await service.write("DELETE FROM organization_members WHERE user_id = 9")
    assert await refused(service, "deleteOrganization", {"id": "organization_5"}, who="orgadmin") == "RIGHTS_TOO_WIDE"
    assert told(await change(service, "removeOrganizationMembers", given)) == []


async def test_an_organization_is_not_moved_to_where_a_role_holds_that_the_mover_could_not_give(
    service: Service,
) -> None:
    await a_manager(service)
    for parent in ("organization_2", "organization_3", "organization_4"):
        moved = {"id": "organization_5", "parentId": parent}
        assert await refused(service, "updateOrganization", moved, who="orgadmin") == "ROLE_TOO_HEAVY"
    # By an accomplice neither: `pm` may manage organizations, and is nobody in Acme.
    await hold(service, "pm", await service.scalar("SELECT id FROM roles WHERE name = 'Manager'"))
    moved = {"id": "organization_5", "parentId": "organization_2"}
    assert await refused(service, "updateOrganization", moved, who="pm") == "ROLE_TOO_HEAVY"
    assert await refused(service, "updateOrganization", moved, who="it") == "ROLE_TOO_HEAVY"
    assert told(await change(service, "updateOrganization", {**moved, "dryRun": True})) == []
    within = {"id": "organization_4", "parentId": "organization_3"}
    assert told(await change(service, "updateOrganization", within, who="orgadmin")) == []
    out = {"id": "organization_4", "parentId": "organization_5"}
    assert told(await change(service, "updateOrganization", out, who="orgadmin")) == []


OWN: list[dict[str, Any]] = [
    {"externalId": "x"},
    {"email": "mine@x.test"},
    {"username": "mine"},
    {"aliases": ["x"]},
    {"tags": ["x"]},
    {"variables": [{"name": "x", "value": "y"}]},
    {"groupIds": ["group_1"]},
    {"organizationIds": ["organization_3"]},
    {"role": {"name": "Read only"}},
]


@pytest.mark.parametrize("given", OWN, ids=[next(iter(each)) for each in OWN])
async def test_an_organizations_administrator_changes_of_themselves_what_everybody_may(
    service: Service, given: dict[str, Any]
) -> None:
    own = {"id": "user_6", "name": "Mine", **given}
    assert await refused(service, "updateUser", own, who="orgadmin") == "FORBIDDEN"
    row = {"email": "orgadmin@usergraph.test", "name": "Mine", **given}
    if "email" not in given:
        assert await refused(service, "upsertUsers", {"users": [row]}, who="orgadmin") == "FORBIDDEN"
    assert (
        told(await change(service, "updateUser", {"id": "user_6", "name": "Mine", "lastName": "M"}, who="orgadmin"))
        == []
    )
    assert told(await change(service, "updateUser", {"id": "user_8", **given}, who="orgadmin")) == []


async def test_projects_in_root_take_update_users_everywhere(service: Service) -> None:
    """A member and oneself as project managers, who can have it at all."""
    new = {"username": "new", "email": "new@x.test", "name": "New", "authentication": {"apiOnly": True}}
    more = {"role": {"name": "Project manager"}, "organizationIds": ["organization_3"], "canCreateProjectsInRoot": True}
    await service.write("UPDATE users SET role_id = 3 WHERE id IN (6, 8)")
    for mutation, given in (
        ("createUser", {**new, **more}),
        ("inviteUsers", {"users": [{"email": "new@x.test", **more}]}),
        ("upsertUsers", {"users": [{"email": "new@x.test", **more}]}),
        ("updateUser", {"id": "user_8", "canCreateProjectsInRoot": True}),
        ("updateUser", {"id": "user_6", "canCreateProjectsInRoot": True}),
        ("upsertUsers", {"users": [{"email": "member@usergraph.test", "canCreateProjectsInRoot": True}]}),
        ("upsertUsers", {"users": [{"email": "orgadmin@usergraph.test", "canCreateProjectsInRoot": True}]}),
    ):
        assert "FORBIDDEN" in await refused(service, mutation, given, who="orgadmin"), (mutation, given)
        assert told(await change(service, mutation, {**given, "dryRun": True})) == [], (mutation, given)


async def test_who_deletes_an_organization_may_remove_each_of_its_members(service: Service) -> None:
    await join(service, 4, 6, role=1)
    await join(service, 4, 8)
    await join(service, 2, 4, role=2)  # `normal` is IT of Acme
    assert await refused(service, "deleteOrganization", {"id": "organization_4"}, who="normal") == "USER_TOO_HEAVY"
    await join(service, 4, 9)
    given = {"id": "organization_4"}
    assert await refused(service, "deleteOrganization", given, who="orgadmin") == "OUTSIDE_ORGANIZATION"
    await service.write("DELETE FROM organization_members WHERE user_id = 9 AND organization_id = 4")
    versions = dict(await service.rows("SELECT id, version FROM users WHERE id IN (6, 8)"))
    assert told(await change(service, "deleteOrganization", {"id": "organization_4"}, who="orgadmin")) == []
    events = await service.rows(
        "SELECT action, subject_type, subject_id, changes FROM audit_events WHERE id > (SELECT MAX(id) - 4 FROM"
        " audit_events) ORDER BY id"
    )
    assert [row[:3] for row in events] == [
        ("MEMBERS_REMOVED", "organization", 4),
        ("UPDATED", "user", 6),
        ("UPDATED", "user", 8),
        ("DELETED", "organization", 4),
    ]
    assert json.loads(events[0][3]) == {"members": [["orgadmin", "member"], None]}
    assert json.loads(events[1][3]) == {"organizations": [["Acme West"], None]}
    after = dict(await service.rows("SELECT id, version FROM users WHERE id IN (6, 8)"))
    assert after == {number: version + 1 for number, version in versions.items()}
