"""The names by which Active Directory knows an account: `user@realm` and `DOMAIN\\user`."""

import re
from collections.abc import Mapping
from typing import Any

from models.database import Connection
from models.dn import InvalidDn, parse_dn
from models.values import key
from resolvers.ldap_settings import opened_settings

_NAME = re.compile(r"(?P<domain>[^\\@\s]+)\\(?P<user>[^\\@]+)|(?P<upn_user>[^\\@]+)@(?P<realm>[^\\@\s]+)")
_OF_DOMAINS = {
    "externalId": {"objectguid", "objectsid", "ms-ds-consistencyguid"},
    "username": {"samaccountname", "userprincipalname"},
}
PROVIDERS = "SELECT id, settings FROM identity_providers WHERE kind = 'LDAP' AND is_enabled AND settings IS NOT NULL"


def realm_of(settings: Mapping[str, Any]) -> str:
    """`corp.example.com` of a base DN that ends in DC=corp,DC=example,DC=com; empty where it is no domain's."""
    attributes = settings["attributes"]
    if not any((attributes.get(name) or "").lower() in usual for name, usual in _OF_DOMAINS.items()):
        return ""
    try:
        rdns = parse_dn(settings["baseDn"])
    except InvalidDn:
        return ""
    return ".".join(rdn[0].value.casefold() for rdn in rdns if len(rdn) == 1 and rdn[0].type == "dc")


async def usernames(connection: Connection, name: str) -> list[tuple[int, str]]:
    """The provider and username that such a name means, of each Active Directory whose domain it names.

    The domain of `user@realm` is that of `baseDn`; that of `DOMAIN\\user` is its first label, as it is by default.
    """
    if _NAME.fullmatch(name.strip()) is None:
        return []
    meant = []
    for provider_id, stored in await connection.rows(PROVIDERS):
        settings = opened_settings(stored) or {"attributes": {}, "baseDn": ""}
        if (username := username_of(settings, name)) is not None:
            meant.append((provider_id, username))
    return meant


def username_of(settings: Mapping[str, Any], name: str) -> str | None:
    """The username that such a name means at one Active Directory; None where it is no name of its domain."""
    found = _NAME.fullmatch(name.strip())
    realm = realm_of(settings)
    if found is None or not realm:
        return None
    user, domain = (found["user"] or found["upn_user"]).strip(), key(found["domain"] or found["realm"])
    if domain not in ((realm,) if found["realm"] else (realm, realm.partition(".")[0])):
        return None
    is_upn = settings["attributes"]["username"].lower() == "userprincipalname"
    return f"{user}@{realm}" if is_upn else user
