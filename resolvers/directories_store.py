"""Jobs over directories as they are kept: their rows, their progress, and the lease of the process that runs them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import orjson

from models import bulk
from models.base import LABEL, LONG
from models.database import Connection, Record, Transaction
from models.directories import DirectoryAction, DirectoryJob, DirectoryJobRow, JobState
from models.errors import Invalid, Refusal
from models.values import email_spelling, from_json
from resolvers.outcomes import error
from resolvers.viewers import as_time

LEASE = timedelta(seconds=30)
COLUMNS = "id, kind, state, source, provider_id, is_dry_run, options, counts, done, total, created_by_id"


class LeaseLost(Exception):
    """Another process runs the job now: what this one was about to store must not be stored."""


class Stopped(Exception):
    """The job ends here, in this state, for this reason."""

    def __init__(self, state: JobState, reason: str) -> None:
        super().__init__(reason)
        self.state = state
        self.reason = reason


@dataclass
class Job:
    """`options`: those of directories_rules, `step`, `next` (the first position that the step has not reached), who
    started it (`started_by`, `key_id`), and `absent_from`, the position of the first user that the source lacks."""

    id: int
    kind: str
    state: str
    source: str
    provider_id: int | None
    is_dry_run: bool
    options: dict[str, Any]
    counts: dict[str, int]
    done: int
    total: int | None
    created_by_id: int | None

    @property
    def is_full(self) -> bool:
        """Whether it was asked for as a full run: only then is who is missing counted as absent."""
        return bool(self.options.get("is_full", True))

    @property
    def is_whole(self) -> bool:
        """Whether it names every user of the source, as an incremental run does where it has to read everything."""
        return bool(self.options.get("is_whole", self.is_full))

    @property
    def next(self) -> int:
        return int(self.options.get("next", 0))

    def count(self, action: str | None, by: int = 1) -> None:
        if action is not None:
            name = action.lower()
            self.counts[name] = self.counts.get(name, 0) + by

    def begin(self, step: str) -> None:
        self.options |= {"step": step, "next": 0}
        self.done = 0


def job_of(row: Record) -> Job:
    number, kind, state, source, provider, is_dry_run, options, counts, done, total, by = row
    return Job(
        number, kind, state, source, provider, bool(is_dry_run), from_json(options), from_json(counts), done, total, by
    )


async def clock(connection: Connection) -> datetime:
    """The database's time, which all processes share: a lease must not depend on whose clock is right."""
    return as_time(await connection.scalar("SELECT CURRENT_TIMESTAMP"))


async def keep(tx: Transaction, job: Job, owner: str) -> None:
    """Store a job's progress in the transaction that made it. Raises LeaseLost."""
    held = "SELECT 1 FROM directory_jobs WHERE id = $1 AND lease_owner = $2 AND state = 'RUNNING'"
    if await tx.one(held, job.id, owner) is None:
        raise LeaseLost
    row = {
        "id": job.id,
        "options": job.options,
        "counts": job.counts,
        "done": job.done,
        "total": job.total,
        "lease_until": await clock(tx) + LEASE,
    }
    await bulk.update(tx, DirectoryJob, [row])


async def end(tx: Transaction, job: Job, owner: str, state: JobState, reason: str | None, moment: datetime) -> None:
    """Raises LeaseLost."""
    job.options |= {"step": None}
    await keep(tx, job, owner)
    await tx.rows(
        "UPDATE directory_jobs SET state = $2, error = $3, finished_at = $4, lease_owner = NULL, lease_until = NULL"
        " WHERE id = $1",
        job.id,
        state.value,
        reason,
        moment,
    )


@dataclass(frozen=True)
class Staged:
    """One user as a source names them, before anything is known of them here."""

    entry_key: str
    label: str
    wanted: Mapping[str, Any]
    refusal: Refusal | None = None


def staged(given: Mapping[str, Any], entry_key: str | None, label: str | None, *path: str | int) -> Staged:
    """What cannot be kept (and what must not: a password) is refused here already, and its row fails alone."""
    refusal: Refusal | None = None
    local = (given.get("authentication") or {}).get("local") or {}
    if any(value is not None for value in local.values()):
        reason = "A desired state sets no passwords. Leave it out; users set their own."
        refusal = Invalid(*path, "authentication", "local", reason=reason)
    elif not _is_storable(given):
        refusal = Invalid(*path, reason="A text holds a character that is none (NUL or half of a pair).")
    return Staged(_plain(entry_key or label or "")[:LONG], _plain(label or entry_key or "")[:LABEL], given, refusal)


def key_of(user: Mapping[str, Any]) -> str:
    """By what a source knows a user that a client sent: their external id, else their address."""
    external = (user.get("external_id") or "").strip()
    return external or email_spelling(user.get("email") or "")


def _is_storable(given: Mapping[str, Any]) -> bool:
    try:
        return b"\\u0000" not in orjson.dumps(given)
    except (TypeError, ValueError):
        return False


def _plain(text: str) -> str:
    return "".join(each for each in text if each.isprintable())


async def stage(tx: Transaction, job_id: int, first: int, users: Sequence[Staged]) -> None:
    """Add users to a job, from the position `first` on."""
    rows = []
    for position, user in enumerate(users, first):
        refused = user.refusal is not None
        rows.append(
            {
                "job_id": job_id,
                "position": position,
                "entry_key": user.entry_key,
                "label": user.label,
                "action": DirectoryAction.FAILED if refused else None,
                "wanted": None if refused else user.wanted,
                "errors": [error(user.refusal, position)] if user.refusal is not None else None,
            }
        )
    await bulk.insert(tx, DirectoryJobRow, rows)


@dataclass(frozen=True)
class JobRow:
    id: int
    position: int
    entry_key: str
    user_id: int | None
    action: str | None
    wanted: dict[str, Any] | None
    is_applied: bool = False


ROW_COLUMNS = "id, position, entry_key, user_id, action, wanted, applied_at IS NOT NULL"


def _job_row(row: Record) -> JobRow:
    return JobRow(row[0], row[1], row[2], row[3], row[4], from_json(row[5]), bool(row[6]))


async def rows_by_id(connection: Connection, ids: Sequence[int]) -> list[JobRow]:
    """These rows, in their order."""
    among = connection.dialect.among("id", "$1", "bigint")
    sql = f"SELECT {ROW_COLUMNS} FROM directory_job_rows WHERE {among} ORDER BY position"
    return [_job_row(row) for row in await connection.rows(sql, list(ids))]


async def next_rows(connection: Connection, job: Job, most: int) -> list[JobRow]:
    """The rows of a job that its step has not reached, in their order."""
    rows = await connection.rows(
        f"SELECT {ROW_COLUMNS} FROM directory_job_rows"
        f" WHERE job_id = $1 AND position >= $2 ORDER BY position LIMIT {int(most)}",
        job.id,
        job.next,
    )
    return [_job_row(row) for row in rows]
