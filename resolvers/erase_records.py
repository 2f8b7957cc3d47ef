"""What else speaks of erased users: the audit log, the rows of directory jobs, and stored answers of repeated calls."""

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
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
from resolvers.pseudonyms import Person, pseudonym, replace_changes
from resolvers.viewers import as_time

BATCH = 1_000
REASON = "This user was erased. Leave the row out, or send it again as a new user."
ERASED_ROW: dict[str, Any] = {"code": "WRONG_STATE", "message": REASON, "path": [], "index": None, "values": {}}
Counts = dict[int, int]
People = Mapping[int, Person]
Spans = Mapping[str, Sequence[tuple[int, datetime, datetime | None]]]


def count(counts: Counts, user_id: int) -> None:
    counts[user_id] = counts.get(user_id, 0) + 1


@dataclass(frozen=True)
class Usernames:
    """Which users had a username when, and the names that these people had at times that are not recorded any more.

    A label in the audit log may be older than the recorded past, or outlive it.
    """

    spans: Spans
    people: People
    labels: Mapping[str, int]

    def owner(self, name: Any, at: datetime) -> int | None:
        """Which of the people had the name then."""
        if not isinstance(name, str):
            return None
        then = [each[0] for each in self.spans.get(name, ()) if each[1] <= at and (each[2] is None or at <= each[2])]
        return next((each for each in then if each in self.people), None if then else self.labels.get(name))


async def learn_usernames(tx: Transaction, people: People) -> Usernames:
    """The usernames of these people, now and in the past. Read before the recorded past is erased.

    The other identifiers that the audit log has of them are learned, too: it may be all that is left of a deleted user.
    """
    ids, labels = list(people), {}
    of_version, of_subject, of_actor = (
        tx.dialect.among(column, "$1", "bigint") for column in ("row_id", "subject_id", "actor_id")
    )
    for sql in (
        f"SELECT DISTINCT row_id, username FROM users_history WHERE {of_version}",
        f"SELECT DISTINCT subject_id, subject_label FROM audit_events WHERE subject_type = 'user' AND {of_subject}",
        f"SELECT DISTINCT actor_id, actor_username FROM audit_events WHERE {of_actor}",
    ):
        for user_id, name in await tx.rows(sql, ids):
            if name and name != pseudonym(user_id):
                labels[name] = user_id
                people[user_id].learn([name])
    sql = f"SELECT subject_id, changes FROM audit_events WHERE subject_type = 'user' AND {of_subject}"
    for user_id, changes in await tx.rows(sql, ids):
        people[user_id].learn_changes(from_json(changes))
    spans: dict[str, list[tuple[int, datetime, datetime | None]]] = {}
    among = tx.dialect.among("username", "$1", "text")
    sql = f"SELECT username, row_id, valid_from, valid_to FROM users_history WHERE {among}"
    for row in await tx.rows(sql, sorted(labels)):
        end = None if row[3] is None else as_time(row[3])
        spans.setdefault(row[0], []).append((row[1], as_time(row[2]), end))
    return Usernames(spans, people, labels)


async def erase_audit_log(tx: Transaction, people: People, usernames: Usernames) -> Counts:
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


def _erase_event(row: Record, people: People, usernames: Usernames) -> tuple[dict[str, Any], set[int]]:
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


def _replace_members(names: Any, usernames: Usernames, at: datetime, named: set[int]) -> Any:
    """A list of members by the usernames that they had then: another user may have had the same at another time."""
    if not isinstance(names, list):
        return names
    owners = [usernames.owner(name, at) for name in names]
    named |= {owner for owner in owners if owner is not None}
    return [name if owner is None else pseudonym(owner) for name, owner in zip(names, owners, strict=True)]


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
                for user_id in after[0]:
                    count(counts, user_id)
        if changed:
            await bulk.update(tx, DirectoryJobRow, changed)
    return counts


def _erase_job_row(row: Record, people: People) -> tuple[set[int], dict[str, Any]] | None:
    _, user_id, label, entry_key, wanted, changes, errors, action = row
    wanted, changes, errors = from_json(wanted), from_json(changes), from_json(errors)
    person = people.get(user_id) if user_id is not None else _person_of([label, entry_key, wanted, changes], people)
    if person is not None:
        if label == entry_key == person.pseudonym and wanted is None:
            return None
        waiting = wanted is not None
        kept = [{**each, "message": REASON, "values": {}} for each in errors or ()]
        return {person.user_id}, {
            "label": person.pseudonym,
            "entry_key": person.pseudonym,
            "wanted": None,
            "action": DirectoryAction.FAILED.value if waiting and action is None else action,
            "changes": changes and _differences(changes, person.pseudonym),
            "errors": kept or ([ERASED_ROW] if waiting and action is None else None),
        }
    named: set[int] = set()
    for each in people.values() if errors else ():
        before, errors = errors, each.replace_identifiers(errors)
        named |= {each.user_id} if errors != before else set()
    if not named:
        return None
    values = {"label": label, "entry_key": entry_key, "wanted": wanted, "action": action, "changes": changes}
    return named, {**values, "errors": errors}


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
