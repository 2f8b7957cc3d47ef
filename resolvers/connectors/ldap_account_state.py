"""Whether an entry's account is disabled or has expired, by the attributes of many directory servers. Pure."""

import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from resolvers.connectors.ldap_server import Entry

FILETIME_EPOCH = datetime(1601, 1, 1, tzinfo=UTC)
SECONDS_NEVER = 2**31 - 1
FILETIME_NEVER = (0, 2**63 - 1)
PERMANENTLY_LOCKED = "000001010000Z"  # draft-behera-ldap-password-policy 5.3.3: until an administrator unlocks it
_TIME = re.compile(r"([0-9]{4})([0-9]{2})([0-9]{2})([0-9]{2})([0-9]{2})?([0-9]{2})?([.,][0-9]+)?(Z|[+-][0-9]{4})")
_FLAGS = re.compile(r"\[([A-Z ]*)\]")


class UnknownState(ValueError):
    """A value that this program cannot read: nobody knows whether the account is enabled."""

    def __init__(self, attribute: str) -> None:
        super().__init__(attribute)
        self.attribute = attribute


def filetime(moment: datetime) -> int:
    """A time as Active Directory writes it: units of 100 nanoseconds since 1601."""
    return (moment - FILETIME_EPOCH) // timedelta(microseconds=1) * 10


def _is_past_filetime(value: str, moment: datetime) -> bool:
    return int(value) not in FILETIME_NEVER and int(value) <= filetime(moment)


def _has_disabled_bit(value: str, moment: datetime) -> bool:
    return bool(int(value) & 2)


def _is_true(value: str, moment: datetime) -> bool:
    return {"true": True, "false": False}[value.lower()]


def _is_locked_permanently(value: str, moment: datetime) -> bool:
    return value == PERMANENTLY_LOCKED  # another time ends by itself, and only keeps somebody from signing in


def _is_past_time(value: str, moment: datetime) -> bool:
    """A generalized time (RFC 4517, 3.3.13)."""
    found = _TIME.fullmatch(value)
    if found is None:
        raise ValueError(value)
    numbers = [int(part or 0) for part in found.groups()[:6]]
    zone = found[8]
    offset = timedelta() if zone == "Z" else timedelta(hours=int(zone[:3]), minutes=int(zone[0] + zone[3:]))
    return datetime(*numbers, tzinfo=UTC) - offset <= moment  # type: ignore[arg-type, misc]


def _is_future_time(value: str, moment: datetime) -> bool:
    return not _is_past_time(value, moment)


def _is_past_second(value: str, moment: datetime) -> bool:
    return 0 < int(value) < SECONDS_NEVER and int(value) <= moment.timestamp()


def _has_disabled_flag(value: str, moment: datetime) -> bool:
    found = _FLAGS.fullmatch(value)
    if found is None:
        raise ValueError(value)
    return "D" in found[1]


def _is_past_day(value: str, moment: datetime) -> bool:
    return 0 < int(value) <= (moment - datetime(1970, 1, 1, tzinfo=UTC)).days


def _is_inactive(value: str, moment: datetime) -> bool:
    return {"active": False, "enabled": False, "inactive": True, "disabled": True, "deleted": True}[value.lower()]


# Locks after wrong passwords (lockoutTime, lockedByIntruder) are not here: they end by themselves.
READERS: dict[str, Callable[[str, datetime], bool]] = {
    "accountExpires": _is_past_filetime,  # Active Directory
    "userAccountControl": _has_disabled_bit,
    "msDS-UserAccountDisabled": _is_true,
    "nsAccountLock": _is_true,  # 389 Directory Server, FreeIPA
    "krbPrincipalExpiration": _is_past_time,
    "pwdAccountLockedTime": _is_locked_permanently,  # OpenLDAP, ApacheDS
    "pwdStartTime": _is_future_time,
    "pwdEndTime": _is_past_time,
    "shadowExpire": _is_past_day,  # RFC 2307
    "ds-pwp-account-disabled": _is_true,  # PingDirectory, OpenDJ
    "ds-pwp-account-activation-time": _is_future_time,
    "ds-pwp-account-expiration-time": _is_past_time,
    "loginDisabled": _is_true,  # eDirectory
    "loginActivationTime": _is_future_time,
    "loginExpirationTime": _is_past_time,
    "inetUserStatus": _is_inactive,  # Oracle
    "orclIsEnabled": _is_inactive,
    "sambaAcctFlags": _has_disabled_flag,  # Samba's accounts in another server
    "sambaKickoffTime": _is_past_second,
}
STATE_ATTRIBUTES = tuple(READERS)


def is_disabled(entry: Entry, moment: datetime) -> bool:
    """Whether the account is disabled, or has expired at this moment. Raises UnknownState."""
    # Every attribute is read, so that an unknown value of one is not hidden by another.
    found = [_reads(entry, name, moment) for name in READERS]
    return any(found)


def _reads(entry: Entry, name: str, moment: datetime) -> bool:
    try:
        return any(READERS[name](value.strip(), moment) for value in entry.attributes.get(name.lower(), ()))
    except (ValueError, KeyError, OverflowError) as error:
        raise UnknownState(name) from error
