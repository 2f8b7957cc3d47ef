"""What groups of a directory give: roles, groups and organizations, never above the provider's ceiling."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from models.base import LONG
from models.dn import dn_key, first_value, is_dn
from models.errors import Duplicate, Invalid, Refusal, Required, TooMany
from models.values import clean, distinguished_name, key
from resolvers import references
from resolvers.changes import Change
from resolvers.connectors.ldap_server import Entry
from resolvers.drafts import row_name
from resolvers.policy import require_grantable
from resolvers.references import Roles

MOST_MAPPINGS = 1_000


@dataclass(frozen=True)
class Mapped:
    """What an entry's groups give. `role_id` None: no mapping gives one (or none that the ceiling lets through)."""

    role_id: int | None
    group_ids: tuple[int, ...] = ()
    organization_ids: tuple[int, ...] = ()


def mapped(settings: Mapping[str, Any], entry: Entry, roles: Roles, ceiling: int | None) -> Mapped:
    """What the mappings in a provider's `settings` make of an entry: of several roles, the heaviest.

    Weights are looked at now, so a role that has grown above `ceiling` since its mapping was made is not given.
    Groups and organizations may have been deleted since; whoever stores them leaves those out.
    """
    mappings: Sequence[Mapping[str, Any]] = settings.get("groupMappings") or ()
    if not mappings:
        return Mapped(None)
    groups = [group for group in entry.groups if is_dn(group)]
    names = {(True, dn_key(group)) for group in groups} | {(False, key(first_value(group))) for group in groups}
    found = [each for each in mappings if _key(each["group"]) in names]
    given = (roles.by_id.get(each["roleId"]) for each in found if each["roleId"] is not None)
    allowed = [role for role in given if role is not None and role.weight <= (ceiling or 0)]
    best = max(allowed, key=lambda role: role.weight, default=None)
    return Mapped(best.id if best else None, _numbers(found, "groupIds"), _numbers(found, "organizationIds"))


def _key(group: str) -> tuple[bool, str]:
    """Whether a mapping names its group by DN, and the normal form of that DN or name.

    The two are kept apart: the name of a group may be written like the DN of another.
    """
    return (True, dn_key(group)) if is_dn(group) else (False, key(group))


def _numbers(mappings: Sequence[Mapping[str, Any]], name: str) -> tuple[int, ...]:
    typed = (each for mapping in mappings for each in mapping[name])
    return tuple(dict.fromkeys(int(each.rpartition("_")[2]) for each in typed))


async def checked_mappings(
    change: Change, given: Sequence[Mapping[str, Any]], *path: str | int
) -> list[dict[str, Any]]:
    """The mappings as they are kept, roles, groups and organizations by id. Raises what is wrong with the first."""
    if len(given) > MOST_MAPPINGS:
        raise TooMany(*path, count=len(given), what="group mappings", limit=MOST_MAPPINGS)
    roles = await references.roles(change.tx)
    known = {
        "group": await _names(change, "groups", given, "group_ids"),
        "organization": await _names(change, "organizations", given, "organization_ids"),
    }
    made = [_checked(each, roles, known, *path, index) for index, each in enumerate(given)]
    seen: dict[tuple[bool, str], int] = {}
    for index, each in enumerate(made):
        first = seen.setdefault(_key(each["group"]), index)
        if first != index:
            raise Duplicate(*path, index, "group", what="This group", first=row_name(first))
    return made


async def _names(change: Change, table: str, given: Sequence[Mapping[str, Any]], name: str) -> dict[int, str]:
    typed = [each for mapping in given for each in mapping.get(name) or ()]
    numbers = (references.number_or_none(each) for each in typed)
    return await references.names_of(change.tx, table, [each for each in numbers if each is not None])


def _checked(
    given: Mapping[str, Any], roles: Roles, known: Mapping[str, Mapping[int, str]], *path: str | int
) -> dict[str, Any]:
    group = _group(given["group"], *path, "group")
    role = roles.find(given["role"], *path, "role") if given.get("role") else None
    refused: list[Refusal] = []
    ids = {}
    for what in ("group", "organization"):
        typed = given.get(f"{what}_ids") or ()
        found = references.resolve_ids(typed, what, what, known[what], refused, *path, f"{what}Ids")
        ids[what] = [f"{what}_{each}" for each in found]
    if refused:
        raise refused[0]
    if role is None and not ids["group"] and not ids["organization"]:
        raise Required(*path, what="A role, groupIds or organizationIds")
    return {
        "group": group,
        "roleId": role.id if role else None,
        "groupIds": ids["group"],
        "organizationIds": ids["organization"],
    }


def _group(given: str, *path: str | int) -> str:
    """A DN is kept as it was typed; a name like any other name."""
    kept = distinguished_name(given, *path, what="The directory's group")
    return kept if is_dn(kept) else clean(given, *path, what="The directory's group", limit=LONG)


async def require_below(change: Change, mappings: Sequence[Mapping[str, Any]], ceiling: int | None) -> None:
    """No mapping gives a role above the ceiling, nor one that the viewer could not give themselves (D10)."""
    roles = await references.roles(change.tx)
    for index, each in enumerate(mappings):
        role = roles.by_id.get(each["roleId"]) if each["roleId"] is not None else None
        if role is None:
            continue
        path = ("ldap", "groupMappings", index, "role")
        if ceiling is None:
            raise Required("ceilingWeight", what="A ceilingWeight, the weight of the heaviest role that mappings give,")
        if role.weight > ceiling:
            reason = f"{role.name} weighs {role.weight}, more than ceilingWeight {ceiling}. Raise that, or map less."
            raise Invalid(*path, reason=reason)
        require_grantable(change.viewer, role.name, role.weight, role.rights, *path)
