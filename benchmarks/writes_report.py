"""What writing costs, as a page: in seconds, in times the driver's own inserts, and whether each bar holds."""

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from benchmarks.writes_import import RATE, Imported, Reading
from benchmarks.writes_meter import Cost

MOST_TIMES = 4.0
MOST_WAIT = 5.0
MOST_GROWTH = 1.2
TITLES = {
    "invite": "inviteUsers, all new",
    "upsert": "upsertUsers, all new",
    "unchanged": "upsertUsers, all unchanged",
    "changed": "upsertUsers, all changed",
}


@dataclass
class Outcome:
    """Of one database: what each kind of call cost in each round, and the inserts it is measured by."""

    name: str
    calls: dict[str, list[Cost]] = field(default_factory=dict)
    inserts: dict[str, list[Cost]] = field(default_factory=dict)
    imports: list[Imported] = field(default_factory=list)
    reading: Reading | None = None

    def add(self, kind: str, call: Cost, inserts: Cost) -> None:
        self.calls.setdefault(kind, []).append(call)
        self.inserts.setdefault(kind, []).append(inserts)

    def ratio(self, kind: str, what: str) -> float:
        """The median of the rounds' ratios. What changed little is measured by the inserts of the same rows as new."""
        measure = self.inserts["upsert" if kind in ("unchanged", "changed") else kind]
        pairs = zip(self.calls[kind], measure, strict=True)
        return float(statistics.median(getattr(call, what) / getattr(insert, what) for call, insert in pairs))


def page(rows: int, rounds: int, versions: Mapping[str, str], outcomes: Sequence[Outcome]) -> str:
    lines = [
        f"# Writing {rows:,} users in one call",
        "",
        f"Median of {rounds} rounds, in turn, one process, through HTTP: rights, rules, answers and the audit log"
        " included. Beside it the same rows of the same tables (users, tags, aliases, memberships, invitations,"
        " letters, audit events, with all indexes and triggers), put into a twin of the database by the driver's"
        " `executemany` in one transaction. Processor seconds of the program and of PostgreSQL stand beside the"
        " seconds on the wall. `python -m benchmarks.writes` makes this page.",
        "",
    ]
    for outcome in outcomes:
        lines += [f"## {outcome.name}", "", *_calls(outcome), "", *_imports(outcome), ""]
    lines += ["## Bars", "", *(f"- {bar}" for outcome in outcomes for bar in _bars(outcome)), ""]
    lines += [", ".join(f"{name} {version}" for name, version in versions.items()) + ".", ""]
    return "\n".join(lines)


def _calls(outcome: Outcome) -> list[str]:
    lines = [
        "| | seconds | processor seconds | inserts alone | their processor seconds | times | times, processor |",
        "|---|---|---|---|---|---|---|",
    ]
    for kind, title in TITLES.items():
        call = outcome.calls[kind]
        insert = outcome.inserts["upsert" if kind in ("unchanged", "changed") else kind]
        lines.append(
            f"| {title} | {_middle(call, 'wall'):.2f} | {_processor(call)} | {_middle(insert, 'wall'):.2f}"
            f" | {_processor(insert)} | {outcome.ratio(kind, 'wall'):.2f} | {outcome.ratio(kind, 'cpu'):.2f} |"
        )
    return lines


def _middle(costs: Sequence[Cost], what: str) -> float:
    return float(statistics.median(getattr(cost, what) for cost in costs))


def _processor(costs: Sequence[Cost]) -> str:
    program, server = _middle(costs, "program"), _middle(costs, "server")
    return f"{program:.2f} + {server:.2f}" if server else f"{program:.2f}"


def _imports(outcome: Outcome) -> list[str]:
    lines = [
        f"`usergraph import` of {each.rows:,} rows of CSV: {each.rows / each.wall:,.0f} rows a second,"
        f" {each.cpu:.1f} processor seconds, {each.peak:.0f} MB at the most."
        for each in outcome.imports
    ]
    if outcome.reading is not None:
        idle, busy = outcome.reading.idle, outcome.reading.busy
        lines.append(
            f"A page of 20 at {RATE} a second: p50 {1000 * idle.p50:.1f} ms and p99 {1000 * idle.p99:.1f} ms idle,"
            f" {1000 * busy.p50:.1f} ms and {1000 * busy.p99:.1f} ms while an import runs."
        )
    return [line for each in lines for line in (each, "")][:-1]


def _bars(outcome: Outcome) -> list[str]:
    bars = []
    for kind in ("invite", "upsert"):
        times = outcome.ratio(kind, "wall")
        bars.append(_bar(times, MOST_TIMES, f"{outcome.name}: {TITLES[kind]}, {times:.2f} times the bare inserts"))
    if len(outcome.imports) > 1:
        few, many = outcome.imports[0], outcome.imports[-1]
        growth = many.peak / few.peak
        text = f"{outcome.name}: {many.rows:,} rows take {growth:.2f} times the memory of {few.rows:,}"
        bars.append(_bar(growth, MOST_GROWTH, text))
    if outcome.reading is not None:
        wait = outcome.reading.busy.p99 / outcome.reading.idle.p99
        bars.append(_bar(wait, MOST_WAIT, f"{outcome.name}: p99 of a page under an import, {wait:.2f} times idle"))
    return bars


def _bar(value: float, most: float, text: str) -> str:
    return f"{'holds' if value <= most else '**MISSED**'}: {text} (at most {most:g})"
