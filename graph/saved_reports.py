"""Saved reports in the schema."""

from typing import TYPE_CHECKING, Annotated

import strawberry

from graph.fields import Connection, Node, argument, connection, lookup, plain, to_one, values
from graph.inputs import JSON, DateTime
from graph.roles import Role
from resolvers import saved_reports as reports_read
from resolvers import users as users_read

if TYPE_CHECKING:
    from graph.users import User

lazy = strawberry.lazy


@strawberry.type(
    description="A query kept under a name. Whoever runs it reads what their own rights allow, whosever it is."
)
class SavedReport(Node):
    id: strawberry.ID = plain("Typed id, such as `report_7`.")
    name: str = plain("Name, unique whatever the case: letters, digits and dashes.")
    description: str | None = plain("What it answers.")
    document: str = plain("The GraphQL query.")
    variables: JSON = plain(
        "Values of its variables, where a run gives none. A DateTime may be `-P90D`: so long before the run."
    )
    owner: Annotated["User", lazy("graph.users")] | None = to_one(
        lambda: users_read.SOURCE, "ownerId", "Who keeps it; null for built-in ones, and where they are gone."
    )
    shared_with: list[Role] = values(lambda: reports_read.SHARED_WITH, "Whose holders see it and may run it.", None)
    is_built_in: bool = plain("Whether it came with the service: everybody's, and never changed.")
    url: str = plain("Path of its answer at this service: add `?format=csv` and values of its variables.")
    version: int = plain("Counted up by every change.")
    created_at: DateTime = plain("When it was made.")
    updated_at: DateTime = plain("When it last changed.")


@strawberry.type
class SavedReportQueries:
    saved_reports: Connection[SavedReport] = connection(
        reports_read.SOURCE, "Reports by name: your own, those shared with a role of yours, and the built-in ones."
    )
    saved_report: SavedReport | None = lookup(
        lambda: reports_read.SOURCE,
        "The report of this name; null where there is none that you may see.",
        argument("name", str, "Its name, in any case."),
        ids=reports_read.ids_by_name,
    )
