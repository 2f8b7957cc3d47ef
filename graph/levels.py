"""The parts of a plan as they run: a level shapes rows, its children load one batch each.

Nothing here reads by itself: `run` and `load` are generators that yield statements and are sent their rows, so that a
plan runs alike on an asynchronous connection, in a reader's thread, and within a transaction.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from graph.runs import A_ROW, LONG, Run
from models.database import Record, Steps
from models.values import from_json, rfc3339, timestamp
from resolvers import loaders
from resolvers.selected import Selected
from resolvers.sources import Kind, Relation, Source


class Child:
    """A field that needs a batch. `load` answers what the shape of the parent looks its values up in."""

    place: int

    def expression(self, number: int) -> str:
        return f"c{number}.get(r[{self.place}])"

    def load(self, run: Run, rows: Sequence[Record]) -> Steps[Any]:
        raise NotImplementedError

    def keys(self, rows: Sequence[Record]) -> list[Any]:
        """What the parents' rows lead to; a neighbour that is absent leads nowhere."""
        place = self.place
        keys = {row[place] for row in rows}
        keys.discard(None)
        return list(keys)


def moment(value: Any) -> Any:
    """RFC 3339 with six digits of microseconds and a `Z`. A time with a fraction is written so with the answer."""
    if type(value) is str:
        return timestamp(value)
    return value if value is None or value.microsecond else rfc3339(value)


def flag(value: Any) -> bool | None:
    return None if value is None else bool(value)


_EXPRESSIONS = {
    Kind.TEXT: "r[{0}]",
    Kind.NUMBER: "r[{0}]",
    Kind.FLAG: "flag(r[{0}])",
    Kind.INSTANT: "moment(r[{0}])",
    Kind.JSON: "from_json(r[{0}])",
}
ID_SUFFIX = "\0"  # where the time stands in an id, in generated code
# What PostgreSQL returns as it stands in the answer. The answer's writer omits the fraction of a whole second.
_POSTGRES_EXPRESSIONS = {
    Kind.FLAG: "r[{0}]",
    Kind.INSTANT: "v if (v := r[{0}]) is None or v.microsecond else moment(v)",
}


def expression(
    source: Source | None, name: str, place: int, dialect: str, *, is_time: bool = False, is_stable: bool = False
) -> str:
    """Python that gives a column's value as it stands in the answer.

    `is_time`: the field is a DateTime. `is_stable`: an id is the same at every time.
    """
    if source is None:
        return f"moment(r[{place}])" if is_time else f"r[{place}]"
    column = source.columns[name]
    if column.kind is Kind.ID:
        return f"f'{column.prefix}_{{r[{place}]}}{'' if is_stable else ID_SUFFIX}'"
    if dialect == "postgres" and column.kind in _POSTGRES_EXPRESSIONS:
        return f"({_POSTGRES_EXPRESSIONS[column.kind].format(place)})"
    return _EXPRESSIONS[column.kind].format(place)


class Level:
    """Rows of one type. The shaping function is generated once and then runs over all rows of a batch.

    `id_suffix`: what its ids end in, where it is made for one reading as of a time.
    """

    id_suffix = ""

    def __init__(self, selected: Selected, parts: Sequence[str], children: Sequence[Child]) -> None:
        self.selected = selected
        self.children = children
        self.width = len(selected.columns) + len(parts)
        self.parts = parts
        self.shape = _generate(parts, len(children))

    def run(self, run: Run, rows: Sequence[Record]) -> Steps[list[dict[str, Any]]]:
        if not rows:
            return []
        if self.id_suffix:
            run.id_suffix = self.id_suffix
        run.spend(len(rows) * max(A_ROW, self.width))
        for place in self._documents:
            run.spend(sum(len(row[place]) // LONG for row in rows if isinstance(row[place], str)))
        batches = []
        for child in self.children:
            batches.append((yield from child.load(run, rows)))
        return self.shape(rows, *batches) if not run.id_suffix else self.past_shape(rows, *batches, run.id_suffix)

    @cached_property
    def past_shape(self) -> Callable[..., list[Any]]:
        """The same with ids that end in a time, which is the last argument."""
        return _generate(self.parts, len(self.children), has_times=True)

    @cached_property
    def _documents(self) -> list[int]:
        """Where JSON texts stand in its rows; they may be long, and are made of many values."""
        selected = self.selected
        return [
            place
            for place, (alias, name) in enumerate(selected.columns, 1)
            if (source := selected.source_of(alias)) is not None and source.columns[name].kind is Kind.JSON
        ]

    def of_ids(self, run: Run, ids: Sequence[int], selected: Selected | None = None) -> Steps[dict[int, Any]]:
        """The visible rows of these ids, shaped."""
        found = yield from loaders.by_ids(run.viewer, run.dialect, selected or self.selected, ids, run.arguments)
        shaped = yield from self.run(run, found)
        return {row[0]: each for row, each in zip(found, shaped, strict=True)}


def _generate(parts: Sequence[str], children: int, *, has_times: bool = False) -> Callable[..., list[dict[str, Any]]]:
    """`lambda rows, c0, …: [{…} for r in rows]`; what stands in it comes from declarations and checked names."""
    scope = {"moment": moment, "flag": flag, "from_json": from_json}
    each = f"{{{', '.join(parts)}}}"
    made: Callable[..., list[dict[str, Any]]] = eval(generated(each, children, has_times=has_times), scope)  # noqa: S307
    return made


def generated(each: str, children: int, clauses: str = "", *, has_times: bool = False) -> str:
    """Python that makes `each` of every row, from the batches of children."""
    batches = "".join(f", c{number}" for number in range(children))
    suffix = ", id_suffix" if has_times else ""
    return f"lambda rows{batches}{suffix}: [{each} for r in rows{clauses}]".replace(
        ID_SUFFIX, "{id_suffix}" if has_times else ""
    )


@dataclass
class ToOneChild(Child):
    """A neighbour in a batch of its own: of a record in memory, or one whose rows are visible by another rule.

    `selected` stands for the level's own then.
    """

    level: Level
    place: int
    selected: Selected | None = None

    def load(self, run: Run, rows: Sequence[Record]) -> Steps[Mapping[int, Any]]:
        ids = self.keys(rows)
        return (yield from self.level.of_ids(run, ids, self.selected)) if ids else {}


@dataclass
class ValuesChild(Child):
    level: Level | None
    relation: Relation
    place: int
    selected: Selected

    def expression(self, number: int) -> str:
        return f"c{number}.get(r[{self.place}]) or []"

    def load(self, run: Run, rows: Sequence[Record]) -> Steps[Mapping[int, list[Any]]]:
        keys = self.keys(rows)
        if not keys:
            return {}
        found = yield from loaders.values_of(run.viewer, run.dialect, self.relation, self.selected, keys)
        run.require_all(found)
        texts = (sum(len(each) for each in row[1:] if type(each) is str) for row in found)
        run.spend(sum(A_ROW + length // LONG for length in texts))
        shaped = [row[1] for row in found] if self.level is None else (yield from self.level.run(run, found))
        return grouped(found, shaped)


def grouped(rows: Sequence[Record], shaped: Sequence[Any]) -> dict[int, list[Any]]:
    groups: dict[int, list[Any]] = {}
    for row, each in zip(rows, shaped, strict=True):
        key = row[0]
        if key in groups:
            groups[key].append(each)
        else:
            groups[key] = [each]
    return groups


@dataclass
class CountChild(Child):
    relation: Relation
    place: int

    def expression(self, number: int) -> str:
        return f"c{number}.get(r[{self.place}], 0)"

    def load(self, run: Run, rows: Sequence[Record]) -> Steps[Mapping[int, int]]:
        keys = self.keys(rows)
        found = (yield from loaders.counts_of(run.viewer, run.dialect, self.relation, keys)) if keys else []
        return {row[0]: row[1] for row in found}


@dataclass
class AllChild(Child):
    level: Level
    argued: int

    def expression(self, number: int) -> str:
        return f"c{number}"

    def load(self, run: Run, rows: Sequence[Record]) -> Steps[list[Any]]:
        asked = run.arguments[self.argued]
        found = yield from loaders.page(run.viewer, run.dialect, self.level.selected, asked, run.arguments)
        return (yield from self.level.run(run, found))


@dataclass
class RecordChild(Child):
    """Objects in memory, or in a column of JSON, become rows like any other; those of all parents are one batch."""

    level: Level
    place: int
    many: bool

    def expression(self, number: int) -> str:
        return f"next(c{number})"

    def load(self, run: Run, rows: Sequence[Record]) -> Steps[Any]:
        given = [from_json(row[self.place]) for row in rows]  # of a column that keeps them as JSON too
        records = [each for value in given for each in (value if self.many else [value] if value is not None else [])]
        shaped = iter((yield from self.level.run(run, as_rows(self.level, records))))
        if self.many:
            return iter([[next(shaped) for _ in value] for value in given])
        return iter([None if value is None else next(shaped) for value in given])


def as_rows(level: Level, records: Sequence[Mapping[str, Any]]) -> list[tuple[Any, ...]]:
    names = level.selected.names
    return [(None, *[record.get(name) for name in names]) for record in records]
