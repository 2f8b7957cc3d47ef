"""Making, changing and deleting identity providers."""

import re
from typing import Any

from models import bulk
from models.errors import InUse, Invalid, NotFound, Required, RoleTooHeavy, Taken
from models.providers import IdentityProvider, ProviderKind
from models.values import clean, key
from resolvers import ldap_mappings, provider_settings
from resolvers.audit import Action, Event, Subject
from resolvers.change_roles import require_administrator
from resolvers.changes import Change, number
from resolvers.ldap_settings import opened_settings
from resolvers.policy import Right

PREFIX = re.compile(r"[a-z][a-z0-9-]{0,31}")


async def create_identity_provider(
    change: Change,
    *,
    name: str,
    prefix: str,
    kind: str,
    is_enabled: bool | None = None,
    server_number: int | None = None,
    ceiling_weight: int | None = None,
    **settings: Any,
) -> dict[str, Any]:
    """An LDAP provider carries a server number, 1 to 9, of its own; others none. `settings`: `ldap` or `saml`."""
    change.viewer.require_everywhere(Right.MANAGE_PROVIDERS)
    _check_number(kind, server_number)
    columns: dict[str, Any] = {
        "id": None,
        "name": clean(name, "name", what="The provider's name"),
        "prefix": _prefix(prefix),
        "kind": kind,
        "is_enabled": True if is_enabled is None else is_enabled,
        "server_number": server_number,
        "ceiling_weight": ceiling_weight,
        "settings": None,
        "secrets": None,
    }
    columns["name_key"] = key(str(columns["name"]))
    await _refuse_taken(change, columns, None)
    set_up = await provider_settings.apply(change, columns, settings)
    await _check_ceiling(change, columns, None)
    del columns["id"]
    stamps = {"created_at": change.moment, "updated_at": change.moment}
    provider_id: int = (await bulk.insert(change.tx, IdentityProvider, [{**columns, **stamps}]))[0][0]
    changes = {field: (None, value) for field, value in columns.items() if field not in UNTOLD} | set_up
    await change.record([Event(Action.CREATED, Subject.PROVIDER, provider_id, str(columns["name"]), changes)])
    return {"identityProvider": provider_id, "errors": []}


def _check_number(kind: str, server_number: int | None) -> None:
    if kind == ProviderKind.LDAP and server_number is None:
        raise Required("serverNumber", what="The LDAP server number (1 to 9)")
    if kind != ProviderKind.LDAP and server_number is not None:
        raise Invalid("serverNumber", reason="Only an LDAP provider has a server number.")
    if server_number is not None and not 1 <= server_number <= 9:
        raise Invalid("serverNumber", reason="An LDAP server number is 1 to 9.", minimum=1, limit=9)


def _prefix(text: str) -> str:
    if not PREFIX.fullmatch(text):
        reason = "A prefix is a lower-case letter followed by letters, digits and hyphens, 32 at most."
        raise Invalid("prefix", reason=reason)
    return text


async def _refuse_taken(change: Change, columns: dict[str, Any], own: int | None) -> None:
    for column, what, field in (
        ("name_key", "provider name", "name"),
        ("prefix", "prefix", "prefix"),
        ("server_number", "LDAP server number", "serverNumber"),
    ):
        value = columns.get(column)
        if value is None:
            continue
        found = await change.tx.scalar(f"SELECT id FROM identity_providers WHERE {column} = $1", value)
        if found is not None and found != own:
            raise Taken(field, what=what, value=columns["name"] if column == "name_key" else value)


async def _check_ceiling(change: Change, after: dict[str, Any], before: dict[str, Any] | None) -> None:
    """The ceiling is at most the viewer's own weight, and above every mapping; looked at where either changes."""
    ceiling, mappings = after["ceiling_weight"], (after["settings"] or {}).get("groupMappings") or ()
    if before is not None:
        old = (before["settings"] or {}).get("groupMappings") or ()
        if (ceiling, list(mappings)) == (before["ceiling_weight"], list(old)):
            return
    if ceiling is not None and not 0 <= ceiling <= 100:
        raise Invalid("ceilingWeight", reason="A ceiling is 0 to 100, as the weights of roles are.")
    if ceiling is not None and ceiling > change.viewer.weight:
        raise RoleTooHeavy("ceilingWeight", name="of the ceiling", weight=ceiling, own=change.viewer.weight)
    await ldap_mappings.require_below(change, mappings, ceiling)


UNTOLD = ("name_key", "settings", "secrets")  # the last two are told field by field
COLUMNS = (
    "id",
    "name",
    "name_key",
    "prefix",
    "kind",
    "is_enabled",
    "server_number",
    "ceiling_weight",
    "settings",
    "secrets",
)


async def _provider(change: Change, typed: str) -> dict[str, Any]:
    wanted = number("identity provider", "provider", typed, "id")
    row = await change.tx.one(f"SELECT {', '.join(COLUMNS)} FROM identity_providers WHERE id = $1", wanted)
    if row is None:
        raise NotFound("id", what="identity provider", key=typed)
    found = dict(zip(COLUMNS, row, strict=True))
    return {**found, "is_enabled": bool(found["is_enabled"]), "settings": opened_settings(found["settings"])}


async def update_identity_provider(
    change: Change,
    *,
    id: str,
    name: str | None = None,
    prefix: str | None = None,
    is_enabled: bool | None = None,
    server_number: int | None = None,
    **given: Any,
) -> dict[str, Any]:
    """Change what is given, `ceiling_weight`, `ldap` and `saml` too. Its kind is for ever: users sign in through it."""
    change.viewer.require_everywhere(Right.MANAGE_PROVIDERS)
    before = await _provider(change, id)
    after = dict(before)
    if name is not None:
        after["name"] = clean(name, "name", what="The provider's name")
        after["name_key"] = key(after["name"])
    if prefix is not None:
        after["prefix"] = _prefix(prefix)
    if is_enabled is not None:
        after["is_enabled"] = is_enabled
    if server_number is not None:
        after["server_number"] = server_number
        _check_number(after["kind"], server_number)
    if "ceiling_weight" in given:
        after["ceiling_weight"] = given["ceiling_weight"]
    await _refuse_taken(change, after, before["id"])
    if after["server_number"] != before["server_number"]:
        await provider_settings.require_no_less(change, before["id"], "serverNumber")
    set_up = await provider_settings.apply(change, after, given)
    await _check_ceiling(change, after, before)
    changes = {f: (before[f], after[f]) for f in COLUMNS if f not in UNTOLD and before[f] != after[f]} | set_up
    if changes:
        await bulk.update(change.tx, IdentityProvider, [{**after, "updated_at": change.moment}])
        await require_administrator(change)
        if before["is_enabled"] and not after["is_enabled"]:
            changes["open_sessions"] = (await _end_sessions(change, before["id"]), 0)
        await change.record([Event(Action.UPDATED, Subject.PROVIDER, before["id"], after["name"], changes)])
    return {"identityProvider": before["id"], "errors": []}


async def _end_sessions(change: Change, provider_id: int) -> int:
    """End the open sessions of who signs in through this provider; how many those were."""
    ended = await change.tx.rows(
        "UPDATE sessions SET ended_at = $2 WHERE ended_at IS NULL AND expires_at > $2"
        " AND user_id IN (SELECT id FROM users WHERE provider_id = $1) RETURNING id",
        provider_id,
        change.moment,
    )
    return len(ended)


async def delete_identity_provider(change: Change, *, id: str) -> dict[str, Any]:
    """Delete a provider through which nobody signs in or is provisioned."""
    change.viewer.require_everywhere(Right.MANAGE_PROVIDERS)
    provider = await _provider(change, id)
    users = await change.tx.scalar(
        "SELECT COUNT(*) FROM users WHERE provider_id = $1 OR ldap_provider_id = $1", provider["id"]
    )
    if users:
        raise InUse("id", what=provider["name"], by=f"{users} users sign in through it or come from it")
    last_local = "SELECT COUNT(*) FROM identity_providers WHERE kind = 'LOCAL' AND id <> $1"
    if provider["kind"] == ProviderKind.LOCAL and not await change.tx.scalar(last_local, provider["id"]):
        raise InUse("id", what=provider["name"], by="it is the only one with local passwords")
    for table in ("previous_identities", "invitations"):
        await change.tx.rows(f"DELETE FROM {table} WHERE provider_id = $1", provider["id"])
    await change.tx.rows("DELETE FROM previous_identities WHERE ldap_provider_id = $1", provider["id"])
    await bulk.delete(change.tx, IdentityProvider, [provider["id"]])
    changes = {"name": (provider["name"], None)}
    await change.record([Event(Action.DELETED, Subject.PROVIDER, provider["id"], provider["name"], changes)])
    return {"deletedId": id, "errors": []}
