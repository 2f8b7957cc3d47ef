"""Where the bench keeps its things, and the tools it finds on the machine."""

import contextlib
import fcntl
import os
import pwd
import shutil
import signal
import socket
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

from tests.postgres import NoPostgres, binaries

HERE = Path(__file__).parent
ROOT = HERE.parent
WORK = ROOT / ".bench"
HOST = "127.0.0.1"


class BenchError(Exception):
    """What is missing or went wrong, in words for the person at the terminal."""


def run(bench: Callable[[], None]) -> int:
    """The exit code. Whatever ends the bench, the servers that it started end with it."""
    for ending in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(ending, lambda number, _: sys.exit(128 + number))
    try:
        bench()
    except BenchError as error:
        print(f"\nbench: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("\nbench: stopped", file=sys.stderr)
        return 130
    return 0


@contextlib.contextmanager
def alone() -> Iterator[None]:
    """Two benches at once would measure each other."""
    WORK.mkdir(exist_ok=True)
    with (WORK / "lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise BenchError("another bench is running here.") from error
        yield


def require_all() -> None:
    """Raises BenchError for the first tool that is missing, before anything is made."""
    for tool in (usergraph, wrk, h2load, npm):
        tool()
    postgres("postgres")


def usergraph() -> Path:
    script = Path(sys.executable).with_name("usergraph")
    if not script.exists():
        raise BenchError("usergraph is not installed beside this Python. Run: make bench")
    return script


def wrk() -> str:
    return _found("wrk", "wrk, which makes the load. On Debian: apt-get install wrk")


def h2load() -> str:
    return _found("h2load", "h2load, which makes load at a constant rate. On Debian: apt-get install nghttp2-client")


def npm() -> str:
    return _found("npm", "npm, which installs PostGraphile. On Debian: apt-get install npm")


def sqlite3() -> str:
    return _found("sqlite3", "sqlite3, whose CSV is measured beside ours. On Debian: apt-get install sqlite3")


def psql() -> str:
    return _found("psql", "psql, whose CSV is measured beside ours. On Debian: apt-get install postgresql-client")


def postgres(name: str) -> Path:
    """A program of PostgreSQL's. Raises BenchError."""
    try:
        return binaries() / name
    except NoPostgres as error:
        raise BenchError(f"PostgreSQL is needed ({error}). On Debian: apt-get install postgresql") from error


def _found(name: str, needed: str) -> str:
    path = shutil.which(name)
    if path is None:
        raise BenchError(f"This bench needs {needed}")
    return path


def postgres_owner() -> str | None:
    """PostgreSQL refuses to run as root: somebody else does it then."""
    if os.geteuid() != 0:
        return None
    names = {entry.pw_name for entry in pwd.getpwall()}
    return "postgres" if "postgres" in names else "nobody"


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        return int(probe.getsockname()[1])
