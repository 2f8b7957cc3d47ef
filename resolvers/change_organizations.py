"""Making, moving and deleting organizations, and who belongs to them in what role."""

from collections.abc import Sequence
from typing import Any

from models import bulk
from models.errors import InUse, Invalid, NotFound, OutsideOrganization, Taken
from models.organizations import Organization
from models.values import clean, key
from resolvers import members, references, targets
from resolvers.audit import Action, Event, Subject
from resolvers.changes import Change, number
from resolvers.policy import Right, require_grantable
from resolvers.sources import SUBTREE

MOST_LEVELS = 50


async def create_organization(change: Change, *, name: str, parent_id: str | None = None) -> dict[str, Any]:
    """A new organization below `parentId`, or below the root."""
    change.viewer.require(Right.MANAGE_ORGANIZATIONS)
    parent = await _parent(change, parent_id)
    kept = clean(name, "name", what="The organization's name")
    await _refuse_taken(change, parent, kept, None)
    row = {"name": kept, "name_key": key(kept), "parent_id": parent}
    stamps = {"created_at": change.moment, "updated_at": change.moment}
    organization_id: int = (await bulk.insert(change.tx, Organization, [{**row, **stamps}]))[0][0]
    changes = {"name": (None, kept), "parent": (None, f"organization_{parent}")}
    await change.record([Event(Action.CREATED, Subject.ORGANIZATION, organization_id, kept, changes)])
    return {"organization": organization_id, "errors": []}


async def _parent(change: Change, typed: str | None, height: int = 1) -> int:
    """The organization to be put below; `height` is how many levels will lie there."""
    if typed is None:
        parent: int = await change.tx.scalar("SELECT id FROM organizations WHERE parent_id IS NULL")
    else:
        parent = (await _organization(change, typed, "parentId"))[0]
    await _require_within(change, parent, "parentId")
    levels = await change.tx.scalar(
        "WITH RECURSIVE above(id, n) AS (SELECT parent_id, 1 FROM organizations WHERE id = $1"
        " UNION ALL SELECT o.parent_id, n + 1 FROM organizations o JOIN above a ON o.id = a.id)"
        " SELECT MAX(n) FROM above",
        parent,
    )
    if levels + height > MOST_LEVELS:
        raise Invalid("parentId", reason=f"Organizations nest at most {MOST_LEVELS} levels deep.", limit=MOST_LEVELS)
    return parent


async def _require_within(change: Change, organization_id: int, *path: str | int) -> None:
    where = await targets.scope(change, Right.MANAGE_ORGANIZATIONS)
    if where.allowed is not None and organization_id not in where.allowed:
        raise OutsideOrganization(*path, what="This organization")


async def _organization(change: Change, typed: str, *path: str | int) -> tuple[int, str, int | None]:
    wanted = number("organization", "organization", typed, *path)
    row = await change.tx.one("SELECT id, name, parent_id FROM organizations WHERE id = $1", wanted)
    if row is None:
        raise NotFound(*path, what="organization", key=typed)
    return row[0], row[1], row[2]


async def _refuse_taken(change: Change, parent: int | None, name: str, own: int | None) -> None:
    found = await change.tx.scalar(
        "SELECT id FROM organizations WHERE parent_id = $1 AND name_key = $2", parent, key(name)
    )
    if found is not None and found != own:
        raise Taken("name", what="organization name", value=name)


async def update_organization(
    change: Change, *, id: str, name: str | None = None, parent_id: str | None = None
) -> dict[str, Any]:
    """Rename it, or move it with all that is below it. The root is renamed but never moved."""
    change.viewer.require(Right.MANAGE_ORGANIZATIONS)
    organization_id, old_name, old_parent = await _organization(change, id, "id")
    await _require_within(change, organization_id, "id")
    new_name = clean(name, "name", what="The organization's name") if name is not None else old_name
    new_parent = old_parent
    if parent_id is not None:
        new_parent = await _parent(change, parent_id, await _height(change, organization_id))
        await _refuse_circle(change, organization_id, new_parent, old_parent)
        await _refuse_gains(change, organization_id, new_parent)
    if new_parent is not None:
        await _refuse_taken(change, new_parent, new_name, organization_id)
    pairs = {"name": (old_name, new_name), "parent": (_typed(old_parent), _typed(new_parent))}
    changes = {field: pair for field, pair in pairs.items() if pair[0] != pair[1]}
    if changes:
        row = {"id": organization_id, "name": new_name, "name_key": key(new_name), "parent_id": new_parent}
        await bulk.update(change.tx, Organization, [{**row, "updated_at": change.moment}])
        await change.record([Event(Action.UPDATED, Subject.ORGANIZATION, organization_id, new_name, changes)])
    return {"organization": organization_id, "errors": []}


async def _height(change: Change, organization_id: int) -> int:
    """How many levels an organization and what is below it take."""
    found: int = await change.tx.scalar(
        "WITH RECURSIVE below(id, n) AS (SELECT id, 1 FROM organizations WHERE id = $1"
        " UNION ALL SELECT o.id, n + 1 FROM organizations o JOIN below b ON o.parent_id = b.id)"
        " SELECT MAX(n) FROM below",
        organization_id,
    )
    return found


def _typed(organization_id: int | None) -> str | None:
    return None if organization_id is None else f"organization_{organization_id}"


async def _refuse_circle(change: Change, moved: int, parent: int, old_parent: int | None) -> None:
    if old_parent is None:
        raise Invalid("parentId", reason="The root cannot be moved.")
    roots = change.tx.dialect.among("id", "$1", "bigint")
    below = await change.tx.rows(SUBTREE.format(roots=roots), [moved])
    if parent in {row[0] for row in below}:
        raise Invalid("parentId", reason="An organization cannot be moved below itself.")


async def _refuse_gains(change: Change, moved: int, parent: int) -> None:
    """The roles that hold at the new parent will hold here: whoever moves could grant each of them here already.

    One's own are among them, so that nobody turns a right over organizations into every right they have elsewhere.
    """
    here, there = await _grants_above(change, moved), await _grants_above(change, parent)
    among = change.tx.dialect.among("organization_id", "$1", "bigint")
    sql = f"SELECT DISTINCT role_id FROM organization_members WHERE role_id IS NOT NULL AND {among}"
    known = await references.roles(change.tx)
    for row in await change.tx.rows(sql, sorted(there - here)):
        role = known.by_id[row[0]]
        require_grantable(change.viewer, role.name, role.weight, role.rights, "parentId", organization_ids=here)


async def delete_organization(change: Change, *, id: str) -> dict[str, Any]:
    """Delete an organization with nothing below it; its members stay users, and leave it as if they were removed."""
    change.viewer.require(Right.MANAGE_ORGANIZATIONS)
    organization_id, name, parent = await _organization(change, id, "id")
    await _require_within(change, organization_id, "id")
    if parent is None:
        raise Invalid("id", reason="The root cannot be deleted.")
    below = await change.tx.scalar("SELECT COUNT(*) FROM organizations WHERE parent_id = $1", organization_id)
    if below:
        raise InUse("id", what=name, by=f"{below} organizations lie below it")
    count = await members.remove_all(change, members.ORGANIZATIONS, organization_id, name, "id")
    await bulk.delete(change.tx, Organization, [organization_id])
    changes = {"name": (name, None), "members": (count, None)}
    await change.record([Event(Action.DELETED, Subject.ORGANIZATION, organization_id, name, changes)])
    return {"deletedId": id, "errors": []}


async def add_organization_members(
    change: Change,
    *,
    id: str,
    user_ids: Sequence[str],
    role: dict[str, Any] | None = None,
    error_policy: str | None = None,
) -> dict[str, Any]:
    """Make users members, with a role that holds here and below, or with none; for members, set that role."""
    change.viewer.require(Right.MANAGE_ORGANIZATIONS)
    organization_id, name, _ = await _organization(change, id, "id")
    await _require_within(change, organization_id, "id")
    role_id = None
    if role is not None:
        found = (await references.roles(change.tx)).find(role, "role")
        covering = await _grants_above(change, organization_id)
        require_grantable(change.viewer, found.name, found.weight, found.rights, "role", organization_ids=covering)
        role_id = found.id
    return await members.add(
        change, members.ORGANIZATIONS, organization_id, name, user_ids, error_policy, role_id=role_id
    )


async def _grants_above(change: Change, organization_id: int) -> set[int]:
    """This organization and those above it: a grant at any of them holds here."""
    rows = await change.tx.rows(
        "WITH RECURSIVE above(id) AS (SELECT id FROM organizations WHERE id = $1 UNION"
        " SELECT o.parent_id FROM organizations o JOIN above a ON o.id = a.id WHERE o.parent_id IS NOT NULL)"
        " SELECT id FROM above",
        organization_id,
    )
    return {row[0] for row in rows}


async def remove_organization_members(
    change: Change, *, id: str, user_ids: Sequence[str], error_policy: str | None = None
) -> dict[str, Any]:
    change.viewer.require(Right.MANAGE_ORGANIZATIONS)
    organization_id, name, _ = await _organization(change, id, "id")
    await _require_within(change, organization_id, "id")
    return await members.remove(change, members.ORGANIZATIONS, organization_id, name, user_ids, error_policy)
