"""From an API key to a viewer, and the record of when keys were last used."""

import asyncio
import logging
from datetime import datetime, timedelta
from typing import Any

import orjson

from models.database import Connection, Database, Record, Transaction
from models.errors import Unauthenticated, Unavailable
from models.values import key, now
from resolvers import tokens
from resolvers.policy import Grant, Right, Viewer

log = logging.getLogger("usergraph.viewers")

TOUCH_EVERY = timedelta(seconds=60)

_FIND = """
SELECT k.id, k.rights, k.expires_at, k.revoked_at, k.last_used_at, u.id, u.username, u.state, r.id, r.weight, r.rights,
       EXISTS (SELECT 1 FROM organization_members m WHERE m.user_id = u.id AND m.role_id IS NOT NULL)
FROM api_keys k JOIN users u ON u.id = k.user_id JOIN roles r ON r.id = u.role_id
WHERE {}
"""
BY_SECRET = _FIND.format("k.digest = $1")
BY_KEY = _FIND.format("k.id = $1")
GRANTS = """
SELECT m.organization_id, r.rights, r.weight
FROM organization_members m JOIN roles r ON r.id = m.role_id
WHERE m.user_id = $1
"""


async def by_key(connection: Connection, secret: str, request_id: str) -> tuple[Viewer, bool]:
    """The viewer of a key, and whether its last use is long enough ago to be recorded anew.

    Raises Unauthenticated, with one message, for keys that are unknown, revoked, expired or of an inactive owner.
    """
    digest = tokens.digest(tokens.Purpose.API_KEY, secret)
    row = await connection.one(BY_SECRET, digest)
    return await _viewer(connection, row, request_id), _is_stale(row)


async def as_of_now(connection: Connection, viewer: Viewer) -> Viewer:
    """The viewer again, by the same key, with the rights of this moment: asked inside the transaction that changes.

    Raises Unauthenticated where the key or its owner has lost access since the request began.
    """
    if viewer.key_id is None:
        return viewer
    row = await connection.one(BY_KEY, viewer.key_id)
    return await _viewer(connection, row, viewer.request_id)


def _is_stale(row: Record | None) -> bool:
    return row is not None and (row[4] is None or as_time(row[4]) < now() - TOUCH_EVERY)


async def _viewer(connection: Connection, row: Record | None, request_id: str | None) -> Viewer:
    moment = now()
    if row is None or row[3] is not None or row[7] != "ACTIVE" or (row[2] is not None and as_time(row[2]) <= moment):
        raise Unauthenticated
    narrow = rights_of(row[1]) if row[1] is not None else None
    grants = await connection.rows(GRANTS, row[5]) if row[11] else []
    return Viewer(
        user_id=row[5],
        username=row[6],
        role_id=row[8],
        weight=row[9],
        rights=_narrowed(rights_of(row[10]), narrow),
        grants=tuple(Grant(each[0], _narrowed(rights_of(each[1]), narrow), each[2]) for each in grants),
        key_id=row[0],
        key_is_narrow=narrow is not None,
        key_expires_at=None if row[2] is None else as_time(row[2]),
        request_id=request_id,
    )


async def by_username(connection: Connection, username: str) -> Viewer | None:
    """The viewer that an active user is, for commands given on the machine itself."""
    row = await connection.one(
        "SELECT u.id, u.username, r.id, r.weight, r.rights FROM users u JOIN roles r ON r.id = u.role_id"
        " WHERE u.username_key = $1 AND u.state = 'ACTIVE'",
        key(username),
    )
    if row is None:
        return None
    grants = await connection.rows(GRANTS, row[0])
    return Viewer(
        user_id=row[0],
        username=row[1],
        role_id=row[2],
        weight=row[3],
        rights=rights_of(row[4]),
        grants=tuple(Grant(each[0], rights_of(each[1]), each[2]) for each in grants),
    )


def _narrowed(rights: frozenset[Right], narrow: frozenset[Right] | None) -> frozenset[Right]:
    return rights if narrow is None else rights & narrow


def rights_of(stored: Any) -> frozenset[Right]:
    """Stored rights; a name that this version does not know gives nothing."""
    known = Right.__members__
    return frozenset(
        known[name] for name in (orjson.loads(stored) if isinstance(stored, str) else stored) if name in known
    )


def as_time(value: Any) -> datetime:
    return value if isinstance(value, datetime) else datetime.fromisoformat(value)


class Touches:
    """Last uses, written together a moment later: no request waits for the record that it was made."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._waiting: dict[int, tuple[int, datetime]] = {}
        self._task: asyncio.Task[None] | None = None

    def add(self, viewer: Viewer) -> None:
        if viewer.key_id is not None and viewer.user_id is not None:
            self._waiting[viewer.key_id] = (viewer.user_id, now())
            if self._task is None or self._task.done():
                self._task = asyncio.create_task(self.flush())

    async def flush(self) -> None:
        """Write what waits. A database that is away loses last uses, never a request."""
        waiting, self._waiting = self._waiting, {}
        if not waiting:
            return
        try:
            await self._database.transaction(lambda tx: _write(tx, waiting))
        except Unavailable:
            log.warning("the last use of %d keys was not recorded: the database does not answer", len(waiting))

    async def close(self) -> None:
        if self._task is not None:
            await asyncio.wait([self._task])
        await self.flush()


async def _write(tx: Transaction, waiting: dict[int, tuple[int, datetime]]) -> None:
    moment = max(at for _, at in waiting.values())
    await tx.rows(
        f"UPDATE api_keys SET last_used_at = $1 WHERE {tx.dialect.among('id', '$2', 'bigint')}",
        moment,
        list(waiting),
    )
    users = list({user for user, _ in waiting.values()})
    await tx.rows(
        f"UPDATE users SET last_api_request_at = $1 WHERE {tx.dialect.among('id', '$2', 'bigint')}",
        moment,
        users,
    )
