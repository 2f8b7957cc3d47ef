"""Taking in the full desired state of a source, in one call or in parts, as a job that is planned and applied later."""

from collections.abc import Mapping, Sequence
from typing import Any

from models import bulk
from models.directories import DirectoryJob, JobKind, JobState
from models.errors import Invalid, NotFound, Required, WrongState
from models.values import source_name
from resolvers.changes import Change, number
from resolvers.directories_rules import options_of
from resolvers.directories_start import begin, require
from resolvers.directories_store import COLUMNS, Job, Staged, job_of, key_of, stage, staged
from resolvers.policy import Right

FIRST_ONLY = ("source", "missing", "max_deactivations", "absences_before", "expected_count", "create_missing_groups")


async def reconcile_users(
    change: Change,
    *,
    users: Sequence[Mapping[str, Any]],
    job_id: str | None = None,
    is_complete: bool | None = None,
    dry_run: bool | None = None,
    **given: Any,
) -> dict[str, Any]:
    """The job's number under `job`. Without a `job_id` a new one; it waits for more unless it is complete."""
    require(change.viewer, given.get("missing"))
    change.bounded(users, "users", "users")
    if job_id is None:
        job = await start(change, is_dry_run=bool(dry_run), **given)
    else:
        job = await _further(change, job_id, dry_run, given)
    first = job.total or 0
    await stage(change.tx, job.id, first, [_staged(user, index) for index, user in enumerate(users)])
    state = JobState.COLLECTING if is_complete is False else JobState.QUEUED
    row = {"id": job.id, "state": state.value, "total": first + len(users)}
    await bulk.update(change.tx, DirectoryJob, [row])
    return {"job": job.id, "errors": []}


def _staged(user: Mapping[str, Any], index: int) -> Staged:
    return staged(user, key_of(user), user.get("email") or user.get("external_id"), "users", index)


async def start(
    change: Change,
    *,
    is_dry_run: bool,
    source: str | None = None,
    create_missing_groups: bool | None = None,
    **given: Any,
) -> Job:
    """A job that collects its users."""
    if source is None:
        raise Required("source", what="The source")
    name = source_name(source, "source")
    if create_missing_groups:
        change.viewer.require_everywhere(Right.MANAGE_GROUPS, "createMissingGroups")
    options = {**options_of(**given), "create_missing_groups": bool(create_missing_groups), "step": "PLAN"}
    return await begin(change, JobKind.RECONCILE, name, options, is_dry_run=is_dry_run)


async def _further(change: Change, job_id: str, dry_run: bool | None, given: Mapping[str, Any]) -> Job:
    """A job that waits for more. Its options were said when it was started."""
    found = await change.tx.one(
        f"SELECT {COLUMNS} FROM directory_jobs WHERE id = $1 AND kind = 'RECONCILE' AND created_by_id = $2",
        number("job", "job", job_id, "jobId"),
        change.viewer.user_id,
    )
    job = job_of(found) if found is not None else None
    # It runs with the rights of the key that started it, which another key of the same user may not have.
    if job is None or job.options.get("key_id") != change.viewer.key_id:
        raise NotFound("jobId", what="job begun by you with this key", key=job_id[:100])
    said = [name for name in FIRST_ONLY if given.get(name) is not None and name != "source"]
    if said or (dry_run is not None and dry_run != job.is_dry_run):
        raise Invalid("jobId", reason="Options belong to the call that starts a job. Send only users and isComplete.")
    if given.get("source") is not None and given["source"].strip() != job.source:
        raise Invalid("source", reason=f"This job is about the source {job.source}.")
    if job.state != JobState.COLLECTING:
        raise WrongState("jobId", reason="This job is complete and takes no more users. Start another one.")
    require(change.viewer, job.options["missing"])
    return job
