"""LDAP servers that hang, lie or break off: a few seconds, one kind of error, nothing left behind."""

import asyncio
import socket
import threading
import time
from typing import Any

import pytest

from resolvers.connectors import ldap, ldap_connections, ldap_wire
from resolvers.connectors.ldap_probe import probe
from resolvers.connectors.ldap_server import LdapUnavailable
from tests.hostile import GENEROUS, SECRET, TALKS, hostile, plain, reaching, refused, silent
from tests.slapd import SERVICE, Slapd


@pytest.mark.parametrize("name", TALKS)
async def test_a_server_that_talks_no_sense_is_unavailable_soon(name: str) -> None:
    async with hostile(TALKS[name]) as port:
        await refused(plain(port))


@pytest.mark.parametrize("name", ["hanging", "closing", "resetting", "dripping", "web server", "garbage"])
@pytest.mark.parametrize("scheme", ["ldap", "ldaps"])
async def test_so_is_one_that_is_asked_for_tls(name: str, scheme: str) -> None:
    async with hostile(TALKS[name]) as port:
        await refused(reaching(port, scheme))


async def test_what_nobody_listens_to_is_unavailable() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        assert (
            "does not answer" in (await refused(plain(port))).reason
        )  # the system takes the connection; nobody else does
    assert "takes no connection" in (await refused(plain(port))).reason


async def test_a_name_that_nobody_knows_is_unavailable() -> None:
    for host in ("nowhere.invalid", "x" * 64 + ".invalid", "ß..example"):
        raised = await refused(reaching(389, host=host))
        assert raised.step == "resolve"


async def test_name_servers_that_hang_cost_no_more_than_others(monkeypatch: pytest.MonkeyPatch) -> None:
    release = threading.Event()

    def hang(*_: Any, **__: Any) -> Any:
        release.wait(30)
        raise OSError("nobody answered")

    with monkeypatch.context() as patched:
        patched.setattr(socket, "getaddrinfo", hang)
        begun = time.monotonic()
        results = await asyncio.gather(
            *(ldap.find(reaching(389, host="ldap.example.com"), username="x") for _ in range(40)),
            return_exceptions=True,
        )
        assert time.monotonic() - begun < GENEROUS
        assert {type(each) for each in results} == {LdapUnavailable}
        assert sum("Too many names" in str(each) for each in results) == 40 - ldap_wire.MOST_LOOKUPS
        release.set()
        for _ in range(100):
            if not any(thread.name == "ldap-dns" for thread in threading.enumerate()):
                break
            await asyncio.sleep(0.05)
    assert not any(thread.name == "ldap-dns" for thread in threading.enumerate())
    assert "takes no connection" in (await refused(reaching(1))).reason  # looked up again


async def test_one_hanging_server_holds_a_bounded_number_and_others_go_on(slapd: Slapd) -> None:
    async with hostile(silent) as port:
        waiting = [asyncio.create_task(ldap.find(plain(port), username="x")) for _ in range(100)]
        await asyncio.sleep(0.1)
        assert await ldap.find(slapd.server(), username="jane") is not None
        results = await asyncio.gather(*waiting, return_exceptions=True)
    assert {type(each) for each in results} == {LdapUnavailable}
    assert sum("Too many are waiting" in str(each) for each in results) == 100 - ldap_connections.MOST_AT_ONCE


async def test_who_gives_up_leaves_no_connection() -> None:
    gone = asyncio.Event()

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while await reader.read(1000):
            pass
        gone.set()

    async with hostile(talk) as port:
        task = asyncio.create_task(ldap.find(reaching(port, receive_seconds=60, connect_seconds=60), username="x"))
        await asyncio.sleep(0.2)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await asyncio.wait_for(gone.wait(), GENEROUS)
    assert not ldap_connections._busy


async def test_the_next_address_is_asked_where_one_hangs(slapd: Slapd) -> None:
    async with hostile(silent) as port:
        server = slapd.server(urls=(f"ldap://127.0.0.1:{port}", slapd.url), connect_seconds=0.5)
        assert await ldap.find(server, username="jane") is not None
        steps = await probe(server, username="jane")
        assert [(step.name, step.is_ok) for step in steps][:6] == [
            ("resolve", True), ("connect", True), ("tls", False), ("resolve", True), ("connect", True), ("tls", True),
        ]  # fmt: skip
        assert steps[-1].name == "groups"


@pytest.mark.parametrize("name", TALKS)
async def test_a_probe_says_where_it_ended(name: str) -> None:
    async with hostile(TALKS[name]) as port:
        steps = await asyncio.wait_for(probe(plain(port), username="jane"), GENEROUS)
    assert [step.is_ok for step in steps] == [True] * (len(steps) - 1) + [False]
    assert steps[-1].name in ("connect", "tls", "bind", "base")
    assert steps[-1].message
    assert not any(secret in step.message for step in steps for secret in (SECRET, SERVICE))
