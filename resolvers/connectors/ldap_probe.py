"""What works at an LDAP server, step by step, and what to do about what does not."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from models.values import camel
from resolvers.connectors.ldap import everybody, finds_since, one
from resolvers.connectors.ldap_bases import require_base
from resolvers.connectors.ldap_connections import bind_service, deadline, secured
from resolvers.connectors.ldap_groups import found_groups
from resolvers.connectors.ldap_primary_groups import PRIMARY_GROUP_ATTRIBUTES
from resolvers.connectors.ldap_server import (
    NOT_OF_USERS,
    Address,
    Entry,
    LdapRefused,
    LdapServer,
    LdapUnavailable,
    Step,
    address,
)
from resolvers.connectors.ldap_session import Session
from resolvers.connectors.ldap_wire import Wire, connect, resolve

NEEDED = ("username", "email", "external_id")
OTHERS = {"external_id": " (Active Directory: objectGUID; 389 Directory Server: nsUniqueId)"}
FEW = 5  # of what was found, as examples


class Stopped(Exception):
    """A step failed, so that those behind it cannot be tried."""


@dataclass
class _Told:
    message: str = ""


async def probe(server: LdapServer, *, username: str | None = None, domain_username: str | None = None) -> list[Step]:
    """Every address is tried until something fails there; then the directory is asked, at the first that works.

    `domain_username` is what `username` means as a name of the domain.
    """
    steps: list[Step] = []
    wires = [await _reached(server, address(url), steps) for url in server.urls]
    try:
        working = [wire for wire in wires if wire is not None]
        if working:
            await _ask(Session(working[0]), server, username, domain_username, steps)
    except Stopped:
        pass
    finally:
        for wire in wires:
            if wire is not None:
                wire.close()
    return steps


@asynccontextmanager
async def _step(steps: list[Step], name: str, seconds: float) -> AsyncIterator[_Told]:
    told = _Told()
    try:
        async with deadline(seconds, name):
            yield told
    except LdapUnavailable as error:
        steps.append(Step(name, False, error.message))
        raise Stopped from error
    steps.append(Step(name, True, told.message))


async def _reached(server: LdapServer, place: Address, steps: list[Step]) -> Wire | None:
    try:
        async with _step(steps, "resolve", server.connect_seconds) as told:
            found = await resolve(place)
            told.message = f"{place.host} is {', '.join(dict.fromkeys(str(each[4][0]) for each in found))}."
        async with _step(steps, "connect", server.connect_seconds) as told:
            wire = await connect(place, found)
            told.message = f"{place} takes connections."
        async with _step(steps, "tls", server.connect_seconds) as told:
            await secured(wire, server)
            is_encrypted = place.is_tls or server.is_start_tls
            told.message = (
                f"{place} is encrypted, and its certificate is right."
                if is_encrypted
                else f"Passwords travel to {place} in the clear, as the settings allow."
            )
    except Stopped:
        return None
    return wire


async def _ask(
    talk: Session, server: LdapServer, username: str | None, domain_username: str | None, steps: list[Step]
) -> None:
    async with _step(steps, "bind", server.receive_seconds) as told:
        await bind_service(talk, server)
        told.message = (
            f"The server takes {server.bind_dn}." if server.bind_dn else "No service account is set: asking as nobody."
        )
    async with _step(steps, "base", server.receive_seconds) as told:
        somebody = await _base(talk, server)
        changes = await _changes(talk, server, somebody)
        if not username:
            await _require_shown(talk, server)
        told.message = f"{server.base_dn} is there, and people are found below it{changes}."
    if username:
        async with _step(steps, "user", server.receive_seconds) as told:
            entry = await _user(talk, server, username, domain_username)
            told.message = f"{username[:100]} is {entry.dn}, with {_fields(server, entry)}."
        async with _step(steps, "groups", server.receive_seconds) as told:
            if server.group_base_dn:
                await require_base(talk, "groupBaseDn", server.group_base_dn)
            told.message = _groups(server, await found_groups(talk, server, entry))
    elif server.group_base_dn:
        async with _step(steps, "groups", server.receive_seconds) as told:
            await require_base(talk, "groupBaseDn", server.group_base_dn)
            told.message = f"{server.group_base_dn} is there. Give a username to see somebody's groups."


async def _base(talk: Session, server: LdapServer) -> Entry:
    """Anybody who is found."""
    await require_base(talk, "baseDn", server.base_dn)
    await _require_known_attributes(talk, server)
    found = await talk.search(server.base_dn, everybody(server), server.change_times, most=1)
    if not found.entries:
        hint = "Check userFilter, and what the service account may read."
        raise LdapUnavailable(f"Nobody below {server.base_dn} matches the filter of users", hint=hint)
    return found.entries[0]


async def _require_known_attributes(talk: Session, server: LdapServer) -> None:
    """Every mapped attribute of a user is one of the server's schema, where it shows that."""
    names = await talk.attribute_names()
    if not names.is_complete:
        return
    for field, attribute in server.attributes.items():
        if field not in NOT_OF_USERS and not names.same_as(attribute):
            hint = f"Check attributes.{camel(field)}{OTHERS.get(field, '')}."
            raise LdapUnavailable(f"The server's schema has no attribute {attribute}", hint=hint)


async def _require_shown(talk: Session, server: LdapServer) -> None:
    """Somebody shows each attribute that every user needs, and it is read by the name that the settings have."""
    for field in NEEDED:
        attribute = server.attributes[field]
        condition = f"(&{everybody(server)}({attribute}=*))"
        try:
            found = await talk.search(server.base_dn, condition, (attribute,), most=1)
        except LdapRefused:  # some servers limit searches without an index; a username shows it then
            continue
        if not any(entry.first(attribute) for entry in found.entries):
            hint = f"Check attributes.{camel(field)}{OTHERS.get(field, '')}, and what the service account may read."
            raise LdapUnavailable(f"Nobody below {server.base_dn} shows the attribute {attribute}", hint=hint)


async def _changes(talk: Session, server: LdapServer, somebody: Entry) -> str:
    attribute = server.attributes["changed_at"]
    shown = next(filter(None, map(somebody.first, server.change_times)), None)
    if shown and await finds_since(talk, server, shown):
        return f", by when they changed ({attribute}) too"
    return (
        f", but not by {attribute}, so every syncDirectory reads all of them: "
        "check attributes.changedAt (Active Directory: whenChanged)"
    )


async def _user(talk: Session, server: LdapServer, username: str, domain_username: str | None) -> Entry:
    asked = (server.attributes["member_of"], *PRIMARY_GROUP_ATTRIBUTES)
    entry = await one(talk, server, username=username, attributes=asked)
    if entry is None and domain_username:
        entry = await one(talk, server, username=domain_username, attributes=asked)
    if entry is None:
        hint = "Check userFilter, and that exactly one entry matches it."
        raise LdapUnavailable(f"{username[:100]} is not found, or more than once", hint=hint)
    for field in NEEDED:
        attribute = server.attributes[field]
        if not entry.first(attribute):
            what = field.replace("_", " ")
            hint = (
                f"Check attributes.{camel(field)} ({attribute}){OTHERS.get(field, '')}, and what the service account"
                " may read; or leave such entries out by userFilter."
            )
            raise LdapUnavailable(f"{entry.dn} has no {what}", hint=hint)
    return entry


def _fields(server: LdapServer, entry: Entry) -> str:
    names = [field for field, name in server.attributes.items() if field not in NOT_OF_USERS and entry.first(name)]
    return " ".join(", ".join(names).split("_")) or "nothing that is mapped"


def _groups(server: LdapServer, entry: Entry) -> str:
    if not entry.groups:
        by = "memberOf and the groups below groupBaseDn" if server.group_base_dn else server.attributes["member_of"]
        return f"{entry.dn} is in no group, by {by}."
    more = f" and {len(entry.groups) - FEW} more" if len(entry.groups) > FEW else ""
    return f"{entry.dn} is in {'; '.join(entry.groups[:FEW])}{more}."
