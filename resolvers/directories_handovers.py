"""Values that change hands within a job: rows that need each other's values are planned and applied together.

A row that needs a value of another user waits for the row of that user, wherever it stands in the job. Such rows form
groups: chains and circles. A group is judged as a whole and stored in one transaction, so that a crash between two
parts of a job leaves nobody without a name, and nothing half handed over.
"""

from collections.abc import Iterable, Sequence

from models.database import Connection
from models.values import from_json
from resolvers.directories_store import Job, JobRow, rows_by_id


async def batches(connection: Connection, job: Job, most: int) -> list[list[int]]:
    """Ids of the rows to handle together: whole groups, in the order of the job, and with more than `most` rows only
    where one group has more."""
    waiting = await connection.rows(
        "SELECT id, user_id, waits_for FROM directory_job_rows"
        " WHERE job_id = $1 AND waits_for IS NOT NULL AND applied_at IS NULL ORDER BY position",
        job.id,
    )
    waits = {row[0]: from_json(row[2]) for row in waiting}
    owners = {user_id for needed in waits.values() for user_id in needed}
    if not owners:
        return []
    by_user = connection.dialect.among("user_id", "$2", "bigint")
    named = await connection.rows(
        f"SELECT user_id, id FROM directory_job_rows WHERE job_id + 0 = $1 AND {by_user}"
        " AND wanted IS NOT NULL AND applied_at IS NULL ORDER BY position DESC",
        job.id,
        sorted(owners),
    )
    of_user = {row[0]: row[1] for row in named}  # the first row of a user, should there be two
    pairs = [(row_id, of_user[user_id]) for row_id, needed in waits.items() for user_id in needed if user_id in of_user]
    return _packed(_groups(pairs), most)


def _groups(pairs: Iterable[tuple[int, int]]) -> list[list[int]]:
    """The connected components of a graph with these edges."""
    parents: dict[int, int] = {}

    def root(each: int) -> int:
        parents.setdefault(each, each)
        while parents[each] != each:
            parents[each] = parents[parents[each]]
            each = parents[each]
        return each

    for one, other in pairs:
        parents[root(one)] = root(other)
    groups: dict[int, list[int]] = {}
    for each in list(parents):
        groups.setdefault(root(each), []).append(each)
    return list(groups.values())


def _packed(groups: Sequence[list[int]], most: int) -> list[list[int]]:
    found: list[list[int]] = []
    for group in groups:
        if found and len(found[-1]) + len(group) <= most:
            found[-1] += group
        else:
            found.append(list(group))
    return found


async def next_batch(connection: Connection, job: Job, most: int) -> list[JobRow]:
    """The rows of a batch that is not applied yet."""
    found = await batches(connection, job, most)
    return await rows_by_id(connection, found[0]) if found else []
