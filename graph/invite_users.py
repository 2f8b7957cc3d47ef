"""Invitations being made, accepted, sent again and revoked, in the schema."""

from typing import Any

import strawberry

from graph.fields import mutation, plain, record, subject, to_one
from graph.inputs import DateTime
from graph.invitations import Invitation
from graph.payloads import (
    NO_RESULTS,
    BulkChanging,
    BulkPayload,
    Changing,
    ExternalIdInput,
    Payload,
    RoleRef,
    RowResult,
    VariableInput,
    given,
    needed,
    own_input,
    own_payload,
)
from graph.users import User
from resolvers import change_invitations
from resolvers import invitations as invitations_read
from resolvers import invite_users as resolve
from resolvers import users as users_read


@strawberry.input(description="Whom to invite.")
class InviteUserInput:
    email: str = needed("Their address.")
    ref: str | None = given("Your own reference of this row; the answer repeats it.")
    role: RoleRef | None = given("Platform role; a setting's default if not said.")
    username: str | None = given("What they sign in with; the email address if not said.")
    name: str | None = given("What they are called.")
    first_name: str | None = given("Given name.")
    last_name: str | None = given("Family name.")
    external_id: str | None = given("Their id of the source `api`, unique there.")
    external_ids: list[ExternalIdInput] | None = given(
        "Ids in other source systems to add or replace. Needs UPDATE_USERS everywhere."
    )
    can_create_projects_in_root: bool | None = given("For IT and Project managers; ignored for others.")
    organization_ids: list[strawberry.ID] | None = given("Organizations they belong to.")
    group_ids: list[strawberry.ID] | None = given("Groups they are in.")
    identity_provider_id: strawberry.ID | None = given("The provider they must come through.")
    tags: list[str] | None = given("Tags.")
    aliases: list[str] | None = given("Aliases.")
    variables: list[VariableInput] | None = given("Custom variables.")


@strawberry.input(description="Users to invite.")
class InviteUsersInput(BulkChanging):
    users: list[InviteUserInput] = needed("The rows, at most 10,000 by default.")


@strawberry.type(description="An invitation with the link to hand over, which is told only now.")
class IssuedInvitation:
    id: strawberry.ID = plain("Typed id of the invitation.")
    link: str | None = plain("The link; null in a dry run, where its token would never work, and once revoked.")
    expires_at: DateTime | None = plain("When the link stops working.")
    invitation: Invitation | None = to_one(lambda: invitations_read.SOURCE, "invitation", "The invitation itself.")


@strawberry.type(description="What became of one row.")
class InvitationResult(RowResult):
    invitation: IssuedInvitation | None = record("The invitation; null where the row was refused.")


@strawberry.type(description="A result for every row, in the order of the input.")
class InvitationsPayload(BulkPayload):
    results: list[InvitationResult] = record("One for each row.", many=True)


@strawberry.input(description="Names invitations; one or many.")
class InvitationIdsInput(BulkChanging):
    ids: list[strawberry.ID] = needed("Typed ids of invitations.")


@strawberry.input(description="The token of an invitation's link and what makes the account complete.")
class AcceptInvitationInput(Changing):
    token: str = needed("What stands behind `#` in the link.")
    password: str | None = given("The new password; required where the user signs in with one.")
    name: str | None = given("What to be called.")


@strawberry.type(description="The user who came, or why not.")
class AcceptInvitationPayload(Payload):
    user: User | None = subject(lambda: users_read.SOURCE, "user", "The user, active now.")


InviteUsersPayload: Any = own_payload(InvitationsPayload, "InviteUsersPayload")
ResendInvitationsInput: Any = own_input(InvitationIdsInput, "ResendInvitationsInput")
ResendInvitationsPayload: Any = own_payload(InvitationsPayload, "ResendInvitationsPayload")
RevokeInvitationsInput: Any = own_input(InvitationIdsInput, "RevokeInvitationsInput")
RevokeInvitationsPayload: Any = own_payload(InvitationsPayload, "RevokeInvitationsPayload")


@strawberry.type
class InviteUserMutations:
    invite_users: InviteUsersPayload = mutation(
        resolve.invite_users,
        InviteUsersInput,
        "Invite many users; letters go to the outbox, links are answered. Needs INVITE_USERS.",
        empty=NO_RESULTS,
    )
    accept_invitation: AcceptInvitationPayload = mutation(
        change_invitations.accept_invitation,
        AcceptInvitationInput,
        "Come in by an invitation's token, once. Needs no key.",
        empty={"user": None},
        prepare=change_invitations.prepare_acceptance,
        subjects=lambda _: [""],
    )
    resend_invitations: ResendInvitationsPayload = mutation(
        change_invitations.resend_invitations,
        ResendInvitationsInput,
        "New links, new time, new letters; old links stop working. Needs INVITE_USERS.",
        empty=NO_RESULTS,
    )
    revoke_invitations: RevokeInvitationsPayload = mutation(
        change_invitations.revoke_invitations,
        RevokeInvitationsInput,
        "The links stop working at once. Needs INVITE_USERS.",
        empty=NO_RESULTS,
    )
