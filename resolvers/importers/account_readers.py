"""Readers of account states: from one value of a column to whether the account has access.

True: it has. False: it has none. None: the value says nothing about it. What is not understood raises Mistake.
"""

import re
from collections.abc import Callable, Collection
from datetime import UTC, datetime
from typing import Any

from resolvers.importers import account_times, account_words
from resolvers.importers.account_times import UnknownTime
from resolvers.importers.account_words import INACTIVE, NO, YES, plain

Reader = Callable[[Any, Collection[str]], bool | None]
"""Takes a value, and the names of the columns beside it, in their normal form."""

_NOTHING = frozenset(["", "null", "none", "nil", "na", "undefined", "notset", "notapplicable"])
_DISABLED, _LOCKED_OUT = 0x2, 0x10  # bits of Active Directory's userAccountControl
_NO_TICKETS = 0x40  # MIT Kerberos: DISALLOW_ALL_TIX
_CONTROL = re.compile(r"\s*(0x[0-9a-f]+|-?\d+)(\.0+)?\s*(?:=.*)?", re.IGNORECASE | re.DOTALL)
_CONTROL_NAMES = re.compile(r"[A-Z_ ,|&()]+", re.IGNORECASE)
_SAMBA_FLAGS = re.compile(r"\[[A-Z ]*\]")
# 2 and 3 take access away in OneLogin (suspended, locked), Redmine (registered, locked) and others alike.
_STATUS_NUMBERS = {0: False, 1: True, 2: False, 3: False}
_ONELOGIN_NUMBERS = {4: True, 5: True, 7: True, 8: True}  # a password to be changed, questions to be answered
_ONELOGIN = frozenset(["invalidloginattempts", "openidname", "lockeduntil", "invitationsentat", "directoryid"])
_WORDPRESS = frozenset(["userlogin", "usernicename", "userregistered", "useractivationkey"])
ADVICE = "write active or inactive"


class Mistake(Exception):
    """What is wrong with a value, and what to write instead."""


def has_access(value: Any, beside: Collection[str]) -> bool | None:
    """Of `enabled` and the like: yes or no, or a word for the state."""
    if isinstance(value, bool):
        return value
    text = _text(value)
    word = plain(text)
    if word in _NOTHING:
        return None
    if word in YES or text.strip() in YES:
        return True
    if word in NO or text.strip() in NO:
        return False
    if (found := account_words.meaning(text)) is None:
        raise Mistake(f"holds {text.strip()[:40]!r}: write true or false")
    return found


def has_no_access(value: Any, beside: Collection[str]) -> bool | None:
    """Of `blocked` and the like: yes or no, a word that says it again, or the moment since when."""
    if isinstance(value, bool):
        return not value
    text = _text(value)
    word = plain(text)
    if word in _NOTHING:
        return None
    if word in YES or word in INACTIVE:
        return False
    if word in NO or word in ("active", "unlocked", "unblocked", "never", "allowed"):
        return True
    try:
        account_times.readings(text)
    except UnknownTime as error:
        raise Mistake(f"holds {text[:40]!r}: write true or false") from error
    return False


def restricts(value: Any, beside: Collection[str]) -> bool | None:
    """Like `has_no_access`, where the opposite does not give access: who is not locked may still be disabled."""
    return False if has_no_access(value, beside) is False else None


def was_activated(value: Any, beside: Collection[str]) -> bool | None:
    """JumpCloud writes yes or no, Okta and others the moment."""
    if isinstance(value, bool):
        return None if value else False
    word = plain(_text(value))
    return False if word in NO else None


def happened(value: Any, beside: Collection[str]) -> bool | None:
    """Anything that is written says that access was taken, whatever its form: `suspended_at`, a reason."""
    if isinstance(value, bool):
        return False if value else None
    text = _text(value)
    return None if plain(text) in _NOTHING or account_times.is_never(text) else False


def ends(value: Any, beside: Collection[str]) -> bool | None:
    """The moment until which the account has access."""
    return False if _is_past(value) else None


def begins(value: Any, beside: Collection[str]) -> bool | None:
    """The moment from which on the account has access; of locks, the moment until which it has none."""
    return False if _is_past(value) is False else None


def locked_until(value: Any, beside: Collection[str]) -> bool | None:
    """389 Directory Server's accountUnlockTime: its zero is a lock without end."""
    if str(value).strip().startswith("19700101000000"):
        return False
    return begins(value, beside)


def expires_on_day(value: Any, beside: Collection[str]) -> bool | None:
    """shadowExpire: days since 1970; nothing or -1 is never."""
    text = _text(value).strip()
    if text in ("", "-1", "99999"):
        return None
    try:
        return False if account_times.day(text) <= datetime.now(UTC) else None
    except UnknownTime as error:
        raise Mistake(f"holds {text[:40]!r}: write days since 1970, or nothing") from error


def status(value: Any, beside: Collection[str]) -> bool | None:
    """A word for the state, or a system's number of it."""
    text = _text(value).strip()
    if plain(text) in _NOTHING:
        return None
    if re.fullmatch(r"-?\d+(\.0+)?", text):
        number = int(text.partition(".")[0])
        numbers = _STATUS_NUMBERS | (_ONELOGIN_NUMBERS if _ONELOGIN & set(beside) else {})
        if number in numbers:
            return numbers[number]
        raise Mistake(f"holds the number {text[:40]}, whose meaning is not known: {ADVICE}")
    if len(text) == 1:
        if text in "aA":
            return True
        if text in "iI":
            return False
        raise Mistake(f"holds {text!r}: {ADVICE}")
    word = plain(text)
    if word in ("true", "yes", "ja", "oui"):
        return True
    if word in ("false", "no", "nein", "non"):
        return False
    return _by_word(text)


def user_status(value: Any, beside: Collection[str]) -> bool | None:
    """WordPress has numbers, of which 0 is good; elsewhere a word."""
    if _WORDPRESS & set(beside) and re.fullmatch(r"\d+(\.0+)?", _text(value).strip()):
        return None if int(_text(value).strip().partition(".")[0]) == 0 else False
    return status(value, beside)


def accepted(value: Any, beside: Collection[str]) -> bool | None:
    """The state of an invitation: who has not accepted has no access yet."""
    return False if status(value, beside) is False else None


def user_account_control(value: Any, beside: Collection[str]) -> bool | None:
    """Active Directory's bits, as a number or as their names."""
    text = _text(value)
    if not text.strip():
        return None
    if match := _CONTROL.fullmatch(text):
        return not int(match[1], 0) & (_DISABLED | _LOCKED_OUT)
    names = {plain(name) for name in re.split(r"[,|&]", text)}
    if _CONTROL_NAMES.fullmatch(text) and any("account" in name for name in names):
        return not names & {"accountdisable", "accountdisabled", "lockout"}
    raise Mistake(f"holds {text[:40]!r}: write the number, such as 512 or 514")


def computed_account_control(value: Any, beside: Collection[str]) -> bool | None:
    """What Active Directory works out for the moment: of its bits only the lock concerns access."""
    return None if user_account_control(value, beside) is not False else False


def ticket_flags(value: Any, beside: Collection[str]) -> bool | None:
    """Kerberos issues no tickets at all with this flag."""
    text = _text(value).strip()
    if not text:
        return None
    if not re.fullmatch(r"-?\d+", text):
        raise Mistake(f"holds {text[:40]!r}: write the number, such as 128")
    return False if int(text) & _NO_TICKETS else None


def samba_flags(value: Any, beside: Collection[str]) -> bool | None:
    """`[UX         ]`: D is disabled, L locked."""
    text = _text(value).strip()
    if not text:
        return None
    if not _SAMBA_FLAGS.fullmatch(text):
        raise Mistake(f"holds {text[:40]!r}: write flags such as [U          ]")
    return not {"D", "L"} & set(text)


def disabling_role(value: Any, beside: Collection[str]) -> bool | None:
    """389 Directory Server disables whoever has one of these roles."""
    text = plain(_text(value))
    return False if "nsdisabledrole" in text or "nsmanageddisabledrole" in text else None


def locked_zero(value: Any, beside: Collection[str]) -> bool | None:
    """SAP's UFLAG and the like: 0 is no lock, any other number is one."""
    return None if re.fullmatch(r"0*(\.0+)?", _text(value).strip()) else False


def _is_past(value: Any) -> bool | None:
    try:
        return account_times.is_past(value, datetime.now(UTC))
    except UnknownTime as error:
        shown = str(value).strip()[:40]
        raise Mistake(f"holds {shown!r}, which is no moment or may be two: write it as 2026-01-31") from error


def _by_word(text: str) -> bool | None:
    found = account_words.meaning(text)
    if found is None:
        raise Mistake(f"holds {text.strip()[:40]!r}, which is not known as the state of an account: {ADVICE}")
    return found


def _text(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return str(value)
    raise Mistake(f"holds {'bytes that are not UTF-8' if isinstance(value, bytes) else 'no plain value'}: {ADVICE}")
