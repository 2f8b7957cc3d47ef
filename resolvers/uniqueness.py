"""Uniqueness of names, judged on the state that a whole call leaves: what one row gives up, another may take."""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from models.database import Transaction
from models.errors import Taken, UsedBy
from models.values import API, SEPARATOR, is_same_email, key
from resolvers import users
from resolvers.changes import Change
from resolvers.drafts import Draft, external_id_path, login_dn_path, name_id_path
from resolvers.existing_users import Names, taken
from resolvers.policy import Viewer
from resolvers.sources import Sql
from resolvers.turns import in_turns

OTHER_ID = (
    " {source} knows its user by another external id, so this is another person. Give that user another email or delete"
    " the user; or, if it is the same person, set that user's external id first."
)
OTHER_NAME_ID = (
    " Its user has another name id, so this is another person. Give that user another email or delete the user; or, if"
    " it is the same person, convert that user first."
)
LOOK_ALIKE = " An existing email is spelled differently and looks like it. Correct the spelling, or use another email."
LOGIN_NAMES = ("email", "username")  # no username is the email of another user
Name = tuple[str, Any]  # a kind of value and its normal form


@dataclass(frozen=True)
class Claim:
    """A value that a draft needs to have alone. `names` are all uses of it that are in the way."""

    names: tuple[Name, ...]
    path: tuple[str | int, ...]
    what: str
    value: Any


async def refuse_taken(change: Change, drafts: Sequence[Draft]) -> None:
    """Refuse drafts whose values are in use by users who keep them. Sets `waits_for` of each draft.

    A draft that is refused gives nothing up, so the drafts that need its values are refused, too. The others may form
    chains and circles. Conflicts of login DNs and name ids only in rows with no other refusal: who may not link learns
    of no link.
    """
    conflicts = await _conflicts(drafts, await taken(change.tx, drafts))
    if not conflicts:
        return
    for draft in drafts:
        draft.waits_for = {owner for _, name, owner in conflicts.get(draft.index, ())}
    freed = _settled(drafts, conflicts)
    refused = {
        draft.index: [each for each in conflicts[draft.index] if each[1] not in freed]
        for draft in drafts
        if draft.index in conflicts
    }
    owners = {owner for some in refused.values() for _, _, owner in some}
    visible = await visible_users(change.tx, change.viewer, owners) if owners else set()
    for draft in drafts:
        seen: set[Claim] = set()
        for claim, name, owner in refused.get(draft.index, ()):
            if claim not in seen:
                seen.add(claim)
                draft.refusals.append(_refusal(claim, name, owner if owner in visible else None))
        _explain(draft)


Conflict = tuple[Claim, Name, int]  # with the user who has the value


async def _conflicts(drafts: Sequence[Draft], known: Names) -> dict[int, list[Conflict]]:
    """By the index of a draft: which of its values other users have now."""
    owners = {
        "email": known.emails,
        "username": known.usernames,
        "external_id": known.external_ids,
        "alias": known.aliases,
        "login_dn": known.login_dns,
        "name_id": known.name_ids,
    }
    found: dict[int, list[Conflict]] = {}
    async for draft in in_turns(drafts):
        own = draft.target.id if draft.target else None
        for claim in _claims(draft):
            for name in claim.names:
                owner = owners[name[0]].get(name[1])  # type: ignore[attr-defined]
                if owner is not None and owner != own:
                    found.setdefault(draft.index, []).append((claim, name, owner))
    return found


def _settled(drafts: Sequence[Draft], conflicts: dict[int, list[Conflict]]) -> set[Name]:
    """The values that drafts give up which are stored: of all that could be, without those that fail after all."""
    good = {draft.index: draft for draft in drafts if draft.is_good}
    freed = {name for draft in good.values() for name in _given_up(draft)}
    takers: dict[Name, list[int]] = {}
    for index, some in conflicts.items():
        for _, name, _ in some:
            takers.setdefault(name, []).append(index)
    failing = [index for index, some in conflicts.items() if any(name not in freed for _, name, _ in some)]
    while failing:
        draft = good.pop(failing.pop(), None)
        if draft is not None:
            for name in _given_up(draft):
                freed.discard(name)
                failing += takers.get(name, ())
    return freed


def _claims(draft: Draft) -> Iterator[Claim]:
    columns, path = draft.columns, draft.path
    username, email = columns.get("username_key"), columns.get("email_key")
    if username is not None and (draft.given.get("username") is not None or username != email):
        names = tuple((kind, username) for kind in LOGIN_NAMES)
        yield Claim(names, (*path, "username"), "username", columns["username"])
    if email is not None:
        yield Claim(tuple((kind, email) for kind in LOGIN_NAMES), (*path, "email"), "email", columns["email"])
    for source, value in draft.external_ids.items():
        if value is not None:
            what = "external id" if source == API else f"id at {source}"
            at = (*path, *external_id_path(draft, source))
            yield Claim((("external_id", (source, value)),), at, what, value)
    for alias in draft.aliases:
        yield Claim((("alias", key(alias)),), (*path, "aliases"), "alias", alias)
    if not draft.is_good:
        return
    if columns.get("login_dn_key") is not None:
        dn = (columns.get("ldap_provider_id"), columns["login_dn_key"])
        yield Claim((("login_dn", dn),), (*path, *login_dn_path(draft)), "login DN", columns["login_dn"])
    if columns.get("name_id") is not None:
        name_id = (columns.get("provider_id"), columns["name_id"])
        yield Claim((("name_id", name_id),), (*path, *name_id_path(draft)), "name id", name_id[1])


def _given_up(draft: Draft) -> Iterator[Name]:
    """The values that a draft's user has now, and no longer once it is stored."""
    target = draft.target
    if target is None:
        return
    after = {**target.columns, **draft.columns}
    for kind in LOGIN_NAMES:
        if after[f"{kind}_key"] != target[f"{kind}_key"]:
            yield kind, target[f"{kind}_key"]
    for kind, names in (("login_dn", ("ldap_provider_id", "login_dn_key")), ("name_id", ("provider_id", "name_id"))):
        before = tuple(target[name] for name in names)
        if before != tuple(after[name] for name in names):
            yield kind, before
    for source in draft.removed.get("external_ids", ()):
        yield "external_id", (source, target.external_ids[source])
    for alias in draft.removed.get("aliases", ()):
        yield "alias", alias


def _refusal(claim: Claim, name: Name, owner: int | None) -> Taken:
    if owner is None:
        return Taken(*claim.path, what=claim.what, value=claim.value)
    is_other_use = name[0] in LOGIN_NAMES and name[0] != claim.what
    advice = f" as their {name[0]}" if is_other_use else ""
    return UsedBy(*claim.path, what=claim.what, value=claim.value, owner=f"user_{owner}", advice=advice)


def _explain(draft: Draft) -> None:
    """Say why the address did not find its user."""
    target = draft.mistaken_for
    for refusal in draft.refusals:
        if target is not None and isinstance(refusal, Taken) and refusal.path[-1] == "email":
            ids = target.external_ids
            others = [s for s, value in draft.external_ids.items() if value is not None and ids.get(s, value) != value]
            if not is_same_email(draft.columns["email"], target["email"]):
                refusal.message += LOOK_ALIKE
            else:
                refusal.message += OTHER_ID.format(source=others[0]) if others else OTHER_NAME_ID


async def visible_users(tx: Transaction, viewer: Viewer, ids: Collection[int]) -> set[int]:
    """Those of the users whom the viewer may see."""
    sql = Sql(viewer, tx.dialect)
    among = sql.among("u.id", sorted(ids))
    condition = users.visible(sql, "u")
    rows = await tx.rows(
        f"SELECT u.id FROM users u WHERE {among}{f' AND {condition}' if condition else ''}", *sql.values
    )
    return {row[0] for row in rows}


PARKED = ("username_key", "email_key", "external_id", "login_dn_key", "name_id")


async def park(tx: Transaction, drafts: Sequence[Draft], written: Collection[str]) -> None:
    """Put placeholders in the place of the values that these drafts take from each other's users.

    The unique indexes of the database are checked row by row, so whoever has a value that another row needs gives it up
    first. Nobody sees a placeholder: the same transaction writes the real values, and history has one state of each
    moment. `written` are the columns that the caller writes next, for all drafts: only these are parked.
    """
    ids = {each for draft in drafts if draft.target is not None for each in draft.waits_for}
    names = [name for name in PARKED if name in written]
    if not ids or not names:
        return
    # No normal form begins with the separator. What is null stays so.
    changes = ", ".join(f"{name} = CASE WHEN {name} IS NOT NULL THEN CAST($2 AS text) || id END" for name in names)
    await tx.rows(f"UPDATE users SET {changes} WHERE {tx.dialect.among('id', '$1', 'bigint')}", sorted(ids), SEPARATOR)
