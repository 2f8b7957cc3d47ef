"""Why an LDAP server refuses a bind, in words for administrators. Who signs in is never told any of it."""

import re
from typing import NamedTuple

from ldap3.core.results import RESULT_CODES

INVALID_CREDENTIALS = 49
ONLY_ENCRYPTED = frozenset({8, 13})  # strongerAuthRequired, confidentialityRequired


class Reason(NamedTuple):
    """What is the matter with an account, as the end of a sentence about it, and what to do."""

    words: str
    hint: str


WRONG = Reason("its name or password is wrong", "Check bindDn and bindPassword.")
EXPIRED = Reason("its password has expired", "Set a new one there, and send it as bindPassword.")
# Active Directory: the Windows error code in the diagnostic message of result 49 (MS-ADTS 5.1.1.1.2, MS-ERREF 2.2).
_BY_DATA = {
    "525": Reason("there is no such account", "Check bindDn."),
    "52e": WRONG,
    "52f": Reason("restrictions of the account do not let it in", "Lift them there."),
    "530": Reason("it may not sign in at this time", "Change its logon hours there."),
    "531": Reason("it may not sign in from this machine", "Change the workstations that it may use there."),
    "532": EXPIRED,
    "533": Reason("it is disabled", "Enable it there."),
    "534": Reason("it may not sign in this way", "Grant it the right to log on there."),
    "701": Reason("it has expired", "Extend it there."),
    "773": Reason("its password has to be changed first", "Set a new one there, and send it as bindPassword."),
    "775": Reason("it is locked after too many wrong passwords", "Unlock it there, and check bindPassword."),
}
_DATA = re.compile(rb"\bdata ([0-9a-f]{3,8})\b", re.IGNORECASE)


def reason(code: int, diagnostic: bytes) -> Reason:
    """By the result code of a bind and its message, of which nothing is repeated: it may hold anything."""
    if code == INVALID_CREDENTIALS:
        found = _DATA.search(diagnostic[:1000])
        return _BY_DATA.get(found[1].decode().lower(), WRONG) if found else WRONG
    return Reason(f"it is not let in ({name_of(code)})", "See the server's log for why.")


def name_of(code: int) -> str:
    """Of a result code (RFC 4511)."""
    return str(RESULT_CODES.get(code, code))
