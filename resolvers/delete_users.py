"""Deleting users for good: a right of its own, which a setting can forbid (D8)."""

from collections.abc import Sequence
from typing import Any

from models import bulk
from models.errors import DeletionForbidden, Self
from models.users import User
from models.values import API
from resolvers import references, targets
from resolvers.activate_users import targeted
from resolvers.audit import Action, Event, Subject
from resolvers.changes import Change
from resolvers.drafts import Draft
from resolvers.outcomes import accepted, payload, result
from resolvers.policy import Right
from resolvers.turns import in_turns


async def delete_users(change: Change, *, ids: Sequence[str], error_policy: str | None = None) -> dict[str, Any]:
    """A result for each id; the user in it is gone, so only its id is told. The audit log keeps what was."""
    change.viewer.require(Right.DELETE_USERS)
    if not change.settings.user_deletion:
        raise DeletionForbidden("ids")
    roles = await references.roles(change.tx)
    drafts = await targeted(change, ids, Right.DELETE_USERS, roles)
    remaining = await targets.administrators(change.tx, roles)
    for draft in drafts:
        if draft.target is not None and draft.is_good:
            draft.attempt(_may_delete, change, draft, remaining)
    good = accepted(change, drafts, error_policy)
    await change.record([_event(draft) for draft in good])
    await bulk.delete(change.tx, User, [draft.user_id for draft in good if draft.user_id])
    return payload([result(draft, "DELETED", deletedId=draft.given["ref"]) async for draft in in_turns(drafts)])


def _may_delete(change: Change, draft: Draft, remaining: set[int]) -> None:
    if draft.user_id == change.viewer.user_id:
        raise Self(*draft.path, what="delete")
    targets.keep_one(remaining, draft.user_id, *draft.path)


def _event(draft: Draft) -> Event:
    target = draft.target
    assert target is not None
    kept = ("username", "email", "name", "state", "external_id", "login_dn")
    changes = {name: (target[name], None) for name in kept if target[name] is not None}
    others = sorted(f"{source}={value}" for source, value in target.external_ids.items() if source != API)
    if others:
        changes["external_ids"] = (others, None)
    return Event(
        Action.DELETED,
        Subject.USER,
        target.id,
        target["username"],
        {**changes, "role": (target.role.name, None)},
    )
