"""Converting users between local, LDAP and SAML sign-in, and taking that back (D4 to D6)."""

from collections.abc import Mapping, Sequence
from typing import Any

from models import bulk
from models.errors import Duplicate, Invalid, NotFound, WrongState
from models.users import PreviousIdentity, User
from models.values import login_dn
from resolvers import existing_users, references, targets
from resolvers.audit import Action, Event, Subject
from resolvers.changes import Change, number
from resolvers.drafts import Draft, refuse_duplicates
from resolvers.outcomes import accepted, payload, result
from resolvers.policy import Right
from resolvers.references import Identity, Providers
from resolvers.targets import Target

KEPT = ("id", "role", "groups", "organizations", "tags", "aliases", "variables", "apiKeys", "secondFactor")


def subjects(given: Mapping[str, Any]) -> list[str]:
    return [each["id"] for each in given["conversions"]]


async def convert_users(
    change: Change, *, conversions: Sequence[Mapping[str, Any]], error_policy: str | None = None
) -> dict[str, Any]:
    """A result for each conversion, with what the user keeps and loses."""
    change.bounded(conversions, "conversions", "conversions")
    drafts = [
        Draft(index, {**each, "ref": each["id"]}, ("conversions", index)) for index, each in enumerate(conversions)
    ]
    await _find(change, drafts, "conversions")
    known = await references.providers(change.tx)
    roles = await references.roles(change.tx)
    administrators = await targets.administrators(change.tx, roles, local=True)
    for draft in drafts:
        if draft.is_good:
            identity = draft.attempt(_identity, draft, known)
            if identity is not None:
                draft.columns |= identity.columns
                draft.attempt(_may_convert, draft, known, administrators)
    refuse_duplicates(drafts)
    existing_users.refuse_taken(drafts, await existing_users.taken(change.tx, drafts))
    good = accepted(change, drafts, error_policy)
    await _store(change, good, known)
    return payload([_result(draft) for draft in drafts])


async def _find(change: Change, drafts: Sequence[Draft], argument: str) -> None:
    """The users that the drafts are about; everybody may convert themselves."""
    for draft in drafts:
        draft.user_id = draft.attempt(lambda d=draft: number("user", "user", d.given["id"], *d.path, "id"))
    change.viewer.require_self_or(Right.CONVERT_USERS, [draft.user_id or 0 for draft in drafts], argument)
    roles = await references.roles(change.tx)
    found = await targets.find(change.tx, roles, [d.user_id for d in drafts if d.user_id is not None])
    where = await targets.scope(change, Right.CONVERT_USERS)
    seen: dict[int, int] = {}
    for draft in drafts:
        if draft.user_id is not None:
            draft.target = found.get(draft.user_id)
            draft.attempt(_check, change, draft, where, seen.setdefault(draft.user_id, draft.index))


def _check(change: Change, draft: Draft, where: targets.Scope, first: int) -> None:
    if draft.target is None:
        raise NotFound(*draft.path, "id", what="user", key=draft.given["id"])
    if first != draft.index:
        raise Duplicate(*draft.path, "id", what="This user", first=f"row {first}")
    targets.require_manageable(change, draft.target, where, *draft.path, "id")
    if draft.given.get("to", {}).get("ldap"):
        # Who answers for the entry that is named here signs in as this user.
        targets.require_no_wider(where, draft.target, *draft.path, "to", "ldap", "loginDn")


def _identity(draft: Draft, known: Providers) -> Identity:
    local = draft.given["to"].get("local") or {}
    if local.get("password") is not None or local.get("password_hash") is not None:
        path = (*draft.path, "to", "local", "password")
        raise Invalid(*path, reason="A conversion sets no password. Convert with local: {}, then use changePassword.")
    return known.identity(draft.given["to"], *draft.path, "to")


def _may_convert(draft: Draft, known: Providers, administrators: set[int]) -> None:
    """S3 converts a local user to LDAP or SAML, and these to local; the last administrator stays able to get in."""
    target = draft.target
    assert target is not None
    before, after = _kind(known, target["provider_id"]), _kind(known, draft.columns["provider_id"])
    if before == "API_ONLY" or after == "API_ONLY":
        raise WrongState(
            *draft.path, "to", reason="API-only users are made and changed with createUser, not converted."
        )
    if after != "LOCAL":
        targets.keep_one(administrators, draft.user_id, *draft.path, "to")


def _kind(known: Providers, provider_id: int | None) -> str:
    return "API_ONLY" if provider_id is None else known.by_id[provider_id].kind


def _differs(draft: Draft) -> bool:
    return any(draft.columns[name] != (draft.target or {})[name] for name in Identity(None).columns)  # type: ignore[index]


async def _store(change: Change, good: Sequence[Draft], known: Providers) -> None:
    changed = [draft for draft in good if _differs(draft)]
    rows, before, events = [], [], []
    for draft in changed:
        target = draft.target
        assert target is not None
        rows.append({"id": target.id, **_identity_columns(draft), **_stamps(change, target)})
        before.append(_previous(change, target))
        _describe(draft, target, known)
        events.append(Event(Action.CONVERTED, Subject.USER, target.id, target["username"], draft.changes))
    await bulk.insert(change.tx, PreviousIdentity, before)
    await bulk.update(change.tx, User, rows)
    await end_sessions(change, [draft.user_id for draft in changed if draft.user_id])
    await change.record(events)


def _describe(draft: Draft, target: Target, known: Providers) -> None:
    """Name what differs: who authenticates, which server provisions, by what DN."""
    for name, column in (("identity_provider", "provider_id"), ("provisioned_by", "ldap_provider_id")):
        pair = (target[column], draft.columns[column])
        if pair[0] != pair[1]:
            before, after = (None if each is None else known.by_id[each].name for each in pair)
            draft.change(name, before, after)
    if draft.columns["login_dn"] != target["login_dn"]:
        draft.change("login_dn", target["login_dn"], draft.columns["login_dn"])


def _identity_columns(draft: Draft) -> dict[str, Any]:
    """No password outlives a conversion in use; it stays with the previous identity, in case it is taken back."""
    return {**{name: draft.columns[name] for name in Identity(None).columns}, "password_hash": None}


def _stamps(change: Change, target: Target) -> dict[str, Any]:
    return {
        "updated_at": change.moment,
        "updated_by_id": change.viewer.user_id,
        "version": target["version"] + 1,
    }


def _previous(change: Change, target: Target) -> dict[str, Any]:
    names = ("provider_id", "ldap_provider_id", "login_dn", "password_hash")
    return {"user_id": target.id, **{name: target[name] for name in names}, "created_at": change.moment}


async def end_sessions(change: Change, ids: Sequence[int]) -> None:
    among = change.tx.dialect.among("user_id", "$1", "bigint")
    await change.tx.rows(
        f"UPDATE sessions SET ended_at = $2 WHERE {among} AND ended_at IS NULL", list(ids), change.moment
    )


def _result(draft: Draft) -> dict[str, Any]:
    target = draft.target
    if target is None or not draft.is_good:
        return {**result(draft, "FAILED"), "kept": [], "lost": []}
    lost = []
    if draft.changed:
        lost += ["sessions"]
        lost += ["password"] if target["password_hash"] is not None else []
        lost += ["loginDn"] if target["login_dn"] is not None and draft.columns["login_dn"] is None else []
    return {**result(draft, "UPDATED" if draft.changed else "UNCHANGED"), "kept": list(KEPT), "lost": lost}


async def revert_conversions(change: Change, *, ids: Sequence[str], error_policy: str | None = None) -> dict[str, Any]:
    """Bring back how these users signed in before their last conversion, the password with it."""
    change.bounded(ids, "ids", "ids")
    drafts = [Draft(index, {"id": each, "ref": each}, ("ids", index)) for index, each in enumerate(ids)]
    await _find(change, drafts, "ids")
    known = await references.providers(change.tx)
    roles = await references.roles(change.tx)
    administrators = await targets.administrators(change.tx, roles, local=True)
    previous = await _last_identities(change, [draft.user_id for draft in drafts if draft.user_id])
    for draft in drafts:
        if draft.is_good:
            draft.attempt(_may_revert, draft, previous, known, administrators)
    existing_users.refuse_taken(drafts, await existing_users.taken(change.tx, drafts))
    good = accepted(change, drafts, error_policy)
    await _store_reverted(change, good, previous, known)
    return payload([result(draft, "UPDATED") for draft in drafts])


async def _last_identities(change: Change, ids: Sequence[int]) -> dict[int, Mapping[str, Any]]:
    names = ("id", "user_id", "provider_id", "ldap_provider_id", "login_dn", "password_hash")
    among = change.tx.dialect.among("user_id", "$1", "bigint")
    rows = await change.tx.rows(
        f"SELECT {', '.join(names)} FROM previous_identities WHERE {among} AND reverted_at IS NULL ORDER BY id",
        list(ids),
    )
    return {row[1]: dict(zip(names, row, strict=True)) for row in rows}


def _may_revert(
    draft: Draft, previous: Mapping[int, Mapping[str, Any]], known: Providers, administrators: set[int]
) -> None:
    before = previous.get(draft.user_id or 0)
    if before is None:
        raise WrongState(*draft.path, reason="This user has no conversion to take back.")
    provider = known.by_id.get(before["provider_id"])
    if provider is not None:
        known.find(f"provider_{provider.id}", *draft.path)
    if provider is not None and provider.kind != "LOCAL":
        targets.keep_one(administrators, draft.user_id, *draft.path)
    dn = login_dn(before["login_dn"])[1] if before["login_dn"] else None
    draft.columns |= Identity(before["provider_id"], before["ldap_provider_id"], before["login_dn"], dn).columns


async def _store_reverted(
    change: Change, good: Sequence[Draft], previous: Mapping[int, Mapping[str, Any]], known: Providers
) -> None:
    rows, events = [], []
    for draft in good:
        target, before = draft.target, previous[draft.user_id or 0]
        assert target is not None
        # A password set since the conversion is the newer one, and stays.
        password = target["password_hash"] or before["password_hash"]
        rows.append({"id": target.id, **draft.columns, "password_hash": password, **_stamps(change, target)})
        _describe(draft, target, known)
        events.append(Event(Action.CONVERSION_REVERTED, Subject.USER, target.id, target["username"], draft.changes))
    await bulk.update(change.tx, User, rows)
    among = change.tx.dialect.among("id", "$1", "bigint")
    ids = [previous[draft.user_id or 0]["id"] for draft in good]
    await change.tx.rows(f"UPDATE previous_identities SET reverted_at = $2 WHERE {among}", ids, change.moment)
    await end_sessions(change, [draft.user_id for draft in good if draft.user_id])
    await change.record(events)
