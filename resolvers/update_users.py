"""Changing a user: only what is sent, each field under its own rule (D1, D2, C9)."""

from collections.abc import Mapping
from typing import Any

from models.errors import Invalid, LastAdministrator, NotFound, NotLdap, OutsideOrganization, WrongState
from models.values import camel, key, login_dn
from resolvers import match_keys, references, store_users, targets, uniqueness
from resolvers.activate_users import end_keys
from resolvers.audit import Action
from resolvers.changes import Change, number
from resolvers.drafts import Draft, external_id_path, name_by_email, read, require_for_sources
from resolvers.outcomes import error
from resolvers.placing import Placing
from resolvers.policy import ADMINISTRATION, ROOT_PROJECT_ROLES, Right
from resolvers.sessions import end_sessions
from resolvers.targets import Target
from resolvers.user_details import Details, details_of, settle

DIRECT = ("username", "email", "name", "first_name", "last_name", "external_id")
KNOWN_BY = ("username", "email")  # at a directory, or an identity provider, beside external ids
KEYED = {name: f"{name}_key" for name in ("username", "email", "name", "first_name", "last_name")}
REQUIRED = ("username", "email", "name", "role", "can_create_projects_in_root", "ldap_server_number", "login_dn")


def update(draft: Draft, placing: Placing, known: Details, state: str) -> None:
    """Leave in the draft only what differs from the user as they are, and name each difference.

    Whoever changes an address can have a password reset sent there, and by any of these names a provider may know the
    user, so that is refused over users with wider rights.
    """
    target = draft.target
    assert target is not None
    _settle_external_ids(draft)
    elsewhere = _comes_from_elsewhere(target, placing)
    for name in KNOWN_BY if elsewhere else ("email",):
        if name in draft.columns and draft.columns[name] != target[name]:
            draft.attempt(targets.require_no_wider, placing.where, target, *draft.path, camel(name))
    if elsewhere and draft.external_ids:
        draft.attempt(targets.require_no_wider, placing.where, target, *draft.path, *external_id_path(draft))
    _follow_email(draft)
    for name in DIRECT:
        if name in draft.columns and draft.columns[name] == target[name]:
            draft.columns.pop(name)
            draft.columns.pop(KEYED.get(name, name), None)
        elif name in draft.columns:
            draft.change(name, target[name], draft.columns[name])
    store_users.describe_external_ids(draft, target.external_ids)
    if "role_id" in draft.columns and draft.columns["role_id"] != target["role_id"]:
        draft.change("role", target.role.name, placing.roles.by_id[draft.columns["role_id"]].name)
    _projects(draft, placing)
    if state != target["state"]:
        draft.columns["state"] = state
        draft.change("state", target["state"], state)
    _additions(draft, placing, known)
    _require_own_fields(draft, placing)


def _follow_email(draft: Draft) -> None:
    """A username that is the email follows it, unless the row names one: the old email is free for its next owner."""
    target = draft.target
    assert target is not None
    is_moved = draft.columns.get("email_key", target["email_key"]) != target["email_key"]
    if is_moved and draft.given.get("username") is None and target["username_key"] == key(target["email"]):
        name_by_email(draft)


def _require_own_fields(draft: Draft, placing: Placing) -> None:
    """Who may change users in some organizations only changes of their own user what everybody may change of theirs."""
    viewer = placing.change.viewer
    if draft.user_id == viewer.user_id and Right.UPDATE_USERS not in viewer.rights:
        for name in draft.changed:
            if name not in OWN_FIELDS:
                draft.attempt(viewer.require_everywhere, Right.UPDATE_USERS, *draft.path, camel(name))


def _settle_external_ids(draft: Draft) -> None:
    """Leave in the draft only ids that differ, and in `removed` the sources whose id is cleared or replaced."""
    assert draft.target is not None
    known = draft.target.external_ids
    draft.external_ids = {s: value for s, value in draft.external_ids.items() if value != known.get(s)}
    draft.removed["external_ids"] = sorted(set(draft.external_ids) & set(known))


def _comes_from_elsewhere(target: Target, placing: Placing) -> bool:
    provider = target["provider_id"]
    return provider is not None and placing.providers.by_id[provider].kind != "LOCAL"


def _projects(draft: Draft, placing: Placing) -> None:
    """May-create-projects-in-root is set only for the roles that have it, and lost with them (S3)."""
    target = draft.target
    assert target is not None
    name = "can_create_projects_in_root"
    role = placing.roles.by_id[draft.columns.get("role_id", target["role_id"])]
    given = draft.given.get(name)
    wanted = (target[name] if given is None else bool(given)) and role.name in ROOT_PROJECT_ROLES
    if wanted != target[name]:
        if given is not None and bool(given) != target[name]:
            path = (*draft.path, camel(name))
            draft.attempt(placing.change.viewer.require_everywhere, Right.UPDATE_USERS, *path)
        draft.columns[name] = wanted
        draft.change(name, target[name], wanted)


def _additions(draft: Draft, placing: Placing, known: Details) -> None:
    settle(draft, known)
    draft.group_ids = [each for each in draft.group_ids if each not in known.groups]
    draft.organization_ids = [each for each in draft.organization_ids if each not in known.organizations]
    if placing.allowed is not None and not set(draft.organization_ids) <= placing.allowed:
        draft.refusals.append(OutsideOrganization(*draft.path, "organizationIds", what="One of these"))
    assert draft.target is not None
    left = draft.left.get("organizations", ())
    if draft.organization_ids or left:
        after = (draft.target.organizations | set(draft.organization_ids)) - set(left)
        draft.attempt(targets.require_no_gain, placing.where, draft.target, after, *draft.path, "organizationIds")
    store_users.describe_memberships(draft, placing)


async def update_user(change: Change, *, id: str, **given: Any) -> dict[str, Any]:
    """The changed user's id under `user`, with the names of the fields that changed."""
    change.viewer.require_self_or(Right.UPDATE_USERS, [number("user", "user", id, "id")])
    draft = Draft(0, given)
    user_id = number("user", "user", id, "id")
    known_roles = await references.roles(change.tx)
    target = (await targets.find(change.tx, known_roles, [user_id])).get(user_id)
    where = await targets.scope(change, Right.UPDATE_USERS)
    if target is None:
        raise NotFound("id", what="user", key=id)
    draft.target, draft.user_id = target, user_id
    targets.require_manageable(change, target, where, "id")
    if not change.viewer.can(Right.UPDATE_USERS):
        _own_fields_only(change, given)
    _version(draft, given)
    for name in REQUIRED:
        if name in given and given[name] is None:
            draft.refusals.append(Invalid(camel(name), reason=f"{camel(name)} cannot be cleared."))
    read(draft)
    draft.attempt(require_for_sources, change.viewer, draft)
    placing = await Placing.load(change, Right.UPDATE_USERS, [draft])
    placing.memberships(draft)
    if given.get("role") is not None:
        named = draft.attempt(lambda: placing.roles.find(given["role"], "role"))
        if named is not None and named.id != target["role_id"]:
            placing.role(draft, given["role"])
    _ldap_fields(draft, placing)
    details = (await details_of(change.tx, [user_id]))[user_id]
    sent = match_keys.sent_by(draft)
    if draft.is_good:
        update(draft, placing, details, target["state"])
    await uniqueness.refuse_taken(change, [draft])
    await _administrators(change, draft, placing)
    await match_keys.confirm(change, draft, sent)
    if not draft.is_good:
        change.tx.discard()
        return {"user": None, "changedFields": [], "errors": [error(each) for each in draft.refusals]}
    if draft.changed or draft.confirmed:
        if _is_another_entry(draft):
            await end_keys(change, [draft])
        await store_users.update(change, [draft])
        await store_users.attach(change, [draft])
        await store_users.record(change, [draft], Action.UPDATED)
    if _signs_in_otherwise(draft):
        await end_sessions(change, [user_id])
    return {"user": user_id, "changedFields": [camel(name) for name in draft.changed], "errors": []}


def _signs_in_otherwise(draft: Draft) -> bool:
    """Whether it is another entry of a directory that signs in as this user from now on."""
    assert draft.target is not None
    return draft.target["provider_id"] == draft.target["ldap_provider_id"] and _is_another_entry(draft)


def _is_another_entry(draft: Draft) -> bool:
    assert draft.target is not None
    moved = {"login_dn_key", "ldap_provider_id"} & set(draft.columns)
    return any(draft.columns[name] != draft.target[name] for name in moved)


OWN_FIELDS = frozenset({"name", "first_name", "last_name", "if_version"})


def _own_fields_only(change: Change, given: Mapping[str, Any]) -> None:
    """Everybody may change how they are called; the rest is for who manages users."""
    for name in given:
        if name not in OWN_FIELDS:
            change.viewer.require(Right.UPDATE_USERS, camel(name))


def _version(draft: Draft, given: Mapping[str, Any]) -> None:
    assert draft.target is not None
    if given.get("if_version") is not None and given["if_version"] != draft.target["version"]:
        reason = f"The user was changed meanwhile (version {draft.target['version']}). Read it again, then change it."
        raise WrongState("ifVersion", reason=reason)


def _ldap_fields(draft: Draft, placing: Placing) -> None:
    """Server number and login DN: for LDAP users only (D2)."""
    given, target = draft.given, draft.target
    assert target is not None
    asked = [name for name in ("ldap_server_number", "login_dn") if given.get(name) is not None]
    if not asked:
        return
    if target["ldap_provider_id"] is None:
        draft.refusals.append(NotLdap("ldapServerNumber" if asked[0] == "ldap_server_number" else "loginDn"))
        return
    # Who answers for another entry of the directory would sign in as this user.
    draft.attempt(targets.require_no_wider, placing.where, target, camel(asked[0]))
    if given.get("ldap_server_number") is not None:
        provider = draft.attempt(lambda: placing.providers.ldap(given["ldap_server_number"], "ldapServerNumber"))
        if provider is not None and provider.id != target["ldap_provider_id"]:
            before = placing.providers.by_id[target["ldap_provider_id"]].server_number
            draft.columns["ldap_provider_id"] = provider.id
            draft.columns["login_dn_key"] = target["login_dn_key"]
            draft.columns["login_dn"] = target["login_dn"]
            if target["provider_id"] == target["ldap_provider_id"]:
                draft.columns["provider_id"], draft.columns["name_id"] = provider.id, None
            draft.change("ldap_server_number", before, provider.server_number)
    if given.get("login_dn") is not None:
        named = draft.attempt(lambda: login_dn(given["login_dn"], "loginDn"))
        if named is not None and named != (target["login_dn"], target["login_dn_key"]):
            draft.columns["login_dn"], draft.columns["login_dn_key"] = named
            draft.columns.setdefault("ldap_provider_id", target["ldap_provider_id"])
            draft.change("login_dn", target["login_dn"], named[0])
    if _is_another_entry(draft):
        draft.attempt(placing.require_linkable, draft.columns["ldap_provider_id"], camel(asked[0]))


async def _administrators(change: Change, draft: Draft, placing: Placing) -> None:
    assert draft.target is not None
    role = placing.roles.by_id[draft.columns.get("role_id", draft.target["role_id"])]
    if role.rights >= ADMINISTRATION or not draft.target.role.rights >= ADMINISTRATION:
        return
    if await targets.administrators(change.tx, placing.roles) <= {draft.target.id}:
        draft.refusals.append(LastAdministrator("role"))
