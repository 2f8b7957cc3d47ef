"""The tarpit: who fails to sign in waits, longer each time, on every process alike.

Three things are counted, each as a keyed digest bound to its kind: an account from one address, an address, and an
account from wherever. The first is what stops guessing; the others are wide, and so they are softer, and do not hold
for who has signed in to this account from this address before: whoever guesses elsewhere locks nobody out of their own
place. Keys and `usergraph admin` are not asked at all. Resets that strangers ask for are counted by address, apart from
these.
"""

import ipaddress
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from models.base import LABEL
from models.database import Connection, Transaction
from models.secrets import Sealer
from models.values import email_key, key
from resolvers.viewers import as_time

log = logging.getLogger("usergraph.sign_in")


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
RESETS = Kind("resets-at-address", 20, timedelta(minutes=15), timedelta(hours=1), is_wide=True)
PROBES = Kind("probes", 100, timedelta(minutes=15), timedelta(hours=1), is_wide=True)
KINDS = (ACCOUNT_HERE, ADDRESS, ACCOUNT)
KEPT = max(kind.forget for kind in KINDS)
KNOWN = timedelta(days=30)  # for which an address is one's own after the last sign-in from there
MOST_KNOWN = 200  # sessions that are looked at for it

# A row begins with a wait that is over: it lies as far back as what is forgotten.
_COUNT = """
INSERT INTO sign_in_failures (subject_digest, count, last_at, blocked_until) VALUES {}
ON CONFLICT (subject_digest) DO UPDATE SET last_at = excluded.last_at, count =
    CASE WHEN sign_in_failures.last_at < excluded.blocked_until THEN 1 ELSE sign_in_failures.count + 1 END
RETURNING subject_digest, count, blocked_until
"""
COUNT = {1: _COUNT.format("($2, 1, $1, $3)"), 2: _COUNT.format("($2, 1, $1, $3), ($4, 1, $1, $5)")}
# One less, and no wait where that leaves none to be: it was this attempt that began it.
TAKE_BACK = """
UPDATE sign_in_failures SET count = count - 1,
    blocked_until = CASE WHEN count - 1 < {free} THEN NULL ELSE blocked_until END
WHERE subject_digest = $1 AND count > 0
"""


@dataclass(frozen=True)
class Attempt:
    """A counted attempt. `blocks` are the kinds that it was one failure too many for, should it fail.

    `is_by_address`: blocked because its address waits, which says nothing of any account; no more was counted.
    """

    is_blocked: bool
    digests: Mapping[Kind, str]
    blocks: Sequence[Kind] = ()
    until: datetime | None = None
    is_by_address: bool = False


@dataclass
class Counted:
    """Of some kinds: those that wait still, those that this failure makes wait at last, and until when."""

    waiting: list[Kind] = field(default_factory=list)
    blocks: list[Kind] = field(default_factory=list)
    ends: list[datetime] = field(default_factory=list)


async def count(
    tx: Transaction,
    sealer: Sealer,
    *,
    name: str,
    user_id: int | None,
    address: str | None,
    moment: datetime,
    is_known: bool = False,
) -> Attempt:
    """Count an attempt as a failure before it is looked at, so that many at once do not slip through.

    `is_known`: the wide counts do not hold for this user here (`has_been_here`).

    One that comes while it has to wait is counted too, but does not lengthen that wait. While the address waits it is
    all that is counted: names that are tried from there make no rows, and no account waits for what nobody looked at.
    The address comes first, here and in `forgive`: transactions that would change the same rows meet at it, in order.
    """
    await _forget(tx, moment)
    digests = _digests(sealer, name, user_id, address)
    here = await _count(tx, digests, (ADDRESS,), moment)
    if here.waiting and not is_known:
        return Attempt(True, digests, is_by_address=True)
    account = await _count(tx, digests, (ACCOUNT_HERE, ACCOUNT), moment)
    is_blocked = any(not (kind.is_wide and is_known) for kind in account.waiting)
    return Attempt(is_blocked, digests, here.blocks + account.blocks, max(here.ends + account.ends, default=None))


async def _forget(tx: Transaction, moment: datetime) -> None:
    await tx.rows("DELETE FROM sign_in_failures WHERE last_at < $1", moment - KEPT)


async def _count(tx: Transaction, digests: Mapping[Kind, str], kinds: Sequence[Kind], moment: datetime) -> Counted:
    values = [value for kind in kinds for value in (digests[kind], moment - kind.forget)]
    rows = {row[0]: (row[1], row[2]) for row in await tx.rows(COUNT[len(kinds)], moment, *values)}
    counted = Counted()
    for kind in kinds:
        failures, blocked_until = rows[digests[kind]]
        if blocked_until is not None and as_time(blocked_until) > moment:
            counted.waiting.append(kind)
        elif failures >= kind.free:
            ends = moment + wait(kind, failures)
            sql = "UPDATE sign_in_failures SET blocked_until = $2 WHERE subject_digest = $1"
            await tx.rows(sql, digests[kind], ends)
            counted.ends.append(ends)
            counted.blocks += [kind] if failures == kind.free else []
    return counted


async def count_reset(tx: Transaction, sealer: Sealer, *, address: str | None, moment: datetime) -> bool:
    """Count a reset that somebody at this address asks for without the right to; whether this one has to wait."""
    await _forget(tx, moment)
    digests = {RESETS: _digest(sealer, RESETS, neighbourhood(address))}
    counted = await _count(tx, digests, (RESETS,), moment)
    if counted.blocks:
        log.warning("too many resets asked for from one address: further ones wait")
    return bool(counted.waiting)


async def waits_for_probes(connection: Connection, sealer: Sealer, user_id: int, moment: datetime) -> datetime | None:
    """Until when a user who sent many taken values has to wait; None where they have not."""
    sql = "SELECT blocked_until FROM sign_in_failures WHERE subject_digest = $1 AND blocked_until > $2"
    until = await connection.scalar(sql, _digest(sealer, PROBES, f"user:{user_id}"), moment)
    return None if until is None else as_time(until)


async def count_probes(tx: Transaction, sealer: Sealer, user_id: int, number: int, moment: datetime) -> datetime | None:
    """Count taken values that a user sent; until when they have to wait, if they have sent too many."""
    await _forget(tx, moment)
    digest = _digest(sealer, PROBES, f"user:{user_id}")
    rows = await tx.rows(COUNT[1], moment, digest, moment - PROBES.forget)
    failures = rows[0][1] + number - 1
    until = moment + wait(PROBES, failures) if failures >= PROBES.free else None
    sql = "UPDATE sign_in_failures SET count = $2, blocked_until = $3 WHERE subject_digest = $1"
    await tx.rows(sql, digest, failures, until)
    return until


def wait(kind: Kind, failures: int) -> timedelta:
    """One second upon the last free failure, doubled by each that follows."""
    return min(kind.longest, timedelta(seconds=2 ** min(failures - kind.free, 20)))


async def forgive(tx: Transaction, attempt: Attempt, *, all_here: bool) -> None:
    """Take this attempt back: it was no failure. `all_here`: and with it all failures at this account from here.

    The wide counts keep what others failed at: an account of one's own must not buy guesses at other accounts.
    """
    for kind in (ADDRESS, ACCOUNT_HERE, ACCOUNT):
        if all_here and kind is ACCOUNT_HERE:
            await tx.rows("DELETE FROM sign_in_failures WHERE subject_digest = $1", attempt.digests[kind])
        else:
            await tx.rows(TAKE_BACK.format(free=kind.free), attempt.digests[kind])


def _digests(sealer: Sealer, name: str, user_id: int | None, address: str | None) -> dict[Kind, str]:
    """An account is one however it is named, by username or by address; a name that is nobody's is its own."""
    account = f"name:{email_key(name) if '@' in name else key(name)}" if user_id is None else f"user:{user_id}"
    place = neighbourhood(address)
    return {
        ACCOUNT_HERE: _digest(sealer, ACCOUNT_HERE, account, place),
        ADDRESS: _digest(sealer, ADDRESS, place),
        ACCOUNT: _digest(sealer, ACCOUNT, account),
    }


def _digest(sealer: Sealer, kind: Kind, *parts: str) -> str:
    """Keyed: addresses and names are few enough to be found again by trying them all."""
    # By the newest key alone. After a rotation older rows match nothing any more and go with their time: all counts
    # begin anew, which gives whoever guesses the free failures once more, as often as an operator changes the key.
    return sealer.mark("\0".join(("sign-in-failure", kind.name, *parts)).encode("utf-8", "surrogatepass"))


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
