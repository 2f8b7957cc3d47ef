"""From an API key to a viewer, and the record of when keys were last used."""

import asyncio
import contextvars
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Any

import orjson

from models.database import Connection, Database, Record, Statement, Steps, Transaction
from models.dialects import Dialect
from models.errors import Unauthenticated, Unavailable
from models.values import key, now
from models.watching import CURRENT, Asked
from resolvers import tokens
from resolvers.policy import Grant, Right, Viewer
from resolvers.proofs import Proof

log = logging.getLogger("usergraph.viewers")

TOUCH_EVERY = timedelta(seconds=60)
MOST_KNOWN = 1_000  # keys

_FIND = """
SELECT k.id, k.rights, k.expires_at, k.revoked_at, k.last_used_at, u.id, u.username, u.state, r.id, r.weight, r.rights,
       EXISTS (SELECT 1 FROM organization_members m WHERE m.user_id = u.id AND m.role_id IS NOT NULL), k.digest
FROM api_keys k JOIN users u ON u.id = k.user_id JOIN roles r ON r.id = u.role_id
WHERE {}
"""
BY_KEY = _FIND.format("k.id = $1")
GRANTS = """
SELECT m.user_id, m.organization_id, r.rights, r.weight
FROM organization_members m JOIN roles r ON r.id = m.role_id
WHERE {}
"""


class Doorkeeper:
    """Who comes with which key. A key that is revoked opens nothing from that moment on: what is remembered is proved.

    Requests that come while one look-up is on its way share the next, so that many at once cost few statements.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._waiting: dict[str, list[asyncio.Future[Found | None]]] = {}
        self._known: dict[str, Record] = {}
        self._first: Asked | None = None
        self._task: asyncio.Task[None] | None = None

    def proof(self, secret: str, request_id: str) -> Proof | None:
        """Who came with this key before, to be proved; None where it must be looked up.

        It must also be from time to time, for the record of its last use; and on SQLite, where proving saves nothing.
        """
        if self._database.dialect.name == "sqlite":
            return None
        digest = tokens.digest(tokens.Purpose.API_KEY, secret)
        row = self._known.get(digest)
        if row is None or _is_stale(row):
            return None
        try:
            return Proof(_viewer(Found(row), request_id), digest, row)
        except Unauthenticated:
            return None

    async def viewer(self, secret: str, request_id: str) -> tuple[Viewer, bool]:
        """The viewer of a key, and whether its last use is long enough ago to be recorded anew.

        Raises Unauthenticated, with one message, for keys that are unknown, revoked, expired or of an inactive owner.
        """
        future: asyncio.Future[Found | None] = asyncio.get_running_loop().create_future()
        if not self._waiting:
            self._first = CURRENT.get()
        self._waiting.setdefault(tokens.digest(tokens.Purpose.API_KEY, secret), []).append(future)
        if self._task is None:
            self._task = asyncio.create_task(self._look_up())
        found = await future
        if found is None:
            raise Unauthenticated
        return _viewer(found, request_id), _is_stale(found.row)

    async def _look_up(self) -> None:
        while self._waiting:
            waiting, self._waiting = self._waiting, {}
            CURRENT.set(self._first)  # whose statement it is that others share
            try:
                async with asyncio.timeout(self._database.wait):  # all who come wait for this one
                    found = await self._database.read(_by_digests(self._database.dialect, list(waiting)), quick=True)
            except TimeoutError:
                for future in _unanswered(waiting):
                    future.set_exception(Unavailable("the database does not answer"))
                continue
            except Exception as error:
                for future in _unanswered(waiting):
                    future.set_exception(error)
                continue
            for digest, futures in waiting.items():
                self._remember(digest, found.get(digest))
                for future in futures:
                    if not future.done():
                        future.set_result(found.get(digest))
        self._task = None

    def _remember(self, digest: str, found: "Found | None") -> None:
        self._known.pop(digest, None)
        if found is not None and not found.row[11]:
            self._known[digest] = found.row
            if len(self._known) > MOST_KNOWN:
                del self._known[next(iter(self._known))]


def _unanswered(waiting: Mapping[str, Sequence[asyncio.Future[Any]]]) -> list[asyncio.Future[Any]]:
    return [future for futures in waiting.values() for future in futures if not future.done()]


@dataclass(frozen=True)
class Found:
    """A key's row with its owner and role, and the owner's roles in organizations."""

    row: Record
    grants: Sequence[Record] = ()


def _by_digests(dialect: Dialect, digests: list[str]) -> Steps[dict[str, Found]]:
    rows = yield Statement(_FIND.format(dialect.among("k.digest", "$1", "text")), [digests])
    granted = [row[5] for row in rows if row[11]]
    grants = (yield Statement(GRANTS.format(dialect.among("m.user_id", "$1", "bigint")), [granted])) if granted else []
    return {row[12]: Found(row, [each for each in grants if each[0] == row[5]]) for row in rows}


async def as_of_now(connection: Connection, viewer: Viewer) -> Viewer:
    """The viewer again, by the same key, with the rights of this moment: asked inside the transaction that changes.

    Raises Unauthenticated where the key or its owner has lost access since the request began.
    """
    if viewer.key_id is None:
        return viewer
    row = await connection.one(BY_KEY, viewer.key_id)
    if row is None:
        raise Unauthenticated
    grants = await connection.rows(GRANTS.format("m.user_id = $1"), row[5]) if row[11] else []
    return _viewer(Found(row, grants), viewer.request_id)


def _is_stale(row: Record) -> bool:
    return row[4] is None or as_time(row[4]) < now() - TOUCH_EVERY


def _viewer(found: Found, request_id: str | None) -> Viewer:
    row = found.row
    if row[3] is not None or row[7] != "ACTIVE" or (row[2] is not None and as_time(row[2]) <= now()):
        raise Unauthenticated
    narrow = rights_of(row[1]) if row[1] is not None else None
    return Viewer(
        user_id=row[5],
        username=row[6],
        role_id=row[8],
        weight=row[9],
        rights=_narrowed(rights_of(row[10]), narrow),
        grants=tuple(Grant(each[1], _narrowed(rights_of(each[2]), narrow), each[3]) for each in found.grants),
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
    grants = await connection.rows(GRANTS.format("m.user_id = $1"), row[0])
    return Viewer(
        user_id=row[0],
        username=row[1],
        role_id=row[2],
        weight=row[3],
        rights=rights_of(row[4]),
        grants=tuple(Grant(each[1], rights_of(each[2]), each[3]) for each in grants),
    )


def _narrowed(rights: frozenset[Right], narrow: frozenset[Right] | None) -> frozenset[Right]:
    return rights if narrow is None else rights & narrow


def rights_of(stored: Any) -> frozenset[Right]:
    """Stored rights; a name that this version does not know gives nothing."""
    return _rights(stored) if isinstance(stored, str) else _known(stored)


@lru_cache(maxsize=256)
def _rights(stored: str) -> frozenset[Right]:
    return _known(orjson.loads(stored))


def _known(names: Sequence[str]) -> frozenset[Right]:
    known = Right.__members__
    return frozenset(known[name] for name in names if name in known)


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
                # In a context of its own: it is no request's, and logs must not say so.
                self._task = asyncio.create_task(self.flush(), context=contextvars.Context())

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
