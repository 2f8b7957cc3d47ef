"""Who stood in which source: noting who was there and who was not, and which entry of a directory somebody is."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from models import bulk
from models.database import Connection, Transaction
from models.directories import DirectoryEntry
from models.dn import dn_key
from resolvers import entry_ids
from resolvers.connectors.ldap_server import Entry, LdapServer
from resolvers.directories_found import EITHER
from resolvers.directories_store import Job

# Users of a source who have access; of a directory only those whom it still provisions.
KNOWN = "FROM directory_entries e JOIN users u ON u.id = e.user_id WHERE e.source = $1 AND u.state <> 'DEACTIVATED'"
PROVISIONED = " AND u.ldap_provider_id = $2"


async def deactivated_by(connection: Connection, job: Job, users: Sequence[int]) -> set[int]:
    """Those of the users who are deactivated, and were so by a job of this source."""
    among = connection.dialect.among("e.user_id", "$2", "bigint")
    rows = await connection.rows(
        "SELECT e.user_id FROM directory_entries e JOIN users u ON u.id = e.user_id"
        f" WHERE e.source = $1 AND {among} AND e.deactivated_at IS NOT NULL AND u.state = 'DEACTIVATED'",
        job.source,
        list(users),
    )
    return {row[0] for row in rows}


async def known(connection: Connection, job: Job) -> int:
    """How many users with access the source has named before."""
    return int(await connection.scalar(f"SELECT COUNT(*) {KNOWN}{_provisioned(job)}", *_values(job)))


async def add_absent(tx: Transaction, job: Job, first: int) -> int:
    """Rows, from the position `first` on, for known users whom the source does not name; how many."""
    values = _values(job)
    place = f"${len(values) + 1}"
    named = f"SELECT 1 FROM directory_job_rows r WHERE r.job_id = CAST({place} AS bigint) AND"
    rows = await tx.rows(
        "INSERT INTO directory_job_rows (job_id, position, entry_key, label, user_id)"
        f" SELECT CAST({place} AS bigint), {int(first)} + ROW_NUMBER() OVER (ORDER BY e.id) - 1, e.entry_key, u.email,"
        f" e.user_id {KNOWN}{_provisioned(job)} AND NOT EXISTS ({named} r.entry_key = e.entry_key)"
        f" AND NOT EXISTS ({named} r.user_id = e.user_id) RETURNING 1",
        *values,
        job.id,
    )
    return len(rows)


def _provisioned(job: Job) -> str:
    return PROVISIONED if job.provider_id is not None else ""


def _values(job: Job) -> list[Any]:
    return [job.source] if job.provider_id is None else [job.source, job.provider_id]


async def absences(connection: Connection, job: Job, users: Sequence[int]) -> dict[int, int]:
    """How often in a row the source did not name these users, before this job."""
    among = connection.dialect.among("user_id", "$2", "bigint")
    sql = f"SELECT user_id, absences FROM directory_entries WHERE source = $1 AND {among}"
    return {row[0]: row[1] for row in await connection.rows(sql, job.source, list(users))}


async def note_seen(
    tx: Transaction, job: Job, users: Sequence[tuple[str, int]], deactivated: set[int], moment: datetime
) -> None:
    """These entries were there, and mean these users; `deactivated`: whom a job of the source has deactivated."""
    keys, ids = [each[0] for each in users], [each[1] for each in users]
    by_key = tx.dialect.among("entry_key", "$2", "text")
    by_user = tx.dialect.among("user_id", "$3", "bigint")
    gone = f"DELETE FROM directory_entries WHERE source = $1 AND ({by_key} OR {by_user})"
    await tx.rows(gone, job.source, keys, ids)
    rows = [
        {
            "source": job.source,
            "entry_key": entry_key,
            "user_id": user_id,
            "absences": 0,
            "last_seen_at": moment,
            "deactivated_at": moment if user_id in deactivated else None,
        }
        for entry_key, user_id in users
    ]
    await bulk.insert(tx, DirectoryEntry, rows)


async def note_present(tx: Transaction, job: Job, keys: Sequence[str], moment: datetime) -> None:
    """These entries were there, whatever else is wrong with them."""
    among = tx.dialect.among("entry_key", "$3", "text")
    sql = f"UPDATE directory_entries SET absences = 0, last_seen_at = $2 WHERE source = $1 AND {among}"
    await tx.rows(sql, job.source, moment, list(keys))


async def note_absent(
    tx: Transaction, job: Job, users: Sequence[int], deactivated: Sequence[int], at: datetime
) -> None:
    """These users were missing once more; some were deactivated for it."""
    among = tx.dialect.among("user_id", "$2", "bigint")
    await tx.rows(
        f"UPDATE directory_entries SET absences = absences + 1 WHERE source = $1 AND {among}", job.source, list(users)
    )
    await tx.rows(
        f"UPDATE directory_entries SET deactivated_at = $3 WHERE source = $1 AND {among}",
        job.source,
        list(deactivated),
        at,
    )


async def learn(tx: Transaction, job: Job, users: Sequence[tuple[int, str, str]]) -> None:
    """The ids of these users' entries, each with the normal form of the DN that still has to be theirs.

    It is no change that anybody made: neither recorded, nor counted in the version.
    """
    values = tx.dialect.spread(users, 3)
    columns = [("user_id", "bigint"), ("login_dn_key", "text"), ("entry_id", "text")]
    given = tx.dialect.unnest([f"${place + 1}" for place in range(len(values))], columns)
    await tx.rows(
        # The plus keeps SQLite from going through all users of the provider, each against all that is given.
        f"UPDATE users SET entry_id = v.entry_id FROM {given} WHERE users.id = v.user_id"
        f" AND users.login_dn_key = v.login_dn_key AND +users.ldap_provider_id = ${len(values) + 1}"
        " AND (users.entry_id IS NULL OR users.entry_id <> v.entry_id)",
        *values,
        job.provider_id,
    )


async def with_stored_ids(
    connection: Connection, server: LdapServer, job: Job, page: Sequence[Entry]
) -> Sequence[Entry]:
    """Entries that have several ids, with the stored one first: that of the user at their DN, else that of another."""
    ids = sorted({each for entry in page for each in entry_ids.several(server, entry)})
    if not ids:
        return page
    among = connection.dialect.among("entry_id", "$2", "text")
    sql = f"SELECT entry_id, login_dn_key FROM users WHERE {EITHER} AND {among} ORDER BY id"
    rows = await connection.rows(sql, job.provider_id, ids)
    by_dn = {row[1]: row[0] for row in rows}
    stored = [row[0] for row in rows]
    return [
        entry_ids.with_stored_id(server, entry, [by_dn.get(dn_key(entry.dn), ""), *stored])
        if entry_ids.several(server, entry)
        else entry
        for entry in page
    ]
