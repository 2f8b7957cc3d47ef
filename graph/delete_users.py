"""deleteUsers in the schema."""

from typing import Any

import strawberry

from graph.fields import mutation, plain, record
from graph.payloads import NO_RESULTS, BulkPayload, RowResult, UserIdsInput, own_input
from resolvers import delete_users as resolve


@strawberry.type(description="What became of one user.")
class DeletionResult(RowResult):
    deleted_id: strawberry.ID | None = plain("Typed id of who is gone.")


@strawberry.type(description="A result for every user, in the order of the input.")
class DeleteUsersPayload(BulkPayload):
    results: list[DeletionResult] = record("One for each user.", many=True)


DeleteUsersInput: Any = own_input(UserIdsInput, "DeleteUsersInput")


@strawberry.type
class DeleteUserMutations:
    delete_users: DeleteUsersPayload = mutation(
        resolve.delete_users,
        DeleteUsersInput,
        "Delete users for good, unless a setting forbids it. Needs DELETE_USERS.",
        empty=NO_RESULTS,
    )
