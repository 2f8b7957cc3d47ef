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
FORMATS = ("csv", "ndjson", "arrow", "parquet", "xlsx")
# The same question of now and of the past, for which there is no SQL by hand to compare: by how many moments.
HEADCOUNT = "where: {state: {ne: DEACTIVATED}}, groupBy: [{field: ROLE}]"
PAST = {
    1: 'asOf: "2026-06-30T00:00:00Z"',
    24: 'asOfEach: {from: "2024-07-01T00:00:00Z", to: "2026-06-30T00:00:00Z", every: MONTH}',
}
CHUNK = 1 << 20
PATIENCE = 600  # seconds for one answer


@dataclass
class Outcome:
    """Of one database: medians of seconds, ours and by hand; megabytes of our process at the most."""

    store: str
    reports: list[tuple[str, int, float, float]] = field(default_factory=list)
    exports: list[tuple[str, float, float, float]] = field(default_factory=list)  # format, seconds, MB of text, memory
    writer: float = 0.0
    past: list[tuple[int, float, float]] = field(default_factory=list)  # moments, seconds, those of now


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="benchmarks.reports", description="Reports beside the same SQL by hand.")
    parser.add_argument("--users", type=int, default=USERS, help=f"how many ({USERS:,})")
    parser.add_argument("--rounds", type=int, default=ROUNDS, help=f"how often ({ROUNDS})")
    given = parser.parse_args(arguments)
    return tools.run(lambda: _bench(given.users, given.rounds))


def _bench(users: int, rounds: int) -> None:
    """Raises BenchError where a bar is missed, once the page is written."""
    with tools.alone(), directory(users) as made:
        outcomes = [_measured(store, made, rounds) for store in stores(made)]
    text = reports_page.page(users, rounds, outcomes)
    print("\n" + text)
    path = (HERE if users >= USERS and rounds >= ROUNDS else WORK) / "reports.md"
    path.write_text(text)
    print(f"\nWritten to {path.relative_to(ROOT)}")
    if "**missed**" in text:
        raise BenchError("A bar is missed: see above.")


def _measured(store: Store, made: Directory, rounds: int) -> Outcome:
    outcome = Outcome(store.name)
    log = LOGS / f"reports-{store.name}.log"
    with store.connected(), ours(f"usergraph, {store.name}", store.url, log) as (peer, pid):
        for report in REPORTS:
            outcome.reports.append(_report(store, peer, report, rounds))
        outcome.past = [_past(peer, moments, asked, rounds) for moments, asked in PAST.items()]
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


def _past(peer: Peer, moments: int, asked: str, rounds: int) -> tuple[int, float, float]:
    """In turn, and compared: the last moment is like now, as nothing has changed since."""
    past, present = [], []
    for _ in range(rounds + 1):
        now, rows = _timed(lambda: _rows(peer, HEADCOUNT))
        then, found = _timed(lambda: _rows(peer, f"{HEADCOUNT}, {asked}"))
        last = [{name: value for name, value in row.items() if name != "asOf"} for row in found[-len(rows) :]]
        if last != rows or len(found) < moments:
            raise BenchError(f"{peer.name}: what was at the last of {moments} moments is not what is now.")
        past.append(then)
        present.append(now)
    return moments, statistics.median(past[1:]), statistics.median(present[1:])


def _rows(peer: Peer, arguments: str) -> list[dict[str, Any]]:
    body = json.dumps({"query": f"{{ userReport({arguments}) {{ rows }} }}"}).encode()
    status, text = processes.post(peer.port, "/graphql", body, HEADERS)
    answer = json.loads(text)
    if status != 200 or "errors" in answer:
        raise BenchError(f"{arguments}: {text[:500].decode(errors='replace')}")
    rows: list[dict[str, Any]] = answer["data"]["userReport"]["rows"]
    return rows


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
