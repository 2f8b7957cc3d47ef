"""Storing drafts of users: one statement a table, then the audit log."""

from collections.abc import Mapping, Sequence
from typing import Any

from models import bulk
from models.errors import Required
from models.groups import GroupMember
from models.organizations import OrganizationMember
from models.users import User, UserAlias, UserExternalId, UserTag, UserVariable
from models.values import API, key, search_key
from resolvers import changed_addresses, entry_ids, match_keys, uniqueness
from resolvers.audit import Action, Event, Subject
from resolvers.changes import Change
from resolvers.drafts import Draft
from resolvers.placing import Placing
from resolvers.references import Roles
from resolvers.turns import in_turns
from resolvers.user_details import take_away


def require(draft: Draft, *names: str) -> None:
    for name in names:
        if not draft.columns.get(name) and not any(r.path[-1:] == (name,) for r in draft.refusals):
            draft.refusals.append(Required(*draft.path, name, what=f"The {name}"))


def new_columns(change: Change, draft: Draft, state: str) -> dict[str, Any]:
    """Every column of a new user."""
    columns = draft.columns
    names = [columns.get("first_name"), columns.get("last_name")]
    full = " ".join(each for each in names if each) or columns["email"].rsplit("@", 1)[0]
    if not columns.get("name"):
        columns["name"], columns["name_key"] = full, key(full)
    blank = dict.fromkeys(
        ("first_name", "first_name_key", "last_name", "last_name_key", "external_id", "password_hash", "entry_id")
    )
    stamps = {"created_at": change.moment, "updated_at": change.moment, "version": 1}
    by = {"created_by_id": change.viewer.user_id, "updated_by_id": change.viewer.user_id}
    return {**blank, **columns, "state": state, "search_key": _search_key(draft, columns), **stamps, **by}


def _search_key(draft: Draft, columns: Mapping[str, Any]) -> str:
    aliases = [*draft.kept_aliases, *map(key, draft.aliases)]
    return search_key(columns["name_key"], columns["username_key"], columns["email_key"], aliases)


NEW = (
    "username",
    "username_key",
    "email",
    "email_key",
    "name",
    "name_key",
    "first_name",
    "first_name_key",
    "last_name",
    "last_name_key",
    "external_id",
    "search_key",
    "state",
    "role_id",
    "provider_id",
    "ldap_provider_id",
    "login_dn",
    "login_dn_key",
    "name_id",
    "entry_id",
    "password_hash",
    "can_create_projects_in_root",
    "match_key_limits",
    "created_at",
    "created_by_id",
    "updated_at",
    "updated_by_id",
    "version",
)
AUDITED = ("username", "email", "name", "first_name", "last_name", "external_id", "state", "login_dn", "name_id")


async def insert(change: Change, drafts: Sequence[Draft], states: Mapping[int, str], roles: Roles) -> None:
    """Insert new users; `states` is by the draft's index. Sets each draft's user_id."""
    await match_keys.stamp(change, drafts)
    rows = []
    async for draft in in_turns(drafts):
        columns = new_columns(change, draft, states[draft.index])
        draft.columns = columns
        rows.append({name: columns[name] for name in NEW})
        announce(draft, roles)
    ids = {row[1]: row[0] for row in await bulk.insert(change.tx, User, rows, returning=("id", "email_key"))}
    for draft in drafts:
        draft.user_id = ids[draft.columns["email_key"]]


def announce(draft: Draft, roles: Roles) -> None:
    """Name the columns of a new user in the draft's changes."""
    columns = draft.columns
    draft.changes = {name: (None, columns[name]) for name in AUDITED if columns[name] is not None}
    draft.changes["role"] = (None, roles.by_id[columns["role_id"]].name)
    draft.changed = list(draft.changes)


COMPUTED = ("search_key", "created_at", "created_by_id", "updated_at", "updated_by_id", "version")
CHANGEABLE = tuple(name for name in NEW if name not in COMPUTED)
SEARCHED = ("name_key", "username_key", "email_key")


async def update(change: Change, drafts: Sequence[Draft]) -> None:
    """Write every column that some draft changes, in one statement, and take away what was removed or went with it."""
    for draft in drafts:
        _forget_entry(draft)
    await match_keys.stamp(change, drafts)
    names = [name for name in CHANGEABLE if any(name in draft.columns for draft in drafts)]
    stamps = {"updated_at": change.moment, "updated_by_id": change.viewer.user_id}
    rows = []
    async for draft in in_turns(drafts):
        assert draft.target is not None
        values = {name: draft.columns.get(name, draft.target[name]) for name in names}
        searched = {name: draft.columns.get(name, draft.target[name]) for name in SEARCHED}
        computed = {"search_key": _search_key(draft, searched), "version": draft.target["version"] + 1}
        rows.append({"id": draft.target.id, **values, **stamps, **computed})
    await uniqueness.park(change.tx, drafts, names)
    await bulk.update(change.tx, User, rows)
    await take_away(change.tx, drafts)
    await changed_addresses.follow(change, drafts)


def _forget_entry(draft: Draft) -> None:
    """The id of an entry goes with the DN or provider that led to it, unless whoever moves the user knows better."""
    assert draft.target is not None
    after = {name: draft.columns.get(name, draft.target[name]) for name in entry_ids.NAMED_BY}
    if not entry_ids.is_named_alike(draft.target.columns, after):
        draft.columns.setdefault("entry_id", None)


async def attach(change: Change, drafts: Sequence[Draft]) -> None:
    """Add tags, aliases, variables, external ids and memberships, all of which must be new."""
    tx, moment = change.tx, {"created_at": change.moment}
    tags = [{"user_id": d.user_id, "value": v, "value_key": key(v)} for d in drafts for v in d.tags]
    aliases = [{"user_id": d.user_id, "value": v, "value_key": key(v)} for d in drafts for v in d.aliases]
    variables = [
        {"user_id": d.user_id, "name": n, "name_key": key(n), "value": v}
        for d in drafts
        for n, v in d.variables.items()
    ]
    external_ids = [
        {"user_id": d.user_id, "source": s, "value": v} for d in drafts for s, v in d.external_ids.items() if v
    ]
    groups = [{"group_id": g, "user_id": d.user_id, **moment} for d in drafts for g in d.group_ids]
    organizations = [
        {"organization_id": o, "user_id": d.user_id, "role_id": None, **moment}
        for d in drafts
        for o in d.organization_ids
    ]
    for model, rows in (
        (UserTag, tags),
        (UserAlias, aliases),
        (UserVariable, variables),
        (UserExternalId, external_ids),
        (GroupMember, groups),
        (OrganizationMember, organizations),
    ):
        await bulk.insert(tx, model, rows)


def describe(draft: Draft, placing: Placing) -> None:
    """Name what hangs on a new user in the draft's changes, for the answer and the audit log."""
    variables = [f"{name}={value}" for name, value in draft.variables.items()]
    for name, values in (("tags", draft.tags), ("aliases", draft.aliases), ("variables", variables)):
        if values:
            draft.change(name, None, sorted(values))
    describe_external_ids(draft, {})
    describe_memberships(draft, placing)


def describe_external_ids(draft: Draft, before: Mapping[str, str]) -> None:
    """Name the ids of other sources before and after. That of the API is a field of its own, `externalId`."""
    after = {source: value for source, value in {**before, **draft.external_ids}.items() if value is not None}
    pair = [sorted(f"{s}={v}" for s, v in ids.items() if s != API) or None for ids in (before, after)]
    if pair[0] != pair[1]:
        draft.change("external_ids", *pair)


def describe_memberships(draft: Draft, placing: Placing) -> None:
    """Name the groups and organizations that a draft takes away (before) and adds (after)."""
    for name, added, names in (
        ("groups", draft.group_ids, placing.groups),
        ("organizations", draft.organization_ids, placing.organizations),
    ):
        pair = [sorted(names[each] for each in ids) or None for ids in (draft.left.get(name, ()), added)]
        if pair != [None, None]:
            draft.change(name, *pair)


async def record(change: Change, drafts: Sequence[Draft], action: Action) -> None:
    await change.record(
        [
            Event(
                action,
                Subject.USER,
                draft.user_id or 0,
                draft.columns.get("username") or _label(draft),
                draft.changes,
            )
            for draft in drafts
        ]
    )


def _label(draft: Draft) -> str:
    return str(draft.target["username"]) if draft.target else ""
