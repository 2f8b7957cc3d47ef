"""Connections as they run: a page for each parent, with cursors, page info and counts only when selected."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from graph.levels import Child, Level, grouped
from graph.runs import Run
from models.database import Record, Steps
from resolvers import loaders
from resolvers.cursors import encode, orders
from resolvers.loaders import Page
from resolvers.selected import Selected
from resolvers.sources import Relation, Source

Edge = tuple[str, str, int | None]


@dataclass
class ConnectionChild(Child):
    """A page for each parent: its rows in one statement, its counts in another, each only when selected.

    `within` tells the place of its rows in the parent's, where they may have come with it.
    `parts` are pieces of Python that give the connection's fields, from the loaded `pages` and the parent's key `p`.
    """

    source: Source
    relation: Relation | None
    place: int
    selected: Selected
    argued: int
    parts: list[str] = field(default_factory=list)
    levels: list[Level] = field(default_factory=list)
    edge_parts: list[list[Edge]] = field(default_factory=list)
    infos: list[Mapping[str, str]] = field(default_factory=list)
    within: Callable[[], int] | None = None
    needs_rows: bool = False
    needs_total: bool = False

    def expression(self, number: int) -> str:
        return f"c{number}(r[{self.place}])" if self.relation else f"c{number}(0)"

    @cached_property
    def shape(self) -> Callable[["_Pages"], Callable[[int], dict[str, Any]]]:
        """Generated once, as a level's is."""
        made: Callable[[_Pages], Callable[[int], dict[str, Any]]] = eval(  # noqa: S307
            f"lambda pages: lambda p: {{{', '.join(self.parts)}}}"
        )
        return made

    def typename(self, key: str, name: str) -> None:
        self.parts.append(f"{key!r}: {name!r}")

    def _level(self, level: Level) -> int:
        self.needs_rows = True
        self.levels.append(level)
        return len(self.levels) - 1

    def rows(self, key: str, level: Level) -> None:
        self.parts.append(f"{key!r}: pages.levels[{self._level(level)}].get(p) or []")

    def edges(self, key: str, parts: Sequence[tuple[str, str, Level | None]]) -> None:
        self.needs_rows = True
        self.edge_parts.append(
            [(name, what, None if level is None else self._level(level)) for name, what, level in parts]
        )
        self.parts.append(f"{key!r}: pages.edges({len(self.edge_parts) - 1}, p)")

    def page_info(self, key: str, wanted: Mapping[str, str]) -> None:
        self.needs_rows = True
        self.infos.append(wanted)
        self.parts.append(f"{key!r}: pages.info({len(self.infos) - 1}, p)")

    def total(self, key: str) -> None:
        self.needs_total = True
        self.parts.append(f"{key!r}: pages.totals.get(p, 0)")

    def load(self, run: Run, rows: Sequence[Record]) -> Steps[Callable[[int], dict[str, Any]]]:
        asked: Page = run.arguments[self.argued]
        return run.at(asked.as_of, self._load(run, rows, asked))

    def _load(self, run: Run, rows: Sequence[Record], asked: Page) -> Steps[Callable[[int], dict[str, Any]]]:
        keys = self.keys(rows) if self.relation else [0]
        pages = _Pages(self, asked)
        if self.needs_rows and keys:
            yield from self._load_rows(run, rows, keys, asked, pages)
        if self.needs_total and keys:
            pages.totals = yield from self._totals(run, keys, asked)
        return self.shape(pages)

    def _load_rows(
        self, run: Run, parents: Sequence[Record], keys: list[int], asked: Page, pages: "_Pages"
    ) -> Steps[None]:
        if self.relation is None:
            found = yield from loaders.page(run.viewer, run.dialect, self.selected, asked, run.arguments)
        elif self.within is not None and parents[0][self.within()] is not None:
            place = self.within()
            found = [row for parent in parents for row in parent[place]]
        else:
            found = yield from loaders.pages_of(run.viewer, run.dialect, self.relation, self.selected, keys, asked)
        run.require_all(found)
        kept = pages.keep(found)
        for number, level in enumerate(self.levels):
            pages.levels[number] = pages.by_parent(kept, (yield from level.run(run, kept)))

    def _totals(self, run: Run, keys: list[int], asked: Page) -> Steps[Mapping[int, int]]:
        if self.relation is None:
            return {0: (yield from loaders.count(run.viewer, run.dialect, self.source, asked))[0][0]}
        found = yield from loaders.counts_of(run.viewer, run.dialect, self.relation, keys, asked)
        return {row[0]: row[1] for row in found}


class _Pages:
    """The loaded pages of one connection field, by parent."""

    def __init__(self, child: ConnectionChild, asked: Page) -> None:
        self._child = child
        self._asked = asked
        self._rows: dict[int, list[Record]] = {}
        self._more: set[int] = set()
        self.levels: list[dict[int, list[Any]]] = [{} for _ in child.levels]
        self.totals: Mapping[int, int] = {}

    def keep(self, found: Sequence[Record]) -> Sequence[Record]:
        """Drop the rows past each page's end, remembering that there were some, and put backward pages in order."""
        looked_at = self._asked.backwards or self._child.infos or self._child.edge_parts
        if not looked_at and self._are_short(found):
            return found
        self._rows = self.by_parent(found, found)
        for parent, rows in self._rows.items():
            if len(rows) > self._asked.size:
                self._more.add(parent)
                del rows[self._asked.size :]
            if self._asked.backwards:
                rows.reverse()
        return [row for rows in self._rows.values() for row in rows]

    def by_parent(self, rows: Sequence[Record], shaped: Sequence[Any]) -> dict[int, list[Any]]:
        if self._child.relation is not None:
            return grouped(rows, shaped)
        return {0: list(shaped)} if shaped else {}

    def _are_short(self, found: Sequence[Record]) -> bool:
        """Whether no page has a row too many."""
        size = self._asked.size
        return len(found) <= size or (
            self._child.relation is not None and max(Counter(row[0] for row in found).values()) <= size
        )

    def rows(self, parent: int) -> list[Record]:
        return self._rows.get(parent, [])

    def edges(self, number: int, parent: int) -> list[dict[str, Any]]:
        parts = self._child.edge_parts[number]
        return [
            {name: self._edge(what, level, parent, position, row) for name, what, level in parts}
            for position, row in enumerate(self.rows(parent))
        ]

    def _edge(self, what: str, level: int | None, parent: int, position: int, row: Record) -> Any:
        if level is not None:
            return self.levels[level][parent][position]
        return self.cursor(row) if what == "cursor" else what[1:]

    @cached_property
    def _orders(self) -> Any:
        return orders(self._child.source, self._asked.order)

    def cursor(self, row: Record) -> str:
        first = self._child.selected.width
        return encode(self._child.source, self._orders, list(row[first : first + len(self._orders)]))

    def info(self, number: int, parent: int) -> dict[str, Any]:
        return {name: self._info(what, parent) for name, what in self._child.infos[number].items()}

    def _info(self, what: str, parent: int) -> Any:
        rows, more = self.rows(parent), parent in self._more
        if what == "hasNextPage":
            return more if not self._asked.backwards else self._asked.before is not None
        if what == "hasPreviousPage":
            return more if self._asked.backwards else self._asked.after is not None
        if what == "__typename":
            return "PageInfo"
        return (self.cursor(rows[0] if what == "startCursor" else rows[-1])) if rows else None
