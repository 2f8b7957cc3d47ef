"""Trying an identity provider out: what works, step by step (testIdentityProvider)."""

from typing import Any

from models.errors import Invalid, NotFound
from models.providers import ProviderKind
from resolvers import ldap_settings, saml_settings
from resolvers.changes import Before, Change, number
from resolvers.connectors import ldap_probe
from resolvers.connectors.ldap_server import Step
from resolvers.domain_accounts import username_of
from resolvers.policy import Right

LONGEST = 255  # of a username


async def prepare_probe(before: Before, given: dict[str, Any]) -> None:
    """Ask the provider: that takes seconds where it hangs, and nothing of the database is held meanwhile."""
    before.viewer.require_everywhere(Right.MANAGE_PROVIDERS)
    username = given.pop("username", None)
    if username is not None and not 1 <= len(username) <= LONGEST:
        raise Invalid("username", reason=f"A username has 1 to {LONGEST} characters.")
    provider_id = number("identity provider", "provider", given["id"], "id")
    sql = "SELECT name, kind, settings, secrets FROM identity_providers WHERE id = $1"
    async with before.database.reading() as connection:
        row = await connection.one(sql, provider_id)
    if row is None:
        raise NotFound("id", what="identity provider", key=given["id"])
    name, kind, stored, sealed = row
    settings = ldap_settings.opened_settings(stored)
    secrets = ldap_settings.opened_secrets(before.sealer, sealed)
    steps = _settings_steps(kind, settings, is_sealed=bool(sealed and not secrets))
    if settings and all(step.is_ok for step in steps):
        if kind == ProviderKind.LDAP:
            server = ldap_settings.server(name, settings, secrets)
            other = username_of(settings, username) if username else None
            steps += await ldap_probe.probe(server, username=username, domain_username=other)
        else:
            steps += saml_settings.check(settings)
    given["steps"] = steps


def _settings_steps(kind: str, settings: Any, *, is_sealed: bool) -> list[Step]:
    if kind == ProviderKind.LOCAL:
        return [Step("settings", True, "Passwords are kept here; there is nothing else to reach.")]
    if not settings:
        return [Step("settings", False, f"Nothing is set. Send {kind.lower()} with updateIdentityProvider.")]
    if is_sealed:
        return [Step("settings", False, "USERGRAPH_SECRET_KEY does not open its secrets. Send them again.")]
    return [Step("settings", True, "They are complete.")]


async def probe_provider(change: Change, *, id: str, steps: list[Step]) -> dict[str, Any]:
    """What was found. Nothing is changed by it."""
    change.viewer.require_everywhere(Right.MANAGE_PROVIDERS)
    found = [{"name": each.name, "isOk": each.is_ok, "message": each.message} for each in steps]
    return {
        "identityProvider": number("identity provider", "provider", id, "id"),
        "isOk": all(each.is_ok for each in steps),
        "steps": found,
        "errors": [],
    }
