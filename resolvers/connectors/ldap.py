"""LDAP servers: who somebody is, and who is there."""

import asyncio
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from datetime import UTC, datetime
from typing import Literal

from models.dn import dn_key
from models.values import key, now, spelling
from resolvers.connectors.ldap_account_state import STATE_ATTRIBUTES, filetime
from resolvers.connectors.ldap_bases import require_base
from resolvers.connectors.ldap_connections import deadline, session
from resolvers.connectors.ldap_groups import Memberships
from resolvers.connectors.ldap_primary_groups import PRIMARY_GROUP_ATTRIBUTES
from resolvers.connectors.ldap_ranges import LONGEST
from resolvers.connectors.ldap_server import Entry, LdapRefused, LdapServer, LdapUnavailable, Step
from resolvers.connectors.ldap_session import ANYTHING, BASE, NOTHING, SUBTREE, Session
from resolvers.connectors.ldap_values import escaped, escaped_ids

__all__ = [
    "Entry",
    "LdapServer",
    "LdapUnavailable",
    "Step",
    "authenticate",
    "find",
    "find_many",
    "pages",
    "tells_since",
]

SIDE_BY_SIDE = 4  # conversations that share many look-ups
EACH = 50  # look-ups that are worth a conversation
MOST_SECONDS = 300.0  # for all of them
EVER = "19700101000000"  # the beginning of a generalized time; what follows it are fractions and zone
ELSEWHERE = frozenset({10, 50})  # result codes: a referral, and an entry that may not be read


async def authenticate(
    server: LdapServer, *, login_dn: str | None, username: str, password: str, external_id: str | None = None
) -> Entry | None:
    """Who proved themselves by this password; None for a wrong name or password. Raises LdapUnavailable.

    Their entry is found first, by the stored DN or by name, then bound as; where there is no service account and the
    DN is known, it is bound as first and read by itself. Where that leads to no entry, or to another one than that of
    `external_id`, the entry of that id is theirs, wherever it is now. An empty password is refused before anything is
    sent. Groups are not looked for: what they give follows with the next sync.
    """
    if not password or not (login_dn or username):
        return None
    async with deadline(server.seconds), session(server) as talk:
        if login_dn and not server.bind_dn:
            if await talk.bind(login_dn, password):
                entry = await _by_itself(talk, server, login_dn)
                if entry is None or not _is_another(server, entry, external_id):
                    return entry
            else:
                entry = None
            moved = await _moved(talk, server, external_id)
            if moved is None or dn_key(moved.dn) == dn_key(login_dn):
                return entry
            return moved if await talk.bind(moved.dn, password) else None
        entry = await one(talk, server, login_dn=login_dn, username=username)
        if entry is None or _is_another(server, entry, external_id):
            entry = await _moved(talk, server, external_id) or entry
        if entry is None or not await talk.bind(entry.dn, password):
            return None
        return entry


def _is_another(server: LdapServer, entry: Entry, external_id: str | None) -> bool:
    return external_id is not None and external_id not in entry.values(server.attributes["external_id"])


async def _moved(talk: Session, server: LdapServer, external_id: str | None) -> Entry | None:
    """The entry of this id, if whoever is bound may look for it."""
    if external_id is None:
        return None
    try:
        return await one(talk, server, external_id=external_id)
    except LdapRefused:
        return None


async def _by_itself(talk: Session, server: LdapServer, login_dn: str) -> Entry | None:
    """The entry that was just bound as; None where it is none of those that the filter of users lets in."""
    entry = await one(talk, server, login_dn=login_dn)
    if entry is None and not (await talk.search(login_dn, ANYTHING, NOTHING, scope=BASE, most=1)).entries:
        hint = "Set a service account (bindDn) that may read people."
        raise LdapUnavailable("The server does not let people read their own entries", step="search", hint=hint)
    return entry


async def find(
    server: LdapServer, *, login_dn: str | None = None, username: str | None = None, external_id: str | None = None
) -> Entry | None:
    """The one entry of this DN, else of this external id, else of this name; None where there is none, or several.

    Whatever it is looked for by, the filter of users has to let it in. Without groups. Raises LdapUnavailable.
    """
    async with deadline(server.seconds), session(server) as talk:
        return await one(talk, server, login_dn=login_dn, username=username, external_id=external_id)


async def find_many(server: LdapServer, dns: Sequence[str]) -> set[str]:
    """Those of these DNs that the server has and the filter of users lets in. Raises LdapUnavailable.

    One conversation for a few, some side by side for many, each look-up within the time of a search.
    """
    width = min(SIDE_BY_SIDE, -(-len(dns) // EACH))
    parts = [dns[start::width] for start in range(width)]
    tasks = [asyncio.create_task(_there(server, part)) for part in parts]
    try:
        async with deadline(MOST_SECONDS, "search"):
            return set().union(*await asyncio.gather(*tasks))
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _there(server: LdapServer, dns: Sequence[str]) -> set[str]:
    found = set()
    async with session(server) as talk:
        for dn in dns:
            async with deadline(server.receive_seconds, "search"):
                if await _is_there(talk, server, dn):
                    found.add(dn)
    return found


async def _is_there(talk: Session, server: LdapServer, dn: str) -> bool:
    try:
        return bool((await talk.search(dn, everybody(server), NOTHING, scope=BASE, most=1)).entries)
    except LdapRefused as refused:
        if refused.code not in ELSEWHERE:
            raise
        return False  # one DN that leads elsewhere is nothing against the others


async def one(
    talk: Session,
    server: LdapServer,
    *,
    login_dn: str | None = None,
    username: str | None = None,
    external_id: str | None = None,
    attributes: Sequence[str] = (),
) -> Entry | None:
    """The same in a conversation that is open; with more attributes than those of a user."""
    base, conditions = server.base_dn, [everybody(server)]
    scope: Literal["BASE", "SUBTREE"] = SUBTREE
    if login_dn:
        base, scope = login_dn, BASE
    elif external_id:
        name = server.attributes["external_id"]
        conditions = [f"(&({name}={each}){everybody(server)})" for each in escaped_ids(name, external_id)]
    elif username:
        conditions = [server.user_filter.replace("{username}", escaped(username))]
    else:
        return None
    asked = sorted({*attributes, *_of_user(server)})
    for condition in conditions:
        found = await talk.search(base, condition, asked, scope=scope, most=2)
        if found.entries:
            break
    if len(found.entries) != 1 or found.is_cut:
        return None
    entry = found.entries[0]
    by_name = username if not login_dn and not external_id else None
    return None if by_name is not None and _is_look_alike(server, entry, by_name) else entry


def _is_look_alike(server: LdapServer, entry: Entry, name: str) -> bool:
    """Whether an entry only has a name that looks like this one: to a server, `weiß` may be `weiss` (RFC 4518)."""
    known = [each for at in ("username", "email") for each in entry.attributes.get(server.attributes[at].lower(), ())]
    return spelling(name) not in map(spelling, known) and key(name) in map(key, known)


async def pages(server: LdapServer, *, since: str | None = None) -> AsyncGenerator[list[Entry], None]:
    """All users with their groups, page by page (RFC 2696). Raises LdapUnavailable.

    `since`, a time as the server writes it (`attributes["changed_at"]`), leaves out who has not changed since then. An
    empty page says only that the server still answers. A list that it cuts short is an error, never a short list.
    """
    condition = everybody(server) if since is None else _since(server, since, is_whole=True)
    names = sorted({*server.attributes.values(), *server.change_times, *STATE_ATTRIBUTES, *PRIMARY_GROUP_ATTRIBUTES})
    async with session(server) as talk:
        groups = Memberships(server)
        async with aclosing(groups.read(talk)) as reading:
            async for _ in reading:
                yield []
        cookie: bytes | None = b""
        is_empty = True
        while cookie is not None:
            async with deadline(server.receive_seconds * 2):
                page = await talk.search(server.base_dn, condition, names, most=server.page_size, cookie=cookie)
            if page.is_cut:
                hint = "Let the service account read everything (slapd: limits; Active Directory: MaxPageSize)."
                raise LdapUnavailable("The server cuts the list short", step="search", hint=hint)
            async with deadline(server.receive_seconds * LONGEST, "search"):
                users = [await groups.added(talk, entry) for entry in page.entries]
            is_empty = is_empty and not users
            yield users
            cookie = page.cookie or None
        if is_empty:
            async with deadline(server.receive_seconds, "search"):
                await require_base(talk, "baseDn", server.base_dn)


async def tells_since(server: LdapServer, since: str) -> bool:
    """Whether users can be asked for by when they changed. Raises LdapUnavailable.

    A server may show a time that it does not search by, such as Active Directory its constructed modifyTimeStamp
    (MS-ADTS 3.1.1.3.1.3.1): a reading by it would find nobody, and nobody would notice. So anybody at all has to be
    found, changed at whatever time.
    """
    async with deadline(server.seconds), session(server) as talk:
        return await finds_since(talk, server, since)


async def finds_since(talk: Session, server: LdapServer, since: str) -> bool:
    """The same in a conversation that is open."""
    ever = _since(server, f"{EVER}{since[len(EVER) :]}")
    try:
        return bool((await talk.search(server.base_dn, ever, NOTHING, most=1)).entries)
    except LdapRefused:
        return False


def _since(server: LdapServer, since: str, *, is_whole: bool = False) -> str:
    """Users who changed; with `is_whole` those too whose account has expired since: no change of the entry says so."""
    changed = "".join(f"({attribute}>={escaped(since)})" for attribute in server.change_times)
    if is_whole and server.attributes["changed_at"].lower() == "whenchanged":
        first = filetime(datetime.strptime(since[:14], "%Y%m%d%H%M%S").replace(tzinfo=UTC))
        changed += f"(&(accountExpires>={first})(accountExpires<={filetime(now())}))"
    return f"(&{everybody(server)}(|{changed}))"


def everybody(server: LdapServer) -> str:
    """The filter of users for all of them: any name will do."""
    return server.user_filter.replace("{username}", "*")


def _of_user(server: LdapServer) -> list[str]:
    """The attributes of a user; groups, of which there may be many, are asked for where they are used."""
    return [attribute for name, attribute in server.attributes.items() if name != "member_of"]
