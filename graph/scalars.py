"""Scalars beyond GraphQL's own: moments and JSON."""

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, NewType

import strawberry
from graphql import GraphQLError

from models.values import now

_AGO = re.compile(r"-P(?:(\d{1,5})W|(?:(\d{1,5})D)?(?:T(\d{1,6})H)?)", re.ASCII)
_DAY = re.compile(r"\d{4}-\d\d-\d\d", re.ASCII)


def parse_instant(value: object) -> datetime:
    """An RFC 3339 time with its offset, a day, which begins in UTC, or a time that long ago. Raises GraphQLError."""
    if isinstance(value, str) and len(value) <= 40:
        try:
            if (ago := time_ago(value, now())) is not None:
                return ago
            moment = datetime.fromisoformat(f"{value}T00:00:00Z" if _DAY.fullmatch(value) else value)
        except (ValueError, OverflowError):
            moment = None
        if moment is not None and moment.tzinfo is not None and moment.year < 9999:
            try:
                return moment.astimezone(UTC)
            except OverflowError:
                pass
    raise GraphQLError(
        'A DateTime looks like "2024-01-31T09:30:00Z" (RFC 3339 with an offset), "2024-01-31" (the begin of that day'
        ' in UTC) or "-P90D" (that long ago, in weeks, days and hours).'
    )


def time_ago(text: str, present: datetime) -> datetime | None:
    """The time that `-P90D`, `-P2W` or `-PT12H` mean; None for other text. Raises OverflowError."""
    ago = _AGO.fullmatch(text)
    if ago is None or not any(ago.groups()):
        return None
    weeks, days, hours = (int(each or 0) for each in ago.groups())
    return present - timedelta(weeks=weeks, days=days, hours=hours)


@dataclass(frozen=True)
class Verbatim:
    """JSON that was sent: its names are nobody's here to spell otherwise."""

    value: Any


DateTime = NewType("DateTime", str)
JSON = NewType("JSON", object)
SCALARS = {
    DateTime: strawberry.scalar(
        name="DateTime",
        description="A time in UTC: RFC 3339 with six digits of microseconds and a `Z`. An input takes any offset and"
        " fewer digits, a day (`2024-01-31`, its begin in UTC), and a time that long ago (`-P90D`, `-P2W`, `-PT12H`).",
        serialize=str,
        parse_value=parse_instant,
    ),
    JSON: strawberry.scalar(
        name="JSON", description="Any JSON value.", serialize=lambda value: value, parse_value=Verbatim
    ),
}
