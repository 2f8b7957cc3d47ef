"""How large tables are, about: whether reading every row of one is slow enough to warn of."""

from collections.abc import Sequence
from time import monotonic
from typing import Any

from models.database import Database
from resolvers.advice import ScanWarning

LARGE = 10_000  # rows; fewer are read in some milliseconds
KEPT_SECONDS = 300.0


class TableSizes:
    """What was found is used for some minutes: a warning should not cost a statement with every request."""

    def __init__(self) -> None:
        self._known: dict[str, tuple[float, int]] = {}

    async def warnings(
        self, database: Database, found: Sequence[tuple[ScanWarning, Sequence[str | int]]]
    ) -> dict[str, Any]:
        """The extensions of an answer: the warnings about large tables, if any."""
        tables = {warning.table for warning, _ in found}
        large = {table for table in tables if await self._rows(database, table) >= LARGE}
        told = [{"message": warning.text, "path": path} for warning, path in found if warning.table in large]
        return {"warnings": told} if told else {}

    async def _rows(self, database: Database, table: str) -> int:
        """At most so many rows: the largest id, which an index holds on every database."""
        at, rows = self._known.get(table, (-KEPT_SECONDS, 0))
        if monotonic() - at < KEPT_SECONDS:
            return rows
        async with database.reading() as connection:
            rows = int(await connection.scalar(f"SELECT COALESCE(MAX(id), 0) FROM {table}"))
        self._known[table] = monotonic(), rows
        return rows
