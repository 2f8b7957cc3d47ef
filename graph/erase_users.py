"""eraseUsers in the schema."""

from typing import Any

import strawberry

from graph.fields import mutation, plain, record
from graph.payloads import NO_RESULTS, BulkPayload, RowResult, UserIdsInput, own_input
from resolvers import erase_users as resolve


@strawberry.type(description="How many rows of a table were deleted, or had personal data replaced.")
class ErasedRows:
    table: str = plain("Name of the table.")
    rows: int = plain("Number of its rows.")


@strawberry.type(description="The receipt of one erasure.")
class ErasureResult(RowResult):
    erased_id: strawberry.ID | None = plain("Typed id of the erased user.")
    pseudonym: str | None = plain("What stands in the history and the audit log in place of the user's data.")
    erased_rows: list[ErasedRows] = record("What was erased, by table; nothing where it was erased before.", many=True)


@strawberry.type(description="A result for every user, in the order of the input.")
class EraseUsersPayload(BulkPayload):
    results: list[ErasureResult] = record("One for each user.", many=True)


EraseUsersInput: Any = own_input(UserIdsInput, "EraseUsersInput")


@strawberry.type
class EraseUserMutations:
    erase_users: EraseUsersPayload = mutation(
        resolve.erase_users,
        EraseUsersInput,
        "Erase personal data for good: the users are deleted, and a pseudonym replaces their data in the history, the"
        " audit log, directory jobs and stored answers. Send `dryRun: true` first. Deleted users can be erased, too."
        " Needs ERASE_USERS.",
        empty={**NO_RESULTS, "row": {"erasedRows": []}},
    )
