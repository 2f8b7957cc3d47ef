"""Sessions: what a sign-in opens, as it is read."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from models import bulk
from models.base import LABEL
from models.sessions import Session
from resolvers import audit, tokens, users
from resolvers.audit import Action, Event, Subject
from resolvers.changes import Change
from resolvers.filters import Flag, Identity, Instant
from resolvers.policy import Right, Viewer
from resolvers.sources import Column, Kind, Relation, Source, Sql


@dataclass(frozen=True)
class Opened:
    """A new session with its token, which is told only now."""

    id: int
    token: str
    expires_at: datetime


async def open_session(
    change: Change, user_id: int, *, address: str | None = None, user_agent: str | None = None
) -> Opened:
    """A session of a user who has proved who they are, and the record of it. The caller has decided that they may."""
    token = tokens.make(tokens.Purpose.SESSION)
    expires = change.moment + timedelta(hours=change.settings.session_hours)
    row = {
        "user_id": user_id,
        "token_digest": tokens.digest(tokens.Purpose.SESSION, token),
        "address": _kept(address),
        "user_agent": _kept(user_agent),
        "created_at": change.moment,
        "expires_at": expires,
        "last_used_at": change.moment,
    }
    session_id = (await bulk.insert(change.tx, Session, [row]))[0][0]
    signed_in = "UPDATE users SET last_login_at = $2 WHERE id = $1 RETURNING username"
    username = await change.tx.scalar(signed_in, user_id, change.moment)
    actor = Viewer(user_id=user_id, username=username, request_id=change.viewer.request_id)
    changes = {"session": (None, f"session_{session_id}"), "address": (None, row["address"])}
    event = Event(Action.SIGNED_IN, Subject.USER, user_id, username, changes)
    await audit.record(change.tx, actor, change.moment, [event])
    return Opened(session_id, token, expires)


async def end_sessions(change: Change, ids: Sequence[int]) -> None:
    """All of these users that are open."""
    among = change.tx.dialect.among("user_id", "$1", "bigint")
    await change.tx.rows(
        f"UPDATE sessions SET ended_at = $2 WHERE {among} AND ended_at IS NULL", list(ids), change.moment
    )


def _kept(text: str | None) -> str | None:
    """What a client says about itself, as far as it can be kept."""
    printable = "".join(c for c in text or "" if c.isprintable())[:LABEL]
    return printable or None


IS_OPEN = "({t}.ended_at IS NULL AND {t}.expires_at > CURRENT_TIMESTAMP)"
LAST_USED = "COALESCE({t}.last_used_at, {t}.created_at)"


def visible(sql: Sql, alias: str) -> str | None:
    """Who may end the sessions of others may see them; everybody sees their own."""
    return users.visible_through(sql, f"{alias}.user_id", Right.DEACTIVATE_USERS)


SOURCE: Source = Source(
    type_name="Session",
    table="sessions",
    prefix="session",
    columns={
        "id": Column("{t}.id", Kind.ID, prefix="session"),
        "isOpen": Column(IS_OPEN, Kind.FLAG),
        "createdAt": Column("{t}.created_at", Kind.INSTANT),
        "lastUsedAt": Column(LAST_USED, Kind.INSTANT),
        "expiresAt": Column("{t}.expires_at", Kind.INSTANT),
        "endedAt": Column("{t}.ended_at", Kind.INSTANT, nullable=True),
        "address": Column("{t}.address", nullable=True),
        "userAgent": Column("{t}.user_agent", nullable=True),
        "userId": Column("{t}.user_id", Kind.NUMBER),
    },
    visible=visible,
    indexed=frozenset({"id"}),
    unindexed=frozenset({"LAST_USED_AT", "CREATED_AT"}),
    orders={"ID": "id", "CREATED_AT": "createdAt", "LAST_USED_AT": "lastUsedAt"},
    default_order=(("ID", True),),
    filters={
        "id": Identity("session"),
        "isOpen": Flag(IS_OPEN),
        "createdAt": Instant("{t}.created_at"),
        "lastUsedAt": Instant(LAST_USED),
        "expiresAt": Instant("{t}.expires_at"),
    },
)
OF_USER = Relation(lambda: SOURCE, "t.user_id", few=True)
