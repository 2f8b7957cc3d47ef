"""When keys and sessions were last used: recorded a moment later, so that nobody waits for it."""

import asyncio
import contextvars
import logging
from collections.abc import Mapping
from datetime import datetime

from models.database import Database, Transaction
from models.errors import Unavailable
from models.values import now
from resolvers.policy import Viewer

log = logging.getLogger("usergraph.last_uses")


class Touches:
    """Last uses, written together a moment later: no request waits for the record that it was made."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._keys: dict[int, tuple[int, datetime]] = {}
        self._sessions: dict[int, datetime] = {}
        self._task: asyncio.Task[None] | None = None

    def add(self, viewer: Viewer) -> None:
        if viewer.session_id is not None:
            self._sessions[viewer.session_id] = now()
        elif viewer.key_id is not None and viewer.user_id is not None:
            self._keys[viewer.key_id] = (viewer.user_id, now())
        else:
            return
        if self._task is None or self._task.done():
            # In a context of its own: it is no request's, and logs must not say so.
            self._task = asyncio.create_task(self.flush(), context=contextvars.Context())

    async def flush(self) -> None:
        """Write what waits. A database that is away loses last uses, never a request."""
        keys, self._keys = self._keys, {}
        sessions, self._sessions = self._sessions, {}
        if not keys and not sessions:
            return
        try:
            await self._database.transaction(lambda tx: _write(tx, keys, sessions))
        except Unavailable:
            lost = len(keys) + len(sessions)
            log.warning("the last use of %d keys and sessions was not recorded: the database does not answer", lost)

    async def close(self) -> None:
        if self._task is not None:
            await asyncio.wait([self._task])
        await self.flush()


async def _write(tx: Transaction, keys: Mapping[int, tuple[int, datetime]], sessions: Mapping[int, datetime]) -> None:
    if sessions:
        await _set(tx, "sessions", "last_used_at", max(sessions.values()), list(sessions))
    if keys:
        moment = max(at for _, at in keys.values())
        await _set(tx, "api_keys", "last_used_at", moment, list(keys))
        await _set(tx, "users", "last_api_request_at", moment, list({user for user, _ in keys.values()}))


async def _set(tx: Transaction, table: str, column: str, moment: datetime, ids: list[int]) -> None:
    await tx.rows(f"UPDATE {table} SET {column} = $1 WHERE {tx.dialect.among('id', '$2', 'bigint')}", moment, ids)
