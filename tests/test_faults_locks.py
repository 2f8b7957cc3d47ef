"""Another program that locks the SQLite file: changes wait a bounded time and are refused, reading goes on."""

import contextlib
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from models.database import sqlite_file
from tests.faults import (
    GROUP,
    INVITE,
    assert_answers,
    assert_intact,
    assert_stores,
    assert_unavailable,
    invited,
    people,
    post,
    running,
    scalar,
)
from tests.program import PATIENCE
from tests.server import in_a_process

HOLD = """
import sqlite3, sys
connection = sqlite3.connect(sys.argv[1], isolation_level=None)
connection.execute(f"BEGIN {sys.argv[2]}")
connection.execute("UPDATE users SET name = 'half' WHERE id = 4")
print("held", flush=True)
sys.stdin.read()
"""
ON_SQLITE = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)


@contextlib.contextmanager
def held(url: str, how: str) -> Iterator["subprocess.Popen[str]"]:
    """A process that has begun to write and does not end; what it wrote is taken back with it."""
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(sqlite_file(url)), how],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    with process:
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        try:
            yield process
        finally:
            process.kill()


@ON_SQLITE
def test_a_file_locked_by_another_process_is_read_and_answers_503_to_changes(database_url: str, tmp_path: Path) -> None:
    with running(tmp_path, database_url, database_wait=1) as program:
        assert_stores(program, "Before")
        for how in ("IMMEDIATE", "EXCLUSIVE"):
            with held(database_url, how), ThreadPoolExecutor(12) as clients:
                changes = [clients.submit(post, program, GROUP, {"name": "Lost"}) for _ in range(4)]
                changes.append(clients.submit(post, program, INVITE, {"users": people("lost", 500)}))
                while not all(change.done() for change in changes):
                    assert_answers(program)
                for change in changes:  # all are answered, though the lock is still held
                    assert_unavailable(change.result())
            assert_stores(program, f"After {how}")
        assert invited(database_url, "lost") == (0,) * 4
        assert scalar(database_url, "SELECT COUNT(*) FROM users WHERE name = 'half'") == 0
        assert_intact(database_url)
        assert "database is locked" in program.said
        assert "Traceback" not in program.said


@ON_SQLITE
def test_a_change_that_waits_for_a_lock_is_made_when_the_lock_is_given_back(database_url: str, tmp_path: Path) -> None:
    with running(tmp_path, database_url, database_wait=PATIENCE) as program, ThreadPoolExecutor(1) as client:
        with held(database_url, "IMMEDIATE"):
            change = client.submit(post, program, GROUP, {"name": "Waited"})
            assert_answers(program)
            assert not change.done()
        assert change.result().json()["data"]["createGroup"] == {"group": {"name": "Waited"}, "errors": []}


@ON_SQLITE
def test_a_start_over_a_locked_file_ends_and_says_why(database_url: str, tmp_path: Path) -> None:
    with held(database_url, "EXCLUSIVE"):
        done = in_a_process(tmp_path, "serve", database_url=database_url, database_wait=1)
        assert (done.returncode, "Traceback" in done.stderr) == (1, False), done.stderr
        assert "database is locked" in done.stderr


@ON_SQLITE
def test_a_reader_that_never_ends_lets_changes_through(database_url: str, tmp_path: Path) -> None:
    """A snapshot held open, as by a tool somebody forgot: the log beside the file only grows until it ends."""
    file = sqlite_file(database_url)
    assert file is not None
    log = Path(f"{file}-wal")
    with running(tmp_path, database_url, database_wait=1) as program:
        with contextlib.closing(sqlite3.connect(file, isolation_level=None)) as reader:
            reader.execute("BEGIN")
            (before,) = reader.execute("SELECT COUNT(*) FROM users").fetchone()
            for number in range(3):
                answer = post(program, INVITE, {"users": people(f"many{number}", 1_000)})
                assert answer.json()["data"]["inviteUsers"]["summary"] == {"created": 1_000, "failed": 0}
            assert reader.execute("SELECT COUNT(*) FROM users").fetchone() == (before,)
            grown = log.stat().st_size
        for number in range(3, 6):
            post(program, INVITE, {"users": people(f"many{number}", 1_000)})
        assert scalar(database_url, "SELECT COUNT(*) FROM users") == before + 6_000
        assert log.stat().st_size <= grown + 8_000_000, "the log is used again"
        assert_intact(database_url)
