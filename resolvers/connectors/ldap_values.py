"""Values of LDAP attributes as text and back, and as parts of filters."""

import base64
import re
import uuid

# Sixteen bytes in Active Directory, which are written as a GUID: its first three numbers little-endian.
GUIDS = frozenset({"objectguid", "ms-ds-consistencyguid"})
_SPECIAL = re.compile(rb"[^A-Za-z0-9 @._,=+-]")


def text(attribute: str, value: bytes) -> str:
    """A value of an attribute (its name in lower case); what is no text is base64."""
    if attribute in GUIDS and len(value) == 16:
        return str(uuid.UUID(bytes_le=value))
    try:
        return value.decode()
    except UnicodeDecodeError:
        return base64.b64encode(value).decode()


def escaped(value: str) -> str:
    """A value as it stands in a filter (RFC 4515): everything that could mean anything is written in hex."""
    return _SPECIAL.sub(lambda found: b"\\%02x" % found[0][0], value.encode(errors="replace")).decode()


def escaped_id(attribute: str, value: str) -> str:
    """The same for an external id, which Active Directory keeps as bytes."""
    if attribute.lower() not in GUIDS:
        return escaped(value)
    try:
        return "".join(f"\\{byte:02x}" for byte in uuid.UUID(value).bytes_le)
    except ValueError:
        return escaped(value)
