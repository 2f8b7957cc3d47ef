"""activateUsers and deactivateUsers in the schema."""

from typing import Any

import strawberry

from graph.fields import mutation, plain, record
from graph.payloads import NO_RESULTS, BulkPayload, RowResult, UserIdsInput, UserResultsPayload, own_input, own_payload
from resolvers import activate_users as resolve


@strawberry.type(description="What became of one user, and what ended with their access.")
class DeactivationResult(RowResult):
    ended_sessions: int | None = plain("Sessions that ended.")
    revoked_keys: int | None = plain("API keys that were revoked.")
    revoked_invitations: int | None = plain("Pending invitations that were revoked.")


@strawberry.type(description="A result for every user, in the order of the input.")
class DeactivateUsersPayload(BulkPayload):
    results: list[DeactivationResult] = record("One for each user.", many=True)


ActivateUsersInput: Any = own_input(UserIdsInput, "ActivateUsersInput")
ActivateUsersPayload: Any = own_payload(UserResultsPayload, "ActivateUsersPayload")
DeactivateUsersInput: Any = own_input(UserIdsInput, "DeactivateUsersInput")


@strawberry.type
class ActivateUserMutations:
    activate_users: ActivateUsersPayload = mutation(
        resolve.activate_users,
        ActivateUsersInput,
        "Let users in again; keys and sessions stay ended. Needs DEACTIVATE_USERS.",
        empty=NO_RESULTS,
    )
    deactivate_users: DeactivateUsersPayload = mutation(
        resolve.deactivate_users,
        DeactivateUsersInput,
        "End users' access: sessions, keys and pending invitations end with it. Needs DEACTIVATE_USERS.",
        empty=NO_RESULTS,
    )
