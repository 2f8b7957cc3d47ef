"""How much memory the largest answers take that the limits admit, in a directory of a million.

Run: python -m benchmarks.memory [users]; the figures go into docs/reliability.md by hand.
"""

import json
import re
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from benchmarks import processes, tools
from benchmarks.data import directory
from benchmarks.peers import HEADERS, LOGS, ours

USERS = 1_000_000
COLUMNS = """id username email name firstName lastName externalId state accessibility isActive isLdap isSaml isApiOnly
  is2faEnabled hasValidPassword canCreateProjectsInRoot ldapServerNumber loginDn lastLoginAt lastApiRequestAt createdAt
  updatedAt version groupCount role { id name weight } identityProvider { id name prefix } createdBy { id name }
  updatedBy { id name } tags aliases variables { name value } organizations { nodes { id name } }
  groups { nodes { id name } }"""


def questions() -> Iterator[tuple[str, str, dict[str, object]]]:
    page = f"users(first: 1000) {{ nodes {{ {COLUMNS} }} }}"
    yield "a page of 1,000 with every column and list", f"{{ {page} }}", {}
    several = " ".join(f"a{number}: {page}" for number in range(10))
    yield "ten such pages", f"{{ {several} }}", {}
    nested = "groups(first: 100) { nodes { id name users(first: 1000) { nodes { id name email createdAt } } } }"
    yield "a hundred groups with a thousand users each", f"{{ {nested} }}", {}
    yield "every role's thousand users", f"{{ roles {{ id users(first: 1000) {{ nodes {{ {COLUMNS} }} }} }} }}", {}
    yield "a thousand audit events", "{ auditEvents(first: 1000) { nodes { id action changes createdAt } } }", {}
    many = "query ($where: UserWhere) { users(first: 1000, where: $where) { totalCount nodes { id name } } }"
    ids = [f"user_{number}" for number in range(1, 4_901)]
    yield "a condition of 4,900 ids", many, {"where": {"id": {"in": ids}}}
    filled = "groupBy: [{field: CREATED_AT, every: DAY, fill: true}, {field: ROLE}, {field: STATE}], first: 10000"
    yield "a report of 10,000 buckets", f"{{ userReport({filled}) {{ rows }} }}", {}
    axis = 'asOfEach: {from: "2026-02-01T00:00:00Z", to: "2026-05-31T00:00:00Z", every: DAY}'
    grouped = "groupBy: [{field: CREATED_AT, fill: true}, {field: ROLE}], first: 10000"
    yield "a report of 120 moments", f"{{ userReport({axis}, {grouped}) {{ rows }} }}", {}


def main() -> int:
    users = int(sys.argv[1]) if len(sys.argv) > 1 else USERS
    return tools.run(lambda: _measure(users))


def _measure(users: int) -> None:
    with tools.alone(), directory(users) as made:
        for name, url in (("SQLite", made.sqlite), ("PostgreSQL", made.postgres)):
            _measure_one(name, url)


def _measure_one(name: str, url: str) -> None:
    with ours(f"usergraph, {name}", url, LOGS / f"memory-{name}.log") as (peer, pid):
        for title, query, variables in questions():
            before = processes.memory(pid, "VmRSS")
            Path(f"/proc/{pid}/clear_refs").write_text("5")  # the peak begins anew (proc(5))
            begun = time.perf_counter()
            body = json.dumps({"query": query, "variables": variables}).encode()
            status, text = processes.post(peer.port, "/graphql", body, HEADERS)
            took = time.perf_counter() - begun
            peak = processes.memory(pid, "VmHWM")
            print(
                f"{name}: {title}: {_outcome(status, text)}, {took:.1f} s, {before:.0f} MB before, {peak:.0f} MB peak"
            )


def _outcome(status: int, text: bytes) -> str:
    codes: Sequence[str] = re.findall(r'"code":"([A-Z_]+)"', text[:2_000].decode(errors="replace"))
    return codes[0] if codes else f"{status}, {len(text) / 1e6:.1f} MB of text"


if __name__ == "__main__":
    sys.exit(main())
