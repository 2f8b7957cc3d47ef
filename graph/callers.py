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
        return Caller(self._address(scope), _agent(scope["headers"]))

    def _address(self, scope: Scope) -> str | None:
        """The nearest hop that no trusted proxy is; what comes before it anybody could have written."""
        peer = scope.get("client")
        address = _parsed(peer[0]) if peer else None
        if address is None:
            return None
        for hop in reversed(_hops(scope["headers"]) if self._is_trusted(address) else []):
            before = _parsed(hop)
            if before is None:
                break
            address = before
            if not self._is_trusted(address):
                break
        return str(address)

    def _is_trusted(self, address: Address) -> bool:
        return any(address in network for network in self._trusted)


def _network(text: str) -> Network:
    try:
        return ipaddress.ip_network(text.strip(), strict=False)
    except ValueError as error:
        message = f"USERGRAPH_TRUSTED_PROXIES takes addresses and networks by commas, and {text.strip()!r} is neither."
        raise BadSetting(message) from error


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
