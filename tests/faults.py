"""Real processes over a directory that a test can look into from outside: what the tests of faults share."""

import asyncio
import contextlib
import json
import socket
import sqlite3
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import asyncpg
import httpx

from models.database import sqlite_file
from tests.program import PATIENCE, Program
from tests.program import running as running_program
from tests.service import SECRET, key_of

KEY = key_of("admin")
MANY = 10_000
ME = "{ me { username } }"
GROUP = "mutation($name: String!) { createGroup(input: {name: $name}) { group { name } errors { code } } }"
INVITE = """mutation($users: [InviteUserInput!]!, $key: String) {
  inviteUsers(input: {users: $users, idempotencyKey: $key}) {
    summary { created failed } errors { code } results { user { id email } invitation { link } }
  }
}"""


def rows(url: str, sql: str) -> list[tuple[Any, ...]]:
    """What a second program reads from the database meanwhile, or changes there."""
    file = sqlite_file(url)
    if file is None:
        return asyncio.run(_rows(url, sql))
    with contextlib.closing(sqlite3.connect(file, isolation_level=None, timeout=PATIENCE)) as connection:
        return connection.execute(sql).fetchall()


async def _rows(url: str, sql: str) -> list[tuple[Any, ...]]:
    connection = await asyncpg.connect(url)
    try:
        return [tuple(row) for row in await connection.fetch(sql)]
    finally:
        await connection.close()


def scalar(url: str, sql: str) -> Any:
    return rows(url, sql)[0][0]


def assert_intact(url: str) -> None:
    """No page and no index of the file is damaged, and the search index holds just what the users are."""
    file = sqlite_file(url)
    if file is None:
        return  # PostgreSQL has no such check of its own at hand; what is stored is counted instead
    with contextlib.closing(sqlite3.connect(file, isolation_level=None, timeout=PATIENCE)) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        assert connection.execute("PRAGMA foreign_key_check").fetchall() == []
        connection.execute("INSERT INTO user_search (user_search, rank) VALUES ('integrity-check', 1)")


@contextlib.contextmanager
def running(folder: Path, url: str, **settings: object) -> Iterator[Program]:
    with running_program(folder, database_url=url, secret_key=SECRET, **settings) as program:
        yield program


def people(prefix: str, count: int = MANY) -> list[dict[str, str]]:
    return [{"email": f"{prefix}-{number}@fault.test"} for number in range(count)]


def invited(url: str, prefix: str) -> tuple[int, ...]:
    """How many users of this prefix there are, with how many invitations, letters and audit events."""
    of = f"JOIN users u ON u.id = t.user_id WHERE u.email LIKE '{prefix}-%'"
    counts = (
        f"(SELECT COUNT(*) FROM users WHERE email LIKE '{prefix}-%')",
        f"(SELECT COUNT(*) FROM invitations t {of} AND t.state = 'PENDING')",
        f"(SELECT COUNT(*) FROM letters t {of} AND t.state = 'WAITING')",
        f"(SELECT COUNT(*) FROM audit_events WHERE action = 'INVITED' AND subject_label LIKE '{prefix}-%')",
        "(SELECT COUNT(*) FROM letters WHERE user_id NOT IN (SELECT id FROM users))",
    )
    *found, orphans = rows(url, f"SELECT {', '.join(counts)}")[0]
    assert orphans == 0
    return tuple(found)


def post(program: Program, query: str, variables: dict[str, Any] | None = None) -> httpx.Response:
    body = {"query": query, "variables": variables or {}}
    address, headers = f"{program.address}/graphql", {"x-apikey": KEY}
    # Nothing is encrypted here, and reading all certificates would cost more than the request.
    return httpx.post(address, json=body, headers=headers, timeout=PATIENCE, verify=False)


def send(program: Program, query: str, variables: dict[str, Any] | None = None) -> socket.socket:
    """Send a request whose answer nobody reads."""
    body = json.dumps({"query": query, "variables": variables or {}}).encode()
    head = (
        f"POST /graphql HTTP/1.1\r\nHost: usergraph.test\r\nX-ApiKey: {KEY}\r\nContent-Type: application/json\r\n"
        f"Content-Length: {len(body)}\r\n\r\n"
    )
    connection = program.connect()
    connection.sendall(head.encode() + body)
    return connection


def assert_unavailable(answer: httpx.Response) -> None:
    """503, when to come back, and a code; nothing of the database's own words."""
    assert (answer.status_code, answer.headers.get("retry-after")) == (503, "1"), answer.text
    assert [error["extensions"]["code"] for error in answer.json()["errors"]] == ["SERVICE_UNAVAILABLE"]
    for secret in ("sqlite", "asyncpg", "Errno", "disk", "readonly", "SELECT", "INSERT"):
        assert secret not in answer.text


def assert_answers(program: Program) -> None:
    assert post(program, ME).json()["data"] == {"me": {"username": "admin"}}


def assert_stores(program: Program, name: str) -> None:
    answer = post(program, GROUP, {"name": name})
    assert answer.status_code == 200, answer.text
    assert answer.json()["data"]["createGroup"] == {"group": {"name": name}, "errors": []}


def until(what: str, is_so: Callable[[], object]) -> float:
    """Wait until something is so, and tell how many seconds it took."""
    begun = time.monotonic()
    while not is_so():
        assert time.monotonic() - begun < PATIENCE, what
        time.sleep(0.01)
    return time.monotonic() - begun
