"""Making, changing and deleting groups, and their members, in the schema."""

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


@strawberry.type
class GroupMutations:
    create_group: GroupPayload = mutation(
        change_groups.create_group,
        CreateGroupInput,
        "Make a group. Needs MANAGE_GROUPS.",
        empty={"group": None},
    )
    update_group: GroupPayload = mutation(
        change_groups.update_group,
        UpdateGroupInput,
        "Change a group. Needs MANAGE_GROUPS.",
        empty={"group": None},
    )
    delete_group: DeletedPayload = mutation(
        change_groups.delete_group,
        DeleteInput,
        "Delete a group; its members stay users. Needs MANAGE_GROUPS.",
        empty={"deletedId": None},
    )
    add_group_members: GroupMembersPayload = mutation(
        change_groups.add_group_members,
        GroupMembersInput,
        "Put users in a group. Needs MANAGE_GROUPS.",
        empty={**NO_RESULTS, "group": None},
    )
    remove_group_members: GroupMembersPayload = mutation(
        change_groups.remove_group_members,
        GroupMembersInput,
        "Take users out of a group. Needs MANAGE_GROUPS.",
        empty={**NO_RESULTS, "group": None},
    )
