"""Beginning a job over a directory, and asking who began it once more before each of its parts."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from models import bulk
from models.database import Transaction
from models.directories import DirectoryJob, JobKind, JobState
from models.errors import Unauthenticated
from resolvers.audit import Action, Event, Subject
from resolvers.changes import Change
from resolvers.directories_store import COLUMNS, Job, job_of
from resolvers.policy import Right, Viewer
from resolvers.viewers import as_of_now, by_username


async def begin(
    change: Change,
    kind: JobKind,
    source: str,
    options: Mapping[str, Any],
    *,
    is_dry_run: bool,
    provider_id: int | None = None,
) -> Job:
    """A new job, under whoever makes the change and with no more rights than the key they came with."""
    row = {
        "kind": kind.value,
        "state": (JobState.QUEUED if kind is JobKind.SYNC else JobState.COLLECTING).value,
        "provider_id": provider_id,
        "source": source,
        "is_dry_run": is_dry_run,
        "options": {**options, "key_id": change.viewer.key_id},
        "counts": {},
        "done": 0,
        "created_at": change.moment,
        "created_by_id": change.viewer.user_id,
    }
    job = job_of((await bulk.insert(change.tx, DirectoryJob, [row], returning=COLUMNS.split(", ")))[0])
    if not is_dry_run:
        told = {name: (None, value) for name, value in options.items() if value is not None and name != "step"}
        await change.record([Event(Action.CREATED, Subject.JOB, job.id, source, told)])
    return job


async def starter(tx: Transaction, job: Job) -> Viewer:
    """Who started the job, with the rights of this moment. Raises Unauthenticated or Forbidden."""
    number, key_id = job.created_by_id, job.options.get("key_id")
    row = await tx.one("SELECT username FROM users WHERE id = $1", number) if number is not None else None
    if row is None:
        raise Unauthenticated
    viewer = await as_of_now(tx, Viewer(user_id=number, key_id=key_id)) if key_id else await by_username(tx, row[0])
    if viewer is None:
        raise Unauthenticated
    require(viewer, job.options["missing"])
    return replace(viewer, request_id=f"job_{job.id}")


def require(viewer: Viewer, missing: str | None) -> None:
    """A directory is the platform's, and so are the rights it takes."""
    viewer.require_everywhere(Right.CREATE_USERS)
    viewer.require_everywhere(Right.UPDATE_USERS)
    if missing == "DEACTIVATE":
        viewer.require_everywhere(Right.DEACTIVATE_USERS, "missing")
