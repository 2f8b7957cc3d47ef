"""Databases that break: connections killed, deadlocks, read-only and unreadable files, a lock that stays."""

import asyncio
import contextlib
import shutil
import subprocess
import sys
import tempfile
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from models.database import Database, Transaction
from models.errors import Unavailable
from tests.postgres import Server
from tests.server import SCRIPT, environment
from tests.service import SECRET, Service, running

UPDATE = (
    """mutation ($name: String!) { updateUser(input: {id: "user_4", name: $name}) { changedFields errors { code } } }"""
)
NAME = "SELECT name FROM users WHERE id = 4"


ON_POSTGRES = pytest.mark.parametrize("database_url", ["postgres"], indirect=True)


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[Database]:
    made = Database(database_url, pool=3, wait=5)
    await made.open()
    yield made
    await made.close()


async def rename(tx: Transaction, user: int, name: str) -> None:
    await tx.rows("UPDATE users SET name = $1 WHERE id = $2", name, user)


@ON_POSTGRES
async def test_killed_connections_are_unavailable_at_worst_and_come_back(database: Database) -> None:
    async def read() -> Any:
        async with database.reading() as connection:
            return await connection.scalar("SELECT 1")

    assert await asyncio.gather(*(read() for _ in range(3))) == [1, 1, 1]
    killer = await asyncpg.connect(database.url)
    kill = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND pid <> $1"
    own = killer.get_server_pid()

    async def killed_inside(tx: Transaction) -> None:
        await rename(tx, 4, "half")
        await killer.fetch(kill, own)
        await rename(tx, 5, "half")

    with pytest.raises(Unavailable):
        await database.transaction(killed_inside)
    for _ in range(10):
        await killer.fetch(kill, own)
        (outcome,) = await asyncio.gather(read(), return_exceptions=True)
        assert outcome == 1 or isinstance(outcome, Unavailable)
    await killer.close()
    for _ in range(10):  # each connection of the pool may have to be found dead once
        with contextlib.suppress(Unavailable):
            await database.transaction(lambda tx: rename(tx, 4, "whole"))
    assert await asyncio.gather(*(read() for _ in range(20))) == [1] * 20
    async with database.reading() as connection:
        assert await connection.rows("SELECT name FROM users WHERE id IN (4, 5) ORDER BY id") == [
            ("whole",),
            ("Readonly",),
        ]


@ON_POSTGRES
async def test_a_deadlock_is_tried_again(database: Database) -> None:
    """Another program locks two rows in the other order; PostgreSQL ends our transaction, which then runs anew."""
    rival = await asyncpg.connect(database.url)
    await rival.execute("SET deadlock_timeout = '60s'")  # so that ours is the one that finds the deadlock, and loses
    turn = rival.transaction()
    await turn.start()
    await rival.execute("UPDATE users SET name = 'rival' WHERE id = 5")
    blocked: list[asyncio.Task[Any]] = []
    attempts = 0

    async def work(tx: Transaction) -> None:
        nonlocal attempts
        attempts += 1
        await rename(tx, 4, "ours")
        if not blocked:
            blocked.append(asyncio.create_task(_finish_rival(rival, turn)))
        await rename(tx, 5, "ours")

    await database.transaction(work)
    await blocked[0]
    await rival.close()
    assert attempts == 2
    async with database.reading() as connection:
        assert await connection.rows("SELECT name FROM users WHERE id IN (4, 5) ORDER BY id") == [("ours",), ("ours",)]


async def _finish_rival(rival: Any, turn: Any) -> None:
    await rival.execute("UPDATE users SET name = 'rival' WHERE id = 4")
    await turn.commit()


@ON_POSTGRES
@pytest.mark.parametrize("state", ["40001", "40P01"])
async def test_conflicts_are_tried_a_bounded_number_of_times(database: Database, state: str) -> None:
    attempts = 0

    async def work(tx: Transaction) -> str:
        nonlocal attempts
        attempts += 1
        await rename(tx, 4, f"attempt {attempts}")
        if attempts < succeeding:
            await tx.rows(f"DO $$ BEGIN RAISE SQLSTATE '{state}'; END $$")
        return f"attempt {attempts}"

    succeeding = 3
    assert await database.transaction(work) == "attempt 3"
    attempts, succeeding = 0, 99
    with pytest.raises(Unavailable):
        await database.transaction(work)
    assert attempts == 3
    async with database.reading() as connection:
        assert await connection.scalar(NAME) == "attempt 3"


@ON_POSTGRES
async def test_a_read_only_postgres_answers_and_refuses_to_change(database_url: str) -> None:
    """As after a fail-over to a standby."""
    admin = await asyncpg.connect(database_url)
    name = database_url.rsplit("/", 1)[1]
    await admin.execute(f"ALTER DATABASE {name} SET default_transaction_read_only = on")
    async with running(database_url) as service:
        before = await service.snapshot()
        answer = await service.post({"query": UPDATE, "variables": {"name": "New"}})
        assert (answer.status_code, answer.headers["retry-after"]) == (503, "1")
        assert [error["extensions"]["code"] for error in answer.json()["errors"]] == ["SERVICE_UNAVAILABLE"]
        assert (await service.data("{ me { username } }"))["me"] == {"username": "admin"}
        assert await service.snapshot() == before
    await admin.execute(f"ALTER DATABASE {name} RESET default_transaction_read_only")
    await admin.close()
    async with running(database_url) as service:
        assert (await service.data(UPDATE, {"name": "New"}))["updateUser"] == {"changedFields": ["name"], "errors": []}


async def test_a_service_whose_database_is_locked_answers_queries_and_503_to_changes(
    database: Database, service_with: Callable[..., Any]
) -> None:
    async with service_with(database_pool=3, database_wait=1) as service:
        inside, go_on = asyncio.Event(), asyncio.Event()

        async def hold(tx: Transaction) -> None:
            inside.set()
            await go_on.wait()

        holder = asyncio.create_task(database.transaction(hold))
        await inside.wait()
        answers = await asyncio.gather(*(service.post({"query": UPDATE, "variables": {"name": "x"}}) for _ in range(2)))
        assert [answer.status_code for answer in answers] == [503, 503]
        assert [answer.json()["errors"][0]["extensions"]["code"] for answer in answers] == ["SERVICE_UNAVAILABLE"] * 2
        assert (await service.data("{ me { username } }"))["me"] == {"username": "admin"}
        assert (await service.client.get("/readyz")).status_code == 200
        go_on.set()
        await holder
        assert (await service.data(UPDATE, {"name": "y"}))["updateUser"]["changedFields"] == ["name"]


async def test_clients_gone_in_mid_mutation_leave_a_change_with_its_audit_event_or_neither(service: Service) -> None:
    for ticks in range(0, 120, 4):
        asking = asyncio.create_task(service.ask(UPDATE, {"name": f"name {ticks}"}))
        for _ in range(ticks):
            await asyncio.sleep(0)
        asking.cancel()
        await asyncio.wait([asking])
    for _ in range(100):
        assert (await service.data("{ me { username } }"))["me"] == {"username": "admin"}
    await service.data(UPDATE, {"name": "last"})
    version = await service.scalar("SELECT version FROM users WHERE id = 4")
    events = await service.scalar("SELECT COUNT(*) FROM audit_events WHERE subject_type = 'user' AND subject_id = 4")
    assert version == 1 + events >= 2
    assert await service.scalar(NAME) == "last"


GARBAGE = {"noise": b"\x00\xffnot a database" * 1_000, "head only": b"SQLite format 3\x00" + b"\x07" * 4_000}


@pytest.mark.parametrize("command", ["migrate", "serve", "admin key admin"])
@pytest.mark.parametrize("content", list(GARBAGE.values()), ids=list(GARBAGE))
def test_a_corrupt_file_is_refused_and_kept(tmp_path: Path, content: bytes, command: str) -> None:
    file = tmp_path / "usergraph.sqlite3"
    file.write_bytes(content)
    done = usergraph(command, f"sqlite://{file}")
    assert done.returncode == 1, done.stderr
    assert "Traceback" not in done.stderr
    assert done.stderr.startswith("usergraph: ")
    assert str(file) in done.stderr
    assert file.read_bytes() == content


@pytest.mark.parametrize("content", [b"", *GARBAGE.values()], ids=["empty", *GARBAGE])
async def test_a_service_does_not_start_over_a_file_that_is_no_directory(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "usergraph.sqlite3"
    file.write_bytes(content)
    with pytest.raises(Unavailable):
        async with running(f"sqlite://{file}"):
            pass
    assert file.read_bytes() == content


def usergraph(command: str, url: str) -> "subprocess.CompletedProcess[str]":
    settings = environment(database_url=url, secret_key=SECRET)
    return subprocess.run(
        [SCRIPT, *command.split()], env=settings, capture_output=True, text=True, timeout=20, check=False
    )


READ_ONLY = """
import asyncio, os, sys
import aiosqlite, sqlite3
from models.database import Database
from models.errors import Unavailable

if os.geteuid() == 0:
    os.setuid(65534)

async def main():
    database = Database("sqlite://" + sys.argv[1], pool=1, wait=1)
    try:
        await database.open()
        async with database.reading() as connection:
            print("read", await connection.scalar("SELECT COUNT(*) FROM users"))
        await database.transaction(lambda tx: tx.rows("UPDATE users SET name = 'x'"))
    except Unavailable:
        print("unavailable")
    finally:
        await database.close()

asyncio.run(main())
"""


def test_a_read_only_file_is_unavailable_to_write_and_stays_as_it_is(sqlite_template: Path) -> None:
    """Root may write everywhere, so the program becomes nobody first."""
    folder = Path(tempfile.mkdtemp(prefix="usergraph-readonly-"))
    try:
        file = folder / "usergraph.sqlite3"
        shutil.copyfile(sqlite_template, file)
        file.chmod(0o444)
        folder.chmod(0o555)
        content = file.read_bytes()
        program = [sys.executable, "-c", READ_ONLY, str(file)]
        done = subprocess.run(program, capture_output=True, text=True, timeout=20, check=False)
        assert done.returncode == 0, done.stderr
        assert done.stdout.splitlines()[-1] == "unavailable", done.stdout + done.stderr
        assert file.read_bytes() == content
    finally:
        folder.chmod(0o755)
        shutil.rmtree(folder)


async def test_a_postgres_that_is_not_there_is_unavailable(postgres: Server) -> None:
    for url in ("postgres://usergraph@127.0.0.1:1/x", postgres.url("no_such_database")):
        database = Database(url, wait=1)
        with pytest.raises(Unavailable):
            await database.open()
        await database.close()
        done = usergraph("migrate", url)
        assert (done.returncode, "Traceback" in done.stderr) == (1, False), done.stderr
