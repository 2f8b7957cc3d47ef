"""Creating or updating many users by email or external id: the call that integrators repeat (C8 to C11)."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from models.errors import Duplicate, Self, Taken, TooMany
from models.users import UserState
from models.values import API, is_same_email, source_name
from resolvers import existing_users, match_keys, outcomes, references, store_users, targets, uniqueness
from resolvers.activate_users import end_access, end_keys, forget_absence
from resolvers.audit import Action
from resolvers.change_groups import ensure_groups
from resolvers.changes import Before, Change
from resolvers.create_users import hash_or_note
from resolvers.drafts import Draft, external_id_path, name_by_email, read, refuse_duplicates, require_for_sources
from resolvers.invite_users import restore
from resolvers.placing import Placing
from resolvers.policy import ADMINISTRATION, Right
from resolvers.references import RoleRow, is_deactivated
from resolvers.targets import Target
from resolvers.turns import in_turns
from resolvers.update_users import update
from resolvers.user_details import Details, details_of

MOST_PASSWORDS = 200


async def prepare(before: Before, given: dict[str, Any]) -> None:
    """Hash the passwords; a weak one is its row's refusal."""
    before.viewer.require(Right.CREATE_USERS)
    before.viewer.require(Right.UPDATE_USERS)
    hashed = 0
    for index, row in enumerate(given["users"]):
        local = (row.get("authentication") or {}).get("local") or {}
        hashed += local.get("password") is not None
        if hashed > MOST_PASSWORDS:
            count = f"More than {MOST_PASSWORDS}"
            raise TooMany("users", index, count=count, what="passwords", limit=MOST_PASSWORDS)
        await hash_or_note(before, row, "users", index, "authentication", "local")


async def upsert_users(
    change: Change,
    *,
    users: Sequence[Mapping[str, Any]],
    source: str | None = None,
    error_policy: str | None = None,
    create_missing_groups: bool | None = None,
) -> dict[str, Any]:
    """A result for each row: CREATED, UPDATED, UNCHANGED, or why not. `source`: whose ids `externalId` has."""
    change.viewer.require(Right.CREATE_USERS)
    change.viewer.require(Right.UPDATE_USERS)
    change.bounded(users, "users", "users")
    named = API if source is None else source_name(source, "source")
    if named != API:
        change.viewer.require_everywhere(Right.UPDATE_USERS, "source")
    planned = await plan(change, users, source=named, create_missing_groups=bool(create_missing_groups))
    good = outcomes.accepted(change, planned.drafts, error_policy)
    await store(change, planned, good)
    return outcomes.payload([outcomes.result(draft, action(draft)) async for draft in in_turns(planned.drafts)])


@dataclass(frozen=True)
class Planned:
    """Rows that were checked and completed; `states`, by a row's index, are those they leave their users in."""

    drafts: Sequence[Draft]
    states: Mapping[int, str]
    placing: Placing


Matched = Callable[[Sequence[Draft]], Awaitable[None]]


async def plan(
    change: Change,
    users: Sequence[Mapping[str, Any]],
    *,
    source: str = API,
    create_missing_groups: bool = False,
    matched: Matched | None = None,
    directory: int | None = None,
) -> Planned:
    """What rows come to, with no user written yet. `matched` may refuse or alter rows once their users are known.

    `directory`: the provider whose own entries the rows are.
    """
    rows, refused = await ensure_groups(change, users, create=create_missing_groups)
    drafts = [
        Draft(index, row, ("users", index), refusals=refused[index], source=source) for index, row in enumerate(rows)
    ]
    async for draft in in_turns(drafts):
        read(draft)
        draft.attempt(require_for_sources, change.viewer, draft)
        if directory is None or draft.given.get("user_id") is None:  # whose entry has lost its address keeps theirs
            store_users.require(draft, "email")
    await _match(change, drafts)
    if matched is not None:
        await matched(drafts)
    limits = await match_keys.limits_of(change.tx, [draft.target for draft in drafts if draft.target])
    for draft in drafts:
        if draft.target is not None:
            match_keys.inherit(draft, limits, change.viewer.grant_limit)
    placing = await Placing.load(change, Right.CREATE_USERS, drafts)
    placing.reads_directory = directory
    known = await details_of(change.tx, [draft.target.id for draft in drafts if draft.target])
    administrators = await targets.administrators(change.tx, placing.roles)
    updating = await targets.scope(change, Right.UPDATE_USERS)
    for draft in drafts:
        if draft.mistaken_for is not None and not updating.sees(draft.mistaken_for):
            draft.mistaken_for = None  # why an address out of sight is in use is not said
    states = {
        draft.index: _place(change, draft, placing, updating, known, administrators) async for draft in in_turns(drafts)
    }
    await asyncio.sleep(0)  # what follows computes over all rows
    refuse_duplicates(drafts)
    await uniqueness.refuse_taken(change, drafts)
    return Planned(drafts, states, placing)


async def _match(change: Change, drafts: Sequence[Draft]) -> None:
    """Find the user of each row: by external id where it is given and known, else by email.

    A user found by email is not meant if a source that the row has an id of knows them by another one, or if only the
    normal form of the address is theirs. The row is a new user's then, and is refused while the address is in use.
    A row with a `user_id` (of this program, never of a client) was matched before; with None it is a new user's.
    """
    names = await existing_users.taken(change.tx, drafts)
    found: dict[int, tuple[int, str]] = {}
    for draft in drafts:
        by_external = existing_users.by_external_id(draft, names)
        by_email = names.emails.get(draft.columns.get("email_key") or "")
        if "user_id" in draft.given:
            if draft.given["user_id"] is not None:
                found[draft.index] = (draft.given["user_id"], "EXTERNAL_ID")
        elif by_external is not None:
            found[draft.index] = (by_external, "EXTERNAL_ID")
        elif by_email is not None:
            found[draft.index] = (by_email, "EMAIL")
    known = await references.roles(change.tx)
    matched = await targets.find(change.tx, known, [user for user, _ in found.values()])
    seen: dict[int, Draft] = {}
    for draft in drafts:
        if draft.index in found:
            user_id, draft.matched_by = found[draft.index]
            if "user_id" not in draft.given and existing_users.is_another(draft, matched[user_id]):
                draft.mistaken_for, draft.matched_by = matched[user_id], None
                continue
            draft.target, draft.user_id = matched[user_id], user_id
            first = seen.setdefault(user_id, draft)
            if first is not draft:
                draft.refusals.append(Duplicate(*draft.path, "email", what="This user", first=first.place))


def _place(
    change: Change,
    draft: Draft,
    placing: Placing,
    updating: targets.Scope,
    known: Mapping[int, Details],
    administrators: set[int],
) -> str:
    """Check and complete one row; the answer is the state it leaves the user in."""
    placing.memberships(draft)
    if draft.target is None:
        return _place_new(change, draft, placing)
    target = draft.target
    unseen = _taken_unseen(draft)
    draft.attempt(lambda: targets.require_manageable(change, target, updating, *draft.path, unseen=unseen))
    if unseen in draft.refusals:
        draft.refusals = [unseen]  # whatever else is wrong would tell of somebody out of sight
    if draft.columns.get("email_key") == target["email_key"] and is_same_email(draft.columns["email"], target["email"]):
        # The address found them; another spelling of it is no change.
        draft.columns.pop("email")
        draft.columns.pop("email_key")
    state = _state(change, draft, target)
    role = None
    if draft.given.get("role") is not None and not is_deactivated(draft.given["role"]):
        role = placing.roles.by_id.get(target["role_id"])
        named = draft.attempt(lambda: placing.roles.find(draft.given["role"], *draft.path, "role"))
        if named is not None and named != role:
            role = placing.role(draft, draft.given["role"])
    if draft.is_good:
        update(draft, placing, known[target.id], state)
        draft.attempt(match_keys.require_confirmed, draft, target.role, role or target.role)
        _keep_administrators(draft, role or target.role, state, administrators)
    return state


def _taken_unseen(draft: Draft) -> Taken:
    """What is said of a user out of sight, as to whoever would make a user with the same email or external id."""
    if draft.matched_by == "EMAIL":
        return Taken(*draft.path, "email", what="email", value=draft.columns["email"])
    value = draft.external_ids.get(draft.source) or next(filter(None, draft.external_ids.values()), "")
    return Taken(*draft.path, *external_id_path(draft), what="external id", value=value)


def _place_new(change: Change, draft: Draft, placing: Placing) -> str:
    name_by_email(draft)
    given = None if is_deactivated(draft.given.get("role")) else draft.given.get("role")
    role = placing.role(draft, given or draft.given.get("default_role"))
    placing.identity(draft, draft.given.get("authentication"))
    placing.within(draft)
    default = change.settings.projects_in_root
    draft.columns["can_create_projects_in_root"] = placing.project_right(draft, role, default)
    if draft.given.get("is_invited"):
        return UserState.INVITED
    off = is_deactivated(draft.given.get("role")) or draft.given.get("is_active") is False
    return UserState.DEACTIVATED if off else UserState.ACTIVE


def _state(change: Change, draft: Draft, target: Target) -> str:
    """S2's role "Deactivated" takes access away and keeps the role; giving a role again brings the user back."""
    before: str = target["state"]
    if draft.given.get("is_invited"):
        return before  # an import of an export: who has accepted since, or left, stays so
    wanted = draft.given.get("is_active")
    off = is_deactivated(draft.given.get("role")) or wanted is False
    back = before == UserState.DEACTIVATED and not off and (wanted is True or draft.given.get("role") is not None)
    after = UserState.DEACTIVATED if off else UserState.ACTIVE if back else before
    if after != before:
        draft.attempt(lambda: change.viewer.require(Right.DEACTIVATE_USERS, *draft.path, "role"))
        if target.id == change.viewer.user_id:
            draft.refusals.append(Self(*draft.path, "role", what="activate or deactivate"))
    return after


def _keep_administrators(draft: Draft, role: RoleRow, state: str, administrators: set[int]) -> None:
    """The last administrator keeps both role and access; earlier rows of the same call count."""
    assert draft.target is not None
    if not (role.rights >= ADMINISTRATION and state == UserState.ACTIVE):
        draft.attempt(targets.keep_one, administrators, draft.target.id, *draft.path, "role")


async def store(change: Change, planned: Planned, good: Sequence[Draft]) -> None:
    states, placing = planned.states, planned.placing
    new = [draft for draft in good if draft.target is None]
    changed = [draft for draft in good if draft.target is not None and draft.changed]
    # First, so that new users find free what these give up.
    await store_users.update(change, changed)
    await store_users.insert(change, new, states, placing.roles)
    async for draft in in_turns(new):
        store_users.describe(draft, placing)
    await restore(change, [draft for draft in new if states[draft.index] == UserState.INVITED])
    await store_users.attach(change, [*new, *changed])
    ended = [d.target.id for d in changed if d.target and states[d.index] == "DEACTIVATED" != d.target["state"]]
    await end_access(change, ended)
    back = [d.target.id for d in changed if d.target and states[d.index] != "DEACTIVATED" == d.target["state"]]
    await forget_absence(change, back)
    await end_keys(change, [draft for draft in changed if _is_handed_over(draft)])
    await store_users.record(change, new, Action.CREATED)
    await store_users.record(change, changed, Action.UPDATED)


def _is_handed_over(draft: Draft) -> bool:
    """Whether a source answers for more of a user than before: for another role, or as the directory they are in."""
    assert draft.target is not None
    provider_id = draft.columns.get("ldap_provider_id")
    return draft.is_raised or (provider_id is not None and provider_id != draft.target["ldap_provider_id"])


def action(draft: Draft) -> str:
    if draft.target is None:
        return "CREATED"
    return "UPDATED" if draft.changed else "UNCHANGED"
