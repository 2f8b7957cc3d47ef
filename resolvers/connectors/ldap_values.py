"""Values of LDAP attributes as text and back, and as parts of filters."""

import base64
import re
import uuid

# Sixteen bytes in Active Directory, which are written as a GUID: its first three numbers little-endian.
GUIDS = frozenset({"objectguid", "1.2.840.113556.1.4.2", "ms-ds-consistencyguid", "1.2.840.113556.1.4.2360"})
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


def escaped_ids(attribute: str, value: str) -> tuple[str, ...]:
    """What an external id may be in the directory, likeliest first: the text, or bytes that `text` has written so."""
    if attribute.lower() in GUIDS:
        try:
            return (_hex(uuid.UUID(value).bytes_le),)
        except ValueError:
            return (escaped(value),)
    raw = _raw(value)
    return (escaped(value),) if raw is None else (escaped(value), _hex(raw))


def _hex(raw: bytes) -> str:
    return "".join(f"\\{byte:02x}" for byte in raw)


def _raw(value: str) -> bytes | None:
    """The bytes that stand in base64 because they are no text."""
    try:
        raw = base64.b64decode(value, validate=True)
    except ValueError:
        return None
    return raw if text("", raw) == value else None
