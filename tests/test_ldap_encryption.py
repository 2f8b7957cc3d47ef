"""Passwords go to nobody but the server that its certificate names: StartTLS, certificates, and never in the clear."""

import asyncio
import socket
import ssl
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.certificates import Authority
from tests.hostile import BOUND, EXTENDED, hostile, reaching, refused, result, says, silent
from tests.slapd import SERVICE


async def test_starttls_that_is_refused_is_not_done_without() -> None:
    seen = bytearray()

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        seen.extend(await reader.read(1000))
        writer.write(result(EXTENDED, 2))
        seen.extend(await reader.read(1000))

    async with hostile(talk) as port:
        assert "refuses StartTLS" in (await refused(reaching(port))).reason
    assert SERVICE.encode() not in seen


async def test_what_is_said_before_the_handshake_does_not_count_after_it() -> None:
    async with hostile(says(result(EXTENDED, 0) + result(BOUND, 0, number=2))) as port:
        assert "out of turn" in (await refused(reaching(port))).reason


async def test_a_handshake_that_hangs_ends() -> None:
    async with hostile(says(result(EXTENDED, 0))) as port:
        assert "does not answer" in (await refused(reaching(port))).reason


@pytest.mark.parametrize("wrong", ["authority", "host", "expired", "system"])
async def test_a_certificate_that_is_not_right_is_refused(tmp_path: Path, wrong: str) -> None:
    ours, theirs = Authority("Ours"), Authority("Theirs")
    issuer = theirs if wrong == "authority" else ours
    name = "other.example.com" if wrong == "host" else "127.0.0.1"
    life = timedelta(days=-1) if wrong == "expired" else timedelta(days=1)
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(*issuer.issue(tmp_path, name, life=life))
    trusted = None if wrong == "system" else ours.pem
    async with hostile(silent, context) as port:
        raised = await refused(reaching(port, "ldaps", ca_certificates=trusted))
    assert "certificate" in raised.reason
    assert raised.step == "tls"


async def test_a_right_certificate_for_the_name_is_taken_and_for_the_address_is_not(tmp_path: Path) -> None:
    ours = Authority()
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(*ours.issue(tmp_path, "localhost"))
    async with hostile(says(result(BOUND, 51)), context) as port:
        named = await refused(reaching(port, "ldaps", "localhost", ca_certificates=ours.pem))
        assert "busy" in named.reason
        assert "certificate" in (await refused(reaching(port, "ldaps", ca_certificates=ours.pem))).reason


async def test_passwords_are_not_sent_in_the_clear_to_other_machines(monkeypatch: pytest.MonkeyPatch) -> None:
    seen = bytearray()

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        seen.extend(await reader.read(1000))
        writer.write(result(BOUND, 51))

    _known_as_this_machine(monkeypatch)
    async with hostile(talk) as port:
        server = reaching(port, host="ldap.example.com", is_start_tls=False)
        assert "in the clear" in (await refused(server)).reason
        assert not seen
        allowed = reaching(port, host="ldap.example.com", is_start_tls=False, is_plaintext_allowed=True)
        assert "busy" in (await refused(allowed)).reason


def _known_as_this_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    real = socket.getaddrinfo

    def found(host: str, *given: Any, **more: Any) -> Any:
        return real("127.0.0.1" if host == "ldap.example.com" else host, *given, **more)

    monkeypatch.setattr(socket, "getaddrinfo", found)
