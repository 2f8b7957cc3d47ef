"""How much sooner a search answers than the same words looked for row by row, in a directory of a million.

Run: python -m benchmarks.searching [users]; the figures go into docs/reliability.md by hand.
"""

import json
import statistics
import sys
import time

from benchmarks import processes, tools
from benchmarks.data import directory
from benchmarks.peers import HEADERS, LOGS, ours
from benchmarks.questions import questions

USERS = 1_000_000
ROUNDS = 5
BY_INDEX = "query ($word: String!) { users(search: $word, first: 20) { nodes { id } } }"
BY_ROW = """query ($word: String!) { users(first: 20, where: { or: [{ name: { contains: $word } },
  { username: { contains: $word } }, { email: { contains: $word } }, { aliases: { some: { contains: $word } } }] })
  { nodes { id } } }"""


def main() -> int:
    users = int(sys.argv[1]) if len(sys.argv) > 1 else USERS
    return tools.run(lambda: _measure(users))


def _measure(users: int) -> None:
    with tools.alone(), directory(users) as made:
        alias = next(str(each.values["word"]) for each in questions(made) if each.key == "search_rare")
        words = {"an alias": alias, "the middle of one": alias[1:-1], "what nobody has": "xqzvwk"}
        for name, url in (("SQLite", made.sqlite), ("PostgreSQL", made.postgres)):
            with ours(f"usergraph, {name}", url, LOGS / f"searching-{name}.log") as (peer, _):
                for title, word in words.items():
                    found, quick = _asked(peer.port, BY_INDEX, word)
                    scanned, slow = _asked(peer.port, BY_ROW, word)
                    if found != scanned:
                        raise tools.BenchError(f"{name}, {title}: the search and the scan differ.")
                    print(f"{name}: {title}: {quick * 1000:.1f} ms, row by row {slow / quick:,.0f} times as long")


def _asked(port: int, query: str, word: str) -> tuple[bytes, float]:
    """The rows, and the median of the seconds that they took."""
    body = json.dumps({"query": query, "variables": {"word": word}}).encode()
    seconds, rows = [], b""
    for _ in range(ROUNDS):
        begun = time.perf_counter()
        status, text = processes.post(port, "/graphql", body, HEADERS)
        seconds.append(time.perf_counter() - begun)
        if status != 200:
            raise tools.BenchError(f"the answer has status {status}: {text[:300]!r}")
        rows = json.dumps(json.loads(text)["data"]).encode()
    return rows, statistics.median(seconds)


if __name__ == "__main__":
    sys.exit(main())
