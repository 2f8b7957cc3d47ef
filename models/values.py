"""Normal forms: when two spellings are the same username, email, name, DN or alias."""

import re
import unicodedata
from collections.abc import Iterable
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any

import idna
import orjson
from email_validator import SPECIAL_USE_DOMAIN_NAMES, EmailNotValidError, validate_email

from models.base import EMAIL, LABEL, LONG
from models.dn import dn_key, is_dn
from models.errors import Invalid, Required
from models.lists import separated

# Joiners, direction marks and variation selectors: two names that look the same must be the same.
_INVISIBLE = re.compile(
    "[\u00ad\u034f\u061c\u2800\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u202a-\u202e"
    "\u2060-\u206f\ufe00-\ufe0f\ufeff\ufff9-\ufffb\U000e0000-\U000e0fff]"
)
_CONTROL = re.compile("[\x00-\x1f\x7f-\x9f\ud800-\udfff\u2028\u2029]")  # categories Cc, Cs, Zl and Zp
_SPACES = re.compile(r"\s+")
# Texts that spreadsheets take for formulas, and those with apostrophes before them: in a CSV, each has one more.
FORMULA_SIGNS = r"=+\-@＝＋－＠"
FORMULA = re.compile(rf"'*(?:[\t\r\n]|\s*[{FORMULA_SIGNS}])")


# What no database takes in a text: PostgreSQL knows no NUL, and half a character is none.
UNUSABLE = re.compile("[\x00\ud800-\udfff]")


def now() -> datetime:
    return datetime.now(UTC)


def rfc3339(value: datetime) -> str:
    """A time as answers have it: RFC 3339 in UTC, six digits of microseconds and a `Z`."""
    return f"{value.astimezone(UTC).isoformat(timespec='microseconds')[:26]}Z"


def timestamp(value: str) -> str:
    """A time as text of a database or an answer, in the form of `rfc3339`; without an offset it is in UTC."""
    if len(value) == 32:  # of SQLite, with microseconds
        return f"{value[:10]}T{value[11:26]}Z"
    if len(value) == 25 and value[-6] == "+":  # of SQLite, of a whole second
        return f"{value[:10]}T{value[11:19]}.000000Z"
    if len(value) == 26 and value[-1] != "Z":  # of PostgreSQL, which omits zeros at the end
        return f"{value[:10]}T{value[11:]}Z"
    if len(value) == 27 and value[-1] == "Z":
        return value
    parsed = datetime.fromisoformat(value)
    return rfc3339(parsed if parsed.tzinfo is not None else parsed.replace(tzinfo=UTC))


def from_json(stored: Any) -> Any:
    """The value of a column of JSON, which drivers hand over as a text or as what stands in it."""
    return orjson.loads(stored) if isinstance(stored, str | bytes) else stored


def key(text: str) -> str:
    """The normal form that comparing, sorting and uniqueness go by (NFKC, casefold, single spaces)."""
    if text.isascii():  # NFKC leaves it as it is
        return " ".join(text.lower().split())
    return " ".join(unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", text).casefold()).split())


def spelling(text: str) -> str:
    """What two texts have in common if they are one name, in upper or lower case: who somebody is goes by this.

    The normal form finds look-alikes, too: it is the same for `weiß` and `weiss`, or the Kelvin sign and `k`. Those
    are different names here. Only the case is ignored, and whether a letter and its accent are one character or two.
    """
    if text.isascii():
        return " ".join(text.lower().split())
    return " ".join(composed("".join(map(_lower, text))).split())


@lru_cache(maxsize=4096)
def _lower(character: str) -> str:
    """The small letter, where there is one that is no letter of another alphabet or width."""
    small = character.lower()
    if len(small) != 1 or small.isascii() is not character.isascii() or _is_other_sign(character):
        return character
    return "σ" if small == "ς" else small  # one letter, written differently at the end of a word


def composed(text: str) -> str:
    """NFC, but signs that it would replace by a letter (Kelvin, ohm, old ideographs) stay as typed."""
    if not any(map(_is_other_sign, text)):
        return unicodedata.normalize("NFC", text)
    pieces = "".join(f"\x00{each}\x00" if _is_other_sign(each) else each for each in text).split("\x00")
    return "".join(each if _is_other_sign(each) else unicodedata.normalize("NFC", each) for each in pieces)


@lru_cache(maxsize=4096)
def _is_other_sign(character: str) -> bool:
    """Whether Unicode takes a character for another one alone, as the Kelvin sign for K."""
    found = "" if len(character) != 1 else unicodedata.decomposition(character)
    return bool(found) and " " not in found


def is_same_email(one: str, other: str) -> bool:
    """Whether two addresses with the same normal form, which includes the domain, are one address."""
    return spelling(one.rpartition("@")[0]) == spelling(other.rpartition("@")[0])


def clean(text: str, *path: str | int, what: str, limit: int = LABEL) -> str:
    """`text` as it is kept: trimmed, one line, nothing invisible. Raises Required and Invalid."""
    kept = text.strip()
    if not kept:
        raise Required(*path, what=what)
    if kept.isascii() and kept.isprintable() and len(kept) <= limit:  # nothing below can be wrong with it
        return kept
    if len(kept) > limit or len(key(kept)) > limit:
        raise Invalid(*path, reason=f"{what} is longer than {limit} characters.", limit=limit)
    if _INVISIBLE.search(kept) or _INVISIBLE.search(unicodedata.normalize("NFKC", kept)) or _CONTROL.search(kept):
        raise Invalid(*path, reason=f"{what} holds an invisible or control character. Type it again.")
    if not key(kept):
        raise Required(*path, what=what)
    return composed(kept)


def username(text: str, *path: str | int) -> str:
    """Usernames are one word; letters of two alphabets in one word are refused as look-alikes."""
    kept = clean(text, *path, what="The username")
    if _SPACES.search(kept):
        raise Invalid(*path, reason="A username has no spaces.")
    if not kept.isascii() and len(_alphabets(kept)) > 1:
        raise Invalid(*path, reason="A username mixes letters of different alphabets. Use one.")
    return kept


def _alphabets(text: str) -> set[str]:
    """Which of the alphabets that hold look-alikes of each other a text uses."""
    names = (unicodedata.name(c, "").split(" ", 1)[0] for c in unicodedata.normalize("NFKC", text) if c.isalpha())
    return {name for name in names if name in ("LATIN", "CYRILLIC", "GREEK", "ARMENIAN", "CHEROKEE")}


_PLAIN = re.compile(r"([\w!#$%&'*+/=?^`{|}~-]+(?:\.[\w!#$%&'*+/=?^`{|}~-]+)*)@([A-Za-z0-9.-]+)", re.ASCII)
LONGEST_EMAIL = 254
# Names that organizations use inside (RFC 6762, appendix G; RFC 8375): nobody else gets mail there, but they do.
_USED_INSIDE = ("local", "arpa")
_STILL_RESERVED = ("in-addr.arpa", "ip6.arpa")
SPECIAL_USE_DOMAIN_NAMES[:] = [
    *(name for name in SPECIAL_USE_DOMAIN_NAMES if name not in (*_USED_INSIDE, *_STILL_RESERVED)),
    *_STILL_RESERVED,
]


def email(text: str, *path: str | int) -> tuple[str, str]:
    """An address as typed and its normal form (casefolded, domain in IDNA form). Nothing is looked up."""
    kept = clean(text, *path, what="The email address", limit=EMAIL)
    plain = _PLAIN.fullmatch(kept) if len(kept) <= LONGEST_EMAIL else None
    # What stands before the @ is right by itself then, so the library is asked about each domain only once.
    if plain and (known := _plain_domain(plain[2])):
        return kept, f"{plain[1].lower()}@{known}"
    try:
        valid = validate_email(kept, check_deliverability=False, test_environment=True)
    except EmailNotValidError as error:
        raise Invalid(*path, reason=f"This is not an email address: {error}") from error
    domain = (valid.ascii_domain or valid.domain).casefold()
    return kept, f"{key(valid.local_part)}@{domain}"


@lru_cache(maxsize=4096)
def _plain_domain(domain: str) -> str | None:
    """The normal form of a domain in ASCII; None where the whole address is to be looked at, if only to tell why."""
    if "xn--" in domain.lower():
        return None
    try:
        return validate_email(f"a@{domain}", check_deliverability=False, test_environment=True).domain.casefold()
    except EmailNotValidError:
        return None


def email_key(text: str) -> str:
    """The normal form to look for; text that is no address has one too, which matches nobody."""
    try:
        return email(text)[1]
    except (Invalid, Required):
        return key(text)


def email_spelling(text: str) -> str:
    """An address as `is_same_email` compares it, as one text."""
    _, at, domain = email_key(text).rpartition("@")
    return f"{spelling(text.rpartition('@')[0])}@{domain}" if at else spelling(text)


def email_part(text: str) -> str:
    """A piece of an address as it stands in the normal form: a whole domain behind `@` turns into its IDNA form."""
    local, at, domain = key(text).rpartition("@")
    if not at or domain.isascii():
        return key(text)
    try:
        return f"{local}@{idna.encode(domain, uts46=True).decode()}"
    except idna.IDNAError:
        return key(text)


SEPARATOR = "\x1f"  # in no normal form: key() makes a space of it, so no word reaches from one name into the next


def search_key(name_key: str, username_key: str, email_key: str, alias_keys: Iterable[str] = ()) -> str:
    """All normal forms that a search for a user looks into, as one text that one index can hold."""
    return SEPARATOR.join((name_key, username_key, email_key, *sorted(alias_keys)))


def login_dn(text: str, *path: str | int) -> tuple[str, str]:
    """A distinguished name as typed and its normal form. Raises Required and Invalid."""
    kept = distinguished_name(text, *path, what="The login DN")
    if not is_dn(kept):
        raise Invalid(*path, reason="A login DN looks like cn=jane,ou=users,dc=example,dc=com.")
    normal = dn_key(kept)
    if len(normal) > LONG:
        raise Invalid(*path, reason=f"The login DN is longer than {LONG} characters.")
    return kept, normal


def distinguished_name(text: str, *path: str | int, what: str) -> str:
    """A name in a directory as it is sent to it: only the spaces around it are left out, and none that is escaped."""
    kept = text.strip()
    if not kept:
        raise Required(*path, what=what)
    if len(kept) > LONG:
        raise Invalid(*path, reason=f"{what} is longer than {LONG} characters.")
    if _INVISIBLE.search(kept) or _CONTROL.search(kept):
        raise Invalid(*path, reason=f"{what} holds an invisible or control character. Type it again.")
    backslashes = len(kept) - len(kept.rstrip("\\"))
    return kept + " " if backslashes % 2 and text.rstrip() != text else kept


API = "api"  # the source of external ids that come by no other source's way
_PROGRAMS = re.compile(r"provider_\d+|scim:.*", re.IGNORECASE)


def is_set_by_program(source: str) -> bool:
    """Whether ids of this source are set by synchronizations alone."""
    return _PROGRAMS.fullmatch(source) is not None


def source_name(text: str, *path: str | int) -> str:
    """The name of a source of external ids, as integrators choose it. Raises Required and Invalid."""
    kept = clean(text, *path, what="The source")
    if is_set_by_program(kept):
        reason = f"{kept} is the source of an identity provider or of SCIM, which sets these ids. Choose another name."
        raise Invalid(*path, reason=reason)
    return kept


def split(values: list[str] | None) -> list[str]:
    """`["AE|SouthEast", "x"]` as three values: "|" separates several in one string (S2)."""
    return [part.strip() for value in values or [] for part in separated(value) if part.strip()]


@lru_cache(maxsize=1024)
def camel(name: str) -> str:
    """The GraphQL name of a Python name."""
    head, *rest = name.split("_")
    return head + "".join(word.capitalize() for word in rest)
