"""Saving, changing and deleting reports in the schema."""

from typing import Any

import strawberry

from graph.fields import mutation, plain, record, to_one
from graph.inputs import JSON
from graph.payloads import (
    NO_RESULTS,
    BulkChanging,
    BulkPayload,
    Changing,
    Payload,
    RoleRef,
    RowAction,
    UserError,
    given,
    needed,
    own_payload,
)
from graph.report_documents import checking
from graph.saved_reports import SavedReport
from resolvers import change_saved_reports
from resolvers import saved_reports as reports_read

VARIABLES = 'Values of its variables, such as {since: "-P90D"}; those without one are given when it runs.'


@strawberry.input(description="A report to keep.")
class CreateSavedReportInput(Changing):
    name: str = needed("Its name: letters, digits and dashes between them. It stands in its URL.")
    document: str = needed("One GraphQL query. It is checked against the schema.")
    description: str | None = given("What it answers.")
    variables: JSON | None = given(VARIABLES)
    shared_with: list[RoleRef] | None = given("Roles whose holders see it and may run it, with their own rights.")


@strawberry.input(description="What to change of a report.")
class UpdateSavedReportInput(Changing):
    id: strawberry.ID = needed("Typed id.")
    name: str | None = given("Its name; its URL changes with it.")
    document: str | None = given("One GraphQL query.")
    description: str | None = given("What it answers; null clears it.")
    variables: JSON | None = given("All values of its variables; null clears them.")
    shared_with: list[RoleRef] | None = given("Exactly these roles; null for none.")


@strawberry.input(description="Names reports; one or many.")
class DeleteSavedReportsInput(BulkChanging):
    ids: list[strawberry.ID] = needed("Typed ids of reports.")


@strawberry.type(description="The report, or why not.")
class SavedReportPayload(Payload):
    saved_report: SavedReport | None = to_one(lambda: reports_read.SOURCE, "savedReport", "The report as it is now.")


@strawberry.type(description="What became of one report.")
class SavedReportResult:
    index: int = plain("Row of the input, counted from 0.")
    ref: str | None = plain("The id you sent.")
    action: RowAction = plain("What became of it.")
    deleted_id: strawberry.ID | None = plain("Typed id of what is gone.")
    errors: list[UserError] = record("Why it was refused.", many=True)


@strawberry.type(description="A result for every report, in the order of the input.")
class DeleteSavedReportsPayload(BulkPayload):
    results: list[SavedReportResult] = record("One for each report.", many=True)


CreateSavedReportPayload: Any = own_payload(SavedReportPayload, "CreateSavedReportPayload")
UpdateSavedReportPayload: Any = own_payload(SavedReportPayload, "UpdateSavedReportPayload")


@strawberry.type
class SavedReportMutations:
    create_saved_report: CreateSavedReportPayload = mutation(
        change_saved_reports.create_saved_report,
        CreateSavedReportInput,
        "Keep a report under a name. Needs USE_SELF_SERVICE and READ_DIRECTORY.",
        empty={"savedReport": None},
        prepare=checking,
    )
    update_saved_report: UpdateSavedReportPayload = mutation(
        change_saved_reports.update_saved_report,
        UpdateSavedReportInput,
        "Change a report of yours, or with MANAGE_ROLES anybody's.",
        empty={"savedReport": None},
        prepare=checking,
    )
    delete_saved_reports: DeleteSavedReportsPayload = mutation(
        change_saved_reports.delete_saved_reports,
        DeleteSavedReportsInput,
        "Delete reports of yours, or with MANAGE_ROLES anybody's.",
        empty=NO_RESULTS,
    )
