"""Files that cannot be used, and copies of a file that is being written: refused and kept, or whole."""

import contextlib
import os
import shutil
import sqlite3
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.faults import GROUP, assert_answers, assert_intact, assert_stores, post, rows, running, until
from tests.program import PATIENCE, Program
from tests.server import environment, in_a_process

SETTINGS: dict[str, Any] = {"admin_key": "x" * 20, "port": 1}  # a port that nobody gets, should it come so far


def everything(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.suffix not in (".lock", ".key")}


PAGE = 4096


@pytest.mark.parametrize("kept", [100, PAGE, 20 * PAGE + 1, -PAGE, -100])
def test_a_file_that_was_cut_off_is_refused_and_kept(sqlite_template: Path, tmp_path: Path, kept: int) -> None:
    content = sqlite_template.read_bytes()
    file = tmp_path / "usergraph.sqlite3"
    file.write_bytes(content[:kept])
    before = everything(tmp_path)
    done = in_a_process(tmp_path, "serve", **SETTINGS)
    assert (done.returncode, "Traceback" in done.stderr) == (1, False), done.stderr
    assert str(file) in done.stderr
    assert "It was left as it is" in done.stderr
    assert everything(tmp_path) == before


def test_the_database_of_another_program_is_refused_and_kept(tmp_path: Path) -> None:
    file = tmp_path / "usergraph.sqlite3"
    with contextlib.closing(sqlite3.connect(file)) as connection:
        connection.execute("CREATE TABLE orders (id INTEGER PRIMARY KEY)")
    before = everything(tmp_path)
    for command in ("serve", "migrate"):
        done = in_a_process(tmp_path, command, **SETTINGS)
        assert (done.returncode, "another program" in done.stderr) == (1, True), done.stderr
        assert "name another file" in done.stderr
    assert everything(tmp_path) == before


AS_NOBODY = """
import os, sys
import graph.app  # while its libraries can be read
from graph.cli import main
if os.geteuid() == 0:
    os.setuid(65534)
sys.exit(main(["serve"]))
"""


@pytest.mark.parametrize("modes", [(0o444, 0o777), (0o666, 0o555), (0o444, 0o555)], ids=["file", "folder", "both"])
def test_what_may_only_be_read_is_refused_at_the_start_and_named(sqlite_template: Path, modes: tuple[int, int]) -> None:
    """Root may write everywhere, so the program becomes nobody first."""
    folder = Path(tempfile.mkdtemp(prefix="usergraph-readonly-"))
    try:
        file = folder / "usergraph.sqlite3"
        shutil.copyfile(sqlite_template, file)
        file.chmod(modes[0])
        folder.chmod(modes[1])
        before = everything(folder)
        done = subprocess.run(
            [sys.executable, "-c", AS_NOBODY],
            env=environment(database_url=f"sqlite://{file}", secret_key="", **{**SETTINGS, "port": 18_999}),
            capture_output=True,
            text=True,
            timeout=PATIENCE,
            check=False,
        )
        assert (done.returncode, "Traceback" in done.stderr) == (1, False), done.stderr
        assert "USERGRAPH_DATABASE_URL" in done.stderr
        assert str(folder) in done.stderr
        assert everything(folder) == before
    finally:
        folder.chmod(0o755)
        shutil.rmtree(folder)


@contextlib.contextmanager
def load(program: Program) -> Iterator[Callable[[], int]]:
    """Groups are made one after another; answers how many there are by now."""
    made, over = [0], threading.Event()

    def keep_making() -> None:
        while not over.is_set():
            answer = post(program, GROUP, {"name": f"Group {made[0]}"})
            assert answer.json()["data"]["createGroup"]["errors"] == [], answer.text
            made[0] += 1

    thread = threading.Thread(target=keep_making)
    thread.start()
    try:
        yield lambda: made[0]
    finally:
        over.set()
        thread.join(PATIENCE)


def by_backup(source: sqlite3.Connection, copy: Path) -> None:
    """As `.backup` of the program sqlite3 does it: a hundred pages at a time, anew where somebody wrote meanwhile."""
    with contextlib.closing(sqlite3.connect(copy)) as target:
        source.backup(target, pages=100, sleep=0)


def by_vacuum(source: sqlite3.Connection, copy: Path) -> None:
    source.execute("VACUUM INTO ?", [str(copy)])


@pytest.mark.parametrize("make", [by_backup, by_vacuum])
def test_a_copy_made_under_load_is_whole_and_can_be_served(
    sqlite_template: Path, tmp_path: Path, make: Callable[[sqlite3.Connection, Path], None]
) -> None:
    file, copies = tmp_path / "usergraph.sqlite3", []
    shutil.copyfile(sqlite_template, file)
    with running(tmp_path, f"sqlite://{file}") as program, load(program) as made:
        for number in range(3):
            before = made()
            until("nothing is written", lambda before=before: made() > before + 3)  # type: ignore[misc]
            copies.append((tmp_path / f"copy-{number}.sqlite3", made()))
            with contextlib.closing(sqlite3.connect(file, isolation_level=None)) as source:
                make(source, copies[-1][0])
            assert_answers(program)
        most = made()
    for copy, least in copies:
        assert_intact(f"sqlite://{copy}")
        groups = "SELECT COUNT(*), (SELECT COUNT(*) FROM audit_events WHERE subject_type = 'group') FROM groups"
        ((count, events),) = rows(f"sqlite://{copy}", f"{groups} WHERE name LIKE 'Group %'")
        assert least <= count == events <= most + 1
    os.replace(copies[-1][0], file)
    for name in ("-wal", "-shm"):
        Path(f"{file}{name}").unlink(missing_ok=True)
    with running(tmp_path, f"sqlite://{file}") as program:
        assert_stores(program, "Restored")
