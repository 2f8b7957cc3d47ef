"""Who came with a key before, and the proof within another statement that the key still opens just that.

A look-up of its own costs as much as a small query. What is remembered decides nothing: the first statement of an
answer says, of the moment at which it reads, whether the key, its owner and their role still are what they were. Where
they are not, the answer is thrown away and the key looked up.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, TypeVar

from models.database import Record, Statement, Steps
from models.dialects import Dialect
from models.values import now
from resolvers.policy import Viewer

T = TypeVar("T")

# Owners with a role in some organization are looked up each time: theirs are several rows.
_STILL = """(SELECT EXISTS (SELECT 1
FROM users u JOIN api_keys k ON k.user_id = u.id JOIN roles r ON r.id = u.role_id
WHERE k.id = {} AND k.digest = {} AND k.revoked_at IS NULL AND (k.expires_at IS NULL OR k.expires_at > {})
AND u.id = {} AND u.username = {} AND u.state = 'ACTIVE' AND r.id = {} AND r.weight = {}
AND CAST(r.rights AS text) = {} AND CAST(k.rights AS text) {same} {}
AND NOT EXISTS (SELECT 1 FROM organization_members m WHERE m.user_id = u.id AND m.role_id IS NOT NULL)))"""
_KINDS = ("bigint", "text", "timestamptz", "bigint", "text", "bigint", "int", "text", "text")


@lru_cache(maxsize=256)
def _still(dialect: str, taken: int) -> str:
    """The proof as an expression, its parameters behind those that a statement has taken."""
    places = [f"${taken + number}" for number in range(1, len(_KINDS) + 1)]
    if dialect == "postgres":
        places = [f"{place}::{kind}" for place, kind in zip(places, _KINDS, strict=True)]
    return _STILL.format(*places, same="IS NOT DISTINCT FROM" if dialect == "postgres" else "IS")


@dataclass
class Proof:
    """`held` once a statement has said that the viewer is who `digest` opens for. `found` is the key's row of then."""

    viewer: Viewer
    digest: str
    found: Record
    held: bool = False

    def within(self, dialect: Dialect, steps: Steps[T]) -> Steps[T | None]:
        """The same plan, its first statement with the proof as a last column; nothing where that does not hold."""
        try:
            statement = next(steps)
        except StopIteration as done:
            self.held = yield from self._alone(dialect)
            return done.value  # type: ignore[no-any-return]
        if statement.listed:
            rows = yield _proving(statement, _still(dialect.name, len(statement.values)), self._values())
            self.held = bool(rows[0][-1]) if rows else (yield from self._alone(dialect))
        else:
            self.held = yield from self._alone(dialect)
            rows = (yield statement) if self.held else []
        while self.held:
            try:
                statement = steps.send(rows)
            except StopIteration as done:
                return done.value  # type: ignore[no-any-return]
            rows = yield statement
        steps.close()
        return None

    def _alone(self, dialect: Dialect) -> Steps[bool]:
        return bool((yield Statement(f"SELECT {_still(dialect.name, 0)}", self._values()))[0][0])

    def _values(self) -> list[Any]:
        row = self.found
        return [row[0], self.digest, now(), row[5], row[6], row[8], row[9], row[10], row[1]]


def _proving(statement: Statement, proof: str, values: Sequence[Any]) -> Statement:
    sql, end = statement.sql, statement.listed
    return statement._replace(
        sql=f"{sql[:end]}, {proof}{sql[end:]}",
        values=[*statement.values, *values],
        width=statement.width and statement.width + 1,
    )
