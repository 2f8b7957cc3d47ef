"""Groups in the schema."""

from typing import TYPE_CHECKING, Annotated

import strawberry

from graph.fields import Connection, Node, connection, count, plain, to_one
from graph.inputs import DateTime
from resolvers import groups as groups_read
from resolvers import users as users_read

if TYPE_CHECKING:
    from graph.users import User


@strawberry.type(description="A group (team) of users.")
class Group(Node):
    id: strawberry.ID = plain("Typed id, such as `group_1`.")
    name: str = plain("Name, unique.")
    description: str | None = plain("What it is for.")
    created_at: DateTime = plain("When it was made.")
    updated_at: DateTime = plain("When it last changed.")
    user_count: int = count(lambda: users_read.OF_GROUP, "How many users are in it, of those you may see.")
    users: Connection[Annotated["User", strawberry.lazy("graph.users")]] = connection(
        users_read.SOURCE, "Who is in it.", lambda: users_read.OF_GROUP
    )


@strawberry.type(description="That a user is in a group.")
class GroupMember(Node):
    id: strawberry.ID = plain("Typed id, such as `groupmembership_7`.")
    user: Annotated["User", strawberry.lazy("graph.users")] | None = to_one(lambda: users_read.SOURCE, "userId", "Who.")
    group: Group = to_one(lambda: groups_read.SOURCE, "groupId", "In what.")
    created_at: DateTime = plain("Since when.")


@strawberry.type
class GroupQueries:
    groups: Connection[Group] = connection(groups_read.SOURCE, "Groups by name.")
    group_memberships: Connection[GroupMember] = connection(groups_read.MEMBERS, "Who is in which group.")
