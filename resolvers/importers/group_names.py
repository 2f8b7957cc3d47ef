"""Which groups a `memberOf` names: the names of its groups, without what is no group of people."""

import re
from collections.abc import Iterable

from models.dn import dn_key, first_value

# FreeIPA's memberOf names rules, permissions and sets of hosts too. They are known by the branch they are in.
_NO_GROUPS = re.compile(
    r"ipauniqueid=|.*,cn=(?:(?:hbac|sudo|pbac|selinux|automember|otp|etc|topology)(?:,|$)"
    r"|(?:roles|hostgroups|computers|services|sysaccounts),cn=accounts(?:,|$)|ng,cn=alt(?:,|$))"
)
_DN = re.compile(r"\s*[A-Za-z][A-Za-z0-9.-]*\s*=")
_BETWEEN_DNS = re.compile(r"\s*(?<!\\)[;|\n]\s*(?=[A-Za-z][A-Za-z0-9.-]*\s*=)")


def split_names(text: str) -> list[str]:
    """The names in one cell, as csvde writes them: separated by semicolons, or by `|` or line ends."""
    return _BETWEEN_DNS.split(text.strip()) if _DN.match(text) else [text]


def group_name(name: str) -> str | None:
    """What the group is called: the first value of its DN, or the text itself; None for what is no group."""
    if not _DN.match(name):
        return name
    if _NO_GROUPS.match(dn_key(name).casefold()):
        return None
    return first_value(name) or name


def group_names(values: Iterable[str]) -> list[str]:
    return [name for value in values if (name := group_name(value))]
