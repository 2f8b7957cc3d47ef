"""A table of marks for the tests of the one door to writing, and databases opened over it."""

import asyncio
import contextlib
import itertools
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

from models.database import Database, Transaction

MANY = 1_000_000
HANG = 20  # seconds after which something that should have ended is taken to hang
Opened = Callable[..., Awaitable[Database]]


@contextlib.asynccontextmanager
async def opening(database_url: str) -> AsyncIterator[Opened]:
    """Open databases over one directory, with a table of their own to write in; closed afterwards."""
    made: list[Database] = []

    async def open_(*, pool: int = 2, wait: int = 5) -> Database:
        database = Database(database_url, pool=pool, wait=wait)
        await database.open()
        made.append(database)
        if len(made) == 1:
            await write(database, "CREATE TABLE marks (n INTEGER NOT NULL UNIQUE)")
        return database

    yield open_
    for database in made:
        await asyncio.wait_for(database.close(), HANG)


async def write(database: Database, sql: str, *values: Any) -> None:
    await database.transaction(lambda tx: tx.rows(sql, *values))


async def mark(tx: Transaction, *numbers: int) -> None:
    for n in numbers:
        await tx.rows("INSERT INTO marks (n) VALUES ($1)", n)


async def marks(database: Database) -> list[int]:
    async with database.reading() as connection:
        return [row[0] for row in await connection.rows("SELECT n FROM marks ORDER BY n")]


async def is_healthy(database: Database) -> None:
    """A hundred transactions and reads, some at once: more than the pool has connections."""
    numbers = itertools.count(MANY)

    async def one() -> None:
        await database.transaction(lambda tx: mark(tx, next(numbers)))
        await marks(database)

    for _ in range(20):
        await asyncio.wait_for(asyncio.gather(*(one() for _ in range(5))), HANG)
    assert [n for n in await marks(database) if n >= MANY] == list(range(MANY, MANY + 100))
    await write(database, "DELETE FROM marks WHERE n >= $1", MANY)
