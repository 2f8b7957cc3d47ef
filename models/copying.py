"""Moving a directory from SQLite to PostgreSQL: every table whole, and proof that both hold the same."""

import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import asyncpg
import orjson
from tortoise import fields
from tortoise.models import Model

from models import bulk, tables
from models.database import Connection, Record, Transaction
from models.history import VERSIONS

ROWS = 5_000
CHARACTERS = 4_000_000  # that texts of unbounded length add up to in one chunk, at most
FIRST, LAST = -(2**63), 2**63 - 1
REFUSALS = (
    asyncpg.DataError,
    asyncpg.IntegrityConstraintViolationError,
    asyncpg.FeatureNotSupportedError,
    asyncpg.RaiseError,
)

Progress = Callable[[str, int], AbstractContextManager[Callable[[int], object]]]
Range = tuple[int, int]  # of ids, both included


class CopyFailed(Exception):
    """The copy cannot be made or is not the same; the target is as it was. The message says what to do."""


@dataclass(frozen=True)
class Fingerprint:
    """How many rows a table has, and a digest over every column of every row in the order of their ids."""

    rows: int
    digest: str


@dataclass(frozen=True)
class Compared:
    table: str
    source: Fingerprint
    target: Fingerprint

    @property
    def is_same(self) -> bool:
        return self.source == self.target


@dataclass(frozen=True)
class Copied:
    """What was copied; `was_changed` says that the source was written to meanwhile, which the copy does not have."""

    tables: Sequence[Compared]
    was_changed: bool


class Different(CopyFailed):
    def __init__(self, tables: Sequence[Compared]) -> None:
        self.tables = tables
        different = ", ".join(each.table for each in tables if not each.is_same)
        super().__init__(
            f"What arrived is not what was sent: {different}. Nothing was kept. Look for triggers and rules in the"
            " target that change rows, or copy to a new, empty database."
        )


def models() -> list[type[Model]]:
    """Every table, those that are referred to before those that refer to them. A table may refer to itself."""
    waiting = [getattr(tables, name) for name in tables.__all__]
    found: list[type[Model]] = []
    while waiting:
        free = [model for model in waiting if not (parents(model) - {model.__name__}) & {m.__name__ for m in waiting}]
        if not free:
            raise RuntimeError(f"tables refer to each other in a circle: {[model.__name__ for model in waiting]}")
        found += free
        waiting = [model for model in waiting if model not in free]
    return found


def parents(model: type[Model]) -> set[str]:
    """The names of the models that one refers to."""
    named = (model._meta.fields_map[name] for name in model._meta.fk_fields)
    return {str(getattr(field, "model_name", "")).split(".")[-1] for field in named}


async def require_empty(connection: Connection) -> None:
    """Refuse a PostgreSQL database whose tables have rows; it need not be migrated yet. Raises CopyFailed."""
    found = []
    for model in models():
        name = model._meta.db_table
        if await connection.scalar("SELECT to_regclass($1) IS NOT NULL", name) and await connection.scalar(
            f"SELECT EXISTS (SELECT 1 FROM {bulk.table(model)})"
        ):
            found.append(name)
    if found:
        raise CopyFailed(f"The target has rows already, in {', '.join(found)}. Make a new database and name that one.")


async def copy(source: Connection, target: Transaction, progress: Progress) -> Copied:
    """Copy every table with its ids and compare both sides. Raises CopyFailed, upon which the target rolls back.

    `source` is read as it is now, whatever is written to it meanwhile.
    """
    await require_empty(target)
    version = await source.scalar("PRAGMA data_version")
    await source.rows("BEGIN")
    try:
        ranges = {model: await _ranges(source, model) for model in models()}
        total = 0
        for model in models():
            total += await source.scalar(f"SELECT COUNT(*) FROM {bulk.table(model)}")
        sent, arrived = {}, {}
        restore = [*await _without_references_to_itself(target), *await _without_recording(target)]
        with progress("copy", total) as done:
            for model in models():
                sent[model] = await _copy(source, target, model, ranges[model], done)
        for sql in restore:
            with _explained(sql):
                await target.rows(sql)
        with progress("compare", total) as done:
            for model in models():
                await target.rows(f"ANALYZE {bulk.table(model)}")
                arrived[model] = await _read(target, model, ranges[model], done)
    finally:
        await source.rows("ROLLBACK")
    compared = [Compared(model._meta.db_table, sent[model], arrived[model]) for model in models()]
    if not all(each.is_same for each in compared):
        raise Different(compared)
    return Copied(compared, await source.scalar("PRAGMA data_version") != version)


async def _copy(
    source: Connection, target: Transaction, model: type[Model], ranges: Sequence[Range], done: Callable[[int], object]
) -> Fingerprint:
    digest = Digest()
    names = list(bulk.column_kinds(model))
    for range_ in ranges:
        rows = await _rows(source, model, range_)
        digest.add(rows)
        with _explained(f"{model._meta.db_table}, ids {rows[0][0]} to {rows[-1][0]}" if rows else ""):
            await bulk.insert(target, model, [dict(zip(names, row, strict=True)) for row in rows])
        done(len(rows))
    await _set_sequence(source, target, model)
    return digest.fingerprint()


@contextmanager
def _explained(what: str) -> Iterator[None]:
    try:
        yield
    except REFUSALS as error:
        message = f"PostgreSQL refuses what SQLite had taken ({what}): {error}. Mend it in SQLite and copy again."
        raise CopyFailed(message) from error


async def _read(
    connection: Connection, model: type[Model], ranges: Sequence[Range], done: Callable[[int], object]
) -> Fingerprint:
    digest = Digest()
    for range_ in ranges:
        rows = await _rows(connection, model, range_)
        digest.add(rows)
        done(len(rows))
    return digest.fingerprint()


async def _rows(connection: Connection, model: type[Model], range_: Range) -> list[Record]:
    """All columns of some rows, as Python has their values, out of either database."""
    kinds = bulk.column_kinds(model)
    names = ", ".join(f'"{name}"' for name in kinds)
    sql = f"SELECT {names} FROM {bulk.table(model)} WHERE id BETWEEN $1 AND $2 ORDER BY id"
    reads = [_READ[kind] for kind in kinds.values()]
    return [
        [None if value is None else read(value) for read, value in zip(reads, row, strict=True)]
        for row in await connection.rows(sql, *range_)
    ]


async def _ranges(source: Connection, model: type[Model]) -> list[Range]:
    """Ranges of ids, from the very first to the very last, none with more rows or text than fit into memory."""
    long = [name for name, field in model._meta.fields_map.items() if isinstance(field, fields.TextField)]
    long += [name for name, kind in bulk.column_kinds(model).items() if kind == "jsonb"]
    size = " + ".join(["0", *(f'COALESCE(LENGTH("{name}"), 0)' for name in long)])
    sql = f"SELECT id, {size} FROM {bulk.table(model)} WHERE id > $1 ORDER BY id LIMIT {ROWS}"
    ends: list[int] = []
    last, rows, characters = FIRST, 0, 0
    while found := await source.rows(sql, last):
        for id_, length in found:
            if rows and (rows == ROWS or characters + length > CHARACTERS):
                ends.append(last)
                rows = characters = 0
            last, rows, characters = id_, rows + 1, characters + length
    starts = [FIRST, *(end + 1 for end in ends)]
    return list(zip(starts, [*ends, LAST], strict=True))


async def _without_references_to_itself(target: Transaction) -> list[str]:
    """Drop what would refuse a row whose creator or parent comes later, as pg_restore does. Answers how to restore."""
    found = await target.rows(
        "SELECT conrelid::regclass::text, quote_ident(conname), pg_get_constraintdef(oid) FROM pg_constraint"
        " WHERE contype = 'f' AND conrelid = confrelid AND conrelid::regclass::text = ANY($1::text[])",
        [model._meta.db_table for model in models()],
    )
    for table, name, _ in found:
        await target.rows(f"ALTER TABLE {table} DROP CONSTRAINT {name}")
    return [f"ALTER TABLE {table} ADD CONSTRAINT {name} {definition}" for table, name, definition in found]


async def _without_recording(target: Transaction) -> list[str]:
    """Keep what is copied from being recorded as new: its history is copied too. Answers how to restore."""
    found = await target.rows(
        "SELECT tgrelid::regclass::text, quote_ident(tgname) FROM pg_trigger WHERE tgname = ANY($1::text[])"
        " AND tgenabled <> 'D' AND pg_table_is_visible(tgrelid)",
        [f"{table}_history_insert" for table in VERSIONS],
    )
    for table, name in found:
        await target.rows(f"ALTER TABLE {table} DISABLE TRIGGER {name}")
    return [f"ALTER TABLE {table} ENABLE TRIGGER {name}" for table, name in found]


async def _set_sequence(source: Connection, target: Transaction, model: type[Model]) -> None:
    """New ids begin beyond the highest that was ever given: audit events name deleted rows by theirs."""
    name = model._meta.db_table
    highest = await source.scalar(
        f"SELECT MAX(n) FROM (SELECT MAX(id) AS n FROM {bulk.table(model)}"
        " UNION ALL SELECT seq FROM sqlite_sequence WHERE name = $1)",
        name,
    )
    if highest:
        await target.rows("SELECT setval(pg_get_serial_sequence($1, 'id'), $2)", name, highest)


class Digest:
    """A digest over rows, the same for the same values however a database keeps them."""

    def __init__(self) -> None:
        self._hash = hashlib.sha256()
        self._rows = 0

    def add(self, rows: Sequence[Record]) -> None:
        for row in rows:
            self._hash.update(orjson.dumps(row, option=orjson.OPT_SORT_KEYS))
            self._hash.update(b"\n")
        self._rows += len(rows)

    def fingerprint(self) -> Fingerprint:
        return Fingerprint(self._rows, self._hash.hexdigest())


def _instant(value: Any) -> datetime:
    moment = value if isinstance(value, datetime) else datetime.fromisoformat(value)
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)


_READ: Mapping[str, Callable[[Any], Any]] = {
    "bigint": int,
    "smallint": int,
    "integer": int,
    "text": str,
    "boolean": bool,
    "timestamptz": _instant,
    "jsonb": orjson.loads,
}
