"""The primary group of an account in Active Directory, which `memberOf` leaves out (MS-ADTS 3.1.1.4.5.3).

An account has the last number of the group's SID in `primaryGroupID`; the rest of it is that of its own SID.
"""

import base64
import binascii

from resolvers.connectors.ldap_server import Entry, LdapRefused, LdapServer
from resolvers.connectors.ldap_session import ANYTHING, BASE, NOTHING, SUBTREE, Session

PRIMARY_GROUP_ATTRIBUTES = ("primaryGroupID", "objectSid")


class PrimaryGroups:
    """Finds primary groups, each once in a conversation."""

    def __init__(self) -> None:
        self._dns: dict[bytes, str | None] = {}

    async def find(self, talk: Session, server: LdapServer, entry: Entry) -> str | None:
        """The DN of the entry's primary group; None where it has none, or where it may not be read."""
        sid = primary_group_sid(entry)
        if sid is None:
            return None
        if sid not in self._dns:
            self._dns[sid] = await _dn_of(talk, server, sid)
        return self._dns[sid]


def primary_group_sid(entry: Entry) -> bytes | None:
    """The SID (MS-DTYP 2.4.2.2) of the primary group, as bytes."""
    number, text = entry.first("primaryGroupID"), entry.first("objectSid")
    if not number or not number.isdecimal() or not text:
        return None
    try:
        own = text.encode() if text.startswith("\x01") else base64.b64decode(text, validate=True)
        if len(own) != 8 + 4 * own[1] or own[0] != 1 or not own[1]:
            return None
        return own[:-4] + int(number).to_bytes(4, "little")
    except (binascii.Error, ValueError, OverflowError, IndexError):
        return None


def sid_text(sid: bytes) -> str:
    parts = (int.from_bytes(sid[start : start + 4], "little") for start in range(8, len(sid), 4))
    return "-".join(["S", str(sid[0]), str(int.from_bytes(sid[2:8])), *map(str, parts)])


async def _dn_of(talk: Session, server: LdapServer, sid: bytes) -> str | None:
    """By its SID wherever it is (MS-ADTS 3.1.1.3.1.2.4), else below the base of groups or of people."""
    escaped = "".join(f"\\{byte:02x}" for byte in sid)
    base = server.group_base_dn or server.base_dn
    for place, asked, scope in ((f"<SID={sid_text(sid)}>", ANYTHING, BASE), (base, f"(objectSid={escaped})", SUBTREE)):
        try:
            found = await talk.search(place, asked, NOTHING, scope=scope, most=1)
        except LdapRefused:
            continue
        if found.entries:
            return found.entries[0].dn
    return None
