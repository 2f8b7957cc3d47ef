"""Converting users between local, LDAP and SAML sign-in (D4 to D6)."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from models import bulk
from models.errors import Duplicate, Invalid, NotFound, WrongState
from models.users import PreviousIdentity, User
from models.values import camel
from resolvers import entry_ids, match_keys, references, targets, uniqueness
from resolvers.activate_users import end_keys
from resolvers.audit import Action, Event, Subject
from resolvers.changes import Change, number
from resolvers.check_conversions import NO_CHECK, Check
from resolvers.directory_links import require_linkable
from resolvers.drafts import Draft, login_dn_path, refuse_duplicates, row_name
from resolvers.match_keys import LOGIN_DN
from resolvers.name_ids import Matches
from resolvers.outcomes import accepted, payload, result
from resolvers.policy import Right
from resolvers.references import Identity, Providers, Roles
from resolvers.sessions import end_sessions
from resolvers.targets import Target
from resolvers.turns import in_turns

LINK = ("ldap_provider_id", "login_dn_key")
KEPT = ("id", "role", "groups", "organizations", "tags", "aliases", "variables", "apiKeys", "secondFactor")


def subjects(given: Mapping[str, Any]) -> list[str]:
    return [each["id"] for each in given["conversions"]]


async def convert_users(
    change: Change,
    *,
    conversions: Sequence[Mapping[str, Any]],
    error_policy: str | None = None,
    checks: Mapping[int, Check] | None = None,
    is_proved: bool = False,
) -> dict[str, Any]:
    """A result for each conversion, with what the user keeps and loses. `checks`: what directories said, by row.

    `is_proved`: the users have proved their new way in already.
    """
    change.bounded(conversions, "conversions", "conversions")
    drafts = [
        Draft(index, {**each, "ref": each["id"]}, ("conversions", index)) for index, each in enumerate(conversions)
    ]
    await find_users(change, drafts, "conversions")
    known = await references.providers(change.tx)
    roles = await references.roles(change.tx)
    administrators = await targets.administrators(change.tx, roles, local=True)
    async for draft in in_turns(drafts):
        if draft.is_good:
            check = (checks or {}).get(draft.index, NO_CHECK)
            identity = draft.attempt(_identity, change, draft, known, check)
            if identity is not None:
                draft.columns |= identity.columns
                draft.attempt(_may_convert, draft, known, administrators, check)
            if draft.is_good:
                draft.attempt(_may_link, change, draft, known, roles, check)
    refuse_duplicates(drafts)
    # A conflict is only for who may link the entry: it says that somebody here has it.
    able = [draft for draft in drafts if draft.is_good]
    await uniqueness.refuse_taken(change, able)
    good = accepted(change, drafts, error_policy)
    ended = await _store(change, good, known, is_proved=is_proved)
    matches = await Matches.load(change.tx, good)
    return payload([_result(draft, checks or {}, matches, ended) async for draft in in_turns(drafts)])


async def find_users(change: Change, drafts: Sequence[Draft], argument: str) -> None:
    """The users that the drafts are about; everybody may convert themselves."""
    for draft in drafts:
        draft.user_id = draft.attempt(lambda d=draft: number("user", "user", d.given["id"], *d.path, "id"))
    change.viewer.require_self_or(Right.CONVERT_USERS, [draft.user_id or 0 for draft in drafts], argument)
    roles = await references.roles(change.tx)
    found = await targets.find(change.tx, roles, [d.user_id for d in drafts if d.user_id is not None])
    where = await targets.scope(change, Right.CONVERT_USERS)
    seen: dict[int, int] = {}
    async for draft in in_turns(drafts):
        if draft.user_id is not None:
            draft.target = found.get(draft.user_id)
            draft.attempt(_check, change, draft, where, seen.setdefault(draft.user_id, draft.index))


def _check(change: Change, draft: Draft, where: targets.Scope, first: int) -> None:
    if draft.target is None:
        raise NotFound(*draft.path, "id", what="user", key=draft.given["id"])
    targets.require_manageable(change, draft.target, where, *draft.path, "id")
    if first != draft.index:
        raise Duplicate(*draft.path, "id", what="This user", first=row_name(first))
    # Whoever answers for the new way in signs in as this user, and a narrow key of theirs must not make itself one.
    targets.require_no_wider(where, draft.target, *draft.path, "id")


def _names_name_id(draft: Draft) -> bool:
    return (draft.given.get("to", {}).get("saml") or {}).get("name_id") is not None


def _identity(change: Change, draft: Draft, known: Providers, check: Check) -> Identity:
    """How the user is to sign in. A name id stands as long as its provider stays, and nothing else is said.

    So does the id of an entry as long as the same DN leads to it.
    """
    local = draft.given["to"].get("local") or {}
    if local.get("password") is not None or local.get("password_hash") is not None:
        path = (*draft.path, "to", "local", "password")
        raise Invalid(*path, reason="A conversion sets no password. Convert with local: {}, then use changePassword.")
    if _names_name_id(draft):
        # By oneself it is not claimed but proved, to the identity provider: nobody keeps another's from them.
        path = (*draft.path, "to", "saml", "nameId")
        is_own = draft.user_id == change.viewer.user_id
        (change.viewer.require_everywhere if is_own else change.viewer.require)(Right.CONVERT_USERS, *path)
    found = known.identity(draft.given["to"], *draft.path, "to")
    target = draft.target
    assert target is not None
    says_nothing = "name_id" not in (draft.given["to"].get("saml") or {})
    stays = found.provider_id == target["provider_id"]
    same = entry_ids.is_named_alike(target.columns, found.columns)
    return replace(
        found,
        name_id=target["name_id"] if says_nothing and stays else found.name_id,
        entry_id=target["entry_id"] if same else check.entry_id,
    )


def _may_convert(draft: Draft, known: Providers, administrators: set[int], check: Check) -> None:
    """S3 converts a local user to LDAP or SAML, and these to local; the last administrator stays able to get in.

    That a directory answers now does not say that it will: one administrator who needs none is always left.
    """
    target = draft.target
    assert target is not None
    before, after = _kind(known, target["provider_id"]), _kind(known, draft.columns["provider_id"])
    if before == "API_ONLY" or after == "API_ONLY":
        raise WrongState(
            *draft.path, "to", reason="API-only users are made and changed with createUser, not converted."
        )
    if check.refusal is not None and _differs(draft):
        raise check.refusal
    if after != "LOCAL":
        targets.keep_one(administrators, draft.user_id, *draft.path, "to")


def _may_link(change: Change, draft: Draft, known: Providers, roles: Roles, check: Check) -> None:
    """What is proved by its password is linked by anybody, another entry by who could grant what it gives."""
    assert draft.target is not None
    provider_id = draft.columns["ldap_provider_id"]
    if check.is_proof:
        draft.proved.add(LOGIN_DN)
    elif provider_id is not None and any(draft.columns[name] != draft.target[name] for name in LINK):
        path = (*draft.path, *login_dn_path(draft))
        if draft.user_id == change.viewer.user_id:
            change.viewer.require_everywhere(Right.CONVERT_USERS, *path)
        require_linkable(change.viewer, known.by_id[provider_id], roles, *path)


def _kind(known: Providers, provider_id: int | None) -> str:
    return "API_ONLY" if provider_id is None else known.by_id[provider_id].kind


def _differs(draft: Draft) -> bool:
    return any(draft.columns[name] != (draft.target or {})[name] for name in Identity(None).columns)  # type: ignore[index]


async def _store(change: Change, good: Sequence[Draft], known: Providers, *, is_proved: bool) -> dict[int, int]:
    """How many API keys ended, by user: of all whose new way in they have not proved themselves."""
    changed = [draft for draft in good if _differs(draft)]
    await match_keys.stamp(change, changed)
    own = [draft for draft in changed if draft.user_id == change.viewer.user_id and (is_proved or draft.proved)]
    ended = await end_keys(change, [draft for draft in changed if draft not in own])
    rows, before, events = [], [], []
    async for draft in in_turns(changed):
        target = draft.target
        assert target is not None
        limits = draft.columns.get("match_key_limits", target["match_key_limits"])
        columns = {**_identity_columns(draft), "match_key_limits": limits}
        rows.append({"id": target.id, **columns, **stamps(change, target)})
        before.append(_previous(change, target))
        describe(draft, target, known)
        events.append(Event(Action.CONVERTED, Subject.USER, target.id, target["username"], draft.changes))
    await bulk.insert(change.tx, PreviousIdentity, before)
    await uniqueness.park(change.tx, changed, Identity(None).columns)
    await bulk.update(change.tx, User, rows)
    await end_sessions(change, [draft.user_id for draft in changed if draft.user_id])
    await change.record(events)
    return ended


def describe(draft: Draft, target: Target, known: Providers) -> None:
    """Name what differs: who authenticates, which server provisions, by what DN or name id."""
    for name, column in (("identity_provider", "provider_id"), ("provisioned_by", "ldap_provider_id")):
        pair = (target[column], draft.columns[column])
        if pair[0] != pair[1]:
            before, after = (None if each is None else known.by_id[each].name for each in pair)
            draft.change(name, before, after)
    for name in ("login_dn", "name_id"):
        if draft.columns[name] != target[name]:
            draft.change(name, target[name], draft.columns[name])


def _identity_columns(draft: Draft) -> dict[str, Any]:
    """No password outlives a conversion in use; it stays with the previous identity, in case it is taken back."""
    return {**{name: draft.columns[name] for name in Identity(None).columns}, "password_hash": None}


def stamps(change: Change, target: Target) -> dict[str, Any]:
    return {
        "updated_at": change.moment,
        "updated_by_id": change.viewer.user_id,
        "version": target["version"] + 1,
    }


def _previous(change: Change, target: Target) -> dict[str, Any]:
    names = ("provider_id", "ldap_provider_id", "login_dn", "name_id", "entry_id", "password_hash")
    return {"user_id": target.id, **{name: target[name] for name in names}, "created_at": change.moment}


def _result(draft: Draft, checks: Mapping[int, Check], matches: Matches, ended: Mapping[int, int]) -> dict[str, Any]:
    target = draft.target
    if target is None or not draft.is_good:
        return {**result(draft, "FAILED"), "kept": [], "lost": [], "checkedBy": None, "nameIdMatch": None}
    lost = []
    if draft.changed:
        lost += ["sessions"]
        lost += ["password"] if target["password_hash"] is not None else []
        lost += [camel(n) for n in ("login_dn", "name_id") if target[n] is not None and draft.columns[n] is None]
        lost += ["apiKeys"] if ended.get(target.id) else []
    check = checks.get(draft.index, NO_CHECK)
    passed = check if check.refusal is None else NO_CHECK  # what was so already needs none
    return {
        **result(draft, "UPDATED" if draft.changed else "UNCHANGED"),
        "kept": [each for each in KEPT if each not in lost],
        "lost": lost,
        "checkedBy": None if draft.columns["login_dn"] is None else passed.by.value,
        "nameIdMatch": matches.outlook(draft),
    }
