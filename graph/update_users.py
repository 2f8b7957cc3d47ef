"""updateUser in the schema."""

import strawberry

from graph.fields import mutation, plain, subject
from graph.payloads import Changing, ExternalIdInput, Payload, RoleRef, VariableInput, given, needed
from graph.users import User
from resolvers import update_users as resolve
from resolvers import users as users_read


@strawberry.input(description="What to change of a user: absent means unchanged, null means cleared.")
class UpdateUserInput(Changing):
    id: strawberry.ID = needed("Typed id of the user.")
    if_version: int | None = given("Refuse unless the user still has this version.")
    username: str | None = given("What they sign in with.")
    email: str | None = given("Their address.")
    name: str | None = given("What they are called.")
    first_name: str | None = given("Given name.")
    last_name: str | None = given("Family name.")
    external_id: str | None = given("Their id of the source `api`, unique there.")
    external_ids: list[ExternalIdInput] | None = given(
        "Ids in other source systems to add or replace. Needs UPDATE_USERS everywhere."
    )
    role: RoleRef | None = given("Their platform role.")
    can_create_projects_in_root: bool | None = given("For IT and Project managers; ignored for others.")
    ldap_server_number: int | None = given("Number of the LDAP server; LDAP users only.")
    login_dn: str | None = given("Distinguished name; LDAP users only.")
    tags: list[str] | None = given("Tags to add.")
    set_tags: list[str] | None = given("Exactly these tags.")
    remove_tags: list[str] | None = given("Tags to take away.")
    aliases: list[str] | None = given("Aliases to add.")
    set_aliases: list[str] | None = given("Exactly these aliases.")
    remove_aliases: list[str] | None = given("Aliases to take away.")
    variables: list[VariableInput] | None = given("Variables to add or replace.")
    set_variables: list[VariableInput] | None = given("Exactly these variables.")
    remove_variables: list[str] | None = given("Names of variables to take away.")
    organization_ids: list[strawberry.ID] | None = given("Organizations to add.")
    group_ids: list[strawberry.ID] | None = given("Groups to add.")


@strawberry.type(description="The changed user, or why nothing changed.")
class UpdateUserPayload(Payload):
    user: User | None = subject(lambda: users_read.SOURCE, "user", "The user as they are now.")
    changed_fields: list[str] = plain("Which fields changed.")


@strawberry.type
class UpdateUserMutations:
    update_user: UpdateUserPayload = mutation(
        resolve.update_user,
        UpdateUserInput,
        "Change a user of any kind. Needs UPDATE_USERS; everybody may change their own names.",
        empty={"user": None, "changedFields": []},
        subjects=lambda given: [given["id"]],
    )
