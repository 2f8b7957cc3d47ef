"""Creating one user: local, LDAP, SAML or for API keys only (C1 to C5)."""

from collections.abc import Mapping
from typing import Any

from models.errors import Invalid, Required, WeakPassword
from resolvers import foreign_hashes, store_users, uniqueness
from resolvers.audit import Action
from resolvers.changes import Before, Change
from resolvers.drafts import Draft, read, require_for_sources
from resolvers.outcomes import error
from resolvers.placing import Placing
from resolvers.policy import Right
from resolvers.strength import check_password


async def prepare(before: Before, given: dict[str, Any]) -> None:
    """Hash the password; a weak one is told together with all else that is wrong."""
    before.viewer.require(Right.CREATE_USERS)
    await hash_or_note(before, given, "authentication", "local")


async def hash_or_note(before: Before, given: Mapping[str, Any], *path: str | int) -> None:
    """As `hash_local`, but a weak password, or a hash of no use, leaves its refusal in its place."""
    try:
        await hash_local(before, given, *path)
    except (WeakPassword, Invalid) as refusal:
        given["authentication"]["local"]["refusal"] = refusal


async def hash_local(before: Before, given: Mapping[str, Any], *path: str | int) -> None:
    """Put the hash to store in the place of `authentication.local`'s password or hash, if there is either."""
    local = (given.get("authentication") or {}).get("local")
    if local is None:
        return
    password, imported = local.pop("password", None), local.pop("password_hash", None)
    if imported is not None:
        before.viewer.require(Right.SET_PASSWORDS, *path, "passwordHash")
        if password is not None:
            raise Invalid(*path, "passwordHash", reason="Send a password or its hash, not both.")
        local["password_hash"] = foreign_hashes.checked(imported, *path, "passwordHash")
    elif password is not None:
        about = tuple(given.get(name) or "" for name in ("username", "email", "name"))
        await check_password(before, password, *path, "password", about=about)
        local["password_hash"] = await before.hash(password)


async def create_user(change: Change, **given: Any) -> dict[str, Any]:
    """The new user's id under `user`. Raises the first thing that is wrong; the rest follows as further errors."""
    change.viewer.require(Right.CREATE_USERS)
    draft = Draft(0, given)
    read(draft)
    draft.attempt(require_for_sources, change.viewer, draft)
    placing = await Placing.load(change, Right.CREATE_USERS, [draft])
    role = placing.role(draft, given.get("role"))
    placing.identity(draft, given.get("authentication"))
    placing.memberships(draft)
    placing.within(draft)
    draft.columns["can_create_projects_in_root"] = placing.project_right(draft, role, change.settings.projects_in_root)
    local = (given.get("authentication") or {}).get("local")
    if local is not None and not {"password_hash", "refusal"} & set(local):
        draft.refusals.append(Required("authentication", "local", "password", what="A password, or the hash of one,"))
    await uniqueness.refuse_taken(change, [draft])
    if not draft.is_good:
        change.tx.discard()
        return {"user": None, "errors": [error(refusal) for refusal in draft.refusals]}
    await store_users.insert(change, [draft], {0: "ACTIVE"}, placing.roles)
    await store_users.attach(change, [draft])
    store_users.describe(draft, placing)
    await store_users.record(change, [draft], Action.CREATED)
    return {"user": draft.user_id, "errors": []}
