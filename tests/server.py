"""`usergraph` as its users run it: a process of its own, given commands, or serving on a real socket."""

import contextlib
import io
import os
import socket
import sqlite3
import subprocess
import sys
import tempfile
import time
import traceback
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from pathlib import Path

import asyncpg
import httpx

from graph import cli
from tests.postgres import Server, end

SCRIPT = Path(sys.executable).with_name("usergraph")


def key_of_demo() -> str:
    return "ug_key_of_the_administrator_of_a_demo_directory"


def environment(**settings: object) -> dict[str, str]:
    """Nothing of this process's own settings, only those given by name."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("USERGRAPH_")}
    return kept | {f"USERGRAPH_{name.upper()}": str(value) for name, value in settings.items()}


def in_a_process(
    folder: Path, *arguments: object, stdin: str | None = None, **settings: object
) -> "subprocess.CompletedProcess[str]":
    """Run a command in a folder as a process of its own. See `usergraph`, which takes a second less."""
    return subprocess.run(
        [SCRIPT, *map(str, arguments)],
        cwd=folder,
        env=environment(**_in(folder, settings)),
        input=stdin,
        capture_output=True,
        text=True,
        timeout=300,
    )


def usergraph(
    folder: Path, *arguments: object, stdin: str | None = None, **settings: object
) -> "subprocess.CompletedProcess[str]":
    """Run a command in a folder; its database is there unless a setting says otherwise.

    In a thread of this process: what it is given, prints and answers is what a process of its own would.
    """
    given = list(map(str, arguments))
    assert given[:1] != ["serve"], "what serves until it is told to end is a program"
    out, err = (io.TextIOWrapper(io.BytesIO(), "utf-8", write_through=True) for _ in range(2))
    before, place, read = dict(os.environ), Path.cwd(), sys.stdin
    try:
        os.environ.clear()
        os.environ.update(environment(**_in(folder, settings)))
        os.chdir(folder)
        sys.stdin = io.TextIOWrapper(io.BytesIO((stdin or "").encode()), "utf-8")
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err), ThreadPoolExecutor(1) as thread:
            code = thread.submit(_ended, given).result()
    finally:
        sys.stdin = read
        os.chdir(place)
        os.environ.clear()
        os.environ.update(before)
    texts = [each.buffer.getvalue().decode() for each in (out, err)]  # type: ignore[attr-defined]
    return subprocess.CompletedProcess(given, code, *texts)


def _ended(arguments: list[str]) -> int:
    """The exit code that the interpreter would end with."""
    try:
        return cli.main(arguments)
    except SystemExit as ended:
        return ended.code if isinstance(ended.code, int) else 1
    except Exception:
        traceback.print_exc()
        return 1


def _in(folder: Path, settings: Mapping[str, object]) -> dict[str, object]:
    return {"database_url": f"sqlite://{folder}/usergraph.sqlite3", **settings}


@cache
def migrated() -> bytes:
    """The file of a database that `usergraph migrate` has made, for starts in which that is not looked at."""
    with tempfile.TemporaryDirectory() as folder:
        made = usergraph(Path(folder), "migrate")
        assert made.returncode == 0, made.stderr
        return (Path(folder) / "usergraph.sqlite3").read_bytes()


def begin(folder: Path, settings: Mapping[str, object]) -> Path:
    """The database of a folder, migrated already unless it is there or the settings name another."""
    file = folder / "usergraph.sqlite3"
    if "database_url" not in settings and not file.exists():
        file.write_bytes(migrated())
    return file


def rows(folder: Path, sql: str) -> list[tuple[object, ...]]:
    """Read the database that `usergraph` made in a folder."""
    with contextlib.closing(sqlite3.connect(folder / "usergraph.sqlite3")) as connection:
        return connection.execute(sql).fetchall()


def dump(folder: Path) -> list[str]:
    """All that is in the database of a folder, to show that nothing was stored."""
    with contextlib.closing(sqlite3.connect(folder / "usergraph.sqlite3")) as connection:
        return list(connection.iterdump())


async def empty_database(server: Server, name: str) -> str:
    """The address of a new database with nothing in it."""
    connection = await asyncpg.connect(server.url("postgres"))
    try:
        await connection.execute(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")
        await connection.execute(f"CREATE DATABASE {name}")
    finally:
        await connection.close()
    return server.url(name)


@contextlib.contextmanager
def serving(folder: Path, *arguments: str, **settings: object) -> Iterator[str]:
    """The address of a server with a demo directory (or what is in the folder's database already)."""
    settings.setdefault("database_url", f"sqlite://{begin(folder, settings)}")
    settings.setdefault("admin_key", key_of_demo())
    settings["port"] = port = _free_port()
    settings.setdefault("public_url", f"http://127.0.0.1:{port}")
    log = folder / "serve.log"
    with log.open("w") as out:
        process = subprocess.Popen(
            [SCRIPT, "serve", *(arguments or ("--demo",))],
            cwd=folder,
            env=environment(**settings),
            stdout=out,
            stderr=out,
        )
    try:
        address = f"http://127.0.0.1:{port}"
        _wait(process, f"{address}/readyz", log)
        yield address
    finally:
        end(process, 20)


def _wait(process: "subprocess.Popen[bytes]", address: str, log: Path) -> None:
    end = time.monotonic() + 60
    while time.monotonic() < end:
        assert process.poll() is None, f"usergraph serve ended: {log.read_text()[-2000:]}"
        with contextlib.suppress(httpx.TransportError):
            if httpx.get(address, timeout=5).status_code == 200:
                return
        time.sleep(0.05)
    raise AssertionError(f"usergraph serve does not answer: {log.read_text()[-2000:]}")


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
