"""Messages of LDAP as bytes (RFC 4511), for servers in the tests."""

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass, replace


def tlv(tag: int, value: bytes) -> bytes:
    """One element of BER."""
    size = len(value)
    return bytes([tag]) + (bytes([size]) if size < 128 else b"\x84" + size.to_bytes(4)) + value


def read(data: bytes) -> list[tuple[int, bytes]]:
    """The elements of BER: tag and content."""
    found, at = [], 0
    while at < len(data):
        tag, size, at = data[at], data[at + 1], at + 2
        if size & 0x80:
            count = size & 0x7F
            size, at = int.from_bytes(data[at : at + count]), at + count
        found.append((tag, data[at : at + size]))
        at += size
    return found


@dataclass
class Asked:
    """A search as it came in: `condition` as bytes."""

    base: str
    scope: int
    size: int
    condition: bytes
    attributes: list[str]
    page: tuple[int, bytes] | None = None


async def message(reader: asyncio.StreamReader) -> bytes:
    head = await reader.readexactly(2)
    size = head[1]
    if size & 0x80:
        size = int.from_bytes(await reader.readexactly(size & 0x7F))
    return await reader.readexactly(size)


def search(request: bytes, controls: bytes) -> Asked:
    base, scope, _deref, size, _time, _types, condition, attributes = read(request)
    asked = Asked(
        base[1].decode(),
        scope[1][0],
        int.from_bytes(size[1]),
        tlv(*condition),
        [each.decode() for _, each in read(attributes[1])],
    )
    for _, control in read(controls):
        value = read(read(control)[-1][1])[0][1]
        (_, count), (_, cookie) = read(value)
        asked = replace(asked, page=(int.from_bytes(count), cookie))
    return asked


def attribute(name: str, values: Iterable[bytes]) -> bytes:
    return tlv(0x30, tlv(0x04, name.encode()) + tlv(0x31, b"".join(tlv(0x04, each) for each in values)))


def result(tag: int, code: int, said: str = "") -> bytes:
    return tlv(tag, tlv(0x0A, bytes([code])) + tlv(0x04, b"") + tlv(0x04, said.encode()))


def page(cookie: int) -> bytes:
    value = tlv(0x30, tlv(0x02, b"\0") + tlv(0x04, cookie.to_bytes(4) if cookie else b""))
    return tlv(0xA0, tlv(0x30, tlv(0x04, b"1.2.840.113556.1.4.319") + tlv(0x04, value)))
