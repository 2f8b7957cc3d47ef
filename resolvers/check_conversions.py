"""Asking directories, before a conversion, whether those who are named there exist or can sign in (D4)."""

import asyncio
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from models.errors import (
    Forbidden,
    Invalid,
    NotFound,
    ProviderNotConfigured,
    ProviderUnreachable,
    Refusal,
    Required,
    WrongPassword,
)
from models.values import login_dn
from resolvers import entry_ids, references
from resolvers.changes import Before
from resolvers.connectors import ldap
from resolvers.filters import number_of
from resolvers.ldap_settings import server_of
from resolvers.policy import Right
from resolvers.proofs import counted
from resolvers.references import ProviderRow, Providers
from resolvers.turns import in_turns

log = logging.getLogger("usergraph.convert_users")


class ConversionCheck(StrEnum):
    """What a directory is asked before somebody is converted to it."""

    FIND = "FIND"
    BIND = "BIND"
    NONE = "NONE"


@dataclass(frozen=True)
class Check:
    """What was found out about one row: by which check, and why it must not be converted, if it must not.

    `entry_id`: of the entry, where its password was proved.
    """

    by: ConversionCheck
    refusal: Refusal | None = None
    entry_id: str | None = None

    @property
    def is_proof(self) -> bool:
        return self.by is ConversionCheck.BIND and self.refusal is None


NO_CHECK = Check(ConversionCheck.NONE)
ASK_LATER = "Try again later, or ask an administrator."
ASK_NOT = "See what testIdentityProvider says, or send verify: NONE to convert without asking."


@dataclass(frozen=True)
class Named:
    """An entry of a directory that a row names; `path` leads to it."""

    index: int
    user_id: int
    provider: ProviderRow
    dn: str
    path: tuple[str | int, ...]
    password: str | None

    @property
    def row(self) -> tuple[str | int, ...]:
        return self.path[:2]

    def unreachable(self, by: ConversionCheck, reason: str, *, must_prove: bool) -> Check:
        advice = ASK_LATER if must_prove else ASK_NOT
        return Check(by, ProviderUnreachable(*self.path, name=self.provider.name, reason=reason, advice=advice))

    def unproved(self, by: ConversionCheck) -> Check:
        what = f"take an entry of {self.provider.name} without its password: send verify: BIND and directoryPassword"
        return Check(by, Forbidden("verify", what=what, right=Right.CONVERT_USERS))


async def prepare(before: Before, given: dict[str, Any]) -> None:
    """Ask, outside any transaction, and leave `checks` by row. Passwords are taken out of the rows and kept nowhere.

    Where nothing is said, a directory is asked if it has settings; who says FIND or BIND insists. Who may not convert
    others proves their entry, or anybody could take another's, or keep them from it.
    """
    rows = given["conversions"]
    passwords = [row.pop("directory_password", None) for row in rows]
    wanted = given.pop("verify", None)
    ids = [number_of("user", row["id"]) or 0 for row in rows]
    must_prove = any(_must_prove(before, user_id) for user_id in ids)
    if len(rows) > before.settings.max_bulk or (wanted == ConversionCheck.NONE and not must_prove):
        return
    before.viewer.require_self_or(Right.CONVERT_USERS, ids, "conversions")
    async with before.database.reading() as connection:
        known = await references.providers(connection)
    named = await _named(rows, ids, passwords, known)
    by_provider: dict[int, list[Named]] = {}
    for each in named:
        by_provider.setdefault(each.provider.id, []).append(each)
    found = await asyncio.gather(*(_ask(before, wanted, some) for some in by_provider.values()))
    given["checks"] = {index: check for some in found for index, check in some.items()}


async def _named(
    rows: Sequence[Mapping[str, Any]], ids: Sequence[int], passwords: Sequence[str | None], known: Providers
) -> list[Named]:
    """The entries to ask for. What the change itself will refuse is not asked for: it says why."""
    found: dict[int, Named] = {}
    async for index, row in in_turns(enumerate(rows)):
        entry, path = _entry(row["to"])
        if entry is None or not ids[index] or ids[index] in found:
            continue
        try:
            provider = known.ldap(entry["server_number"])
            dn = login_dn(entry["login_dn"])[0]
        except Refusal:
            continue
        place: tuple[str | int, ...] = ("conversions", index, "to", *path, "loginDn")
        found[ids[index]] = Named(index, ids[index], provider, dn, place, passwords[index])
    return list(found.values())


def _entry(to: Mapping[str, Any]) -> tuple[Mapping[str, Any] | None, tuple[str, ...]]:
    """The entry that a conversion names, and where it does so."""
    if to.get("ldap") is not None:
        return to["ldap"], ("ldap",)
    return (to.get("saml") or {}).get("provisioned_by"), ("saml", "provisionedBy")


def _must_prove(before: Before, user_id: int) -> bool:
    """Whoever converts themselves, but for who may convert everybody."""
    return user_id == before.viewer.user_id and Right.CONVERT_USERS not in before.viewer.rights


async def _ask(before: Before, wanted: str | None, named: Sequence[Named]) -> dict[int, Check]:
    """About entries of one directory."""
    own = [each for each in named if _must_prove(before, each.user_id)]
    others = [each for each in named if each not in own]
    return {
        **(await _ask_about(before, wanted, own, must_prove=True) if own else {}),
        **(await _ask_about(before, wanted, others, must_prove=False) if others else {}),
    }


async def _ask_about(
    before: Before, wanted: str | None, named: Sequence[Named], *, must_prove: bool
) -> dict[int, Check]:
    by = ConversionCheck(wanted or (ConversionCheck.BIND if must_prove else ConversionCheck.FIND))
    provider = named[0].provider
    if by is ConversionCheck.NONE and not must_prove:
        return {}
    try:
        async with before.database.reading() as connection:
            server = await server_of(connection, before.sealer, provider.id)
    except ProviderNotConfigured:
        if wanted is None and not must_prove:
            return {}
        return {each.index: each.unreachable(by, "it has no settings yet", must_prove=must_prove) for each in named}
    if must_prove and by is not ConversionCheck.BIND:
        return {each.index: each.unproved(by) for each in named}
    try:
        if by is ConversionCheck.BIND:
            return {each.index: await _bound(before, server, each) for each in named}
        there = await ldap.find_many(server, list({each.dn for each in named}))
    except ldap.LdapUnavailable as problem:
        # Why is for administrators: anybody may convert themselves.
        log.warning("nobody can be converted to provider_%d: %s", provider.id, problem)
        reason = "it gives no usable answer"
        return {each.index: each.unreachable(by, reason, must_prove=must_prove) for each in named}
    return {each.index: Check(by, None if each.dn in there else _not_there(server, each)) for each in named}


def _not_there(server: ldap.LdapServer, named: Named) -> NotFound:
    refusal = NotFound(*named.path, what=f"person in {named.provider.name} with the DN", key=named.dn[:200])
    if server.bind_dn is None:
        refusal.message += " Or it may not be read without a service account (bindDn): then send BIND or NONE."
    return refusal


async def _bound(before: Before, server: ldap.LdapServer, named: Named) -> Check:
    """Whether who converts themselves has the password of the entry. A wrong one counts as at a sign-in.

    Raises LdapUnavailable.
    """
    by, path = ConversionCheck.BIND, (*named.row, "directoryPassword")
    if named.user_id != before.viewer.user_id:
        return Check(by, Invalid(*path, reason="BIND is for who converts themselves. Send verify: FIND for others."))
    if not named.password:
        return Check(by, Required(*path, what=f"Your password in {named.provider.name}"))
    try:
        async with counted(before, named.user_id, before.viewer.username or "", *path):
            entry = await ldap.authenticate(server, login_dn=named.dn, username="", password=named.password)
            if entry is None:
                raise WrongPassword(*path)
    except Refusal as refusal:
        return Check(by, refusal)
    return Check(by, entry_id=entry_ids.to_keep(entry_ids.entry_id(server, entry)))
