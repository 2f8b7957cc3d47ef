"""LDAP servers: who somebody is, and who is there."""

import asyncio
from collections.abc import AsyncGenerator, Sequence
from typing import Literal

from resolvers.connectors import ldap_groups
from resolvers.connectors.ldap_connections import deadline, session
from resolvers.connectors.ldap_server import Entry, LdapRefused, LdapServer, LdapUnavailable, Step
from resolvers.connectors.ldap_session import BASE, SUBTREE, Session, escaped, escaped_id

__all__ = ["Entry", "LdapServer", "LdapUnavailable", "Step", "authenticate", "find", "find_many", "pages"]

ANYTHING = "(objectClass=*)"
NOTHING = ("1.1",)  # no attributes (RFC 4511)
SIDE_BY_SIDE = 4  # conversations that share many look-ups
EACH = 50  # look-ups that are worth a conversation
MOST_SECONDS = 300.0  # for all of them
ELSEWHERE = frozenset({10, 50})  # result codes: a referral, and an entry that may not be read


async def authenticate(server: LdapServer, *, login_dn: str | None, username: str, password: str) -> Entry | None:
    """Who proved themselves by this password; None for a wrong name or password. Raises LdapUnavailable.

    Their entry is found first, by the stored DN or by name, then bound as; where there is no service account and the
    DN is known, it is bound as first and read by itself. An empty password is refused before anything is sent.
    """
    if not password or not (login_dn or username):
        return None
    async with deadline(server.seconds), session(server) as talk:
        if login_dn and not server.bind_dn:
            if not await talk.bind(login_dn, password):
                return None
            return await _by_itself(talk, server, login_dn)
        entry = await one(talk, server, login_dn=login_dn, username=username)
        if entry is None or not await talk.bind(entry.dn, password):
            return None
        return entry


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

    Whatever it is looked for by, the filter of users has to let it in. Raises LdapUnavailable.
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
) -> Entry | None:
    """The same in a conversation that is open."""
    base, condition = server.base_dn, everybody(server)
    scope: Literal["BASE", "SUBTREE"] = SUBTREE
    if login_dn:
        base, scope = login_dn, BASE
    elif external_id:
        name = server.attributes["external_id"]
        condition = f"(&({name}={escaped_id(name, external_id)}){condition})"
    elif username:
        condition = server.user_filter.replace("{username}", escaped(username))
    else:
        return None
    found = await talk.search(base, condition, _attributes(server), scope=scope, most=2)
    if len(found.entries) != 1 or found.is_cut:
        return None
    return await ldap_groups.found_groups(talk, server, found.entries[0])


async def pages(server: LdapServer, *, since: str | None = None) -> AsyncGenerator[list[Entry], None]:
    """All users page by page (RFC 2696), each with the attribute `modifytimestamp`. Raises LdapUnavailable.

    `since` (generalized time, 20260101000000Z) leaves out who has not changed since then. Each page has the time of
    one answer. A list that the server cuts short is an error, never a short list.
    """
    condition = everybody(server)
    if since is not None:
        condition = f"(&{condition}(modifyTimestamp>={escaped(since)}))"
    async with session(server) as talk:
        async with deadline(server.receive_seconds * 10):
            known = await ldap_groups.memberships(talk, server)
        cookie: bytes | None = b""
        while cookie is not None:
            async with deadline(server.receive_seconds * 2):
                page = await talk.search(
                    server.base_dn, condition, _attributes(server), most=server.page_size, cookie=cookie
                )
            if page.is_cut:
                hint = "Let the service account read everything (slapd: limits; Active Directory: MaxPageSize)."
                raise LdapUnavailable("The server cuts the list short", step="search", hint=hint)
            yield [ldap_groups.with_groups(entry, server, known) for entry in page.entries]
            cookie = page.cookie or None


def everybody(server: LdapServer) -> str:
    """The filter of users for all of them: any name will do."""
    return server.user_filter.replace("{username}", "*")


def _attributes(server: LdapServer) -> Sequence[str]:
    return sorted({*server.attributes.values(), "modifyTimestamp"})
