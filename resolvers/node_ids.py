"""Ids of rows that were read as of a time: `user_18@2026-03-31T12:00:00.000000Z` is `user_18` as it was then.

A client's cache keeps objects by their ids, so the same row at two times needs two ids.
"""

import re
from collections.abc import Iterable
from datetime import datetime

from models.errors import Invalid
from models.values import rfc3339

MAX_TIMES = 10  # of one lookup: each is a statement of its own
_ID_AT_TIME = re.compile(r"([a-z]+_\d{1,18})@(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{1,6})?Z)", re.ASCII)


def split_id(typed: str) -> tuple[str, datetime | None]:
    """The stable id, and the time where the id names one. Text that is no such id is returned as it is."""
    if "@" not in typed or (parts := _ID_AT_TIME.fullmatch(typed)) is None:
        return typed, None
    try:
        return parts[1], datetime.fromisoformat(parts[2])
    except ValueError:
        return typed, None


def id_suffix(as_of: datetime) -> str:
    """What follows the stable id in the ids of rows read as of this time."""
    return f"@{rfc3339(as_of)}"


def times_of(ids: Iterable[str], *path: str | int) -> set[datetime]:
    """The different times that ids name. Raises Invalid where they are too many for one lookup."""
    times = {as_of for typed in ids if (as_of := split_id(typed)[1]) is not None}
    if len(times) > MAX_TIMES:
        raise Invalid(*path, reason=f"Ids of one lookup may name at most {MAX_TIMES} different times. Send several.")
    return times


def require_time(typed: str, as_of: datetime | None) -> None:
    """Refuse an id of another time than the one at which rows are read: it would compare two versions of a row."""
    stable, time = split_id(typed)
    if time is not None and time != as_of:
        reason = f"{typed} is {stable} as of a time that this list is not read at. Compare with its stableId, {stable}."
        raise Invalid("where", reason=reason)
