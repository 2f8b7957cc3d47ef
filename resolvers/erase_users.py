"""Erasing users for good: their data leave every table, and what is counted stays under a pseudonym."""

from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any

from tortoise import fields
from tortoise.models import Model

from models import bulk, tables
from models.errors import Duplicate, NotFound, Self
from models.users import User
from resolvers import erase_history, erase_records, references, targets
from resolvers.audit import Action, Event, Subject
from resolvers.changes import Change, number
from resolvers.drafts import Draft
from resolvers.outcomes import accepted, payload, result
from resolvers.policy import Right, require_weight
from resolvers.pseudonyms import Person
from resolvers.references import Roles
from resolvers.turns import in_turns

Counts = dict[str, dict[int, int]]  # rows by table and user

# Where texts stand by which others know a user, beside the recorded past.
IDENTIFIERS = (
    ("users", "id", ("username", "username_key", "email", "email_key", "external_id", "login_dn", "login_dn_key")),
    ("users", "id", ("name_id", "entry_id")),
    ("user_aliases", "user_id", ("value", "value_key")),
    ("user_external_ids", "user_id", ("value",)),
    ("previous_identities", "user_id", ("login_dn", "name_id", "entry_id")),
    ("directory_entries", "user_id", ("entry_key",)),
    ("letters", "user_id", ("to_address",)),
)


async def erase_users(change: Change, *, ids: Sequence[str], error_policy: str | None = None) -> dict[str, Any]:
    """A result for each id, with a receipt of what was deleted and replaced. Users deleted before can be erased, too.

    The setting that forbids deletion does not forbid this: it is for requests that the law makes binding.
    """
    change.viewer.require_everywhere(Right.ERASE_USERS)
    change.bounded(ids, "ids", "ids")
    roles = await references.roles(change.tx)
    drafts = [Draft(index, {"ref": typed}, ("ids", index)) for index, typed in enumerate(ids)]
    for draft in drafts:
        draft.user_id = draft.attempt(lambda d=draft: number("user", "user", d.given["ref"], *d.path))
    people = {draft.user_id: Person(draft.user_id) for draft in drafts if draft.user_id is not None}
    found = await targets.find(change.tx, roles, list(people))
    past_roles = await erase_history.learn_past(change.tx, people)
    known = set(found) | set(past_roles) | await _in_audit_log(change, list(people))
    remaining = await targets.administrators(change.tx, roles)
    seen: dict[int, Draft] = {}
    for draft in drafts:
        if draft.user_id is not None:
            draft.target = found.get(draft.user_id)
            first = seen.setdefault(draft.user_id, draft)
            draft.attempt(_may_erase, change, draft, first, known, _weight(draft, past_roles, roles), remaining)
    good = {draft.user_id: draft for draft in accepted(change, drafts, error_policy) if draft.user_id}
    counts = await _erase(change, {user_id: people[user_id] for user_id in good})
    return payload([_result(draft, people, counts) async for draft in in_turns(drafts)])


async def _in_audit_log(change: Change, ids: Sequence[int]) -> set[int]:
    among = change.tx.dialect.among("subject_id", "$1", "bigint")
    sql = f"SELECT DISTINCT subject_id FROM audit_events WHERE subject_type = 'user' AND {among}"
    return {row[0] for row in await change.tx.rows(sql, list(ids))}


def _weight(draft: Draft, past_roles: Mapping[int, int], roles: Roles) -> int:
    """How heavy the user is, or was last; a role that is gone weighs nothing."""
    if draft.target is not None:
        return draft.target.role.weight
    role = roles.by_id.get(past_roles.get(draft.user_id or 0, 0))
    return role.weight if role is not None else 0


def _may_erase(change: Change, draft: Draft, first: Draft, known: set[int], weight: int, remaining: set[int]) -> None:
    if draft.user_id not in known:
        raise NotFound(*draft.path, what="user", key=draft.given["ref"])
    if first is not draft:
        raise Duplicate(*draft.path, what="This user", first=first.place)
    if draft.user_id == change.viewer.user_id:
        raise Self(*draft.path, what="erase")
    require_weight(change.viewer, weight, *draft.path)
    targets.keep_one(remaining, draft.user_id, *draft.path)


async def _erase(change: Change, people: Mapping[int, Person]) -> Counts:
    """Delete the live rows first, which ends their recorded versions; then replace what stays."""
    if not people:
        return {}
    tx, ids = change.tx, list(people)
    for table, owner, columns in IDENTIFIERS:
        among = tx.dialect.among(owner, "$1", "bigint")
        for row in await tx.rows(f"SELECT {owner}, {', '.join(columns)} FROM {table} WHERE {among}", ids):
            people[row[0]].learn(row[1:])
    usernames = await erase_records.learn_usernames(tx, people)
    await _forget_what_others_have(change, people)
    counts = await _count_live(change, ids)
    counts["directory_job_rows"] = await erase_records.erase_job_rows(tx, people)
    await bulk.delete(tx, User, ids)
    if tx.dialect.name == "sqlite" and not change.dry_run:
        # The search index keeps the words of deleted rows until its parts are merged.
        await tx.rows("INSERT INTO user_search (user_search) VALUES ('optimize')")
    counts |= await erase_history.erase_history(tx, ids)
    counts["audit_events"] = await erase_records.erase_audit_log(tx, people, usernames)
    stored = await erase_records.erase_answers(tx, people, change.sealer)
    counts["stored_answers"] = _added(counts.get("stored_answers", {}), stored)
    await change.record([_event(people[user_id], counts) for user_id in ids if _of(user_id, counts)])
    return counts


async def _forget_what_others_have(change: Change, people: Mapping[int, Person]) -> None:
    """Values that were handed over to users who stay: they identify those now."""
    tx, ids = change.tx, list(people)
    values = sorted({each for person in people.values() for each in person.texts | person.spellings})
    others: set[int] = set()
    for table, owner, columns in IDENTIFIERS:
        if table != "letters":
            same = " OR ".join(tx.dialect.among(column, "$1", "text") for column in columns)
            others |= {row[0] for row in await tx.rows(f"SELECT {owner} FROM {table} WHERE {same}", values)}
    others -= set(ids)
    for table, owner, columns in IDENTIFIERS:
        among = tx.dialect.among(owner, "$1", "bigint")
        for row in await tx.rows(f"SELECT {', '.join(columns)} FROM {table} WHERE {among}", sorted(others)):
            for person in people.values():
                person.forget(row)


def _added(first: Mapping[int, int], second: Mapping[int, int]) -> dict[int, int]:
    return {user_id: first.get(user_id, 0) + second.get(user_id, 0) for user_id in {*first, *second}}


@cache
def owned_tables() -> tuple[tuple[str, str], ...]:
    """Each table whose rows are deleted with a user, and the column that names the user."""
    found = [("users", "id")]
    for name in tables.__all__:
        model: type[Model] = getattr(tables, name)
        for field_name in sorted(model._meta.fk_fields):
            declared: Any = model._meta.fields_map[field_name]
            if declared.model_name == "usergraph.User" and declared.on_delete == fields.CASCADE:
                found.append((model._meta.db_table, f"{field_name}_id"))
    return tuple(found)


async def _count_live(change: Change, ids: Sequence[int]) -> Counts:
    counts: Counts = {}
    for table, column in owned_tables():
        among = change.tx.dialect.among(column, "$1", "bigint")
        rows = await change.tx.rows(f"SELECT {column}, COUNT(*) FROM {table} WHERE {among} GROUP BY {column}", ids)
        counts[table] = {row[0]: row[1] for row in rows}
    return counts


def _of(person_id: int, counts: Counts) -> dict[str, int]:
    return {table: rows[person_id] for table, rows in sorted(counts.items()) if rows.get(person_id)}


def _event(person: Person, counts: Counts) -> Event:
    """The receipt as the audit log keeps it: how many rows of which table, and nothing of what stood in them."""
    rows = [f"{table}: {count}" for table, count in _of(person.user_id, counts).items()]
    return Event(Action.ERASED, Subject.USER, person.user_id, person.pseudonym, {"rows": (rows, None)})


def _result(draft: Draft, people: Mapping[int, Person], counts: Counts) -> Mapping[str, Any]:
    person = people.get(draft.user_id or 0)
    rows = _of(draft.user_id, counts) if draft.user_id and draft.is_good else {}
    named = result(
        draft,
        "DELETED" if rows else "UNCHANGED",
        erasedId=draft.given["ref"],
        pseudonym=person.pseudonym if person else None,
    )
    return {**named, "user": None, "erasedRows": [{"table": table, "rows": count} for table, count in rows.items()]}
