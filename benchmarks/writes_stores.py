"""The databases of the bench of writing: one that the service writes to, and its twin for the driver alone."""

import asyncio
import contextlib
import shutil
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import asyncpg

from benchmarks.data import DATABASE, Directory
from benchmarks.tools import WORK
from benchmarks.writes_meter import Meter

# In the order of their keys. Their rows are what a call adds; what it changes in others is not copied.
TABLES = (
    "users",
    "user_tags",
    "user_aliases",
    "group_members",
    "organization_members",
    "invitations",
    "letters",
    "audit_events",
)


@dataclass(frozen=True)
class Added:
    """Rows as they were stored, with every column."""

    table: str
    columns: Sequence[str]
    rows: Sequence[Sequence[Any]]

    def insert(self, places: Sequence[str]) -> str:
        names = ", ".join(f'"{name}"' for name in self.columns)
        return f"INSERT INTO {self.table} ({names}) VALUES ({', '.join(places)})"


class Store(Protocol):
    """`added` reads what the service stored since it was last asked; `insert` puts it into the twin."""

    name: str
    url: str
    server: int | None

    def added(self) -> list[Added]: ...

    def insert(self, added: Sequence[Added], meter: Meter) -> None: ...

    def close(self) -> None: ...


class SQLiteStore:
    """Both are copies of one file, opened as the service opens its own."""

    name = "SQLite"
    server: int | None = None

    def __init__(self, base: Path) -> None:
        folder = WORK / "writes"
        folder.mkdir(exist_ok=True)
        for part in folder.glob("*.sqlite3*"):
            part.unlink()
        ours, twin = folder / "ours.sqlite3", folder / "twin.sqlite3"
        shutil.copyfile(base, ours)
        shutil.copyfile(base, twin)
        self.url = f"sqlite://{ours}"
        self._ours = sqlite3.connect(ours, isolation_level=None)
        self._twin = sqlite3.connect(twin, isolation_level=None)
        for pragma in ("journal_mode = WAL", "synchronous = NORMAL", "foreign_keys = ON"):
            self._twin.execute(f"PRAGMA {pragma}")
        self._last = {table: self._max(table) for table in TABLES}

    def _max(self, table: str) -> int:
        return int(self._ours.execute(f"SELECT COALESCE(MAX(id), 0) FROM {table}").fetchone()[0])

    def added(self) -> list[Added]:
        found = []
        for table in TABLES:
            cursor = self._ours.execute(f"SELECT * FROM {table} WHERE id > ? ORDER BY id", (self._last[table],))
            columns = [column[0] for column in cursor.description]
            found.append(Added(table, columns, cursor.fetchall()))
            self._last[table] = self._max(table)
        return [each for each in found if each.rows]

    def insert(self, added: Sequence[Added], meter: Meter) -> None:
        with meter:
            self._twin.execute("BEGIN IMMEDIATE")
            for each in added:
                self._twin.executemany(each.insert(["?"] * len(each.columns)), each.rows)
            self._twin.execute("COMMIT")

    def close(self) -> None:
        self._ours.close()
        self._twin.close()


class PostgresStore:
    """Both are copies of one database, on the same server."""

    name = "PostgreSQL"

    def __init__(self, base: str, server: int) -> None:
        self.server: int | None = server
        self._base = base.rsplit("/", 1)[0]
        self.url = f"{self._base}/writes_ours"
        self._loop = asyncio.Runner()
        self._run = self._loop.run
        self._run(self._copy())
        self._ours = self._run(_connected(self.url))
        self._twin = self._run(_connected(f"{self._base}/writes_twin"))
        self._last = {table: self._run(self._max(table)) for table in TABLES}

    async def _copy(self) -> None:
        connection = await _connected(f"{self._base}/postgres")
        for name in ("writes_ours", "writes_twin"):
            await connection.execute(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")
            await connection.execute(f"CREATE DATABASE {name} TEMPLATE {DATABASE}")
        await connection.close()

    async def _max(self, table: str) -> int:
        return int(await self._ours.fetchval(f"SELECT COALESCE(MAX(id), 0) FROM {table}"))

    def added(self) -> list[Added]:
        return self._run(self._added())

    async def _added(self) -> list[Added]:
        found = []
        for table in TABLES:
            rows = await self._ours.fetch(f"SELECT * FROM {table} WHERE id > $1 ORDER BY id", self._last[table])
            if rows:
                found.append(Added(table, list(rows[0].keys()), [tuple(row) for row in rows]))
            self._last[table] = await self._max(table)
        return found

    def insert(self, added: Sequence[Added], meter: Meter) -> None:
        self._run(self._insert(added, meter))

    async def _insert(self, added: Sequence[Added], meter: Meter) -> None:
        with meter:
            async with self._twin.transaction():
                for each in added:
                    places = [f"${number + 1}" for number in range(len(each.columns))]
                    await self._twin.executemany(each.insert(places), each.rows)

    def close(self) -> None:
        self._run(self._ours.close())
        self._run(self._twin.close())
        self._loop.close()


async def _connected(url: str) -> Any:
    return await asyncpg.connect(url)


@contextlib.contextmanager
def stores(made: Directory) -> Iterator[list[Store]]:
    """One of each database, as copies of what `made` holds."""
    with contextlib.ExitStack() as stack:
        opened: list[Store] = []
        opening: list[Callable[[], Store]] = [
            lambda: SQLiteStore(made.sqlite_file),
            lambda: PostgresStore(made.postgres, made.server),
        ]
        for open_ in opening:
            opened.append(open_())
            stack.callback(opened[-1].close)
        yield opened
