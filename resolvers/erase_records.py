"""What else speaks of erased users: the audit log, the rows of directory jobs, and stored answers of repeated calls."""

from collections.abc import AsyncIterator, Mapping, Sequence
from datetime import datetime
from typing import Any

import orjson

from models import bulk
from models.audit import AuditEvent, StoredAnswer
from models.audit_guard import Purpose, audit_maintenance
from models.database import Record, Transaction
from models.directories import DirectoryAction, DirectoryJobRow
from models.secrets import Sealer
from models.values import from_json
from resolvers.audit import Action, Subject
from resolvers.pseudonyms import Person, pseudonym, replace_changes, replace_usernames
from resolvers.viewers import as_time

BATCH = 1_000
REASON = "This user was erased. Leave the row out, or send it again as a new user."
Counts = dict[int, int]
People = Mapping[int, Person]
Spans = Mapping[str, Sequence[tuple[int, datetime, datetime | None]]]


def count(counts: Counts, user_id: int) -> None:
    counts[user_id] = counts.get(user_id, 0) + 1


async def usernames_by_time(tx: Transaction, ids: Sequence[int]) -> Spans:
    """By username: which of these users had it, from when until when. Read before the history is erased."""
    among = tx.dialect.among("row_id", "$1", "bigint")
    found: dict[str, list[tuple[int, datetime, datetime | None]]] = {}
    for row in await tx.rows(f"SELECT username, row_id, valid_from, valid_to FROM users_history WHERE {among}", ids):
        end = None if row[3] is None else as_time(row[3])
        found.setdefault(row[0], []).append((row[1], as_time(row[2]), end))
    return found


async def erase_audit_log(tx: Transaction, people: People, usernames: Spans) -> Counts:
    """Labels of actor and subject, and what stood before and after. Who, when, what and how often stay."""
    counts: Counts = {}
    ids = list(people)
    by_subject = f"(subject_type = 'user' AND {tx.dialect.among('subject_id', '$2', 'bigint')})"
    by_actor = tx.dialect.among("actor_id", "$3", "bigint")
    members = f"action IN ('{Action.MEMBERS_ADDED}', '{Action.MEMBERS_REMOVED}')"
    sql = (
        "SELECT id, actor_id, actor_username, subject_type, subject_id, subject_label, changes, created_at"
        f" FROM audit_events WHERE id > $1 AND ({by_subject} OR {by_actor} OR {members})"
    )
    async for rows in _batches(tx, sql, ids, ids):
        changed = []
        for row in rows:
            after, named = _erase_event(row, people, usernames)
            if named:
                changed.append({"id": row[0], **after})
            for user_id in named:
                count(counts, user_id)
        if changed:
            async with audit_maintenance(tx, Purpose.ERASURE):
                await bulk.update(tx, AuditEvent, changed)
    return counts


def _erase_event(row: Record, people: People, usernames: Spans) -> tuple[dict[str, Any], set[int]]:
    """The columns as they are to be, and the users whose personal data stood in them."""
    _, actor_id, actor, subject_type, subject_id, label, stored, created_at = row
    changes = from_json(stored)
    named: set[int] = set()
    if actor_id in people and actor not in (None, people[actor_id].pseudonym):
        actor = people[actor_id].pseudonym
        named.add(actor_id)
    if subject_type == Subject.USER and subject_id in people:
        name = people[subject_id].pseudonym
        before, (label, changes) = (label, changes), (name, replace_changes(changes, name))
        named |= {subject_id} if before != (label, changes) else set()
    elif "members" in changes:
        members = [_replace_members(each, usernames, as_time(created_at), named) for each in changes["members"]]
        changes = {**changes, "members": members}
    return {"actor_username": actor, "subject_label": label, "changes": changes}, named


def _replace_members(names: Any, usernames: Spans, at: datetime, named: set[int]) -> Any:
    """A list of members by the usernames that they had then: another user may have had the same at another time."""
    for name in list(names) if isinstance(names, list) else ():
        for user_id, start, end in usernames.get(name, ()):
            if start <= at and (end is None or at <= end) and name != pseudonym(user_id):
                names = replace_usernames(names, {name}, pseudonym(user_id))
                named.add(user_id)
    return names


async def erase_job_rows(tx: Transaction, people: People) -> Counts:
    """What directories said of these users, until the rows end by themselves. A row that waits is refused."""
    counts: Counts = {}
    sql = "SELECT id, user_id, label, entry_key, wanted, changes, errors, action FROM directory_job_rows WHERE id > $1"
    async for rows in _batches(tx, sql):
        changed = []
        for row in rows:
            after = _erase_job_row(row, people)
            if after is not None:
                changed.append({"id": row[0], **after[1]})
                count(counts, after[0])
        if changed:
            await bulk.update(tx, DirectoryJobRow, changed)
    return counts


def _erase_job_row(row: Record, people: People) -> tuple[int, dict[str, Any]] | None:
    _, user_id, label, entry_key, wanted, changes, errors, action = row
    wanted, changes, errors = from_json(wanted), from_json(changes), from_json(errors)
    person = people.get(user_id) if user_id is not None else _person_of([label, entry_key, wanted], people)
    if person is not None:
        if label == entry_key == person.pseudonym and wanted is None:
            return None
        waiting = wanted is not None
        kept = [{**each, "message": REASON} for each in errors or ()]
        refused: dict[str, Any] = {"code": "WRONG_STATE", "message": REASON, "path": [], "index": None}
        return person.user_id, {
            "label": person.pseudonym,
            "entry_key": person.pseudonym,
            "wanted": None,
            "action": DirectoryAction.FAILED.value if waiting and action is None else action,
            "changes": changes and _differences(changes, person.pseudonym),
            "errors": kept or ([refused] if waiting and action is None else None),
        }
    named = next((each for each in people.values() if errors and each.replace_identifiers(errors) != errors), None)
    if named is None:
        return None
    values = {"label": label, "entry_key": entry_key, "wanted": wanted, "action": action, "changes": changes}
    return named.user_id, {**values, "errors": named.replace_identifiers(errors)}


def _differences(changes: Sequence[Mapping[str, Any]], name: str) -> list[dict[str, Any]]:
    """Of a job's row: each field with its values before and after."""
    return [
        {
            **each,
            **dict(zip(("before", "after"), replace_changes({each["field"]: pair}, name)[each["field"]], strict=True)),
        }
        for each in changes
        for pair in [[each.get("before"), each.get("after")]]
    ]


def _person_of(values: Any, people: People) -> Person | None:
    return next((each for each in people.values() if each.is_named_in(values)), None)


async def erase_answers(tx: Transaction, people: People, sealer: Sealer) -> Counts:
    """Stored answers of repeated calls that speak of these users; one that cannot be read by anybody is removed."""
    counts: Counts = {}
    async for rows in _batches(tx, "SELECT id, answer FROM stored_answers WHERE id > $1"):
        for row in rows:
            text = sealer.open(row[1])
            if text is None:
                await bulk.delete(tx, StoredAnswer, [row[0]])
                continue
            before = after = orjson.loads(text)
            for person in people.values():
                replaced = person.replace_in_answer(after)
                if replaced != after:
                    count(counts, person.user_id)
                after = replaced
            if after != before:
                sealed = sealer.seal(orjson.dumps(after).decode())
                await tx.rows("UPDATE stored_answers SET answer = $2 WHERE id = $1", row[0], sealed)
    return counts


async def _batches(tx: Transaction, sql: str, *values: Any) -> AsyncIterator[Sequence[Record]]:
    """The rows of a statement whose first column is `id`, past the id $1, some at a time."""
    last = 0
    while rows := await tx.rows(f"{sql} ORDER BY id LIMIT {BATCH}", last, *values):
        yield rows
        last = rows[-1][0]
