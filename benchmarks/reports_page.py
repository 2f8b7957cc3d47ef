"""The page that the bench of reports writes: ratios, bars, and the figures behind them."""

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from benchmarks.reports import Outcome

MOST_REPORT = 1.2  # times the same SQL by hand
MOST_CSV = 5.0  # times the database's own writer
MOST_MEMORY = 250  # megabytes


def page(users: int, rounds: int, outcomes: Sequence["Outcome"]) -> str:
    return "\n".join(_lines(users, rounds, outcomes)) + "\n"


def _lines(users: int, rounds: int, outcomes: Sequence["Outcome"]) -> Iterator[str]:
    yield f"# Reports and exports of {users:,} users"
    yield ""
    yield (
        f"Median of {rounds} rounds, in turn, one process, through HTTP: rights, rules and visibility included. Beside"
        " it the same SQL by hand, asked by the driver with a connection of its own, and the database's own writer of"
        " CSV (COPY by psql; the command sqlite3). `python -m benchmarks.reports` makes this page."
    )
    for outcome in outcomes:
        yield ""
        yield f"## {outcome.store}"
        yield ""
        yield "| userReport | rows | seconds | by hand | times |"
        yield "|---|--:|--:|--:|--:|"
        for title, rows, ours, by_hand in outcome.reports:
            yield f"| {title} | {rows:,} | {ours:.2f} | {by_hand:.2f} | {ours / by_hand:.2f} |"
        yield ""
        yield "| users by role | seconds | times the same of now |"
        yield "|---|--:|--:|"
        for moments, then, now in outcome.past:
            told = "as of a moment" if moments == 1 else f"at the end of each of {moments} months"
            yield f"| {told} | {then:.2f} | {then / now:.1f} |"
        yield ""
        yield f"The database's own CSV takes {outcome.writer:.1f} s."
        yield ""
        yield "| export | seconds | MB | times its own CSV | memory at the most, MB |"
        yield "|---|--:|--:|--:|--:|"
        for name, seconds, size, memory in outcome.exports:
            yield f"| {name} | {seconds:.1f} | {size:.0f} | {seconds / outcome.writer:.1f} | {memory:.0f} |"
    yield ""
    yield "## Bars"
    yield ""
    for outcome in outcomes:
        yield from _bars(outcome)


def _bars(outcome: "Outcome") -> Iterator[str]:
    for title, _, ours, by_hand in outcome.reports:
        yield _bar(outcome, f"{title}, times the SQL by hand", ours / by_hand, MOST_REPORT)
    for name, seconds, _, memory in outcome.exports:
        if name == "csv":
            yield _bar(outcome, "CSV, times the database's own", seconds / outcome.writer, MOST_CSV)
        yield _bar(outcome, f"{name}, memory in MB", memory, MOST_MEMORY)


def _bar(outcome: "Outcome", what: str, found: float, most: float) -> str:
    holds = "holds" if found <= most else "**missed**"
    return f"- {holds}: {outcome.store}: {what}: {found:.2f}, at most {most:g}"
