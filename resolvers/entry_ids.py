"""An entry's own id in its directory, by which a DN that has passed to somebody else is told."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from models.base import LONG
from resolvers.connectors.ldap import Entry, LdapServer

NAMED_BY = ("provider_id", "ldap_provider_id", "login_dn_key")


def entry_id(server: LdapServer, entry: Entry) -> str:
    """`entryuuid:6f1c…`: the attribute that the provider's settings take for it, and its value.

    Nothing stands behind the colon where the entry has none, or none that can be kept.
    """
    attribute = server.attributes["external_id"].lower()
    found = f"{attribute}:{(entry.first(attribute) or '').strip()}"
    return found if found.isprintable() and len(found) <= LONG else f"{attribute}:"


def several(server: LdapServer, entry: Entry) -> list[str]:
    """The ids of an entry whose attribute has several values, as they are stored; else empty."""
    attribute = server.attributes["external_id"].lower()
    values = entry.values(attribute)
    return [f"{attribute}:{each}" for each in values if each] if len(values) > 1 else []


def with_stored_id(server: LdapServer, entry: Entry, stored: Sequence[str]) -> Entry:
    """Of several ids, which have no order in LDAP, the entry with that one first which is stored already."""
    known = next((value_of(server, each) for each in stored if each in several(server, entry)), None)
    if known is None:
        return entry
    attribute = server.attributes["external_id"].lower()
    others = (each for each in entry.attributes[attribute] if each.strip() != known)
    return replace(entry, attributes={**entry.attributes, attribute: (known, *others)})


def value_of(server: LdapServer, stored: str | None) -> str | None:
    """The id by which a stored entry is looked for; None where the settings take another attribute for it now."""
    attribute, _, value = (stored or "").partition(":")
    return value or None if attribute == server.attributes["external_id"].lower() else None


def is_another(stored: str | None, found: str) -> bool:
    """Whether an entry is not the one that was stored; one that shows no id any more cannot prove to be it.

    Ids by different attributes say nothing of each other: the settings have changed since, and it is learned anew.
    """
    return stored is not None and stored != found and stored.partition(":")[0] == found.partition(":")[0]


def to_keep(found: str) -> str | None:
    return found if found.partition(":")[2] else None


def is_named_alike(before: Mapping[str, Any], after: Mapping[str, Any]) -> bool:
    """Whether columns of users (NAMED_BY) lead to one entry: by DN, or where there is none, by name at a provider."""
    return _named(before) == _named(after)


def _named(columns: Mapping[str, Any]) -> tuple[Any, Any]:
    dn = columns["login_dn_key"]
    return (columns["provider_id"], None) if dn is None else (columns["ldap_provider_id"], dn)
