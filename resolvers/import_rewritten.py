"""Rows of a CSV whose values a spreadsheet has rewritten, as the users that are stored show."""

from collections.abc import Mapping, Sequence
from typing import Any

from models.database import Connection
from models.lists import escaped
from models.values import email_key, key, split
from resolvers.importers import Problem, Row
from resolvers.importers.spreadsheets import ADVICE, is_rewritten

SINGLE = ("username", "name", "first_name", "last_name")
_LISTS = {
    "tags": ("user_tags", "value"),
    "aliases": ("user_aliases", "value"),
    "groups": ("group_members JOIN groups ON groups.id = group_members.group_id", "name"),
}


async def refuse_rewritten(connection: Connection, rows: Sequence[Row], source: str) -> dict[int, list[Problem]]:
    """Problems by the number of their row: values that differ from the stored ones only as spreadsheets change them.

    `source` is the one whose ids `external_id` has.
    """
    users = {email_key(row.user["email"]): row for row in rows if row.user.get("email") and not row.problems}
    if not users:
        return {}
    columns = ", ".join(SINGLE)
    among = connection.dialect.among("email_key", "$1", "text")
    found = await connection.rows(f"SELECT id, email_key, {columns} FROM users WHERE {among}", sorted(users))
    stored = {row[0]: row for row in found}
    ids = list(stored)
    lists = {name: await _values(connection, *source, ids) for name, source in _LISTS.items()}
    variables = await _values(connection, "user_variables", "name, value", ids)
    external_ids = await _values(connection, "user_external_ids", "source, value", ids)
    problems: dict[int, list[Problem]] = {}
    for user_id, known in stored.items():
        row = users[known[1]]
        given = row.user
        known_ids = {row[1]: row[2] for row in external_ids.get(user_id, ())}
        named_ids = {source: given.get("external_id"), **given.get("external_ids", {})}
        wrong = [
            *(_single("external_id", value, known_ids.get(name)) for name, value in named_ids.items()),
            *(_single(name, given.get(name), known[2 + at]) for at, name in enumerate(SINGLE)),
            *(_listed(name, given.get(name, ()), [row[1] for row in lists[name].get(user_id, ())]) for name in _LISTS),
            *_variables(given.get("variables", {}), {row[1]: row[2] for row in variables.get(user_id, ())}),
        ]
        if found_problems := [problem for problem in wrong if problem]:
            problems[row.number] = found_problems
    return problems


async def _values(
    connection: Connection, table: str, columns: str, ids: Sequence[int]
) -> Mapping[int, list[Sequence[Any]]]:
    among = connection.dialect.among("user_id", "$1", "bigint")
    found: dict[int, list[Sequence[Any]]] = {}
    for row in await connection.rows(f"SELECT user_id, {columns} FROM {table} WHERE {among}", list(ids)):
        found.setdefault(row[0], []).append(row)
    return found


def _single(name: str, given: str | None, stored: str | None) -> Problem | None:
    if not given or not stored or not is_rewritten(stored, given):
        return None
    return _problem(name, given, stored)


def _listed(name: str, given: Sequence[str], stored: Sequence[str]) -> Problem | None:
    keys = set(map(key, stored))
    for value in split(list(given)):
        if key(value) not in keys and (other := next((one for one in stored if is_rewritten(one, value)), None)):
            return _problem(name, value, other)
    return None


def _variables(given: Mapping[str, Any], stored: Mapping[str, str]) -> list[Problem | None]:
    values = {key(name): value for name, value in stored.items()}
    found = [_single(f"variables.{name}", str(value), values.get(key(name))) for name, value in given.items()]
    return [*found, _listed("variables", [escaped(name) for name in given], list(stored))]


def _problem(name: str, given: str, stored: str) -> Problem:
    return Problem(name, f"{given[:100]!r} is {stored[:100]!r} as a spreadsheet has rewritten it: {ADVICE}")
