"""A conversation with an LDAP server: StartTLS, binds and searches (RFC 4511), one at a time.

Of ldap3 this uses what turns requests into bytes and answers into values, not its connections.
"""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from ldap3 import BASE, DEREF_NEVER, SIMPLE, SUBTREE
from ldap3.operation.bind import bind_operation
from ldap3.operation.extended import extended_operation
from ldap3.operation.search import search_operation
from ldap3.operation.unbind import unbind_operation
from ldap3.protocol.rfc2696 import paged_search_control
from ldap3.protocol.rfc4511 import Controls, LDAPMessage, MessageID, ProtocolOp
from ldap3.utils.asn1 import decode_message_fast, decode_sequence, encode  # type: ignore[attr-defined]

from models.dn import requested_dn
from resolvers.connectors import ldap_schema
from resolvers.connectors.ldap_entries import BROKEN, NOT_LDAP, entry_of
from resolvers.connectors.ldap_refusals import ONLY_ENCRYPTED, Reason, name_of, reason
from resolvers.connectors.ldap_schema import AttributeNames
from resolvers.connectors.ldap_server import Entry, LdapRefused, LdapUnavailable
from resolvers.connectors.ldap_wire import Wire

__all__ = ["BASE", "SUBTREE", "Found", "Session"]

ANYTHING = "(objectClass=*)"
NOTHING = ("1.1",)  # asks for the DN alone (RFC 4511, 4.5.1.8)

START_TLS = "1.3.6.1.4.1.1466.20037"
PAGED = b"1.2.840.113556.1.4.319"
MOST_BYTES = 16 * 1024 * 1024  # of one message
MOST_ANSWERED = 64 * 1024 * 1024  # of all messages that answer one request
BIND, ENTRY, DONE, REFERENCE, EXTENDED = 1, 4, 5, 19, 24
IN_TURNS = 20  # messages that are decoded before others of this process have their turn

OK, SIZE_LIMIT, NO_SUCH_OBJECT, INVALID_DN, INVALID_CREDENTIALS = 0, 4, 32, 34, 49
# What a server answers to a name or password that it does not take: it knows neither, or lets them in no more.
WRONG = frozenset({16, 19, NO_SUCH_OBJECT, INVALID_DN, 48, INVALID_CREDENTIALS, 50, 53})


@dataclass(frozen=True)
class Found:
    """One page of a search. `cookie` leads to the next one; `is_cut` says that there was more than was asked for."""

    entries: list[Entry]
    cookie: bytes = b""
    is_cut: bool = False

    @property
    def has_more(self) -> bool:
        return bool(self.cookie)


@dataclass(frozen=True)
class _Message:
    operation: int
    payload: Any
    controls: Mapping[bytes, bytes]


class Session:
    """Over an open wire. Everything it cannot make sense of is LdapUnavailable."""

    def __init__(self, wire: Wire) -> None:
        self._wire = wire
        self._number = 0
        self._buffer = bytearray()
        self._messages = 0
        self._bytes = 0

    async def start_tls(self) -> None:
        """Ask the server to go over to TLS; the handshake is the wire's. Raises LdapUnavailable."""
        await self._send("extendedReq", extended_operation(START_TLS))
        message = await self._receive(EXTENDED)
        if _code(message) != OK:
            hint = "Let the server offer StartTLS, or use ldaps://."
            raise LdapUnavailable(f"{self._wire.address} refuses StartTLS", step="tls", hint=hint)
        if self._buffer:  # what was said before the handshake must not pass for something said after it
            raise LdapUnavailable(f"{self._wire.address} spoke out of turn", step="tls", hint=NOT_LDAP)

    async def bind(self, dn: str, password: str) -> bool:
        """Whether the server takes this password for this DN. An empty one would be a bind as nobody: it is False."""
        return bool(dn and password) and await self.refusal(dn, password) is None

    async def refusal(self, dn: str, password: str) -> Reason | None:
        """Why the server does not take this password for this DN; None where it does. Raises LdapUnavailable."""
        await self._send("bindRequest", bind_operation(3, SIMPLE, requested_dn(dn), password.encode()))
        message = await self._receive(BIND)
        code = _code(message)
        if code == OK:
            return None
        if code in WRONG:
            return reason(code, _diagnostic(message))
        hint = "Use ldaps://, or ldap:// with StartTLS." if code in ONLY_ENCRYPTED else SEE_LOG
        raise LdapUnavailable(f"The server refuses to bind ({name_of(code)})", step="bind", hint=hint)

    async def search(
        self,
        base: str,
        condition: str,
        attributes: Sequence[str],
        *,
        scope: str = SUBTREE,
        most: int,
        cookie: bytes | None = None,
    ) -> Found:
        """Up to `most` entries; a `cookie` (empty for the first) asks for pages. A base that is not there has none.

        Entries have their attributes by the names that were asked for, whatever names the server answers by.
        """
        found = await self._search(base, condition, attributes, scope, most, cookie)
        requested = [name.lower().partition(";")[0] for name in attributes]
        names = ldap_schema.cached_names(str(self._wire.address)) or ldap_schema.STANDARD_NAMES
        if ldap_schema.has_unknown(found.entries, requested, names):
            names = await self.attribute_names()
        return replace(found, entries=ldap_schema.rename_all(found.entries, requested, names))

    async def attribute_names(self) -> AttributeNames:
        """The names of attributes by the server's schema; those of the standards where it does not show it."""
        server = str(self._wire.address)
        names = ldap_schema.cached_names(server)
        if names is None:
            names = ldap_schema.parse_schema(await self._schema())
            ldap_schema.cache_names(server, names)
        return names

    async def _schema(self) -> Sequence[str]:
        """The values of `attributeTypes`; none where they may not be read."""
        try:
            root = await self._search("", ANYTHING, ("subschemaSubentry",), BASE, 1, None)
            place = root.entries[0].first("subschemaSubentry") if root.entries else None
            if not place:
                return ()
            found = await self._search(place, ANYTHING, ("attributeTypes",), BASE, 1, None)
        except LdapRefused:
            return ()
        return found.entries[0].attributes.get("attributetypes", ()) if found.entries else ()

    async def _search(
        self, base: str, condition: str, attributes: Sequence[str], scope: str, most: int, cookie: bytes | None
    ) -> Found:
        """One search, or one page of it.

        Samba ignores the size limit, but not the size of a page: so a limit is sent as both, where several entries may
        match. A server that knows the limit ignores a page that is not smaller (RFC 2696, 3).
        """
        limit = 0 if cookie is not None else most
        base = requested_dn(base)
        request = search_operation(base, condition, scope, DEREF_NEVER, list(attributes), limit, 0, False, False, False)
        control = None
        if cookie is not None or scope != BASE:
            control = paged_search_control(cookie is not None, most, cookie or b"")
        await self._send("searchRequest", request, control)
        entries: list[Entry] = []
        is_cut = False
        while True:
            message = await self._receive(ENTRY, DONE, REFERENCE)
            if message.operation == DONE:
                found = _found(message, entries)
                return found if cookie is not None else Found(entries, is_cut=is_cut or found.is_cut or found.has_more)
            if message.operation == ENTRY and len(entries) < most:
                entries.append(entry_of(message.payload))
            elif message.operation == ENTRY and cookie is not None:  # to drop it would lose somebody
                raise LdapUnavailable("The server sends more than it was asked for", step="search", hint=NOT_LDAP)
            elif message.operation == ENTRY:
                is_cut = True

    async def close(self) -> None:
        """Say goodbye, where it can still be heard."""
        await self._send("unbindRequest", unbind_operation())  # type: ignore[no-untyped-call]

    async def _send(self, name: str, request: Any, control: Any = None) -> None:
        self._number += 1
        self._bytes = 0
        message = LDAPMessage()
        message["messageID"] = MessageID(self._number)
        message["protocolOp"] = ProtocolOp().setComponentByName(name, request)
        if control is not None:
            message["controls"] = Controls().setComponentByPosition(0, control)
        await self._wire.send(encode(message))

    async def _receive(self, *expected: int) -> _Message:
        while (size := _framed(self._buffer)) is None or len(self._buffer) < size:
            self._buffer += await self._wire.receive()
        await self._take_turns(size)
        raw = bytes(self._buffer[:size])
        del self._buffer[:size]
        try:
            decoded = decode_message_fast(raw)  # type: ignore[no-untyped-call]
            controls = {bytes(each[3][0][3]): each[3][-1][3] for each in decoded["controls"] or ()}
        except BROKEN as error:
            raise LdapUnavailable(f"{self._wire.address} does not speak LDAP", hint=NOT_LDAP) from error
        if decoded["messageID"] == 0:
            raise LdapUnavailable(f"{self._wire.address} ends the conversation", hint=SEE_LOG)
        if decoded["messageID"] != self._number or decoded["protocolOp"] not in expected:
            raise LdapUnavailable(f"{self._wire.address} answers what was not asked", hint=NOT_LDAP)
        return _Message(decoded["protocolOp"], decoded["payload"], controls)

    async def _take_turns(self, size: int) -> None:
        self._messages += 1
        self._bytes += size
        if self._bytes > MOST_ANSWERED:
            raise LdapUnavailable("The server sends too much", step="search", hint="Set a smaller pageSize.")
        if self._messages % IN_TURNS == 0:
            await asyncio.sleep(0)


SEE_LOG = "See the server's log for why."


def _framed(buffer: bytearray) -> int | None:
    """How many bytes the message has that the buffer begins with; None until that can be told."""
    if buffer and buffer[0] != 0x30:
        raise LdapUnavailable("The server does not speak LDAP", hint=NOT_LDAP)
    if len(buffer) < 2:
        return None
    size, head = buffer[1], 2
    if size & 0x80:
        head += size & 0x7F
        if not 2 < head <= 6:
            raise LdapUnavailable("The server does not speak LDAP", hint=NOT_LDAP)
        if len(buffer) < head:
            return None
        size = int.from_bytes(buffer[2:head])
    if size > MOST_BYTES:
        raise LdapUnavailable("The server sends a message that is too large", hint=NOT_LDAP)
    return head + size


def _code(message: _Message) -> int:
    try:
        return int(message.payload[0][3])
    except BROKEN as error:
        raise LdapUnavailable("The server does not speak LDAP", hint=NOT_LDAP) from error


def _diagnostic(message: _Message) -> bytes:
    try:
        return bytes(message.payload[2][3]) if len(message.payload) > 2 else b""
    except BROKEN as error:
        raise LdapUnavailable("The server does not speak LDAP", hint=NOT_LDAP) from error


def _found(message: _Message, entries: list[Entry]) -> Found:
    code = _code(message)
    if code in (NO_SUCH_OBJECT, INVALID_DN):
        return Found([])
    if code == SIZE_LIMIT:
        return Found(entries, is_cut=True)
    if code != OK:
        hint = "Check the base DN, the filters, and what the service account may read."
        raise LdapRefused(f"The server refuses the search ({name_of(code)})", code, step="search", hint=hint)
    value = message.controls.get(PAGED)
    if value is None:
        return Found(entries)
    try:
        return Found(entries, bytes(decode_sequence(value, 0, len(value))[0][3][1][3]))
    except BROKEN as error:
        raise LdapUnavailable("The server does not speak LDAP", hint=NOT_LDAP) from error
