"""From an API key or a session to a viewer."""

import asyncio
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Any

import orjson

from models.database import Connection, Database, Record, Statement, Steps
from models.dialects import Dialect
from models.errors import Unauthenticated, Unavailable
from models.values import key, now, spelling
from models.watching import CURRENT, Asked
from resolvers import tokens
from resolvers.known_keys import Proof
from resolvers.policy import Grant, Right, Viewer
from resolvers.tokens import Purpose

TOUCH_EVERY = timedelta(seconds=60)
MOST_KNOWN = 1_000  # keys
Asker = tuple[Purpose, str]  # the digest of a key or of a session's token

_HAS_GRANTS = "EXISTS (SELECT 1 FROM organization_members m WHERE m.user_id = u.id AND m.role_id IS NOT NULL)"
DEMANDS_FACTOR = """(r.requires_second_factor OR EXISTS (
    SELECT 1 FROM organization_members m JOIN roles o ON o.id = m.role_id
    WHERE m.user_id = u.id AND o.requires_second_factor))"""
# Who comes by SAML has shown it to the identity provider, or was refused (resolvers/sign_in_saml.py).
MUST_ENROLL = f"(u.totp_enabled_at IS NULL AND p.kind <> 'SAML' AND {DEMANDS_FACTOR})"
# Of two kinds, with the same columns; the last tells whether a role of a session's user wants a second factor first.
_KEYS = f"""
SELECT k.id, k.rights, k.expires_at, k.revoked_at, k.last_used_at, u.id, u.username, u.state, r.id, r.weight, r.rights,
       {_HAS_GRANTS}, k.digest, false
FROM api_keys k JOIN users u ON u.id = k.user_id JOIN roles r ON r.id = u.role_id
WHERE {{}}
"""
# Whoever has no provider, or one that is switched off, has no session either.
_SESSIONS = f"""
SELECT s.id, NULL, s.expires_at, s.ended_at, COALESCE(s.last_used_at, s.created_at), u.id, u.username, u.state,
       r.id, r.weight, r.rights, {_HAS_GRANTS}, s.token_digest,
       {MUST_ENROLL}
FROM sessions s JOIN users u ON u.id = s.user_id JOIN roles r ON r.id = u.role_id
JOIN identity_providers p ON p.id = u.provider_id AND p.is_enabled
WHERE {{}}
"""
_FIND = {Purpose.API_KEY: (_KEYS, "k.digest"), Purpose.SESSION: (_SESSIONS, "s.token_digest")}
_BY_ID = {Purpose.API_KEY: _KEYS.format("k.id = $1"), Purpose.SESSION: _SESSIONS.format("s.id = $1")}
ENROLLING = frozenset({Right.USE_SELF_SERVICE})
GRANTS = """
SELECT m.user_id, m.organization_id, r.rights, r.weight
FROM organization_members m JOIN roles r ON r.id = m.role_id
WHERE {}
"""


class Doorkeeper:
    """Who comes with which key or session. What is revoked opens nothing from that moment on.

    Requests that come while one look-up is on its way share the next, so that many at once cost few statements.
    """

    def __init__(self, database: Database, idle: timedelta) -> None:
        self._database = database
        self._idle = idle
        self._waiting: dict[Asker, list[asyncio.Future[Found | None]]] = {}
        self._known: dict[str, tuple[Record, Viewer]] = {}
        self._first: Asked | None = None
        self._task: asyncio.Task[None] | None = None

    def proof(self, secret: str, request_id: str) -> Proof | None:
        """Who came with this key before, to be proved; None where it must be looked up.

        It must also be from time to time, for the record of its last use; and on SQLite, where proving saves nothing.
        """
        if self._database.dialect.name == "sqlite":
            return None
        digest = tokens.digest(Purpose.API_KEY, secret)
        row, viewer = self._known.get(digest, (None, None))
        if row is None or viewer is None or _is_stale(row):
            return None
        return Proof(replace(viewer, request_id=request_id), digest, row)

    async def viewer(self, purpose: Purpose, secret: str, request_id: str) -> tuple[Viewer, bool]:
        """The viewer of a key or session, and whether its last use is long enough ago to be recorded anew.

        Raises Unauthenticated, with one message, for what is unknown, ended, expired, unused for too long, or of
        somebody who is not active.
        """
        future: asyncio.Future[Found | None] = asyncio.get_running_loop().create_future()
        if not self._waiting:
            self._first = CURRENT.get()
        self._waiting.setdefault((purpose, tokens.digest(purpose, secret)), []).append(future)
        if self._task is None:
            self._task = asyncio.create_task(self._look_up())
        found = await future
        if found is None or (purpose is Purpose.SESSION and as_time(found.row[4]) < now() - self._idle):
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
            for asker, futures in waiting.items():
                self._remember(asker, found.get(asker))
                for future in futures:
                    if not future.done():
                        future.set_result(found.get(asker))
        self._task = None

    def _remember(self, asker: Asker, found: "Found | None") -> None:
        """A key whose owner has no roles in organizations: those are more than one row."""
        purpose, digest = asker
        self._known.pop(digest, None)
        if found is not None and purpose is Purpose.API_KEY and not found.row[11]:
            with suppress(Unauthenticated):
                self._known[digest] = (found.row, _viewer(found, None))
            if len(self._known) > MOST_KNOWN:
                del self._known[next(iter(self._known))]


def _unanswered(waiting: Mapping[Asker, Sequence[asyncio.Future[Any]]]) -> list[asyncio.Future[Any]]:
    return [future for futures in waiting.values() for future in futures if not future.done()]


@dataclass(frozen=True)
class Found:
    """A key's or session's row with its owner and role, and the owner's roles in organizations."""

    purpose: Purpose
    row: Record
    grants: Sequence[Record] = ()


def _by_digests(dialect: Dialect, askers: Sequence[Asker]) -> Steps[dict[Asker, Found]]:
    """A statement for keys, one for sessions, where there are any of them, and one for grants."""
    rows: list[tuple[Purpose, Record]] = []
    for purpose, (find, column) in _FIND.items():
        digests = [digest for each, digest in askers if each is purpose]
        if digests:
            found = yield Statement(find.format(dialect.among(column, "$1", "text")), [digests])
            rows += [(purpose, row) for row in found]
    granted = list({row[5] for _, row in rows if row[11]})
    grants = (yield Statement(GRANTS.format(dialect.among("m.user_id", "$1", "bigint")), [granted])) if granted else []
    return {
        (purpose, row[12]): Found(purpose, row, [each for each in grants if each[0] == row[5]]) for purpose, row in rows
    }


async def as_of_now(connection: Connection, viewer: Viewer) -> Viewer:
    """The viewer again, by the same key or session, with the rights of this moment: asked inside a transaction.

    Raises Unauthenticated where it or its owner has lost access since the request began.
    """
    purpose, number = Purpose.API_KEY, viewer.key_id
    if viewer.session_id is not None:
        purpose, number = Purpose.SESSION, viewer.session_id
    if number is None:
        return viewer
    row = await connection.one(_BY_ID[purpose], number)
    if row is None:
        raise Unauthenticated
    grants = await connection.rows(GRANTS.format("m.user_id = $1"), row[5]) if row[11] else []
    return _viewer(Found(purpose, row, grants), viewer.request_id)


def _is_stale(row: Record) -> bool:
    return row[4] is None or as_time(row[4]) < now() - TOUCH_EVERY


def _viewer(found: Found, request_id: str | None) -> Viewer:
    row = found.row
    if row[3] is not None or row[7] != "ACTIVE" or (row[2] is not None and as_time(row[2]) <= now()):
        raise Unauthenticated
    narrow = ENROLLING if row[13] else rights_of(row[1]) if row[1] is not None else None
    is_key = found.purpose is Purpose.API_KEY
    return Viewer(
        user_id=row[5],
        username=row[6],
        role_id=row[8],
        weight=row[9],
        rights=_narrowed(rights_of(row[10]), narrow),
        grants=tuple(Grant(each[1], _narrowed(rights_of(each[2]), narrow), each[3]) for each in found.grants),
        key_id=row[0] if is_key else None,
        key_is_narrow=narrow is not None,
        key_expires_at=None if row[2] is None or not is_key else as_time(row[2]),
        session_id=None if is_key else row[0],
        must_enroll=bool(row[13]),
        request_id=request_id,
    )


async def by_username(connection: Connection, username: str) -> Viewer | None:
    """The viewer that an active user is, for commands given on the machine itself."""
    row = await connection.one(
        "SELECT u.id, u.username, r.id, r.weight, r.rights FROM users u JOIN roles r ON r.id = u.role_id"
        " WHERE u.username_key = $1 AND u.state = 'ACTIVE'",
        key(username),
    )
    if row is None or spelling(row[1]) != spelling(username):
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
