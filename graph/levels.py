"""The parts of a plan as they run: a level shapes rows, its children load one batch each."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

import orjson

from models.database import Connection, Record
from resolvers import loaders, users
from resolvers.filters import number_of
from resolvers.policy import Viewer
from resolvers.sources import Kind, Relation, Source, everything


@dataclass
class Run:
    """One execution of a plan: the connection it reads on, for whom, and its evaluated arguments."""

    connection: Connection
    viewer: Viewer
    arguments: Sequence[Any]


class Child:
    """A field that needs a batch. `load` answers what the shape of the parent looks its values up in."""

    place: int

    def expression(self, number: int) -> str:
        return f"c{number}.get(r[{self.place}])"

    async def load(self, run: Run, rows: Sequence[Record]) -> Any:
        raise NotImplementedError


def moment(value: Any) -> str | None:
    """RFC 3339 with a `Z`, from either database."""
    if value is None:
        return None
    if isinstance(value, datetime):
        return value.isoformat().replace("+00:00", "Z")
    return f"{value[:10]}T{value[11:-6]}Z"


def flag(value: Any) -> bool | None:
    return None if value is None else bool(value)


def parsed(value: Any) -> Any:
    return orjson.loads(value) if isinstance(value, str) else value


_EXPRESSIONS = {
    Kind.TEXT: "r[{0}]",
    Kind.NUMBER: "r[{0}]",
    Kind.FLAG: "flag(r[{0}])",
    Kind.INSTANT: "moment(r[{0}])",
    Kind.JSON: "parsed(r[{0}])",
}


def expression(source: Source | None, name: str, place: int) -> str:
    """Python that gives a column's value as it stands in the answer."""
    if source is None:
        return f"moment(r[{place}]) if isinstance(r[{place}], datetime) else r[{place}]"
    column = source.columns[name]
    if column.kind is Kind.ID:
        return f"f'{column.prefix}_{{r[{place}]}}'"
    return _EXPRESSIONS[column.kind].format(place)


class Level:
    """Rows of one type. The shaping function is generated once and then runs over all rows of a batch."""

    def __init__(self, columns: list[str], parts: Sequence[str], children: Sequence[Child]) -> None:
        self.columns = columns
        self.children = children
        self.shape = _generate(parts, len(children))

    async def run(self, run: Run, rows: Sequence[Record]) -> list[dict[str, Any]]:
        if not rows:
            return []
        batches = [await child.load(run, rows) for child in self.children]
        return self.shape(rows, *batches)


def _generate(parts: Sequence[str], children: int) -> Callable[..., list[dict[str, Any]]]:
    """`lambda rows, c0, …: [{…} for r in rows]`; what stands in it comes from declarations and checked names."""
    batches = "".join(f", c{number}" for number in range(children))
    scope = {"moment": moment, "flag": flag, "parsed": parsed, "datetime": datetime}
    made: Callable[..., list[dict[str, Any]]] = eval(  # noqa: S307
        f"lambda rows{batches}: [{{{', '.join(parts)}}} for r in rows]", scope
    )
    return made


@dataclass
class ToOneChild(Child):
    """`is_neighbour`: it hangs on the viewer's own user, who may know its name whatever rows they may list."""

    level: Level
    source: Source
    place: int
    is_neighbour: bool = False

    async def load(self, run: Run, rows: Sequence[Record]) -> Mapping[int, Any]:
        ids = {row[self.place] for row in rows}
        ids.discard(None)
        if not ids:
            return {}
        source = replace(self.source, visible=everything) if self.is_neighbour else self.source
        found = await loaders.by_ids(run.connection, run.viewer, source, self.level.columns, list(ids))
        shaped = await self.level.run(run, found)
        return {row[0]: each for row, each in zip(found, shaped, strict=True)}


@dataclass
class ValuesChild(Child):
    level: Level | None
    relation: Relation
    place: int
    columns: list[str]

    def expression(self, number: int) -> str:
        return f"c{number}.get(r[{self.place}]) or []"

    async def load(self, run: Run, rows: Sequence[Record]) -> Mapping[int, list[Any]]:
        keys = list({row[self.place] for row in rows})
        found = await loaders.values_of(run.connection, run.viewer, self.relation, self.columns, keys)
        shaped = [row[1] for row in found] if self.level is None else await self.level.run(run, found)
        return grouped(found, shaped)


def grouped(rows: Sequence[Record], shaped: Sequence[Any]) -> dict[int, list[Any]]:
    groups: dict[int, list[Any]] = {}
    for row, each in zip(rows, shaped, strict=True):
        groups.setdefault(row[0], []).append(each)
    return groups


@dataclass
class CountChild(Child):
    relation: Relation
    place: int

    def expression(self, number: int) -> str:
        return f"c{number}.get(r[{self.place}], 0)"

    async def load(self, run: Run, rows: Sequence[Record]) -> Mapping[int, int]:
        return await loaders.counts_of(
            run.connection, run.viewer, self.relation, list({row[self.place] for row in rows})
        )


@dataclass
class AllChild(Child):
    level: Level
    source: Source
    argued: int

    def expression(self, number: int) -> str:
        return f"c{number}"

    async def load(self, run: Run, rows: Sequence[Record]) -> list[Any]:
        asked = run.arguments[self.argued]
        found = await loaders.page(run.connection, run.viewer, self.source, self.level.columns, asked)
        return await self.level.run(run, found)


@dataclass
class LookupChild(Child):
    """Keys of several kinds are one condition, and so one statement; what they matched is read with the rows."""

    level: Level
    source: Source
    argued: int
    many: bool

    def expression(self, number: int) -> str:
        return f"c{number}" if self.many else f"c{number}[0]"

    async def load(self, run: Run, rows: Sequence[Record]) -> list[Any]:
        arguments = run.arguments[self.argued]
        keys = [next(iter(key.items())) for key in (arguments["keys"] if self.many else [arguments["by"]])]
        ids = await users.ids_by_keys(run.connection, keys)
        wanted = [number for number in ids if number is not None]
        found = (
            await loaders.by_ids(run.connection, run.viewer, self.source, self.level.columns, wanted) if wanted else []
        )
        shaped = await self.level.run(run, found)
        by_id = {row[0]: each for row, each in zip(found, shaped, strict=True)}
        return [by_id.get(number) for number in ids]


@dataclass
class NodesChild(Child):
    """Typed ids of any types: a statement for each type among them."""

    levels: Mapping[str, tuple[Source, Level]]
    place: int
    argued: int | None
    many: bool

    def expression(self, number: int) -> str:
        if self.argued is None:
            return f"c{number}.get(r[{self.place}])"
        return f"c{number}" if self.many else f"c{number}[0]"

    async def load(self, run: Run, rows: Sequence[Record]) -> Any:
        if self.argued is None:
            return await self._found(run, list({row[self.place] for row in rows}))
        arguments = run.arguments[self.argued]
        typed = arguments["ids"] if self.many else [arguments["id"]]
        found = await self._found(run, typed)
        return [found.get(each) for each in typed]

    async def _found(self, run: Run, typed: Sequence[str]) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for prefix, (source, level) in self.levels.items():
            numbers = [n for n in (number_of(prefix, each) for each in typed) if n is not None]
            if numbers:
                rows = await loaders.by_ids(run.connection, run.viewer, source, level.columns, numbers)
                shaped = await level.run(run, rows)
                found |= {f"{prefix}_{row[0]}": each for row, each in zip(rows, shaped, strict=True)}
        return found


@dataclass
class RecordChild(Child):
    """Objects in memory become rows like any other; those of all parents are one batch."""

    level: Level
    place: int
    many: bool

    def expression(self, number: int) -> str:
        return f"next(c{number})"

    async def load(self, run: Run, rows: Sequence[Record]) -> Any:
        given = [row[self.place] for row in rows]
        records = [each for value in given for each in (value if self.many else [value] if value is not None else [])]
        shaped = iter(await self.level.run(run, as_rows(self.level, records)))
        if self.many:
            return iter([[next(shaped) for _ in value] for value in given])
        return iter([None if value is None else next(shaped) for value in given])


def as_rows(level: Level, records: Sequence[Mapping[str, Any]]) -> list[tuple[Any, ...]]:
    return [(None, *(record.get(name) for name in level.columns)) for record in records]
