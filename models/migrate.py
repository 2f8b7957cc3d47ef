"""Bringing a database to this program's schema, and refusing one that is newer."""

import asyncio
import fcntl
from collections.abc import Callable
from pathlib import Path
from typing import Any

import asyncpg
from tortoise import Tortoise
from tortoise.context import TortoiseContext
from tortoise.exceptions import OperationalError
from tortoise.migrations.api import migrate

from models.database import WRITER_LOCK, Database, sqlite_file
from models.errors import Unavailable

APP = "usergraph"


def config(url: str) -> dict[str, Any]:
    file = sqlite_file(url)
    address = f"sqlite://{file}" if file else "asyncpg://" + url.split("://", 1)[1]
    app = {"models": ["models.tables"], "migrations": "models.migrations", "default_connection": "default"}
    return {"connections": {"default": address}, "apps": {APP: app}}


def newest() -> str:
    return max(path.stem for path in (Path(__file__).parent / "migrations").glob("[0-9]*.py"))


async def bring_up_to_date(url: str, report: Callable[[str], None] = lambda _: None) -> None:
    """Apply the missing migrations, each in a transaction; two processes take turns. Raises Unavailable."""
    file = sqlite_file(url)
    if file is None:
        await _migrate_postgres(url, report)
        return
    file.parent.mkdir(parents=True, exist_ok=True)
    with open(file.with_suffix(".lock"), "w") as lock:
        await asyncio.to_thread(fcntl.flock, lock, fcntl.LOCK_EX)
        await _migrate(url, report)


async def _migrate_postgres(url: str, report: Callable[[str], None]) -> None:
    try:
        turn = await asyncpg.connect(url, timeout=10)
    except (OSError, asyncpg.PostgresError, TimeoutError) as error:
        raise Unavailable(f"PostgreSQL does not answer: {error}") from error
    try:
        await turn.fetch("SELECT pg_advisory_lock($1)", WRITER_LOCK + 1)
        await _migrate(url, report)
    finally:
        await turn.close()


async def _migrate(url: str, report: Callable[[str], None]) -> None:
    async with TortoiseContext():
        try:
            await migrate(
                config=config(url),
                direction="forward",
                progress=lambda event, _, name: report(f"{event.replace('_', ' ')} {name}"),
            )
        except (OperationalError, OSError) as error:
            raise Unavailable(f"The database could not be migrated: {error}") from error
        finally:
            await Tortoise.close_connections()


async def applied(database: Database) -> list[str]:
    """The names of the applied migrations; none for an empty database."""
    async with database.reading() as connection:
        if database.dialect.name == "sqlite":
            found = await connection.scalar("SELECT COUNT(*) FROM sqlite_master WHERE name = 'tortoise_migrations'")
        else:
            found = await connection.scalar("SELECT COUNT(*) FROM pg_tables WHERE tablename = 'tortoise_migrations'")
        if not found:
            return []
        return [row[0] for row in await connection.rows("SELECT name FROM tortoise_migrations ORDER BY name")]
