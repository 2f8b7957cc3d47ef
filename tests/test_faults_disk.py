"""A full disk: what does not fit is refused whole, reading goes on, and writing comes back without a restart."""

import asyncio
import contextlib
import os
import resource
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import asyncpg

from tests.faults import (
    INVITE,
    assert_answers,
    assert_intact,
    assert_stores,
    assert_unavailable,
    invited,
    people,
    post,
    running,
)
from tests.postgres import Server
from tests.program import Program

MEGABYTE = 1024 * 1024
NOTHING = (0,) * 4
Fill = Callable[[int], None]


@contextlib.contextmanager
def small_disk(megabytes: int) -> Iterator[Path]:
    folder = Path(tempfile.mkdtemp(prefix="usergraph-small-"))
    mount = ["mount", "-t", "tmpfs", "-o", f"size={megabytes}m", "tmpfs", str(folder)]
    try:
        subprocess.run(mount, check=True, capture_output=True)
        try:
            yield folder
        finally:
            subprocess.run(["umount", "-l", folder], check=True)
    finally:
        folder.rmdir()


def may_mount() -> bool:
    """Whether this process may mount, which root in a container often may not."""
    if os.geteuid() != 0 or shutil.which("mount") is None:
        return False
    try:
        with small_disk(1):
            return True
    except subprocess.CalledProcessError:
        return False


def leave(folder: Path, free: int) -> None:
    """Make a disk so full that this many bytes are left; a number below zero gives all of it back."""
    ballast = folder / "ballast"
    ballast.unlink(missing_ok=True)
    if free >= 0:
        stated = os.statvfs(folder)
        ballast.write_bytes(bytes(max(0, stated.f_bavail * stated.f_frsize - free)))


def assert_a_full_disk_passes(program: Program, url: str, fill: Fill, cause: str) -> None:
    """`fill(n)` leaves n bytes, `fill(-1)` as many as there were. The log tells the cause; clients are not told it."""
    assert_stores(program, "Before")
    fill(MEGABYTE)
    assert_unavailable(post(program, INVITE, {"users": people("full", 2_000), "key": "full"}))
    assert_answers(program)
    assert invited(url, "full") == NOTHING
    fill(0)
    for _ in range(3):  # whatever was reserved before is used up at some time, so not only the first is asked
        assert_unavailable(post(program, INVITE, {"users": people("full", 500)}))
        assert_answers(program)
    assert invited(url, "full") == NOTHING
    fill(-1)
    answer = post(program, INVITE, {"users": people("full", 2_000), "key": "full"}).json()["data"]["inviteUsers"]
    assert answer["summary"] == {"created": 2_000, "failed": 0}
    assert invited(url, "full") == (2_000,) * 4
    assert_stores(program, "After")
    assert_intact(url)
    assert "Traceback" not in program.said
    assert cause in program.said


def test_sqlite_at_a_limit_on_the_size_of_files(sqlite_template: Path, tmp_path: Path) -> None:
    """The limit can be set for a process that runs, by anybody."""
    file = tmp_path / "usergraph.sqlite3"
    shutil.copyfile(sqlite_template, file)
    url = f"sqlite://{file}"
    with running(tmp_path, url) as program:
        soft, hard = resource.prlimit(program.process.pid, resource.RLIMIT_FSIZE)

        def fill(left: int) -> None:
            log = Path(f"{file}-wal")
            most = soft if left < 0 else (log.stat().st_size if left else 0) + left
            resource.prlimit(program.process.pid, resource.RLIMIT_FSIZE, (most, hard))

        assert_a_full_disk_passes(program, url, fill, "disk I/O error")


if may_mount():

    def test_sqlite_on_a_full_disk(sqlite_template: Path, tmp_path: Path) -> None:
        with small_disk(64) as folder:
            shutil.copyfile(sqlite_template, folder / "usergraph.sqlite3")
            url = f"sqlite://{folder}/usergraph.sqlite3"
            with running(tmp_path, url) as program:
                assert_a_full_disk_passes(program, url, lambda left: leave(folder, left), "disk is full")

    def test_postgresql_on_a_full_disk(postgres: Server, postgres_template: str, tmp_path: Path) -> None:
        """Only the tables' disk is full, not that of PostgreSQL's own log: that would end PostgreSQL itself."""
        with small_disk(128) as folder:
            url = on(postgres, folder, postgres_template)
            try:
                with running(tmp_path, url) as program:
                    assert_a_full_disk_passes(program, url, lambda left: leave(folder, left), "No space left on device")
            finally:
                asyncio.run(_execute(postgres, "DROP DATABASE small WITH (FORCE)", "DROP TABLESPACE small"))


def on(server: Server, folder: Path, template: str) -> str:
    place = folder / "tables"
    place.mkdir()
    owned = server.data.stat()
    os.chown(place, owned.st_uid, owned.st_gid)
    folder.chmod(0o755)
    made = f"CREATE DATABASE small TEMPLATE {template} TABLESPACE small STRATEGY FILE_COPY"
    asyncio.run(_execute(server, f"CREATE TABLESPACE small LOCATION '{place}'", made))
    return server.url("small")


async def _execute(server: Server, *statements: str) -> None:
    connection = await asyncpg.connect(server.url("postgres"))
    try:
        for statement in statements:
            await connection.execute(statement)
    finally:
        await connection.close()
