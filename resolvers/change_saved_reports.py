"""Saving, changing and deleting reports. A report runs with the rights of who runs it, so saving one gives nothing."""

import re
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any

import orjson

from models import bulk
from models.base import LONG
from models.database import Record
from models.errors import BuiltIn, Forbidden, Invalid, NotFound, Taken
from models.saved_reports import SavedReport, SavedReportRole
from models.values import clean, from_json, key
from resolvers import references
from resolvers.audit import Action, Event, Subject
from resolvers.change_invitations import refuse_repeated
from resolvers.changes import Change, number
from resolvers.conditions import conditions
from resolvers.drafts import Draft
from resolvers.outcomes import accepted, payload, result
from resolvers.policy import Right
from resolvers.saved_reports import SOURCE
from resolvers.sources import Sql
from resolvers.turns import in_turns

MOST_REPORTS = 100  # of one owner
MOST_ROLES = 50  # that one is shared with
LONGEST_NAME = 100
LONGEST_DOCUMENT = 20_000
LONGEST_VARIABLES = 10_000
_NAME = re.compile(r"[A-Za-z0-9]+(-[A-Za-z0-9]+)*")
COLUMNS = ("id", "name", "description", "document", "variables", "owner_id", "is_built_in", "version")

Check = Callable[[str, Mapping[str, Any]], None]  # of a document with its variables; raises Refusal


async def create_saved_report(
    change: Change,
    *,
    check: Check,
    name: str,
    document: str,
    description: str | None = None,
    variables: Any = None,
    shared_with: Sequence[Mapping[str, Any]] | None = None,
) -> dict[str, Any]:
    _require_saving(change)
    await _refuse_too_many(change)
    kept, roles = _name(name), await _roles(change, shared_with or ())
    await _refuse_taken(change, kept, None)
    row = {
        "name": kept,
        "name_key": key(kept),
        "description": _description(description),
        **_question(check, document, variables),
        "owner_id": change.viewer.user_id,
        "is_built_in": False,
        "created_at": change.moment,
        "updated_at": change.moment,
        "version": 1,
    }
    report_id: int = (await bulk.insert(change.tx, SavedReport, [row]))[0][0]
    await _share(change, report_id, roles)
    told = {field: row[field] for field in ("name", "description", "document", "variables")}
    told["shared_with"] = sorted(roles.values())
    changes = {field: (None, value) for field, value in told.items() if value}
    await change.record([Event(Action.CREATED, Subject.REPORT, report_id, kept, changes)])
    return {"savedReport": report_id, "errors": []}


def _require_saving(change: Change) -> None:
    """Their own affair, in a list that is read with the directory."""
    change.viewer.require(Right.USE_SELF_SERVICE)
    change.viewer.require(Right.READ_DIRECTORY)


async def _refuse_too_many(change: Change) -> None:
    count = await change.tx.scalar("SELECT COUNT(*) FROM saved_reports WHERE owner_id = $1", change.viewer.user_id)
    if count >= MOST_REPORTS:
        raise Invalid("name", reason=f"You keep {MOST_REPORTS} reports. Delete some first.")


def _name(name: str) -> str:
    kept = clean(name, "name", what="The report's name", limit=LONGEST_NAME)
    if not _NAME.fullmatch(kept):
        reason = "A report's name stands in a URL: letters a to z, digits, and dashes between them."
        raise Invalid("name", reason=reason)
    return kept


def _description(text: str | None) -> str | None:
    return None if text is None or not text.strip() else clean(text, "description", what="The description", limit=LONG)


def _question(check: Check, document: str, variables: Any) -> dict[str, Any]:
    """Document and variables as they are kept, checked together."""
    if len(document) > LONGEST_DOCUMENT:
        raise Invalid(
            "document", reason=f"A report's document has at most {LONGEST_DOCUMENT} characters.", limit=LONGEST_DOCUMENT
        )
    given = {} if variables is None else variables
    if not isinstance(given, dict):
        raise Invalid("variables", reason='variables is an object, such as {"since": "-P90D"}.')
    try:
        size = len(orjson.dumps(given))
    except TypeError as error:
        raise Invalid(
            "variables", reason="variables holds what JSON cannot: too deep, or a number too large."
        ) from error
    if size > LONGEST_VARIABLES:
        raise Invalid(
            "variables", reason=f"A report's variables have at most {LONGEST_VARIABLES} bytes.", limit=LONGEST_VARIABLES
        )
    check(document, given)
    return {"document": document, "variables": given}


async def _refuse_taken(change: Change, name: str, own: int | None) -> None:
    """Also by a report that its owner shares with nobody: a URL leads to one report, whoever asks."""
    found = await change.tx.scalar("SELECT id FROM saved_reports WHERE name_key = $1", key(name))
    if found is not None and found != own:
        raise Taken("name", what="report name", value=name)


async def _roles(change: Change, given: Sequence[Mapping[str, Any]], shared: Collection[int] = ()) -> dict[int, str]:
    """Names of the roles to share with, by id; `shared` with them it is already.

    What is shared with somebody is run by them, with their rights: a heavier role takes MANAGE_ROLES.
    """
    if len(given) > MOST_ROLES:
        raise Invalid("sharedWith", reason=f"A report is shared with at most {MOST_ROLES} roles.", limit=MOST_ROLES)
    known = await references.roles(change.tx)
    found = [known.find(each, "sharedWith", place) for place, each in enumerate(given)]
    for place, role in enumerate(found):
        if (
            role.weight > change.viewer.weight
            and role.id not in shared
            and Right.MANAGE_ROLES not in change.viewer.rights
        ):
            what = f"share a report with {role.name}, a role heavier than your own"
            raise Forbidden("sharedWith", place, what=what, right=Right.MANAGE_ROLES)
    return {role.id: role.name for role in found}


async def _share(change: Change, report_id: int, roles: Mapping[int, str]) -> None:
    await change.tx.rows("DELETE FROM saved_report_roles WHERE report_id = $1", report_id)
    await bulk.insert(change.tx, SavedReportRole, [{"report_id": report_id, "role_id": role} for role in sorted(roles)])


async def update_saved_report(change: Change, *, check: Check, id: str, **given: Any) -> dict[str, Any]:
    """Change what is given; null clears the description, the variables and the sharing."""
    _require_saving(change)
    numbered = number("report", "report", id, "id")
    report = _require_own(change, (await _visible(change, [numbered])).get(numbered), id, "id")
    before = {name: report[name] for name in ("name", "description", "document", "variables")}
    after = {**before, **await _given(change, report, check, given)}
    shared = await _shared(change, report["id"])
    roles = await _roles(change, given["shared_with"] or (), shared) if "shared_with" in given else shared
    pairs = {field: (before[field], after[field]) for field in before}
    pairs["shared_with"] = (sorted(shared.values()), sorted(roles.values()))
    changes = {field: pair for field, pair in pairs.items() if pair[0] != pair[1]}
    if changes:
        stamps = {"updated_at": change.moment, "version": report["version"] + 1}
        row = {"id": report["id"], **after, "name_key": key(after["name"]), **stamps}
        await bulk.update(change.tx, SavedReport, [row])
        await _share(change, report["id"], roles)
        await change.record([Event(Action.UPDATED, Subject.REPORT, report["id"], after["name"], changes)])
    return {"savedReport": report["id"], "errors": []}


async def _given(change: Change, report: Mapping[str, Any], check: Check, given: Mapping[str, Any]) -> dict[str, Any]:
    """What of the report's own columns is given, as it is kept."""
    after: dict[str, Any] = {}
    if given.get("name") is not None:
        after["name"] = _name(given["name"])
        await _refuse_taken(change, after["name"], report["id"])
    if "description" in given:
        after["description"] = _description(given["description"])
    if given.get("document") is not None or "variables" in given:
        document = report["document"] if given.get("document") is None else given["document"]
        after |= _question(check, document, given.get("variables", report["variables"]))
    return after


async def _shared(change: Change, report_id: int) -> dict[int, str]:
    rows = await change.tx.rows(
        "SELECT r.id, r.name FROM roles r JOIN saved_report_roles s ON s.role_id = r.id WHERE s.report_id = $1",
        report_id,
    )
    return {row[0]: row[1] for row in rows}


async def _visible(change: Change, ids: Sequence[int]) -> dict[int, dict[str, Any]]:
    """Those of these reports that the viewer may see, by id."""
    sql = Sql(change.viewer, change.tx.dialect)
    wanted = sql.among("t.id", list(ids))
    condition = conditions(sql, SOURCE, "t", None)
    columns = ", ".join(f"t.{name}" for name in COLUMNS)
    rows = await change.tx.rows(f"SELECT {columns} FROM saved_reports t WHERE {wanted} AND {condition}", *sql.values)
    return {row[0]: _report(row) for row in rows}


def _report(row: Record) -> dict[str, Any]:
    report = dict(zip(COLUMNS, row, strict=True))
    return {**report, "variables": from_json(report["variables"])}


def _require_own(change: Change, report: Mapping[str, Any] | None, typed: str, *path: str | int) -> Mapping[str, Any]:
    """One's own, or anybody's for who manages roles. What came with the service stays as it came."""
    if report is None:
        raise NotFound(*path, what="report", key=typed[:100])
    if report["is_built_in"]:
        raise BuiltIn(*path, what=f"The report {report['name']}", how="changed or deleted")
    if report["owner_id"] != change.viewer.user_id and Right.MANAGE_ROLES not in change.viewer.rights:
        raise Forbidden(*path, what="change a report of somebody else", right=Right.MANAGE_ROLES)
    return report


async def delete_saved_reports(
    change: Change, *, ids: Sequence[str], error_policy: str | None = None
) -> dict[str, Any]:
    """A result for each id. One's own, or with MANAGE_ROLES anybody's."""
    _require_saving(change)
    change.bounded(ids, "ids", "ids")
    drafts = [Draft(index, {"ref": typed}, ("ids", index)) for index, typed in enumerate(ids)]
    numbers = {d.index: d.attempt(number, "report", "report", d.given["ref"], *d.path) for d in drafts}
    found = await _visible(change, [each for each in numbers.values() if each is not None])
    seen: dict[int, int] = {}
    own: dict[int, Mapping[str, Any]] = {}
    for draft in drafts:
        each = numbers[draft.index]
        if each is not None:
            draft.attempt(refuse_repeated, draft, seen.setdefault(each, draft.index), "This report")
            own[draft.index] = draft.attempt(_require_own, change, found.get(each), draft.given["ref"], *draft.path)
    good = [own[draft.index] for draft in accepted(change, drafts, error_policy)]
    await bulk.delete(change.tx, SavedReport, [report["id"] for report in good])
    await change.record([_deleted(report) for report in good])
    return payload([result(draft, "DELETED", deletedId=draft.given["ref"]) async for draft in in_turns(drafts)])


def _deleted(report: Mapping[str, Any]) -> Event:
    kept = ("name", "description", "document", "variables")
    changes = {field: (report[field], None) for field in kept if report[field]}
    return Event(Action.DELETED, Subject.REPORT, report["id"], report["name"], changes)
