"""createUser in the schema."""

import strawberry

from graph.fields import mutation, subject
from graph.payloads import (
    AuthenticationInput,
    Changing,
    ExternalIdInput,
    Payload,
    RoleRef,
    VariableInput,
    given,
    needed,
)
from graph.users import User
from resolvers import create_users as resolve
from resolvers import users as users_read


@strawberry.input(description="A new user.")
class CreateUserInput(Changing):
    username: str = needed("What they sign in with.")
    email: str = needed("Their address.")
    name: str = needed("What they are called.")
    role: RoleRef = needed("Their platform role.")
    authentication: AuthenticationInput = needed("How they sign in.")
    first_name: str | None = given("Given name.")
    last_name: str | None = given("Family name.")
    external_id: str | None = given("Their id of the source `api`, unique there.")
    external_ids: list[ExternalIdInput] | None = given(
        "Ids in other source systems to add or replace. Needs UPDATE_USERS everywhere."
    )
    can_create_projects_in_root: bool | None = given("For IT and Project managers; ignored for others.")
    tags: list[str] | None = given("Tags; “|” separates several in one string.")
    aliases: list[str] | None = given("Aliases; “|” separates several in one string.")
    variables: list[VariableInput] | None = given("Custom variables.")
    organization_ids: list[strawberry.ID] | None = given("Organizations they belong to.")
    group_ids: list[strawberry.ID] | None = given("Groups they are in.")


@strawberry.type(description="The new user, or why there is none.")
class CreateUserPayload(Payload):
    user: User | None = subject(lambda: users_read.SOURCE, "user", "The new user.")


@strawberry.type
class CreateUserMutations:
    create_user: CreateUserPayload = mutation(
        resolve.create_user,
        CreateUserInput,
        "Create an active user: local, LDAP, SAML or API-only. Needs CREATE_USERS.",
        empty={"user": None},
        prepare=resolve.prepare,
    )
