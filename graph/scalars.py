"""Scalars beyond GraphQL's own: moments and JSON."""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, NewType

import strawberry
from graphql import GraphQLError


def parse_instant(value: object) -> datetime:
    """An RFC 3339 time with its offset, in UTC. Raises GraphQLError for anything else."""
    if isinstance(value, str) and len(value) <= 40:
        try:
            moment = datetime.fromisoformat(value)
        except ValueError:
            moment = None
        if moment is not None and moment.tzinfo is not None and moment.year < 9999:
            try:
                return moment.astimezone(UTC)
            except OverflowError:
                pass
    raise GraphQLError('A DateTime looks like "2024-01-31T09:30:00Z": RFC 3339 with an offset.')


@dataclass(frozen=True)
class Verbatim:
    """JSON that was sent: its names are nobody's here to spell otherwise."""

    value: Any


DateTime = NewType("DateTime", str)
JSON = NewType("JSON", object)
SCALARS = {
    DateTime: strawberry.scalar(
        name="DateTime",
        description="A time in UTC: RFC 3339 with six digits of microseconds and a `Z`.",
        serialize=str,
        parse_value=parse_instant,
    ),
    JSON: strawberry.scalar(
        name="JSON", description="Any JSON value.", serialize=lambda value: value, parse_value=Verbatim
    ),
}
