"""Normal forms: when two spellings are the same username, email, name, DN or alias."""

import re
import unicodedata
from collections.abc import Iterable
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any

import idna
import orjson
from email_validator import EmailNotValidError, validate_email

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


def rfc3339(moment: datetime) -> str:
    """A time in UTC with a `Z`, as answers have it."""
    return moment.isoformat().replace("+00:00", "Z")


def from_json(stored: Any) -> Any:
    """The value of a column of JSON, which drivers hand over as a text or as what stands in it."""
    return orjson.loads(stored) if isinstance(stored, str | bytes) else stored


def key(text: str) -> str:
    """The normal form that comparing, sorting and uniqueness go by (NFKC, casefold, single spaces)."""
    if text.isascii():  # NFKC leaves it as it is
        return " ".join(text.lower().split())
    return " ".join(unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", text).casefold()).split())


def clean(text: str, *path: str | int, what: str, limit: int = LABEL) -> str:
    """`text` as it is kept: trimmed, one line, nothing invisible. Raises Required and Invalid."""
    kept = text.strip()
    if not kept:
        raise Required(*path, what=what)
    if kept.isascii() and kept.isprintable() and len(kept) <= limit:  # nothing below can be wrong with it
        return kept
    if len(kept) > limit or len(key(kept)) > limit:
        raise Invalid(*path, reason=f"{what} is longer than {limit} characters.")
    if _INVISIBLE.search(kept) or _INVISIBLE.search(unicodedata.normalize("NFKC", kept)) or _CONTROL.search(kept):
        raise Invalid(*path, reason=f"{what} holds an invisible or control character. Type it again.")
    if not key(kept):
        raise Required(*path, what=what)
    return unicodedata.normalize("NFC", kept)


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


def split(values: list[str] | None) -> list[str]:
    """`["AE|SouthEast", "x"]` as three values: "|" separates several in one string (S2)."""
    return [part.strip() for value in values or [] for part in separated(value) if part.strip()]


@lru_cache(maxsize=1024)
def camel(name: str) -> str:
    """The GraphQL name of a Python name."""
    head, *rest = name.split("_")
    return head + "".join(word.capitalize() for word in rest)
