"""Reports in the schema: users grouped and measured, in one statement."""

from collections.abc import Mapping, Sequence
from typing import Any

import strawberry

from graph.arguments import MOST_SEARCH, check_where
from graph.errors import forbidden, without_history
from graph.fields import AS_OF, argument, plain, record, report
from graph.inputs import JSON, DateTime, Direction, described, where_input
from models.errors import Invalid, Refusal
from models.settings import Settings
from resolvers import reports as reports_read
from resolvers import users as users_read
from resolvers.policy import Viewer
from resolvers.reports_questions import DEFAULT_ROWS, MOST_ROWS, Question, question_of
from resolvers.reports_words import ColumnKind, DimensionField, Interval, MeasureKind

UserDimensionField: Any = described(
    DimensionField,
    "UserDimensionField",
    "What users can be grouped by.",
    {
        "ROLE": "Their platform role: its name, and its id.",
        "STATE": "Invited, active or deactivated.",
        "ACCESSIBILITY": "How they can get in: INTERACTIVE, API_ONLY or NONE.",
        "IDENTITY_PROVIDER": "Who proves who they are: name and id; null for API-only users.",
        "ORGANIZATION": "Each organization they belong to: name and id; null where there is none.",
        "GROUP": "Each group they are in: name and id; null where there is none.",
        "TAG": "Each tag they have, whatever the case; null where there is none.",
        "VARIABLE": "The value of one custom variable; null where they lack it.",
        "EXTERNAL_ID_SOURCE": "Each source that has an id of them; null where there is none.",
        "EMAIL_DOMAIN": "What stands behind the @ of their address, in small letters; domains of the world in IDNA.",
        "CREATED_AT": "When they were made.",
        "UPDATED_AT": "When they last changed.",
        "LAST_LOGIN_AT": "Last sign-in; null for never.",
        "LAST_API_REQUEST_AT": "Last request with an API key; null for never.",
        "LAST_LOGIN_AGE": "How long ago the last sign-in was: up to 7, 30, 90, 180, 365 days, longer, never.",
        "LAST_USE_AGE": "The same of the later of last sign-in and last API request.",
        "IS_ACTIVE": "Whether the state is ACTIVE.",
        "IS_2FA_ENABLED": "Whether a second factor is set up.",
        "HAS_VALID_PASSWORD": "Whether they could sign in now with a password kept here.",
        "IS_API_ONLY": "Whether they may hold API keys but never sign in.",
        "IS_LDAP": "Whether an LDAP server provisions them.",
        "IS_SAML": "Whether they sign in through SAML.",
    },
)
ReportInterval: Any = described(
    Interval,
    "ReportInterval",
    "How long the buckets of a date are, in UTC. A bucket is called by its first day.",
    {
        "YEAR": "Calendar years.",
        "QUARTER": "Quarters of a year.",
        "MONTH": "Calendar months.",
        "WEEK": "Weeks from Monday to Sunday (ISO 8601).",
        "DAY": "Days.",
    },
)
UserMeasureKind: Any = described(
    MeasureKind,
    "UserMeasureKind",
    "What is told of the users in a bucket.",
    {
        "COUNT": "How many they are.",
        "DISTINCT": "How many different values of something they have; null is none.",
        "SHARE": "Their share of all users that the report's where matches, 0 to 1.",
        "RATE": "The part of the bucket's users that match the measure's where, 0 to 1; null in an empty bucket.",
        "FIRST": "The earliest moment of a date.",
        "LAST": "The latest moment of a date.",
    },
)
ReportColumnKind: Any = described(
    ColumnKind,
    "ReportColumnKind",
    "What a column holds.",
    {
        "ID": "A typed id, such as `role_2`.",
        "TEXT": "A text.",
        "NUMBER": "A whole number.",
        "SHARE": "A number from 0 to 1.",
        "FLAG": "True or false.",
        "DATE": "The first day of a bucket, such as `2026-03-01`.",
        "INSTANT": "A moment, RFC 3339 with a `Z`.",
    },
)
UserWhere: Any = where_input(users_read.SOURCE)
AS_OF_EACH = (
    "The same question as of the end of each interval, in one call: its first column, asOf, tells the moment. `first`"
    f" is of each moment, with at most {MOST_ROWS} rows in all; `total` is of the last one. As asOf otherwise."
)
NAME = "What its column is called: letters, digits and _, as a name in GraphQL."


def _optional(description: str, name: str | None = None) -> Any:
    return strawberry.field(description=description, name=name, default=strawberry.UNSET)


@strawberry.input(description="What users are grouped by.")
class UserDimension:
    field: UserDimensionField = strawberry.field(description="By what.")
    every: ReportInterval | None = _optional("Of a date: how long its buckets are; MONTH unless you say otherwise.")
    level: int | None = _optional(
        "Of ORGANIZATION: count it as what it lies in at this level of the tree; 0 is the root, and what lies above"
        " the level counts as itself. Without it: the organization itself."
    )
    name: str | None = _optional("Of VARIABLE: the variable's name, whatever the case.")
    fill: bool | None = _optional("Of a date: whether buckets without users stand in the report too.")
    as_: str | None = _optional(NAME, "as")


@strawberry.input(description="What is told of the users in a bucket.")
class UserMeasure:
    measure: UserMeasureKind = strawberry.field(description="What.")
    of: UserDimensionField | None = _optional("Of DISTINCT: the values of what. Of FIRST and LAST: which date.")
    where: UserWhere | None = _optional("Only users of the bucket who are so too.")
    as_: str | None = _optional(NAME, "as")


@strawberry.input(description="Which buckets: the column's number is so; every condition given holds.")
class ReportCondition:
    column: str = strawberry.field(description="The column of a count or a share.")
    eq: float | None = _optional("Equal.")
    ne: float | None = _optional("Not equal.")
    gt: float | None = _optional("Greater.")
    gte: float | None = _optional("Greater or equal.")
    lt: float | None = _optional("Less.")
    lte: float | None = _optional("Less or equal.")


@strawberry.input(description="One step of the order of a report.")
class ReportOrder:
    column: str = strawberry.field(description="The name of a column.")
    direction: Direction = strawberry.field(description="Which way.", default=Direction.ASC)


@strawberry.input(description="Moments at which the same question is asked: the end of each interval.")
class ReportAxis:
    from_: DateTime = strawberry.field(description="The first interval is the one that holds this.", name="from")
    to: DateTime | None = _optional("The last interval is the one that holds this, and ends with it; now without it.")
    every: ReportInterval = strawberry.field(description="How long the intervals are, in UTC; at most 120.")


@strawberry.type(description="A column of a report.")
class ReportColumn:
    name: str = plain("Its key in every row.")
    title: str = plain("What to write above it.")
    kind: ReportColumnKind = plain("What it holds.")
    is_measure: bool = plain("Whether it measures the bucket; otherwise it tells which one it is.")


@strawberry.type(description="A table of users grouped and measured.")
class UserReport:
    columns: list[ReportColumn] = record("The columns: dimensions in the order asked, then measures.", many=True)
    rows: list[JSON] = plain("The buckets: objects by the names of the columns.")
    total: int = plain("All users that `where` and `search` match, each once; counted only when asked for.")
    has_more: bool = plain("Whether there are more buckets than `first`.")


def _asked(given: Mapping[str, Any], viewer: Viewer, settings: Settings, path: Sequence[str | int]) -> Question:
    """The report as it was asked for. Raises Invalid, and FORBIDDEN for everything that hides from asking."""
    question = question_of(given)
    conditions = check_where(users_read.SOURCE, question.where, as_of=question.as_of)
    if len(question.search or "") > MOST_SEARCH:
        raise Invalid("search", reason=f"search takes at most {MOST_SEARCH} characters.")
    for place, measure in enumerate(question.measures):
        try:
            conditions = check_where(users_read.SOURCE, measure.where, conditions, as_of=question.as_of)
        except Refusal as refusal:
            raise refusal.below("measures", place) from None
    hidden = reports_read.hidden(viewer, question)
    if hidden:
        raise forbidden(hidden, viewer)
    if question.as_of is not None or question.axis is not None:
        absent = reports_read.require_past(viewer, question, settings.history_days)
        if absent:
            raise without_history(absent, path)
    return question


@strawberry.type
class ReportQueries:
    user_report: UserReport = report(
        users_read.SOURCE,
        _asked,
        reports_read.answer,
        "Users grouped and measured, whatever is asked in one SQL statement: the same users as `users` has for you.",
        argument("where", UserWhere | None, "Which users; all conditions hold."),
        argument("search", str | None, "Words that all stand in name, username, email or alias."),
        argument("group_by", list[UserDimension] | None, "By what, at most 8. Without it there is one row, of all."),
        argument("measures", list[UserMeasure] | None, "What is told of each bucket, at most 20; COUNT without it."),
        argument("having", list[ReportCondition] | None, "Which buckets."),
        argument("order_by", list[ReportOrder] | None, "By which columns; by the dimensions without it, and last."),
        argument("first", int | None, f"How many buckets at most, up to {MOST_ROWS}.", DEFAULT_ROWS),
        argument("as_of", DateTime | None, AS_OF),
        argument("as_of_each", ReportAxis | None, AS_OF_EACH),
    )
