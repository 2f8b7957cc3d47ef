"""Names of attributes: one attribute has several (`sn`, `surname`, 2.5.4.4), and a server answers by any of them.

OpenLDAP answers by the main name whatever name was asked for; 389 Directory Server by the one that was asked for.
"""

import re
from collections import OrderedDict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from time import monotonic

from resolvers.connectors.ldap_server import Entry

CACHE_SECONDS = 600.0
MAX_CACHED = 100  # servers
MAX_NAMES = 50_000
# RFC 4519, 4524, 2798 and 4512: used where a server does not show its schema.
STANDARD = """
2.5.4.3 cn commonName
2.5.4.4 sn surname
2.5.4.7 l localityName
2.5.4.8 st stateOrProvinceName
2.5.4.9 street streetAddress
2.5.4.10 o organizationName
2.5.4.11 ou organizationalUnitName
2.5.4.42 givenName gn
0.9.2342.19200300.100.1.1 uid userid
0.9.2342.19200300.100.1.3 mail rfc822Mailbox
0.9.2342.19200300.100.1.41 mobile mobileTelephoneNumber
1.2.840.113549.1.9.1 email emailAddress pkcs9email
2.5.18.1 createTimestamp
2.5.18.2 modifyTimestamp
1.3.6.1.1.16.4 entryUUID
2.16.840.1.113730.3.1.3 employeeNumber
2.16.840.1.113730.3.1.241 displayName
""".strip().splitlines()
_DESCRIPTION = re.compile(r"\(\s*([A-Za-z0-9][A-Za-z0-9.-]*)\s+NAME\s+(?:'([^']+)'|\(([^)]*)\))")


class AttributeNames:
    """Which names mean the same attribute; all in lower case. `is_complete`: the server's own schema."""

    def __init__(self, groups: Iterable[Sequence[str]], *, is_complete: bool = False) -> None:
        self._groups: dict[str, tuple[str, ...]] = {}
        self.is_complete = is_complete
        for names in groups:
            group = tuple(name.lower() for name in names)
            for name in group:
                self._groups.setdefault(name, group)

    def same_as(self, name: str) -> tuple[str, ...]:
        """All names of the attribute, including this one; empty for an unknown attribute."""
        return self._groups.get(name.lower(), ())


STANDARD_NAMES = AttributeNames(line.split() for line in STANDARD)
_cache: OrderedDict[str, tuple[float, AttributeNames]] = OrderedDict()


def cached_names(server: str) -> AttributeNames | None:
    """The names that were read from this server lately."""
    found = _cache.get(server)
    return found[1] if found is not None and found[0] > monotonic() else None


def cache_names(server: str, names: AttributeNames) -> None:
    _cache[server] = (monotonic() + CACHE_SECONDS, names)
    _cache.move_to_end(server)
    while len(_cache) > MAX_CACHED:
        _cache.popitem(last=False)


def parse_schema(descriptions: Iterable[str]) -> AttributeNames:
    """The values of `attributeTypes` (RFC 4512, 4.1.2): an OID with one or several names."""
    groups: list[list[str]] = []
    for description in descriptions:
        found = _DESCRIPTION.match(description)
        if found is not None and len(groups) < MAX_NAMES:
            groups.append([found[1], *([found[2]] if found[2] else re.findall(r"'([^']+)'", found[3]))])
    return AttributeNames(groups, is_complete=True) if groups else STANDARD_NAMES


def has_unknown(entries: Iterable[Entry], requested: Sequence[str], names: AttributeNames) -> bool:
    """Whether some attribute of an answer is none of those requested, as far as these names tell."""
    known = {name for each in requested for name in (each, *names.same_as(each))}
    return any(name not in known for entry in entries for name in entry.attributes)


def rename_all(entries: Sequence[Entry], requested: Sequence[str], names: AttributeNames) -> list[Entry]:
    """The entries with every requested name that they have under another one."""
    known = set(requested)
    has_twins = any(known & set(names.same_as(name)) - {name} for name in requested)
    return [
        entry if entry.attributes.keys() <= known and not has_twins else _rename(entry, requested, names)
        for entry in entries
    ]


def _rename(entry: Entry, requested: Sequence[str], names: AttributeNames) -> Entry:
    added: dict[str, tuple[str, ...]] = {}
    ranges = dict(entry.ranges)
    for name in requested:
        shown = [each for each in names.same_as(name) if each in entry.attributes]
        if shown and shown != [name]:
            sources = [each for each in shown if each not in entry.tagged] or shown
            added[name] = tuple(dict.fromkeys(value for each in sources for value in entry.attributes[each]))
            found = [entry.ranges[each] for each in sources if each in entry.ranges]
            if found:
                ranges[name] = found[0]
    if not added:
        return entry
    attributes: Mapping[str, tuple[str, ...]] = {**entry.attributes, **added}
    return replace(entry, attributes=attributes, ranges=ranges)
