"""How long one request within the limits holds the event loop, measured beside a generated flood.

Run: python -m benchmarks.loop_probe [--database-url URL] [--only WORD] [--users N]

For each kind of request it prints the longest stretch that the loop could not answer others (a heartbeat that is late),
and the longest stretch of processor time that the loop's own thread used, which other programs do not lengthen.
Without an address it makes an SQLite database; a database that is named must be empty.
"""

import argparse
import asyncio
import json
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import httpx
from starlette.applications import Starlette

from graph.app import create_app
from graph.collector import settle
from models import migrate
from models.database import Database
from models.settings import Settings
from resolvers import bootstrap, demo

KEY = "ug_loop_probe_key_0123456789_0123456789_abcdef"
SECRET = "vx2T2QdhVSnJ4Zc7hTxW8FSm6AZr1bW2ERZsGgU5gq0="
BEAT = 0.002  # seconds
LIMIT = 0.1  # seconds that no request may hold the loop
MANY = 10_000  # rows

UPSERT = "mutation($u: [UpsertUserInput!]!, $d: Boolean) { upsertUsers(input: {users: $u, dryRun: $d}) {"
UPSERT += " errors { code } results { index action matchedBy user { id name email } errors { code message path } } } }"
USERS = "query($w: UserWhere) { users(where: $w) { totalCount } }"
COLUMNS = "id username email name state role { id name } tags aliases variables { name value } createdAt updatedAt"


def rows(count: int, **more: Any) -> list[dict[str, Any]]:
    return [
        {"email": f"person{n}@flood.test", "name": f"Person {n}", "ref": str(n), "tags": ["a", "b"], **more}
        for n in range(count)
    ]


def requests() -> Iterator[tuple[str, str, dict[str, Any], bool]]:
    """Name, document, variables, and whether a stranger sends it."""
    yield "an upsert of 10,000 rows, dry", UPSERT, {"u": rows(MANY), "d": True}, False
    yield "an upsert of 10,000 rows", UPSERT, {"u": rows(MANY), "d": False}, False
    yield "the same again", UPSERT, {"u": rows(MANY), "d": False}, False
    yield "10,000 changed rows", UPSERT, {"u": rows(MANY, firstName="Other", tags=["c"]), "d": False}, False
    yield "10,000 wrong rows", UPSERT, {"u": rows(MANY, role={"name": "none"}), "d": True}, False
    yield "10,000 equal rows", UPSERT, {"u": rows(1) * MANY, "d": True}, False
    yield "10,000 rows of 45 values", UPSERT, {"u": rows(MANY, aliases=None, tags=["t"] * 40), "d": True}, False
    yield "500,000 empty objects", UPSERT, {"u": [{}] * 99_999 + [[{}] * 3] * 1}, False
    yield "500,000 values in 5 lists", UPSERT, {"u": [[{}] * 99_000] * 5}, False
    yield "lists instead of rows", UPSERT, {"u": [[[]] * 10 for _ in range(40_000)]}, False
    yield "a row of 1,000 unknown keys", UPSERT, {"u": [{f"k{n}": 1 for n in range(1_000)}] * 400}, False
    yield "a name of 9 MB", UPSERT, {"u": [{"email": "a@flood.test", "name": "x" * 9_000_000}]}, False
    yield "a number of 9 MB of digits", UPSERT, {"u": ["9" * 9_000_000]}, False
    ids = {"i": [f"user_{n}" for n in range(1, MANY + 1)]}
    end = "mutation($i: [ID!]!) { deactivateUsers(input: {ids: $i, dryRun: true}) { results { index action } } }"
    yield "deactivating 10,000 users", end, ids, False
    group = 'mutation($i: [ID!]!) { addGroupMembers(input: {id: "group_1", userIds: $i}) { errors { code } } }'
    yield "10,000 members", group, ids, False
    yield "4,990 names in a condition", USERS, {"w": {"name": {"in": ["x" * 100] * 4_990}}}, False
    yield "90 wheres", USERS, {"w": {"or": [{"username": {"contains": "a", "ne": "b"}}] * 49}}, False
    yield "2,400 wrong conditions", USERS, {"w": {"and": [{"unknown": 1}] * 2_400}}, False
    yield "a condition of 900 kB", USERS, {"w": {"name": {"eq": "x" * 900_000}}}, False
    yield "a page of 1,000 users", f"{{ users(first: 1000) {{ nodes {{ {COLUMNS} }} }} }}", {}, False
    pages = " ".join(f"a{n}: users(first: 1000) {{ nodes {{ {COLUMNS} }} }}" for n in range(10))
    yield "ten such pages", f"{{ {pages} }}", {}, False
    nested = "groups(first: 100) { nodes { id users(first: 1000) { nodes { id name email username createdAt } } } }"
    yield "groups with their users", f"{{ {nested} }}", {}, False
    yield "a document of 2,900 fields", "{ me { " + "id " * 2_900 + "} }", {}, False
    overlapping = " ".join(f"groups(first: {n}) {{ totalCount }}" for n in range(1_000))
    yield "1,000 fields that overlap", f"{{ me {{ {overlapping} }} }}", {}, False
    yield "4,900 literals", "{ users(where: {name: {in: [" + '"x" ' * 4_900 + "]}}) { totalCount } }", {}, False
    yield "20,000 tokens", "{ users(where: {and: [" + "{} " * 4_900 + "]}) { totalCount } }", {}, False
    sign_in = "mutation($i: SignInInput!) { signIn(input: $i) { errors { code } } }"
    yield "a stranger's 60 kB", sign_in, {"i": {"username": "x" * 30_000, "password": "x" * 30_000}}, True
    yield "a stranger's 4,900 values", sign_in, {"i": {"username": [{}] * 4_900}}, True


class Heartbeat:
    """The longest stretches between two beats: by the clock, and by the processor time of this thread."""

    async def __aenter__(self) -> "Heartbeat":
        self.seconds = self.cpu = 0.0
        self._task = asyncio.create_task(self._beat())
        await asyncio.sleep(0)
        return self

    async def __aexit__(self, *_: object) -> None:
        await asyncio.sleep(BEAT)
        self._task.cancel()

    async def _beat(self) -> None:
        while True:
            clock, cpu = time.perf_counter(), time.thread_time()
            await asyncio.sleep(BEAT)
            self.seconds = max(self.seconds, time.perf_counter() - clock - BEAT)
            self.cpu = max(self.cpu, time.thread_time() - cpu)


async def probe(app: Starlette, only: str) -> int:
    slow = 0
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    print(f"{'request':32} {'bytes':>10} {'status':>6} {'total ms':>9} {'late ms':>8} {'cpu ms':>7}  answer")
    async with httpx.AsyncClient(transport=transport, base_url="http://probe.test", timeout=600) as client:
        for name, query, variables, is_stranger in requests():
            if only not in name:
                continue
            content = json.dumps({"query": query, "variables": variables}).encode()
            headers = {"content-type": "application/json", **({} if is_stranger else {"x-apikey": KEY})}
            begun = time.perf_counter()
            async with Heartbeat() as heart:
                answer = await client.post("/graphql", content=content, headers=headers)
            total = time.perf_counter() - begun
            slow += heart.cpu > LIMIT
            told = answer.text[:60].replace("\n", " ")
            figures = f"{1000 * total:9.0f} {1000 * heart.seconds:8.0f} {1000 * heart.cpu:7.0f}"
            print(f"{name:32} {len(content):10} {answer.status_code:6} {figures}  {told}", flush=True)
    return slow


async def measure(url: str, users: int, only: str) -> int:
    settings = Settings(database_url=url, secret_key=SECRET, admin_key=KEY)
    await migrate.bring_up_to_date(url)
    database = Database.of(settings)
    await database.open()
    await database.transaction(lambda tx: bootstrap.fill_empty(tx, KEY))
    await demo.fill(database.transaction, users)
    await database.close()
    app = create_app(settings)
    settle()
    async with app.router.lifespan_context(app):
        return await probe(app, only)


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description="How long one request holds the event loop.")
    parser.add_argument("--database-url", default="", help="an empty database (a new SQLite file)")
    parser.add_argument("--users", type=int, default=2_000, help="users of the directory (2,000)")
    parser.add_argument("--only", default="", help="requests whose name holds this")
    given = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory() as folder:
        url = given.database_url or f"sqlite://{Path(folder) / 'probe.sqlite3'}"
        slow = asyncio.run(measure(url, given.users, given.only))
    print(f"{slow} requests held the loop's thread for more than {1000 * LIMIT:.0f} ms.")
    return 1 if slow else 0


if __name__ == "__main__":
    raise SystemExit(main())
