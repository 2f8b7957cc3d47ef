"""Which failures of a directory's runs are new: those of the last run that no earlier run had in the same way."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from models.database import Connection
from models.directories import DirectoryAction
from models.values import from_json
from resolvers.directories_store import Job

MAX_FAILURES = 20_000  # rows that are compared; more of them count as known, since each run would read everything
MAX_RUNS = 1_000  # earlier runs that are looked into
# Runs of a source ($1) that were applied to their end, since the settings of its provider changed.
ENDED_WELL = """source = $1 AND state = 'DONE' AND NOT is_dry_run
  AND started_at > (SELECT updated_at FROM identity_providers p WHERE p.id = j.provider_id)"""
_FAILED = f"""SELECT entry_key, errors FROM directory_job_rows WHERE job_id = $1 AND action = 'FAILED'
  LIMIT {MAX_FAILURES + 1}"""
_EARLIER = f"""SELECT id, options ->> 'is_whole' FROM directory_jobs j
  WHERE {ENDED_WELL} AND id < $2 AND total > 0 ORDER BY id DESC LIMIT {MAX_RUNS}"""


async def has_new_failures(connection: Connection, last: Job) -> bool:
    """Whether the last run has a failed row that did not fail alike the time before."""
    if not last.counts.get("failed"):
        return False
    failed = {row[0]: _reasons(row[1]) for row in await connection.rows(_FAILED, last.id)}
    if len(failed) > MAX_FAILURES:
        return False
    runs = _down_to_whole(await connection.rows(_EARLIER, last.source, last.id))
    of_runs = connection.dialect.among("job_id", "$1", "bigint")
    of_entries = connection.dialect.among("entry_key", "$2", "text")
    rows = await connection.rows(
        f"SELECT entry_key, action, errors FROM directory_job_rows WHERE {of_runs} AND {of_entries} ORDER BY job_id",
        runs,
        list(failed),
    )
    before = {row[0]: _reasons(row[2]) if row[1] == DirectoryAction.FAILED else None for row in rows}
    return any(before.get(entry_key) != reasons for entry_key, reasons in failed.items())


def _down_to_whole(runs: Sequence[Sequence[Any]]) -> list[int]:
    """The numbers of earlier runs, latest first, down to the first one that read everything."""
    for place, (_, is_whole) in enumerate(runs):
        if str(is_whole).lower() in ("1", "true"):
            return [run[0] for run in runs[: place + 1]]
    return [run[0] for run in runs]


def _reasons(errors: Any) -> str:
    """The errors of a row without what differs from run to run: places in the list and the words."""
    found: Sequence[Mapping[str, Any]] = from_json(errors) or ()
    reasons = ((each["code"], [step for step in each["path"] if not step.isdecimal()]) for each in found)
    return json.dumps(sorted(reasons))
