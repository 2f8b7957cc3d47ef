"""PostgreSQL that fails under a running service: its backends killed, read-only after a fail-over, hanging."""

import asyncio
import contextlib
import os
import signal
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import asyncpg
import httpx
import pytest

from tests.faults import (
    GROUP,
    INVITE,
    ME,
    assert_answers,
    assert_stores,
    assert_unavailable,
    invited,
    people,
    post,
    rows,
    running,
    scalar,
    until,
)
from tests.postgres import Server
from tests.program import PATIENCE, Program, children

HALF = 5_000
KILL = """SELECT pg_terminate_backend(pid) FROM pg_stat_activity
WHERE datname = current_database() AND pid <> pg_backend_pid()"""
WRITES = "SELECT COUNT(*) FROM pg_stat_activity WHERE datname = current_database() AND backend_xid IS NOT NULL"
pytestmark = pytest.mark.parametrize("database_url", ["postgres"], indirect=True)


def is_well(program: Program) -> bool:
    """Whether as many requests at once as there are connections in the pool are all answered."""
    with ThreadPoolExecutor(12) as clients:
        answers = list(clients.map(lambda _: post(program, ME), range(12)))
    assert {answer.status_code for answer in answers} <= {200, 503}
    return all(answer.status_code == 200 for answer in answers)


def recovers(program: Program) -> float:
    return until("it does not recover", lambda: is_well(program))


def test_killed_backends_break_a_bulk_call_off_whole_and_are_replaced(database_url: str, tmp_path: Path) -> None:
    with running(tmp_path, database_url) as program, ThreadPoolExecutor(1) as client:
        assert is_well(program)
        call = {"users": people("cut", HALF), "key": "cut"}
        change = client.submit(post, program, INVITE, call)
        until("it does not write", lambda: scalar(database_url, WRITES))
        rows(database_url, KILL)
        assert_unavailable(change.result())
        assert invited(database_url, "cut") == (0,) * 4
        took = []
        for _ in range(3):
            rows(database_url, KILL)
            took.append(round(recovers(program), 2))
        answer = post(program, INVITE, call).json()["data"]["inviteUsers"]
        assert answer["summary"] == {"created": HALF, "failed": 0}
        assert invited(database_url, "cut") == (HALF,) * 4
        assert "Traceback" not in program.said
        print(f"\nseconds until all requests were answered after all backends were killed: {took}")


def test_a_fail_over_to_a_read_only_server_and_back_needs_no_restart(database_url: str, tmp_path: Path) -> None:
    """A fail-over ends every connection; those made anew find a server that takes no changes."""
    name = database_url.rsplit("/", 1)[1]
    with running(tmp_path, database_url) as program:
        assert_stores(program, "Before")
        for number in range(2):
            rows(database_url, f"ALTER DATABASE {name} SET default_transaction_read_only = on")
            rows(database_url, KILL)
            recovers(program)
            for _ in range(3):
                assert_unavailable(post(program, GROUP, {"name": "Lost"}))
                assert_answers(program)
                assert httpx.get(f"{program.address}/readyz", timeout=PATIENCE).status_code == 200
            asyncio.run(_writable(database_url, name))
            rows(database_url, KILL)
            recovers(program)
            assert_stores(program, f"After {number}")
        assert scalar(database_url, "SELECT COUNT(*) FROM groups WHERE name = 'Lost'") == 0
        assert "read-only transaction" in program.said
        assert "Traceback" not in program.said


async def _writable(url: str, name: str) -> None:
    connection = await asyncpg.connect(url, server_settings={"default_transaction_read_only": "off"})
    try:
        await connection.execute(f"ALTER DATABASE {name} RESET default_transaction_read_only")
    finally:
        await connection.close()


@contextlib.contextmanager
def hanging(server: Server) -> Iterator[None]:
    """The server and its backends do nothing for a while, as behind a network that swallows everything."""
    family = [server.process.pid, *children(server.process.pid)]
    for pid in family:
        os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        for pid in family:
            os.kill(pid, signal.SIGCONT)


def test_sigterm_ends_a_process_whose_database_hangs(database_url: str, tmp_path: Path, postgres: Server) -> None:
    with running(tmp_path, database_url, database_wait=1) as program, ThreadPoolExecutor(4) as clients:
        assert is_well(program)
        with hanging(postgres):
            asked = [clients.submit(post, program, INVITE, {"users": people("never", 10)}) for _ in range(4)]
            until("none waits", lambda: "503" in _ready(program))
            assert program.end() == 1
            assert "what is in flight does not end" in program.said
        for each in asked:
            assert each.exception(PATIENCE) is not None or each.result().status_code == 503, "nobody is told it is done"
    until("it was stored", lambda: invited(database_url, "never") == (0, 0, 0, 0))


def _ready(program: Program) -> str:
    return str(httpx.get(f"{program.address}/readyz", timeout=PATIENCE).status_code)


def test_a_postgresql_that_hangs_ends_nothing_and_all_are_answered_once_it_goes_on(
    database_url: str, tmp_path: Path, postgres: Server
) -> None:
    settings = {"database_wait": 1, "database_pool": 3}
    with running(tmp_path, database_url, **settings) as program, ThreadPoolExecutor(12) as clients:
        assert is_well(program)
        with hanging(postgres):
            asked = [clients.submit(post, program, ME) for _ in range(12)]
            for _ in range(5):
                assert httpx.get(f"{program.address}/healthz", timeout=PATIENCE).status_code == 200
                time.sleep(0.1)
            assert not any(each.done() and each.result().status_code not in (200, 503) for each in asked)
            assert _ready(program) == "503"
        assert {each.result().status_code for each in asked} <= {200, 503}
        recovers(program)
        assert_stores(program, "After")
        assert "Traceback" not in program.said
