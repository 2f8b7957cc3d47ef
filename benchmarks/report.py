"""What was found, as a page: throughput, ratios, latencies, and whether each bar holds."""

import asyncio
import datetime
import json
import os
import platform
import sqlite3
import statistics
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

import asyncpg

from benchmarks import peers, tools
from benchmarks.data import Directory
from benchmarks.load import CLIENTS, CONNECTIONS, Latency
from benchmarks.peers import HAND, HAND_SQLITE, NAMES, OURS, OURS_SQLITE, PLAIN, POSTGRAPHILE
from benchmarks.questions import Question
from benchmarks.tools import HERE, WORK

USERS = 100_000
ROUNDS = 5


@dataclass(frozen=True)
class Outcome:
    """Requests a second by peer, one for each round, and latencies by peer at one rate."""

    question: Question
    samples: Mapping[str, Sequence[float]]
    latencies: Mapping[str, Latency]

    def middle(self, name: str) -> float:
        return statistics.median(self.samples[name])

    def ratio(self, name: str, other: str) -> float:
        """The median of the rounds' ratios: what slows a whole round down does not move it."""
        return statistics.median(a / b for a, b in zip(self.samples[name], self.samples[other], strict=True))


@dataclass(frozen=True)
class Run:
    users: int
    rounds: int
    seconds: int
    versions: Mapping[str, str]
    outcomes: Mapping[str, Outcome]


@dataclass(frozen=True)
class Bar:
    question: str
    name: str
    other: str
    least: float


RATIOS = ((OURS, POSTGRAPHILE), (OURS, PLAIN), (OURS, HAND), (OURS_SQLITE, HAND_SQLITE))
BARS = (
    *(Bar(question, OURS, POSTGRAPHILE, 1.5) for question in ("page_1", "one")),
    *(Bar(question, OURS, POSTGRAPHILE, 2.0) for question in ("page_20", "page_100", "page_1000")),
    Bar("page_100", OURS, PLAIN, 15),
    Bar("page_100", OURS, HAND, 0.8),
    Bar("page_100", OURS_SQLITE, HAND_SQLITE, 0.5),
)
MOST_BEHIND = 1.3  # times the first page's cost, at a million users


def path(run: Run, *, is_whole: bool) -> Path:
    """A trial does not overwrite what was measured in earnest."""
    if run.rounds < ROUNDS or run.users < USERS or not is_whole:
        return WORK / "results.md"
    return HERE / ("results.md" if run.users == USERS else f"results-{run.users}.md")


def versions(directory: Directory) -> dict[str, str]:
    wanted = ("strawberry-graphql", "graphql-core", "tortoise-orm", "uvicorn", "asyncpg", "aiosqlite", "orjson")
    modules = peers.INSTALLED / "node_modules"

    def packaged(name: str) -> str:
        return str(json.loads((modules / name / "package.json").read_text())["version"])

    node = next(modules.glob("node-linux-*"))
    plugins = ("postgraphile-plugin-connection-filter", "@graphile-contrib/pg-many-to-many")
    return {
        "usergraph": f"{version('usergraph')} ({_revision()})",
        "Python": platform.python_version(),
        **{name: version(name) for name in wanted},
        "PostgreSQL": asyncio.run(_postgres_version(directory.postgres)),
        "SQLite": sqlite3.sqlite_version,
        "PostGraphile": packaged("postgraphile"),
        **{name: packaged(name) for name in plugins},
        "Node.js": packaged(node.name),
        "wrk": _said(tools.wrk(), "-v").split("[")[0].rpartition("/")[2].strip(),
        "h2load": _said(tools.h2load(), "--version").rpartition("/")[2].strip(),
    }


def _revision() -> str:
    changed = ", with changes" if _said("git", "status", "--porcelain", "--", "graph", "resolvers", "models") else ""
    return (_said("git", "rev-parse", "--short", "HEAD").strip() or "no git") + changed


def _said(*command: str) -> str:
    try:
        return subprocess.run(command, cwd=tools.ROOT, capture_output=True, text=True, check=False).stdout
    except OSError:
        return ""


async def _postgres_version(url: str) -> str:
    connection = await asyncpg.connect(url)
    try:
        return str(await connection.fetchval("SHOW server_version")).split()[0]
    finally:
        await connection.close()


def markdown(run: Run) -> str:
    outcomes = list(run.outcomes.values())
    cores = len(os.sched_getaffinity(0))
    parts = [
        "# usergraph beside its peers",
        f"{datetime.date.today().isoformat()}, {run.users:,} users, {run.rounds} rounds of {run.seconds} s a sample"
        f" after {max(1, run.seconds // 2)} s to warm up, {cores} cores shared by load, server and database."
        " The same answer is asked of each, and was compared before measuring: 7 columns, role, organizations,"
        " createdBy. One process each, one peer under load at a time. The ratios are what to read: they hold"
        " where absolute figures drift.",
        "## Ratios",
        "Of requests a second; the median over the rounds.",
        _table(
            ["", *(_versus(a, b) for a, b in RATIOS)],
            [[o.question.title, *(f"{o.ratio(a, b):.2f}" for a, b in RATIOS)] for o in outcomes],
        ),
        "## Bars",
        _bars(run),
        "## Requests a second",
        f"{CONNECTIONS} connections; the median over the rounds.",
        _table(
            ["", *NAMES],
            [[o.question.title, *(_figure(o.middle(name)) for name in NAMES)] for o in outcomes],
        ),
        "## Latency",
        f"p50 / p99 in milliseconds over {CLIENTS} connections, at a constant rate: 60 % of the slowest peer's"
        " throughput, Strawberry + Tortoise aside (—: it cannot keep up; *: the rate was not reached).",
        _table(
            ["", "requests a second", *NAMES],
            [[o.question.title, _rate(o), *(_latency(o.latencies.get(name)) for name in NAMES)] for o in outcomes],
        ),
        "## Versions",
        _table(["", ""], [[name, found] for name, found in run.versions.items()]),
        "PostGraphile has its best configuration: amber preset, production environment, no explain, no one to"
        " authenticate, answers put together as text, organizations through its many-to-many plugin as a plain list."
        " usergraph authenticates every request by API key, checks rights, and bounds cost.",
    ]
    return "\n\n".join(parts) + "\n"


def line(outcome: Outcome) -> str:
    """One question while the bench still runs."""
    figures = ", ".join(f"{name} {_figure(outcome.middle(name))}" for name in NAMES)
    return f"{outcome.question.title}, requests a second: {figures}"


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [head, ["---", *("--:" for _ in head[1:])], *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _versus(name: str, other: str) -> str:
    ours, theirs = name.split(", "), other.split(", ")
    return f"{ours[0]} / {theirs[0]}, {ours[1]}"


def _figure(value: float) -> str:
    return f"{value:,.0f}" if value >= 20 else f"{value:.1f}"


def _rate(outcome: Outcome) -> str:
    return _figure(next(iter(outcome.latencies.values())).rate)


def _latency(found: Latency | None) -> str:
    if found is None:
        return "—"
    return f"{found.p50 * 1000:.1f} / {found.p99 * 1000:.1f}" + ("" if found.kept else " *")


def _bars(run: Run) -> str:
    if run.users < USERS or run.rounds < ROUNDS:
        note = f"A trial: the bars are for {USERS:,} users and {ROUNDS} rounds or more."
    else:
        note = ""
    lines = []
    for bar in BARS:
        if bar.question in run.outcomes:
            outcome = run.outcomes[bar.question]
            found = outcome.ratio(bar.name, bar.other)
            text = f"{_versus(bar.name, bar.other)}, {outcome.question.title}: {found:.2f}, at least {bar.least:g}"
            lines.append(_verdict(found >= bar.least, text))
    if {"behind", "page_20"} <= set(run.outcomes):
        lines += [_behind(run, name) for name in (OURS, OURS_SQLITE)]
    return "\n".join([*([note, ""] if note else []), *lines])


def _behind(run: Run, name: str) -> str:
    first, behind = run.outcomes["page_20"], run.outcomes["behind"]
    pairs = zip(first.samples[name], behind.samples[name], strict=True)
    found = statistics.median(a / b for a, b in pairs)
    text = f"{name}, {behind.question.title}: {found:.2f} times the cost of the first page, at most {MOST_BEHIND}"
    return _verdict(found <= MOST_BEHIND, text)


def _verdict(holds: bool, text: str) -> str:
    return f"- {'holds' if holds else '**missed**'}: {text}"
