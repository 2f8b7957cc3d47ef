"""The bench: checks that all peers answer alike, then measures them in turn. Run: make bench"""

import argparse
import statistics
import sys
from collections.abc import Sequence
from typing import Any

from tqdm import tqdm

from benchmarks import report, tools
from benchmarks.data import directory
from benchmarks.load import Latency, Shot, latency, throughput, warm_up
from benchmarks.peers import NAMES, PLAIN, Peer, all_peers
from benchmarks.questions import Answer, Question, questions
from benchmarks.report import Outcome, Run
from benchmarks.tools import BenchError

SHARE = 0.6  # of the slowest peer's throughput: the rate at which latencies are compared


def main(arguments: Sequence[str] | None = None) -> int:
    given = _parser().parse_args(arguments)
    return tools.run(lambda: _bench(given))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="benchmarks", description="usergraph beside what its users would pick.")
    parser.add_argument("--users", type=_positive, default=report.USERS, help=f"how many ({report.USERS:,})")
    parser.add_argument("--rounds", type=_positive, default=report.ROUNDS, help=f"how often ({report.ROUNDS})")
    parser.add_argument("--seconds", type=_positive, default=4, help="of a sample (4); half as long to warm up")
    parser.add_argument("--only", nargs="+", metavar="QUESTION", help="some questions, such as page_100 search")
    return parser


def _positive(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError("at least 1")
    return number


def _bench(given: argparse.Namespace) -> None:
    tools.require_all()
    with tools.alone(), directory(given.users) as made:
        asked = [q for q in questions(made) if not given.only or q.key in given.only]
        if not asked:
            raise BenchError(f"no such question; there are {', '.join(q.key for q in questions(made))}.")
        with all_peers(made) as peers:
            shots = {question.key: _checked(question, peers) for question in asked}
            print(f"All {len(peers)} peers answer all {len(asked)} questions alike.", flush=True)
            versions = report.versions(made)
            outcomes = _measure(asked, shots, given.rounds, given.seconds)
    run = Run(given.users, given.rounds, given.seconds, versions, outcomes)
    text = report.markdown(run)
    print("\n" + text)
    path = report.path(run, is_whole=not given.only)
    path.write_text(text)
    print(f"\nWritten to {path.relative_to(tools.ROOT)}")


def _checked(question: Question, peers: Sequence[Peer]) -> list[Shot]:
    """One request a peer, whose answers are all the same. Raises BenchError."""
    shots: list[Shot] = []
    expected: Answer | None = None
    for peer in peers:
        try:
            body = peer.body(question)
            answer, length = peer.ask(question, body)
        except (BenchError, KeyError, TypeError, IndexError, ValueError) as error:
            raise BenchError(f"{peer.name}, {question.title}: {type(error).__name__}: {error}") from error
        expected = expected or answer
        if answer != expected:
            raise BenchError(
                f"{question.title}: {peer.name} and {peers[0].name} differ. {_difference(expected, answer)}"
            )
        if not answer.people:
            raise BenchError(f"{question.title}: nobody is in the answer, so it measures nothing.")
        shots.append(Shot(peer, question, body, length))
    return shots


def _difference(expected: Answer, answer: Answer) -> str:
    if expected.total != answer.total:
        return f"totalCount: {expected.total} and {answer.total}"
    if len(expected.people) != len(answer.people):
        return f"users: {len(expected.people)} and {len(answer.people)}"
    return next(f"{a} and {b}" for a, b in zip(expected.people, answer.people, strict=True) if a != b)


def _measure(asked: Sequence[Question], shots: dict[str, list[Shot]], rounds: int, seconds: int) -> dict[str, Outcome]:
    """One peer under load at a time; in every round each peer has its turn."""
    outcomes = {}
    steps = len(asked) * (rounds + 1) * len(NAMES)
    bar: tqdm[Any] = tqdm(total=steps, unit=" samples", disable=None)
    with bar:
        for question in asked:
            samples: dict[str, list[float]] = {name: [] for name in NAMES}
            for number in range(rounds):
                for shot in shots[question.key]:
                    bar.set_description(f"{question.key}, round {number + 1}, {shot.peer.name}")
                    warm_up(shot, max(1, seconds // 2))
                    samples[shot.peer.name].append(throughput(shot, seconds))
                    bar.update()
            latencies = _latencies(shots[question.key], samples, seconds, bar)
            outcomes[question.key] = outcome = Outcome(question, samples, latencies)
            bar.write(report.line(outcome))
    return outcomes


def _latencies(
    shots: Sequence[Shot], samples: dict[str, list[float]], seconds: int, bar: "tqdm[Any]"
) -> dict[str, Latency]:
    """At one rate for all. The plain service sets no rate, and is left out where it cannot keep up."""
    middle = {name: statistics.median(found) for name, found in samples.items()}
    rate = SHARE * min(value for name, value in middle.items() if name != PLAIN)
    found = {}
    for shot in shots:
        bar.set_description(f"{shot.question.key}, {rate:.0f} a second, {shot.peer.name}")
        if middle[shot.peer.name] > rate / 0.8:
            warm_up(shot, 1)
            found[shot.peer.name] = latency(shot, rate, 2 * seconds)
        bar.update()
    return found


if __name__ == "__main__":
    sys.exit(main())
