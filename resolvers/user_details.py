"""What hangs on users: read for many at once, and settled against what a change adds, sets and removes (C9)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from models.database import Connection, Transaction
from models.values import key
from resolvers.drafts import Draft, values_of, variables_of


@dataclass
class Details:
    """What hangs on a user, by normal form, to tell what is new."""

    tags: dict[str, str] = field(default_factory=dict)
    aliases: dict[str, str] = field(default_factory=dict)
    variables: dict[str, tuple[str, str]] = field(default_factory=dict)
    groups: set[int] = field(default_factory=set)
    organizations: set[int] = field(default_factory=set)


async def details_of(connection: Connection, ids: Sequence[int]) -> dict[int, Details]:
    """Of each of these users: one statement a table."""
    found = {user_id: Details() for user_id in ids}
    if not found:
        return found
    among = connection.dialect.among("user_id", "$1", "bigint")
    for row in await connection.rows(f"SELECT user_id, value_key, value FROM user_tags WHERE {among}", list(ids)):
        found[row[0]].tags[row[1]] = row[2]
    for row in await connection.rows(f"SELECT user_id, value_key, value FROM user_aliases WHERE {among}", list(ids)):
        found[row[0]].aliases[row[1]] = row[2]
    for row in await connection.rows(
        f"SELECT user_id, name_key, name, value FROM user_variables WHERE {among}", list(ids)
    ):
        found[row[0]].variables[row[1]] = (row[2], row[3])
    for row in await connection.rows(f"SELECT user_id, group_id FROM group_members WHERE {among}", list(ids)):
        found[row[0]].groups.add(row[1])
    for row in await connection.rows(
        f"SELECT user_id, organization_id FROM organization_members WHERE {among}", list(ids)
    ):
        found[row[0]].organizations.add(row[1])
    return found


def settle(draft: Draft, known: Details) -> None:
    """Leave in the draft only what is new, in `removed` what is to go, and name each difference, before and after.

    `removeTags` takes away, `setTags` leaves exactly these, `tags` adds; so for aliases and variables.
    """
    for name, what, have in (("tags", "A tag", known.tags), ("aliases", "An alias", known.aliases)):
        wanted = {key(each): each for each in getattr(draft, name)}
        gone = {key(each) for each in draft.given.get(f"remove_{name}") or ()}
        if draft.given.get(f"set_{name}") is not None:
            wanted |= {key(each): each for each in values_of(draft, f"set_{name}", what)}
            gone |= set(have) - set(wanted)
        setattr(draft, name, _settled(draft, name, have, wanted, gone))
    draft.kept_aliases = sorted(set(known.aliases) - set(draft.removed["aliases"]))
    _settle_variables(draft, known)


def _settled(draft: Draft, name: str, have: Mapping[str, str], wanted: Mapping[str, str], gone: set[str]) -> list[str]:
    new = {normal: value for normal, value in wanted.items() if normal not in have}
    removed = (gone & set(have)) - set(wanted)
    _note(draft, name, have, {**{n: v for n, v in have.items() if n not in removed}, **new})
    draft.removed[name] = sorted(removed)
    return list(new.values())


def _settle_variables(draft: Draft, known: Details) -> None:
    wanted = {key(name): (name, value) for name, value in draft.variables.items()}
    gone = {key(each) for each in draft.given.get("remove_variables") or ()}
    if draft.given.get("set_variables") is not None:
        wanted |= {key(name): (name, value) for name, value in variables_of(draft, "set_variables").items()}
        gone |= set(known.variables) - set(wanted)
    new = {normal: pair for normal, pair in wanted.items() if known.variables.get(normal, ("", ""))[1] != pair[1]}
    removed = (gone & set(known.variables)) - set(wanted)
    after = {**{n: pair for n, pair in known.variables.items() if n not in removed}, **new}
    _note(draft, "variables", _told(known.variables), _told(after))
    draft.removed["variables"] = sorted(removed | (set(new) & set(known.variables)))
    draft.variables = dict(new.values())


def _told(variables: Mapping[str, tuple[str, str]]) -> dict[str, str]:
    return {normal: f"{name}={value}" for normal, (name, value) in variables.items()}


def _note(draft: Draft, name: str, before: Mapping[str, str], after: Mapping[str, str]) -> None:
    if before != after:
        draft.change(name, sorted(before.values()) or None, sorted(after.values()) or None)


REMOVABLE = {
    "tags": ("user_tags", "value_key"),
    "aliases": ("user_aliases", "value_key"),
    "variables": ("user_variables", "name_key"),
    "external_ids": ("user_external_ids", "source"),
}
LEAVABLE = {"groups": ("group_members", "group_id"), "organizations": ("organization_members", "organization_id")}


async def take_away(tx: Transaction, drafts: Sequence[Draft]) -> None:
    """Delete what the drafts have in `removed` and `left`: one statement a table."""
    for name, (table, column) in REMOVABLE.items():
        gone = [(draft.user_id, each) for draft in drafts for each in draft.removed.get(name, ())]
        await _delete(tx, table, column, "text", gone)
    for name, (table, column) in LEAVABLE.items():
        left = [(draft.user_id, each) for draft in drafts for each in draft.left.get(name, ())]
        await _delete(tx, table, column, "bigint", left)


async def _delete(tx: Transaction, table: str, column: str, kind: str, gone: Sequence[tuple[int | None, Any]]) -> None:
    if not gone:
        return
    values = tx.dialect.spread(gone, 2)
    places = [f"${place + 1}" for place in range(len(values))]
    pairs = tx.dialect.unnest(places, [("user_id", "bigint"), ("gone", kind)])
    meant = f"SELECT t.id FROM {pairs} JOIN {table} t ON t.user_id = v.user_id AND t.{column} = v.gone"
    await tx.rows(f"DELETE FROM {table} WHERE id IN ({meant})", *values)
