"""Clients that hold connections, never read, or send garbage: others are served, and nothing is left behind."""

import contextlib
import os
import resource
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.faults import INVITE, assert_answers, assert_stores, people, post, running, send, until
from tests.program import Program, answers

pytestmark = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
FILES = 64
PAGES = "query { " + " ".join(f"a{n}: users(first: 1000) {{ nodes {{ ...F }} }}" for n in range(20)) + " }"
FIELDS = " fragment F on User { id name username email createdAt updatedAt version state }"


@contextlib.contextmanager
def idle(program: Program, count: int) -> Iterator[list[socket.socket]]:
    """Connections on which nothing is ever sent."""
    with contextlib.ExitStack() as stack:
        yield [stack.enter_context(program.connect()) for _ in range(count)]


def files(program: Program) -> int:
    return len(os.listdir(f"/proc/{program.process.pid}/fd"))


def test_a_thousand_idle_connections_hold_nobody_up_and_are_cut_off(database_url: str, tmp_path: Path) -> None:
    with running(tmp_path, database_url, read_seconds=2) as program:
        assert_answers(program)
        before = files(program)
        with idle(program, 400):
            for number in range(5):
                assert_answers(program)
                assert_stores(program, f"Group {number}")
        with idle(program, 1_000) as clients:
            for _ in range(20):
                assert_answers(program)
            assert [client.recv(1) for client in clients] == [b""] * 1_000
            assert_stores(program, "Meanwhile")
        until("files stay open", lambda: files(program) <= before + 2)
        assert "Traceback" not in program.said


def test_sixty_four_files_are_enough_to_survive_more_clients_than_that(database_url: str, tmp_path: Path) -> None:
    """Connections beyond are closed at once instead of left to wait, and none of it ends the program."""
    with running(tmp_path, database_url) as program:
        resource.prlimit(program.process.pid, resource.RLIMIT_NOFILE, (FILES, FILES))
        with idle(program, 150) as clients:
            until("none is refused", lambda: files(program) >= FILES - 1)
            for client in clients[100:]:
                with contextlib.suppress(ConnectionResetError):
                    assert client.recv(1) == b""
            assert program.process.poll() is None
        until("files stay open", lambda: files(program) < FILES // 2)
        assert_answers(program)
        assert_stores(program, "After")
        assert "Traceback" not in program.said


def test_answers_that_nobody_reads_hold_no_connection_to_the_database_and_are_given_up(
    database_url: str, tmp_path: Path
) -> None:
    """More such clients than the pool has connections, each with an answer that does not fit into a socket."""
    with running(tmp_path, database_url, database_pool=2, read_seconds=2) as program, contextlib.ExitStack() as stack:
        post(program, INVITE, {"users": people("many", 1_000)})
        assert len(post(program, PAGES + FIELDS).content) > 4_000_000
        before = files(program)
        for _ in range(8):
            stack.enter_context(send(program, PAGES + FIELDS))
        for number in range(5):
            assert_answers(program)
            assert_stores(program, f"Group {number}")
        until("they are not cut off", lambda: files(program) <= before + 1)


GARBAGE = b"\x00\xff\xfe garbage \r\n\r\n"


HEALTH = b"GET /healthz HTTP/1.1\r\nHost: usergraph.test\r\n\r\n"


def test_pipelines_of_garbage_end_their_own_connection_only(database_url: str, tmp_path: Path) -> None:
    with running(tmp_path, database_url) as program:
        for sent in (GARBAGE * 1_000, HEALTH + GARBAGE * 1_000, HEALTH * 1_000, HEALTH * 500 + GARBAGE * 500):
            found: list[tuple[int, bytes]] = []
            with program.connect() as client, contextlib.suppress(ConnectionError):
                client.sendall(sent)
                found = answers(client, 1_000)
            assert {status for status, _ in found} <= {200, 400}
            if sent == HEALTH * 1_000:
                assert found == [(200, b'{"status":"ok"}')] * 1_000
            assert_answers(program)
        assert_stores(program, "After")
        assert "Traceback" not in program.said
