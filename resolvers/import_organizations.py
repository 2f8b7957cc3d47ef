"""The organizations that rows of a file name: by path, by name or by typed id."""

import re
from collections.abc import Mapping, Sequence
from typing import Any

from models.database import Connection
from models.lists import path_names
from models.values import key

_ID = re.compile(r"organization_\d+")


async def with_organizations(connection: Connection, users: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """The rows with organizations as ids; what names none, or more than one, stays, and its row is refused.

    `/Acme/Sales` is a path, as `Organization.path` gives it. Anything else is a name, or a typed id.
    """
    asked = {name for user in users for name in user["organization_names"]}
    known = await _Tree.load(connection, asked) if asked else None

    def typed(name: str) -> str:
        found = known.find(name) if known else None
        return f"organization_{found}" if found is not None else name

    return [
        {**user, "organization_ids": [*user.get("organization_ids", ()), *map(typed, user["organization_names"])]}
        for user in users
    ]


class _Tree:
    """The organizations that have one of the names asked for, and the root."""

    def __init__(self, rows: Sequence[Sequence[Any]]) -> None:
        self._root = next((row[0] for row in rows if row[1] is None), None)
        self._below = {(row[1], row[2]): row[0] for row in rows}
        self._named: dict[str, list[int]] = {}
        for row in rows:
            self._named.setdefault(row[2], []).append(row[0])

    @classmethod
    async def load(cls, connection: Connection, asked: set[str]) -> "_Tree":
        names = {key(part) for name in asked for part in (name, *path_names(name))}
        among = connection.dialect.among("name_key", "$1", "text")
        sql = f"SELECT id, parent_id, name_key FROM organizations WHERE parent_id IS NULL OR {among}"
        return cls(await connection.rows(sql, sorted(names)))

    def find(self, name: str) -> int | None:
        if name.startswith("/") and (found := self._at(path_names(name))) is not None:
            return found
        ids = self._named.get(key(name), [])
        if len(ids) == 1:
            return ids[0]
        return int(name.removeprefix("organization_")) if not ids and _ID.fullmatch(name) else None

    def _at(self, names: Sequence[str]) -> int | None:
        """The organization at a path."""
        found: int | None = self._root
        for name in names:
            found = self._below.get((found, key(name))) if found is not None else None
        return found
