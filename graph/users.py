"""Users in the schema."""

from typing import TYPE_CHECKING, Annotated

import strawberry

from graph.fields import (
    Connection,
    Node,
    argument,
    connection,
    count,
    lookup,
    plain,
    to_one,
    values,
    viewer_user,
)
from graph.inputs import Accessibility, DateTime, UserStateEnum
from resolvers import api_keys as api_keys_read
from resolvers import groups as groups_read
from resolvers import invitations as invitations_read
from resolvers import organizations as organizations_read
from resolvers import providers as providers_read
from resolvers import roles as roles_read
from resolvers import sessions as sessions_read
from resolvers import users as users_read

if TYPE_CHECKING:
    from graph.api_keys import ApiKey
    from graph.groups import Group
    from graph.invitations import Invitation
    from graph.organizations import Organization, OrganizationMember
    from graph.providers import IdentityProvider
    from graph.roles import Role
    from graph.sessions import Session

lazy = strawberry.lazy


@strawberry.type(description="A custom variable of a user.")
class Variable:
    name: str = plain("Its name, unique for the user.")
    value: str = plain("Its value.")


@strawberry.type(description="The id of a user in one source system.")
class ExternalId:
    source: str = plain(
        "Whose id it is: `api` for ids set without a source, `provider_5` for those that the synchronization of that"
        " provider reads, else the name that an integrator gave."
    )
    value: str = plain("The id; unique within the source.")


@strawberry.type(description="A person or a program that may use the platform.")
class User(Node):
    id: strawberry.ID = plain("Typed id, such as `user_18`.")
    username: str = plain("What they sign in with; unique whatever the case.")
    email: str = plain("Their address; unique whatever the case.")
    name: str = plain("What they are called.")
    first_name: str | None = plain("Given name.")
    last_name: str | None = plain("Family name.")
    external_id: str | None = plain(
        "Their id of the source `api`: the one that mutations set without a source. Unique. For all sources see"
        " externalIds."
    )
    state: UserStateEnum = plain("Invited, active or deactivated.")
    accessibility: Accessibility = plain("How they can get in: interactively, by API key only, or not at all.")
    is_active: bool = plain("Whether the state is ACTIVE.")
    is_ldap: bool = plain("Whether an LDAP server provisions them. With isSaml too: SAML signs in, LDAP provisions.")
    is_saml: bool = plain("Whether they sign in through SAML.")
    is_api_only: bool = plain("Whether they may hold API keys but never sign in.")
    is_2fa_enabled: bool = plain("Whether a second factor is set up.", name="is2faEnabled")
    has_valid_password: bool = plain("Whether they could sign in now with a password kept here.")
    can_create_projects_in_root: bool = plain(
        "Whether they may create projects in the root; IT and Project managers only."
    )
    ldap_server_number: int | None = plain("Number (1 to 9) of the LDAP server that provisions them.")
    login_dn: str | None = plain("Distinguished name at that server.")
    last_login_at: DateTime | None = plain("Last sign-in.")
    last_api_request_at: DateTime | None = plain("Last request with one of their API keys, to about a minute.")
    created_at: DateTime = plain("When they were made.")
    updated_at: DateTime = plain("When they last changed.")
    version: int = plain("Counted up by every change.")
    role: Annotated["Role", lazy("graph.roles")] = to_one(lambda: roles_read.SOURCE, "roleId", "Their platform role.")
    identity_provider: Annotated["IdentityProvider", lazy("graph.providers")] | None = to_one(
        lambda: providers_read.SOURCE, "providerId", "Who proves who they are; null for API-only users."
    )
    created_by: Annotated["User", lazy("graph.users")] | None = to_one(
        lambda: users_read.SOURCE, "createdById", "Who made them."
    )
    updated_by: Annotated["User", lazy("graph.users")] | None = to_one(
        lambda: users_read.SOURCE, "updatedById", "Who last changed them."
    )
    tags: list[str] = values(lambda: users_read.TAGS, "Tags, in order.")
    aliases: list[str] = values(
        lambda: users_read.ALIASES, "Names by which other systems know them; each names one user."
    )
    external_ids: list[ExternalId] = values(
        lambda: users_read.EXTERNAL_IDS, "Their ids in all source systems that know them, by source; one each.", None
    )
    variables: list[Variable] = values(lambda: users_read.VARIABLES, "Custom variables, by name.", None)
    group_count: int = count(lambda: groups_read.OF_USER, "Number of groups.")
    groups: Connection[Annotated["Group", lazy("graph.groups")]] = connection(
        groups_read.SOURCE, "Groups (teams) they are in.", lambda: groups_read.OF_USER
    )
    organizations: Connection[Annotated["Organization", lazy("graph.organizations")]] = connection(
        organizations_read.SOURCE, "Organizations they belong to.", lambda: organizations_read.OF_USER
    )
    memberships: Connection[Annotated["OrganizationMember", lazy("graph.organizations")]] = connection(
        organizations_read.MEMBERS,
        "The same with the role that holds there.",
        lambda: organizations_read.MEMBERSHIPS_OF_USER,
    )
    invitations: Connection[Annotated["Invitation", lazy("graph.invitations")]] = connection(
        invitations_read.SOURCE, "Their invitations, newest first.", lambda: invitations_read.OF_USER
    )
    api_keys: Connection[Annotated["ApiKey", lazy("graph.api_keys")]] = connection(
        api_keys_read.SOURCE, "Their API keys, newest first.", lambda: api_keys_read.OF_USER
    )
    sessions: Connection[Annotated["Session", lazy("graph.sessions")]] = connection(
        sessions_read.SOURCE, "Their sessions of the last weeks, newest first.", lambda: sessions_read.OF_USER
    )


@strawberry.input(description="An external id with its source.")
class ExternalIdKey:
    source: str = strawberry.field(description="Whose id it is, as in externalIds.")
    value: str = strawberry.field(description="The id.")


@strawberry.input(description="Names one user in one of these ways.", one_of=True)
class UserKey:
    id: strawberry.ID | None = strawberry.field(description="Typed id.", default=strawberry.UNSET)
    email: str | None = strawberry.field(description="Email address.", default=strawberry.UNSET)
    username: str | None = strawberry.field(description="Username.", default=strawberry.UNSET)
    alias: str | None = strawberry.field(description="Alias.", default=strawberry.UNSET)
    external_id: str | None = strawberry.field(description="External id of the source `api`.", default=strawberry.UNSET)
    external_id_of: ExternalIdKey | None = strawberry.field(
        description="External id of any source.", default=strawberry.UNSET
    )


@strawberry.type
class UserQueries:
    me: User | None = viewer_user(lambda: users_read.SOURCE, "Your own user, whole.")
    user: User | None = lookup(
        lambda: users_read.SOURCE,
        "One user; null where there is none, or none you may see.",
        argument("by", UserKey, "Which."),
    )
    users: Connection[User] = connection(
        users_read.SOURCE, "Users, in the order of their ids unless you say otherwise.", has_past=True
    )
    users_by_keys: list[User | None] = lookup(
        lambda: users_read.SOURCE,
        "Users by keys of any kinds mixed: in the order asked, null where unknown.",
        argument("keys", list[UserKey], "Which; as many as a page may hold."),
        many=True,
    )
