"""Where a request comes from: the peer, or through proxies that are trusted the one they name."""

import ipaddress
from collections.abc import Iterable

from starlette.types import Scope

from models.settings import BadSetting
from resolvers.changes import Caller

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Network = ipaddress.IPv4Network | ipaddress.IPv6Network


class Callers:
    """`proxies` is the setting: addresses or networks whose X-Forwarded-For is believed. Raises BadSetting."""

    def __init__(self, proxies: str) -> None:
        self._trusted = [_network(each) for each in proxies.split(",") if each.strip()]

    def of(self, scope: Scope) -> Caller:
        peer, hops = _peer(scope), _hops(scope["headers"])
        is_ignored = bool(hops) and peer is not None and not self._is_trusted(peer)
        address = None if peer is None else str(self._client(peer, hops))
        return Caller(address, _agent(scope["headers"]), str(peer) if is_ignored else None)

    def _client(self, peer: Address, hops: list[str]) -> Address:
        """The nearest hop that no trusted proxy is; what comes before it anybody could have written."""
        address = peer
        for hop in reversed(hops if self._is_trusted(peer) else []):
            before = _parsed(hop)
            if before is None:
                break
            address = before
            if not self._is_trusted(address):
                break
        return address

    def _is_trusted(self, address: Address) -> bool:
        return any(address in network for network in self._trusted)


def _network(text: str) -> Network:
    try:
        return ipaddress.ip_network(text.strip(), strict=False)
    except ValueError as error:
        message = f"USERGRAPH_TRUSTED_PROXIES takes addresses and networks by commas, and {text.strip()!r} is neither."
        raise BadSetting(message) from error


def _peer(scope: Scope) -> Address | None:
    client = scope.get("client")
    return _parsed(client[0]) if client else None


def _hops(headers: Iterable[tuple[bytes, bytes]]) -> list[str]:
    """What every X-Forwarded-For says, in order: a proxy may have added a header of its own."""
    return [hop for name, value in headers if name == b"x-forwarded-for" for hop in value.decode("latin-1").split(",")]


def _parsed(text: str) -> Address | None:
    """An address, its port taken off; IPv4 that comes over IPv6 is IPv4."""
    bare = text.strip()
    if bare.startswith("["):
        bare = bare[1:].partition("]")[0]
    elif bare.count(":") == 1:
        bare = bare.partition(":")[0]
    try:
        found = ipaddress.ip_address(bare.partition("%")[0])
    except ValueError:
        return None
    return (found.ipv4_mapped or found) if isinstance(found, ipaddress.IPv6Address) else found


def _agent(headers: Iterable[tuple[bytes, bytes]]) -> str | None:
    return next((value.decode("latin-1") for name, value in headers if name == b"user-agent"), None)
