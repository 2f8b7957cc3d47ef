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
_NEXT, _PLUS, _EQUALS, _SPACE = "\ue000", "\ue001", "\ue002", "\ue003"
_RESERVED = re.compile("[\ue000-\ue003]")
_MARKS = {",": _NEXT, ";": _NEXT, "+": _PLUS, "=": _EQUALS}


def canonical(dn: str) -> str:
    """Spaces around separators, escapes, case and the order within `a=1+b=2` make no difference."""
    return _NEXT.join(_rdn(part) for part in _marked(dn).split(_NEXT))


def first_value(dn: str) -> str:
    """`Admins` of `cn=Admins,ou=Groups,dc=example`."""
    first = _marked(dn).split(_NEXT)[0].split(_PLUS)[0]
    return _plain(first.partition(_EQUALS)[2]).strip()


def escaped(value: str) -> str:
    """A value as it may stand in a name."""
    return re.sub(r'(^[ #]|[ ]$|[,;+="\\<>])', r"\\\1", value)


def _marked(dn: str) -> str:
    """The name without its escapes, separators replaced; escaped bytes are UTF-8."""
    out: list[bytes] = []
    quoted = False
    for code, char, quote, separator, plain, other in _PIECE.findall(_RESERVED.sub("\ufffd", dn)):
        if code:
            out.append(bytes.fromhex(code))
        elif char:
            out.append((_SPACE if char == " " else char).encode(errors="replace"))
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
    plain = " ".join(_plain(value).split())
    return f"{_SAME_TYPE.get(kind, kind)}={plain.casefold()}"


def _plain(value: str) -> str:
    return value.replace(_EQUALS, "=").replace(_SPACE, " ")
