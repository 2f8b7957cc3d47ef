"""Whom the entries of a source mean: users whom it named before, and of a directory those who are its entries."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from models.database import Connection
from models.directories import JobKind
from models.errors import Refusal
from models.values import email_key, is_same_email, login_dn, spelling
from resolvers import entry_ids
from resolvers.directories_store import Job, JobRow

PROVISIONED = "ldap_provider_id = $1"
# Who was invited through a directory has no DN yet, and is provisioned by it from the first run that knows them.
INVITED = "ldap_provider_id IS NULL AND provider_id = $1"
EITHER = f"({PROVISIONED} OR ({INVITED}))"


@dataclass(frozen=True)
class Found:
    """By the key of an entry: the user whom it means, and whose DN has passed to it although it is not theirs."""

    users: dict[str, int] = field(default_factory=dict)
    replaced: dict[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class Candidate:
    """A user whom an entry could mean. `entry_id` and `external_id`, the source's own, are stored with them."""

    entry_key: str
    user_id: int
    entry_id: str | None
    external_id: str | None = None
    email: str | None = None


async def found(connection: Connection, job: Job, rows: Sequence[JobRow]) -> Found:
    """What tells most goes last. A user whose entry is known by its id is meant by no other entry, whatever its DN."""
    wanted = {row.entry_key: row.wanted or {} for row in rows}
    known = await _named_before(connection, job, [row.entry_key for row in rows])
    if job.kind != JobKind.SYNC:
        return Found({each.entry_key: each.user_id for each in known if not _is_somebody_else(each, wanted)})
    ids = {kept: each for kept, each in _keys(wanted, "entry_id").items() if entry_ids.to_keep(kept)}
    by_dn = await _by_column(connection, job, "login_dn_key", {dn: each for each, dn in _dns(wanted)}, PROVISIONED)
    by_external_id = await _by_external_id(connection, job, _keys(wanted, "external_id"))
    by_entry_id = await _by_column(connection, job, "entry_id", ids, EITHER)
    having = {each.user_id for each in by_dn}  # of two users who are one entry, the one who has its DN
    by_entry_id.sort(key=lambda each: each.user_id in having)
    answer = Found()
    for candidates in (by_dn, by_external_id, known, by_entry_id):
        answer.users.update({each.entry_key: each.user_id for each in candidates if not _is_another(each, wanted)})
    left = {entry_key: each for entry_key, each in wanted.items() if entry_key not in answer.users}
    answer.replaced.update({each.entry_key: each.user_id for each in by_dn if each.entry_key in left})
    invited = await _by_address(connection, job, left)
    answer.users.update({each.entry_key: each.user_id for each in invited if not _is_another(each, wanted)})
    return answer


def _is_another(candidate: Candidate, wanted: Mapping[str, Mapping[str, Any]]) -> bool:
    return entry_ids.is_another(candidate.entry_id, wanted[candidate.entry_key].get("entry_id") or "")


def _is_somebody_else(candidate: Candidate, wanted: Mapping[str, Mapping[str, Any]]) -> bool:
    """Whether the source knows the user by another id than the row's, or by an email that only looks like the row's."""
    row = wanted[candidate.entry_key]
    external_id = (row.get("external_id") or "").strip()
    if external_id:
        return candidate.external_id not in (None, external_id)
    email, known = row.get("email") or "", candidate.email or ""
    return email_key(email) == email_key(known) and not is_same_email(email, known)


async def _named_before(connection: Connection, job: Job, keys: Sequence[str]) -> list[Candidate]:
    among = connection.dialect.among("e.entry_key", "$2", "text")
    sql = (
        "SELECT e.entry_key, e.user_id, u.entry_id, x.value, u.email"
        " FROM directory_entries e JOIN users u ON u.id = e.user_id"
        " LEFT JOIN user_external_ids x ON x.user_id = e.user_id AND x.source = e.source"
    )
    rows = await connection.rows(f"{sql} WHERE e.source = $1 AND {among}", job.source, list(keys))
    return [Candidate(*row) for row in rows]


def _keys(wanted: Mapping[str, Mapping[str, Any]], name: str) -> dict[str, str]:
    """What is looked for, to the entry it is looked for by."""
    return {each[name]: entry_key for entry_key, each in wanted.items() if each.get(name)}


async def _by_column(
    connection: Connection, job: Job, column: str, keys: Mapping[str, str], those: str
) -> list[Candidate]:
    if not keys:
        return []
    among = connection.dialect.among(column, "$2", "text")
    sql = f"SELECT {column}, id, entry_id FROM users WHERE {those} AND {among} ORDER BY id"
    return [Candidate(keys[row[0]], row[1], row[2]) for row in await connection.rows(sql, job.provider_id, list(keys))]


async def _by_external_id(connection: Connection, job: Job, keys: Mapping[str, str]) -> list[Candidate]:
    """By the ids that earlier runs of the same directory have stored."""
    if not keys:
        return []
    among = connection.dialect.among("x.value", "$3", "text")
    sql = f"SELECT x.value, u.id, u.entry_id FROM user_external_ids x JOIN users u ON u.id = x.user_id WHERE {EITHER}"
    rows = await connection.rows(
        f"{sql} AND x.source = $2 AND {among} ORDER BY u.id", job.provider_id, job.source, list(keys)
    )
    return [Candidate(keys[row[0]], row[1], row[2]) for row in rows]


def _dns(wanted: Mapping[str, Mapping[str, Any]]) -> Iterable[tuple[str, str]]:
    """Entry keys with the normal form of their DN. A row whose DN is none is refused for it elsewhere."""
    for entry_key, each in wanted.items():
        try:
            yield entry_key, login_dn(each.get("login_dn") or "")[1]
        except Refusal:
            continue


def learned(rows: Sequence[JobRow], users: Mapping[str, int]) -> list[tuple[int, str, str]]:
    """User, normal form of the DN, and id of the entry, of those rows whose user is known and whose entry has an id."""
    wanted = {row.entry_key: row.wanted or {} for row in rows if row.entry_key in users}
    ids = {entry_key: entry_ids.to_keep(each.get("entry_id") or "") for entry_key, each in wanted.items()}
    return [(users[each], dn, kept) for each, dn in _dns(wanted) if (kept := ids[each]) is not None]


async def _by_address(connection: Connection, job: Job, wanted: Mapping[str, Mapping[str, Any]]) -> list[Candidate]:
    """Who was invited through this very directory and is called by the entry's address or name, without a DN yet.

    They sign in by that name, so that the entry could be them already. Not where two entries have the address, which
    only a run that reads everything can tell. Addresses of LDAP are ASCII (RFC 4524); others are not compared.
    """
    addresses = {entry_key: each["email"] for entry_key, each in wanted.items() if each.get("email")}
    keys = {email_key(each): entry_key for entry_key, each in addresses.items() if each.isascii()}
    keys = keys if job.is_whole else {}
    if not keys:
        return []
    among = connection.dialect.among("email_key", "$2", "text")
    sql = f"SELECT email_key, id, entry_id, email, username FROM users WHERE {INVITED} AND {among}"
    rows = await connection.rows(sql, job.provider_id, list(keys))
    alone = await _alone(connection, job, [row[0] for row in rows]) if rows else set()
    return [
        Candidate(keys[address], user_id, entry_id)
        for address, user_id, entry_id, email, username in rows
        if address in alone
        and email.isascii()
        and spelling(username) in (address, spelling(wanted[keys[address]].get("username") or ""))
    ]


async def _alone(connection: Connection, job: Job, addresses: Sequence[str]) -> set[str]:
    """Those of the addresses that one entry of the source has, and no other."""
    among = connection.dialect.among("lower(label)", "$2", "text")
    sql = f"SELECT lower(label) FROM directory_job_rows WHERE job_id = $1 AND {among} GROUP BY 1 HAVING COUNT(*) = 1"
    return {row[0] for row in await connection.rows(sql, job.id, list(addresses))}
