"""The migration that begins the history: of a directory that has rows, there and back; and in a copy of it."""

import shutil
from pathlib import Path

import pytest
from tortoise import Tortoise
from tortoise.context import TortoiseContext
from tortoise.migrations.api import migrate as tortoise_migrate

from models import migrate
from models.copying import copy
from models.database import Database
from models.history import VERSIONS
from models.migrate import config
from models.values import now
from tests.history import agrees, moment, whole
from tests.mutations import ask
from tests.postgres import Server
from tests.server import empty_database
from tests.service import Service, running
from tests.test_copy_directory import silent
from tests.test_migrations import opened, rows, schema_of


async def back(url: str) -> None:
    async with TortoiseContext():
        await tortoise_migrate(config=config(url), target="usergraph.0006_identity", direction="backward")
        await Tortoise.close_connections()


async def triggers(database: Database) -> list[tuple[str, ...]]:
    if database.dialect.name == "sqlite":
        return await rows(database, "SELECT name, sql FROM sqlite_master WHERE type = 'trigger' ORDER BY name")
    return await rows(
        database,
        "SELECT t.tgname, p.prosrc, t.tgenabled FROM pg_trigger t JOIN pg_proc p ON p.oid = t.tgfoid"
        " WHERE NOT t.tgisinternal ORDER BY 1",
    )


async def test_a_directory_that_was_there_before_has_a_past_from_its_rows_on(database_url: str) -> None:
    async with running(database_url) as service:
        await ask(service, "updateUser", {"id": "user_9", "tags": ["a"], "aliases": ["nine"]}, "errors { code }")
        await ask(service, "revokeApiKeys", {"ids": ["key_5"]}, "errors { code }")
    async with opened(database_url) as database:
        before, recorded = await schema_of(database), await triggers(database)
        assert len([each for each in recorded if "_history_" in each[0]]) >= 3 * len(VERSIONS)
    await back(database_url)
    async with opened(database_url) as database:
        assert "history" not in str(await schema_of(database))
        assert not [each for each in await triggers(database) if "history" in str(each)]
    await migrate.bring_up_to_date(database_url)
    async with opened(database_url) as database:
        assert sorted(map(str, await schema_of(database))) == sorted(map(str, before))
        assert await triggers(database) == recorded
    async with running(database_url) as service:
        await agrees(service)
        for table in VERSIONS:
            ended = 1 if table == "roles" else 0  # a later migration adds a right
            assert await service.scalar(f"SELECT COUNT(*) FROM {table}_history WHERE valid_to IS NOT NULL") == ended
            assert await service.scalar(f"SELECT COUNT(*) FROM {table}_history WHERE valid_from > $1", now()) == 0
        then, at = await whole(service), await moment()
        assert await whole(service, at) == then
        await _is_as_it_was_before(service)
        await ask(service, "updateUser", {"id": "user_9", "name": "Later"}, "errors { code }")
        await agrees(service)
        assert await whole(service, at) == then


async def _is_as_it_was_before(service: Service) -> None:
    """Before the history began, what is known of the moment: who was there, and which keys were not yet revoked."""
    at = (await service.data('{ user(by: {username: "it"}) { createdAt } }'))["user"]["createdAt"]
    document = """query($at: DateTime) { users(asOf: $at, orderBy: [{field: USERNAME}]) {
        nodes { username apiKeys { nodes { isValid } } } } }"""
    found = (await service.data(document, {"at": at}))["users"]["nodes"]
    there = ["it", "member", "normal", "orgadmin", "outsider", "pm", "readonly", "robot"]
    assert [each["username"] for each in found] == there
    assert [each["apiKeys"]["nodes"] for each in found if each["username"] == "readonly"] == [[{"isValid": True}]]


async def test_a_copy_has_the_whole_history_and_goes_on_recording(
    sqlite_template: Path, tmp_path: Path, postgres: Server
) -> None:
    shutil.copyfile(sqlite_template, tmp_path / "usergraph.sqlite3")
    original, target = f"sqlite://{tmp_path}/usergraph.sqlite3", await empty_database(postgres, "copied_history")
    async with running(original) as service:
        at = await moment()
        await ask(service, "deleteUsers", {"ids": ["user_8"]}, "errors { code }")
        await ask(service, "updateUser", {"id": "user_9", "name": "Later", "tags": ["t"]}, "errors { code }")
        then, after = await whole(service, at), await whole(service)
        counts = {table: await service.scalar(f"SELECT COUNT(*) FROM {table}_history") for table in VERSIONS}
    await migrate.bring_up_to_date(target)
    async with opened(original) as source, opened(target) as sink, source.reading() as connection:
        fresh = await triggers(sink)
        copied = await sink.transaction(lambda tx: copy(connection, tx, silent))
        assert all(each.is_same for each in copied.tables)
        assert await triggers(sink) == fresh
    async with running(target) as service:
        assert {table: await service.scalar(f"SELECT COUNT(*) FROM {table}_history") for table in VERSIONS} == counts
        await agrees(service)
        assert await whole(service, at) == then != after
        assert await whole(service) == after
        await ask(service, "updateUser", {"id": "user_9", "name": "Here"}, "errors { code }")
        await agrees(service)
        assert await whole(service, at) == then


@pytest.mark.parametrize("command", ["TRUNCATE group_members", "TRUNCATE users CASCADE"])
async def test_emptying_a_table_ends_what_was_in_it(postgres: Server, sqlite_template: Path, command: str) -> None:
    """PostgreSQL alone has it."""
    target = await empty_database(postgres, "emptied_history")
    await migrate.bring_up_to_date(target)
    async with opened(f"sqlite://{sqlite_template}") as source, opened(target) as sink, source.reading() as connection:
        await sink.transaction(lambda tx: copy(connection, tx, silent))
        await sink.transaction(lambda tx: tx.rows("ALTER TABLE audit_events DISABLE TRIGGER audit_kept"))
        await sink.transaction(lambda tx: tx.rows(command))
        found = await rows(sink, "SELECT COUNT(*) FROM group_members_history WHERE valid_to IS NULL")
        assert found == [(0,)]
        found = await rows(sink, "SELECT COUNT(*) FROM group_members_history")
        assert found == [(1,)]


async def test_triggers_of_the_release_before_are_made_anew(database_url: str) -> None:
    async with running(database_url):
        pass
    async with opened(database_url) as database:
        before = await triggers(database)
    async with TortoiseContext():
        await tortoise_migrate(config=config(database_url), target="usergraph.0008_reports", direction="backward")
        await Tortoise.close_connections()
    async with opened(database_url) as database:
        for statement in OTHERS[database.dialect.name]:
            await database.transaction(lambda tx, sql=statement: tx.rows(sql))  # type: ignore[misc]
        assert await triggers(database) != before
    await migrate.bring_up_to_date(database_url)
    async with opened(database_url) as database:
        assert await triggers(database) == before


# A trigger as it may have been, by its name.
OTHERS = {
    "sqlite": [
        "DROP TRIGGER user_tags_history_insert",
        "CREATE TRIGGER user_tags_history_insert AFTER INSERT ON user_tags BEGIN SELECT 1; END",
    ],
    "postgres": [
        "CREATE OR REPLACE FUNCTION user_tags_history_insert() RETURNS trigger LANGUAGE plpgsql AS"
        " $$ BEGIN RETURN NULL; END $$"
    ],
}
