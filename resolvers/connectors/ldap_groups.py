"""The groups of a directory's users: what their entries say, and what the entries of groups say, nested ones too."""

from collections.abc import Iterable, Mapping
from dataclasses import replace

from resolvers.connectors.ldap_server import MEMBERS, Entry, LdapServer, LdapUnavailable, dn_key
from resolvers.connectors.ldap_session import Found, Session, escaped

DEEPEST = 10  # groups within groups
MOST_GROUPS = 1_000  # of one user
MOST_MEMBERSHIPS = 5_000_000  # of all users and groups, some 100 bytes each
NOTHING = ("1.1",)  # asks for the DN alone (RFC 4511, 4.5.1.8)

# The DNs of groups by the key of each member: a DN's, or a name where groups name their members so.
Memberships = Mapping[str, tuple[str, ...]]


async def found_groups(talk: Session, server: LdapServer, entry: Entry) -> Entry:
    """The entry with its groups: looked for level by level, where a base for groups is set; loops end."""
    found = {dn_key(dn): dn for dn in _member_of(server, entry)}
    if server.group_base_dn:
        level = [entry.dn, *found.values()]
        for _ in range(DEEPEST):
            new = {dn_key(dn): dn for dn in await _groups_with(talk, server, entry, level)}
            level = [dn for each, dn in new.items() if each not in found]
            found |= new
            if not level or len(found) > MOST_GROUPS:
                break
    return replace(entry, groups=tuple(found.values())[:MOST_GROUPS])


def _member_of(server: LdapServer, entry: Entry) -> tuple[str, ...]:
    return entry.attributes.get(server.attributes["member_of"].lower(), ())


async def _groups_with(talk: Session, server: LdapServer, entry: Entry, members: Iterable[str]) -> list[str]:
    username = escaped(entry.first(server.attributes["username"]) or "")
    template = server.group_filter.replace("{username}", username)
    condition = "".join(template.replace("{dn}", escaped(dn)) for dn in members)
    assert server.group_base_dn is not None
    found: list[str] = []
    cookie = b""
    while True:
        page = await talk.search(server.group_base_dn, f"(|{condition})", NOTHING, most=server.page_size, cookie=cookie)
        found += [group.dn for group in page.entries]
        cookie = page.cookie
        if not cookie or len(found) > MOST_GROUPS:
            return found


async def memberships(talk: Session, server: LdapServer) -> Memberships:
    """Who is in which group, read from all groups at once: for when all users are read."""
    if not server.group_base_dn:
        return {}
    names = sorted({name for name, _ in MEMBERS.findall(server.group_filter)})
    condition = server.group_filter.replace("{dn}", "*").replace("{username}", "*")
    made: dict[str, tuple[str, ...]] = {}
    count, cookie = 0, b""
    while True:
        page = await talk.search(server.group_base_dn, condition, names, most=server.page_size, cookie=cookie)
        count += _add(made, page, names)
        if page.is_cut or count > MOST_MEMBERSHIPS:
            hint = "Let the service account read everything, narrow groupFilter, or leave groupBaseDn out."
            raise LdapUnavailable("The groups cannot be read as a whole", step="search", hint=hint)
        cookie = page.cookie
        if not cookie:
            return made


def _add(made: dict[str, tuple[str, ...]], page: Found, names: Iterable[str]) -> int:
    count = 0
    for group in page.entries:
        for name in names:
            for member in group.attributes.get(name.lower(), ()):
                each = dn_key(member)
                made[each] = (*made.get(each, ()), group.dn)
                count += 1
    return count


def with_groups(entry: Entry, server: LdapServer, known: Memberships) -> Entry:
    """The entry with its groups, direct and through other groups."""
    found = {dn_key(dn): dn for dn in _member_of(server, entry)}
    if known:
        name = entry.first(server.attributes["username"])
        level = [dn_key(entry.dn), *found, *([dn_key(name)] if name else ())]
        for _ in range(DEEPEST):
            new = {dn_key(dn): dn for each in level for dn in known.get(each, ())}
            level = [each for each in new if each not in found]
            found |= new
            if not level:
                break
    return replace(entry, groups=tuple(found.values())[:MOST_GROUPS])
