"""The questions of the bench of reports, in GraphQL and in the SQL of somebody who knows both databases."""

import asyncio
import contextlib
import sqlite3
import subprocess
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import asyncpg

from benchmarks import tools
from benchmarks.data import Directory
from benchmarks.tools import BenchError

CSV_QUERY = "{ users { nodes { id username email name state role { name } lastLoginAt createdAt } } }"
CSV_SQL = """SELECT 'user_' || u.id, u.username, u.email, u.name, u.state, r.name, u.last_login_at, u.created_at
FROM users u JOIN roles r ON r.id = u.role_id ORDER BY u.id"""


@dataclass(frozen=True)
class Report:
    """`names` are those of the answer's columns, in the order of the SQL's."""

    title: str
    query: str
    names: Sequence[str]
    postgres: str
    sqlite: str


def _report(title: str, arguments: str, names: Sequence[str], sql: str, month: tuple[str, str] = ("", "")) -> Report:
    query = f"{{ userReport({arguments}) {{ rows }} }}"
    return Report(title, query, names, sql.replace("<month>", month[0]), sql.replace("<month>", month[1]))


MONTH = (
    "to_char(date_trunc('month', u.created_at AT TIME ZONE 'UTC'), 'YYYY-MM-DD')",
    "substr(u.created_at, 1, 7) || '-01'",
)
REPORTS = (
    _report(
        "by role and state",
        "groupBy: [{field: ROLE}, {field: STATE}]",
        ("role", "roleId", "state", "count"),
        "SELECT r.name, 'role_' || r.id, u.state, COUNT(*) FROM users u JOIN roles r ON r.id = u.role_id"
        " GROUP BY r.id, r.name, u.state ORDER BY r.name, u.state LIMIT 1001",
    ),
    _report(
        "active users by role and month, and how many of them have no second factor",
        "where: {isActive: {eq: true}}, groupBy: [{field: ROLE}, {field: CREATED_AT, every: MONTH}], measures:"
        ' [{measure: COUNT}, {measure: COUNT, where: {is2faEnabled: {eq: false}}, as: "open"}]',
        ("role", "roleId", "createdAt", "count", "open"),
        "SELECT r.name, 'role_' || r.id, <month>, COUNT(*), COUNT(*) FILTER (WHERE u.totp_enabled_at IS NULL)"
        " FROM users u JOIN roles r ON r.id = u.role_id WHERE u.state = 'ACTIVE' GROUP BY r.id, r.name, 3"
        " ORDER BY r.name, 3 LIMIT 1001",
        MONTH,
    ),
    _report(
        "by organization",
        "groupBy: [{field: ORGANIZATION}]",
        ("organization", "organizationId", "count"),
        "SELECT o.name, 'organization_' || o.id, COUNT(*) FROM users u"
        " LEFT JOIN organization_members m ON m.user_id = u.id LEFT JOIN organizations o ON o.id = m.organization_id"
        " GROUP BY o.id, o.name ORDER BY o.name, o.id LIMIT 1000",
    ),
)


class Store:
    """One of the two databases: the same SQL asked of it by its driver, over a connection that stays open, and its own
    writer of CSV.
    """

    def __init__(self, name: str, url: str, directory: Directory) -> None:
        self.name = name
        self.url = url
        self._file = str(directory.sqlite_file)
        self._ask: Callable[[Report], Sequence[Any]]

    @contextlib.contextmanager
    def connected(self) -> Iterator[None]:
        if not self._is_postgres:
            with contextlib.closing(sqlite3.connect(self._file)) as connection:
                self._ask = lambda report: connection.execute(report.sqlite).fetchall()
                yield
            return
        with asyncio.Runner() as runner:
            asked = runner.run(asyncpg.connect(self.url))
            self._ask = lambda report: runner.run(asked.fetch(report.postgres))
            try:
                yield
            finally:
                runner.run(asked.close())

    def rows(self, report: Report) -> list[dict[str, Any]]:
        return [dict(zip(report.names, row, strict=True)) for row in self._ask(report)]

    @property
    def _is_postgres(self) -> bool:
        return self.url.startswith("postgres")

    def write_csv(self) -> None:
        """COPY, or the command sqlite3."""
        if self._is_postgres:
            command = [tools.psql(), self.url, "-c", f"COPY ({CSV_SQL}) TO STDOUT (FORMAT csv, HEADER)"]
        else:
            command = [tools.sqlite3(), "-csv", "-header", self._file, CSV_SQL]
        done = subprocess.run(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, check=False)
        if done.returncode:
            raise BenchError(f"{command[0]}: {done.stderr.decode(errors='replace')[:500]}")


def stores(made: Directory) -> Iterator[Store]:
    yield Store("SQLite", made.sqlite, made)
    yield Store("PostgreSQL", made.postgres, made)
