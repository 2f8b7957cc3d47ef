"""`usergraph serve` as several processes on one port: all answer, nothing is lost, they end together."""

import asyncio
import contextlib
import json
import os
import re
import signal
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import asyncpg
import httpx
import pytest

from tests.program import KEY, MAKE, PATIENCE, Program, answers, body, children, head, post, running
from tests.server import empty_database, in_a_process, serving
from tests.service import SECRET

ME = "{ me { id } }"


def workers(program: Program) -> set[int]:
    """The processes that serve: children of the one that was started, but for multiprocessing's own tracker."""
    found = set()
    for pid in children(program.process.pid):
        with contextlib.suppress(OSError):
            if b"spawn_main" in Path(f"/proc/{pid}/cmdline").read_bytes():
                found.add(pid)
    return found


def lives(pid: int) -> bool:
    with contextlib.suppress(OSError):
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    return False


def eventually(what: str, is_so: object) -> None:
    end = time.monotonic() + PATIENCE
    while not is_so():  # type: ignore[operator]
        assert time.monotonic() < end, what
        time.sleep(0.05)


@contextlib.contextmanager
def stopped(*pids: int) -> Iterator[None]:
    """Processes that do nothing for a while."""
    for pid in pids:
        os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        for pid in pids:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGCONT)


def all_started(program: Program, count: int) -> set[int]:
    """The workers, once each of them serves."""
    eventually("not all started", lambda: program.said.count("Application startup complete") >= count)
    found = workers(program)
    assert len(found) == 2
    return found


def test_every_process_answers_and_one_that_died_is_replaced(tmp_path: Path) -> None:
    with running(tmp_path, admin_key=KEY, workers=2) as program:
        first = all_started(program, 2)
        for quiet in first:
            with stopped(quiet):
                assert program.ask(ME)["data"] == {"me": {"id": "user_1"}}, "the other one answers"
        victim, survivor = first
        os.kill(victim, signal.SIGKILL)
        for _ in range(20):
            assert program.ask(ME)["data"] == {"me": {"id": "user_1"}}
        second = all_started(program, 3)
        assert second & first == {survivor}
        with stopped(survivor):
            assert program.ask(ME)["data"] == {"me": {"id": "user_1"}}, "the new one answers"
        assert "Traceback" not in program.said


@pytest.mark.parametrize("database", ["sqlite", "postgres"])
def test_what_many_clients_write_through_several_processes_is_all_there(
    request: pytest.FixtureRequest, tmp_path: Path, database: str
) -> None:
    names = [f"Group {n}" for n in range(120)]
    settings: dict[str, object] = {"admin_key": KEY, "workers": 2, "database_wait": 30}
    if database == "postgres":
        url = asyncio.run(empty_database(request.getfixturevalue("postgres"), "of_workers"))
        settings |= {"database_url": url, "secret_key": SECRET}
    with running(tmp_path, **settings) as program:
        all_started(program, 2)
        with ThreadPoolExecutor(8) as clients:
            made = list(clients.map(lambda name: program.ask(MAKE, {"name": name}), names))
        assert [answer["data"]["createGroup"]["errors"] for answer in made] == [[]] * len(names)
        listed = program.ask("{ groups(first: 1000) { totalCount nodes { name } } }")["data"]["groups"]
        recorded = program.ask("{ auditEvents(where: {action: {eq: CREATED}}) { totalCount } }")["data"]
        assert recorded["auditEvents"]["totalCount"] == len(names) + 1, "the groups and the administrator"
        assert (listed["totalCount"], {node["name"] for node in listed["nodes"]}) == (len(names), set(names))
        program.end()
    if database == "sqlite":
        assert program.rows("PRAGMA integrity_check") == [("ok",)]
        assert program.groups() == set(names)
    else:
        assert asyncio.run(_count(str(settings["database_url"]))) == len(names)


async def _count(url: str) -> int:
    connection = await asyncpg.connect(url)
    try:
        return int(await connection.fetchval("SELECT COUNT(*) FROM groups"))
    finally:
        await connection.close()


@pytest.mark.parametrize("told", [signal.SIGTERM, signal.SIGINT])
def test_all_end_together_and_finish_what_is_in_flight(tmp_path: Path, told: signal.Signals) -> None:
    with running(tmp_path, admin_key=KEY, workers=2) as program, contextlib.ExitStack() as stack:
        pids = all_started(program, 2)
        busy = [stack.enter_context(program.connect()) for _ in range(6)]
        sent = [post(f"In flight {n}", f"Content-Length: {len(body(f'In flight {n}'))}") for n in range(6)]
        for connection, text in zip(busy, sent, strict=True):
            connection.sendall(text[:-10])
        time.sleep(0.5)  # until their heads have been read
        begun = time.monotonic()
        program.process.send_signal(told)
        program.wait_until_deaf()
        for connection, text in zip(busy, sent, strict=True):
            connection.sendall(text[-10:])
            ((status, answer),) = answers(connection)
            assert (status, json.loads(answer)["data"]["createGroup"]["errors"]) == (200, [])
        assert program.process.wait(PATIENCE) in (0, -told)
        assert time.monotonic() - begun < 10
        assert [pid for pid in pids if lives(pid)] == []
        assert program.groups() == {f"In flight {n}" for n in range(6)}
        assert "Traceback" not in program.said


def test_a_request_that_never_ends_and_a_process_that_hangs_are_not_waited_for(tmp_path: Path) -> None:
    with running(tmp_path, admin_key=KEY, workers=2) as program, program.connect() as stalled:
        hanging, other = all_started(program, 2)
        with stopped(hanging):
            stalled.sendall(post("Never", "Content-Length: 5000"))
            time.sleep(0.5)
            program.process.send_signal(signal.SIGTERM)
            # Ten seconds, and as many as the supervisor may spend on asking the one that hangs how it is.
            assert program.process.wait(30) in (0, -signal.SIGTERM)
        assert [pid for pid in (hanging, other) if lives(pid)] == []
        assert program.groups() == set()


def test_processes_whose_supervisor_was_killed_end_too(tmp_path: Path) -> None:
    with running(tmp_path, admin_key=KEY, workers=2) as program:
        pids = all_started(program, 2)
        program.process.kill()
        eventually("they stay", lambda: not any(lives(pid) for pid in pids))


def test_the_database_is_made_once_and_the_key_told_once(tmp_path: Path) -> None:
    with serving(tmp_path, "--demo", "--workers", "3", admin_key="") as address:
        said = (tmp_path / "serve.log").read_text()
        (key,) = re.findall(r"shown this once: +(ug_\S+)", said)
        assert "3 processes" in said
        for _ in range(10):
            answer = httpx.post(
                f"{address}/graphql", json={"query": "{ users { totalCount } }"}, headers={"x-apikey": key}
            )
            assert answer.json()["data"] == {"users": {"totalCount": 301}}
    assert (tmp_path / "serve.log").read_text().count("API key") == 1


def test_every_process_cuts_slow_clients_off(tmp_path: Path) -> None:
    with running(tmp_path, admin_key=KEY, workers=2, read_seconds=1) as program:
        pids = all_started(program, 2)
        for quiet in pids:
            with stopped(quiet), program.connect() as slow:
                slow.sendall(head("POST /graphql HTTP/1.1")[:-4])
                assert slow.recv(100) == b"", "closed by the other one"


def test_a_port_in_use_ends_the_program(tmp_path: Path) -> None:
    with running(tmp_path, admin_key=KEY, workers=2) as program:
        again = in_a_process(tmp_path, "serve", port=program.port, workers=2)
        assert again.returncode == 1
        assert "is in use by another program" in again.stderr
        assert "Traceback" not in again.stderr


@pytest.mark.parametrize("number", ["0", "65", "many"])
def test_a_number_of_processes_out_of_bounds_is_refused(tmp_path: Path, number: str) -> None:
    given = in_a_process(tmp_path, "serve", "--workers", number)
    assert (given.returncode, "takes a whole number from 1 to 64" in given.stderr) == (2, True), given.stderr
    setting = in_a_process(tmp_path, "serve", workers=number)
    assert (setting.returncode, "USERGRAPH_WORKERS takes a whole number" in setting.stderr) == (1, True)
    assert list(tmp_path.iterdir()) == []


def test_a_worker_that_hangs_does_not_hold_up_the_end(tmp_path: Path) -> None:
    with running(tmp_path, admin_key=KEY, workers=2) as program:
        hanging, _ = all_started(program, 2)
        with stopped(hanging):
            time.sleep(1)  # its supervisor waits for it by now
            begun = time.monotonic()
            assert program.end() == 0
            # Without a bound of its own it would be health's ten seconds and the ten of the end.
            assert time.monotonic() - begun < 15
