"""Where a sign-in comes from: the peer, or what a trusted proxy says; a forged header says nothing."""

from typing import Any

import pytest

from graph.callers import Callers
from models.settings import BadSetting
from tests.cast import PASSWORD
from tests.service import Service
from tests.signing_in import REFUSED, sign_in

PROXIES = "10.0.0.0/8, 192.0.2.7,2001:db8::/32"


def address(proxies: str, peer: str | None, *forwarded: str) -> str | None:
    headers = [(b"x-forwarded-for", each.encode("latin-1")) for each in forwarded]
    scope = {"type": "http", "client": None if peer is None else (peer, 1), "headers": headers}
    return Callers(proxies).of(scope).address


@pytest.mark.parametrize(
    ("peer", "forwarded", "expected"),
    [
        ("198.51.100.1", ["203.0.113.9"], "198.51.100.1"),
        ("198.51.100.1", ["10.0.0.1"], "198.51.100.1"),
        ("10.1.2.3", [], "10.1.2.3"),
        ("10.1.2.3", ["203.0.113.9"], "203.0.113.9"),
        ("10.1.2.3", ["1.1.1.1, 203.0.113.9"], "203.0.113.9"),
        ("10.1.2.3", ["1.1.1.1, 203.0.113.9, 192.0.2.7 "], "203.0.113.9"),
        ("10.1.2.3", ["1.1.1.1", "203.0.113.9"], "203.0.113.9"),
        ("10.1.2.3", ["203.0.113.9, rubbish"], "10.1.2.3"),
        ("10.1.2.3", ["203.0.113.9, unknown, 10.9.9.9"], "10.9.9.9"),
        ("10.1.2.3", ["203.0.113.9:4711"], "203.0.113.9"),
        ("10.1.2.3", ["[2001:4860::1]:443"], "2001:4860::1"),
        ("10.1.2.3", ["2001:4860::1"], "2001:4860::1"),
        ("10.1.2.3", ["10.0.0.1, 10.0.0.2"], "10.0.0.1"),
        ("10.1.2.3", ["", ","], "10.1.2.3"),
        ("::ffff:10.1.2.3", ["::ffff:203.0.113.9"], "203.0.113.9"),
        ("2001:db8::5", ["203.0.113.9"], "203.0.113.9"),
        (None, ["203.0.113.9"], None),
        ("testclient", ["203.0.113.9"], None),
    ],
)
def test_the_nearest_hop_that_is_no_trusted_proxy_is_the_client(
    peer: str | None, forwarded: list[str], expected: str | None
) -> None:
    assert address(PROXIES, peer, *forwarded) == expected


def test_without_the_setting_no_header_counts() -> None:
    assert address("", "127.0.0.1", "203.0.113.9") == "127.0.0.1"


@pytest.mark.parametrize("proxies", ["balancer.example", "10.0.0.0/40", "10.0.0.1;10.0.0.2", "*"])
def test_a_setting_that_is_no_address_is_refused_at_the_start(proxies: str) -> None:
    with pytest.raises(BadSetting, match="USERGRAPH_TRUSTED_PROXIES takes addresses and networks"):
        Callers(proxies)


async def test_behind_a_trusted_proxy_each_client_counts_for_itself(service_with: Any) -> None:
    async with service_with(trusted_proxies="127.0.0.1/32") as service:
        for _ in range(5):
            assert await sign_in(service, password="wrong", address="203.0.113.9") == REFUSED
        assert await sign_in(service, address="203.0.113.9") == REFUSED
        assert (await sign_in(service, address="203.0.113.10"))["errors"] == []
        assert await service.rows("SELECT address FROM sessions") == [("203.0.113.10",)]


async def test_a_forged_header_buys_no_further_guesses(service: Service) -> None:
    for number in range(5):
        assert await sign_in(service, password="wrong", address=f"203.0.113.{number}") == REFUSED
    assert await sign_in(service, address="203.0.113.9") == REFUSED
    assert await service.scalar("SELECT COUNT(*) FROM sign_in_failures") == 3


@pytest.fixture
def untold(monkeypatch: pytest.MonkeyPatch) -> None:
    """As in a process that has just begun."""
    monkeypatch.setattr("resolvers.sign_in._is_proxy_told", False)


def warnings(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in caplog.records if "X-Forwarded-For" in record.getMessage()]


@pytest.mark.usefixtures("untold")
async def test_a_proxy_that_nobody_named_is_told_once(service: Service, caplog: pytest.LogCaptureFixture) -> None:
    await sign_in(service, password="wrong")
    query = {"query": "{ me { id } }"}
    await service.post(query, headers={"x-forwarded-for": "203.0.113.1"})
    assert warnings(caplog) == [], "nobody forwarded, and nobody signed in"
    for number in range(3):
        await sign_in(service, password="wrong" if number else PASSWORD, address=f"203.0.113.{number}")
    (told,) = warnings(caplog)
    assert "came from 127.0.0.1 with" in told
    assert "set USERGRAPH_TRUSTED_PROXIES to its address" in told
    assert "203.0.113" not in caplog.text, "what the header says is anybody's"
    assert caplog.records[0].levelname == "WARNING"


@pytest.mark.usefixtures("untold")
async def test_of_a_trusted_proxy_nothing_is_told(service_with: Any, caplog: pytest.LogCaptureFixture) -> None:
    async with service_with(trusted_proxies="127.0.0.1") as service:
        assert (await sign_in(service, address="203.0.113.9"))["errors"] == []
    assert warnings(caplog) == []


@pytest.mark.parametrize(
    ("peer", "forwarded", "ignored"),
    [
        ("198.51.100.1", ["203.0.113.9"], "198.51.100.1"),
        ("198.51.100.1", [], None),
        ("10.1.2.3", ["203.0.113.9"], None),
        ("::ffff:10.1.2.3", ["203.0.113.9"], None),
        ("testclient", ["203.0.113.9"], None),
        (None, ["203.0.113.9"], None),
    ],
)
def test_who_is_not_believed_is_known(peer: str | None, forwarded: list[str], ignored: str | None) -> None:
    headers = [(b"x-forwarded-for", each.encode()) for each in forwarded]
    scope = {"type": "http", "client": None if peer is None else (peer, 1), "headers": headers}
    assert Callers(PROXIES).of(scope).ignored_proxy == ignored
