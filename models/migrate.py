"""Bringing a database to this program's schema, and refusing one that is newer."""

import asyncio
import fcntl
import os
import sqlite3
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import asyncpg
from tortoise import Tortoise
from tortoise.context import TortoiseContext
from tortoise.exceptions import OperationalError
from tortoise.migrations.api import migrate

from models.database import Database, sqlite_file
from models.errors import Unavailable
from models.pooler import may_prepare
from models.pools_postgres import WRITER_LOCK

APP = "usergraph"
APPLIED = "SELECT name FROM tortoise_migrations ORDER BY name"


def config(url: str) -> dict[str, Any]:
    file = sqlite_file(url)
    address = f"sqlite://{file}" if file else "asyncpg://" + url.split("://", 1)[1]
    app = {"models": ["models.tables"], "migrations": "models.migrations", "default_connection": "default"}
    return {"connections": {"default": address}, "apps": {APP: app}}


CONNECT_SECONDS = 10


def newest() -> str:
    return max(path.stem for path in (Path(__file__).parent / "migrations").glob("[0-9]*.py"))


async def bring_up_to_date(url: str, report: Callable[[str], None] = lambda _: None, *, prepare: bool = True) -> None:
    """Apply the missing migrations, each in a transaction; two processes take turns. Raises Unavailable.

    Without `prepare`, that is behind a pooler by transaction, nothing may be missing: taking turns needs a session.
    """
    file = sqlite_file(url)
    if file is None:
        has_session = await may_prepare(url, CONNECT_SECONDS, prepare)
        await (_migrate_postgres(url, report) if has_session else _require_migrated(url))
        return
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        make_private(file)
        lock = await asyncio.to_thread(_locked, file.with_suffix(".lock"))
        _require_sqlite(file)
    except sqlite3.DatabaseError as error:
        raise Unavailable(
            f"{file} is not an SQLite database: {error}. It was left as it is: put a backup in its place."
        ) from error
    except OSError as error:
        raise Unavailable(f"USERGRAPH_DATABASE_URL names {file}, which cannot be written: {error}") from error
    try:
        await _migrate(url, report)
    finally:
        os.close(lock)


async def bring_existing_up_to_date(url: str, *, prepare: bool = True) -> None:
    """Like `bring_up_to_date`, for commands that need a directory: none is made where there is none.

    Raises Unavailable, which is what a mistyped address comes to.
    """
    file = sqlite_file(url)
    if not (_is_filled(file) if file else await _is_migrated(url)):
        named = str(file) if file else "USERGRAPH_DATABASE_URL"
        raise Unavailable(
            f"There is no usergraph database at {named}, and this command makes none. Check USERGRAPH_DATABASE_URL, or"
            " run usergraph serve once to make the directory."
        )
    await bring_up_to_date(url, prepare=prepare)


def _is_filled(file: Path) -> bool:
    """Whether a file is there with anything in it; what it holds is looked at later."""
    try:
        return file.stat().st_size > 0
    except FileNotFoundError:
        return False
    except OSError as error:
        raise Unavailable(f"USERGRAPH_DATABASE_URL names {file}, which cannot be read: {error}") from error


async def _is_migrated(url: str) -> bool:
    connection = await _connected(url, statement_cache_size=0)
    try:
        async with connection.transaction():
            return bool(await _applied_to(connection))
    finally:
        await connection.close()


def make_private(file: Path) -> None:
    """A directory holds password hashes: a new file is its owner's alone."""
    os.close(os.open(file, os.O_WRONLY | os.O_CREAT, 0o600))


def _require_sqlite(file: Path) -> None:
    """Look before Tortoise does: its thread would keep the process from ending."""
    _require_whole(file)
    connection = sqlite3.connect(file, timeout=30)
    try:
        if connection.execute("SELECT 1 FROM sqlite_master WHERE name = 'tortoise_migrations'").fetchone():
            refuse_newer([row[0] for row in connection.execute(APPLIED)])
        elif connection.execute("SELECT 1 FROM sqlite_master").fetchone():
            raise Unavailable(
                f"{file} is the database of another program. It was left as it is: name another file in"
                " USERGRAPH_DATABASE_URL."
            )
    finally:
        connection.close()


def _require_whole(file: Path) -> None:
    """SQLite takes a file whose last page is cut off for whole. Raises sqlite3.DatabaseError."""
    log = Path(f"{file}-wal")
    if log.exists() and log.stat().st_size:
        return  # what is missing may be in there
    with file.open("rb") as opened:
        head = opened.read(100)
    page = int.from_bytes(head[16:18], "big")
    if head.startswith(b"SQLite format 3\0") and page >= 512 and file.stat().st_size % page:
        raise sqlite3.DatabaseError("it is cut off")


def refuse_newer(applied: Sequence[str]) -> None:
    """A database that knows more than this program is left alone. Raises Unavailable."""
    if applied and max(applied) > newest():
        raise Unavailable(f"The database was migrated by a newer usergraph ({max(applied)}). Install that one.")


def _locked(file: Path) -> int:
    """An open lock on `file`; closing it gives it back."""
    lock = os.open(file, os.O_WRONLY | os.O_CREAT, 0o600)
    fcntl.flock(lock, fcntl.LOCK_EX)
    return lock


async def _migrate_postgres(url: str, report: Callable[[str], None]) -> None:
    turn = await _connected(url)
    try:
        await turn.fetch("SELECT pg_advisory_lock($1)", WRITER_LOCK + 1)
        refuse_newer(await _applied_to(turn))
        await _migrate(url, report)
    finally:
        await turn.close()


async def _require_migrated(url: str) -> None:
    connection = await _connected(url, statement_cache_size=0)
    try:
        async with connection.transaction():
            found = await _applied_to(connection)
    finally:
        await connection.close()
    refuse_newer(found)
    if not found or max(found) < newest():
        raise Unavailable(
            "The database is not up to date, and is not migrated through a pooler. Run `usergraph migrate` with"
            " USERGRAPH_DATABASE_URL leading to PostgreSQL itself and without USERGRAPH_DATABASE_PREPARE."
        )


async def _connected(url: str, **options: Any) -> Any:
    try:
        return await asyncpg.connect(url, timeout=CONNECT_SECONDS, **options)
    except (OSError, asyncpg.PostgresError, TimeoutError, ValueError) as error:
        raise Unavailable(f"PostgreSQL does not answer at USERGRAPH_DATABASE_URL: {error}") from error


async def _applied_to(connection: Any) -> list[str]:
    if not await connection.fetchval("SELECT to_regclass('tortoise_migrations') IS NOT NULL"):
        return []
    return [row[0] for row in await connection.fetch(APPLIED)]


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
        return [row[0] for row in await connection.rows(APPLIED)]


async def require_current(database: Database) -> None:
    """Refuse a database whose schema is older or newer than this program. Raises Unavailable."""
    known = await applied(database)
    if not known or max(known) < newest():
        raise Unavailable("The database is not up to date. Run: usergraph migrate")
    refuse_newer(known)
