"""The groups of a directory's users: what their entries say, and what the entries of groups say, nested ones too."""

import asyncio
import re
from collections.abc import AsyncGenerator, Iterable, Sequence
from dataclasses import replace
from time import monotonic

from models.dn import InvalidDn, dn_key, normalize_dn
from models.values import key
from resolvers.connectors import ldap_ranges
from resolvers.connectors.ldap_bases import require_base
from resolvers.connectors.ldap_connections import deadline
from resolvers.connectors.ldap_primary_groups import PrimaryGroups
from resolvers.connectors.ldap_server import MEMBERS, Entry, LdapServer, LdapUnavailable
from resolvers.connectors.ldap_session import NOTHING, Session
from resolvers.connectors.ldap_values import escaped

DEEPEST = 10  # groups within groups
MOST_GROUPS = 5_000  # of one user
MOST_MEMBERSHIPS = 5_000_000  # of all users and groups, some 100 bytes each
MEMBERS_ASKED_FOR = 100  # by one search
GROUPS_A_PAGE = 100  # each with all its members, or with the first 1,500
IN_TURNS = 500  # members that are kept before others of this process have their turn
SIGN_OF_LIFE = 5.0  # seconds
MOST_SECONDS = 300.0  # for all groups


async def found_groups(talk: Session, server: LdapServer, entry: Entry) -> Entry:
    """The entry with its groups: looked for level by level, where a base for groups is set; loops end."""
    found = await _member_of(talk, server, entry, PrimaryGroups())
    if server.group_base_dn:
        level = [entry.dn, *found.values()]
        for _ in range(DEEPEST):
            new = {dn_key(dn): dn for dn in await _groups_with(talk, server, entry, level)}
            level = [dn for each, dn in new.items() if each not in found]
            found |= new
            if not level or len(found) > MOST_GROUPS:
                break
    return replace(entry, groups=tuple(found.values())[:MOST_GROUPS])


async def _member_of(talk: Session, server: LdapServer, entry: Entry, primary_groups: PrimaryGroups) -> dict[str, str]:
    """The groups that the entry itself names, and its primary group, by the keys of their DNs."""
    dns = await ldap_ranges.values(talk, server, entry, server.attributes["member_of"], most=MOST_GROUPS)
    primary = await primary_groups.find(talk, server, entry)
    if primary is not None:
        dns.append(primary)
    return {dn_key(dn): dn for dn in dns}


async def _groups_with(talk: Session, server: LdapServer, entry: Entry, members: Sequence[str]) -> list[str]:
    username = escaped(entry.first(server.attributes["username"]) or "")
    template = server.group_filter.replace("{username}", username)
    found: list[str] = []
    for start in range(0, len(members), MEMBERS_ASKED_FOR):
        some = members[start : start + MEMBERS_ASKED_FOR]
        condition = "".join(template.replace("{dn}", escaped(dn)) for dn in some)
        found += await _dns(talk, server, f"(|{condition})")
        if len(found) > MOST_GROUPS:
            break
    return found


async def _dns(talk: Session, server: LdapServer, condition: str) -> list[str]:
    assert server.group_base_dn is not None
    found: list[str] = []
    cookie = b""
    while True:
        page = await talk.search(server.group_base_dn, condition, NOTHING, most=server.page_size, cookie=cookie)
        found += [group.dn for group in page.entries]
        cookie = page.cookie
        if not cookie or len(found) > MOST_GROUPS:
            return found


class Memberships:
    """Who is in which group, read from all groups at once: for when all users are read."""

    def __init__(self, server: LdapServer) -> None:
        self._server = server
        # The DNs of groups by the key of each member, as `_member_key` makes it.
        self._groups: dict[str, tuple[str, ...]] = {}
        self._count = 0
        self._primary_groups = PrimaryGroups()

    async def read(self, talk: Session) -> AsyncGenerator[None, None]:
        """All groups with all their members, where a base for groups is set; says now and then that it goes on."""
        server = self._server
        if not server.group_base_dn:
            return
        members = sorted(set(MEMBERS.findall(server.group_filter)))
        names = sorted({name for name, _ in members})
        condition = server.group_filter.replace("{dn}", "*").replace("{username}", "*")
        most = min(server.page_size, GROUPS_A_PAGE)
        cookie: bytes | None = b""
        begun = told = monotonic()
        is_empty = True
        while cookie is not None:
            async with deadline(server.receive_seconds * 2, "search"):
                page = await talk.search(server.group_base_dn, condition, names, most=most, cookie=cookie)
            if page.is_cut or monotonic() - begun > MOST_SECONDS:
                raise _too_many()
            is_empty = is_empty and not page.entries
            for group in page.entries:
                await self._add(talk, group, members)
                if monotonic() - told > SIGN_OF_LIFE:
                    told = monotonic()
                    yield
            cookie = page.cookie or None
        if is_empty:  # else everybody would lose what their groups give
            async with deadline(server.receive_seconds, "search"):
                await require_base(talk, "groupBaseDn", server.group_base_dn)

    async def _add(self, talk: Session, group: Entry, names: Iterable[tuple[str, str]]) -> None:
        for name, kind in names:
            members = await ldap_ranges.values(talk, self._server, group, name, most=MOST_MEMBERSHIPS)
            self._count += len(members)
            if self._count > MOST_MEMBERSHIPS:
                raise _too_many()
            for place, member in enumerate(members, 1):
                if each := _member_key(kind, member):
                    self._groups[each] = (*self._groups.get(each, ()), group.dn)
                if place % IN_TURNS == 0:
                    await asyncio.sleep(0)

    async def added(self, talk: Session, entry: Entry) -> Entry:
        """The entry with its groups, direct and through other groups."""
        found = await _member_of(talk, self._server, entry, self._primary_groups)
        if self._groups:
            name = entry.first(self._server.attributes["username"])
            level = [dn_key(entry.dn), *found, *([_member_key("username", name)] if name else ())]
            for _ in range(DEEPEST):
                new = {dn_key(dn): dn for each in level for dn in self._groups.get(each, ())}
                level = [each for each in new if each not in found]
                found |= new
                if not level:
                    break
        return replace(entry, groups=tuple(found.values())[:MOST_GROUPS])


_OPTIONAL_UID = re.compile(r"#'[01]*'B$")  # behind the DN of a uniqueMember (RFC 4517, 3.3.21)


def _member_key(kind: str, member: str) -> str:
    """The normal form of a member, by which kind of name a group names it; empty for what names nobody.

    A username begins with a sign that no DN begins with, so that none is taken for the DN of an entry.
    """
    if kind == "username":
        return f"={key(member)}"
    try:
        return normalize_dn(_OPTIONAL_UID.sub("", member))
    except InvalidDn:
        return ""


def _too_many() -> LdapUnavailable:
    hint = "Let the service account read everything, narrow groupFilter, or leave groupBaseDn out."
    return LdapUnavailable("The groups cannot be read as a whole", step="search", hint=hint)
