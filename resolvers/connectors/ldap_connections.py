"""Connections to an LDAP server, ready to be asked: the first address that answers, secured, bound, within a time."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager

from resolvers.connectors.ldap_refusals import WRONG
from resolvers.connectors.ldap_server import Address, LdapServer, LdapUnavailable, address
from resolvers.connectors.ldap_session import Session
from resolvers.connectors.ldap_wire import Wire, connect, resolve, tls_context

MOST_AT_ONCE = 64  # conversations of this process with one server
_busy: Counter[tuple[str, ...]] = Counter()


@asynccontextmanager
async def deadline(seconds: float, step: str = "") -> AsyncIterator[None]:
    """Whatever is going on ends after `seconds` with LdapUnavailable, be the server silent or slow."""
    try:
        async with asyncio.timeout(seconds):
            yield
    except TimeoutError as error:
        hint = "See whether the server is up and not overloaded."
        raise LdapUnavailable(f"The server does not answer within {seconds:g} seconds", step=step, hint=hint) from error


@asynccontextmanager
async def session(server: LdapServer) -> AsyncIterator[Session]:
    """A conversation, bound as the service account where there is one; its socket is closed in every case."""
    with _place(server):
        async with deadline(server.seconds):
            wire = await _reached(server)
            try:
                talk = Session(wire)
                await bind_service(talk, server)
            except BaseException:
                wire.close()
                raise
        try:
            yield talk
        finally:
            wire.close()


@contextmanager
def _place(server: LdapServer) -> Iterator[None]:
    """One of a few at once with one server, so that a hanging one holds up nobody but those who need it."""
    if _busy[server.urls] >= MOST_AT_ONCE:
        raise LdapUnavailable("Too many are waiting for this server", step="connect", hint="Try again in a moment.")
    _busy[server.urls] += 1
    try:
        yield
    finally:
        _busy[server.urls] -= 1
        if not _busy[server.urls]:
            del _busy[server.urls]


async def _reached(server: LdapServer) -> Wire:
    """The first of the server's addresses that answers. Raises what the last one failed with."""
    failed: LdapUnavailable | None = None
    for url in server.urls:
        place = address(url)
        try:
            async with deadline(server.connect_seconds, "connect"):
                return await secured(await connect(place, await resolve(place)), server)
        except LdapUnavailable as error:
            failed = error
    raise failed or LdapUnavailable("No address is set", step="resolve", hint="Set urls.")


async def secured(wire: Wire, server: LdapServer) -> Wire:
    """The same connection, encrypted and verified. Closes it and raises LdapUnavailable where that cannot be."""
    try:
        require_encryption(wire.address, server)
        if not wire.address.is_tls and server.is_start_tls:
            await Session(wire).start_tls()
        if wire.address.is_tls or server.is_start_tls:
            await wire.secure(tls_context(server.ca_certificates))
    except BaseException:
        wire.close()
        raise
    return wire


def require_encryption(place: Address, server: LdapServer) -> None:
    if not (place.is_tls or server.is_start_tls or place.is_loopback or server.is_plaintext_allowed):
        hint = "Use ldaps://, or ldap:// with StartTLS."
        raise LdapUnavailable(f"Passwords are not sent to {place} in the clear", step="tls", hint=hint)


async def bind_service(talk: Session, server: LdapServer) -> None:
    """Raises LdapUnavailable where the service account is refused; without one, nothing is sent."""
    if not server.bind_dn:
        return
    refused = await talk.refusal(server.bind_dn, server.bind_password) if server.bind_password else WRONG
    if refused is not None:
        reason = f"The server refuses the service account: {refused.words}"
        raise LdapUnavailable(reason, step="bind", hint=refused.hint)
