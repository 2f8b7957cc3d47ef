"""Making, changing and deleting groups, and their members, in the schema."""

from typing import Any

import strawberry

from graph.fields import mutation, record, to_one
from graph.groups import Group
from graph.payloads import (
    NO_RESULTS,
    BulkChanging,
    BulkPayload,
    Changing,
    DeletedPayload,
    DeleteInput,
    Payload,
    UserResult,
    given,
    needed,
    own_input,
    own_payload,
)
from resolvers import change_groups
from resolvers import groups as groups_read


@strawberry.input(description="A new group.")
class CreateGroupInput(Changing):
    name: str = needed("Its name.")
    description: str | None = given("What it is for.")


@strawberry.input(description="What to change of a group.")
class UpdateGroupInput(Changing):
    id: strawberry.ID = needed("Typed id.")
    name: str | None = given("Its name.")
    description: str | None = given("What it is for; null clears it.")


@strawberry.input(description="Who joins or leaves a group.")
class GroupMembersInput(BulkChanging):
    id: strawberry.ID = needed("Typed id of the group.")
    user_ids: list[strawberry.ID] = needed("Typed ids of users.")


@strawberry.type(description="The group, or why not.")
class GroupPayload(Payload):
    group: Group | None = to_one(lambda: groups_read.SOURCE, "group", "The group as it is now.")


@strawberry.type(description="A result for every user, in the order of the input.")
class GroupMembersPayload(BulkPayload):
    group: Group | None = to_one(lambda: groups_read.SOURCE, "group", "The group as it is now.")
    results: list[UserResult] = record("One for each user.", many=True)


CreateGroupPayload: Any = own_payload(GroupPayload, "CreateGroupPayload")
UpdateGroupPayload: Any = own_payload(GroupPayload, "UpdateGroupPayload")
DeleteGroupInput: Any = own_input(DeleteInput, "DeleteGroupInput")
DeleteGroupPayload: Any = own_payload(DeletedPayload, "DeleteGroupPayload")
AddGroupMembersInput: Any = own_input(GroupMembersInput, "AddGroupMembersInput")
AddGroupMembersPayload: Any = own_payload(GroupMembersPayload, "AddGroupMembersPayload")
RemoveGroupMembersInput: Any = own_input(GroupMembersInput, "RemoveGroupMembersInput")
RemoveGroupMembersPayload: Any = own_payload(GroupMembersPayload, "RemoveGroupMembersPayload")


@strawberry.type
class GroupMutations:
    create_group: CreateGroupPayload = mutation(
        change_groups.create_group,
        CreateGroupInput,
        "Make a group. Needs MANAGE_GROUPS.",
        empty={"group": None},
    )
    update_group: UpdateGroupPayload = mutation(
        change_groups.update_group,
        UpdateGroupInput,
        "Change a group. Needs MANAGE_GROUPS.",
        empty={"group": None},
    )
    delete_group: DeleteGroupPayload = mutation(
        change_groups.delete_group,
        DeleteGroupInput,
        "Delete a group; its members stay users. Needs MANAGE_GROUPS.",
        empty={"deletedId": None},
    )
    add_group_members: AddGroupMembersPayload = mutation(
        change_groups.add_group_members,
        AddGroupMembersInput,
        "Put users in a group. Needs MANAGE_GROUPS.",
        empty={**NO_RESULTS, "group": None},
    )
    remove_group_members: RemoveGroupMembersPayload = mutation(
        change_groups.remove_group_members,
        RemoveGroupMembersInput,
        "Take users out of a group. Needs MANAGE_GROUPS.",
        empty={**NO_RESULTS, "group": None},
    )
