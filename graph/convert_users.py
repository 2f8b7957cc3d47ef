"""convertUsers and revertConversions in the schema."""

from typing import Any

import strawberry

from graph.fields import mutation, plain, record
from graph.payloads import (
    NO_RESULTS,
    AuthenticationInput,
    BulkChanging,
    BulkPayload,
    RowResult,
    UserIdsInput,
    UserResultsPayload,
    needed,
    own_input,
    own_payload,
)
from resolvers import convert_users as resolve


@strawberry.input(description="Whom to convert to what.")
class ConversionInput:
    id: strawberry.ID = needed("Typed id of the user.")
    to: AuthenticationInput = needed("How they sign in from now on; `local: {}` for a password kept here.")


@strawberry.input(description="Conversions to make.")
class ConvertUsersInput(BulkChanging):
    conversions: list[ConversionInput] = needed("One for each user.")


@strawberry.type(description="What became of one conversion.")
class ConversionResult(RowResult):
    kept: list[str] = plain("What the user keeps.")
    lost: list[str] = plain("What stops working; revertConversions brings the password back.")


@strawberry.type(description="A result for every conversion, in the order of the input.")
class ConvertUsersPayload(BulkPayload):
    results: list[ConversionResult] = record("One for each conversion.", many=True)


RevertConversionsInput: Any = own_input(UserIdsInput, "RevertConversionsInput")
RevertConversionsPayload: Any = own_payload(UserResultsPayload, "RevertConversionsPayload")


@strawberry.type
class ConvertUserMutations:
    convert_users: ConvertUsersPayload = mutation(
        resolve.convert_users,
        ConvertUsersInput,
        "Change how users sign in. Needs CONVERT_USERS; everybody may convert themselves.",
        empty=NO_RESULTS,
        subjects=resolve.subjects,
    )
    revert_conversions: RevertConversionsPayload = mutation(
        resolve.revert_conversions,
        RevertConversionsInput,
        "Take the last conversion of users back. Needs CONVERT_USERS; everybody may do it for themselves.",
        empty=NO_RESULTS,
        subjects=lambda given: given["ids"],
    )
