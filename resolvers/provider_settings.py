"""Settings of a provider, of whatever kind: changed, sealed, and told to the audit log without what is secret."""

import hashlib
from collections.abc import Mapping
from typing import Any

import orjson

from models.errors import Invalid
from models.providers import ProviderKind
from resolvers import ldap_mappings, ldap_settings, saml_settings
from resolvers.changes import Change
from resolvers.ldap_settings import opened_secrets
from resolvers.policy import require_rights_held, require_weight
from resolvers.viewers import rights_of

KINDS = {"ldap": ProviderKind.LDAP, "saml": ProviderKind.SAML}
# Who comes in through a provider is who it says they are: the roles of all its users, there and in organizations.
ROLES_BEHIND = """
SELECT DISTINCT r.weight, r.rights FROM roles r JOIN (
    SELECT u.id, u.role_id FROM users u WHERE u.provider_id = $1 OR u.ldap_provider_id = $1
    UNION ALL
    SELECT u.id, m.role_id FROM users u JOIN organization_members m ON m.user_id = u.id
    WHERE u.provider_id = $1 OR u.ldap_provider_id = $1
) held ON held.role_id = r.id
"""


async def apply(change: Change, provider: dict[str, Any], given: Mapping[str, Any]) -> dict[str, tuple[Any, Any]]:
    """Change `settings` and `secrets` of a provider's row by the inputs `ldap` and `saml`; what changed, for the audit.

    The row holds settings as they are and secrets sealed. `ldap: null` clears both.
    """
    for name, kind in KINDS.items():
        if given.get(name) is not None and provider["kind"] != kind:
            raise Invalid(name, reason=f"This provider is of kind {provider['kind']} and has no {kind} settings.")
    own = [name for name, kind in KINDS.items() if kind == provider["kind"] and name in given]
    if not own:
        return {}
    name = own[0]
    before, kept = provider["settings"] or {}, opened_secrets(change.sealer, provider["secrets"])
    after, secrets = await _checked(change, name, given[name], before, kept)
    changes = _told(name, before, after, kept, secrets)
    if changes:
        if provider["id"] is not None:
            await require_no_less(change, provider["id"], name)
        provider["settings"] = after or None
        provider["secrets"] = change.sealer.seal(orjson.dumps(secrets).decode()) if secrets else None
    return changes


async def _checked(
    change: Change, name: str, given: Mapping[str, Any] | None, before: Mapping[str, Any], kept: Mapping[str, str]
) -> tuple[dict[str, Any], dict[str, str]]:
    if given is None:
        return {}, {}
    if name == "saml":
        return saml_settings.checked(given, name, before=before, secrets=kept)
    after, secrets = ldap_settings.checked(given, name, before=before, secrets=kept)
    if "group_mappings" in given:
        mappings = given["group_mappings"] or []
        after["groupMappings"] = await ldap_mappings.checked_mappings(change, mappings, name, "groupMappings")
    return after, secrets


async def require_no_less(change: Change, provider_id: int, *path: str) -> None:
    """Whoever points a provider elsewhere can come in as anybody behind it: that takes all that those may do (D10)."""
    for weight, rights in await change.tx.rows(ROLES_BEHIND, provider_id):
        require_weight(change.viewer, weight, *path)
        require_rights_held(change.viewer.rights, rights_of(rights), *path)


def _told(
    name: str,
    before: Mapping[str, Any],
    after: Mapping[str, Any],
    kept: Mapping[str, str],
    secrets: Mapping[str, str],
) -> dict[str, tuple[Any, Any]]:
    """What changed, field by field; of secrets only that they did, of certificates a digest."""
    changes = {
        f"{name}.{field}": (_short(before.get(field)), _short(after.get(field)))
        for field in sorted({*before, *after})
        if before.get(field) != after.get(field)
    }
    for field in sorted({*kept, *secrets}):
        if kept.get(field) != secrets.get(field):
            changes[f"{name}.{field}"] = ("set" if field in kept else None, "changed" if field in secrets else None)
    return changes


def _short(value: Any) -> Any:
    if isinstance(value, list):
        return [_short(each) for each in value]
    if isinstance(value, str) and "-----BEGIN" in value:
        return f"sha256:{hashlib.sha256(value.encode()).hexdigest()}"
    return value
