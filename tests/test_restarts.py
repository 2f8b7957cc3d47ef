"""A PostgreSQL that is really restarted under running processes: 503 meanwhile, and no restart of ours."""

import asyncio
import os
import signal
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.conftest import a_server
from tests.postgres import Server
from tests.program import KEY, MAKE, PATIENCE, Program, running
from tests.server import empty_database
from tests.service import SECRET
from tests.test_workers import all_started, eventually

ME = {"query": "{ me { id } }"}
CHANGE = {"query": MAKE, "variables": {"name": "Lost"}}
FEW_SECONDS = 10  # on a machine that is busy with other tests
STOPS = {"an orderly stop": signal.SIGINT, "a crash": signal.SIGQUIT}


@pytest.fixture
def server() -> Iterator[Server]:
    """A server of the test's own, because it is stopped."""
    yield from a_server()


def settings(server: Server) -> dict[str, object]:
    url = asyncio.run(empty_database(server, "restarted"))
    return {"database_url": url, "secret_key": SECRET, "admin_key": KEY, "database_wait": 2}


def stop(server: Server, how: signal.Signals) -> None:
    server.process.send_signal(how)
    server.process.wait(PATIENCE)


def ask(program: Program, body: dict[str, Any] = ME) -> httpx.Response:
    return httpx.post(f"{program.address}/graphql", json=body, headers={"x-apikey": KEY}, timeout=PATIENCE)


def is_well(program: Program) -> bool:
    """Whether as many requests at once as warm every connection of the pool are all answered."""
    with ThreadPoolExecutor(12) as clients:
        answers = list(clients.map(lambda _: ask(program), range(24)))
    return all(answer.status_code == 200 and answer.json()["data"] == {"me": {"id": "user_1"}} for answer in answers)


def assert_away(program: Program, server: Server) -> None:
    for body in (ME, CHANGE):
        answer = ask(program, body)
        assert (answer.status_code, answer.headers["retry-after"]) == (503, "1"), answer.text
        assert [error["extensions"]["code"] for error in answer.json()["errors"]] == ["SERVICE_UNAVAILABLE"]
        for secret in ("asyncpg", "Errno", "refused", str(server.port), "usergraph@", "SELECT"):
            assert secret not in answer.text
    assert httpx.get(f"{program.address}/readyz").status_code == 503
    assert httpx.get(f"{program.address}/healthz").status_code == 200


@pytest.mark.parametrize("how", list(STOPS.values()), ids=list(STOPS))
def test_a_service_with_a_warm_pool_outlives_a_restart_of_postgresql(
    server: Server, tmp_path: Path, how: signal.Signals
) -> None:
    with running(tmp_path, **settings(server)) as program:
        assert is_well(program)
        for _ in range(2):
            stop(server, how)
            assert_away(program, server)
            server.start()
            back = time.monotonic()
            eventually("it does not recover", lambda: is_well(program))
            assert time.monotonic() - back < FEW_SECONDS
        assert program.ask("{ groups { totalCount } }")["data"] == {"groups": {"totalCount": 0}}, "nothing half done"
        assert ask(program, CHANGE).json()["data"]["createGroup"]["errors"] == []
        assert "Traceback" not in program.said


def test_clients_who_keep_asking_during_a_restart_get_an_answer_or_503(server: Server, tmp_path: Path) -> None:
    with running(tmp_path, **settings(server)) as program:
        assert is_well(program)
        found: list[tuple[int, str]] = []
        over = threading.Event()

        def keep_asking(client: int) -> None:
            for n in range(100_000):
                if over.is_set():
                    return
                body = {"query": MAKE, "variables": {"name": f"Group {client} {n}"}} if client % 2 else ME
                answer = ask(program, body)
                found.append((answer.status_code, answer.text))

        with ThreadPoolExecutor(6) as clients:
            asking = [clients.submit(keep_asking, n) for n in range(6)]
            time.sleep(1)
            stop(server, signal.SIGINT)
            time.sleep(1)
            server.start()
            eventually("it does not recover", lambda: is_well(program))
            over.set()
            for each in asking:
                each.result()
        assert {status for status, _ in found} == {200, 503}
        assert all("SERVICE_UNAVAILABLE" in text for status, text in found if status == 503)
        made = sum("createGroup" in text for status, text in found if status == 200)
        kept = program.ask("{ groups { totalCount } }")["data"]["groups"]["totalCount"]
        # A commit whose answer was lost with the connection may have happened, one for each client that changes.
        assert made <= kept <= made + 3
        assert "Traceback" not in program.said


def test_a_process_that_dies_while_postgresql_is_away_comes_back_after_it(server: Server, tmp_path: Path) -> None:
    with running(tmp_path, workers=2, **settings(server)) as program:
        first = all_started(program, 2)
        stop(server, signal.SIGINT)
        for pid in first:
            os.kill(pid, signal.SIGKILL)
        eventually("nobody waits", lambda: program.said.count("waiting for the database") >= 2)
        assert program.process.poll() is None
        server.start()
        assert not all_started(program, 4) & first
        eventually("it does not recover", lambda: is_well(program))
