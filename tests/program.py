"""`usergraph serve` as a process of its own, for tests that talk to its socket or end it."""

import contextlib
import json
import signal
import socket
import sqlite3
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx

from tests.server import SCRIPT, begin, environment

KEY = "ug_key_of_the_administrator_of_a_process"
MAKE = "mutation($name: String!) { createGroup(input: {name: $name}) { group { name } errors { code } } }"
PATIENCE = 60  # seconds until a step that hangs is given up


def children(pid: int) -> set[int]:
    """The processes that this one started and that still are there."""
    found = set()
    for folder in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            if int((folder / "stat").read_text().rpartition(")")[2].split()[1]) == pid:
                found.add(int(folder.name))
    return found


class Program:
    """`usergraph serve` in a folder, on a port of its own."""

    def __init__(self, folder: Path, **settings: object) -> None:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port: int = probe.getsockname()[1]
        self.address = f"http://127.0.0.1:{self.port}"
        self.file = folder / "usergraph.sqlite3"
        self._log = folder / f"log-{self.port}"
        settings = {"database_url": f"sqlite://{self.file}", "port": self.port, **settings}
        with self._log.open("w") as out:
            self.process = subprocess.Popen(
                [SCRIPT, "serve"], cwd=folder, env=environment(**settings), stdout=out, stderr=out
            )

    @property
    def said(self) -> str:
        return self._log.read_text()

    def wait_until_ready(self) -> None:
        end = time.monotonic() + PATIENCE
        while True:
            assert self.process.poll() is None, self.said
            assert time.monotonic() < end, self.said
            with contextlib.suppress(httpx.TransportError):
                if httpx.get(f"{self.address}/readyz").status_code == 200:
                    return
            time.sleep(0.05)

    def wait_until_deaf(self) -> None:
        """Until no new connection is taken, which is the first thing that SIGTERM does."""
        end = time.monotonic() + PATIENCE
        with contextlib.suppress(OSError):
            while time.monotonic() < end:
                socket.create_connection(("127.0.0.1", self.port)).close()
                time.sleep(0.02)
            raise AssertionError("it still listens")

    def ask(self, query: str, variables: dict[str, Any] | None = None, key: str = KEY) -> dict[str, Any]:
        body = {"query": query, "variables": variables}
        answer = httpx.post(f"{self.address}/graphql", json=body, headers={"x-apikey": key}, timeout=PATIENCE)
        found: dict[str, Any] = answer.json()
        return found

    def rows(self, sql: str, *values: object) -> list[tuple[Any, ...]]:
        with contextlib.closing(sqlite3.connect(self.file)) as connection:
            return connection.execute(sql, values).fetchall()

    def groups(self) -> set[str]:
        return {row[0] for row in self.rows("SELECT name FROM groups")}

    def connect(self) -> socket.socket:
        return socket.create_connection(("127.0.0.1", self.port), timeout=PATIENCE)

    def end(self) -> int:
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(PATIENCE)


@contextlib.contextmanager
def running(folder: Path, **settings: object) -> Iterator[Program]:
    begin(folder, settings)
    program = Program(folder, **settings)
    try:
        program.wait_until_ready()
        yield program
    finally:
        program.process.kill()
        program.process.wait()


def head(first: str, *headers: str) -> bytes:
    return "\r\n".join([first, "Host: usergraph.test", f"X-ApiKey: {KEY}", *headers, "", ""]).encode("latin-1")


def body(name: str) -> bytes:
    return json.dumps({"query": MAKE, "variables": {"name": name}}).encode()


def post(name: str, *headers: str) -> bytes:
    """A good request for a group of this name, except for what `headers` do to it."""
    return head("POST /graphql HTTP/1.1", "Content-Type: application/json", *headers) + body(name)


def answers(connection: socket.socket, count: int = 1) -> list[tuple[int, bytes]]:
    """Status and body of the next answers on a connection; fewer where it is closed before."""
    found: list[tuple[int, bytes]] = []
    reader = connection.makefile("rb")
    while len(found) < count:
        line = reader.readline()
        if not line:
            break
        status, length = int(line.split()[1]), 0
        while (header := reader.readline()) not in (b"\r\n", b""):
            name, _, value = header.partition(b":")
            length = int(value) if name.lower() == b"content-length" else length
        found.append((status, reader.read(length)))
    return found
