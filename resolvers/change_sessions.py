"""Ending sessions: the one that a call comes with, and any by their ids."""

from collections.abc import Mapping, Sequence
from typing import Any

from models import bulk
from models.errors import NotFound, WrongState
from models.sessions import Session
from resolvers import references, targets
from resolvers.audit import Action, Event, Subject
from resolvers.change_invitations import refuse_repeated
from resolvers.changes import Change, number
from resolvers.drafts import Draft
from resolvers.outcomes import accepted, payload, result
from resolvers.policy import Right
from resolvers.turns import in_turns


async def sign_out(change: Change) -> dict[str, Any]:
    """End the session that this call came with."""
    viewer = change.viewer
    if viewer.session_id is None or viewer.user_id is None:
        raise WrongState(reason="You did not come with a session. An API key is revoked with revokeApiKeys.")
    await bulk.update(change.tx, Session, [{"id": viewer.session_id, "ended_at": change.moment}])
    changes = {"session": (f"session_{viewer.session_id}", None)}
    await change.record([Event(Action.SIGNED_OUT, Subject.USER, viewer.user_id, viewer.username or "", changes)])
    return {"session": viewer.session_id, "errors": []}


async def end_sessions(change: Change, *, ids: Sequence[str], error_policy: str | None = None) -> dict[str, Any]:
    """The sessions open nothing any more, at once. Everybody may end their own."""
    change.viewer.require(Right.USE_SELF_SERVICE)
    change.bounded(ids, "ids", "ids")
    drafts = [Draft(index, {"ref": typed}, ("ids", index)) for index, typed in enumerate(ids)]
    numbers = {d.index: d.attempt(lambda d=d: number("session", "session", d.given["ref"], *d.path)) for d in drafts}
    among = change.tx.dialect.among("id", "$1", "bigint")
    wanted = [each for each in numbers.values() if each is not None]
    rows = await change.tx.rows(f"SELECT id, user_id, ended_at FROM sessions WHERE {among}", wanted)
    found = {row[0]: row for row in rows}
    roles = await references.roles(change.tx)
    owners = await targets.find(change.tx, roles, [row[1] for row in found.values()])
    where = await targets.scope(change, Right.DEACTIVATE_USERS)
    seen: dict[int, int] = {}
    for draft in drafts:
        each = numbers[draft.index]
        if each is not None:
            draft.attempt(refuse_repeated, draft, seen.setdefault(each, draft.index), "This session")
            draft.attempt(_check, change, draft, found.get(each), owners, where)
    good = accepted(change, drafts, error_policy)
    ended = [draft for draft in good if draft.columns["ended_at"] is None]
    await bulk.update(change.tx, Session, [{"id": d.columns["id"], "ended_at": change.moment} for d in ended])
    await change.record(_events(ended))
    return payload([_result(draft, draft in ended) async for draft in in_turns(drafts)])


def _check(change: Change, draft: Draft, row: Any, owners: Mapping[int, targets.Target], where: targets.Scope) -> None:
    if row is None or (row[1] != change.viewer.user_id and not change.viewer.can(Right.DEACTIVATE_USERS)):
        raise _unknown(draft)
    draft.target, draft.user_id = owners[row[1]], row[1]
    unseen, seen_by = _unknown(draft), Right.DEACTIVATE_USERS
    targets.require_manageable(change, owners[row[1]], where, *draft.path, unseen=unseen, seen_by=seen_by)
    draft.columns = {"id": row[0], "ended_at": row[2]}


def _unknown(draft: Draft) -> NotFound:
    return NotFound(*draft.path, what="session", key=draft.given["ref"][:100])


def _result(draft: Draft, is_ended: bool) -> dict[str, Any]:
    session = draft.columns.get("id") if draft.is_good else None
    return {**result(draft, "UPDATED" if is_ended else "UNCHANGED"), "session": session}


def _events(ended: Sequence[Draft]) -> list[Event]:
    """One for each user, who may have had many."""
    by_user: dict[int, list[Draft]] = {}
    for draft in ended:
        by_user.setdefault(draft.user_id or 0, []).append(draft)
    events = []
    for user_id, drafts in by_user.items():
        assert drafts[0].target is not None
        changes = {"sessions": ([f"session_{draft.columns['id']}" for draft in drafts], None)}
        events.append(Event(Action.SESSIONS_ENDED, Subject.USER, user_id, drafts[0].target["username"], changes))
    return events
