"""LDAP servers for the tests that hang, lie and break off, and what every way to use one then comes to."""

import asyncio
import contextlib
import socket
import ssl
import struct
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest

from resolvers.connectors import ldap, ldap_connections
from resolvers.connectors.ldap_server import LdapServer, LdapUnavailable
from tests.ldap_messages import tlv
from tests.slapd import BASE, JANE, READER, SERVICE

Talk = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]
SECRET = "the password of whoever signs in"
GENEROUS = 8  # seconds; the servers below are given one and a half


@contextlib.asynccontextmanager
async def hostile(talk: Talk, context: ssl.SSLContext | None = None) -> AsyncIterator[int]:
    """A server on this event loop, so that whatever blocks the loop blocks its own counterpart."""
    tasks: set[asyncio.Task[None]] = set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        tasks.add(asyncio.current_task())  # type: ignore[arg-type]
        with contextlib.suppress(OSError, asyncio.IncompleteReadError, asyncio.CancelledError):
            await talk(reader, writer)
        writer.transport.abort()

    server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=context)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def reaching(port: int, scheme: str = "ldap", host: str = "127.0.0.1", **more: Any) -> LdapServer:
    given = {"connect_seconds": 0.5, "receive_seconds": 1.0, "bind_dn": READER, "bind_password": SERVICE, **more}
    return LdapServer("hostile", (f"{scheme}://{host}:{port}",), BASE, **given)


def plain(port: int) -> LdapServer:
    return reaching(port, is_start_tls=False)


async def refused(server: LdapServer) -> LdapUnavailable:
    """How every way to use a server fails: alike, soon, and without secrets."""
    begun = time.monotonic()
    raised = []
    for use in (
        ldap.authenticate(server, login_dn=None, username="jane", password=SECRET),
        ldap.find(server, login_dn=JANE),
        ldap.find_many(server, [JANE] * 60),
        anext(ldap.pages(server)),
    ):
        with pytest.raises(LdapUnavailable) as one:
            await use  # type: ignore[misc]
        assert SECRET not in f"{one.value!r} {one.value.hint}"
        assert SERVICE not in f"{one.value!r} {one.value.hint}"
        raised.append(one.value)
    assert time.monotonic() - begun < 4 * GENEROUS
    assert not ldap_connections._busy
    return raised[0]


def message(number: int, tag: int, *parts: bytes) -> bytes:
    """An LDAP message: its number and one operation."""
    return tlv(0x30, tlv(0x02, bytes([number])) + tlv(tag, b"".join(parts)))


def result(tag: int, code: int, number: int = 1) -> bytes:
    return message(number, tag, tlv(0x0A, bytes([code])), tlv(0x04, b""), tlv(0x04, f"echo {SECRET}".encode()))


BOUND, DONE, EXTENDED, REFERENCE = 0x61, 0x65, 0x78, 0x73


async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await asyncio.sleep(60)


async def closing(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    return


async def half_closing(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write_eof()
    await asyncio.sleep(60)


async def resetting(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.read(1)
    made = writer.get_extra_info("socket")
    made.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


def says(data: bytes) -> Talk:
    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1)
        writer.write(data)
        await asyncio.sleep(60)

    return talk


async def dripping(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    for byte in b"\x30\x84\x00\x00\xff\xff" + bytes(60_000):
        writer.write(bytes([byte]))
        await asyncio.sleep(0.05)


async def endless(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Referrals and nothing else, as many as there is room for."""
    await reader.read(1)
    writer.write(result(BOUND, 0))
    while True:
        writer.write(message(2, REFERENCE, tlv(0x04, b"ldap://127.0.0.1:1/")) * 1_000)
        await writer.drain()


DEEP = b"\x30\x84\x00\x01\x00\x00" + b"\x30\x84\x00\x00\xff\x00" * 10_922 + b"\0\0\0\0"
TALKS: dict[str, Talk] = {
    "hanging": silent,
    "closing": closing,
    "half-closing": half_closing,
    "resetting": resetting,
    "dripping": dripping,
    "endless": endless,
    "web server": says(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n"),
    "garbage": says(b"\x30\x0c" + bytes(range(12)) * 9),
    "no operation": says(b"\x30\x03\x02\x01\x01"),
    "empty message": says(b"\x30\x00"),
    "wild lengths": says(b"\x30\x0a\x02\x01\x01\x61\x84\xff\xff\xff\xff\x00"),
    "endless length": says(b"\x30\x80" + bytes(99)),
    "too large": says(b"\x30\x84\x7f\xff\xff\xff" + bytes(99)),
    "too deep": says(DEEP),
    "another's answer": says(result(BOUND, 0, number=7)),
    "another operation": says(result(DONE, 0)),
    "goodbye": says(result(EXTENDED, 52, number=0)),
    "busy": says(result(BOUND, 51)),
    "unknown code": says(result(BOUND, 99)),
}
