"""What is known of an LDAP server, what is found there, and how it fails."""

import ipaddress
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import urlsplit


class LdapUnavailable(Exception):
    """The server gave no usable answer. `step` says while what, `hint` what to do; neither holds a secret."""

    def __init__(self, reason: str, *, step: str = "", hint: str = "") -> None:
        super().__init__(reason)
        self.reason = reason
        self.step = step
        self.hint = hint

    @property
    def message(self) -> str:
        """Whole sentences: what went wrong, and what to do."""
        reason = self.reason if self.reason.endswith((".", "!", "?")) else f"{self.reason}."
        return f"{reason} {self.hint}".strip()


class LdapRefused(LdapUnavailable):
    """The server answered one search by a refusal, of this result code (RFC 4511); it can be asked further."""

    def __init__(self, reason: str, code: int, *, step: str = "", hint: str = "") -> None:
        super().__init__(reason, step=step, hint=hint)
        self.code = code


ATTRIBUTES: Mapping[str, str] = {
    "username": "uid",
    "email": "mail",
    "name": "cn",
    "first_name": "givenName",
    "last_name": "sn",
    "external_id": "entryUUID",
    "member_of": "memberOf",
    "changed_at": "modifyTimestamp",
}
# Some servers give an entry no modifyTimestamp before its first change (ApacheDS): then it changed when it was created.
CREATED_AT: Mapping[str, str] = {"modifytimestamp": "createTimestamp", "2.5.18.2": "createTimestamp"}
NOT_OF_USERS = frozenset({"member_of", "changed_at"})  # attributes that are read for something else
USER_FILTER = "(|(uid={username})(mail={username}))"
GROUP_FILTER = "(|(member={dn})(uniqueMember={dn}))"
# The parts of a group filter that name members, so that whole groups can be read by the same settings.
MEMBERS = re.compile(r"\(\s*([A-Za-z][A-Za-z0-9;.-]*)\s*=\s*\{(dn|username)\}\s*\)")


@dataclass(frozen=True)
class Address:
    """Where a server listens; `is_tls` from the first byte on."""

    host: str
    port: int
    is_tls: bool

    @property
    def is_loopback(self) -> bool:
        try:
            return ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            return self.host.lower() == "localhost"

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


def address(url: str) -> Address:
    """`ldap://host[:389]` or `ldaps://host[:636]` and nothing more. Raises ValueError, saying what is wrong."""
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as error:
        raise ValueError("This is no address of a server.") from error
    if parts.scheme not in ("ldap", "ldaps") or not parts.hostname:
        raise ValueError("An address looks like ldaps://ldap.example.com or ldap://ldap.example.com:389.")
    if parts.username is not None or parts.path.strip("/") or parts.query or parts.fragment:
        raise ValueError("An address is only scheme, host and port. What is searched is set beside it.")
    is_tls = parts.scheme == "ldaps"
    return Address(parts.hostname, port or (636 if is_tls else 389), is_tls)


@dataclass(frozen=True)
class LdapServer:
    """Everything needed to reach a server and read it. Times are in seconds.

    `ldap://` is upgraded with StartTLS before anything else is sent. Where `is_start_tls` is off, it is only used to
    reach this machine, unless `is_plaintext_allowed`. `attributes` is our field to the directory's attribute.
    """

    name: str
    urls: tuple[str, ...]
    base_dn: str
    bind_dn: str | None = None
    bind_password: str | None = field(default=None, repr=False)
    is_start_tls: bool = True
    is_plaintext_allowed: bool = False
    ca_certificates: str | None = field(default=None, repr=False)
    user_filter: str = USER_FILTER
    group_base_dn: str | None = None
    group_filter: str = GROUP_FILTER
    attributes: Mapping[str, str] = field(default_factory=lambda: dict(ATTRIBUTES))
    page_size: int = 500
    connect_seconds: float = 2.0
    receive_seconds: float = 4.0

    @property
    def change_times(self) -> tuple[str, ...]:
        """Attributes that say when an entry last changed: the latest of them counts."""
        changed_at = self.attributes["changed_at"]
        created_at = CREATED_AT.get(changed_at.lower())
        return (changed_at, created_at) if created_at else (changed_at,)

    @property
    def seconds(self) -> float:
        """The longest that a sign-in or a look-up takes altogether."""
        return self.connect_seconds * len(self.urls) + self.receive_seconds


@dataclass(frozen=True)
class Range:
    """Which of an attribute's values are here: from `start` on, up to and without `next`; None for the last ones."""

    start: int
    next: int | None


@dataclass(frozen=True)
class Entry:
    """A user of a directory. Names of attributes are in lower case; `groups` are DNs, nested ones included.

    An attribute is in `ranges` where the server gives its values piece by piece, and in `tagged` where all its values
    have a language or another option, as in `cn;lang-ja`. Beside values without options, those are left out.
    """

    dn: str
    attributes: Mapping[str, tuple[str, ...]]
    groups: tuple[str, ...] = ()
    ranges: Mapping[str, Range] = field(default_factory=dict)
    tagged: frozenset[str] = frozenset()

    def values(self, name: str) -> list[str]:
        """All values of an attribute, without the spaces around them."""
        return [value.strip() for value in self.attributes.get(name.lower(), ())]

    def first(self, name: str) -> str | None:
        found = self.attributes.get(name.lower(), ())
        return found[0] if found else None


@dataclass(frozen=True)
class Step:
    """One thing that was tried, and how it went."""

    name: str
    is_ok: bool
    message: str
