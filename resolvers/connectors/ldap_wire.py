"""Bytes to and from an LDAP server: names looked up, sockets connected, TLS verified, all without a blocking call.

Nothing waits in a thread for a server, so that a deadline ends whatever is going on and closes the socket.
"""

import asyncio
import socket
import ssl
import threading
from collections.abc import Callable
from contextlib import suppress
from functools import lru_cache, partial
from typing import Any, TypeVar

from resolvers.connectors.ldap_server import Address, LdapUnavailable

T = TypeVar("T")

CHUNK = 65_536
MOST_ADDRESSES = 3
MOST_LOOKUPS = 8
_lookups = threading.BoundedSemaphore(MOST_LOOKUPS)
LookedUp = list[tuple[Any, ...]]


async def resolve(address: Address) -> LookedUp:
    """The addresses of a host. Raises LdapUnavailable.

    The system's look-up cannot be ended from outside: it has a thread of its own that nobody waits for, and there are
    only a few of these.
    """
    if not _lookups.acquire(blocking=False):
        raise LdapUnavailable("Too many names are being looked up", step="resolve", hint="Check this machine's DNS.")
    loop = asyncio.get_running_loop()
    done: asyncio.Future[LookedUp | OSError] = loop.create_future()

    def look_up() -> None:
        try:
            found: LookedUp | OSError
            try:
                found = list(socket.getaddrinfo(address.host, address.port, type=socket.SOCK_STREAM))
            except (OSError, UnicodeError) as error:
                found = error if isinstance(error, OSError) else OSError(str(error))
        finally:
            _lookups.release()
        with suppress(RuntimeError):  # the loop has ended meanwhile
            loop.call_soon_threadsafe(tell, found)

    def tell(found: LookedUp | OSError) -> None:
        if not done.done():
            done.set_result(found)

    threading.Thread(target=look_up, name="ldap-dns", daemon=True).start()
    found = await done
    if isinstance(found, OSError):
        hint = "Check the host name and this machine's DNS."
        raise LdapUnavailable(f"{address.host} is not known", step="resolve", hint=hint) from found
    return found[:MOST_ADDRESSES]


async def connect(address: Address, found: LookedUp) -> "Wire":
    """A connection to the first address that takes one. Raises LdapUnavailable."""
    cause: OSError | None = None
    for family, kind, protocol, _, place in found:
        try:
            return Wire(await _connected(socket.socket(family, kind, protocol), place), address)
        except OSError as error:
            cause = error
    hint = "Check host, port and firewall."
    raise LdapUnavailable(f"{address} takes no connection", step="connect", hint=hint) from cause


async def _connected(made: socket.socket, place: Any) -> socket.socket:
    try:
        made.setblocking(False)
        await asyncio.get_running_loop().sock_connect(made, place)
    except BaseException:
        made.close()
        raise
    return made


@lru_cache(maxsize=32)
def tls_context(certificates: str | None) -> ssl.SSLContext:
    """Certificate and host name are always verified: by these authorities (PEM), else by the system's."""
    context = ssl.create_default_context(cadata=certificates)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    return context


class Wire:
    """An open connection. Every failure of it is LdapUnavailable."""

    def __init__(self, made: socket.socket, address: Address) -> None:
        self.address = address
        self._socket = made
        self._tls: ssl.SSLObject | None = None
        self._incoming = ssl.MemoryBIO()
        self._outgoing = ssl.MemoryBIO()

    async def secure(self, context: ssl.SSLContext) -> None:
        """Go over to TLS. Raises LdapUnavailable, telling what is wrong with the certificate."""
        tls = context.wrap_bio(self._incoming, self._outgoing, server_hostname=self.address.host)
        try:
            await self._pumped(tls.do_handshake)
        except ssl.SSLCertVerificationError as error:
            hint = "Set the certificate authority in caCertificates, and use the host name that the certificate names."
            reason = f"The certificate of {self.address} is not right: {error.verify_message.rstrip('.')}"
            raise LdapUnavailable(reason, step="tls", hint=hint) from error
        except ssl.SSLError as error:
            hint = "Check that the port speaks TLS: ldaps:// is mostly 636, ldap:// with StartTLS 389."
            raise LdapUnavailable(f"{self.address} does not speak TLS", step="tls", hint=hint) from error
        self._tls = tls

    async def send(self, data: bytes) -> None:
        if self._tls is None:
            await self._written(data)
            return
        tls, rest = self._tls, memoryview(data)
        try:
            while rest:
                rest = rest[await self._pumped(partial(tls.write, rest)) :]
        except ssl.SSLError as error:
            raise self._gone() from error

    async def receive(self) -> bytes:
        """What comes next; at least one byte."""
        tls = self._tls
        try:
            data = await (self._pumped(lambda: tls.read(CHUNK)) if tls else self._read())
        except ssl.SSLError as error:
            raise self._gone() from error
        if not data:
            raise self._gone()
        return data

    def close(self) -> None:
        self._socket.close()

    def _gone(self) -> LdapUnavailable:
        hint = "See the server's log for why; it may not want this address, or TLS."
        return LdapUnavailable(f"{self.address} closed the connection", step="connect", hint=hint)

    async def _pumped(self, step: Callable[[], T]) -> T:
        """Run a step of TLS, bringing bytes to and fro until it has what it needs."""
        while True:
            try:
                result = step()
            except ssl.SSLWantReadError:
                await self._flushed()
                data = await self._read()
                if not data:
                    raise self._gone() from None
                self._incoming.write(data)
            else:
                await self._flushed()
                return result

    async def _flushed(self) -> None:
        if self._outgoing.pending:
            await self._written(self._outgoing.read())

    async def _written(self, data: bytes) -> None:
        try:
            await asyncio.get_running_loop().sock_sendall(self._socket, data)
        except OSError as error:
            raise self._gone() from error

    async def _read(self) -> bytes:
        await asyncio.sleep(0)  # what is there already would be read without anybody else having a turn
        try:
            return await asyncio.get_running_loop().sock_recv(self._socket, CHUNK)
        except OSError as error:
            raise self._gone() from error
