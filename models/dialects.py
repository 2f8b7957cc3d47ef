"""What SQLite and PostgreSQL say differently: placeholders, arrays, row values and times."""

from collections.abc import Sequence
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any, Protocol

import orjson


class Dialect(Protocol):
    """Statements are written with PostgreSQL's `$1`; lists and rows are one parameter each, so texts repeat."""

    name: str

    def text(self, sql: str) -> str: ...

    def bind(self, value: Any) -> Any: ...

    def json(self, value: Any) -> Any: ...

    def equals(self, column: str, place: str, kind: str) -> str: ...

    def among(self, column: str, place: str, kind: str) -> str: ...

    def unnest(self, places: Sequence[str], columns: Sequence[tuple[str, str]]) -> str: ...

    def spread(self, rows: Sequence[Sequence[Any]], width: int) -> list[Any]: ...


class Postgres:
    name = "postgres"

    def text(self, sql: str) -> str:
        return sql

    def bind(self, value: Any) -> Any:
        return value

    def json(self, value: Any) -> Any:
        return orjson.dumps(value).decode()

    def equals(self, column: str, place: str, kind: str) -> str:
        return f"{column} = {place}::{kind}"

    def among(self, column: str, place: str, kind: str) -> str:
        return f"{column} = ANY({place}::{kind}[])"

    def unnest(self, places: Sequence[str], columns: Sequence[tuple[str, str]]) -> str:
        arrays = ", ".join(f"{p}::{kind}[]" for p, (_, kind) in zip(places, columns, strict=True))
        names = ", ".join(f'"{name}"' for name, _ in columns)
        return f"unnest({arrays}) WITH ORDINALITY AS v({names}, _row)"

    def spread(self, rows: Sequence[Sequence[Any]], width: int) -> list[Any]:
        return [list(column) for column in zip(*rows, strict=True)] if rows else [[] for _ in range(width)]


class SQLite:
    name = "sqlite"

    def text(self, sql: str) -> str:
        return _numbered(sql) if len(sql) <= MOST_KEPT else _numbered.__wrapped__(sql)

    def bind(self, value: Any) -> Any:
        if isinstance(value, datetime):
            return instant(value)
        if isinstance(value, (list, tuple)):
            return orjson.dumps(value, default=instant, option=orjson.OPT_PASSTHROUGH_DATETIME).decode()
        return value

    def json(self, value: Any) -> Any:
        return value  # rows travel as one JSON text, in which this stays what it is

    def equals(self, column: str, place: str, kind: str) -> str:
        return f"{column} = {place}"

    def among(self, column: str, place: str, kind: str) -> str:
        return f"{column} IN (SELECT value FROM json_each({place}))"

    def unnest(self, places: Sequence[str], columns: Sequence[tuple[str, str]]) -> str:
        names = ", ".join(f"json_extract(value, '$[{i}]') AS \"{name}\"" for i, (name, _) in enumerate(columns))
        return f"(SELECT {names}, key AS _row FROM json_each({places[0]})) AS v"

    def spread(self, rows: Sequence[Sequence[Any]], width: int) -> list[Any]:
        return [rows]


# As times are kept here; CURRENT_TIMESTAMP has no fraction, and what expired this second would still sort after it.
NOW = "strftime('%Y-%m-%d %H:%M:%f+00:00', 'now')"


MOST_KEPT = 20_000  # characters of a statement that is worth remembering


@lru_cache(maxsize=4096)
def _numbered(sql: str) -> str:
    numbered = sql.replace("$", "?") if "'$" not in sql else _outside_quotes(sql)
    return numbered.replace("CURRENT_TIMESTAMP", NOW)


def _outside_quotes(sql: str) -> str:
    """`$` inside a literal is a JSON path and stays."""
    parts = sql.split("'")
    return "'".join(part if i % 2 else part.replace("$", "?") for i, part in enumerate(parts))


@lru_cache(maxsize=1024)  # the rows of one change share their moment
def instant(value: Any) -> str:
    """A time as SQLite keeps it: UTC text whose order is the order in time."""
    if not isinstance(value, datetime):
        raise TypeError(f"{type(value).__name__} is no column value")
    return value.astimezone(UTC).isoformat(sep=" ")
