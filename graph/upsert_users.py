"""upsertUsers in the schema."""

import strawberry

from graph.fields import mutation, plain, record
from graph.payloads import (
    NO_RESULTS,
    AuthenticationInput,
    BulkChanging,
    BulkPayload,
    ExternalIdInput,
    MatchedBy,
    RoleRef,
    RowResult,
    VariableInput,
    given,
    needed,
)
from resolvers import upsert_users as resolve


@strawberry.input(
    description="A user as another system knows them. Tags, aliases and memberships are added to what is there."
)
class UpsertUserInput:
    email: str = needed("Their address, by which they are found.")
    external_id: str | None = given(
        "Their id of the call's source. Users are found by it first. A user whom that source knows by another id is"
        " another person, also with the same email."
    )
    external_ids: list[ExternalIdInput] | None = given(
        "Ids in other source systems to add or replace. Needs UPDATE_USERS everywhere."
    )
    ref: str | None = given("Your own reference of this row; the answer repeats it.")
    role: RoleRef | None = given("Platform role; “Deactivated” takes access away and keeps the role.")
    username: str | None = given("What they sign in with; the email address if not said.")
    name: str | None = given("What they are called.")
    first_name: str | None = given("Given name.")
    last_name: str | None = given("Family name.")
    is_active: bool | None = given("Whether they may get in.")
    authentication: AuthenticationInput | None = given("How a new user signs in; existing ones are converted instead.")
    can_create_projects_in_root: bool | None = given("For IT and Project managers; ignored for others.")
    tags: list[str] | None = given("Tags to add; “|” separates several in one string.")
    aliases: list[str] | None = given("Aliases to add; “|” separates several in one string.")
    variables: list[VariableInput] | None = given("Variables to add or replace.")
    organization_ids: list[strawberry.ID] | None = given("Organizations to add.")
    group_ids: list[strawberry.ID] | None = given("Groups to add.")
    groups: list[str] | None = given("Groups to add, by name.")


@strawberry.input(description="Users to create or update.")
class UpsertUsersInput(BulkChanging):
    users: list[UpsertUserInput] = needed("The rows, at most 10,000 by default.")
    source: str | None = given(
        "Whose ids the rows' externalId are, such as `hr`; `api` if absent. Another one needs UPDATE_USERS everywhere."
    )
    create_missing_groups: bool | None = given("Make groups that are named and not there. Needs MANAGE_GROUPS.")


@strawberry.type(description="What became of one row.")
class UpsertUserResult(RowResult):
    matched_by: MatchedBy | None = plain("By what an existing user was found; null for a new one.")


@strawberry.type(description="A result for every row, in the order of the input.")
class UpsertUsersPayload(BulkPayload):
    results: list[UpsertUserResult] = record("One for each row.", many=True)


@strawberry.type
class UpsertUserMutations:
    upsert_users: UpsertUsersPayload = mutation(
        resolve.upsert_users,
        UpsertUsersInput,
        "Create or update many users. Needs CREATE_USERS and UPDATE_USERS.",
        empty=NO_RESULTS,
        prepare=resolve.prepare,
    )
