"""Turns a search result entry (RFC 4511, 4.5.2) into an Entry, as ldap3 decodes it."""

import re
from typing import Any

from ldap3.core.exceptions import LDAPExceptionError
from pyasn1.error import PyAsn1Error

from resolvers.connectors.ldap_server import Entry, LdapUnavailable, Range
from resolvers.connectors.ldap_values import text

NOT_LDAP = "Check that this port is an LDAP server's."
# What the decoder raises for bytes that are no message; it does not check them itself.
BROKEN = (IndexError, KeyError, TypeError, ValueError, RecursionError, OverflowError, PyAsn1Error, LDAPExceptionError)
_RANGE = re.compile(r"range=([0-9]{1,9})-(?:([0-9]{1,9})|\*)")


def entry_of(payload: Any) -> Entry:
    """The entry of a message. Values with options, such as `cn;lang-ja`, count where there are none without."""
    try:
        dn = bytes(payload[0][3]).decode()
        plain: dict[str, tuple[str, ...]] = {}
        tagged: dict[str, tuple[str, ...]] = {}
        ranges: dict[str, Range] = {}
        for attribute in payload[1][3]:
            name, *options = bytes(attribute[3][0][3]).decode().lower().split(";")
            values = tuple(text(name, bytes(value[3])) for value in attribute[3][1][3])
            for option in options:
                if option.startswith("range="):
                    ranges[name] = _range(option)
            found = tagged if any(not option.startswith("range=") for option in options) else plain
            found[name] = (*found.get(name, ()), *values)
    except BROKEN as error:
        raise LdapUnavailable("The server does not speak LDAP", hint=NOT_LDAP) from error
    return Entry(dn, {**tagged, **plain}, ranges=ranges, tagged=frozenset(tagged.keys() - plain.keys()))


def _range(option: str) -> Range:
    found = _RANGE.fullmatch(option)
    start, last = (int(found[1]), found[2]) if found else (0, "-1")
    if last is not None and int(last) < start:
        raise ValueError(option)
    return Range(start, None if last is None else int(last) + 1)
