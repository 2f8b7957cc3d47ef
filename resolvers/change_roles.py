"""Making, changing and deleting roles; none gives what its maker lacks, and somebody can always administer."""

from collections.abc import Sequence
from typing import Any

from models import bulk
from models.errors import BuiltIn, InUse, Invalid, LastAdministrator, NotFound, Taken
from models.roles import Role, RoleName
from models.values import clean, key
from resolvers import references, targets
from resolvers.audit import Action, Event, Subject
from resolvers.changes import Change, number
from resolvers.policy import DEACTIVATED, Right, require_grantable
from resolvers.references import RoleRow


async def create_role(
    change: Change,
    *,
    name: str,
    weight: int,
    permissions: Sequence[str],
    synonyms: Sequence[str] | None = None,
    requires_second_factor: bool | None = None,
) -> dict[str, Any]:
    change.viewer.require_everywhere(Right.MANAGE_ROLES)
    kept = clean(name, "name", what="The role's name")
    rights = _rights(change, kept, weight, permissions)
    names = _names(kept, synonyms or ())
    await _refuse_taken(change, names, None)
    row = {
        "name": kept,
        "weight": weight,
        "rights": rights,
        "requires_second_factor": bool(requires_second_factor),
        "is_built_in": False,
        "created_at": change.moment,
        "updated_at": change.moment,
    }
    role_id: int = (await bulk.insert(change.tx, Role, [row]))[0][0]
    await _store_names(change, role_id, kept, names)
    changes: dict[str, tuple[Any, Any]] = {
        "name": (None, kept),
        "weight": (None, weight),
        "permissions": (None, rights),
    }
    if requires_second_factor:
        changes["requires_second_factor"] = (None, True)
    others = sorted(each for normal, each in names.items() if normal != key(kept))
    if others:
        changes["synonyms"] = (None, others)
    await change.record([Event(Action.CREATED, Subject.ROLE, role_id, kept, changes)])
    return {"role": role_id, "errors": []}


def _rights(change: Change, name: str, weight: int, permissions: Sequence[str]) -> list[str]:
    if not 1 <= weight <= 100:
        raise Invalid("weight", reason="A role's weight is 1 to 100.", minimum=1, limit=100)
    rights = {Right(each) for each in permissions}
    require_grantable(change.viewer, name, weight, rights, "permissions")
    return sorted(rights)


def _names(name: str, synonyms: Sequence[str]) -> dict[str, str]:
    """Normal form to name, the role's own first."""
    if len(synonyms) > 20:
        raise Invalid("synonyms", reason="A role takes at most 20 synonyms.")
    cleaned = [clean(each, "synonyms", place, what="A synonym") for place, each in enumerate(synonyms)]
    names = {key(name): name}
    for each in cleaned:
        names.setdefault(key(each), each)
    if DEACTIVATED in names:
        raise Invalid("name", reason="“Deactivated” is a state, not a role.")
    return names


async def _refuse_taken(change: Change, names: dict[str, str], own: int | None) -> None:
    among = change.tx.dialect.among("name_key", "$1", "text")
    for row in await change.tx.rows(f"SELECT name_key, role_id FROM role_names WHERE {among}", list(names)):
        if row[1] != own:
            raise Taken("name", what="role name or synonym", value=names[row[0]])


async def _store_names(change: Change, role_id: int, name: str, names: dict[str, str]) -> None:
    await change.tx.rows("DELETE FROM role_names WHERE role_id = $1", role_id)
    rows = [
        {"role_id": role_id, "name": each, "name_key": normal, "is_synonym": normal != key(name)}
        for normal, each in names.items()
    ]
    await bulk.insert(change.tx, RoleName, rows)


async def _role(change: Change, typed: str, *path: str | int) -> RoleRow:
    role = (await references.roles(change.tx)).by_id.get(number("role", "role", typed, *path))
    if role is None:
        raise NotFound(*path, what="role", key=typed)
    require_grantable(change.viewer, role.name, role.weight, role.rights, *path)
    return role


async def update_role(
    change: Change,
    *,
    id: str,
    name: str | None = None,
    weight: int | None = None,
    permissions: Sequence[str] | None = None,
    synonyms: Sequence[str] | None = None,
    requires_second_factor: bool | None = None,
) -> dict[str, Any]:
    """Change what is given. A built-in role keeps its name, weight and rights; the rest of it is free."""
    change.viewer.require_everywhere(Right.MANAGE_ROLES)
    role = await _role(change, id, "id")
    if role.is_built_in and (name is not None or weight is not None or permissions is not None):
        raise BuiltIn("id", what=f"The role {role.name}", how="changed, but for its synonyms and requiresSecondFactor")
    kept = clean(name, "name", what="The role's name") if name is not None else role.name
    heavy = weight if weight is not None else role.weight
    rights: list[str] = sorted(role.rights)
    if permissions is not None or weight is not None:
        rights = _rights(change, kept, heavy, permissions if permissions is not None else rights)
    demands = role.requires_second_factor if requires_second_factor is None else requires_second_factor
    before = [
        row[0] for row in await change.tx.rows("SELECT name FROM role_names WHERE role_id = $1 AND is_synonym", role.id)
    ]
    after = list(before if synonyms is None else synonyms)
    names = _names(kept, after)
    await _refuse_taken(change, names, role.id)
    differences = {
        "name": (role.name, kept),
        "weight": (role.weight, heavy),
        "permissions": (sorted(role.rights), rights),
        "requires_second_factor": (role.requires_second_factor, demands),
        "synonyms": (sorted(before), sorted(each for each in names.values() if key(each) != key(kept))),
    }
    changes = {field: pair for field, pair in differences.items() if pair[0] != pair[1]}
    if changes:
        row = {"id": role.id, "name": kept, "weight": heavy, "rights": rights, "updated_at": change.moment}
        row["requires_second_factor"] = demands
        await bulk.update(change.tx, Role, [row])
        await _store_names(change, role.id, kept, names)
        await require_administrator(change)
        await change.record([Event(Action.UPDATED, Subject.ROLE, role.id, kept, changes)])
    return {"role": role.id, "errors": []}


async def require_administrator(change: Change) -> None:
    """After the fact, in the same transaction: somebody who can administer is left (D9)."""
    if not await targets.administrators(change.tx, await references.roles(change.tx)):
        raise LastAdministrator("id")


async def delete_role(change: Change, *, id: str) -> dict[str, Any]:
    """Delete an own role that nobody holds."""
    change.viewer.require_everywhere(Right.MANAGE_ROLES)
    role = await _role(change, id, "id")
    if role.is_built_in:
        raise BuiltIn("id", what=f"The role {role.name}", how="deleted")
    users = await change.tx.scalar("SELECT COUNT(*) FROM users WHERE role_id = $1", role.id)
    members = await change.tx.scalar("SELECT COUNT(*) FROM organization_members WHERE role_id = $1", role.id)
    if users or members:
        raise InUse("id", what=f"The role {role.name}", by=f"{users} users and {members} memberships hold it")
    await bulk.delete(change.tx, Role, [role.id])
    await change.record([Event(Action.DELETED, Subject.ROLE, role.id, role.name, {"name": (role.name, None)})])
    return {"deletedId": id, "errors": []}
