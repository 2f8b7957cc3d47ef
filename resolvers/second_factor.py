"""The second factor: a code of an authenticator (TOTP, RFC 6238), or a recovery code in its place (D3, E3)."""

import logging
from collections.abc import Mapping
from datetime import datetime
from typing import Any

import pyotp

from models import bulk
from models.database import Connection
from models.secrets import Sealer
from models.users import User
from resolvers import audit, recovery_codes, tokens
from resolvers.audit import Action, Event, Subject
from resolvers.changes import Change
from resolvers.policy import Viewer

log = logging.getLogger("usergraph.second_factor")

ISSUER = "usergraph"
STEP = 30  # seconds
NEIGHBOURS = (0, -1, 1)  # steps in which a code is taken: clocks differ, and people type


def is_on(row: Mapping[str, Any]) -> bool:
    """Whether a row of `users` has a confirmed second factor."""
    return row["totp_enabled_at"] is not None


def matching_step(secret: str, code: str, moment: datetime, last_step: int | None = None) -> int | None:
    """The step of 30 seconds whose code this is, later than `last_step`; None where it is no such code."""
    typed = "".join(code.split())
    if not (typed.isascii() and typed.isdecimal()):
        return None
    totp = pyotp.TOTP(secret)
    now = int(moment.timestamp()) // STEP
    fitting = [now + away for away in NEIGHBOURS if tokens.same(totp.generate_otp(now + away), typed)]
    return next((step for step in fitting if last_step is None or step > last_step), None)


async def find_code(
    connection: Connection, sealer: Sealer, user_id: int, code: str, moment: datetime
) -> tuple[str, int] | None:
    """What a code is, without using it up: `("step", n)` or `("recovery", id)`; None where it is not right."""
    row = await connection.one(
        "SELECT totp_secret, totp_last_step FROM users WHERE id = $1 AND totp_enabled_at IS NOT NULL", user_id
    )
    if row is None:
        return None
    secret = opened(sealer, row[0], user_id)
    step = matching_step(secret, code, moment, row[1]) if secret is not None else None
    if step is not None:
        return "step", step
    recovery = await recovery_codes.find(connection, user_id, code)
    return None if recovery is None else ("recovery", recovery)


async def accept_code(change: Change, user_id: int, code: str | None) -> bool:
    """Whether the code is right, which uses it up: no code opens anything twice."""
    found = await find_code(change.tx, change.sealer, user_id, code, change.moment) if code is not None else None
    if found is None:
        return False
    kind, number = found
    if kind == "step":
        return await use_step(change, user_id, number)
    if not await recovery_codes.use(change, number):
        return False
    await record(change, user_id, Action.RECOVERY_CODE_USED)
    return True


async def use_step(change: Change, user_id: int, step: int) -> bool:
    """Whether no code of this step, or of a later one, was taken before."""
    rows = await change.tx.rows(
        "UPDATE users SET totp_last_step = $2 WHERE id = $1 AND (totp_last_step IS NULL OR totp_last_step < $2)"
        " RETURNING id",
        user_id,
        step,
    )
    return bool(rows)


def opened(sealer: Sealer, sealed: str | None, user_id: int) -> str | None:
    secret = sealer.open(sealed) if sealed is not None else None
    if sealed is not None and secret is None:
        log.warning("the second factor of user_%d was sealed with a key that USERGRAPH_SECRET_KEY lacks", user_id)
    return secret


def address(secret: str, username: str) -> str:
    """What an authenticator reads as a QR code."""
    return pyotp.TOTP(secret).provisioning_uri(name=username, issuer_name=ISSUER)


async def store(change: Change, user_id: int, columns: Mapping[str, Any], version: int) -> None:
    stamps = {"updated_at": change.moment, "updated_by_id": change.viewer.user_id, "version": version + 1}
    await bulk.update(change.tx, User, [{"id": user_id, **columns, **stamps}])


async def record(change: Change, user_id: int, action: Action) -> None:
    """By the user themselves, who may only just be proving who they are."""
    username = await change.tx.scalar("SELECT username FROM users WHERE id = $1", user_id)
    actor = change.viewer
    if actor.is_stranger:
        actor = Viewer(user_id=user_id, username=username, request_id=actor.request_id)
    await audit.record(change.tx, actor, change.moment, [Event(action, Subject.USER, user_id, username, {})])
