"""What a report is asked for: dimensions, measures, conditions and orders, each checked and named."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from models.base import LABEL
from models.errors import Invalid
from models.values import camel, key
from resolvers.filters import Where
from resolvers.reports_moments import Axis
from resolvers.reports_words import (
    DATES,
    TITLES,
    Column,
    ColumnKind,
    DimensionField,
    Interval,
    MeasureKind,
    kind_of,
    words,
)

MOST_DIMENSIONS = 8
MOST_MEASURES = 20
MOST_ROWS = 10_000
MOST_LEVEL = 100
MOST_STEPS = 20  # conditions of `having`, fields of `orderBy`
DEFAULT_ROWS = 1_000
AS_OF = "asOf"  # the column of the moments, where there are several
SIGNS = {"eq": "=", "ne": "<>", "gt": ">", "gte": ">=", "lt": "<", "lte": "<="}
_NAME = re.compile(r"(?!__)[A-Za-z_][A-Za-z0-9_]{0,63}")


@dataclass(frozen=True)
class Dimension:
    """`every` for dates, `level` for organizations, `variable` the normal form of a variable's name."""

    field: DimensionField
    column: str
    title: str
    every: Interval | None = None
    level: int | None = None
    variable: str | None = None
    fill: bool = False

    @property
    def identity(self) -> tuple[object, ...]:
        return self.field, self.every, self.level, self.variable


@dataclass(frozen=True)
class Measure:
    """`where`: only users who are so too."""

    kind: MeasureKind
    column: str
    title: str
    of: DimensionField | None
    where: Where


@dataclass(frozen=True)
class Condition:
    """Of a bucket: the measure at this place compares so with the number."""

    measure: int
    sign: str
    number: float


@dataclass(frozen=True)
class Question:
    """A checked report. `order` names columns, each with whether it goes down.

    `as_of` and `axis` are one moment in the past, and several; without them it is about now.
    """

    dimensions: Sequence[Dimension]
    measures: Sequence[Measure]
    having: Sequence[Condition]
    order: Sequence[tuple[str, bool]]
    first: int
    where: Where
    search: str | None
    as_of: datetime | None = None
    axis: Axis | None = None

    @property
    def columns(self) -> list[Column]:
        found = [Column(AS_OF, "As of", ColumnKind.INSTANT, False)] if self.axis else []
        found += [column for each in self.dimensions for column in columns_of(each)]
        return [*found, *(Column(each.column, each.title, kind_of(each.kind), True) for each in self.measures)]


def columns_of(dimension: Dimension) -> Iterator[Column]:
    """One, or for what has an id two: its name and its id."""
    name, title = dimension.column, dimension.title
    kind = kind_of(dimension.field)
    if kind is not ColumnKind.ID:
        yield Column(name, title, kind, False)
        return
    yield Column(name, title, ColumnKind.TEXT, False)
    yield Column(f"{name}Id", f"{title} id", ColumnKind.ID, False)


def question_of(given: Mapping[str, Any]) -> Question:
    """From the arguments by their GraphQL names. Raises Invalid with the way to what is wrong."""
    asked, measured = _listed(given, "groupBy", MOST_DIMENSIONS), _listed(given, "measures", MOST_MEASURES)
    if given.get("measures") is None:
        measured = [{"measure": "COUNT"}]
    if not asked and not measured:
        raise Invalid("measures", reason="A report without dimensions needs at least one measure.")
    dimensions = [_dimension(place, each) for place, each in enumerate(asked)]
    measures = [_measure(place, each) for place, each in enumerate(measured)]
    _check_different(dimensions)
    axis = _axis(given)
    _check_names(dimensions, measures, has_moments=axis is not None)
    question = Question(
        dimensions=dimensions,
        measures=measures,
        having=[each for place, step in enumerate(_listed(given, "having", MOST_STEPS))
                for each in _conditions(place, step, measures)],
        order=[],
        first=_first(given.get("first")),
        where=given.get("where") or {},
        search=given.get("search"),
        as_of=given.get("asOf"),
        axis=axis,
    )  # fmt: skip
    known = [column.name for column in question.columns[0 if axis is None else 1 :]]
    order = []
    for place, step in enumerate(_listed(given, "orderBy", MOST_STEPS)):
        if step["column"] not in known:
            raise _no_column(step["column"], known, "orderBy", place, "column")
        order.append((step["column"], step.get("direction") == "DESC"))
    return replace(question, order=order)


def _axis(given: Mapping[str, Any]) -> Axis | None:
    asked = given.get("asOfEach")
    if asked is None:
        return None
    if given.get("asOf") is not None:
        raise Invalid("asOfEach", reason="Give asOf or asOfEach, not both.")
    return Axis(asked["from"], asked.get("to"), Interval(asked["every"]))


def _listed(given: Mapping[str, Any], name: str, most: int) -> list[Any]:
    listed = list(given.get(name) or ())
    if len(listed) > most:
        raise Invalid(name, reason=f"{name} takes at most {most} at a time.", limit=most)
    return listed


def _first(given: int | None) -> int:
    if given is None:
        return DEFAULT_ROWS
    if not 0 <= given <= MOST_ROWS:
        raise Invalid("first", reason=f"first takes a number from 0 to {MOST_ROWS}.", minimum=0, limit=MOST_ROWS)
    return given


def _dimension(place: int, given: Mapping[str, Any]) -> Dimension:
    field, path = DimensionField(given["field"]), ("groupBy", place)
    for name, of in (("every", DATES), ("fill", DATES), ("level", _TREE), ("name", _NAMED)):
        if not (given.get(name) is None or given[name] is False or field in of):
            raise Invalid(*path, name, reason=f"{name} is for {_OF[name]}, and {field} is none.")
    level = given.get("level")
    if level is not None and not 0 <= level <= MOST_LEVEL:
        raise Invalid(
            *path, "level", reason=f"level takes a number from 0 (the root) to {MOST_LEVEL}.", limit=MOST_LEVEL
        )
    variable = given.get("name")
    if field is DimensionField.VARIABLE and not 0 < len(key(variable or "")) <= LABEL:
        raise Invalid(*path, "name", reason="VARIABLE needs name: the name of the variable whose values are counted.")
    every = Interval(given.get("every") or Interval.MONTH) if field in DATES else None
    column = _name(given.get("as"), camel(field.lower()), path)
    return Dimension(
        field=field,
        column=column,
        title=words(column) if given.get("as") else _title(field, every, level, variable),
        every=every,
        level=level,
        variable=key(variable) if variable else None,
        fill=bool(given.get("fill")),
    )


_TREE = frozenset({DimensionField.ORGANIZATION})
_NAMED = frozenset({DimensionField.VARIABLE})
_OF = {"every": "dates", "fill": "dates", "level": "ORGANIZATION", "name": "VARIABLE"}


def _title(field: DimensionField, every: Interval | None, level: int | None, variable: str | None) -> str:
    if variable is not None:
        return variable
    more = every.lower() if every else "" if level is None else f"level {level}"
    return f"{TITLES[field]} ({more})" if more else TITLES[field]


def _measure(place: int, given: Mapping[str, Any]) -> Measure:
    kind, path = MeasureKind(given["measure"]), ("measures", place)
    of = DimensionField(given["of"]) if given.get("of") else None
    if kind is MeasureKind.RATE and not given.get("where"):
        reason = "RATE needs where: it is the part of the bucket's users that match it."
        raise Invalid(*path, "where", reason=reason)
    if kind in (MeasureKind.COUNT, MeasureKind.SHARE, MeasureKind.RATE):
        if of is not None:
            raise Invalid(*path, "of", reason=f"of is for DISTINCT, FIRST and LAST, and {kind} is of users.")
    elif of is None:
        what = "a date, such as CREATED_AT" if kind.is_moment else "what to count the different values of"
        raise Invalid(*path, "of", reason=f"{kind} needs of: {what}.")
    elif kind.is_moment and of not in DATES:
        raise Invalid(*path, "of", reason=f"{kind} takes the moment of a date, and {of} is none.")
    elif of is DimensionField.VARIABLE:
        raise Invalid(*path, "of", reason="DISTINCT cannot say which VARIABLE. Group by it instead.")
    column = _name(given.get("as"), camel(f"{kind}_{of}".lower() if of else kind.lower()), path)
    title = f"{_TITLES[kind]}: {TITLES[of]}" if of else _TITLES[kind]
    return Measure(kind, column, words(column) if given.get("as") else title, of, given.get("where") or {})


_TITLES = {
    MeasureKind.COUNT: "Users",
    MeasureKind.SHARE: "Share of users",
    MeasureKind.RATE: "Rate",
    MeasureKind.DISTINCT: "Different values",
    MeasureKind.FIRST: "First",
    MeasureKind.LAST: "Last",
}


def _name(given: str | None, own: str, path: tuple[str | int, ...]) -> str:
    if given is None:
        return own
    if not _NAME.fullmatch(given):
        reason = (
            "as takes a name of at most 64 letters, digits and _ that begins with a letter or one _, as in GraphQL."
        )
        raise Invalid(*path, "as", reason=reason)
    return given


def _check_different(dimensions: Sequence[Dimension]) -> None:
    seen = set()
    for place, each in enumerate(dimensions):
        if each.identity in seen:
            raise Invalid("groupBy", place, reason=f"groupBy holds {each.field} twice in the same way. Send it once.")
        seen.add(each.identity)


def _check_names(dimensions: Sequence[Dimension], measures: Sequence[Measure], *, has_moments: bool) -> None:
    named = [("groupBy", place, c.name) for place, each in enumerate(dimensions) for c in columns_of(each)]
    named += [("measures", place, each.column) for place, each in enumerate(measures)]
    seen = {AS_OF} if has_moments else set()
    for argument, place, name in named:
        if name in seen:
            reason = f"The column {name} stands twice. Give one of them another name with as."
            raise Invalid(argument, place, "as", reason=reason)
        seen.add(name)


def _conditions(place: int, given: Mapping[str, Any], measures: Sequence[Measure]) -> list[Condition]:
    path = ("having", place)
    counted = {each.column: at for at, each in enumerate(measures) if not each.kind.is_moment}
    if given["column"] not in counted:
        raise _no_column(given["column"], list(counted), *path, "column", what="count or share")
    asked = [(name, value) for name, value in given.items() if name in SIGNS]
    for name, value in asked:
        if value is None:
            raise Invalid(*path, name, reason=f"{name} takes a number.")
    if not asked:
        raise Invalid(*path, reason=f"A condition takes one of {', '.join(SIGNS)}.")
    return [Condition(counted[given["column"]], SIGNS[name], float(value)) for name, value in asked]


def _no_column(name: str, known: Sequence[str], *path: str | int, what: str = "column") -> Invalid:
    called = f" {name}" if _NAME.fullmatch(name) else " of this name"
    listed = ", ".join(known)
    there = f"There are {listed if len(listed) <= 400 else f'{listed[:400]} …'}." if known else "There is none."
    return Invalid(*path, reason=f"The report has no {what}{called}. {there}")
