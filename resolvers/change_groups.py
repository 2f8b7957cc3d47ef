"""Making, changing and deleting groups, and who is in them."""

from collections.abc import Mapping, Sequence
from typing import Any

from models import bulk
from models.base import LONG
from models.errors import NotFound, Refusal, Taken
from models.groups import Group
from models.values import clean, key, split
from resolvers import members
from resolvers.audit import Action, Event, Subject
from resolvers.changes import Change, number
from resolvers.policy import Right


async def create_group(change: Change, *, name: str, description: str | None = None) -> dict[str, Any]:
    change.viewer.require_everywhere(Right.MANAGE_GROUPS)
    kept = clean(name, "name", what="The group's name")
    await _refuse_taken(change, kept, None)
    group_id = (await _insert(change, {key(kept): kept}, _description(description)))[key(kept)]
    return {"group": group_id, "errors": []}


def _description(text: str | None) -> str | None:
    return None if text is None or not text.strip() else clean(text, "description", what="The description", limit=LONG)


async def _refuse_taken(change: Change, name: str, own: int | None) -> None:
    found = await change.tx.scalar("SELECT id FROM groups WHERE name_key = $1", key(name))
    if found is not None and found != own:
        raise Taken("name", what="group name", value=name)


async def _insert(change: Change, names: Mapping[str, str], description: str | None = None) -> dict[str, int]:
    """New groups by normal form of the name, recorded; their ids in the same way."""
    stamps = {"created_at": change.moment, "updated_at": change.moment}
    rows = [{"name": n, "name_key": k, "description": description, **stamps} for k, n in names.items()]
    ids = {row[1]: row[0] for row in await bulk.insert(change.tx, Group, rows, returning=("id", "name_key"))}
    told = {} if description is None else {"description": (None, description)}
    await change.record(
        [Event(Action.CREATED, Subject.GROUP, ids[k], n, {"name": (None, n), **told}) for k, n in names.items()]
    )
    return ids


async def _group(change: Change, typed: str) -> tuple[int, str, str | None]:
    row = await change.tx.one(
        "SELECT id, name, description FROM groups WHERE id = $1", number("group", "group", typed, "id")
    )
    if row is None:
        raise NotFound("id", what="group", key=typed)
    return row[0], row[1], row[2]


async def update_group(change: Change, *, id: str, **given: Any) -> dict[str, Any]:
    """Change what is given; a null description is cleared."""
    change.viewer.require_everywhere(Right.MANAGE_GROUPS)
    group_id, name, description = await _group(change, id)
    new_name, new_description = name, description
    if given.get("name") is not None:
        new_name = clean(given["name"], "name", what="The group's name")
        await _refuse_taken(change, new_name, group_id)
    if "description" in given:
        new_description = _description(given["description"])
    pairs = {"name": (name, new_name), "description": (description, new_description)}
    changes = {field: pair for field, pair in pairs.items() if pair[0] != pair[1]}
    if changes:
        row = {"id": group_id, "name": new_name, "name_key": key(new_name), "description": new_description}
        await bulk.update(change.tx, Group, [{**row, "updated_at": change.moment}])
        await change.record([Event(Action.UPDATED, Subject.GROUP, group_id, new_name, changes)])
    return {"group": group_id, "errors": []}


async def delete_group(change: Change, *, id: str) -> dict[str, Any]:
    """Delete a group; its members stay."""
    change.viewer.require_everywhere(Right.MANAGE_GROUPS)
    group_id, name, _ = await _group(change, id)
    count = await change.tx.scalar("SELECT COUNT(*) FROM group_members WHERE group_id = $1", group_id)
    await bulk.delete(change.tx, Group, [group_id])
    changes = {"name": (name, None), "members": (count, None)}
    await change.record([Event(Action.DELETED, Subject.GROUP, group_id, name, changes)])
    return {"deletedId": id, "errors": []}


async def add_group_members(
    change: Change, *, id: str, user_ids: Sequence[str], error_policy: str | None = None
) -> dict[str, Any]:
    change.viewer.require(Right.MANAGE_GROUPS)
    group_id, name, _ = await _group(change, id)
    return await members.add(change, members.GROUPS, group_id, name, user_ids, error_policy)


async def remove_group_members(
    change: Change, *, id: str, user_ids: Sequence[str], error_policy: str | None = None
) -> dict[str, Any]:
    change.viewer.require(Right.MANAGE_GROUPS)
    group_id, name, _ = await _group(change, id)
    return await members.remove(change, members.GROUPS, group_id, name, user_ids, error_policy)


async def ensure_groups(
    change: Change, rows: Sequence[Mapping[str, Any]], *, create: bool
) -> tuple[list[dict[str, Any]], list[list[Refusal]]]:
    """The rows of an upsert with group names turned into ids; missing groups are made if so asked, else refused."""
    asked = {key(name): name for row in rows for name in split(row.get("groups")) if key(name)}
    among = change.tx.dialect.among("name_key", "$1", "text")
    found = {r[0]: r[1] for r in await change.tx.rows(f"SELECT name_key, id FROM groups WHERE {among}", list(asked))}
    missing = {normal: name for normal, name in asked.items() if normal not in found}
    if create and missing:
        change.viewer.require_everywhere(Right.MANAGE_GROUPS, "createMissingGroups")
        cleaned = {normal: clean(name, "groups", what="A group's name") for normal, name in missing.items()}
        found |= await _insert(change, cleaned)
    answer, refused = [], []
    for index, row in enumerate(rows):
        names = split(row.get("groups"))
        ids = [f"group_{found[key(name)]}" for name in names if key(name) in found]
        hint = "; createMissingGroups makes it"
        unknown = [n for n in names if key(n) not in found]
        refused.append([_unknown(index, name, hint) for name in unknown])
        answer.append({**row, "group_ids": [*(row.get("group_ids") or ()), *ids]})
    return answer, refused


def _unknown(index: int, name: str, hint: str) -> Refusal:
    return NotFound("users", index, "groups", what="group", key=f"{name[:100]!r}{hint}")
