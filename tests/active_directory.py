"""A scripted LDAP server that answers as Active Directory documents it: there is none to be had for tests.

Ranges (MS-ADTS 3.1.1.3.1.3.3), filters of three values, without constructed attributes and with bits (3.1.1.3.1.3.1,
3.1.1.3.4.4), pages, references at the root of a domain, binary GUIDs, and what a refused bind says (5.1.1.1.2).
"""

import asyncio
import ssl
import uuid
from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from resolvers.connectors.ldap_server import LdapServer
from tests.hostile import hostile
from tests.ldap_messages import Asked, attribute, message, page, read, result, search, tlv

DOMAIN = "DC=corp,DC=example,DC=com"
STAFF = f"OU=Staff,{DOMAIN}"
SERVICE_DN = f"CN=reader,OU=Services,{DOMAIN}"
SERVICE_PASSWORD = "reader of the domain 4711"
PASSWORD = "gravel lantern 77 meadow"
USERS = (
    "(&(objectCategory=person)(objectClass=user)(mail=*)(|(sAMAccountName={username})(userPrincipalName={username}))"
    "(!(userAccountControl:1.2.840.113556.1.4.803:=2)))"
)
ATTRIBUTES = {
    "username": "sAMAccountName",
    "email": "mail",
    "name": "cn",
    "first_name": "givenName",
    "last_name": "sn",
    "external_id": "objectGUID",
    "member_of": "memberOf",
    "changed_at": "whenChanged",
}
BITS = b"1.2.840.113556.1.4.803"
CONSTRUCTED = {"modifytimestamp"}
OK, OPERATIONS_ERROR, INAPPROPRIATE_MATCHING, NO_SUCH_OBJECT, INVALID_CREDENTIALS = 0, 1, 18, 32, 49
Values = list[bytes]


class Refused(Exception):
    """A result code."""

    def __init__(self, code: int) -> None:
        super().__init__(code)
        self.code = code


def piece(values: Values, start: int, most: int) -> tuple[str, Values]:
    """The range of an attribute's values that begins with `start`, and its option."""
    if start >= len(values):
        raise Refused(OPERATIONS_ERROR)
    end = start + most
    return f"range={start}-{'*' if end >= len(values) else end - 1}", values[start:end]


@dataclass
class Domain:
    """Entries by DN, attributes in the case they are shown in, and who signs in how."""

    entries: dict[str, dict[str, Values]] = field(default_factory=dict)
    passwords: dict[str, str] = field(default_factory=dict)
    refusals: dict[str, str] = field(default_factory=dict)  # the data code of who has the right password
    is_open: bool = False  # to searches of whoever has not bound
    max_range: int = 1_500
    max_page: int = 1_000
    piece: Callable[[Values, int, int], tuple[str, Values]] = piece
    asked: list[Asked] = field(default_factory=list)
    port: int = 0

    def add(self, dn: str, **attributes: str | bytes | Iterable[str]) -> str:
        made = {
            name: [each if isinstance(each, bytes) else each.encode() for each in _list(value)]
            for name, value in attributes.items()
        }
        self.entries[dn] = {"objectGUID": [uuid.uuid4().bytes_le], "whenChanged": [b"20260101120000.0Z"], **made}
        return dn

    def person(self, name: str, *, below: str = STAFF, **more: str | bytes | Iterable[str]) -> str:
        """Somebody whose password is PASSWORD: `name` is the sAMAccountName."""
        given: dict[str, Any] = {
            "objectClass": ["top", "person", "organizationalPerson", "user"],
            "objectCategory": f"CN=Person,CN=Schema,CN=Configuration,{DOMAIN}",
            "userAccountControl": "512",
            "sAMAccountName": name,
            "userPrincipalName": f"{name}@corp.example.com",
            "cn": name.capitalize(),
            "mail": f"{name}@example.com",
        }
        dn = self.add(f"CN={name.capitalize()},{below}", **{**given, **more})
        self.passwords[dn] = PASSWORD
        return dn

    def group(self, name: str, members: Sequence[str]) -> str:
        """With its back links, as a domain keeps them."""
        dn = self.add(f"CN={name},OU=Groups,{DOMAIN}", objectClass=["top", "group"], cn=name, member=members)
        for each in members:
            if each in self.entries:
                self.entries[each].setdefault("memberOf", []).append(dn.encode())
        return dn

    def server(self, **more: Any) -> LdapServer:
        given: dict[str, Any] = {
            "name": "corp",
            "urls": (f"ldap://127.0.0.1:{self.port}",),
            "base_dn": DOMAIN,
            "bind_dn": SERVICE_DN,
            "bind_password": SERVICE_PASSWORD,
            "is_start_tls": False,
            "user_filter": USERS,
            "group_filter": "(member={dn})",
            "attributes": ATTRIBUTES,
        }
        return LdapServer(**{**given, **more})

    def searches_for(self, attribute: str) -> list[Asked]:
        """The searches that asked for an attribute, or for a range of it."""
        return [each for each in self.asked if any(a.split(";")[0] == attribute for a in each.attributes)]

    # --- conversations --------------------------------------------------------------------------------------------

    async def talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        bound = False
        while True:
            (_, number), (tag, request), *controls = read(await message(reader))
            if tag == 0x60:
                bound, answers = self._bind(request)
            elif tag == 0x63:
                asked = search(request, controls[0][1] if controls else b"")
                self.asked.append(asked)
                answers = (
                    self._answers(asked)
                    if bound or self.is_open
                    else [result(0x65, OPERATIONS_ERROR, "000004DC: LdapErr")]
                )
            else:
                return
            for each in answers:
                writer.write(tlv(0x30, tlv(0x02, number) + each))
            await writer.drain()

    def _bind(self, request: bytes) -> tuple[bool, list[bytes]]:
        (_, _version), (_, name), (_, password) = read(request)
        known = {dn.lower(): dn for dn in self.passwords}
        dn = known.get(name.decode().lower(), "")
        data = "52e" if self.passwords.get(dn) != password.decode() else self.refusals.get(dn)
        if data is None:
            return True, [result(0x61, OK)]
        said = f"80090308: LdapErr: DSID-0C09042A, comment: AcceptSecurityContext error, data {data}, v4563\0"
        return False, [result(0x61, INVALID_CREDENTIALS, said)]

    def _answers(self, asked: Asked) -> list[bytes]:
        try:
            return self._answered(asked)
        except Refused as refused:
            return [result(0x65, refused.code, "refused")]

    def _answered(self, asked: Asked) -> list[bytes]:
        found, done = self._found(asked), result(0x65, OK)
        if asked.page is not None:
            size, cookie = min(asked.page[0], self.max_page), int.from_bytes(asked.page[1])
            rest = len(found) > cookie + size
            found = found[cookie : cookie + size]
            done += page(cookie + size if rest else 0)
        elif asked.size and len(found) > asked.size:
            found, done = found[: asked.size], result(0x65, 4)
        answers = [tlv(0x64, tlv(0x04, dn.encode()) + self._shown(dn, asked.attributes)) for dn in found]
        if asked.base.lower() == DOMAIN.lower() and asked.scope == 2 and not (asked.page and asked.page[1]):
            answers.append(tlv(0x73, tlv(0x04, f"ldap://DomainDnsZones.corp/DC=DomainDnsZones,{DOMAIN}".encode())))
        return [*answers, done]

    def _found(self, asked: Asked) -> list[str]:
        base = asked.base.lower()
        if asked.scope == 0:
            below = [dn for dn in self.entries if dn.lower() == base]
            if not below:
                raise Refused(NO_SUCH_OBJECT)
        else:
            below = [dn for dn in self.entries if f",{dn.lower()}".endswith(f",{base}")]
        return [dn for dn in below if self._matches(self._all(dn), *read(asked.condition)[0])]

    def _all(self, dn: str) -> dict[str, Values]:
        found = {name.lower(): values for name, values in self.entries[dn].items()}
        return {**found, "modifytimestamp": found["whenchanged"]}

    def _matches(self, entry: Mapping[str, Values], tag: int, content: bytes) -> bool | None:
        """Three values: an attribute that is not there is neither."""
        if tag in (0xA0, 0xA1):
            parts = [self._matches(entry, *each) for each in read(content)]
            decisive = tag == 0xA1
            return decisive if decisive in parts else (None if None in parts else not decisive)
        if tag == 0xA2:
            inner = self._matches(entry, *read(content)[0])
            return None if inner is None else not inner
        if tag == 0x87:
            return content.decode().lower() in entry
        parts = [each for _, each in read(content)]
        rule, name, value = parts if tag == 0xA9 else (b"", parts[0], parts[1])
        attribute = name.decode().lower()
        if attribute in CONSTRUCTED:
            raise Refused(INAPPROPRIATE_MATCHING)
        if attribute not in entry or (tag == 0xA9 and rule != BITS):
            return None
        return any(_is(tag, attribute, each, value) for each in entry[attribute])

    def _shown(self, dn: str, asked: Sequence[str]) -> bytes:
        entry, shown = self._all(dn), b""
        for each in asked:
            name, _, option = each.partition(";")
            values = entry.get(name.lower())
            if values is None:
                continue
            if option or len(values) > self.max_range:
                start = int(option.removeprefix("range=").partition("-")[0] or 0) if option else 0
                label, some = self.piece(values, start, self.max_range)
                shown += (b"" if option else attribute(name, [])) + attribute(f"{name};{label}", some)
            else:
                shown += attribute(name, values)
        return tlv(0x30, shown)


def _is(tag: int, attribute: str, value: bytes, wanted: bytes) -> bool:
    if tag == 0xA9:
        return int(value) & int(wanted) == int(wanted)
    if tag == 0xA5:
        assert wanted.endswith(b".0Z"), "documented with a fraction"
        return value >= wanted
    assert tag == 0xA3
    if attribute == "objectguid":
        return value == wanted
    if attribute == "objectcategory" and b"=" not in wanted:
        value = value.split(b",")[0].partition(b"=")[2]
    return value.lower() == wanted.lower()


def _list(value: str | bytes | Iterable[str]) -> list[str | bytes]:
    return [value] if isinstance(value, str | bytes) else list(value)


@asynccontextmanager
async def active_directory(context: ssl.SSLContext | None = None, **more: Any) -> AsyncIterator[Domain]:
    """A domain with a service account and Jane, who is in Engineers, who are in Everybody."""
    domain = Domain(**more)
    domain.add(DOMAIN, objectClass=["top", "domain", "domainDNS"])
    domain.add(SERVICE_DN, objectClass=["top", "person", "organizationalPerson", "user"])
    domain.passwords[SERVICE_DN] = SERVICE_PASSWORD
    jane = domain.person("jane", cn="Jane Doe", givenName="Jane", sn="Doe")
    domain.group("Everybody", [domain.group("Engineers", [jane])])
    async with hostile(domain.talk, context) as port:
        domain.port = port
        yield domain
