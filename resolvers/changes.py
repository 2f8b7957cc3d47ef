"""One change in the making: its transaction, who makes it, and what it leaves behind in the audit log."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import orjson

from models import bulk
from models.audit import StoredAnswer
from models.database import Connection, Database, Transaction
from models.errors import IdempotencyKeyReused, Invalid, NotFound, PastId, TooMany
from models.secrets import Sealer
from models.settings import Settings
from models.values import now
from resolvers import audit
from resolvers.filters import number_of
from resolvers.hashing import Hasher
from resolvers.node_ids import split_id
from resolvers.policy import Viewer

ANSWERS_KEPT = timedelta(hours=24)


@dataclass(frozen=True)
class Caller:
    """Where a request comes from, as far as it is known, and with what it says it was made.

    `ignored_proxy`: the peer, where it says that it speaks for others and is not believed.
    """

    address: str | None = None
    user_agent: str | None = None
    ignored_proxy: str | None = None


@dataclass
class Change:
    """Handed to every resolver that writes. `reader` is who reads the answer where that is not the viewer."""

    tx: Transaction
    viewer: Viewer
    settings: Settings
    sealer: Sealer
    dry_run: bool = False
    reader: Viewer | None = None
    caller: Caller = Caller()

    @property
    def moment(self) -> datetime:
        """When all of it changes."""
        return self.tx.moment

    async def record(self, events: Sequence[audit.Event]) -> None:
        await audit.record(self.tx, self.viewer, self.moment, events)

    def bounded(self, rows: Sequence[Any], what: str, *path: str | int) -> None:
        if len(rows) > self.settings.max_bulk:
            raise TooMany(*path, count=len(rows), what=what, limit=self.settings.max_bulk)


@dataclass(frozen=True)
class Before:
    """What a mutation may use before its transaction: for what is slow, and must not keep others from writing."""

    viewer: Viewer
    settings: Settings
    hasher: Hasher
    database: Database
    sealer: Sealer
    dry_run: bool = False
    caller: Caller = Caller()

    async def hash(self, password: str) -> str:
        """The hash to store; a dry run stores nothing, and need not wait for one."""
        return "dry run" if self.dry_run else await self.hasher.hash(password)


def number(what: str, prefix: str, typed: str, *path: str | int) -> int:
    """The number in a typed id. Raises NotFound for what cannot be one, and PastId for what names a past version."""
    found = number_of(prefix, typed)
    if found is None:
        stable, as_of = split_id(typed)
        if as_of is not None:
            raise PastId(*path, id=typed, stable=stable)
        raise NotFound(*path, what=what, key=typed[:100])
    return found


def content_of(field: str, document: str, variables: Mapping[str, Any]) -> bytes:
    """What makes two calls the same: the document, its variables, and the field of it that was answered."""
    return orjson.dumps([field, document, variables], option=orjson.OPT_SORT_KEYS)


async def first_answer(connection: Connection, viewer: Viewer, sealer: Sealer, key: str, content: bytes) -> Any:
    """What this key was answered before, or None. Raises IdempotencyKeyReused where the call was another one."""
    if not 1 <= len(key) <= 255:
        raise Invalid("idempotencyKey", reason="An idempotencyKey has 1 to 255 characters.", minimum=1, limit=255)
    found = await connection.one(
        "SELECT fingerprint, answer FROM stored_answers WHERE actor_id = $1 AND key_digest = $2 AND created_at > $3",
        viewer.user_id,
        _digest(viewer, key),
        now() - ANSWERS_KEPT,
    )
    if found is None:
        return None
    if not sealer.is_marked(content, found[0]):
        raise IdempotencyKeyReused("idempotencyKey")
    opened = sealer.open(found[1])
    return None if opened is None else orjson.loads(opened)


async def store_answer(change: Change, key: str, content: bytes, answer: Any) -> None:
    """The content may hold a password, so what is stored of it is a mark."""
    await change.tx.rows(
        "DELETE FROM stored_answers WHERE created_at <= $1 OR (actor_id = $2 AND key_digest = $3)",
        change.moment - ANSWERS_KEPT,
        change.viewer.user_id,
        _digest(change.viewer, key),
    )
    row = {
        "actor_id": change.viewer.user_id,
        "key_digest": _digest(change.viewer, key),
        "fingerprint": change.sealer.mark(content),
        "answer": change.sealer.seal(orjson.dumps(answer, option=orjson.OPT_UTC_Z).decode()),
        "created_at": change.moment,
    }
    await bulk.insert(change.tx, StoredAnswer, [row])


def _digest(viewer: Viewer, key: str) -> str:
    """Bound to the API key it came with and what that may do: a narrower one is not told a wider one's answer."""
    bound = f"{viewer.key_id}:{','.join(sorted(viewer.somewhere))}:{key}"
    return hashlib.sha256(bound.encode()).hexdigest()
