"""Applying a planned job, some rows at a time: through the rules, the writing and the audit log of every other call."""

from collections.abc import Mapping, Sequence
from typing import Any

from models import bulk
from models.directories import DirectoryAction, DirectoryJobRow, JobKind
from models.users import UserState
from resolvers import directories_entries as entries
from resolvers.changes import Change
from resolvers.directories_found import learned
from resolvers.directories_plan import leaving
from resolvers.directories_store import Job, JobRow
from resolvers.directories_users import Limits, action_of, differences, drafted, limits_of
from resolvers.erase_records import ERASED_ROW
from resolvers.outcomes import error
from resolvers.upsert_users import store

WRITING = frozenset(
    {DirectoryAction.CREATE, DirectoryAction.UPDATE, DirectoryAction.REACTIVATE, DirectoryAction.DEACTIVATE}
)
# A source that names somebody as gone from the start may say later that they have come.
LEAVING = (DirectoryAction.CREATE, DirectoryAction.DEACTIVATE)


async def apply(change: Change, job: Job, rows: Sequence[JobRow]) -> None:
    """Bring these rows about and count what became of them; the caller keeps the job in the same transaction."""
    limits = await limits_of(change, job)
    absent_from = job.options.get("absent_from")
    present = [row for row in rows if absent_from is None or row.position < absent_from]
    missing = rows[len(present) :]
    done = await _present(change, job, present, limits) if present else []
    done += await _missing(change, job, missing, limits) if missing else []
    before = {row.id: row.action for row in rows}
    for row in done:
        job.count(before[row["id"]], -1)
        job.count(row["action"])
    blank = {"wanted": None, "applied_at": change.moment}
    await bulk.update(change.tx, DirectoryJobRow, [{**row, **blank} for row in done])
    told = {row["id"] for row in done}
    kept = [row.id for row in rows if row.id not in told]
    await bulk.update(change.tx, DirectoryJobRow, [{"id": each, **blank} for each in kept])


async def _present(change: Change, job: Job, rows: Sequence[JobRow], limits: Limits) -> list[dict[str, Any]]:
    """Write those that differ, and note that all of them were there."""
    planned = [row for row in rows if row.action in WRITING]
    writing = [row for row in planned if row.wanted is not None]
    done, users, gone = [_emptied(row) for row in planned if row.wanted is None], {}, set()
    if writing:
        made = await drafted(change, job, writing, limits)
        await store(change, made, [draft for draft in made.drafts if draft.is_good])
        for row, draft in zip(writing, made.drafts, strict=True):
            action = action_of(draft, made.states[draft.index])
            done.append(
                {
                    "id": row.id,
                    "user_id": draft.user_id,
                    "action": action,
                    "changes": differences(draft),
                    "errors": [error(each, row.position) for each in draft.refusals],
                }
            )
            if draft.is_good and draft.user_id is not None:
                users[row.entry_key] = draft.user_id
                if made.states[draft.index] == UserState.DEACTIVATED and action in LEAVING:
                    gone.add(draft.user_id)
    users |= {
        row.entry_key: row.user_id
        for row in rows
        if row.action == DirectoryAction.UNCHANGED and row.user_id is not None
    }
    await _note(change, job, rows, users, gone)
    return done


def _emptied(row: JobRow) -> dict[str, Any]:
    """A row whose user was erased after it was planned: what the source said of them is gone."""
    errors = [{**ERASED_ROW, "index": row.position}]
    return {"id": row.id, "user_id": None, "action": DirectoryAction.FAILED, "changes": [], "errors": errors}


async def _note(change: Change, job: Job, rows: Sequence[JobRow], users: Mapping[str, int], gone: set[int]) -> None:
    tx = change.tx
    still = await entries.deactivated_by(tx, job, list(users.values()))
    await entries.note_seen(tx, job, list(users.items()), gone | still, change.moment)
    refused = [row.entry_key for row in rows if row.entry_key not in users]
    await entries.note_present(tx, job, refused, change.moment)
    if job.kind == JobKind.SYNC:
        await entries.learn(tx, job, learned(rows, users))


async def _missing(change: Change, job: Job, rows: Sequence[JobRow], limits: Limits) -> list[dict[str, Any]]:
    """Deactivate who has been missing for long enough, and count the absence of everybody."""
    due = [row for row in rows if row.action == DirectoryAction.DEACTIVATE]
    done = await leaving(change, job, due, limits) if due else []
    gone = [row["user_id"] for row in done if row["action"] is DirectoryAction.DEACTIVATE]
    users = [row.user_id for row in rows if row.user_id is not None]
    await entries.note_absent(change.tx, job, users, gone, change.moment)
    return done
