"""What stands in a cell: the values of an answer as texts, or as numbers, moments and lists."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any

import orjson

from graph.columns import Column, Kind
from models.lists import together

Convert = Callable[[Any], Any]
FIELDS = "="  # stands between the fields of a list's item


def same(value: Any) -> Any:
    return value


def stamp(value: Any) -> str | None:
    """A moment as it stands in the answer: from PostgreSQL a datetime, from SQLite its text or the answer's."""
    if value is None:
        return None
    if type(value) is str:
        return value if value[-1] == "Z" else f"{value[:10]}T{value[11:-6]}Z"
    return f"{value.isoformat()[:-6]}Z"


def as_moment(value: Any) -> datetime | None:
    return datetime.fromisoformat(value).astimezone(UTC) if type(value) is str else value


def as_date(value: Any) -> date | None:
    return date.fromisoformat(value) if type(value) is str else value


truth = {True: "true", False: "false", None: None}.get


def as_flag(value: Any) -> bool | None:
    return None if value is None else bool(value)


def compact(value: Any) -> str | None:
    """JSON in a cell."""
    return None if value is None else orjson.dumps(value, option=orjson.OPT_UTC_Z).decode()


@dataclass(frozen=True)
class Values:
    """How a format takes the values of each kind; `nests`: whether it takes lists as they are."""

    kinds: Mapping[Kind, Convert]
    nests: bool

    def of(self, column: Column, path: Sequence[str] = ()) -> Convert:
        """Makes a cell of a value, or of the value to which `path` leads from it; None where there is none."""
        last = self._listed(column) if column.is_list else self.kinds[column.kind]
        if not path:
            return last
        if len(path) == 1:
            name = path[0]
            return lambda value: None if value is None else last(value.get(name))

        def at(value: Any) -> Any:
            for name in path:
                if value is None:
                    return None
                value = value.get(name)
            return last(value)

        return at

    def _listed(self, column: Column) -> Convert:
        item = self._item(column)
        if self.nests:
            return lambda values: None if values is None else [item(each) for each in values]
        return lambda values: None if values is None else together([item(each) for each in values])

    def _item(self, column: Column) -> Convert:
        """One value of a list: that of its only field, or those of all."""
        inner = self if self.nests else TEXTS
        if not column.items:
            return inner._within(Column(column.name, (), column.kind))
        fields = [(each.name, inner._within(each, each.path)) for each in column.items]
        if len(fields) == 1:
            return fields[0][1]
        if self.nests:
            return lambda value: None if value is None else {name: field(value) for name, field in fields}
        return lambda value: "" if value is None else together([field(value) for _, field in fields], FIELDS)

    def _within(self, column: Column, path: Sequence[str] = ()) -> Convert:
        if self.nests:
            return self.of(column, path)
        if column.is_list:  # a list within a list is JSON
            inner = TYPED.of(column, path)
            return lambda value: compact(inner(value)) or ""
        inner = self.of(column, path)
        return lambda value: "" if (found := inner(value)) is None else str(found)


TEXTS = Values(
    {
        **dict.fromkeys(Kind, same),
        Kind.INSTANT: stamp,
        Kind.FLAG: truth,
        Kind.JSON: compact,
    },
    nests=False,
)
_TYPED: dict[Kind, Convert] = {
    **dict.fromkeys(Kind, same),
    Kind.INSTANT: as_moment,
    Kind.DATE: as_date,
    Kind.FLAG: as_flag,
    Kind.JSON: compact,
}
TYPED = Values(_TYPED, nests=True)
SHEET = Values(_TYPED, nests=False)
