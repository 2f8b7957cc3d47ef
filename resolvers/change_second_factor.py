"""Setting up one's own second factor, turning it off, and taking another's away who lost it (D3, E3)."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pyotp

from models import bulk
from models.errors import NarrowKey, Required, Self, WeakPassword, WrongCode, WrongPassword, WrongState
from models.users import User
from models.values import now
from resolvers import recovery_codes, references, second_factor, targets
from resolvers.activate_users import targeted
from resolvers.audit import Action, Event, Subject
from resolvers.changes import Before, Change
from resolvers.drafts import Draft
from resolvers.outcomes import accepted, payload, result
from resolvers.policy import Right
from resolvers.proofs import counted
from resolvers.sessions import end_sessions
from resolvers.strength import check_password
from resolvers.turns import in_turns

OFF: dict[str, Any] = dict.fromkeys(("totp_secret", "totp_pending", "totp_enabled_at", "totp_last_step"))
COLUMNS = (
    "username",
    "email",
    "name",
    "password_hash",
    "provider_id",
    "totp_secret",
    "totp_pending",
    "totp_enabled_at",
    "version",
)


@dataclass(frozen=True)
class _Own:
    """The viewer's user, as far as their second factor is concerned."""

    id: int
    columns: dict[str, Any]

    def __getitem__(self, name: str) -> Any:
        return self.columns[name]

    @property
    def is_on(self) -> bool:
        return second_factor.is_on(self.columns)

    @property
    def about(self) -> tuple[str, ...]:
        return self["username"], self["email"], self["name"]


async def _own(connection: Any, user_id: int | None) -> _Own:
    row = await connection.one(f"SELECT {', '.join(COLUMNS)} FROM users WHERE id = $1", user_id)
    return _Own(user_id or 0, dict(zip(COLUMNS, row, strict=True)))


async def _mine(before: Before) -> _Own:
    """One's own user. A key for a few permissions says nothing of how its user signs in."""
    viewer = before.viewer
    viewer.require(Right.USE_SELF_SERVICE)
    if viewer.key_id is not None and viewer.key_is_narrow:
        raise NarrowKey(what="change a second factor", right="all permissions of its user")
    async with before.database.reading() as connection:
        return await _own(connection, before.viewer.user_id)


async def prepare_enrolment(before: Before, given: dict[str, Any]) -> None:
    """The current password, where there is one; where a second factor is on, a code of it too."""
    own = await _mine(before)
    if own["provider_id"] is None:
        raise WrongState(reason="You get in by API keys only, and a second factor is for signing in.")
    if own["password_hash"] is None and before.viewer.session_id is None:
        raise WrongState(reason="No password here can prove that it is you. Sign in, and do it in that session.")
    async with counted(before, own.id, own["username"]):
        await _check_current(before, own, given)
        if own.is_on:
            await _check_code(before, own, given.get("code"))


async def prepare_code(before: Before, given: dict[str, Any]) -> None:
    own = await _mine(before)
    async with counted(before, own.id, own["username"], "code"):
        await _check_code(before, own, given["code"])


async def prepare_confirmation(before: Before, given: dict[str, Any]) -> None:
    own = await _mine(before)
    async with counted(before, own.id, own["username"], "code"):
        if _step_of_pending(before, own, given["code"]) is None:
            raise WrongCode("code")


async def prepare_disabling(before: Before, given: dict[str, Any]) -> None:
    """Who keeps a password without a second factor keeps one that is good enough without it."""
    own = await _mine(before)
    current = given.get("current_password")
    async with counted(before, own.id, own["username"]):
        await _check_current(before, own, given)
        await _check_code(before, own, given["code"])
    if own["password_hash"] is not None and current is not None:
        try:
            await check_password(before, current, "currentPassword", about=own.about)
        except WeakPassword as refusal:
            reason = f"Change your password first, as it is too weak without a second factor. {refusal.message}"
            raise WeakPassword("currentPassword", reason=reason) from refusal


async def _check_current(before: Before, own: _Own, given: dict[str, Any]) -> None:
    current = given.pop("current_password", None)
    if own["password_hash"] is None:
        return
    if current is None:
        raise Required("currentPassword", what="The current password")
    if not await before.hasher.verify(own["password_hash"], current):
        raise WrongPassword("currentPassword")
    given["checked_hash"] = own["password_hash"]


async def _check_code(before: Before, own: _Own, code: str | None) -> None:
    if not own.is_on:
        raise WrongState(reason="You have no second factor turned on. Begin with enrollSecondFactor.")
    if code is None:
        raise Required("code", what="A code of your second factor, or a recovery code,")
    async with before.database.reading() as connection:
        found = await second_factor.find_code(connection, before.sealer, own.id, code, now())
    if found is None:
        raise WrongCode("code")


def _step_of_pending(using: Before | Change, own: _Own, code: str) -> int | None:
    if own["totp_pending"] is None:
        raise WrongState(reason="You have no second factor to confirm. Begin with enrollSecondFactor.")
    secret = second_factor.opened(using.sealer, own["totp_pending"], own.id)
    return None if secret is None else second_factor.matching_step(secret, code, now())


async def enroll_second_factor(
    change: Change, *, checked_hash: str | None = None, code: str | None = None
) -> dict[str, Any]:
    """A new secret, told only now. It is asked for once a code of it is confirmed; one before it works until then."""
    own = await _unchanged(change, checked_hash)
    if own.is_on and not await second_factor.accept_code(change, own.id, code):
        raise WrongCode("code")
    secret = pyotp.random_base32()
    await second_factor.store(change, own.id, {"totp_pending": change.sealer.seal(secret)}, own["version"])
    await second_factor.record(change, own.id, Action.SECOND_FACTOR_ENROLLED)
    if change.dry_run:
        return {"secret": None, "otpauthUri": None, "errors": []}
    return {"secret": secret, "otpauthUri": second_factor.address(secret, own["username"]), "errors": []}


async def _unchanged(change: Change, checked_hash: str | None = None) -> _Own:
    """The viewer's user, whose password is still the one that was checked."""
    change.viewer.require(Right.USE_SELF_SERVICE)
    own = await _own(change.tx, change.viewer.user_id)
    if own["password_hash"] != checked_hash:
        raise WrongPassword("currentPassword")
    return own


async def confirm_second_factor(change: Change, *, code: str) -> dict[str, Any]:
    """Turn it on, with new recovery codes. Sessions that were opened without it end, but for the one that asks."""
    change.viewer.require(Right.USE_SELF_SERVICE)
    own = await _own(change.tx, change.viewer.user_id)
    step = _step_of_pending(change, own, code)
    if step is None:
        raise WrongCode("code")
    columns = {
        "totp_secret": own["totp_pending"],
        "totp_pending": None,
        "totp_enabled_at": change.moment,
        "totp_last_step": step,
    }
    await second_factor.store(change, own.id, columns, own["version"])
    codes = await recovery_codes.renew(change, own.id)
    await change.tx.rows(
        "UPDATE sessions SET ended_at = $2 WHERE user_id = $1 AND ended_at IS NULL AND id <> $3",
        own.id,
        change.moment,
        change.viewer.session_id or 0,
    )
    await second_factor.record(change, own.id, Action.SECOND_FACTOR_ENABLED)
    return _codes(change, codes)


def _codes(change: Change, codes: Sequence[str]) -> dict[str, Any]:
    """A dry run tells no codes: they would never work."""
    return {"recoveryCodes": [] if change.dry_run else list(codes), "errors": []}


async def disable_second_factor(change: Change, *, code: str, checked_hash: str | None = None) -> dict[str, Any]:
    own = await _unchanged(change, checked_hash)
    roles = await references.roles(change.tx)
    target = (await targets.find(change.tx, roles, [own.id]))[own.id]
    for role in (target.role, *(role for _, role in target.grants)):
        if role.requires_second_factor:
            raise WrongState(
                reason=f"The role {role.name} demands a second factor. To change devices, use enrollSecondFactor."
            )
    if not await second_factor.accept_code(change, own.id, code):
        raise WrongCode("code")
    await second_factor.store(change, own.id, OFF, own["version"])
    await recovery_codes.drop(change, [own.id])
    await second_factor.record(change, own.id, Action.SECOND_FACTOR_DISABLED)
    return {"is2faEnabled": False, "errors": []}


async def regenerate_recovery_codes(change: Change, *, code: str) -> dict[str, Any]:
    """New recovery codes in the place of all before them."""
    change.viewer.require(Right.USE_SELF_SERVICE)
    user_id = change.viewer.user_id or 0
    if not await second_factor.accept_code(change, user_id, code):
        raise WrongCode("code")
    codes = await recovery_codes.renew(change, user_id)
    await second_factor.record(change, user_id, Action.RECOVERY_CODES_MADE)
    return _codes(change, codes)


async def reset_second_factor(change: Change, *, ids: Sequence[str], error_policy: str | None = None) -> dict[str, Any]:
    """Take the second factor of others away who lost it; their sessions end. A result for each id."""
    change.viewer.require(Right.SET_PASSWORDS)
    roles = await references.roles(change.tx)
    drafts = await targeted(change, ids, Right.SET_PASSWORDS, roles)
    where = await targets.scope(change, Right.SET_PASSWORDS)
    for draft in drafts:
        if draft.target is not None and draft.is_good:
            draft.attempt(_may_reset, change, draft, where)
    found = await _with_any(change, drafts)
    good = accepted(change, drafts, error_policy)
    changed = [draft for draft in good if draft.user_id in found]
    for draft in changed:
        draft.changed.append("is2fa_enabled")
    await _take_away(change, changed, found)
    return payload([result(draft, "UPDATED" if draft.changed else "UNCHANGED") async for draft in in_turns(drafts)])


def _may_reset(change: Change, draft: Draft, where: targets.Scope) -> None:
    assert draft.target is not None
    if draft.target.id == change.viewer.user_id:
        raise Self(*draft.path, what="reset the second factor of")
    targets.require_no_wider(where, draft.target, *draft.path)


async def _with_any(change: Change, drafts: Sequence[Draft]) -> dict[int, bool]:
    """Those of the drafts' users who have a second factor, and whether it is turned on."""
    among = change.tx.dialect.among("id", "$1", "bigint")
    has_any = "(totp_secret IS NOT NULL OR totp_pending IS NOT NULL)"
    rows = await change.tx.rows(
        f"SELECT id, totp_enabled_at FROM users WHERE {among} AND {has_any}",
        [draft.user_id for draft in drafts if draft.user_id is not None],
    )
    return {row[0]: row[1] is not None for row in rows}


async def _take_away(change: Change, changed: Sequence[Draft], found: dict[int, bool]) -> None:
    rows, events = [], []
    for draft in changed:
        target = draft.target
        assert target is not None
        stamps = {"updated_at": change.moment, "updated_by_id": change.viewer.user_id}
        rows.append({"id": target.id, **OFF, **stamps, "version": target["version"] + 1})
        changes = {"is2faEnabled": (found[target.id], False)}
        events.append(Event(Action.SECOND_FACTOR_RESET, Subject.USER, target.id, target["username"], changes))
    await bulk.update(change.tx, User, rows)
    ids = [draft.user_id for draft in changed if draft.user_id is not None]
    await recovery_codes.drop(change, ids)
    await end_sessions(change, ids)
    await change.record(events)
