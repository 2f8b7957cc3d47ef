"""Roles in the schema."""

from typing import TYPE_CHECKING, Annotated, Any

import strawberry

from graph.fields import Connection, Node, all_of, connection, count, plain, values
from graph.inputs import DateTime, described
from resolvers import roles as roles_read
from resolvers import users as users_read
from resolvers.policy import Right

if TYPE_CHECKING:
    from graph.users import User

RightEnum: Any = described(
    Right,
    "Right",
    "What a role allows its holders.",
    {
        "USE_SELF_SERVICE": "Change one's own names, password, sign-in, keys and reports.",
        "READ_DIRECTORY": "Read roles, providers, organizations, groups, and the reports that are shared with one.",
        "LIST_USERS": "Read the ids and names of users.",
        "READ_USERS": "Read users whole, and who is where.",
        "CREATE_USERS": "Create users.",
        "UPDATE_USERS": "Change users.",
        "INVITE_USERS": "Invite users, and read invitations.",
        "CONVERT_USERS": "Change how users sign in.",
        "DEACTIVATE_USERS": "Take users' access away and give it back.",
        "DELETE_USERS": "Delete users for good.",
        "ERASE_USERS": "Erase all personal data of users, in the history and the audit log too.",
        "SET_PASSWORDS": "Set and reset the passwords of others.",
        "MANAGE_API_KEYS": "Make, read and revoke the keys of others.",
        "MANAGE_GROUPS": "Make and change groups and their members.",
        "MANAGE_ORGANIZATIONS": "Make and change organizations and their members.",
        "MANAGE_PROVIDERS": "Make and change identity providers.",
        "MANAGE_ROLES": "Make and change roles, and all saved reports.",
        "READ_AUDIT": "Read the audit log.",
    },
)


@strawberry.type(
    description="What its holders may do, and how heavy that is: nobody grants a role heavier than their own."
)
class Role(Node):
    id: strawberry.ID = plain("Typed id, such as `role_2`.")
    name: str = plain("Name, unique together with all synonyms.")
    weight: int = plain("1 to 100; heavier roles govern lighter ones.")
    permissions: list[RightEnum] = plain("The rights it gives.")
    synonyms: list[str] = values(lambda: roles_read.SYNONYMS, "Other names by which it can be given.")
    requires_second_factor: bool = plain(
        "Whether who signs in with it needs a second factor; without one, a session is good for setting it up only."
    )
    is_built_in: bool = plain("Whether it came with the service and cannot be deleted.")
    created_at: DateTime = plain("When it was made.")
    updated_at: DateTime = plain("When it last changed.")
    user_count: int = count(lambda: users_read.OF_ROLE, "How many users hold it, of those you may see.")
    users: Connection[Annotated["User", strawberry.lazy("graph.users")]] = connection(
        users_read.SOURCE, "Who holds it.", lambda: users_read.OF_ROLE
    )


@strawberry.type
class RoleQueries:
    roles: list[Role] = all_of(roles_read.SOURCE, "All roles, heaviest first.")
