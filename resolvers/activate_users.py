"""Giving access and taking it away: deactivation ends sessions, keys and pending invitations with it (D7)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from models import bulk
from models.errors import Duplicate, NotFound, Self, WrongState
from models.users import User, UserState
from resolvers import references, targets
from resolvers.audit import Action, Event, Subject
from resolvers.changes import Change, number
from resolvers.drafts import Draft, row_name
from resolvers.outcomes import accepted, payload, result
from resolvers.policy import Right
from resolvers.references import Roles
from resolvers.turns import in_turns


@dataclass(frozen=True)
class Ended:
    """How much of a user's access a deactivation ended."""

    sessions: int = 0
    keys: int = 0
    invitations: int = 0


async def end_access(change: Change, ids: Sequence[int]) -> dict[int, Ended]:
    """End these users' sessions, keys and pending invitations; count what ended, by user."""
    if not ids:
        return {}
    moment = change.moment
    sessions = await _end(change, ids, "sessions", "ended_at = $2", "ended_at IS NULL AND expires_at > $2", moment)
    keys = await _end(change, ids, "api_keys", "revoked_at = $2", "revoked_at IS NULL", moment)
    pending = "state = 'REVOKED', closed_at = $2"
    invitations = await _end(change, ids, "invitations", pending, "state = 'PENDING'", moment)
    await _end(change, ids, "password_resets", "closed_at = $2", "closed_at IS NULL", moment)
    await drop_letters(change, ids)
    return {each: Ended(sessions.get(each, 0), keys.get(each, 0), invitations.get(each, 0)) for each in ids}


async def end_keys(change: Change, drafts: Sequence[Draft]) -> dict[int, int]:
    """End the API keys of users for which somebody else is answerable now; count them, also in the drafts."""
    users = {draft.user_id: draft for draft in drafts if draft.user_id is not None}
    if not users:
        return {}
    moment = change.moment
    ended = await _end(change, list(users), "api_keys", "revoked_at = $2", "revoked_at IS NULL", moment)
    for user_id, count in ended.items():
        users[user_id].changes["open_api_keys"] = (count, 0)
    return ended


async def forget_absence(change: Change, ids: Sequence[int]) -> None:
    """Brought back by a person: whoever deactivates these users next, no directory undoes it."""
    if ids:
        among = change.tx.dialect.among("user_id", "$1", "bigint")
        await change.tx.rows(f"UPDATE directory_entries SET deactivated_at = NULL WHERE {among}", list(ids))


async def _end(change: Change, ids: Sequence[int], table: str, what: str, which: str, moment: Any) -> dict[int, int]:
    among = change.tx.dialect.among("user_id", "$1", "bigint")
    rows = await change.tx.rows(
        f"UPDATE {table} SET {what} WHERE {among} AND {which} RETURNING user_id", list(ids), moment
    )
    counts: dict[int, int] = {}
    for row in rows:
        counts[row[0]] = counts.get(row[0], 0) + 1
    return counts


async def drop_letters(change: Change, ids: Sequence[int]) -> None:
    """Letters that wait in the outbox for these users hold links that no longer work."""
    among = change.tx.dialect.among("user_id", "$1", "bigint")
    await change.tx.rows(f"DELETE FROM letters WHERE {among} AND state = 'WAITING'", list(ids))


async def targeted(
    change: Change,
    ids: Sequence[str],
    right: Right,
    roles: Roles,
    argument: str = "ids",
    *,
    is_self_service: bool = True,
) -> list[Draft]:
    """A draft for each id of a plural call, refused where there is no such user or the viewer may not touch them.

    `is_self_service`: one's own user needs no place; the call itself says what nobody does to themselves.
    """
    change.bounded(ids, "ids", argument)
    drafts = [Draft(index, {"ref": typed}, (argument, index)) for index, typed in enumerate(ids)]
    for draft in drafts:
        draft.user_id = draft.attempt(lambda d=draft: number("user", "user", d.given["ref"], *d.path))
    found = await targets.find(change.tx, roles, [d.user_id for d in drafts if d.user_id is not None])
    where = await targets.scope(change, right)
    seen: dict[int, int] = {}
    for draft in drafts:
        if draft.user_id is not None:
            draft.target = found.get(draft.user_id)
            first = seen.setdefault(draft.user_id, draft.index)
            draft.attempt(_check, change, draft, where, first, is_self_service)
    return drafts


def _check(change: Change, draft: Draft, where: targets.Scope, first: int, is_self_service: bool) -> None:
    if draft.target is None:
        raise NotFound(*draft.path, what="user", key=draft.given["ref"])
    targets.require_manageable(change, draft.target, where, *draft.path, is_self_service=is_self_service)
    if first != draft.index:
        raise Duplicate(*draft.path, what="This user", first=row_name(first))


async def deactivate_users(change: Change, *, ids: Sequence[str], error_policy: str | None = None) -> dict[str, Any]:
    """A result for each id, with how many sessions, keys and invitations ended."""
    change.viewer.require(Right.DEACTIVATE_USERS)
    roles = await references.roles(change.tx)
    drafts = await targeted(change, ids, Right.DEACTIVATE_USERS, roles)
    remaining = await targets.administrators(change.tx, roles)
    for draft in drafts:
        if draft.target is not None and draft.is_good:
            draft.attempt(_may_deactivate, change, draft, remaining)
    good = accepted(change, drafts, error_policy)
    changed = [draft for draft in good if draft.target and draft.target["state"] != UserState.DEACTIVATED]
    await _set_state(change, changed, UserState.DEACTIVATED, Action.DEACTIVATED)
    ended = await end_access(change, [draft.user_id for draft in changed if draft.user_id])
    return payload([_deactivated(draft, ended.get(draft.user_id or 0, Ended())) async for draft in in_turns(drafts)])


def _deactivated(draft: Draft, ended: Ended) -> Mapping[str, Any]:
    return result(
        draft,
        "UPDATED" if draft.changed else "UNCHANGED",
        endedSessions=ended.sessions,
        revokedKeys=ended.keys,
        revokedInvitations=ended.invitations,
    )


def _may_deactivate(change: Change, draft: Draft, remaining: set[int]) -> None:
    user_id = draft.user_id
    if user_id == change.viewer.user_id:
        raise Self(*draft.path, what="deactivate")
    targets.keep_one(remaining, user_id, *draft.path)


async def activate_users(change: Change, *, ids: Sequence[str], error_policy: str | None = None) -> dict[str, Any]:
    """A result for each id. Keys and sessions stay ended: access begins anew."""
    change.viewer.require(Right.DEACTIVATE_USERS)
    drafts = await targeted(change, ids, Right.DEACTIVATE_USERS, await references.roles(change.tx))
    for draft in drafts:
        if draft.target is not None and draft.is_good:
            draft.attempt(_may_activate, change, draft)
    good = accepted(change, drafts, error_policy)
    changed = [draft for draft in good if draft.target and draft.target["state"] == UserState.DEACTIVATED]
    await _set_state(change, changed, UserState.ACTIVE, Action.ACTIVATED)
    await forget_absence(change, [draft.user_id for draft in changed if draft.user_id])
    return payload([result(draft, "UPDATED" if draft.changed else "UNCHANGED") async for draft in in_turns(drafts)])


def _may_activate(change: Change, draft: Draft) -> None:
    assert draft.target is not None
    if draft.user_id == change.viewer.user_id:
        raise Self(*draft.path, what="activate")
    if draft.target["state"] == UserState.INVITED:
        reason = (
            "This user has not accepted their invitation yet. Use resendInvitations, or inviteUsers if it was revoked."
        )
        raise WrongState(*draft.path, reason=reason)


async def _set_state(change: Change, drafts: Sequence[Draft], state: UserState, action: Action) -> None:
    rows, events = [], []
    for draft in drafts:
        target = draft.target
        assert target is not None
        rows.append(
            {
                "id": target.id,
                "state": state,
                "updated_at": change.moment,
                "updated_by_id": change.viewer.user_id,
                "version": target["version"] + 1,
            }
        )
        draft.change("state", target["state"], state)
        events.append(Event(action, Subject.USER, target.id, target["username"], draft.changes))
    await bulk.update(change.tx, User, rows)
    await change.record(events)
