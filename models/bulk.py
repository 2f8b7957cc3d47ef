"""Set-based writing: one statement a table, however many rows."""

from collections.abc import Mapping, Sequence
from functools import cache
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
        source, values = _source(tx, model, columns, chunk)
        names = ", ".join(f'"{name}"' for name in columns)
        picked = ", ".join(f'v."{name}"' for name in columns)
        answer += await tx.rows(
            f"INSERT INTO {table(model)} ({names}) SELECT {picked} FROM {source} ORDER BY v._row"
            f" RETURNING {', '.join(returning)}",
            *values,
        )
    return answer


async def update(tx: Transaction, model: type[Model], rows: Sequence[Mapping[str, Any]]) -> None:
    """Update by `id` rows that all have the same columns."""
    for chunk in _chunks(rows):
        columns = list(chunk[0])
        source, values = _source(tx, model, columns, chunk)
        changes = ", ".join(f'"{name}" = v."{name}"' for name in columns if name != "id")
        await tx.rows(f"UPDATE {table(model)} SET {changes} FROM {source} WHERE {table(model)}.id = v.id", *values)


async def delete(tx: Transaction, model: type[Model], ids: Sequence[int]) -> None:
    await tx.rows(f"DELETE FROM {table(model)} WHERE {tx.dialect.among('id', '$1', 'bigint')}", list(ids))


def _chunks(rows: Sequence[Mapping[str, Any]]) -> list[Sequence[Mapping[str, Any]]]:
    return [rows[start : start + CHUNK] for start in range(0, len(rows), CHUNK)]


def _source(
    tx: Transaction, model: type[Model], columns: Sequence[str], rows: Sequence[Mapping[str, Any]]
) -> tuple[str, list[Any]]:
    kinds = column_kinds(model)
    typed = [(name, kinds[name]) for name in columns]
    values = tx.dialect.spread([[_value(row[name], kinds[name], tx) for name in columns] for row in rows], len(columns))
    return tx.dialect.unnest([f"${i + 1}" for i in range(len(values))], typed), values


def _value(value: Any, kind: str, tx: Transaction) -> Any:
    return tx.dialect.json(value) if kind == "jsonb" and value is not None else value
