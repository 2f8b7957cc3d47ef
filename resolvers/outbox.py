"""The outbox being emptied: each letter is handed to the mail server by exactly one process.

A letter is claimed in a short transaction (`claimed_until`), handed over outside of any, and recorded in another. A
process that dies in between loses its claim by time. Whether the server had the letter by then cannot be known: it is
sent once more, under the Message-ID that it was given when it was first claimed, so that receivers can drop the second.
"""

import asyncio
import logging
import random
import secrets
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from models import bulk
from models import letters as stored
from models.database import Database, Transaction
from models.errors import Unavailable
from models.letters import LetterKind
from models.secrets import Sealer
from models.settings import Settings
from models.values import now
from resolvers.connectors.smtp import Refused, ServerFault, Session, SmtpServer, connected
from resolvers.letter_texts import Content, compose
from resolvers.viewers import as_time

BATCH = 50  # letters claimed at once, for one connection
FIRST_DELAY, LONGEST_DELAY = 30, 1_800  # seconds until a letter is tried again, doubled each time
MOST_ATTEMPTS = 100  # about two days
FIRST_REST, LONGEST_REST = 2, 60  # seconds for which a server that is away is left alone by this process
SWEEP = 3_600  # seconds between looking for letters that nobody will send any more

DUE = (
    "state = 'WAITING' AND next_attempt_at <= CURRENT_TIMESTAMP"
    " AND (claimed_until IS NULL OR claimed_until <= CURRENT_TIMESTAMP)"
)
# A claim that ran out was an attempt: a letter that ends processes must not be tried for ever.
CLAIM = (
    "UPDATE letters SET claimed_until = $1, message_id = COALESCE(message_id, CAST(id AS TEXT) || CAST($2 AS TEXT)),"
    " attempts = attempts + CASE WHEN claimed_until IS NULL THEN 0 ELSE 1 END"
    f" WHERE id IN (SELECT id FROM letters WHERE {DUE} ORDER BY next_attempt_at, id LIMIT {BATCH}) AND {DUE}"
    " RETURNING id"
)
CONTENT = (
    "SELECT l.kind, l.to_address, l.link, l.message_id, l.attempts, u.name, u.username, u.state, u.id,"
    " i.state, COALESCE(i.expires_at, r.expires_at), b.id, b.name, p.name, o.name, k.kind FROM letters l"
    " JOIN users u ON u.id = l.user_id LEFT JOIN invitations i ON i.id = l.invitation_id"
    " LEFT JOIN password_resets r ON l.kind = 'PASSWORD_RESET' AND r.user_id = u.id AND r.closed_at IS NULL"
    " LEFT JOIN users b ON b.id = COALESCE(i.created_by_id, r.created_by_id)"
    " LEFT JOIN identity_providers p ON p.id = i.provider_id LEFT JOIN identity_providers k ON k.id = u.provider_id"
    " LEFT JOIN organizations o ON o.parent_id IS NULL"
    " WHERE l.id = $1 AND l.state = 'WAITING' AND l.claimed_until = $2 ORDER BY r.id DESC LIMIT 1"
)
ENDED = "link = NULL, next_attempt_at = NULL, claimed_until = NULL"
STALE = (
    "DELETE FROM letters WHERE state = 'WAITING' AND ((kind = 'INVITATION' AND NOT EXISTS (SELECT 1 FROM invitations i"
    " WHERE i.id = letters.invitation_id AND i.state = 'PENDING' AND i.expires_at > $1)) OR (kind = 'PASSWORD_RESET'"
    " AND NOT EXISTS (SELECT 1 FROM password_resets r WHERE r.user_id = letters.user_id AND r.closed_at IS NULL"
    " AND r.expires_at > $1)))"
)

log = logging.getLogger("usergraph.mail")


@dataclass(frozen=True)
class Letter:
    """A claimed letter as it is to be sent, if it is still wanted."""

    id: int
    to: str
    sealed: str | None
    message_id: str
    attempts: int
    user: str
    content: Content
    is_wanted: bool


class Outbox:
    """The outbox of one process. `turn` is one batch; what `is_stopping` says is asked between two letters."""

    def __init__(
        self, database: Database, sealer: Sealer, settings: Settings, is_stopping: Callable[[], bool] = lambda: False
    ) -> None:
        self.server = SmtpServer.of(settings)
        self._database = database
        self._sealer = sealer
        self._is_stopping = is_stopping
        self._faults, self._closed_until, self._told = 0, 0.0, ""
        self._swept: float | None = None

    async def turn(self) -> bool:
        """Send what is due, as much as one claim holds. Answers whether there may be more."""
        if self.server is None:
            await self._sweep()
            return False
        if time.monotonic() < self._closed_until or not await self._has_due():
            return False
        return await self._send_batch(self.server)

    async def _has_due(self) -> bool:
        """Without the turn to write, which an idle outbox must not take from others."""
        async with self._database.reading() as connection:
            return await connection.one(f"SELECT 1 FROM letters WHERE {DUE} LIMIT 1") is not None

    async def _send_batch(self, server: SmtpServer) -> bool:
        begun = time.monotonic()
        lease = 10 * server.timeout  # for connecting (2), and the last letter begun (3) before 6 of them have passed
        until, ids = await self._database.transaction(lambda tx: _claim(tx, server, lease))
        waiting, is_connected = deque(ids), False
        try:
            async with connected(server) as session:
                is_connected = True
                while waiting and not self._is_stopping() and time.monotonic() - begun < 6 * server.timeout:
                    await self._deliver(session, waiting.popleft(), until)
                    self._faults, self._told = 0, ""
        except ServerFault as fault:
            self._rest(fault)
            if not is_connected:
                await self._postpone([*waiting], until, str(fault))
                waiting.clear()
            return False
        finally:
            if waiting:
                await self._all("UPDATE letters SET claimed_until = NULL", [*waiting], until)
        return bool(ids)

    def _rest(self, fault: ServerFault) -> None:
        self._faults += 1
        seconds = min(FIRST_REST * 2 ** (self._faults - 1), LONGEST_REST)
        self._closed_until = time.monotonic() + seconds * random.uniform(0.8, 1.2)  # noqa: S311
        if str(fault) != self._told:
            log.warning("letters wait for the mail server: %s", fault)
            self._told = str(fault)

    # --- one letter -------------------------------------------------------------------------------------------------

    async def _deliver(self, session: Session, id: int, until: datetime) -> None:
        """Raises ServerFault, once it is recorded that this letter was tried."""
        letter = await self._letter(id, until)
        if letter is None:  # it was dropped meanwhile, or this process was away for so long that another has it
            return
        if not letter.is_wanted:
            await self._all("DELETE FROM letters", [id], until)
            return
        link = self._sealer.open(letter.sealed) if letter.sealed else None
        if link is None:
            await self._park(letter, until, "It was sealed with a key that is gone from USERGRAPH_SECRET_KEY. Resend.")
            return
        content = Content(**{**letter.content.__dict__, "link": link})
        assert self.server is not None
        message = compose(content, message_id=letter.message_id, sender=self.server.sender, moment=now())
        try:
            await session.hand_over(message, letter.to)
        except Refused as refused:
            await self._refused(letter, until, _without(str(refused), link), is_final=refused.is_final)
        except ServerFault as fault:
            await self._postpone([id], until, _without(str(fault), link))
            raise
        else:
            await self._sent(letter)

    async def _letter(self, id: int, until: datetime) -> Letter | None:
        """Read anew just before it goes: whether it is still claimed by this process, and still wanted."""
        async with self._database.reading() as connection:
            row = await connection.one(CONTENT, id, until)
        if row is None:
            return None
        kind, to, sealed, message_id, attempts, name, username, state, user_id = row[:9]
        invited, expires, by_id, by, provider, platform, signs_in = row[9:]
        if kind == LetterKind.INVITATION:
            is_wanted = invited == "PENDING" and state == "INVITED"
        else:
            is_wanted = expires is not None and state == "ACTIVE" and signs_in == "LOCAL"
        ends = as_time(expires) if expires is not None else now()
        content = Content(
            kind=kind,
            name=name or username,
            username=username,
            platform=platform,
            link="",
            expires_at=ends,
            by=by if by_id != user_id else None,
            provider=provider,
        )
        wanted = is_wanted and ends > now()
        return Letter(id, to, sealed, message_id, attempts + 1, f"user_{user_id}", content, wanted)

    # --- what became of it ------------------------------------------------------------------------------------------

    async def _sent(self, letter: Letter) -> None:
        """Whoever has claimed it by now: it has gone."""

        async def write(tx: Transaction) -> None:
            sql = f"UPDATE letters SET state = 'SENT', sent_at = $2, attempts = $3, error = NULL, {ENDED}"
            await tx.rows(f"{sql} WHERE id = $1 AND state = 'WAITING'", letter.id, now(), letter.attempts)

        await self._surely(write)
        log.info("letter %d (%s) to %s was handed over", letter.id, letter.content.kind, letter.user)

    async def _park(self, letter: Letter, until: datetime, told: str) -> None:
        async def write(tx: Transaction) -> None:
            sql = f"UPDATE letters SET state = 'PARKED', attempts = $3, error = $4, {ENDED} {_mine(tx)}"
            await tx.rows(sql, [letter.id], until, letter.attempts, told)

        await self._surely(write)
        log.warning("letter %d (%s) to %s is parked: %s", letter.id, letter.content.kind, letter.user, told)

    async def _refused(self, letter: Letter, until: datetime, told: str, *, is_final: bool) -> None:
        if is_final:
            await self._park(letter, until, told)
            return
        await self._postpone([letter.id], until, told)
        log.info("letter %d (%s) to %s is tried again: %s", letter.id, letter.content.kind, letter.user, told)

    async def _postpone(self, ids: list[int], until: datetime, told: str) -> None:
        """They were tried, or would have been, had the server been reached."""
        await self._surely(lambda tx: _postpone(tx, ids, until, told))

    async def _all(self, what: str, ids: list[int], until: datetime) -> None:
        async def write(tx: Transaction) -> None:
            await tx.rows(f"{what} {_mine(tx)}", ids, until)

        await self._surely(write)

    async def _surely(self, write: Callable[[Transaction], object]) -> None:
        """Once the mail server has a letter this must be stored: a database that is away is waited for."""
        while True:
            try:
                await self._database.transaction(write)  # type: ignore[arg-type]
                return
            except Unavailable:
                if self._is_stopping():
                    raise
                await asyncio.sleep(1)

    async def _sweep(self) -> None:
        """Without a server: letters whose links no longer work hold sealed tokens for nothing."""
        if self._swept is None:
            log.info("no USERGRAPH_SMTP_URL: letters wait in the outbox, and links are only in answers")
            self._swept = time.monotonic()
        if time.monotonic() - self._swept >= SWEEP:
            self._swept = time.monotonic()
            await self._database.transaction(lambda tx: tx.rows(STALE, now()))


async def _claim(tx: Transaction, server: SmtpServer, lease: float) -> tuple[datetime, list[int]]:
    """By the database's clock, which all processes share."""
    until = as_time(await tx.scalar("SELECT CURRENT_TIMESTAMP")) + timedelta(seconds=lease)
    unique = f".{secrets.token_hex(8)}@{server.sender.rpartition('@')[2]}"
    return until, sorted(row[0] for row in await tx.rows(CLAIM, until, unique))


async def _postpone(tx: Transaction, ids: list[int], until: datetime, told: str) -> None:
    """Count an attempt; those that had enough of them are parked."""
    rows = []
    for id, before in await tx.rows(f"SELECT id, attempts FROM letters {_mine(tx)}", ids, until):
        seconds = min(FIRST_DELAY * 2 ** min(before, 20), LONGEST_DELAY) * random.uniform(0.8, 1.2)  # noqa: S311
        rows.append(
            {
                "id": id,
                "claimed_until": None,
                "next_attempt_at": now() + timedelta(seconds=seconds),
                "attempts": before + 1,
                "error": told,
            }
        )
    await bulk.update(tx, stored.Letter, rows)
    told = f"Given up after {MOST_ATTEMPTS} attempts: {told}"
    among = tx.dialect.among("id", "$1", "bigint")
    sql = f"UPDATE letters SET state = 'PARKED', error = $2, {ENDED} WHERE {among} AND attempts >= {MOST_ATTEMPTS}"
    await tx.rows(sql, [row["id"] for row in rows], told)


def _mine(tx: Transaction) -> str:
    """What is still claimed by this process until `$2`, of the ids `$1`."""
    return f"WHERE {tx.dialect.among('id', '$1', 'bigint')} AND state = 'WAITING' AND claimed_until = $2"


def _without(told: str, link: str) -> str:
    """A server may repeat what it was sent; the token stays ours."""
    return told.replace(link, "…").replace(link.rpartition("#")[2], "…")
