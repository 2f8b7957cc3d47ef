"""Set-based writing: one statement a table, however many rows."""

from collections.abc import Mapping, Sequence
from functools import cache
from operator import itemgetter
from typing import Any

from tortoise import fields
from tortoise.fields.relational import ForeignKeyFieldInstance
from tortoise.models import Model

from models.database import Record, Transaction

CHUNK = 5_000
_KINDS: list[tuple[type[fields.Field[Any]], str]] = [
    (fields.BigIntField, "bigint"),
    (fields.SmallIntField, "smallint"),
    (fields.IntField, "integer"),
    (fields.CharField, "text"),
    (fields.TextField, "text"),
    (fields.BooleanField, "boolean"),
    (fields.DatetimeField, "timestamptz"),
    (fields.JSONField, "jsonb"),
]


@cache
def column_kinds(model: type[Model]) -> Mapping[str, str]:
    """Column name to PostgreSQL's name of its type, from the model's own declaration."""
    kinds = {}
    for name, declared in model._meta.fields_map.items():
        if isinstance(declared, ForeignKeyFieldInstance):
            kinds[f"{name}_id"] = "bigint"
        else:
            kinds[name] = next(kind for python, kind in _KINDS if isinstance(declared, python))
    return kinds


def table(model: type[Model]) -> str:
    return f'"{model._meta.db_table}"'


async def insert(
    tx: Transaction,
    model: type[Model],
    rows: Sequence[Mapping[str, Any]],
    *,
    returning: Sequence[str] = ("id",),
) -> list[Record]:
    """Insert rows that all have the same columns. Answers `returning` of each, in no promised order."""
    answer: list[Record] = []
    for chunk in _chunks(rows):
        columns = list(chunk[0])
        values = _rows(tx, model, columns, chunk)
        answer += await _insert(tx, model, columns, values, f" RETURNING {', '.join(returning)}")
    return answer


async def _insert(
    tx: Transaction, model: type[Model], columns: Sequence[str], rows: Sequence[Sequence[Any]], returning: str = ""
) -> Sequence[Record]:
    source, values = _source(tx, model, columns, rows)
    names = ", ".join(f'"{name}"' for name in columns)
    picked = ", ".join(f'v."{name}"' for name in columns)
    sql = f"INSERT INTO {table(model)} ({names}) SELECT {picked} FROM {source} ORDER BY v._row{returning}"
    return await tx.rows(sql, *values)


async def reserve(tx: Transaction, model: type[Model], count: int) -> range:
    """Ids for rows to be loaded, so that what hangs on them is known before they are written."""
    if tx.dialect.name == "sqlite":
        last = (await tx.scalar(f"SELECT COALESCE(MAX(id), 0) FROM {table(model)}")) + count
    else:
        sequence = f"pg_get_serial_sequence('{model._meta.db_table}', 'id')"
        last = await tx.scalar(f"SELECT setval({sequence}, nextval({sequence}) + $1 - 1)", count)
    return range(last - count + 1, last + 1)


async def load(tx: Transaction, model: type[Model], columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
    """Insert very many rows of plain values (no JSON), nothing returned: PostgreSQL takes them as a stream."""
    if tx.dialect.name == "postgres":
        await tx.load(model._meta.db_table, columns, rows)
        return
    for start in range(0, len(rows), CHUNK):
        await _insert(tx, model, columns, rows[start : start + CHUNK])


async def update(tx: Transaction, model: type[Model], rows: Sequence[Mapping[str, Any]]) -> None:
    """Update by `id` rows that all have the same columns."""
    for chunk in _chunks(rows):
        columns = list(chunk[0])
        source, values = _source(tx, model, columns, _rows(tx, model, columns, chunk))
        changes = ", ".join(f'"{name}" = v."{name}"' for name in columns if name != "id")
        await tx.rows(f"UPDATE {table(model)} SET {changes} FROM {source} WHERE {table(model)}.id = v.id", *values)


async def delete(tx: Transaction, model: type[Model], ids: Sequence[int]) -> None:
    await tx.rows(f"DELETE FROM {table(model)} WHERE {tx.dialect.among('id', '$1', 'bigint')}", list(ids))


def _chunks(rows: Sequence[Mapping[str, Any]]) -> list[Sequence[Mapping[str, Any]]]:
    return [rows[start : start + CHUNK] for start in range(0, len(rows), CHUNK)]


def _rows(
    tx: Transaction, model: type[Model], columns: Sequence[str], rows: Sequence[Mapping[str, Any]]
) -> list[tuple[Any, ...]]:
    """The rows as tuples in the order of the columns, JSON as the database takes it."""
    kinds = column_kinds(model)
    pick = itemgetter(*columns)
    picked = list(map(pick, rows)) if len(columns) > 1 else [(pick(row),) for row in rows]
    packed = [place for place, name in enumerate(columns) if kinds[name] == "jsonb"]
    return [_packed(row, packed, tx) for row in picked] if packed else picked


def _source(
    tx: Transaction, model: type[Model], columns: Sequence[str], rows: Sequence[Sequence[Any]]
) -> tuple[str, list[Any]]:
    kinds = column_kinds(model)
    typed = [(name, kinds[name]) for name in columns]
    values = tx.dialect.spread(rows, len(columns))
    return tx.dialect.unnest([f"${i + 1}" for i in range(len(values))], typed), values


def _packed(row: Sequence[Any], places: Sequence[int], tx: Transaction) -> tuple[Any, ...]:
    values = list(row)
    for place in places:
        if values[place] is not None:
            values[place] = tx.dialect.json(values[place])
    return tuple(values)
