"""Attributes of many values, of which Active Directory gives some at a time (MS-ADTS 3.1.1.3.1.3.3).

`member;range=0-1499` are the first ones, `member;range=1500-*` asks for those behind them, and the last ones come as
`member;range=3000-*`. Other servers give all at once.
"""

from resolvers.connectors.ldap_connections import deadline
from resolvers.connectors.ldap_server import Entry, LdapServer, LdapUnavailable
from resolvers.connectors.ldap_session import ANYTHING, BASE, Session

LONGEST = 5  # times the time of a search, for all ranges of one attribute


async def values(talk: Session, server: LdapServer, entry: Entry, name: str, *, most: int) -> list[str]:
    """All values of an attribute. Raises LdapUnavailable, also where there are more than `most`.

    Ranges that leave something out, repeat themselves, are empty or do not end are a fault too: whoever is missing
    from a group could lose their access.
    """
    name = name.lower()
    found: list[str] = []
    async with deadline(server.receive_seconds * LONGEST, "search"):
        start, part = 0, entry
        while True:
            given, some = part.ranges.get(name), part.attributes.get(name, ())
            found += some
            if len(found) > most:
                raise LdapUnavailable(f"{entry.dn[:200]} has more than {most:,} values of {name}", step="search")
            if given is None:
                return found
            if given.start != start or not some:
                raise _broken(entry, name)
            if given.next is None:
                return found
            start = given.next
            part = await _from(talk, server, entry, name, start)


async def _from(talk: Session, server: LdapServer, entry: Entry, name: str, start: int) -> Entry:
    async with deadline(server.receive_seconds, "search"):
        page = await talk.search(entry.dn, ANYTHING, (f"{name};range={start}-*",), scope=BASE, most=1)
    if not page.entries or name not in page.entries[0].ranges:
        raise _broken(entry, name)
    return page.entries[0]


def _broken(entry: Entry, name: str) -> LdapUnavailable:
    hint = "It may have changed meanwhile: try again."
    return LdapUnavailable(f"The server does not give all of {name} of {entry.dn[:200]}", step="search", hint=hint)
