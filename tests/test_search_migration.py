"""The migration that makes users searchable: of users there already, and where an extension may not be made."""

import logging
import re

import asyncpg
import pytest
from tortoise import Tortoise
from tortoise.context import TortoiseContext
from tortoise.migrations.api import migrate as tortoise_migrate

from models import migrate
from models.migrate import config
from models.values import search_key
from tests import cast
from tests.people import people, store
from tests.postgres import Server
from tests.server import empty_database
from tests.service import Service, running
from tests.test_migrations import opened, rows, schema_of
from tests.test_user_search import agree

SEARCH = "query ($s: String) { users(search: $s) { totalCount } }"


async def back(url: str) -> None:
    async with TortoiseContext():
        await tortoise_migrate(config=config(url), target="usergraph.0003_name_keys", direction="backward")
        await Tortoise.close_connections()


async def test_users_who_were_there_before_are_searched(database_url: str) -> None:
    async with opened(database_url) as database:
        await database.transaction(lambda tx: store(tx, people()))
        everything = await schema_of(database)
        before = await rows(database, "SELECT id, search_key FROM users ORDER BY id")
    await back(database_url)
    async with opened(database_url) as database:
        assert "search" not in str(await schema_of(database))
    await migrate.bring_up_to_date(database_url)
    async with opened(database_url) as database:
        assert await rows(database, "SELECT id, search_key FROM users ORDER BY id") == before
        assert len({row[1] for row in before}) == len(before) > 60
        assert sorted(map(str, await schema_of(database))) == sorted(map(str, everything))
    async with running(database_url) as service:
        await agree(service)
        assert (await service.data(SEARCH, {"s": "jo_1"}))["users"]["totalCount"] > 0


async def test_without_the_extension_search_works_and_the_way_to_it_is_told(
    postgres: Server, caplog: pytest.LogCaptureFixture
) -> None:
    """A role that may make tables, but nothing in the database itself."""
    url = await empty_database(postgres, "tenants")
    owner = await asyncpg.connect(url)
    await owner.execute("DROP ROLE IF EXISTS tenant; CREATE ROLE tenant LOGIN; GRANT ALL ON SCHEMA public TO tenant")
    with caplog.at_level(logging.WARNING, "usergraph.migrate"):
        await migrate.bring_up_to_date(url.replace("usergraph@", "tenant@"))
    (told,) = [record.getMessage() for record in caplog.records]
    assert "Searching users works, but row by row" in told
    assert await owner.fetchval("SELECT COUNT(*) FROM pg_indexes WHERE indexname = 'users_search'") == 0
    async with opened(url.replace("usergraph@", "tenant@")) as database:
        await cast.fill(database)
    async with running(url.replace("usergraph@", "tenant@")) as service:
        assert (await service.data(SEARCH, {"s": "Outsid"}))["users"]["totalCount"] == 1
    mended = re.search(r"run: (CREATE EXTENSION .*;)$", told)
    assert mended is not None
    await owner.execute(mended[1])
    assert await owner.fetchval("SELECT COUNT(*) FROM pg_indexes WHERE indexname = 'users_search'") == 1
    await back(url)
    await owner.close()


async def test_what_is_searched_keeps_names_apart_and_is_the_same_in_any_order(service: Service) -> None:
    assert (
        search_key("n", "u", "e", ["b", "a"]) == search_key("n", "u", "e", iter(["a", "b"])) == "n\x1fu\x1fe\x1fa\x1fb"
    )
    for text in ("normal\x1fnormal", "normal normal"):
        assert (await service.data(SEARCH, {"s": text}))["users"]["totalCount"] == 1
