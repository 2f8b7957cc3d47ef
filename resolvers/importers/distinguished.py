"""Distinguished names: two that mean the same entry get the same form (RFC 4514, and the older spellings)."""

import re

_PIECE = re.compile(r"\\(?:([0-9A-Fa-f]{2})|(.))|(\")|([,;+=])|([^\\\",;+=]+)|(.)", re.DOTALL)
_SAME_TYPE = {
    "userid": "uid",
    "commonname": "cn",
    "surname": "sn",
    "domaincomponent": "dc",
    "organizationalunitname": "ou",
    "organizationname": "o",
    "emailaddress": "e",
}
# Code points that no name holds stand for the separators, so that an escaped comma is not taken for one.
_NEXT, _PLUS, _EQUALS = "\ue000", "\ue001", "\ue002"
_MARKS = {",": _NEXT, ";": _NEXT, "+": _PLUS, "=": _EQUALS}


def canonical(dn: str) -> str:
    """Spaces around separators, escapes, case and the order within `a=1+b=2` make no difference."""
    return _NEXT.join(_rdn(part) for part in _marked(dn).split(_NEXT))


def first_value(dn: str) -> str:
    """`Admins` of `cn=Admins,ou=Groups,dc=example`."""
    return (
        _marked(dn)
        .split(_NEXT)[0]
        .split(_PLUS)[0]
        .partition(_EQUALS)[2]
        .strip(" \ue003")
        .replace("\ue003", " ")
    )


def _marked(dn: str) -> str:
    """The name without its escapes, separators replaced; escaped bytes are UTF-8."""
    out: list[bytes] = []
    quoted = False
    for code, escaped, quote, separator, plain, other in _PIECE.findall(dn):
        if code:
            out.append(bytes.fromhex(code))
        elif escaped:
            out.append(("\ue003" if escaped == " " else escaped).encode(errors="replace"))
        elif quote:
            quoted = not quoted
        elif separator:
            out.append((separator if quoted else _MARKS[separator]).encode())
        else:
            out.append((plain or other).encode(errors="replace"))
    return b"".join(out).decode(errors="replace")


def _rdn(part: str) -> str:
    return _PLUS.join(sorted(_assertion(one) for one in part.split(_PLUS)))


def _assertion(one: str) -> str:
    kind, _, value = one.partition(_EQUALS)
    kind = kind.strip().lower().removeprefix("oid.")
    plain = " ".join(value.replace(_EQUALS, "=").replace("\ue003", " ").split())
    return f"{_SAME_TYPE.get(kind, kind)}={plain.casefold()}"
