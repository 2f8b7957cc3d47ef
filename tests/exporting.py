"""Exports as a client takes them, and read back by libraries that know nothing of this service."""

import asyncio
import csv
import io
import json
import tempfile
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import duckdb
import httpx
import openpyxl
import pandas
import polars
import pyarrow
from pyarrow import parquet
from starlette.types import Message

from tests.service import Service, key_of

ARROW = "application/vnd.apache.arrow.stream"
PARQUET = "application/vnd.apache.parquet"
XLSX = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
MEDIA = {
    "csv": "text/csv; charset=utf-8",
    "ndjson": "application/x-ndjson; charset=utf-8",
    "arrow": ARROW,
    "parquet": PARQUET,
    "xlsx": XLSX,
}
JSON = {"changes"}  # fields that hold any JSON
HARD = [
    'quote " and, comma',
    "line\r\nbreak\nand\ttab",
    '=HYPERLINK("http://x")',
    "  =1+1",
    "+49 30 1",
    "-5",
    "@cmd",
    "'=already",
    "＝full",
    "\t=tab",
    "pipe|and\\|back\\",
    "back\\slash\\",
    "Ärger 日本 \U0001f600",
    "'plain'",
    " ",
    "http://x.test/",
    "1e5",
    "true",
    "<b>&amp;",
]


async def fetch(
    service: Service, query: str, format: str, *, who: str | None = "admin", **given: Any
) -> httpx.Response:
    """POST a query for a file."""
    headers = {"x-apikey": key_of(who)} if who else {}
    return await service.client.post(
        "/graphql", params={"format": format}, json={"query": query, **given}, headers=headers
    )


async def refusal(service: Service, query: str, format: str = "csv", *, who: str | None = "admin") -> tuple[int, str]:
    """Status and code of an export that must be refused, which is told as GraphQL tells errors."""
    answer = await fetch(service, query, format, who=who)
    assert answer.headers["content-type"].startswith("application/graphql-response+json"), answer.text
    body = answer.json()
    assert set(body) == {"errors"}
    assert len(body["errors"]) == 1
    return answer.status_code, body["errors"][0]["extensions"]["code"]


async def whole(service: Service, query: str, format: str, **given: Any) -> bytes:
    answer = await fetch(service, query, format, **given)
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"] == MEDIA[format]
    return answer.content


def by_csv(content: bytes) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(content.decode(), newline=""), strict=True))


def by_lines(content: bytes) -> list[Any]:
    return [json.loads(line) for line in content.decode().splitlines()]


def by_arrow(content: bytes) -> pyarrow.Table:
    return pyarrow.ipc.open_stream(content).read_all()


def by_parquet(content: bytes) -> pyarrow.Table:
    return parquet.read_table(io.BytesIO(content))


def by_polars(content: bytes) -> list[dict[str, Any]]:
    return polars.read_ipc_stream(io.BytesIO(content)).to_dicts()


def by_pandas(content: bytes) -> pandas.DataFrame:
    return pandas.read_parquet(io.BytesIO(content))


def by_duckdb(table: pyarrow.Table, content: bytes) -> list[dict[str, Any]]:
    """Rows of an Arrow table, which are also those of the Parquet file."""
    with duckdb.connect() as connection, tempfile.NamedTemporaryFile(suffix=".parquet") as file:
        connection.execute("SET timezone = 'UTC'")
        connection.register("exported", table)
        file.write(content)
        file.flush()
        found, other = (
            connection.sql(f"SELECT * FROM {what}").to_arrow_table().to_pylist()
            for what in ("exported", f"read_parquet('{file.name}')")
        )
    assert found == other
    return found


def by_openpyxl(content: bytes) -> list[dict[str, Any]]:
    """Cells of the only sheet; no cell may be a formula or a link."""
    (sheet,) = openpyxl.load_workbook(io.BytesIO(content)).worksheets
    headings, *rows = [list(row) for row in sheet.iter_rows()]
    for row in rows:
        assert all(cell.data_type != "f" and cell.hyperlink is None for cell in row)
    names = [cell.value for cell in headings]
    return [dict(zip(names, [cell.value for cell in row], strict=True)) for row in rows]


def flat(row: Mapping[str, Any] | None, prefix: str = "") -> dict[str, Any]:
    """A row of the answer by the rule of columns, written anew from the documentation."""
    found: dict[str, Any] = {}
    for name, value in (row or {}).items():
        if name in JSON:
            found[prefix + name] = value
        elif isinstance(value, dict) and not {"nodes", "edges"} & set(value):
            found |= flat(value, f"{prefix}{name}.")
        elif isinstance(value, dict):
            found |= {
                f"{prefix}{name}" if each in ("nodes", "edges") else f"{prefix}{name}.{each}": inner
                for each, inner in value.items()
            }
        else:
            found[prefix + name] = value
    return found


async def many_groups(service: Service, count: int) -> None:
    """Groups `Team 1`, `Team 2`, …; of each, `it` (2) and `pm` (3) are members."""
    moment = "'2024-02-29 12:30:00+00:00'"
    numbers = f"WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {count})"
    await service.write(
        f"INSERT INTO groups (name, name_key, created_at, updated_at) {numbers}"
        f" SELECT 'Team ' || i, 'team ' || i, {moment}, {moment} FROM n"
    )
    await service.write(
        f"INSERT INTO group_members (group_id, user_id, created_at) SELECT g.id, u.id, {moment}"
        " FROM groups g, users u WHERE g.name LIKE 'Team %' AND u.id IN (2, 3)"
    )


class Client:
    """Takes an export piece by piece, straight from the application; `meanwhile` runs as each arrives."""

    def __init__(self, service: Service, query: str, format: str = "csv", who: str = "admin") -> None:
        self._app = service.app
        self._asked = [{"type": "http.request", "body": json.dumps({"query": query}).encode(), "more_body": False}]
        self._headers = [(b"content-type", b"application/json"), (b"x-apikey", key_of(who).encode())]
        self._query = f"format={format}".encode()
        self.left = asyncio.Event()
        self.status = 0
        self.headers: dict[str, str] = {}
        self.pieces: list[bytes] = []
        self.is_whole = False
        self.meanwhile: Callable[[], Awaitable[None]] = _nothing

    @property
    def body(self) -> bytes:
        return b"".join(self.pieces)

    async def take(self) -> None:
        scope = {
            "type": "http",
            "method": "POST",
            "path": "/graphql",
            "query_string": self._query,
            "headers": self._headers,
            "client": ("127.0.0.1", 5000),
        }
        await self._app(scope, self._receive, self._send)

    async def _receive(self) -> Message:
        if self._asked:
            return self._asked.pop()
        await self.left.wait()
        return {"type": "http.disconnect"}

    async def _send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
            self.headers = {name.decode(): value.decode() for name, value in message["headers"]}
            return
        self.is_whole = not message.get("more_body", False)
        if message["body"]:
            self.pieces.append(message["body"])
            await self.meanwhile()


async def _nothing() -> None:
    pass
