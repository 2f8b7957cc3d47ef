"""Planning a job: an action and its differences for every user, nothing of it applied."""

from collections.abc import Mapping, Sequence
from typing import Any

from models import bulk
from models.database import Transaction
from models.directories import DirectoryAction, DirectoryJobRow
from models.errors import Taken
from models.users import UserState
from resolvers.activate_users import deactivate_users
from resolvers.changes import Change
from resolvers.directories_entries import absences
from resolvers.directories_store import Job, JobRow
from resolvers.directories_users import Limits, action_of, announce, differences, drafted, limits_of
from resolvers.drafts import Draft
from resolvers.outcomes import error
from resolvers.targets import find


async def planned(change: Change, job: Job, rows: Sequence[JobRow]) -> list[dict[str, Any]]:
    """Columns of `directory_job_rows` for rows that have no action yet. Its transaction must be discarded."""
    open_rows = [row for row in rows if row.action is None]
    named = [row for row in open_rows if row.wanted is not None]
    missing = [row for row in open_rows if row.wanted is None]
    limits = await limits_of(change, job)
    found = await _named(change, job, named, limits) if named else []
    left = await leaving(change, job, missing, limits) if missing else []
    return found + [{**row, "waits_for": None} for row in left]


async def _named(change: Change, job: Job, rows: Sequence[JobRow], limits: Limits) -> list[dict[str, Any]]:
    made = await drafted(change, job, rows, limits)
    answer = []
    for row, draft in zip(rows, made.drafts, strict=True):
        if draft.is_good and draft.target is None:
            announce(change, draft, made)
        answer.append(
            {
                "id": row.id,
                "user_id": draft.user_id,
                "action": action_of(draft, made.states[draft.index]),
                "changes": differences(draft),
                "errors": [error(each, row.position) for each in draft.refusals],
                "waits_for": _waits_for(draft),
            }
        )
    return answer


def _waits_for(draft: Draft) -> list[int] | None:
    """The users whose values the row needs, unless it is refused for another reason."""
    is_open = all(isinstance(each, Taken) for each in draft.refusals)
    return sorted(draft.waits_for) if draft.waits_for and is_open else None


async def leaving(change: Change, job: Job, rows: Sequence[JobRow], limits: Limits) -> list[dict[str, Any]]:
    """What becomes of users whom the source does not name: DEACTIVATE, for long enough missing, ABSENT, or FAILED."""
    users = [row.user_id for row in rows if row.user_id is not None]
    before = await absences(change.tx, job, users)
    known = await find(change.tx, limits.roles, users)
    due = [
        each
        for each in users
        if job.options["missing"] == "DEACTIVATE"
        and before.get(each, 0) + 1 >= job.options["absences_before"]
        and each in known
        and known[each]["state"] != UserState.DEACTIVATED
    ]
    refused = {
        each: [error(refusal)]
        for each in due
        if (refusal := limits.refusal(known[each].role.weight, known[each].role.name)) is not None
    }
    asked = [each for each in due if each not in refused]
    outcome = await deactivate_users(change, ids=[f"user_{each}" for each in asked], error_policy="REJECT_FAILED")
    results = dict(zip(asked, outcome["results"], strict=True))
    states = {user_id: target["state"] for user_id, target in known.items()}
    return [_left(row, results.get(row.user_id or 0), refused.get(row.user_id or 0), states) for row in rows]


def _left(
    row: JobRow, result: Mapping[str, Any] | None, refused: list[Any] | None, states: Mapping[int, str]
) -> dict[str, Any]:
    errors = [{**each, "path": [], "index": row.position} for each in (refused or (result["errors"] if result else []))]
    action, changes = DirectoryAction.ABSENT, []
    if errors:
        action = DirectoryAction.FAILED
    elif result is not None and result["action"] == "UPDATED":
        action = DirectoryAction.DEACTIVATE
        before = states.get(row.user_id or 0)
        changes = [{"field": "state", "before": before, "after": UserState.DEACTIVATED.value}]
    return {"id": row.id, "user_id": row.user_id, "action": action, "changes": changes, "errors": errors}


async def store(tx: Transaction, rows: Sequence[Mapping[str, Any]]) -> None:
    await bulk.update(tx, DirectoryJobRow, rows)
