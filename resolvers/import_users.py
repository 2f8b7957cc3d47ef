"""Bringing the rows of a file in: in chunks through the same upsert as the API, refused rows handed back."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

from models.database import Database, Transaction
from models.errors import Duplicate, ErrorCode, NotFound
from models.secrets import Sealer
from models.settings import Settings
from models.values import API, camel, is_set_by_program, key
from resolvers.changes import Before, Change
from resolvers.hashing import Hasher
from resolvers.import_organizations import with_organizations
from resolvers.import_rewritten import refuse_rewritten
from resolvers.importers import Problem, Row
from resolvers.importers.seen import Seen
from resolvers.policy import Viewer
from resolvers.upsert_users import MOST_PASSWORDS, prepare, upsert_users
from resolvers.viewers import by_username

CHUNK = 1_000
WAITING = 10_000  # rows, whose values are in use, to be tried again once the rest of the file is stored
ACTIONS = ("CREATED", "UPDATED", "UNCHANGED", "FAILED")
TAKEN = ErrorCode.TAKEN.value
FIELDS = ("email", "username", "name", "first_name", "last_name", "is_active", "is_invited", "ref")
LISTS = ("tags", "aliases", "groups", "organization_ids")


@dataclass
class Tally:
    """What became of the rows so far."""

    counts: dict[str, int] = field(default_factory=lambda: dict.fromkeys(ACTIONS, 0))


@dataclass(frozen=True)
class Import:
    """How to bring rows in: as whom, of which source, with what role where a row names none, and whether for real."""

    settings: Settings
    sealer: Sealer
    hasher: Hasher
    username: str
    source: str = API  # whose ids `external_id` has
    role: str | None = None
    create_groups: bool = True
    dry_run: bool = False
    noun: str = "line"  # what a row's number counts in this file
    is_table: bool = False  # a spreadsheet may have written it


Refused = Callable[[Row, Sequence[Problem]], None]
Progress = Callable[[int], object]


async def import_rows(
    database: Database, how: Import, rows: Iterable[Row], refused: Refused, progress: Progress
) -> Tally:
    """Upsert every row. A dry run is one transaction, so that later rows see what earlier ones would have done."""
    tally = Tally()
    rows = _once(rows, how.noun)
    viewer = await viewer_of(database, how)
    waiting: list[Row] = []

    async def everything(tx: Transaction | None) -> None:
        for chunk in chunks(rows, min(CHUNK, how.settings.max_bulk)):
            chunk = await _looked_through(database, how, chunk)
            waiting.extend(await one(tx, chunk, WAITING - len(waiting)))
            progress(len(chunk))
        before = 0
        while waiting and len(waiting) != before:  # as long as it helps
            before, again = len(waiting), list(waiting)
            waiting.clear()
            for chunk in chunks(again, how.settings.max_bulk):
                waiting.extend(await one(tx, chunk, len(chunk)))
        for chunk in chunks(waiting, how.settings.max_bulk):
            await one(tx, chunk, 0)
        if tx is not None:
            tx.discard()

    async def one(tx: Transaction | None, chunk: Sequence[Row], most: int) -> list[Row]:
        """The rows of a chunk, `most` at most, that may still find their values free, once later rows are stored."""
        given = await _given(database, how, viewer, chunk)
        work = partial(_chunk, how, viewer, given)
        results = await (database.transaction(work) if tx is None else work(tx))
        return _count(tally, chunk, results, refused, most)

    await (database.transaction(everything) if how.dry_run else everything(None))
    return tally


async def viewer_of(database: Database, how: Import) -> Viewer:
    """As whom to import. Raises NotFound."""
    async with database.reading() as connection:
        viewer = await by_username(connection, how.username)
    if viewer is None:
        hint = "to import as. If the directory is new, run usergraph serve or usergraph demo first"
        raise NotFound(what="active user", key=f"{how.username!r} {hint}")
    return viewer


def _once(rows: Iterable[Row], noun: str) -> Iterator[Row]:
    """Rows of which a later one is refused where it names an earlier one's user, however far apart the two stand."""
    with closing(Seen()) as seen:
        for row in rows:
            problems = list(row.problems)
            ids = {"external_id": row.user.get("external_id"), **row.user.get("external_ids", {})}
            names = [("email", "email", key(row.user.get("email") or ""))]
            names += [("external_id", f"{source} external id", (value or "").strip()) for source, value in ids.items()]
            for name, kind, value in names:
                first = seen.first(kind, value, row.number) if value else row.number
                if first != row.number:
                    what = "This external id" if name == "external_id" else "This email"
                    problems.append(Problem(camel(name), Duplicate(what=what, first=f"{noun} {first:,}").message))
            yield replace(row, problems=problems)


def chunks(rows: Iterable[Row], most: int = CHUNK) -> Iterator[list[Row]]:
    """Rows in bounded groups, smaller where they bring passwords to hash."""
    chunk: list[Row] = []
    passwords = 0
    for row in rows:
        chunk.append(row)
        passwords += "password" in row.user
        if len(chunk) == most or passwords == MOST_PASSWORDS:
            yield chunk
            chunk, passwords = [], 0
    if chunk:
        yield chunk


async def _looked_through(database: Database, how: Import, chunk: list[Row]) -> list[Row]:
    """The rows, with what a spreadsheet has rewritten in them as problems."""
    if not how.is_table:
        return chunk
    async with database.reading() as connection:
        found = await refuse_rewritten(connection, chunk, how.source)
    return [replace(row, problems=[*row.problems, *found.get(row.number, ())]) for row in chunk] if found else chunk


async def _given(database: Database, how: Import, viewer: Viewer, chunk: Sequence[Row]) -> list[dict[str, Any]]:
    users = [
        {**upsert_input(row.user, how), "place": f"{how.noun} {row.number:,}"} for row in chunk if not row.problems
    ]
    await prepare(Before(viewer, how.settings, how.hasher, database, how.sealer, how.dry_run), {"users": users})
    return users


async def _chunk(
    how: Import, viewer: Viewer, users: list[dict[str, Any]], tx: Transaction
) -> Sequence[Mapping[str, Any]]:
    if not users:
        return []
    change = Change(tx, viewer, how.settings, how.sealer, how.dry_run)
    answer = await upsert_users(
        change,
        users=await with_organizations(tx, users),
        source=how.source,
        error_policy="REJECT_FAILED",
        create_missing_groups=how.create_groups,
    )
    results: Sequence[Mapping[str, Any]] = answer["results"]
    return results


def upsert_input(user: Mapping[str, Any], how: Import) -> dict[str, Any]:
    """A parsed row as the input of upsertUsers, in snake_case."""
    given = {name: user[name] for name in (*FIELDS, *LISTS) if name in user}
    given |= _external_ids(user, how.source)
    given["organization_names"] = user.get("organizations", [])
    if "can_create_projects_in_root" in user:
        given["can_create_projects_in_root"] = user["can_create_projects_in_root"]
    if "role" in user:
        given["role"] = {"name": user["role"]}
    given["default_role"] = {"name": how.role} if how.role else None
    given["variables"] = [{"name": name, "value": value} for name, value in user.get("variables", {}).items()]
    if user.get("api_only"):
        given["authentication"] = {"api_only": True}
    elif user.get("saml"):
        given["authentication"] = {"saml": {"provisioned_by": dict(user["ldap"])} if "ldap" in user else {}}
    elif "ldap" in user:
        given["authentication"] = {"ldap": dict(user["ldap"])}
    elif "password" in user or "password_hash" in user:
        secrets = ("password", "password_hash")
        given["authentication"] = {"local": {name: user[name] for name in secrets if name in user}}
    return given


def _external_ids(user: Mapping[str, Any], source: str) -> dict[str, Any]:
    """The id of the file's own source, and those of others. Ids of providers and of SCIM are set by their own runs."""
    ids = {name: value for name, value in user.get("external_ids", {}).items() if not is_set_by_program(name)}
    own = user.get("external_id") or ids.pop(source, None)
    ids = {name: value for name, value in ids.items() if (name, value) != (source, own)}
    found: dict[str, Any] = {"external_id": own} if own else {}
    return found | ({"external_ids": [{"source": n, "value": v} for n, v in ids.items()]} if ids else {})


def _count(
    tally: Tally, chunk: Sequence[Row], results: Sequence[Mapping[str, Any]], refused: Refused, most: int
) -> list[Row]:
    """Count what became of rows and hand back the refused ones. Up to `most` that only wait for values are answered."""
    answers, waiting = iter(results), list[Row]()
    for row in chunk:
        problems = list(row.problems)
        action = "FAILED"
        if not problems:
            result = next(answers)
            action = result["action"]
            if action == "FAILED" and len(waiting) < most and {each["code"] for each in result["errors"]} == {TAKEN}:
                waiting.append(row)
                continue
            problems = [Problem(_field(error["path"]), error["message"]) for error in result["errors"]]
        tally.counts[action] += 1
        if action == "FAILED":
            refused(row, problems)
    return waiting


def _field(path: Sequence[str]) -> str:
    """The first name in a path, behind `users` and the row's number: what the row's own field is called."""
    names = [step for step in path[2:] if not step.isdecimal()]
    return names[0] if names else "row"
