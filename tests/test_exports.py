"""One question, any sink: every format, read back by a library of its own, holds what the JSON answer does."""

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from tests.exporting import (
    HARD,
    by_arrow,
    by_csv,
    by_duckdb,
    by_lines,
    by_openpyxl,
    by_pandas,
    by_parquet,
    by_polars,
    flat,
    whole,
)
from tests.service import Service
from tests.test_reading import furnished

# Where the rows stand, and the query; what is in variables is skipped or included by it.
QUERIES = {
    "users": "{ users { nodes { id username email name state isActive version createdAt lastLoginAt groupCount } } }",
    "joined": "{ users { nodes { username role { id name weight } identityProvider { id name } createdBy { name } } } }",
    "lists": "{ users { nodes { name tags aliases groups { totalCount nodes { name } } organizations { nodes { id } } } } }",
    "pairs": "{ users { nodes { id variables { name value } memberships { nodes { organization { name } role { name } } } } } }",
    "edges": "{ users { totalCount edges { cursor node { id role { name } } } pageInfo { hasNextPage } } }",
    "aliases": "{ all: users(orderBy: [{field: NAME, direction: DESC}]) { rows: nodes { who: name as: role { called: name } } } }",
    "fragments": """query Q($no: Boolean = false) { __typename users(where: {state: {eq: ACTIVE}}) { ...Page } }
        fragment Page on UserConnection { nodes { ...Who lastApiRequestAt @include(if: $no) ... @skip(if: $no) { version } } }
        fragment Who on User { __typename id createdBy { ...Name createdBy { ...Name accessibility } } }
        fragment Name on User { __typename name isActive createdAt }""",
    "keys": "{ users { nodes { username apiKeys { nodes { name permissions isValid } } sessions { nodes { isCurrent } } } } }",
    "both": "{ users { nodes { name groups { edges { node { name } cursor } nodes { id } } } } }",
    "groups": "{ groups { nodes { name description userCount users { totalCount nodes { username } } } } }",
    "organizations": "{ organizations { nodes { id name parent { name } } } }",
    "audit": "{ auditEvents { nodes { id action createdAt subjectLabel changes actor { name } } } }",
    "roles": "{ roles { name weight permissions synonyms isBuiltIn createdAt userCount } }",
    "providers": "{ identityProviders { id name kind isEnabled serverNumber } }",
    "byKeys": '{ usersByKeys(keys: [{username: "normal"}, {username: "nobody"}, {id: "user_1"}]) { id name role { name } } }',
    "nodes": """{ nodes(ids: ["user_4", "role_2", "user_999"]) { __typename id ... on User { name createdAt tags }
        ... on Role { weight title: name } } }""",
}


@pytest.fixture
async def full(service: Service) -> Service:
    """The cast with something in every field, and hard texts wherever texts go."""
    await furnished(service)
    for number, text in enumerate(HARD):
        key = f"{number}"
        await service.write("UPDATE users SET name = $1 WHERE id = $2", text, number % 9 + 1)
        await service.write(
            "INSERT INTO user_tags (user_id, value, value_key) VALUES ($1, $2, $3)", number % 5 + 1, text, key
        )
        moment = "'2024-02-29 12:30:00+00:00'"
        await service.write(
            f"INSERT INTO groups (name, name_key, created_at, updated_at) VALUES ($1, $2, {moment}, {moment})",
            text,
            f"hard {key}",
        )
        await service.write(
            f"INSERT INTO group_members (group_id, user_id, created_at) VALUES ($1, $2, {moment})",
            number + 3,
            number % 4 + 1,
        )
    await service.data('mutation { createGroup(input: {name: "Made"}) { group { id } } }')
    return service


async def rows_of(service: Service, query: str) -> list[Any]:
    """The rows of the JSON answer."""
    data = await service.data(query)
    ((_, found),) = ((key, value) for key, value in data.items() if key != "__typename")
    if isinstance(found, dict):
        (rows,) = (value for value in found.values() if isinstance(value, list))
        return [row["node"] if set(row) == {"cursor", "node"} else row for row in rows]
    return list(found)


async def test_lines_are_the_rows_of_the_answer_as_it_is_written(full: Service) -> None:
    for name in QUERIES:
        await check_lines(full, name)


async def check_lines(full: Service, name: str) -> None:
    content = await whole(full, QUERIES[name], "ndjson")
    answer = (await full.post({"query": QUERIES[name]})).text
    rows = await rows_of(full, QUERIES[name])
    lines = content.decode().splitlines()
    assert by_lines(content) == rows
    assert all(line in answer for line in lines)


# --- texts --------------------------------------------------------------------------------------------------------


def is_formula(text: str) -> bool:
    rest = text.lstrip("'")
    return rest[:1] in ("\t", "\r", "\n") or rest.lstrip()[:1] in tuple("=+-@＝＋－＠")


def as_text(value: Any) -> str:
    """What a cell holds, but for the apostrophe before formulas."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, list):
        return "|".join(escaped(each, "|") + trailing(each, value, at) for at, each in enumerate(map(item, value)))
    if isinstance(value, dict):
        return json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    return str(value)


def item(value: Any) -> str:
    """One value of a list: the fields of an object, which is flat like a row."""
    if not isinstance(value, dict):
        return as_text(value)
    fields = list(flat(value).values())
    parts = [json.dumps(each, separators=(",", ":")) if isinstance(each, list) else as_text(each) for each in fields]
    if len(parts) == 1:
        return parts[0]
    return "=".join([*(escaped(each, "=") for each in parts[:-1]), parts[-1]])


def escaped(text: str, mark: str) -> str:
    made = ""
    for place, letter in enumerate(text):
        rest = text[place:].lstrip("\\")
        is_before = letter == "\\" and rest.startswith(mark)
        made += "\\\\" if is_before else f"\\{letter}" if letter == mark else letter
    return made


def trailing(text: str, values: list[Any], place: int) -> str:
    """Backslashes at the end of a text that is followed by another are doubled."""
    return "\\" * (len(text) - len(text.rstrip("\\"))) if place < len(values) - 1 else ""


async def test_csv_holds_what_the_answer_does(full: Service) -> None:
    for name in QUERIES:
        await check_csv(full, name)


async def check_csv(full: Service, name: str) -> None:
    rows = [flat(row) for row in await rows_of(full, QUERIES[name])]
    content = await whole(full, QUERIES[name], "csv")
    found = by_csv(content)
    assert content.endswith(b"\r\n")
    assert len(found) == len(rows)
    if name == "both":
        rows = [{"name": row["name"], "groups.nodes": row["groups"]} for row in rows]
    for row, cells in zip(rows, found, strict=True):
        if name == "both":
            cells.pop("groups.edges")
        texts = {key: as_text(value) for key, value in row.items()}
        numbers = {key for key, value in row.items() if isinstance(value, int)}
        guarded = {key: f"'{text}" if key not in numbers and is_formula(text) else text for key, text in texts.items()}
        assert cells == {key: guarded.get(key, "") for key in cells}
        assert {key for key, text in guarded.items() if text} <= set(cells)


# --- columns ------------------------------------------------------------------------------------------------------

MOMENTS = {"createdAt", "lastLoginAt", "lastApiRequestAt", "updatedAt"}


def typed(name: str, value: Any) -> Any:
    if isinstance(value, dict):
        return json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    if isinstance(value, list):
        return [nested(each) for each in value]
    if name.rpartition(".")[2] in MOMENTS and value is not None:
        return datetime.fromisoformat(value)
    return value


def nested(value: Any) -> Any:
    if not isinstance(value, dict):
        return value
    fields = {name: typed(name, each) for name, each in flat(value).items()}
    if fields.get("role", ...) is None:
        fields = {**fields, "role.name": None}
        del fields["role"]
    return next(iter(fields.values())) if len(fields) == 1 else fields


async def test_columns_hold_what_the_answer_does(full: Service) -> None:
    for name in QUERIES:
        if name != "both":
            await check_columns(full, name)


async def check_columns(full: Service, name: str) -> None:
    rows = [{key: typed(key, each) for key, each in flat(row).items()} for row in await rows_of(full, QUERIES[name])]
    stream, file = await whole(full, QUERIES[name], "arrow"), await whole(full, QUERIES[name], "parquet")
    table = by_arrow(stream)
    expected = [{column: row.get(column) for column in table.column_names} for row in rows]
    assert {key for row in rows for key, value in row.items() if value is not None} <= set(table.column_names)
    assert table.to_pylist() == expected
    assert by_parquet(file).to_pylist() == expected
    assert by_polars(stream) == expected
    assert by_duckdb(table, file) == expected
    assert by_pandas(file)["createdAt" if name == "users" else table.column_names[0]].tolist() == [
        row["createdAt" if name == "users" else table.column_names[0]] for row in expected
    ]


async def test_columns_have_types_whatever_is_in_them(service: Service) -> None:
    query = """{ users(where: {username: {eq: "nobody"}}) { nodes { id version isActive lastLoginAt tags
        variables { name value } groups { totalCount nodes { id } } role { weight } } } }"""
    for table in (by_arrow(await whole(service, query, "arrow")), by_parquet(await whole(service, query, "parquet"))):
        assert table.num_rows == 0
        assert [f"{field.name} {field.type}" for field in table.schema] == [
            "id string",
            "version int64",
            "isActive bool",
            "lastLoginAt timestamp[us, tz=UTC]",
            "tags list<item: string>"
            if "item" in str(table.schema.field("tags").type)
            else "tags list<element: string>",
            f"variables {table.schema.field('variables').type}",
            "groups.totalCount int64",
            f"groups {table.schema.field('groups').type}",
            "role.weight int64",
        ]
        assert [field.name for field in table.schema.field("variables").type.value_type] == ["name", "value"]
    headings = "id,version,isActive,lastLoginAt,tags,variables,groups.totalCount,groups,role.weight\r\n"
    assert (await whole(service, query, "csv")).decode() == headings
    assert await whole(service, query, "ndjson") == b""
    assert by_openpyxl(await whole(service, query, "xlsx")) == []


# --- sheets -------------------------------------------------------------------------------------------------------


async def test_sheets_hold_what_the_answer_does(full: Service) -> None:
    for name in QUERIES:
        if name != "both":
            await check_sheet(full, name)


async def check_sheet(full: Service, name: str) -> None:
    rows = [flat(row) for row in await rows_of(full, QUERIES[name])]
    found = by_openpyxl(await whole(full, QUERIES[name], "xlsx"))
    names = list(found[0])
    expected = [{key: in_sheet(key, row.get(key)) for key in names} for row in rows]
    while not any(value is not None for value in expected[-1].values()):
        expected.pop()  # openpyxl sees no rows there
    assert [{key: as_moment(value) for key, value in row.items()} for row in found] == expected


def as_moment(value: Any) -> Any:
    """A sheet keeps days as fractions, which openpyxl reads to the microsecond or two."""
    return value.replace(tzinfo=UTC) if isinstance(value, datetime) else value


def in_sheet(name: str, value: Any) -> Any:
    if isinstance(value, (list, dict)):
        value = as_text(value)
    if name.rpartition(".")[2] in MOMENTS and value is not None:
        moment = datetime.fromisoformat(value)
        return moment.replace(microsecond=round(moment.microsecond, -3) % 1_000_000)
    # XML has a carriage return only as Excel writes it, which openpyxl does not undo.
    return value.replace("\r", "_x000D_") or None if isinstance(value, str) else value
