"""How a user gets in: by what, and whether at all, in every situation."""

from typing import Any

import pytest

from tests.service import Service

DERIVED = """fragment Derived on User { state accessibility isActive isLdap isSaml isApiOnly is2faEnabled
  hasValidPassword ldapServerNumber loginDn
  identityProvider { name kind } }"""
LDAP = "ldap_provider_id = 2, login_dn = 'cn=Me,dc=x', login_dn_key = 'cn=me,dc=x'"
NOTHING = {
    "state": "ACTIVE",
    "accessibility": "NONE",
    "isActive": True,
    "isLdap": False,
    "isSaml": False,
    "isApiOnly": False,
    "is2faEnabled": False,
    "hasValidPassword": False,
    "ldapServerNumber": None,
    "loginDn": None,
}
LOCAL = {"identityProvider": {"name": "Local passwords", "kind": "LOCAL"}}
SAML = {"identityProvider": {"name": "Single sign-on", "kind": "SAML"}, "isSaml": True}
BY_LDAP = {"isLdap": True, "ldapServerNumber": 1, "loginDn": "cn=Me,dc=x"}
OFF = {"isActive": False, "accessibility": "NONE"}
KEY = "INSERT INTO api_keys (user_id, name, prefix, digest, created_at, expires_at, revoked_at) VALUES"
NOW = "CURRENT_TIMESTAMP"
LATER, EARLIER = "'2999-01-01 00:00:00+00:00'", "'2001-01-01 00:00:00+00:00'"

# What is changed of the user `member` (SQL), and what they answer then.
SITUATIONS: dict[str, tuple[list[str], dict[str, Any]]] = {
    "signs in with a password": ([], {**LOCAL, "accessibility": "INTERACTIVE", "hasValidPassword": True}),
    "has no password yet": (["password_hash = NULL"], LOCAL),
    "has no password but a key": (
        ["password_hash = NULL", f"{KEY} (8, 'x', 'x', 'x', {NOW}, {LATER}, NULL)"],
        {**LOCAL, "accessibility": "API_ONLY"},
    ),
    "has no password and an expired key": (
        ["password_hash = NULL", f"{KEY} (8, 'x', 'x', 'x', {NOW}, {EARLIER}, NULL)"],
        LOCAL,
    ),
    "has no password and a revoked key": (
        ["password_hash = NULL", f"{KEY} (8, 'x', 'x', 'x', {NOW}, NULL, {EARLIER})"],
        LOCAL,
    ),
    "is invited": (["state = 'INVITED', password_hash = NULL"], {**LOCAL, **OFF, "state": "INVITED"}),
    "is deactivated": (
        ["state = 'DEACTIVATED'"],
        {**LOCAL, **OFF, "state": "DEACTIVATED"},
    ),
    "has a password and is invited": (["state = 'INVITED'"], {**LOCAL, **OFF, "state": "INVITED"}),
    "has a password where passwords are switched off": (
        [
            "INSERT INTO identity_providers (name, name_key, prefix, kind, is_enabled, created_at, updated_at)"
            " SELECT 'Off', 'off', 'off', 'LOCAL', false, created_at, updated_at FROM identity_providers WHERE id = 1",
            "provider_id = 5",
        ],
        {**LOCAL, "identityProvider": {"name": "Off", "kind": "LOCAL"}},
    ),
    "signs in by LDAP": (
        [f"provider_id = 2, {LDAP}"],
        {**BY_LDAP, "identityProvider": {"name": "Main LDAP", "kind": "LDAP"}, "accessibility": "INTERACTIVE"},
    ),
    "signs in by an LDAP that is switched off": (
        [f"provider_id = 3, {LDAP.replace('= 2', '= 3')}"],
        {**BY_LDAP, "ldapServerNumber": 2, "identityProvider": {"name": "Old LDAP", "kind": "LDAP"}},
    ),
    "signs in by SAML": (["provider_id = 4"], {**SAML, "accessibility": "INTERACTIVE"}),
    "signs in by SAML and comes from LDAP": (
        [f"provider_id = 4, {LDAP}"],
        {**SAML, **BY_LDAP, "accessibility": "INTERACTIVE"},
    ),
    "is a program": (
        ["provider_id = NULL"],
        {"identityProvider": None, "isApiOnly": True, "accessibility": "API_ONLY"},
    ),
    "has a second factor": (
        ["totp_secret = 'sealed', totp_enabled_at = CURRENT_TIMESTAMP"],
        {**LOCAL, "accessibility": "INTERACTIVE", "hasValidPassword": True, "is2faEnabled": True},
    ),
    "has begun to set up a second factor": (
        ["totp_secret = 'sealed'"],
        {**LOCAL, "accessibility": "INTERACTIVE", "hasValidPassword": True},
    ),
}


@pytest.mark.parametrize(("changes", "expected"), list(SITUATIONS.values()), ids=list(SITUATIONS))
async def test_how_a_user_gets_in(service: Service, changes: list[str], expected: dict[str, Any]) -> None:
    """A4, A6."""
    for change in changes:
        await service.write(change if change.startswith("INSERT") else f"UPDATE users SET {change} WHERE id = 8")
    data = await service.data('{ user(by: {id: "user_8"}) { ...Derived } }' + DERIVED)
    assert data["user"] == {**NOTHING, **expected}
