"""The tarpit: who fails to sign in waits, longer each time, on every process alike.

Three things are counted, each as a digest bound to its kind: an account from one address, an address, and an account
from wherever. The first is what stops guessing; the others are wide, and so they are softer, and do not hold for who
has signed in to this account from this address before: whoever guesses elsewhere locks nobody out of their own place.
Keys and `usergraph admin` are not asked at all.
"""

import hashlib
import ipaddress
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from models.base import LABEL
from models.database import Connection, Transaction
from models.values import email_key, key
from resolvers.viewers import as_time


@dataclass(frozen=True)
class Kind:
    """How many failures are free, how long the longest wait is, and after which time without any all are forgotten."""

    name: str
    free: int
    longest: timedelta
    forget: timedelta
    is_wide: bool


ACCOUNT_HERE = Kind("account-at-address", 5, timedelta(minutes=15), timedelta(days=1), is_wide=False)
ADDRESS = Kind("address", 300, timedelta(minutes=15), timedelta(hours=1), is_wide=True)
ACCOUNT = Kind("account", 50, timedelta(minutes=1), timedelta(hours=1), is_wide=True)
KINDS = (ACCOUNT_HERE, ADDRESS, ACCOUNT)
KEPT = max(kind.forget for kind in KINDS)
KNOWN = timedelta(days=30)  # for which an address is one's own after the last sign-in from there
MOST_KNOWN = 200  # sessions that are looked at for it

# A row begins with a wait that is over: it lies as far back as what is forgotten.
COUNT = """
INSERT INTO sign_in_failures (subject_digest, count, last_at, blocked_until)
VALUES ($1, 1, $4, $5), ($2, 1, $4, $6), ($3, 1, $4, $7)
ON CONFLICT (subject_digest) DO UPDATE SET last_at = excluded.last_at, count =
    CASE WHEN sign_in_failures.last_at < excluded.blocked_until THEN 1 ELSE sign_in_failures.count + 1 END
RETURNING subject_digest, count, blocked_until
"""
_FREE = f"CASE subject_digest WHEN $1 THEN {ACCOUNT_HERE.free} WHEN $2 THEN {ADDRESS.free} ELSE {ACCOUNT.free} END"
# One less, and no wait where that leaves none to be: it was this attempt that began it.
TAKE_BACK = f"""
UPDATE sign_in_failures SET count = count - 1,
    blocked_until = CASE WHEN count - 1 < {_FREE} THEN NULL ELSE blocked_until END
WHERE subject_digest IN ($1, $2, $3) AND count > 0
"""


@dataclass(frozen=True)
class Attempt:
    """A counted attempt. `blocks` are the kinds that it was one failure too many for, should it fail."""

    is_blocked: bool
    digests: Mapping[Kind, str]
    blocks: Sequence[Kind] = ()
    until: datetime | None = None


async def count(
    tx: Transaction,
    *,
    name: str,
    user_id: int | None,
    address: str | None,
    moment: datetime,
    is_known: bool = False,
) -> Attempt:
    """Count an attempt as a failure before it is looked at, so that many at once do not slip through.

    `is_known`: the wide counts do not hold for this user here (`has_been_here`).

    One that comes while it has to wait is counted too, but does not lengthen that wait.
    """
    await tx.rows("DELETE FROM sign_in_failures WHERE last_at < $1", moment - KEPT)
    digests = _digests(name, user_id, address)
    begins = [moment - kind.forget for kind in KINDS]
    rows = await tx.rows(COUNT, *(digests[kind] for kind in KINDS), moment, *begins)
    found = {row[0]: (row[1], as_time(row[2]) if row[2] is not None else moment) for row in rows}
    blocked, blocks, until = False, [], None
    for kind, digest in digests.items():
        failures, waits_until = found[digest]
        if waits_until > moment:
            blocked |= not (kind.is_wide and is_known)
        elif failures >= kind.free:
            ends = moment + wait(kind, failures)
            sql = "UPDATE sign_in_failures SET blocked_until = $2 WHERE subject_digest = $1"
            await tx.rows(sql, digest, ends)
            until = max(until or ends, ends)
            blocks += [kind] if failures == kind.free else []
    return Attempt(blocked, digests, blocks, until)


def wait(kind: Kind, failures: int) -> timedelta:
    """One second upon the last free failure, doubled by each that follows."""
    return min(kind.longest, timedelta(seconds=2 ** min(failures - kind.free, 20)))


async def forgive(tx: Transaction, attempt: Attempt, *, all_here: bool) -> None:
    """Take this attempt back: it was no failure. `all_here`: and with it all failures at this account from here.

    The wide counts keep what others failed at: an account of one's own must not buy guesses at other accounts.
    """
    if all_here:
        await tx.rows("DELETE FROM sign_in_failures WHERE subject_digest = $1", attempt.digests[ACCOUNT_HERE])
    await tx.rows(TAKE_BACK, *(attempt.digests[kind] for kind in KINDS))


def _digests(name: str, user_id: int | None, address: str | None) -> dict[Kind, str]:
    """An account is one however it is named, by username or by address; a name that is nobody's is its own."""
    account = f"name:{email_key(name) if '@' in name else key(name)}" if user_id is None else f"user:{user_id}"
    place = neighbourhood(address)
    return {
        ACCOUNT_HERE: _digest(ACCOUNT_HERE, account, place),
        ADDRESS: _digest(ADDRESS, place),
        ACCOUNT: _digest(ACCOUNT, account),
    }


def _digest(kind: Kind, *parts: str) -> str:
    return hashlib.sha256("\0".join((kind.name, *parts)).encode("utf-8", "surrogatepass")).hexdigest()


def neighbourhood(address: str | None) -> str:
    """The address; of IPv6 the /64 around it, all of which one host may use."""
    try:
        found: Any = ipaddress.ip_address(address or "")
    except ValueError:
        return (address or "")[:LABEL]
    return str(ipaddress.ip_network((found, 64), strict=False)) if found.version == 6 else str(found)


async def has_been_here(connection: Connection, user_id: int, address: str | None, moment: datetime) -> bool:
    """Whether this user signed in from here within KNOWN."""
    rows = await connection.rows(
        "SELECT address FROM sessions WHERE user_id = $1 AND address IS NOT NULL AND created_at > $2"
        f" ORDER BY id DESC LIMIT {MOST_KNOWN}",
        user_id,
        moment - KNOWN,
    )
    here = neighbourhood(address)
    return bool(here) and here in {neighbourhood(row[0]) for row in rows}
