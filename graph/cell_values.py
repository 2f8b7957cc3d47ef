"""What stands in a cell: the values of an answer as texts, or as numbers, moments and lists."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any

import orjson

from graph.columns import Column, Kind
from models.lists import together
from models.values import rfc3339, timestamp

Convert = Callable[[Any], Any]
FIELDS = "="  # stands between the fields of a list's item


def same(value: Any) -> Any:
    return value


def as_text(value: Any) -> str:
    return "" if value is None else str(value)


def stamp(value: Any) -> str:
    """A moment as it stands in the answer: a datetime, or a text of SQLite, PostgreSQL or the answer itself."""
    if value is None:
        return ""
    return timestamp(value) if type(value) is str else rfc3339(value)


def as_moment(value: Any) -> datetime | None:
    return datetime.fromisoformat(value).astimezone(UTC) if type(value) is str else value


def as_date(value: Any) -> date | None:
    return date.fromisoformat(value) if type(value) is str else value


def truth(value: Any) -> str:
    return "" if value is None else "true" if value else "false"


def as_flag(value: Any) -> bool | None:
    return None if value is None else bool(value)


def compact(value: Any) -> str | None:
    """JSON in a cell."""
    return None if value is None else orjson.dumps(value, option=orjson.OPT_UTC_Z).decode()


def compact_text(value: Any) -> str:
    return compact(value) or ""


@dataclass(frozen=True)
class Values:
    """How a format takes the values of each kind, and what stands for none.

    `nests`: whether it takes lists as they are. `quick` are pieces of Python that do the same for some kinds.
    """

    kinds: Mapping[Kind, Convert]
    nests: bool
    absent: Any
    quick: Mapping[Kind, str]

    def of(self, column: Column, path: Sequence[str] = ()) -> Convert:
        """Makes a cell of a value, or of the value to which `path` leads from it."""
        last = self._listed(column) if column.is_list else self.kinds[column.kind]
        absent = self.absent
        if not path:
            return last
        if len(path) == 1:
            name = path[0]
            return lambda value: absent if value is None else last(value.get(name))

        def at(value: Any) -> Any:
            for name in path:
                if value is None:
                    return absent
                value = value.get(name)
            return last(value)

        return at

    def _listed(self, column: Column) -> Convert:
        item, absent = self._item(column), self.absent
        if self.nests:
            return lambda values: absent if values is None else [item(each) for each in values]
        return lambda values: absent if values is None else together([item(each) for each in values])

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
        if column.is_list and not self.nests:  # a list within a list is JSON
            inner = TYPED.of(column, path)
            return lambda value: compact_text(inner(value))
        return self.of(column, path)


TEXTS = Values(
    {
        **dict.fromkeys(Kind, as_text),
        Kind.INSTANT: stamp,
        Kind.FLAG: truth,
        Kind.JSON: compact_text,
    },
    nests=False,
    absent="",
    quick={Kind.TEXT: "{} or ''"},
)
_TYPED: dict[Kind, Convert] = {
    **dict.fromkeys(Kind, same),
    Kind.INSTANT: as_moment,
    Kind.DATE: as_date,
    Kind.FLAG: as_flag,
    Kind.JSON: compact,
}
_AS_IT_IS = dict.fromkeys((Kind.TEXT, Kind.NUMBER, Kind.REAL), "{}")
TYPED = Values(_TYPED, nests=True, absent=None, quick=_AS_IT_IS)
SHEET = Values(_TYPED, nests=False, absent=None, quick=_AS_IT_IS)
