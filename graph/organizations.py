"""Organizations and memberships in the schema."""

from typing import TYPE_CHECKING, Annotated

import strawberry

from graph.fields import Connection, Node, connection, count, plain, to_one
from graph.inputs import DateTime
from resolvers import organizations as organizations_read
from resolvers import roles as roles_read
from resolvers import users as users_read

if TYPE_CHECKING:
    from graph.roles import Role
    from graph.users import User

lazy = strawberry.lazy


@strawberry.type(description="A node of the tree of organizations; the root is the platform.")
class Organization(Node):
    id: strawberry.ID = plain("Typed id, such as `organization_2`.")
    name: str = plain("Name, unique beside its siblings.")
    path: str = plain(
        "Names from below the root down to it, such as `/Acme/Sales`; `/` in a name is written `\\/`. Of the root: `/`."
    )
    created_at: DateTime = plain("When it was made.")
    updated_at: DateTime = plain("When it last changed.")
    parent: Annotated["Organization", lazy("graph.organizations")] | None = to_one(
        lambda: organizations_read.SOURCE, "parentId", "The organization above; null for the root."
    )
    children: Connection[Annotated["Organization", lazy("graph.organizations")]] = connection(
        organizations_read.SOURCE, "The organizations just below.", lambda: organizations_read.CHILDREN
    )
    user_count: int = count(lambda: users_read.OF_ORGANIZATION, "How many users belong to it, of those you may see.")
    users: Connection[Annotated["User", lazy("graph.users")]] = connection(
        users_read.SOURCE, "Who belongs to it.", lambda: users_read.OF_ORGANIZATION
    )
    members: Connection[Annotated["OrganizationMember", lazy("graph.organizations")]] = connection(
        organizations_read.MEMBERS,
        "The same with the role that holds here.",
        lambda: organizations_read.MEMBERS_OF_ORGANIZATION,
    )


@strawberry.type(description="That a user belongs to an organization, and in what role.")
class OrganizationMember(Node):
    id: strawberry.ID = plain("Typed id, such as `membership_7`.")
    user: Annotated["User", lazy("graph.users")] | None = to_one(lambda: users_read.SOURCE, "userId", "Who.")
    organization: Organization = to_one(lambda: organizations_read.SOURCE, "organizationId", "To what.")
    role: Annotated["Role", lazy("graph.roles")] | None = to_one(
        lambda: roles_read.SOURCE, "roleId", "A role that holds in this organization and below it."
    )
    created_at: DateTime = plain("Since when.")


@strawberry.type
class OrganizationQueries:
    organizations: Connection[Organization] = connection(organizations_read.SOURCE, "Organizations by name.")
    memberships: Connection[OrganizationMember] = connection(
        organizations_read.MEMBERS, "Who belongs to which organization, and in what role."
    )
