"""The bench of reports: grouped counts beside the same SQL by hand, CSV beside each database's own writer, and memory.

Run: make bench; by itself: python -m benchmarks.reports [--users N] [--rounds N]
"""

import argparse
import http.client
import json
import statistics
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from benchmarks import processes, reports_page, tools
from benchmarks.data import Directory, directory
from benchmarks.peers import HEADERS, LOGS, Peer, ours
from benchmarks.reports_sql import CSV_QUERY, REPORTS, Report, Store, stores
from benchmarks.tools import HERE, ROOT, WORK, BenchError

USERS = 1_000_000
ROUNDS = 5
FORMATS = ("csv", "ndjson", "arrow", "parquet")
CHUNK = 1 << 20
PATIENCE = 600  # seconds for one answer


@dataclass
class Outcome:
    """Of one database: medians of seconds, ours and by hand; megabytes of our process at the most."""

    store: str
    reports: list[tuple[str, int, float, float]] = field(default_factory=list)
    exports: list[tuple[str, float, float, float]] = field(default_factory=list)  # format, seconds, MB of text, memory
    writer: float = 0.0


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="benchmarks.reports", description="Reports beside the same SQL by hand.")
    parser.add_argument("--users", type=int, default=USERS, help=f"how many ({USERS:,})")
    parser.add_argument("--rounds", type=int, default=ROUNDS, help=f"how often ({ROUNDS})")
    given = parser.parse_args(arguments)
    return tools.run(lambda: _bench(given.users, given.rounds))


def _bench(users: int, rounds: int) -> None:
    with tools.alone(), directory(users) as made:
        outcomes = [_measured(store, made, rounds) for store in stores(made)]
    text = reports_page.page(users, rounds, outcomes)
    print("\n" + text)
    path = (HERE if users >= USERS and rounds >= ROUNDS else WORK) / "reports.md"
    path.write_text(text)
    print(f"\nWritten to {path.relative_to(ROOT)}")


def _measured(store: Store, made: Directory, rounds: int) -> Outcome:
    outcome = Outcome(store.name)
    log = LOGS / f"reports-{store.name}.log"
    with store.connected(), ours(f"usergraph, {store.name}", store.url, log) as (peer, pid):
        for report in REPORTS:
            outcome.reports.append(_report(store, peer, report, rounds))
        for name in FORMATS:
            outcome.exports.append(_export(peer, pid, name, made.users, rounds if name == "csv" else 1))
        outcome.writer = statistics.median(_timed(store.write_csv)[0] for _ in range(rounds))
    print(outcome, flush=True)
    return outcome


def _report(store: Store, peer: Peer, report: Report, rounds: int) -> tuple[str, int, float, float]:
    """In turn, and compared: both have the same rows."""
    body = json.dumps({"query": report.query}).encode()
    mine, by_hand = [], []
    rows = 0
    for _ in range(rounds + 1):
        seconds, (status, text) = _timed(lambda: processes.post(peer.port, "/graphql", body, HEADERS))
        if status != 200:
            raise BenchError(f"{report.title}: {text[:500].decode(errors='replace')}")
        answered = json.loads(text)["data"]["userReport"]["rows"]
        taken, found = _timed(lambda: store.rows(report))
        if sorted(map(_comparable, answered)) != sorted(map(_comparable, found)):
            raise BenchError(f"{store.name}, {report.title}: the answer and the SQL differ.")
        mine.append(seconds)
        by_hand.append(taken)
        rows = len(found)
    return report.title, rows, statistics.median(mine[1:]), statistics.median(by_hand[1:])  # the first warms up


def _comparable(row: dict[str, Any]) -> str:
    return json.dumps(row, sort_keys=True)


def _export(peer: Peer, pid: int, name: str, users: int, rounds: int) -> tuple[str, float, float, float]:
    """Seconds, megabytes of the answer, and the most memory of our process meanwhile."""
    seconds, size = [], 0
    Path(f"/proc/{pid}/clear_refs").write_text("5")  # the peak begins anew (proc(5))
    for _ in range(rounds):
        took, (size, lines) = _timed(lambda: _download(peer.port, name))
        if name in ("csv", "ndjson") and lines != users + 1 + (name == "csv"):
            raise BenchError(f"{name} has {lines:,} lines; there are {users:,} users and an administrator.")
        seconds.append(took)
    return name, statistics.median(seconds), size / 1e6, processes.memory(pid, "VmHWM")


def _download(port: int, name: str) -> tuple[int, int]:
    """How many bytes and how many lines the answer has; it is thrown away as it comes."""
    connection = http.client.HTTPConnection(tools.HOST, port, timeout=PATIENCE)
    try:
        body = json.dumps({"query": CSV_QUERY})
        headers = {**HEADERS, "content-type": "application/json"}
        connection.request("POST", f"/graphql?format={name}", body, headers)
        response = connection.getresponse()
        if response.status != 200:
            raise BenchError(f"{name}: {response.read(500).decode(errors='replace')}")
        size = lines = 0
        while chunk := response.read(CHUNK):
            size += len(chunk)
            lines += chunk.count(b"\n")
        return size, lines
    finally:
        connection.close()


def _timed(work: Callable[[], Any]) -> tuple[float, Any]:
    begun = time.perf_counter()
    result = work()
    return time.perf_counter() - begun, result


if __name__ == "__main__":
    sys.exit(main())
