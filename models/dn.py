"""Distinguished names: reads, prints and compares them, so that two spellings of one entry have one form.

What is read: RFC 4514, and the older spellings that servers and exports still write (RFC 1779 and RFC 2253): quotes,
`;` between parts, spaces around separators, `OID.2.5.4.3`. What makes no difference: escapes (`\\,`, `\\2C`,
`#0C01…`), names and OIDs of one attribute type, the order within `a=1+b=2`, spaces as RFC 4518 counts them, and case,
but for the attributes that mind it.
"""

import re
import unicodedata
from dataclasses import dataclass
from functools import lru_cache

from models.dn_types import MINDS_CASE, TYPES

_TYPE = re.compile(r"(?:oid\.)?([a-z][a-z0-9-]*|[0-9]+(?:\.[0-9]+)+)", re.ASCII)
_PIECE = re.compile(r"\\([0-9A-Fa-f]{2})|\\(.)|([\",;+])|([^\\\",;+]+)", re.DOTALL)
_HEX = re.compile(r"#((?:[0-9A-Fa-f]{2})+)", re.ASCII)
# RFC 4518, 2.2: what means a space, and what means nothing.
_SPACE = re.compile("[\t-\r\x20\x85\xa0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000]+")
_NOTHING = re.compile(
    "[\x00-\x08\x0e-\x1f\x7f-\x84\x86-\x9f\u00ad\u034f\u06dd\u070f\u1806\u180b-\u180e\u200b-\u200f\u202a-\u202e"
    "\u2060-\u2064\u206a-\u206f\ufe00-\ufe0f\ufeff\ufff9-\ufffc\U0001d173-\U0001d17a\U000e0000-\U000e0fff]"
)
# Tags of ASN.1 strings that a value in hex may be, with how their bytes are read.
_STRINGS = {
    0x04: "utf-8",  # OCTET STRING
    0x0C: "utf-8",  # UTF8String
    0x12: "ascii",  # NumericString
    0x13: "ascii",  # PrintableString
    0x14: "latin-1",  # TeletexString, as it is used
    0x16: "ascii",  # IA5String
    0x1A: "ascii",  # VisibleString
    0x1C: "utf-32-be",  # UniversalString
    0x1E: "utf-16-be",  # BMPString
}
_SPECIAL = re.compile(r'[\\";+#<>]')
_ESCAPED = re.compile(r'[,+"\\<>;=]|^[ #]| $')
_UNPRINTABLE = re.compile("[\x00-\x1f\x7f-\x9f\ud800-\udfff]")


class InvalidDn(ValueError):
    """A text is no distinguished name."""


@dataclass(frozen=True)
class Assertion:
    """One `type=value`: the type by its usual name, the value without escapes (bytes that are no UTF-8 as surrogates).

    `is_binary`: the value is the hex digits of something that is no text.
    """

    type: str
    value: str
    is_binary: bool = False


Rdn = tuple[Assertion, ...]


def parse_dn(text: str) -> tuple[Rdn, ...]:
    """The parts of a DN, the entry's own name first. Raises InvalidDn."""
    rdns: list[Rdn] = []
    rdn: list[Assertion] = []
    for part, separator in _split(text):
        rdn.append(_assertion(part))
        if separator != "+":
            rdns.append(tuple(rdn))
            rdn = []
    return tuple(rdns)


def format_dn(rdns: tuple[Rdn, ...]) -> str:
    """A DN as RFC 4514 writes it, with the fewest escapes."""
    return ",".join("+".join(_print(each) for each in rdn) for rdn in rdns)


def requested_dn(text: str) -> str:
    """A DN in the spelling of RFC 4514, which every server reads; a text that is no DN stays as it is.

    Names and OIDs of a type become its usual name: Samba knows no other. `mail` and `email` are two types to servers.
    """
    if _UNPRINTABLE.search(text):
        return text
    try:
        rdns = parse_dn(text)
    except InvalidDn:
        return text
    return text if any(each.type == "mail" for rdn in rdns for each in rdn) else format_dn(rdns)


def normalize_dn(text: str) -> str:
    """The one form of all spellings of a DN; it is itself a DN. Raises InvalidDn."""
    if text.isascii() and text.isprintable() and not _SPECIAL.search(text):  # nine of ten, in a tenth of the time
        parts = [_plain_part(part) for part in text.split(",")]
        if all(parts):
            return ",".join(parts)
    return format_dn(tuple(_normal_rdn(rdn) for rdn in parse_dn(text)))


@lru_cache(maxsize=8192)
def _plain_part(part: str) -> str:
    """The normal form of `type=value` without escapes or any other sign that means something; else an empty text."""
    name, _, value = part.partition("=")
    known = _TYPE.fullmatch(name.strip().lower())
    type_ = TYPES.get(known[1], known[1]) if known else None
    kept = " ".join(value.split())
    if not type_ or not kept or "=" in kept:
        return ""
    return f"{type_}={kept if type_ in MINDS_CASE else kept.lower()}"


def dn_key(text: str) -> str:
    """The normal form; a text that is no DN stands for itself, and so never for an entry."""
    try:
        return normalize_dn(text)
    except InvalidDn:
        return text


def is_dn(text: str) -> bool:
    """Whether a text is a DN."""
    try:
        return bool(parse_dn(text))
    except InvalidDn:
        return False


def dn_part(text: str) -> str:
    """A piece of a DN as it stands in the normal form: some of its parts, a value, or what a value begins with."""
    trimmed = text.strip(", ")
    begin, end = text.lstrip()[:1] == ",", text.rstrip()[-1:] == ","
    if is_dn(trimmed):
        return f"{',' * begin}{normalize_dn(trimmed)}{',' * end}"
    if "=" not in text and is_dn(f"cn={text}"):
        return normalize_dn(f"cn={text}").removeprefix("cn=")
    folded = " ".join(_fold(unicodedata.normalize("NFKC", text)).split())
    if folded.endswith("=") and (known := _TYPE.fullmatch(folded[:-1].strip(", "))):
        return f"{',' * begin}{TYPES.get(known[1], known[1])}="
    return folded if "=" in folded else escape_value(folded)


def first_value(text: str) -> str:
    """The value that a DN begins with: `Admins` of `cn=Admins,ou=Groups,dc=example`; empty for no DN."""
    try:
        return parse_dn(text)[0][0].value.encode(errors="surrogateescape").decode(errors="replace")
    except InvalidDn:
        return ""


def escape_value(value: str) -> str:
    """A value as it may stand in a DN."""
    escaped = _ESCAPED.sub(lambda found: f"\\{found[0]}", value)
    return _UNPRINTABLE.sub(_hex_pairs, escaped)


def _split(text: str) -> list[tuple[list[tuple[bytes, bool]], str]]:
    """The pieces of each `type=value`, as bytes with whether they were escaped, and the separator behind it."""
    found: list[tuple[list[tuple[bytes, bool]], str]] = []
    pieces: list[tuple[bytes, bool]] = []
    is_quoted, place = False, 0
    while place < len(text):
        piece = _PIECE.match(text, place)
        if piece is None:
            raise InvalidDn("a backslash stands at the end")
        place = piece.end()
        pair, escaped, sign, plain = piece.groups()
        if pair is not None:
            pieces.append((bytes.fromhex(pair), True))
        elif escaped is not None:
            pieces.append((_bytes(escaped), True))
        elif sign == '"':
            is_quoted = not is_quoted
            pieces.append((b"", True))
        elif sign is not None and not is_quoted:
            found.append((pieces, sign))
            pieces = []
        else:
            pieces.append((_bytes(plain or sign), is_quoted))
    if is_quoted:
        raise InvalidDn("a quote is not closed")
    return [*found, (pieces, "")]


def _bytes(text: str) -> bytes:
    return text.encode(errors="surrogatepass")


def _assertion(pieces: list[tuple[bytes, bool]]) -> Assertion:
    head, is_escaped = pieces[0] if pieces else (b"", True)
    name, sign, rest = head.partition(b"=")
    known = _TYPE.fullmatch(name.decode(errors="replace").strip().lower())
    if is_escaped or not sign or known is None:
        raise InvalidDn("a part is not type=value")
    type_ = TYPES.get(known[1], known[1])
    values = _trimmed([(rest, False), *pieces[1:]])
    if not values:
        raise InvalidDn("a value is empty")
    raw = b"".join(each for each, _ in values)
    if values[0][0].startswith(b"#") and not values[0][1]:
        return _binary(type_, raw.decode(errors="replace"))
    return Assertion(type_, raw.decode(errors="surrogateescape"))


def _trimmed(pieces: list[tuple[bytes, bool]]) -> list[tuple[bytes, bool]]:
    """Without the spaces around a value that are not escaped."""
    kept = list(pieces)
    while kept and not kept[0][1]:
        if trimmed := kept[0][0].lstrip():
            kept[0] = (trimmed, False)
            break
        kept.pop(0)
    while kept and not kept[-1][1]:
        if trimmed := kept[-1][0].rstrip():
            kept[-1] = (trimmed, False)
            break
        kept.pop()
    return kept


def _binary(type_: str, text: str) -> Assertion:
    """`#0C044A616E65`: the value in BER. Where it is a string, it is the text of that string."""
    found = _HEX.fullmatch(text)
    if found is None:
        raise InvalidDn("a value behind # is not hex pairs")
    raw = bytes.fromhex(found[1])
    content = _content(raw)
    if content is None or raw[0] not in _STRINGS:
        return Assertion(type_, raw.hex(), is_binary=True)
    try:
        value = content.decode(_STRINGS[raw[0]])
    except UnicodeDecodeError:
        return Assertion(type_, raw.hex(), is_binary=True)
    return Assertion(type_, value) if value else Assertion(type_, raw.hex(), is_binary=True)


def _content(raw: bytes) -> bytes | None:
    """What one BER element holds; None where the bytes are no single element of definite length."""
    if len(raw) < 2:
        return None
    size, head = raw[1], 2
    if size & 0x80:
        head += size & 0x7F
        if not 2 < head <= 6 or len(raw) < head:
            return None
        size = int.from_bytes(raw[2:head])
    return raw[head:] if len(raw) == head + size else None


def _print(one: Assertion) -> str:
    return f"{one.type}=#{one.value}" if one.is_binary else f"{one.type}={escape_value(one.value)}"


def _hex_pairs(found: re.Match[str]) -> str:
    """Bytes that are no UTF-8 were read as surrogates (PEP 383); everything else is written as its UTF-8."""
    code = ord(found[0])
    raw = bytes([code - 0xDC00]) if 0xDC80 <= code <= 0xDCFF else found[0].encode(errors="replace")
    return "".join(f"\\{byte:02x}" for byte in raw)


def _normal_rdn(rdn: Rdn) -> Rdn:
    return tuple(sorted({_normal(each) for each in rdn}, key=lambda each: (each.type, each.is_binary, each.value)))


def _normal(one: Assertion) -> Assertion:
    if one.is_binary:
        return one
    minds_case = one.type in MINDS_CASE
    text = _SPACE.sub(" ", _NOTHING.sub("", one.value))
    if not text.isascii():  # NFKC leaves that as it is
        text = unicodedata.normalize("NFKC", text if minds_case else _fold(unicodedata.normalize("NFKC", text)))
    elif not minds_case:
        text = text.lower()
    return Assertion(one.type, _SPACE.sub(" ", text).strip(" ") or " ")


def _fold(text: str) -> str:
    """Without case, character by character: `ß` is not `ss`, which servers keep apart."""
    return "".join(folded if len(folded := each.casefold()) == 1 else each.lower() for each in text)
