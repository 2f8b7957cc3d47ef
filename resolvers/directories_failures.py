"""Which failures of a directory's runs are new: those of the last run that no earlier run had in the same way."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from models.database import Connection
from models.values import from_json
from resolvers.directories_store import Job

MAX_FAILURES = 20_000  # rows that are compared; more of them count as known, since each run would read everything


async def has_new_failures(connection: Connection, runs: Sequence[Job]) -> bool:
    """Whether the latest of these runs (latest first) has a failed row that did not fail alike the time before."""
    last, earlier = runs[0], runs[1:]
    if not last.counts.get("failed"):
        return False
    failed = {row[0]: _reasons(row[1]) for row in await connection.rows(_FAILED, last.id)}
    if len(failed) > MAX_FAILURES:
        return False
    for run in _down_to_whole(earlier):
        if not failed:
            return False
        among = connection.dialect.among("entry_key", "$2", "text")
        sql = f"SELECT entry_key, action, errors FROM directory_job_rows WHERE job_id = $1 AND {among}"
        for entry_key, action, errors in await connection.rows(sql, run.id, list(failed)):
            reasons = failed.pop(entry_key, None)
            if reasons is not None and (action != "FAILED" or reasons != _reasons(errors)):
                return True
    return bool(failed)


_FAILED = f"""SELECT entry_key, errors FROM directory_job_rows WHERE job_id = $1 AND action = 'FAILED'
  LIMIT {MAX_FAILURES + 1}"""


def _down_to_whole(runs: Sequence[Job]) -> Sequence[Job]:
    """Earlier runs, latest first, up to the first one that read everything; those without rows are left out."""
    for place, run in enumerate(runs):
        if run.is_whole:
            return [*(each for each in runs[:place] if each.total), run]
    return [each for each in runs if each.total]


def _reasons(errors: Any) -> str:
    """The errors of a row without what differs from run to run: places in the list and the words."""
    found: Sequence[Mapping[str, Any]] = from_json(errors) or ()
    reasons = ((each["code"], [step for step in each["path"] if not step.isdecimal()]) for each in found)
    return json.dumps(sorted(reasons))
