"""PostgreSQL behind a pooler that lends a connection for one transaction: nothing may be kept in a session."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from models import migrate
from models.database import Database, Transaction
from models.errors import Unavailable
from models.pooler import lends_by_transaction
from tests.conftest import IN_CI
from tests.exporting import Client, by_csv, many_groups
from tests.pgbouncer import NoPgbouncer, Pgbouncer
from tests.postgres import Server
from tests.program import KEY, MAKE, running
from tests.server import empty_database, in_a_process, usergraph
from tests.service import SECRET, Service
from tests.service import running as in_process

LIST = "{ users(first: 20, orderBy: [{field: NAME}]) { totalCount nodes { id tags role { name } } } }"
UPSERT = """
mutation ($input: UpsertUsersInput!) {
  upsertUsers(input: $input) { results { action user { id email tags } errors { code } } }
}
"""


@pytest.fixture(scope="module")
def pooler(postgres: Server) -> Iterator[Pgbouncer]:
    """Skipped without one, but never in CI."""
    try:
        made = Pgbouncer(postgres)
    except NoPgbouncer as error:
        if IN_CI:
            pytest.fail(f"pgbouncer is needed in CI: {error}")
        pytest.skip(f"no pgbouncer: {error}")
    yield made
    made.stop()


@pytest.fixture(params=["postgres"])
def database_url(request: pytest.FixtureRequest) -> Iterator[str]:
    """The cast's directory, reached through the pooler."""
    pooler: Pgbouncer = request.getfixturevalue("pooler")
    server: Server = request.getfixturevalue("postgres")
    template: str = request.getfixturevalue("postgres_template")
    asyncio.run(_execute(server, "CREATE DATABASE behind TEMPLATE " + template))
    yield pooler.url("behind")
    asyncio.run(_execute(server, "DROP DATABASE behind WITH (FORCE)"))


async def _execute(server: Server, sql: str) -> None:
    connection = await asyncpg.connect(server.url("postgres"))
    try:
        await connection.execute(sql)
    finally:
        await connection.close()


@pytest.fixture
async def pooled(service_with: Callable[..., Any]) -> AsyncIterator[Service]:
    async with service_with(database_prepare=False) as made:
        yield made


def people(count: int, tag: str) -> list[dict[str, Any]]:
    return [{"email": f"user{n}@pool.example", "role": {"name": "Normal user"}, "tags": [tag]} for n in range(count)]


async def test_reads_share_the_few_connections_of_the_pooler(pooled: Service) -> None:
    """More at once than the pooler has connections: each statement would meet one that never heard of it."""
    queries = [LIST, "{ groups { totalCount nodes { name } } }", "{ roles { name weight } }"]
    queries += ['{ users(first: 5, search: "ead") { totalCount nodes { id } } }']
    queries += [f"{{ users(first: {n}) {{ nodes {{ id organizations {{ nodes {{ name }} }} }} }} }}" for n in (1, 2, 3)]
    alone = [await pooled.data(query) for query in queries]
    for _ in range(10):
        found = await asyncio.gather(*(pooled.data(query) for _ in range(5) for query in queries))
        assert found == alone * 5


async def test_bulk_writes_dry_runs_and_reads_go_on_side_by_side(pooled: Service) -> None:
    async def write(tag: str, dry_run: bool) -> Any:
        answer = await pooled.data(UPSERT, {"input": {"users": people(200, tag), "dryRun": dry_run}})
        return answer["upsertUsers"]["results"]

    before = await pooled.scalar("SELECT COUNT(*) FROM users")
    dry = await write("dry", True)
    assert [result["action"] for result in dry] == ["CREATED"] * 200
    assert await pooled.scalar("SELECT COUNT(*) FROM users") == before
    work = [write("one", False), write("two", False), write("dry", True), *(pooled.data(LIST) for _ in range(20))]
    done = await asyncio.gather(*work)
    assert [result["errors"] for results in done[:3] for result in results] == [[]] * 600
    assert await pooled.scalar("SELECT COUNT(*) FROM users") == before + 200
    tags = "SELECT DISTINCT value FROM user_tags WHERE value IN ('one', 'two', 'dry') ORDER BY value"
    assert await pooled.rows(tags) == [("one",), ("two",)]
    events = await pooled.scalar("SELECT COUNT(*) FROM audit_events WHERE subject_label LIKE 'user%@pool.example'")
    assert events == 400, "200 were made by one call and changed by the other"


async def test_a_failed_read_and_a_refused_change_leave_nothing_open(pooled: Service) -> None:
    for _ in range(5):
        with pytest.raises(asyncpg.UndefinedTableError):
            await pooled.rows("SELECT * FROM no_such_table")
        with pytest.raises(asyncpg.UniqueViolationError):
            await pooled.write("UPDATE users SET email_key = 'same'")
    assert (await pooled.data("{ me { username } }"))["me"] == {"username": "admin"}
    open_ = """SELECT xact_start FROM pg_stat_activity WHERE datname = 'behind' AND state LIKE 'idle in transaction%'"""
    left = set(await pooled.rows(open_))  # workers of the service may be between two statements
    for _ in range(200):
        left = left and left & set(await pooled.rows(open_))
        await asyncio.sleep(0.01)
    assert not left


async def test_a_lock_is_waited_for_as_long_as_the_setting_says(
    database_url: str, postgres: Server, service_with: Callable[..., Any]
) -> None:
    holder = await asyncpg.connect(postgres.url("behind"))
    try:
        async with service_with(database_prepare=False, database_wait=1) as service, holder.transaction():
            await holder.execute("LOCK TABLE users IN ACCESS EXCLUSIVE MODE")
            with pytest.raises(Unavailable):
                await asyncio.wait_for(service.write("UPDATE users SET version = 1"), 10)
    finally:
        await holder.close()


async def test_no_setting_of_ours_stays_in_a_connection_of_the_pooler(pooled: Service, pooler: Pgbouncer) -> None:
    await asyncio.gather(*(pooled.data(LIST) for _ in range(10)))
    await pooled.write("UPDATE users SET version = version WHERE id = 1")
    stranger = await asyncpg.connect(pooler.url("behind"), statement_cache_size=0)
    try:
        for _ in range(10):
            async with stranger.transaction():
                assert await stranger.fetchval("SHOW lock_timeout") == "0"
                assert await stranger.fetchval("SELECT COUNT(*) FROM pg_locks WHERE locktype = 'advisory'") == 0
                assert await stranger.fetchval("SELECT COUNT(*) FROM pg_prepared_statements WHERE name <> ''") == 0
    finally:
        await stranger.close()


async def test_exports_keep_one_snapshot_and_leave_nothing_in_the_pooler(pooled: Service, pooler: Pgbouncer) -> None:
    await many_groups(pooled, 3_000)
    query = "{ groups { nodes { name users { nodes { username } } } } }"
    clients = [Client(pooled, query, who=who) for who in ("admin", "it")]  # one user has half of the places
    for client in clients:
        client.meanwhile = lambda: pooled.data(LIST)
    await asyncio.gather(*(client.take() for client in clients))
    assert [len(by_csv(client.body)) for client in clients] == [3_002] * 2
    gone = Client(pooled, query)

    async def leave() -> None:
        gone.left.set()
        await asyncio.Event().wait()

    gone.meanwhile = leave
    await gone.take()
    assert (gone.status, gone.is_whole) == (200, False)
    assert await pooled.scalar("SELECT COUNT(*) FROM pg_prepared_statements WHERE name <> ''") == 0
    assert await pooled.scalar("SELECT COUNT(*) FROM pg_cursors WHERE name <> ''") == 0
    assert pooled.database.connections()[0] == 0


async def test_writers_in_several_processes_take_turns_through_the_pooler(database_url: str) -> None:
    databases = [Database(database_url, pool=2, wait=20, prepare=False) for _ in range(3)]
    for database in databases:
        await database.open()

    async def count_up(tx: Transaction) -> None:
        version = await tx.scalar("SELECT version FROM users WHERE id = 1")
        await asyncio.sleep(0)
        await tx.rows("UPDATE users SET version = $1 WHERE id = 1", version + 1)

    try:
        async with databases[0].reading() as connection:
            before = await connection.scalar("SELECT version FROM users WHERE id = 1")
        await asyncio.gather(*(database.transaction(count_up) for database in databases for _ in range(20)))
        async with databases[0].reading() as connection:
            assert await connection.scalar("SELECT version FROM users WHERE id = 1") == before + 60
    finally:
        for database in databases:
            await database.close()


async def test_what_is_not_migrated_is_refused_through_the_pooler_and_told_how(
    postgres: Server, pooler: Pgbouncer, tmp_path: Path
) -> None:
    direct = await empty_database(postgres, "unmigrated")
    for command in ("serve", "migrate", "demo"):
        done = in_a_process(
            tmp_path, command, database_url=pooler.url("unmigrated"), database_prepare="no", secret_key=SECRET
        )
        assert done.returncode == 1
        assert "usergraph migrate" in done.stderr
        assert "leading to PostgreSQL itself" in done.stderr
        assert "Traceback" not in done.stderr
    await migrate.bring_up_to_date(direct)
    done = usergraph(tmp_path, "demo", database_url=pooler.url("unmigrated"), database_prepare="no", secret_key=SECRET)
    assert done.returncode == 0, done.stderr
    async with in_process(pooler.url("unmigrated"), database_prepare=False) as service:
        assert await service.scalar("SELECT COUNT(*) FROM users") == 301


async def test_several_processes_serve_through_the_pooler(postgres: Server, pooler: Pgbouncer, tmp_path: Path) -> None:
    await migrate.bring_up_to_date(await empty_database(postgres, "served"))
    url = pooler.url("served")
    settings: dict[str, object] = {"database_url": url, "database_prepare": "no", "secret_key": SECRET}

    def work() -> None:
        with contextlib.ExitStack() as stack:
            programs = [stack.enter_context(running(tmp_path, admin_key=KEY, workers=2, **settings)) for _ in range(2)]
            for n in range(20):
                made = programs[n % 2].ask(MAKE, {"name": f"Group {n}"})
                assert made["data"]["createGroup"]["errors"] == []
            for program in programs:
                assert program.ask("{ groups { totalCount } }")["data"] == {"groups": {"totalCount": 20}}

    await asyncio.to_thread(work)


# --- without the setting --------------------------------------------------------------------------------------------


async def test_a_pooler_is_noticed_without_the_setting(
    service_with: Callable[..., Any], caplog: pytest.LogCaptureFixture
) -> None:
    """With prepared statements half of these requests would meet a server process that never heard of theirs."""
    async with service_with() as service:
        alone = await service.data(LIST)
        for _ in range(10):
            found = await asyncio.gather(*(service.data(LIST) for _ in range(30)))
            assert found == [alone] * 30
        answer = await service.data(UPSERT, {"input": {"users": people(50, "noticed")}})
        assert [result["action"] for result in answer["upsertUsers"]["results"]] == ["CREATED"] * 50
        assert await service.scalar("SELECT COUNT(*) FROM pg_prepared_statements WHERE name <> ''") == 0
    assert "Set USERGRAPH_DATABASE_PREPARE=false" in caplog.text


@pytest.mark.parametrize("round_robin", [False, True])
@pytest.mark.parametrize(
    ("size", "mode", "expected"),
    [(1, "transaction", True), (2, "transaction", True), (5, "transaction", True), (5, "session", False)],
)
async def test_only_a_pooler_by_transaction_is_taken_for_one(
    postgres: Server, size: int, mode: str, round_robin: bool, expected: bool
) -> None:
    try:
        pooler = Pgbouncer(postgres, size, mode, round_robin=round_robin)
    except NoPgbouncer as error:
        if IN_CI:
            pytest.fail(f"pgbouncer is needed in CI: {error}")
        pytest.skip(f"no pgbouncer: {error}")
    try:
        url = pooler.url("postgres")
        warm = [await asyncpg.connect(url, statement_cache_size=0) for _ in range(1 if mode == "session" else size)]
        if mode == "transaction":  # the pooler then has as many connections as it may have
            await asyncio.gather(*(each.fetchval("SELECT pg_sleep(0.2)") for each in warm))
        assert await lends_by_transaction(url, 20) is expected
        for each in warm:
            await each.close()
    finally:
        pooler.stop()


async def test_postgresql_itself_is_no_pooler(postgres: Server) -> None:
    assert not await lends_by_transaction(postgres.url("postgres"), 20)


async def test_a_server_that_does_not_answer_is_no_pooler() -> None:
    assert not await lends_by_transaction("postgres://usergraph@127.0.0.1:1/none", 5)
