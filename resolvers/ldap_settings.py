"""Settings of LDAP providers: checked, kept, and what they make of an entry."""

import re
from collections.abc import Mapping, Sequence
from typing import Any

import orjson
from cryptography import x509
from ldap3.core.exceptions import LDAPExceptionError
from ldap3.operation.search import parse_filter

from models.base import LONG
from models.database import Connection
from models.dn import is_dn
from models.errors import Invalid, ProviderNotConfigured, Refusal, Required
from models.secrets import Sealer
from models.values import camel, clean, distinguished_name, email, from_json
from resolvers.connectors.ldap_server import (
    ATTRIBUTES,
    GROUP_FILTER,
    MEMBERS,
    NOT_OF_USERS,
    USER_FILTER,
    Entry,
    LdapServer,
    address,
)

MOST_URLS = 3
MAX_VALUES = 100  # of one attribute
MOST_PEM = 100_000  # characters
MOST_PASSWORD = 1_024  # bytes
NUMBERS = {"pageSize": (500, 10, 5_000), "connectSeconds": (2, 1, 10), "receiveSeconds": (4, 1, 30)}
ATTRIBUTE = re.compile(r"[A-Za-z][A-Za-z0-9-]{0,99}|[0-2](\.[0-9]{1,10}){1,20}")
# The other names that Active Directory takes in a simple bind (MS-ADTS 5.1.1.1.1): user@realm and DOMAIN\\user.
ACCOUNT = re.compile(r'[^\s@\\=,"]+@[^\s@\\=,"]+|[^\s@\\=,"/]+\\[^@\\=,"/\[\]:;|+*?<>]+')
# Whoever changes where the bind password goes, or what is trusted to get it, has to know it.
GUARDED = ("urls", "isStartTls", "isPlaintextAllowed", "caCertificates", "bindDn")
DEFAULTS: Mapping[str, Any] = {
    "urls": [],
    "isStartTls": True,
    "isPlaintextAllowed": False,
    "caCertificates": None,
    "baseDn": None,
    "bindDn": None,
    "hasBindPassword": False,
    "userFilter": USER_FILTER,
    "groupBaseDn": None,
    "groupFilter": GROUP_FILTER,
    "attributes": {camel(name): attribute for name, attribute in ATTRIBUTES.items()},
    **{name: number[0] for name, number in NUMBERS.items()},
    "groupMappings": [],
}


def checked(
    given: Mapping[str, Any],
    *path: str | int,
    before: Mapping[str, Any] | None = None,
    secrets: Mapping[str, str] | None = None,
) -> tuple[dict[str, Any], dict[str, str]]:
    """What may be read back, by its GraphQL names, and secrets, after a change to what was there `before`.

    Absent is unchanged, null is the default. `group_mappings` need the database, and are left to `ldap_mappings`.
    Raises Invalid and Required with the field's path.
    """
    kept = {**DEFAULTS, **(before or {})}
    for name, value in given.items():
        field = camel(name)
        if field in kept and field not in ("attributes", "groupMappings"):
            kept[field] = DEFAULTS[field] if value is None else value
    if "attributes" in given:
        kept["attributes"] = _attributes(kept["attributes"], given["attributes"], *path, "attributes")
    _check_addresses(kept, *path)
    kept["caCertificates"] = _certificates(kept["caCertificates"], *path, "caCertificates")
    for name in ("baseDn", "bindDn", "groupBaseDn"):
        kept[name] = _dn(kept[name], *path, name)
    if kept["baseDn"] is None:
        raise Required(*path, "baseDn", what="The base DN, below which people are,")
    kept["userFilter"] = _filter(kept["userFilter"], ("username",), *path, "userFilter")
    kept["groupFilter"] = _filter(kept["groupFilter"], ("dn", "username"), *path, "groupFilter")
    if not MEMBERS.search(kept["groupFilter"]):
        raise Invalid(*path, "groupFilter", reason="A group filter has a part such as (member={dn}).")
    for name, (_, least, most) in NUMBERS.items():
        if not least <= kept[name] <= most:
            raise Invalid(*path, name, reason=f"{name} is {least} to {most:,}.")
    password = _password(given, kept, before or {}, secrets or {}, *path)
    kept["hasBindPassword"] = password is not None
    return kept, {} if password is None else {"bindPassword": password}


def _check_addresses(kept: Mapping[str, Any], *path: str | int) -> None:
    if not kept["urls"]:
        raise Required(*path, "urls", what="An address of the server")
    if len(kept["urls"]) > MOST_URLS:
        raise Invalid(*path, "urls", reason=f"At most {MOST_URLS} addresses of one server.")
    for index, url in enumerate(kept["urls"]):
        place = (*path, "urls", index)
        try:
            found = address(clean(url, *place, what="The address", limit=LONG))
        except ValueError as error:
            raise Invalid(*place, reason=str(error)) from error
        is_secret = found.is_tls or kept["isStartTls"]
        if not (is_secret or found.is_loopback or kept["isPlaintextAllowed"]):
            reason = "Passwords would travel in the clear. Use ldaps:// or StartTLS, or say isPlaintextAllowed: true."
            raise Invalid(*place, reason=reason)


def _certificates(text: str | None, *path: str | int) -> str | None:
    if text is None:
        return None
    try:
        if len(text) > MOST_PEM or not x509.load_pem_x509_certificates(text.encode("ascii")):
            raise ValueError
    except ValueError as error:
        reason = f"caCertificates is one or more certificates in PEM, at most {MOST_PEM:,} characters."
        raise Invalid(*path, reason=reason, limit=MOST_PEM) from error
    return text


def _dn(text: str | None, *path: str | int) -> str | None:
    if text is None:
        return None
    kept = distinguished_name(text, *path, what="The DN")
    if path[-1] == "bindDn" and ACCOUNT.fullmatch(kept):
        return kept
    if not is_dn(kept):
        raise Invalid(*path, reason="A DN looks like ou=people,dc=example,dc=com.")
    return kept


def _filter(text: str, names: Sequence[str], *path: str | int) -> str:
    """An LDAP filter with places for names; it must read as one whatever stands in those."""
    kept = clean(text, *path, what="The filter", limit=LONG)
    places = [f"{{{name}}}" for name in names]
    reason = f"A filter looks like (uid={places[-1]}), with {' or '.join(places)} in it."
    rest = kept
    for place in places:
        rest = rest.replace(place, "x")
    try:
        if rest == kept or "{" in rest or "}" in rest:
            raise Invalid(*path, reason=reason)
        parse_filter(rest, None, False, False, None, False)  # type: ignore[no-untyped-call]
    except (LDAPExceptionError, IndexError, AttributeError) as error:
        raise Invalid(*path, reason=reason) from error
    return kept


def _attributes(kept: Mapping[str, str], given: Mapping[str, Any] | None, *path: str | int) -> dict[str, str]:
    known: Mapping[str, str] = DEFAULTS["attributes"]
    if given is None:
        return dict(known)
    changed = {camel(name): value for name, value in given.items()}
    made = {name: changed.get(name, kept.get(name)) or attribute for name, attribute in known.items()}
    for name, attribute in made.items():
        if not ATTRIBUTE.fullmatch(attribute):
            raise Invalid(*path, name, reason="The name of an attribute is letters, digits and hyphens.")
    return made


def _password(
    given: Mapping[str, Any],
    kept: Mapping[str, Any],
    before: Mapping[str, Any],
    secrets: Mapping[str, str],
    *path: str | int,
) -> str | None:
    place = (*path, "bindPassword")
    if kept["bindDn"] is None:
        if given.get("bind_password") is not None:
            raise Required(*path, "bindDn", what="The DN that bindPassword belongs to")
        return None
    if "bind_password" not in given:
        if "bindPassword" in secrets and any(kept[name] != before.get(name) for name in GUARDED):
            raise Required(*place, what="bindPassword, once more where it goes somewhere else,")
        password = secrets.get("bindPassword")
    else:
        password = given["bind_password"]
    if not password:
        raise Required(*place, what="The password of bindDn")
    if len(password.encode(errors="replace")) > MOST_PASSWORD:
        raise Invalid(*place, reason=f"A password has at most {MOST_PASSWORD:,} bytes.", limit=MOST_PASSWORD)
    return password


async def server_of(connection: Connection, sealer: Sealer, provider_id: int) -> LdapServer:
    """How to reach a provider's server. Raises ProviderNotConfigured where it has no settings, or no LDAP ones."""
    row = await connection.one(
        "SELECT name, kind, settings, secrets FROM identity_providers WHERE id = $1", provider_id
    )
    settings = opened_settings(row[2]) if row is not None and row[1] == "LDAP" else None
    if row is None or settings is None:
        raise ProviderNotConfigured(kind="LDAP server")
    secrets = opened_secrets(sealer, row[3])
    if settings["hasBindPassword"] and "bindPassword" not in secrets:
        raise ProviderNotConfigured(kind="bind password that this host's USERGRAPH_SECRET_KEY can open")
    return server(row[0], settings, secrets)


def opened_settings(stored: Any) -> dict[str, Any] | None:
    """The column `settings` as either database hands it over."""
    found: dict[str, Any] | None = from_json(stored)
    return found


def opened_secrets(sealer: Sealer, stored: str | None) -> dict[str, str]:
    """The column `secrets`; empty where it was sealed with a key that is gone."""
    opened = sealer.open(stored) if stored else None
    found: dict[str, str] = orjson.loads(opened) if opened else {}
    return found


def server(name: str, settings: Mapping[str, Any], secrets: Mapping[str, str]) -> LdapServer:
    """The server that `checked` settings describe."""
    return LdapServer(
        name=name,
        urls=tuple(settings["urls"]),
        base_dn=settings["baseDn"],
        bind_dn=settings["bindDn"],
        bind_password=secrets.get("bindPassword"),
        is_start_tls=settings["isStartTls"],
        is_plaintext_allowed=settings["isPlaintextAllowed"],
        ca_certificates=settings["caCertificates"],
        user_filter=settings["userFilter"],
        group_base_dn=settings["groupBaseDn"],
        group_filter=settings["groupFilter"],
        attributes={name: settings["attributes"].get(camel(name), usual) for name, usual in ATTRIBUTES.items()},
        page_size=settings["pageSize"],
        connect_seconds=settings["connectSeconds"],
        receive_seconds=settings["receiveSeconds"],
    )


def as_user(known: LdapServer, entry: Entry) -> dict[str, Any]:
    """Fields of a user as upsertUsers takes them, and `login_dn`. What the entry lacks is not there.

    The name is the mapped one, else first and last name. Values are as the directory has them, not checked yet.
    """
    found = {name: entry.first(attribute) for name, attribute in known.attributes.items() if name not in NOT_OF_USERS}
    found["email"] = _first_address(known, entry) or found["email"]
    if not found["name"]:
        found["name"] = " ".join(filter(None, (found["first_name"], found["last_name"]))) or None
    return {**{name: value.strip() for name, value in found.items() if value and value.strip()}, "login_dn": entry.dn}


def _first_address(known: LdapServer, entry: Entry) -> str | None:
    """Of several values the first that is an email address: they have no order, and others may stand among them."""
    values = entry.values(known.attributes["email"])
    return next(filter(_is_address, values), None) if len(values) > 1 else None


def _is_address(text: str) -> bool:
    try:
        return bool(email(text))
    except Refusal:
        return False


ORDERLESS = ("username", "email", "name", "first_name", "last_name")


def all_values(known: LdapServer, entry: Entry) -> dict[str, Any]:
    """`values`: by field, all values of attributes that have several. LDAP gives these no order (RFC 4511, 4.1.7)."""
    shown = {name: entry.attributes.get(known.attributes[name].lower(), ()) for name in ORDERLESS}
    found = {name: list(dict.fromkeys(filter(None, map(str.strip, values)))) for name, values in shown.items()}
    several = {name: values[:MAX_VALUES] for name, values in found.items() if len(values) > 1}
    return {"values": several} if several else {}
