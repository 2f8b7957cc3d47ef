"""Passwords: changed by their owner or an administrator, reset by link (D3)."""

import asyncio
from collections.abc import Mapping
from datetime import timedelta
from time import monotonic
from typing import Any

from models import bulk
from models.credentials import PasswordReset
from models.database import Transaction
from models.errors import (
    InvalidToken,
    NotFound,
    OutsideOrganization,
    PasswordNotLocal,
    Required,
    UserTooHeavy,
    WrongPassword,
    WrongState,
)
from models.letters import LetterKind
from models.users import User, UserState
from resolvers import audit, letters, references, targets, tarpit, tokens
from resolvers.audit import Action, Event, Subject
from resolvers.changes import Before, Change, number
from resolvers.policy import Right, Viewer
from resolvers.proofs import counted
from resolvers.sessions import end_sessions
from resolvers.sign_in import FLOOR
from resolvers.strength import check_password
from resolvers.targets import Target
from resolvers.user_keys import id_by_email
from resolvers.viewers import as_time

NOT_ACCEPTED = (
    "This user has not accepted their invitation yet, and sets a password with it. Use resendInvitations, or"
    " inviteUsers if it was revoked."
)
NOT_AGAIN = timedelta(minutes=5)  # after a reset was made, in which a stranger does not make another


def subjects(given: Mapping[str, Any]) -> list[str]:
    return [given["id"]]


async def prepare_change(before: Before, given: dict[str, Any]) -> None:
    """Check the current password and hash the new one: both are slow."""
    user_id = number("user", "user", given["id"], "id")
    before.viewer.require_self_or(Right.SET_PASSWORDS, [user_id], "id")
    password, current = given.pop("new_password"), given.pop("current_password", None)
    async with before.database.reading() as connection:
        names = "username, email, name, password_hash, totp_enabled_at IS NOT NULL"
        row = await connection.one(f"SELECT {names} FROM users WHERE id = $1", user_id)
    about = tuple(row[:3]) if row is not None else ()
    has_factor = row is not None and bool(row[4])
    await check_password(before, password, "newPassword", about=about, has_factor=has_factor)
    if user_id == before.viewer.user_id and row is not None and row[3] is not None:
        if current is None:
            raise Required("currentPassword", what="The current password")
        async with counted(before, user_id, row[0], "currentPassword"):
            if not await before.hasher.verify(row[3], current):
                raise WrongPassword("currentPassword")
        given["checked_hash"] = row[3]
    given["password_hash"] = await before.hash(password)


async def change_password(
    change: Change, *, id: str, password_hash: str, checked_hash: str | None = None
) -> dict[str, Any]:
    """Set a local user's password; their sessions end. One's own needs the current one, if there is one."""
    user_id = number("user", "user", id, "id")
    change.viewer.require_self_or(Right.SET_PASSWORDS, [user_id], "id")
    target = await _local_target(change, user_id, id, "id")
    if target["state"] == UserState.INVITED:
        raise WrongState("id", reason=NOT_ACCEPTED)
    if user_id == change.viewer.user_id and target["password_hash"] != checked_hash:
        raise WrongPassword("currentPassword")  # it was changed since it was checked
    await _set_password(change, target, password_hash, Action.PASSWORD_CHANGED)
    return {"user": user_id, "errors": []}


async def _local_target(change: Change, user_id: int, typed: str, argument: str) -> Target:
    roles = await references.roles(change.tx)
    target = (await targets.find(change.tx, roles, [user_id])).get(user_id)
    if target is None:
        raise NotFound(argument, what="user", key=typed)
    where = await targets.scope(change, Right.SET_PASSWORDS)
    targets.require_manageable(change, target, where, argument)
    targets.require_no_wider(where, target, argument)
    known = await references.providers(change.tx)
    if target["provider_id"] is None or known.by_id[target["provider_id"]].kind != "LOCAL":
        raise PasswordNotLocal(argument)
    return target


async def _set_password(change: Change, target: Target, password_hash: str, action: Action) -> None:
    row = {
        "id": target.id,
        "password_hash": password_hash,
        "updated_at": change.moment,
        "updated_by_id": change.viewer.user_id or target.id,
        "version": target["version"] + 1,
    }
    await bulk.update(change.tx, User, [row])
    await end_sessions(change, [target.id])
    await close_resets(change, target.id)
    actor = change.viewer if not change.viewer.is_stranger else _token_holder(change, target)
    await audit.record(
        change.tx, actor, change.moment, [Event(action, Subject.USER, target.id, target["username"], {})]
    )


def _token_holder(change: Change, target: Target) -> Viewer:
    """Who brought a reset's token acts, and reads the answer, as the user it was made for."""
    return Viewer(user_id=target.id, username=target["username"], request_id=change.viewer.request_id)


async def close_resets(change: Change, user_id: int) -> None:
    await change.tx.rows(
        "UPDATE password_resets SET closed_at = $2 WHERE user_id = $1 AND closed_at IS NULL",
        user_id,
        change.moment,
    )
    await change.tx.rows(
        "DELETE FROM letters WHERE user_id = $1 AND kind = 'PASSWORD_RESET' AND state = 'WAITING'", user_id
    )


async def prepare_request(before: Before, given: dict[str, Any]) -> None:
    """All that a stranger brings about, in a transaction of its own: the time it takes tells nobody who exists."""
    if before.viewer.can(Right.SET_PASSWORDS):
        return
    begun, email = monotonic(), given["email"]
    given["is_done"] = True
    await before.database.transaction(lambda tx: _post_quietly(before, tx, email))
    await asyncio.sleep(max(0.0, begun + FLOOR - monotonic()))  # nothing is held meanwhile


async def _post_quietly(before: Before, tx: Transaction, email: str) -> None:
    change = Change(tx, before.viewer, before.settings, before.sealer, before.dry_run, caller=before.caller)
    if before.dry_run:
        tx.discard()
    if await tarpit.count_reset(tx, before.sealer, address=change.caller.address, moment=change.moment):
        return
    user_id = await id_by_email(tx, email)
    if user_id is None or await _was_just_made(change, user_id):
        return
    roles, known = await references.roles(tx), await references.providers(tx)
    target = (await targets.find(tx, roles, [user_id]))[user_id]
    is_local = target["provider_id"] is not None and known.by_id[target["provider_id"]].kind == "LOCAL"
    if is_local and target["state"] == UserState.ACTIVE:
        await _post(change, target)


async def _was_just_made(change: Change, user_id: int) -> bool:
    """Whoever made it: a letter is under way, and a stranger neither sends many nor ends a link that was just given."""
    made = await change.tx.scalar(
        "SELECT id FROM password_resets WHERE user_id = $1 AND closed_at IS NULL AND expires_at > $2"
        " AND created_at > $3 LIMIT 1",
        user_id,
        change.moment,
        change.moment - NOT_AGAIN,
    )
    return made is not None


async def request_password_reset(change: Change, *, email: str, is_done: bool = False) -> dict[str, Any]:
    """Put a reset letter in the outbox, if there is such a local user: the answer never tells whether there is.

    Who may set passwords gets the link too, and the reasons why there is none. `is_done`: see `prepare_request`.
    """
    viewer = change.viewer
    if is_done or not viewer.can(Right.SET_PASSWORDS):
        return {"accepted": True, "link": None, "expiresAt": None, "errors": []}
    found = await id_by_email(change.tx, email)
    if found is None:
        raise NotFound("email", what="user with the address", key=email[:320])
    try:
        target = await _local_target(change, found, f"user_{found}", "email")
    except (NotFound, OutsideOrganization, UserTooHeavy) as refusal:
        if Right.SET_PASSWORDS in viewer.rights:
            raise
        # An organization's administrator learns nothing about who is elsewhere.
        raise NotFound("email", what="user with the address", key=email[:320]) from refusal
    if target["state"] == UserState.INVITED:
        raise WrongState("email", reason=NOT_ACCEPTED)
    if target["state"] != UserState.ACTIVE:
        raise WrongState("email", reason=f"This user is {target['state'].lower()}. Activate them first.")
    link, expires = await _post(change, target)
    return {"accepted": True, "link": None if change.dry_run else link, "expiresAt": expires, "errors": []}


async def _post(change: Change, target: Target) -> tuple[str, Any]:
    """One reset at a time: a new one closes the one before."""
    await close_resets(change, target.id)
    token = tokens.make(tokens.Purpose.PASSWORD_RESET)
    expires = change.moment + timedelta(minutes=change.settings.reset_minutes)
    row = {
        "user_id": target.id,
        "token_digest": tokens.digest(tokens.Purpose.PASSWORD_RESET, token),
        "expires_at": expires,
        "created_at": change.moment,
        "created_by_id": change.viewer.user_id,
    }
    await bulk.insert(change.tx, PasswordReset, [row])
    link = letters.link(change, "password-reset", token)
    await letters.post(change, [letters.Post(LetterKind.PASSWORD_RESET, target.id, target["email"], link)])
    event = Event(Action.PASSWORD_RESET_REQUESTED, Subject.USER, target.id, target["username"], {})
    await change.record([event])
    return link, expires


async def prepare_reset(before: Before, given: dict[str, Any]) -> None:
    password = given.pop("new_password")
    digest = tokens.digest(tokens.Purpose.PASSWORD_RESET, given["token"])
    async with before.database.reading() as connection:
        row = await connection.one(
            "SELECT u.username, u.email, u.name, u.totp_enabled_at IS NOT NULL FROM password_resets r"
            " JOIN users u ON u.id = r.user_id WHERE r.token_digest = $1",
            digest,
        )
    if row is None:
        raise InvalidToken("token")  # before a stranger makes anything slow happen
    await check_password(before, password, "newPassword", about=tuple(row[:3]), has_factor=bool(row[3]))
    given["password_hash"] = await before.hash(password)


async def reset_password(change: Change, *, token: str, password_hash: str) -> dict[str, Any]:
    """Set the password of the user the token was made for. The token is the only right this needs, and works once."""
    row = await change.tx.one(
        "SELECT user_id, expires_at FROM password_resets WHERE token_digest = $1 AND closed_at IS NULL",
        tokens.digest(tokens.Purpose.PASSWORD_RESET, token),
    )
    if row is None or as_time(row[1]) <= change.moment:
        raise InvalidToken("token")
    roles, known = await references.roles(change.tx), await references.providers(change.tx)
    target = (await targets.find(change.tx, roles, [row[0]]))[row[0]]
    kind = known.by_id[target["provider_id"]].kind if target["provider_id"] else None
    if target["state"] != UserState.ACTIVE or kind != "LOCAL":
        raise InvalidToken("token")
    await _set_password(change, target, password_hash, Action.PASSWORD_RESET)
    change.reader = _token_holder(change, target)
    return {"user": target.id, "errors": []}
