"""Migrations: from nothing, twice, at once, by several processes at once, of another version."""

import asyncio
import contextlib
import itertools
import sqlite3
import subprocess
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from tortoise import Tortoise
from tortoise.context import TortoiseContext
from tortoise.migrations.api import migrate as tortoise_migrate
from tortoise.migrations.autodetector import MigrationAutodetector

from models import migrate, tables
from models.database import Database, Transaction
from models.errors import Unavailable
from models.migrate import config
from tests.server import SCRIPT, empty_database, environment
from tests.service import SECRET, running

_numbers = itertools.count(1)


@pytest.fixture(params=["sqlite", "postgres"])
async def empty_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The address of a database with nothing in it."""
    if request.param == "sqlite":
        return f"sqlite://{tmp_path}/new/usergraph.sqlite3"
    return await empty_database(request.getfixturevalue("postgres"), f"empty_{next(_numbers)}")


@contextlib.asynccontextmanager
async def opened(url: str) -> AsyncIterator[Database]:
    database = Database(url, pool=2)
    await database.open()
    yield database
    await database.close()


def start(url: str, *command: str) -> "subprocess.Popen[str]":
    env = environment(database_url=url, secret_key=SECRET)
    return subprocess.Popen([SCRIPT, *command], env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def ended(process: "subprocess.Popen[str]") -> tuple[int, str, str]:
    try:
        out, err = process.communicate(timeout=60)
    except subprocess.TimeoutExpired:
        process.kill()
        out, err = process.communicate()
        pytest.fail(f"it did not end: {out} {err}")
    return process.returncode, out, err


async def rows(database: Database, sql: str) -> list[tuple[Any, ...]]:
    async with database.reading() as connection:
        return [tuple(row) for row in await connection.rows(sql)]


async def schema_of(database: Database) -> list[tuple[Any, ...]]:
    if database.dialect.name == "sqlite":
        return await rows(database, "SELECT type, name, sql FROM sqlite_master ORDER BY type, name")
    columns = "SELECT table_name, column_name, data_type FROM information_schema.columns WHERE table_schema = 'public'"
    indexes = "SELECT tablename, indexname, indexdef FROM pg_indexes WHERE schemaname = 'public'"
    return await rows(database, f"{columns} UNION ALL {indexes} ORDER BY 1, 2, 3")


async def test_from_nothing_once_and_again(empty_url: str) -> None:
    said: list[str] = []
    await migrate.bring_up_to_date(empty_url, said.append)
    async with opened(empty_url) as database:
        files = [p.stem for p in sorted(Path(migrate.__file__).parent.joinpath("migrations").glob("[0-9]*.py"))]
        assert await migrate.applied(database) == files
        assert migrate.newest() == files[-1]
        assert len(said) >= len(files)
        first = await schema_of(database)
        said.clear()
        await migrate.bring_up_to_date(empty_url, said.append)
        assert (await schema_of(database), said) == (first, [])
        assert await migrate.applied(database) == files
        async with database.reading() as connection:
            for name in tables.__all__:
                table = getattr(tables, name)._meta.db_table
                assert await connection.scalar(f"SELECT COUNT(*) FROM {table}") == 0


async def test_processes_that_migrate_at_once_take_turns(empty_url: str) -> None:
    started = [start(empty_url, "migrate") for _ in range(2)]
    for process in started:
        code, out, err = await asyncio.to_thread(ended, process)
        assert (code, out.splitlines()[-1:]) == (0, ["The database is up to date."]), err
    async with opened(empty_url) as database:
        applied = await rows(database, "SELECT name FROM tortoise_migrations ORDER BY id")
    assert [row[0] for row in applied] == sorted({row[0] for row in applied})
    assert applied[-1][0] == migrate.newest()


async def test_processes_that_begin_at_once_make_one_administrator(empty_url: str) -> None:
    started = [start(empty_url, "demo", "--users", "0") for _ in range(3)]
    codes = [(await asyncio.to_thread(ended, process))[0] for process in started]
    assert sorted(codes)[0] == 0
    async with opened(empty_url) as database:
        assert await rows(database, "SELECT username FROM users") == [("admin",)]
        assert await rows(database, "SELECT COUNT(*) FROM api_keys") == [(1,)]
        assert await rows(database, "SELECT COUNT(*) FROM roles") == [(5,)]
        assert await rows(database, "SELECT name FROM organizations") == [("Platform",)]


async def test_a_database_without_the_last_migration_asks_for_migrate(empty_url: str) -> None:
    with pytest.raises(Unavailable, match="usergraph migrate"):
        async with running(empty_url):
            pass
    await migrate.bring_up_to_date(empty_url)
    newest = migrate.newest()
    async with opened(empty_url) as database:
        await database.transaction(lambda tx: tx.rows("DELETE FROM tortoise_migrations WHERE name = $1", newest))
    with pytest.raises(Unavailable, match="usergraph migrate"):
        async with running(empty_url):
            pass


@pytest.mark.parametrize("command", ["serve", "migrate", "admin key admin", "import people.csv"])
def test_a_database_of_a_newer_program_is_left_alone_by_every_command(
    tmp_path: Path, sqlite_template: Path, command: str
) -> None:
    file = tmp_path / "usergraph.sqlite3"
    file.write_bytes(sqlite_template.read_bytes())
    (tmp_path / "people.csv").write_text("email\nnew@x.org\n")
    connection = sqlite3.connect(file)
    connection.execute(
        "INSERT INTO tortoise_migrations (app, name, applied_at) VALUES ('usergraph', '9999_later', '2030-01-01')"
    )
    connection.commit()
    before = list(connection.iterdump())
    process = start(f"sqlite://{file}", *command.replace("people.csv", str(tmp_path / "people.csv")).split())
    code, _, err = ended(process)
    assert list(connection.iterdump()) == before
    connection.close()
    assert code == 1, err
    assert "newer usergraph (9999_later)" in err
    assert "Traceback" not in err


async def test_a_newer_database_is_refused_by_migrations_and_by_the_service(empty_url: str) -> None:
    await migrate.bring_up_to_date(empty_url)
    add = (
        "INSERT INTO tortoise_migrations (app, name, applied_at) VALUES ('usergraph', '9999_later', CURRENT_TIMESTAMP)"
    )
    async with opened(empty_url) as database:
        await database.transaction(lambda tx: tx.rows(add))
    with pytest.raises(Unavailable, match="newer usergraph"):
        async with running(empty_url):
            pass
    with pytest.raises(Unavailable, match="newer usergraph"):
        await migrate.bring_up_to_date(empty_url)


async def test_names_stored_before_they_had_keys_get_them(empty_url: str) -> None:
    await migrate.bring_up_to_date(empty_url)
    async with TortoiseContext():
        await tortoise_migrate(config=config(empty_url), target="usergraph.0002_indexes", direction="backward")
        await Tortoise.close_connections()
    columns = "username, username_key, email, email_key, name, name_key, first_name, last_name, state, role_id"
    async with opened(empty_url) as database:

        async def fill(tx: Transaction) -> None:
            await tx.rows(
                "INSERT INTO roles (name, weight, rights, is_built_in, created_at, updated_at)"
                " VALUES ('R', 1, '[]', false, CURRENT_TIMESTAMP, CURRENT_TIMESTAMP)"
            )
            for name, first, last in (("a", "ZO\u00cb", "Stra\u00dfe"), ("b", None, "Lee"), ("c", None, None)):
                values = [name, name, f"{name}@x", f"{name}@x", name, name, first, last]
                places = ", ".join(f"${n + 1}" for n in range(len(values)))
                await tx.rows(
                    f"INSERT INTO users ({columns}, version, can_create_projects_in_root, created_at, updated_at)"
                    f" VALUES ({places}, 'ACTIVE', 1, 1, false, CURRENT_TIMESTAMP, CURRENT_TIMESTAMP)",
                    *values,
                )

        await database.transaction(fill)
    await migrate.bring_up_to_date(empty_url)
    async with opened(empty_url) as database:
        found = await rows(database, "SELECT username, first_name_key, last_name_key FROM users ORDER BY id")
    assert found == [("a", "zo\u00eb", "strasse"), ("b", None, "lee"), ("c", None, None)]


async def test_the_migrations_make_what_the_models_say() -> None:
    settings = config("sqlite://unused.sqlite3")
    async with TortoiseContext() as context:
        await context.init(config=settings, init_connections=False)
        assert context.apps is not None
        changes = await MigrationAutodetector(context.apps, settings["apps"]).changes()
    assert [writer.as_string() for writer in changes] == [], "run: make migrations"
