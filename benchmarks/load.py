"""The load: wrk for throughput, h2load for latency at a constant rate. Both on this machine only, bounded in time."""

import json
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks import tools
from benchmarks.peers import Peer
from benchmarks.questions import Question
from benchmarks.tools import HERE, HOST, WORK, BenchError

CONNECTIONS = 8
CLIENTS = 16  # at the constant rate, so that a slow answer does not delay the next request
FEWEST = 100  # requests, below which a percentile says nothing
FEWEST_COUNTED = 3 * CONNECTIONS  # requests, below which a throughput says nothing
MOST_SECONDS = 60


@dataclass(frozen=True)
class Shot:
    """One peer's request for one question, as it is sent again and again."""

    peer: Peer
    question: Question
    body: bytes
    length: int

    @property
    def url(self) -> str:
        return f"http://{HOST}:{self.peer.port}{self.peer.path(self.question)}"

    @property
    def headers(self) -> list[str]:
        return [f"{name}: {value}" for name, value in self.peer.headers.items()]

    def file(self) -> Path:
        path = WORK / "body.json"
        path.write_bytes(self.body)
        return path


@dataclass(frozen=True)
class Latency:
    """Seconds; `kept` tells whether the rate was reached."""

    rate: float
    p50: float
    p99: float
    kept: bool


def throughput(shot: Shot, seconds: int) -> float:
    """Requests a second, all of them answered well; a slow peer is given longer to show it. Raises BenchError."""
    while True:
        told = _posted(shot, seconds)
        if told["requests"] >= FEWEST_COUNTED or seconds == MOST_SECONDS:
            break
        enough = 1.2 * seconds * FEWEST_COUNTED / max(told["requests"], 1)
        seconds = min(MOST_SECONDS, max(seconds + 1, round(enough)))
    if not told["requests"]:
        raise BenchError(f"{shot.peer.name}, {shot.question.title}: no answer within {seconds} seconds.")
    return told["requests"] * 1_000_000 / told["microseconds"]


def warm_up(shot: Shot, seconds: int) -> None:
    _posted(shot, seconds)


def _posted(shot: Shot, seconds: int) -> dict[str, int]:
    command = [tools.wrk(), "-t1", f"-c{CONNECTIONS}", f"-d{seconds}s", "--timeout", "120s"]
    command += ["-s", str(HERE / "load.lua"), shot.url, "--", str(shot.file()), *shot.headers]
    said = _run(command, seconds + 60)
    told: dict[str, int] = json.loads(said.strip().splitlines()[-1])
    if told["failed"]:
        raise BenchError(f"{shot.peer.name}, {shot.question.title}: {told['failed']} requests failed.")
    if told["bytes"] < told["requests"] * shot.length:
        raise BenchError(f"{shot.peer.name}, {shot.question.title}: answers became shorter under load.")
    return told


def latency(shot: Shot, rate: float, seconds: int) -> Latency:
    """Percentiles at a constant rate, requests evenly spread over time."""
    count = max(FEWEST, round(rate * seconds))
    count = CLIENTS * round(min(count, rate * MOST_SECONDS) / CLIENTS + 0.5)
    log = WORK / "latency.log"
    log.unlink(missing_ok=True)
    # Connections begin one after the other within one period of a client, and stay that far apart.
    command = [tools.h2load(), "--h1", "-t1", f"-c{CLIENTS}", f"-n{count}", f"--rps={rate / CLIENTS:.4f}", "-r1"]
    command += [f"--rate-period={max(1, round(1000 / rate))}ms", "-d", str(shot.file()), f"--log-file={log}"]
    for header in ("content-type: application/json", *shot.headers):
        command += ["-H", header]
    _run([*command, shot.url], 2 * MOST_SECONDS + 60)
    rows = [tuple(map(int, line.split()[:3])) for line in log.read_text().splitlines()]
    if len(rows) < count or any(status != 200 for _, status, _ in rows):
        raise BenchError(f"{shot.peer.name}, {shot.question.title}: requests failed at {rate:.0f} a second.")
    times = sorted(taken / 1e6 for _, _, taken in rows)
    starts = [start / 1e6 for start, _, _ in rows]
    reached = (len(rows) - 1) / (max(starts) - min(starts))
    return Latency(rate, _percentile(times, 0.50), _percentile(times, 0.99), reached > 0.95 * rate)


def _percentile(ordered: Sequence[float], share: float) -> float:
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))]


def _run(command: Sequence[str], limit: float) -> str:
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=limit)
    except subprocess.TimeoutExpired as error:
        raise BenchError(f"{Path(command[0]).name} did not end within {limit:.0f} seconds.") from error
    if done.returncode:
        raise BenchError(f"{Path(command[0]).name} failed: {(done.stderr or done.stdout).strip()[-500:]}")
    return done.stdout
