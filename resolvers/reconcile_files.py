"""A file as the full desired state of a source: sent in parts to one job, which is then worked on here."""

import asyncio
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

from models import bulk
from models.database import Database, Transaction
from models.directories import DirectoryJob, JobState
from models.errors import Invalid
from models.values import from_json
from resolvers.changes import Change
from resolvers.directories_start import require
from resolvers.directories_store import Staged, key_of, stage, staged
from resolvers.directory_jobs import Runner
from resolvers.import_organizations import with_organizations
from resolvers.import_rewritten import refuse_rewritten
from resolvers.import_users import Import, chunks, upsert_input, viewer_of
from resolvers.importers import Row
from resolvers.reconcile_users import start

WAIT = 0.3  # seconds, where another process works on the job
FINAL = (JobState.DONE, JobState.REFUSED, JobState.FAILED)


@dataclass(frozen=True)
class Told:
    """A job as the command line shows it."""

    id: int
    state: str
    step: str | None
    done: int
    total: int | None
    counts: Mapping[str, int]
    error: str | None


@dataclass(frozen=True)
class Reconciliation:
    """`how` says as whom, with what role where a row names none, and whether for real; `options` as reconcileUsers."""

    how: Import
    source: str
    options: Mapping[str, Any] = field(default_factory=dict)


async def send(
    database: Database, asked: Reconciliation, rows: Iterable[Row], progress: Callable[[int], object]
) -> int:
    """Every row into a new job, which is then complete; its number."""
    how = asked.how
    viewer = await viewer_of(database, how)

    def change(tx: Transaction) -> Change:
        return Change(tx, viewer, how.settings, how.sealer)

    async def begun(tx: Transaction) -> int:
        require(viewer, asked.options.get("missing"))
        making = how.create_groups
        return (
            await start(
                change(tx), is_dry_run=how.dry_run, source=asked.source, create_missing_groups=making, **asked.options
            )
        ).id

    job_id = await database.transaction(begun)
    total = 0
    for chunk in chunks(rows):
        await database.transaction(partial(_stage, how, job_id, total, chunk))
        total += len(chunk)
        progress(len(chunk))
    complete = [{"id": job_id, "state": JobState.QUEUED.value, "total": total}]
    await database.transaction(lambda tx: bulk.update(tx, DirectoryJob, complete))
    return job_id


async def _stage(how: Import, job_id: int, first: int, chunk: Sequence[Row], tx: Transaction) -> None:
    rows = [upsert_input({**row.user, "is_invited": False}, how) for row in chunk]
    users = await with_organizations(tx, rows)
    found = await refuse_rewritten(tx, chunk, how.source) if how.is_table else {}
    chunk = [replace(row, problems=[*row.problems, *found.get(row.number, ())]) for row in chunk]
    await stage(tx, job_id, first, [_staged(row, user) for row, user in zip(chunk, users, strict=True)])


def _staged(row: Row, user: Mapping[str, Any]) -> Staged:
    label = user.get("email") or user.get("external_id") or f"row {row.number}"
    made = staged(user, key_of(user) or label, label, "users", row.number)
    if not row.problems:
        return made
    reason = "; ".join(f"{problem.field}: {problem.message}" for problem in row.problems)
    return Staged(made.entry_key, made.label, {}, Invalid("users", row.number, reason=reason))


async def finish(database: Database, how: Import, job_id: int, progress: Callable[[Told], object]) -> Told:
    """Work on the job, or watch another process do it, until it ends."""
    runner = Runner(database, how.settings, how.sealer)
    while True:
        worked = await runner.turn()
        told = await _told(database, job_id)
        progress(told)
        if told.state in FINAL:
            return told
        if not worked:
            await asyncio.sleep(WAIT)


async def _told(database: Database, job_id: int) -> Told:
    names = "id, state, options, done, total, counts, error"
    async with database.reading() as connection:
        row = await connection.one(f"SELECT {names} FROM directory_jobs WHERE id = $1", job_id)
    assert row is not None
    return Told(row[0], row[1], from_json(row[2]).get("step"), row[3], row[4], from_json(row[5]), row[6])


async def some_rows(database: Database, job_id: int, action: str, most: int) -> list[tuple[str, list[str]]]:
    """Labels of the first rows with this action, and the messages of their errors."""
    async with database.reading() as connection:
        rows = await connection.rows(
            "SELECT label, errors FROM directory_job_rows WHERE job_id = $1 AND action = $2"
            f" ORDER BY position LIMIT {int(most)}",
            job_id,
            action,
        )
    return [(row[0], [each["message"] for each in from_json(row[1]) or []]) for row in rows]
