"""Probes: refused values that others have, sent by somebody who may not read all users. Counted, recorded, throttled.

That a value is taken has to be said, and so it tells that somebody has it. A dry run or a refused call leaves nothing
behind in its own transaction: what it was refused is counted in a transaction of its own afterwards.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from models.database import Database
from models.errors import ErrorCode, TooManyProbes
from models.secrets import Sealer
from models.values import now
from resolvers import audit, tarpit
from resolvers.audit import Action, Event, Subject
from resolvers.changes import Change
from resolvers.policy import Right, Viewer

FIELDS = frozenset({"email", "username", "externalId", "externalIds", "aliases", "loginDn", "nameId"})


@dataclass(frozen=True)
class Probes:
    """How many values of a call others have, and who sent them. `refusal`: what to answer in place of the outcome."""

    viewer: Viewer
    count: int
    refusal: TooManyProbes | None = None


async def find(change: Change, outcome: Mapping[str, Any]) -> Probes | None:
    """The probes in the outcome of a call, refused as a whole where there are many, or were lately."""
    viewer = change.viewer
    if viewer.user_id is None or Right.READ_USERS in viewer.rights:
        return None
    errors = [*outcome.get("errors", ()), *(each for row in outcome.get("results", ()) for each in row["errors"])]
    count = sum(each["code"] == ErrorCode.TAKEN and not FIELDS.isdisjoint(each["path"]) for each in errors)
    if not count:
        return None
    until = await tarpit.waits_for_probes(change.tx, change.sealer, viewer.user_id, change.moment)
    if until is None and count > tarpit.PROBES.free:
        until = change.moment + tarpit.PROBES.longest
    if until is None:
        return Probes(viewer, count)
    minutes = max(1, math.ceil((until - change.moment).total_seconds() / 60))
    return Probes(viewer, count, TooManyProbes(minutes=minutes))


async def record(database: Database, sealer: Sealer, found: Probes) -> None:
    """Count and record probes, in a transaction of their own."""

    async def work(tx: Any) -> None:
        viewer = found.viewer
        assert viewer.user_id is not None
        until = await tarpit.count_probes(tx, sealer, viewer.user_id, found.count, now())
        changes = {"refused": (None, found.count), "blocked_until": (None, until)}
        event = Event(Action.TAKEN_VALUES_PROBED, Subject.USER, viewer.user_id, viewer.username or "", changes)
        await audit.record(tx, viewer, tx.moment, [event])

    await database.transaction(work)
