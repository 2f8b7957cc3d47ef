"""Adding users to groups and organizations and taking them out: one mechanism for both."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from tortoise.models import Model

from models import bulk
from models.groups import GroupMember
from models.organizations import OrganizationMember
from resolvers import references
from resolvers.activate_users import targeted
from resolvers.audit import Action, Event, Subject
from resolvers.changes import Change
from resolvers.drafts import Draft
from resolvers.outcomes import accepted, payload, result
from resolvers.policy import Right


@dataclass(frozen=True)
class Membership:
    """A table of members: whose, in what column, and the right that changes it."""

    model: type[Model]
    table: str
    column: str
    subject: Subject
    right: Right


GROUPS = Membership(GroupMember, "group_members", "group_id", Subject.GROUP, Right.MANAGE_GROUPS)
ORGANIZATIONS = Membership(
    OrganizationMember,
    "organization_members",
    "organization_id",
    Subject.ORGANIZATION,
    Right.MANAGE_ORGANIZATIONS,
)


async def add(
    change: Change,
    kind: Membership,
    parent: int,
    label: str,
    user_ids: Sequence[str],
    error_policy: str | None,
    **more: Any,
) -> dict[str, Any]:
    """A result for each user: UPDATED, or UNCHANGED for who is a member already (with the same role)."""
    drafts = await _drafts(change, kind, user_ids)
    present = await _present(change, kind, parent, drafts)
    good = accepted(change, drafts, error_policy)
    new = [draft for draft in good if draft.user_id not in present]
    moved = [d for d in good if d.user_id in present and more and present[d.user_id or 0][1] != more["role_id"]]
    rows = [{kind.column: parent, "user_id": d.user_id, "created_at": change.moment, **more} for d in new]
    await bulk.insert(change.tx, kind.model, rows)
    await bulk.update(change.tx, kind.model, [{"id": present[d.user_id or 0][0], **more} for d in moved])
    await _record(change, kind, Action.MEMBERS_ADDED, parent, label, [*new, *moved], more)
    changed = {draft.index for draft in [*new, *moved]}
    results = [result(draft, "UPDATED" if draft.index in changed else "UNCHANGED") for draft in drafts]
    return {**payload(results), kind.subject.value: parent}


async def remove(
    change: Change,
    kind: Membership,
    parent: int,
    label: str,
    user_ids: Sequence[str],
    error_policy: str | None,
) -> dict[str, Any]:
    """A result for each user: UPDATED, or UNCHANGED for who was no member."""
    drafts = await _drafts(change, kind, user_ids)
    present = await _present(change, kind, parent, drafts)
    good = accepted(change, drafts, error_policy)
    gone = [draft for draft in good if draft.user_id in present]
    await bulk.delete(change.tx, kind.model, [present[draft.user_id or 0][0] for draft in gone])
    await _record(change, kind, Action.MEMBERS_REMOVED, parent, label, gone, {})
    changed = {draft.index for draft in gone}
    results = [result(draft, "UPDATED" if draft.index in changed else "UNCHANGED") for draft in drafts]
    return {**payload(results), kind.subject.value: parent}


async def _drafts(change: Change, kind: Membership, user_ids: Sequence[str]) -> list[Draft]:
    drafts = await targeted(change, user_ids, kind.right, await references.roles(change.tx))
    for draft in drafts:
        draft.path = ("userIds", draft.index)
        for refusal in draft.refusals:
            refusal.path = draft.path
    return drafts


async def _present(
    change: Change, kind: Membership, parent: int, drafts: Sequence[Draft]
) -> dict[int, tuple[int, int | None]]:
    role = "role_id" if kind is ORGANIZATIONS else "NULL"
    among = change.tx.dialect.among("user_id", "$1", "bigint")
    rows = await change.tx.rows(
        f"SELECT user_id, id, {role} FROM {kind.table} WHERE {among} AND {kind.column} = $2",
        [draft.user_id for draft in drafts if draft.user_id is not None],
        parent,
    )
    return {row[0]: (row[1], row[2]) for row in rows}


async def _record(
    change: Change,
    kind: Membership,
    action: Action,
    parent: int,
    label: str,
    drafts: Sequence[Draft],
    more: dict[str, Any],
) -> None:
    """One event for the group or organization, and one for each user: both are asked about."""
    if not drafts:
        return
    ids = [f"user_{draft.user_id}" for draft in drafts]
    added = action is Action.MEMBERS_ADDED
    pair = (None, ids) if added else (ids, None)
    role = f"role_{more['role_id']}" if more.get("role_id") else None
    events = [Event(action, kind.subject, parent, label, {"members": pair, **({"role": (None, role)} if role else {})})]
    typed = f"{kind.subject.value}_{parent}"
    name = f"{kind.subject.value}s"
    for draft in drafts:
        assert draft.target is not None
        change_ = {name: (None, typed) if added else (typed, None)}
        events.append(Event(Action.UPDATED, Subject.USER, draft.target.id, draft.target["username"], change_))
    await change.record(events)
