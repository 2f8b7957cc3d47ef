"""The bench of writing: bulk calls beside the driver's bare inserts, imports, and reading meanwhile.

Run: make bench-writes
"""

import argparse
import contextlib
import json
import platform
import sqlite3
import sys
from collections.abc import Sequence
from importlib.metadata import version
from typing import Any

from tqdm import tqdm

from benchmarks import processes, tools, writes_report, writes_rows
from benchmarks.data import DURABLE, Directory, directory, environment
from benchmarks.load import Shot
from benchmarks.peers import HEADERS, LOGS, Peer, ours
from benchmarks.questions import questions
from benchmarks.tools import HERE, ROOT, WORK, BenchError
from benchmarks.writes_import import imported, read_meanwhile
from benchmarks.writes_meter import Meter
from benchmarks.writes_report import Outcome
from benchmarks.writes_stores import Store, stores

USERS = 20_000  # that are there before
ROWS = 10_000
ROUNDS = 5
FEW, MANY = 20_000, 100_000


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="benchmarks.writes", description="usergraph beside the driver's own inserts.")
    parser.add_argument("--rounds", type=int, default=ROUNDS, help=f"how often ({ROUNDS})")
    parser.add_argument("--rows", type=int, default=ROWS, help=f"of one call, at most {ROWS:,} ({ROWS:,})")
    parser.add_argument("--many", type=int, default=MANY, help=f"rows of the large import ({MANY:,})")
    given = parser.parse_args(arguments)
    return tools.run(lambda: _bench(given))


def _bench(given: argparse.Namespace) -> None:
    for tool in (tools.usergraph, tools.wrk, tools.h2load):
        tool()
    with tools.alone(), directory(USERS, DURABLE) as made, stores(made) as opened:
        outcomes = [Outcome(store.name) for store in opened]
        with contextlib.ExitStack() as stack:
            services = [
                stack.enter_context(ours(f"usergraph, {store.name}", store.url, LOGS / f"writes-{store.name}.log"))
                for store in opened
            ]
            _calls(given, opened, services, outcomes)
            _imports(given, made, opened, services, outcomes)
    text = writes_report.page(given.rows, given.rounds, _versions(), outcomes)
    print("\n" + text)
    in_earnest = given.rounds >= ROUNDS and given.rows == ROWS and given.many == MANY
    path = (HERE if in_earnest else WORK) / "writes.md"
    path.write_text(text)
    print(f"Written to {path.relative_to(ROOT)}")


def _calls(
    given: argparse.Namespace,
    opened: Sequence[Store],
    services: Sequence[tuple[Peer, int]],
    outcomes: Sequence[Outcome],
) -> None:
    """Each database has its turn in every round; the first round warms up and does not count."""
    steps = 4 * len(opened) * (given.rounds + 1)
    with tqdm(total=steps, desc="calls", unit=" calls", disable=None) as bar:
        for number in range(given.rounds + 1):
            for store, (peer, pid), outcome in zip(opened, services, outcomes, strict=True):
                counted = outcome if number else Outcome(store.name)
                new = writes_rows.people(f"u{number}", given.rows)
                invited = writes_rows.people(f"i{number}", given.rows)
                for kind, body, wanted in (
                    ("invite", writes_rows.invitation(invited), "created"),
                    ("upsert", writes_rows.upsert(new), "created"),
                    ("unchanged", writes_rows.upsert(new), "unchanged"),
                    ("changed", writes_rows.upsert(writes_rows.changed(new)), "updated"),
                ):
                    call, inserts = Meter(pid, store.server), Meter(None, store.server)
                    with call:
                        text = _post(peer, body)
                    _check(text, wanted, given.rows)
                    store.insert(store.added(), inserts)
                    counted.add(kind, call.cost, inserts.cost)
                    bar.update()


def _post(peer: Peer, body: bytes) -> bytes:
    status, text = processes.post(peer.port, "/graphql", body, HEADERS)
    if status != 200:
        raise BenchError(f"{peer.name} answered with status {status}: {text[:500].decode(errors='replace')}")
    return text


def _check(text: bytes, wanted: str, rows: int) -> None:
    answer: dict[str, Any] = json.loads(text)
    payload = next(iter((answer.get("data") or {}).values()), None)
    if "errors" in answer or not payload or payload["summary"][wanted] != rows or len(payload["results"]) != rows:
        raise BenchError(f"not every row was {wanted}: {text[:500].decode(errors='replace')}")


def _imports(
    given: argparse.Namespace,
    made: Directory,
    opened: Sequence[Store],
    services: Sequence[tuple[Peer, int]],
    outcomes: Sequence[Outcome],
) -> None:
    question = next(each for each in questions(made) if each.key == "page_20")
    for store, (peer, _), outcome in zip(opened, services, outcomes, strict=True):
        settings = environment(store.url)
        body = peer.body(question)
        shot = Shot(peer, question, body, peer.ask(question, body)[1])
        print(f"Importing {FEW:,} and {given.many:,} rows into {store.name} …", flush=True)
        outcome.imports.append(imported(settings, "few", FEW))
        large, outcome.reading = read_meanwhile(settings, "many", given.many, shot, print)
        outcome.imports.append(large)


def _versions() -> dict[str, str]:
    wanted = ("usergraph", "strawberry-graphql", "graphql-core", "asyncpg", "aiosqlite", "orjson")
    return {
        "Python": platform.python_version(),
        "SQLite": sqlite3.sqlite_version,
        **{name: version(name) for name in wanted},
    }


if __name__ == "__main__":
    sys.exit(main())
