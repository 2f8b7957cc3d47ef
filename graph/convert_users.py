"""convertUsers and revertConversions in the schema."""

from typing import Any

import strawberry

from graph.fields import mutation, plain, record
from graph.inputs import described
from graph.payloads import (
    NO_RESULTS,
    AuthenticationInput,
    BulkChanging,
    BulkPayload,
    RowResult,
    UserIdsInput,
    UserResultsPayload,
    given,
    needed,
    own_input,
    own_payload,
)
from resolvers import check_conversions, revert_conversions
from resolvers import convert_users as resolve
from resolvers.check_conversions import ConversionCheck

ConversionCheckEnum: Any = described(
    ConversionCheck,
    "ConversionCheck",
    "What a directory is asked before somebody is converted to it.",
    {
        "FIND": "Whether the entry exists and is one of those that may sign in.",
        "BIND": "Whether who converts themselves has its password.",
        "NONE": "Nothing.",
    },
)


@strawberry.input(description="Whom to convert to what.")
class ConversionInput:
    id: strawberry.ID = needed("Typed id of the user.")
    to: AuthenticationInput = needed("How they sign in from now on; `local: {}` for a password kept here.")
    directory_password: str | None = given(
        "Your password in the directory, by which you prove that the entry is yours (verify: BIND). It is not kept."
    )


@strawberry.input(description="Conversions to make.")
class ConvertUsersInput(BulkChanging):
    conversions: list[ConversionInput] = needed("One for each user.")
    verify: ConversionCheckEnum | None = given(
        "What to ask the directory of each loginDn; if not said, FIND where it has settings. Who converts themselves"
        " without CONVERT_USERS proves it there: BIND, which is then what is meant, and nothing else."
    )


@strawberry.type(description="By what a SAML provider will know a user at their next sign-in.")
class NameIdMatch:
    name_id: str | None = plain("The name id, letter by letter; null where nothing will match.")
    reason: str = plain("Why this one, or why none, and what to do.")


@strawberry.type(description="What became of one conversion.")
class ConversionResult(RowResult):
    kept: list[str] = plain("What the user keeps.")
    lost: list[str] = plain("What stops working; revertConversions brings the password back.")
    checked_by: ConversionCheckEnum | None = plain("What the directory was asked; null where none is named.")
    name_id_match: NameIdMatch | None = record("By what the SAML provider will know them; null for other sign-ins.")


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
        empty={**NO_RESULTS, "row": {"kept": [], "lost": []}},
        prepare=check_conversions.prepare,
        subjects=resolve.subjects,
    )
    revert_conversions: RevertConversionsPayload = mutation(
        revert_conversions.revert_conversions,
        RevertConversionsInput,
        "Take the last conversion of users back. Needs CONVERT_USERS; everybody may do it for themselves.",
        empty=NO_RESULTS,
        subjects=lambda given: given["ids"],
    )
