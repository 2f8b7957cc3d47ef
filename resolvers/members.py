"""Adding users to groups and organizations and taking them out: one mechanism for both."""

from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass
from typing import Any

from tortoise.models import Model

from models import bulk
from models.groups import GroupMember
from models.organizations import OrganizationMember
from models.users import User
from resolvers import references, targets
from resolvers.activate_users import targeted
from resolvers.audit import Action, Event, Subject
from resolvers.changes import Change
from resolvers.drafts import Draft
from resolvers.outcomes import accepted, payload, result
from resolvers.policy import Right
from resolvers.turns import in_turns


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
    await _refuse_gains(change, kind, drafts, joined={parent})
    present = await _present(change, kind, parent, drafts)
    good = accepted(change, drafts, error_policy)
    new = [draft for draft in good if draft.user_id not in present]
    moved = [d for d in good if d.user_id in present and more and present[d.user_id or 0][1] != more["role_id"]]
    rows = [{kind.column: parent, "user_id": d.user_id, "created_at": change.moment, **more} for d in new]
    await bulk.insert(change.tx, kind.model, rows)
    await bulk.update(change.tx, kind.model, [{"id": present[d.user_id or 0][0], **more} for d in moved])
    await _record(change, kind, Action.MEMBERS_ADDED, parent, label, [*new, *moved], more)
    changed = {draft.index for draft in [*new, *moved]}
    results = [result(draft, "UPDATED" if draft.index in changed else "UNCHANGED") async for draft in in_turns(drafts)]
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
    await _refuse_gains(change, kind, drafts, left={parent})
    present = await _present(change, kind, parent, drafts)
    good = accepted(change, drafts, error_policy)
    gone = [draft for draft in good if draft.user_id in present]
    await _take_out(change, kind, parent, label, gone, present)
    changed = {draft.index for draft in gone}
    results = [result(draft, "UPDATED" if draft.index in changed else "UNCHANGED") async for draft in in_turns(drafts)]
    return {**payload(results), kind.subject.value: parent}


async def _take_out(
    change: Change,
    kind: Membership,
    parent: int,
    label: str,
    drafts: Sequence[Draft],
    present: Mapping[int, tuple[int, int | None]],
) -> None:
    await bulk.delete(change.tx, kind.model, [present[draft.user_id or 0][0] for draft in drafts])
    await _record(change, kind, Action.MEMBERS_REMOVED, parent, label, drafts, {})


async def remove_all(change: Change, kind: Membership, parent: int, label: str, *path: str | int) -> int:
    """Take every member out, by the rules and with the events of `remove`; how many. Raises the first refusal."""
    among = f"SELECT user_id FROM {kind.table} WHERE {kind.column} = $1 ORDER BY user_id"
    user_ids = [row[0] for row in await change.tx.rows(among, parent)]
    found = await targets.find(change.tx, await references.roles(change.tx), user_ids)
    where = await targets.scope(change, kind.right)
    drafts = [Draft(index, {}, path, target=found[each], user_id=each) for index, each in enumerate(user_ids)]
    for draft in drafts:
        assert draft.target is not None
        targets.require_manageable(change, draft.target, where, *path, is_self_service=False)
    await _refuse_gains(change, kind, drafts, left={parent})
    refusal = next((each for draft in drafts for each in draft.refusals), None)
    if refusal is not None:
        raise refusal
    await _take_out(change, kind, parent, label, drafts, await _present(change, kind, parent, drafts))
    return len(drafts)


async def _refuse_gains(
    change: Change,
    kind: Membership,
    drafts: Sequence[Draft],
    *,
    joined: Set[int] = frozenset(),
    left: Set[int] = frozenset(),
) -> None:
    """Rows by which the viewer would gain rights over a user: at the source one needs what one has where they go."""
    if kind is not ORGANIZATIONS:
        return
    where = await targets.scope(change, kind.right)
    for draft in drafts:
        if draft.target is not None and draft.is_good:
            after = (draft.target.organizations | joined) - left
            draft.attempt(targets.require_no_gain, where, draft.target, after, *draft.path)


async def _drafts(change: Change, kind: Membership, user_ids: Sequence[str]) -> list[Draft]:
    known = await references.roles(change.tx)
    return await targeted(change, user_ids, kind.right, known, "userIds", is_self_service=False)


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
    """One event for the group or organization, and one for each user, who counts as changed: both are asked about."""
    if not drafts:
        return
    added = action is Action.MEMBERS_ADDED
    names = [draft.target["username"] for draft in drafts if draft.target]
    changes: dict[str, tuple[Any, Any]] = {"members": (None, names) if added else (names, None)}
    if more.get("role_id"):
        changes["role"] = (None, f"role_{more['role_id']}")
    events = [Event(action, kind.subject, parent, label, changes)]
    rows = []
    for draft in drafts:
        target = draft.target
        assert target is not None
        pair = (None, [label]) if added else ([label], None)
        events.append(Event(Action.UPDATED, Subject.USER, target.id, target["username"], {f"{kind.subject}s": pair}))
        stamps = {"updated_at": change.moment, "updated_by_id": change.viewer.user_id}
        rows.append({"id": target.id, **stamps, "version": target["version"] + 1})
    await bulk.update(change.tx, User, rows)
    await change.record(events)
