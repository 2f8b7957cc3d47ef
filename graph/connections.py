"""Connections as they run: a page for each parent, with cursors, page info and counts only when selected."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from graph.levels import Child, Level, Run, grouped
from models.database import Record
from resolvers import loaders
from resolvers.cursors import encode, orders
from resolvers.loaders import Page
from resolvers.sources import Relation, Source


@dataclass
class ConnectionChild(Child):
    """A page for each parent: its rows in one statement, its counts in another, each only when selected."""

    source: Source
    relation: Relation | None
    place: int
    columns: list[str]
    argued: int
    parts: list[Callable[["_Pages", int], tuple[str, Any]]] = field(default_factory=list)
    levels: list[Level] = field(default_factory=list)
    needs_rows: bool = False
    needs_total: bool = False

    def expression(self, number: int) -> str:
        return f"c{number}(r[{self.place}])" if self.relation else f"c{number}(0)"

    def typename(self, key: str, name: str) -> None:
        self.parts.append(lambda pages, parent: (key, name))

    def _level(self, level: Level) -> int:
        self.needs_rows = True
        self.levels.append(level)
        return len(self.levels) - 1

    def rows(self, key: str, level: Level) -> None:
        number = self._level(level)
        self.parts.append(lambda pages, parent: (key, pages.shaped(number, parent)))

    def edges(self, key: str, parts: Sequence[tuple[str, str, Level | None]]) -> None:
        self.needs_rows = True
        numbered = [(name, what, None if level is None else self._level(level)) for name, what, level in parts]

        def edge(pages: "_Pages", parent: int, position: int, row: Record) -> dict[str, Any]:
            made: dict[str, Any] = {}
            for name, what, number in numbered:
                if number is not None:
                    made[name] = pages.shaped(number, parent)[position]
                else:
                    made[name] = pages.cursor(row) if what == "cursor" else what[1:]
            return made

        self.parts.append(
            lambda pages, parent: (
                key,
                [edge(pages, parent, i, row) for i, row in enumerate(pages.rows(parent))],
            )
        )

    def page_info(self, key: str, wanted: Mapping[str, str]) -> None:
        self.needs_rows = True
        self.parts.append(
            lambda pages, parent: (key, {name: pages.info(what, parent) for name, what in wanted.items()})
        )

    def total(self, key: str) -> None:
        self.needs_total = True
        self.parts.append(lambda pages, parent: (key, pages.totals.get(parent, 0)))

    async def load(self, run: Run, rows: Sequence[Record]) -> Callable[[int], dict[str, Any]]:
        asked: Page = run.arguments[self.argued]
        keys = list({row[self.place] for row in rows}) if self.relation else [0]
        pages = _Pages(self.source, asked, len(self.columns))
        if self.needs_rows:
            await self._load_rows(run, keys, asked, pages)
        if self.needs_total:
            pages.totals = await self._totals(run, keys, asked)
        return lambda parent: dict(part(pages, parent) for part in self.parts)

    async def _load_rows(self, run: Run, keys: list[int], asked: Page, pages: "_Pages") -> None:
        if self.relation is None:
            found = await loaders.page(run.connection, run.viewer, self.source, self.columns, asked)
        else:
            found = await loaders.pages_of(run.connection, run.viewer, self.relation, self.columns, keys, asked)
        kept = pages.keep(found)
        for level in self.levels:
            pages.levels.append(grouped(kept, await level.run(run, kept)))

    async def _totals(self, run: Run, keys: list[int], asked: Page) -> Mapping[int, int]:
        if self.relation is None:
            return {0: await loaders.count(run.connection, run.viewer, self.source, asked)}
        return await loaders.counts_of(run.connection, run.viewer, self.relation, keys, asked)


class _Pages:
    """The loaded pages of one connection field, by parent."""

    def __init__(self, source: Source, asked: Page, width: int) -> None:
        self._source = source
        self._asked = asked
        self._width = width
        self._orders = orders(source, asked.order)
        self._rows: dict[int, list[Record]] = {}
        self._more: set[int] = set()
        self.levels: list[dict[int, list[Any]]] = []
        self.totals: Mapping[int, int] = {}

    def keep(self, found: Sequence[Record]) -> list[Record]:
        """Drop the row past each page's end, remembering that it was there, and put backward pages in order."""
        for row in found:
            self._rows.setdefault(row[0], []).append(row)
        for parent, rows in self._rows.items():
            if len(rows) > self._asked.size:
                self._more.add(parent)
                del rows[self._asked.size :]
            if self._asked.backwards:
                rows.reverse()
        return [row for rows in self._rows.values() for row in rows]

    def rows(self, parent: int) -> list[Record]:
        return self._rows.get(parent, [])

    def shaped(self, number: int, parent: int) -> list[Any]:
        return self.levels[number].get(parent, [])

    def cursor(self, row: Record) -> str:
        return encode(self._source, self._orders, list(row[self._width + 1 :]))

    def info(self, what: str, parent: int) -> Any:
        rows, more = self.rows(parent), parent in self._more
        if what == "hasNextPage":
            return more if not self._asked.backwards else self._asked.before is not None
        if what == "hasPreviousPage":
            return more if self._asked.backwards else self._asked.after is not None
        if what == "__typename":
            return "PageInfo"
        return (self.cursor(rows[0] if what == "startCursor" else rows[-1])) if rows else None
