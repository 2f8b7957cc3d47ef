"""The audit log: reading it, and recording a change in the transaction that makes it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any, ClassVar

from models import bulk
from models.audit import AuditEvent
from models.database import Transaction
from models.values import camel, rfc3339
from resolvers import users
from resolvers.filters import Choice, Identity, Instant, Text, Where, exact, number_of
from resolvers.policy import Right, Viewer
from resolvers.sources import Column, Kind, Source, Sql, subtree
from resolvers.turns import in_turns


class Action(StrEnum):
    """What was done to the subject."""

    CREATED = "CREATED"
    UPDATED = "UPDATED"
    DELETED = "DELETED"
    ERASED = "ERASED"
    INVITED = "INVITED"
    INVITATION_RESENT = "INVITATION_RESENT"
    INVITATION_REVOKED = "INVITATION_REVOKED"
    INVITATION_ACCEPTED = "INVITATION_ACCEPTED"
    CONVERTED = "CONVERTED"
    CONVERSION_REVERTED = "CONVERSION_REVERTED"
    ACTIVATED = "ACTIVATED"
    DEACTIVATED = "DEACTIVATED"
    PASSWORD_CHANGED = "PASSWORD_CHANGED"  # noqa: S105
    PASSWORD_RESET_REQUESTED = "PASSWORD_RESET_REQUESTED"  # noqa: S105
    PASSWORD_RESET = "PASSWORD_RESET"  # noqa: S105
    SECOND_FACTOR_ENROLLED = "SECOND_FACTOR_ENROLLED"
    SECOND_FACTOR_ENABLED = "SECOND_FACTOR_ENABLED"
    SECOND_FACTOR_DISABLED = "SECOND_FACTOR_DISABLED"
    SECOND_FACTOR_RESET = "SECOND_FACTOR_RESET"
    RECOVERY_CODES_MADE = "RECOVERY_CODES_MADE"
    RECOVERY_CODE_USED = "RECOVERY_CODE_USED"
    KEY_CREATED = "KEY_CREATED"
    KEY_REVOKED = "KEY_REVOKED"
    SIGNED_IN = "SIGNED_IN"
    SIGNED_OUT = "SIGNED_OUT"
    SIGN_IN_BLOCKED = "SIGN_IN_BLOCKED"
    TAKEN_VALUES_PROBED = "TAKEN_VALUES_PROBED"
    SESSIONS_ENDED = "SESSIONS_ENDED"
    MEMBERS_ADDED = "MEMBERS_ADDED"
    MEMBERS_REMOVED = "MEMBERS_REMOVED"


class Subject(StrEnum):
    """What an event is about; its value is the prefix of the subject's id."""

    USER = "user"
    ROLE = "role"
    PROVIDER = "provider"
    ORGANIZATION = "organization"
    GROUP = "group"
    JOB = "job"
    REPORT = "report"


@dataclass(frozen=True)
class Event:
    """One change. `changes` is field to [before, after]; secrets never stand in it."""

    action: Action
    subject: Subject
    subject_id: int
    label: str
    changes: Mapping[str, tuple[Any, Any]]


async def record(tx: Transaction, viewer: Viewer, moment: datetime, events: Sequence[Event]) -> None:
    """Write events in the caller's transaction: what is not recorded did not happen, and the other way round."""
    await bulk.insert(
        tx,
        AuditEvent,
        [
            {
                "created_at": moment,
                "actor_id": viewer.user_id,
                "actor_username": viewer.username,
                "api_key_id": viewer.key_id,
                "action": event.action,
                "subject_type": event.subject,
                "subject_id": event.subject_id,
                "subject_label": event.label[:255],
                "changes": {camel(name): [_plain(a), _plain(b)] for name, (a, b) in event.changes.items() if a != b},
                "request_id": viewer.request_id,
            }
            async for event in in_turns(events)
        ],
    )


def _plain(value: Any) -> Any:
    return rfc3339(value) if isinstance(value, datetime) else value


@dataclass(frozen=True)
class SubjectId(Text):
    """A typed id kept as type and number, which have the index."""

    takes_ids: ClassVar[bool] = True

    found: ClassVar[frozenset[str]] = frozenset({"eq", "in"})

    def sql(self, sql: Sql, alias: str, given: Where) -> str:
        whole = super().sql(sql, alias, given)
        asked: list[list[str]] = [[given["eq"]]] if "eq" in given else []
        asked += [list(given["in"])] if given.get("in") else []
        narrowed = [self._by_index(sql, alias, ids) for ids in asked]
        return " AND ".join([*narrowed, whole])

    def _by_index(self, sql: Sql, alias: str, ids: Sequence[str]) -> str:
        ways = []
        for subject in Subject:
            numbers = [n for n in (number_of(subject, each) for each in ids) if n is not None]
            if numbers:
                number = sql.among(f"{alias}.subject_id", numbers)
                ways.append(f"{alias}.subject_type = {sql.place(subject.value)} AND {number}")
        return f"({' OR '.join(f'({way})' for way in ways) or 'false'})"


def visible(sql: Sql, alias: str) -> str | None:
    """All events, or those about users of the organizations where the viewer may read the audit log."""
    if Right.READ_AUDIT in sql.viewer.rights:
        return None
    about = users.visible_through(sql, f"{alias}.subject_id", Right.READ_AUDIT)
    return f"({alias}.subject_type = 'user' AND {about} AND {_names_no_place_elsewhere(sql, alias)})"


NAMED = {  # names of organizations in an event's changes
    "sqlite": "SELECT 1 FROM json_tree({changes}, '$.organizations') n"
    " WHERE n.type = 'text' AND n.value NOT IN ({own})",
    "postgres": "SELECT 1 FROM jsonb_path_query({changes}, '$.organizations[*][*]') n"
    " WHERE jsonb_typeof(n) = 'string' AND n #>> '{{}}' NOT IN ({own})",
}


def _names_no_place_elsewhere(sql: Sql, alias: str) -> str:
    """An event that names an organization out of sight would show a membership there: it is out of sight, too."""
    tree = subtree(sql, sql.viewer.organizations_with(Right.READ_AUDIT))
    own = f"SELECT name FROM organizations_history WHERE row_id IN ({tree})"
    own += f" UNION SELECT name FROM organizations WHERE id IN ({tree})"
    named = NAMED[sql.dialect.name].format(changes=f"{alias}.changes", own=own)
    return f"({alias}.subject_id = {sql.place(sql.viewer.user_id or 0)} OR NOT EXISTS ({named}))"


SOURCE: Source = Source(
    type_name="AuditEvent",
    table="audit_events",
    prefix="event",
    columns={
        "id": Column("{t}.id", Kind.ID, prefix="event"),
        "createdAt": Column("{t}.created_at", Kind.INSTANT),
        "action": Column("{t}.action"),
        "actorId": Column("{t}.actor_id", Kind.NUMBER, nullable=True),
        "actorUsername": Column("{t}.actor_username", nullable=True),
        "apiKeyId": Column("CASE WHEN {t}.api_key_id IS NOT NULL THEN 'key_' || {t}.api_key_id END", nullable=True),
        "subjectId": Column("({t}.subject_type || '_' || {t}.subject_id)"),
        "subjectType": Column("{t}.subject_type"),
        "subjectNumber": Column("{t}.subject_id", Kind.NUMBER),
        "subjectLabel": Column("{t}.subject_label"),
        "changes": Column("{t}.changes", Kind.JSON),
        "requestId": Column("{t}.request_id", nullable=True),
    },
    visible=visible,
    indexed=frozenset({"id", "createdAt", "actorId", "subjectId"}),
    orders={"ID": "id"},
    default_order=(("ID", True),),
    filters={
        "id": Identity("event"),
        "action": Choice("{t}.action", "AuditActionFilter"),
        "createdAt": Instant("{t}.created_at"),
        "actorId": Identity("user", "{t}.actor_id"),
        "subjectId": SubjectId("({t}.subject_type || '_' || {t}.subject_id)", normal=exact, part=exact),
        "requestId": Text("{t}.request_id", normal=exact, part=exact),
    },
)
