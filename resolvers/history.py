"""The past: reading the directory as it was at a moment, by what its triggers recorded (models/versions.py)."""

import re
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from functools import cache, lru_cache
from typing import Any, TypeVar

from models import bulk
from models.database import Statement, Steps
from models.errors import Forbidden, Invalid
from models.history import VERSIONS, Version
from models.values import camel, now
from resolvers.conditions import asked_by
from resolvers.loaders import Page
from resolvers.policy import Right, Viewer
from resolvers.sources import Source

T = TypeVar("T")

# What is not recorded: last uses, what is not the directory's (sessions, invitations), and sealed settings.
ABSENT: Mapping[str, frozenset[str]] = {
    "User": frozenset({"lastLoginAt", "lastApiRequestAt", "sessions", "invitations"}),
    "ApiKey": frozenset({"lastUsedAt"}),
    "IdentityProvider": frozenset({"ldapSettings", "samlSettings"}),
}

# As the live tables say it, of what is recorded otherwise.
_MADE = {"has_password": "CASE WHEN has_password THEN '' END AS password_hash"}
# A key that was revoked later was not revoked then, also where its version was made of what was known later.
_LATER = {"revoked_at": "CASE WHEN revoked_at <= {place} THEN revoked_at END AS revoked_at"}
_NAMED = re.compile(rf"\b({'|'.join(VERSIONS)})\b")
_WITH = re.compile(r"\s*WITH\s+(RECURSIVE\s+)?", re.IGNORECASE)


def require(viewer: Viewer, *path: str) -> None:
    """The past is as sensitive as the audit log, which says the same: who was what, and who is no more.

    Raises Forbidden.
    """
    if not viewer.can(Right.READ_AUDIT):
        raise Forbidden(*path, what="ask for the past", right=Right.READ_AUDIT)


def require_recorded(moment: datetime, history_days: int, *path: str) -> None:
    """Raises Invalid for a moment that is yet to come, or lies before what retention has left."""
    if moment > now():
        raise Invalid(*path, reason=f"{path[-1]} is in the future. Name a time that has been, or leave it out for now.")
    if history_days and moment < now() - timedelta(days=history_days):
        reason = f"The past is kept for {history_days} days (USERGRAPH_HISTORY_DAYS). Name a later moment."
        raise Invalid(*path, reason=reason)


def is_recorded(source: Source) -> bool:
    """Whether there are versions of the rows of this source."""
    return source.table in VERSIONS


def is_absent(type_name: str, name: str) -> bool:
    """Whether a field has no history, so that it may not be asked for at a moment."""
    return name in ABSENT.get(type_name, ())


def absent(source: Source, asked: Page) -> list[str]:
    """What a page is narrowed, searched and ordered by though it has no history."""
    ordered = [camel(name.lower()) for name, _ in asked.order]
    return [
        *asked_by(source, asked.where, is_absent),
        *(f"{source.type_name}.{name}" for name in ordered if is_absent(source.type_name, name)),
        *(["search"] if asked.search and asked.search.strip() else []),
    ]


def viewer_of(viewer: Viewer) -> Viewer:
    """The viewer with those of their rights that reach into the past: the ones held where they may read the log.

    Who may read all of it sees the past as they see the present: without a grant that lets them read the fields of
    some, they would be shown those of all whom they may list.
    """
    if Right.READ_AUDIT in viewer.rights:
        return viewer
    reaching = tuple(grant for grant in viewer.grants if Right.READ_AUDIT in grant.rights)
    return replace(viewer, rights=frozenset(), grants=reaching)


def at(moment: datetime, steps: Steps[T]) -> Steps[T]:
    """The same plan, each of its statements reading the directory as it was at `moment`."""
    rows: Any = None
    while True:
        try:
            statement = steps.send(rows)
        except StopIteration as done:
            return done.value  # type: ignore[no-any-return]
        rows = yield then(moment, statement)


def then(moment: datetime, statement: Statement) -> Statement:
    """`listed` is gone: who asks must be proved by the tables of now, which the statement no longer sees."""
    if not _NAMED.search(statement.sql):
        return statement
    place = f"${len(statement.values) + 1}"
    return statement._replace(sql=text_at(place, statement.sql), values=[*statement.values, moment], listed=0)


@lru_cache(maxsize=256)
def text_at(place: str, sql: str) -> str:
    """A statement as it reads at the moment that stands at `place`, which is also its current time."""
    tables = _tables(place, frozenset(_NAMED.findall(sql)))
    sql = sql.replace("CURRENT_TIMESTAMP", place)
    begun = _WITH.match(sql)
    if begun is None:
        return f"WITH {tables} {sql}"
    return f"WITH {begun[1] or ''}{tables}, {sql[begun.end() :]}"


def _tables(place: str, named: frozenset[str]) -> str:
    """CTEs that hide the named tables behind what was in them at the moment that stands at `place`."""
    return ", ".join(f"{table} AS NOT MATERIALIZED ({_was(table, place)})" for table in VERSIONS if table in named)


@cache
def _was(table: str, place: str) -> str:
    model = VERSIONS[table]
    columns = ", ".join(["row_id AS id", *(_column(name, place) for name in kept(model))])
    held = f"valid_from <= {place} AND (valid_to IS NULL OR valid_to > {place})"
    return f"SELECT {columns} FROM {model._meta.db_table} WHERE {held}"


def _column(name: str, place: str) -> str:
    return _LATER[name].format(place=place) if name in _LATER else _MADE.get(name, name)


def kept(model: type[Version]) -> list[str]:
    """The columns that are recorded of a table."""
    return [name for name in bulk.column_kinds(model) if name not in ("id", "row_id", "valid_from", "valid_to")]
