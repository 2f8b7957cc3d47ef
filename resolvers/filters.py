"""From a `where` to SQL: typed operators over whitelisted columns, each checked against what the viewer may read."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from models.errors import Invalid
from models.values import email_key, email_part, key
from resolvers.policy import Viewer, may_read
from resolvers.sources import Source, Sql, subtree

Where = Mapping[str, Any]


class Filter(Protocol):
    """One field of a `where`. `operators` names the input type; `sql` makes the condition."""

    @property
    def operators(self) -> str: ...

    def sql(self, sql: Sql, alias: str, given: Where) -> str: ...


def like(text: str) -> str:
    return text.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")


def _each(given: Where, operators: Mapping[str, Callable[[Any], str]]) -> str:
    for name, value in given.items():
        if value is None:
            raise Invalid(name, reason=f"{name} takes a value; to ask for an absent one, use isNull.")
    return " AND ".join(operators[name](value) for name, value in given.items()) or "true"


def _null(column: str) -> Callable[[Any], str]:
    return lambda wanted: f"{column} IS NULL" if wanted else f"{column} IS NOT NULL"


@dataclass(frozen=True)
class Text:
    """Text by its normal form, so that case and width never decide a match."""

    column: str
    normal: Callable[[str], str] = key
    part: Callable[[str], str] = key
    operators: str = "StringFilter"

    def sql(self, sql: Sql, alias: str, given: Where) -> str:
        return self.on(sql, self.column.format(t=alias), given)

    def on(self, sql: Sql, column: str, given: Where) -> str:
        def matching(pattern: str) -> Callable[[Any], str]:
            return lambda text: f"{column} LIKE {sql.place(pattern.format(like(self.part(text))))} ESCAPE '\\'"

        return _each(
            given,
            {
                "eq": lambda text: f"{column} = {sql.place(self.normal(text))}",
                "ne": lambda text: f"({column} <> {sql.place(self.normal(text))} OR {column} IS NULL)",
                "in": lambda texts: sql.among(column, [self.normal(t) for t in texts], "text"),
                "notIn": lambda texts: (
                    f"({column} IS NULL OR NOT ({sql.among(column, [self.normal(t) for t in texts], 'text')}))"
                ),
                "contains": matching("%{}%"),
                "startsWith": matching("{}%"),
                "endsWith": matching("%{}"),
                "isNull": _null(column),
            },
        )


def email_text(column: str) -> Text:
    return Text(column, normal=email_key, part=email_part)


def exact(text: str) -> str:
    return text.strip()


@dataclass(frozen=True)
class Choice:
    """One of an enum's values; `operators` is the filter type made for that enum."""

    column: str
    operators: str

    def sql(self, sql: Sql, alias: str, given: Where) -> str:
        column = self.column.format(t=alias)
        return _each(
            given,
            {
                "eq": lambda value: f"{column} = {sql.place(value)}",
                "ne": lambda value: f"{column} <> {sql.place(value)}",
                "in": lambda values: sql.among(column, list(values), "text"),
                "notIn": lambda values: f"NOT ({sql.among(column, list(values), 'text')})",
            },
        )


@dataclass(frozen=True)
class Flag:
    condition: str
    operators: str = "BooleanFilter"

    def sql(self, sql: Sql, alias: str, given: Where) -> str:
        condition = self.condition.format(t=alias)
        return _each(given, {"eq": lambda wanted: f"({condition})" if wanted else f"NOT ({condition})"})


@dataclass(frozen=True)
class Number:
    column: str
    operators: str = "IntFilter"

    def sql(self, sql: Sql, alias: str, given: Where) -> str:
        column = self.column.format(t=alias)

        def compared(sign: str) -> Callable[[Any], str]:
            return lambda number: f"{column} {sign} CAST({sql.place(number)} AS integer)"

        signs = {"eq": "=", "gt": ">", "gte": ">=", "lt": "<", "lte": "<="}
        return _each(
            given,
            {
                **{name: compared(sign) for name, sign in signs.items()},
                "ne": lambda number: f"({compared('<>')(number)} OR {column} IS NULL)",
                "in": lambda numbers: sql.among(column, list(numbers)),
                "isNull": _null(column),
            },
        )


@dataclass(frozen=True)
class Instant:
    column: str
    operators: str = "DateTimeFilter"

    def sql(self, sql: Sql, alias: str, given: Where) -> str:
        column = self.column.format(t=alias)

        def compared(sign: str) -> Callable[[Any], str]:
            return lambda moment: f"{column} {sign} {sql.place(moment)}"

        signs = {"eq": "=", "before": "<", "after": ">", "notBefore": ">=", "notAfter": "<="}
        return _each(given, {**{name: compared(sign) for name, sign in signs.items()}, "isNull": _null(column)})


def number_of(prefix: str, typed: str) -> int | None:
    """18 for `user_18`; None for what is no id of this type, which then matches nothing."""
    head, _, digits = typed.rpartition("_")
    if head != prefix or not digits.isdecimal() or not digits.isascii() or len(digits) > 18:
        return None
    return int(digits)


@dataclass(frozen=True)
class Identity:
    """A typed id. `within` (organizations only) also takes what lies below."""

    prefix: str
    column: str = "{t}.id"
    operators: str = "IDFilter"

    def sql(self, sql: Sql, alias: str, given: Where) -> str:
        column = self.column.format(t=alias)

        def numbers(typed: Sequence[str]) -> list[int]:
            return [n for n in (number_of(self.prefix, t) for t in typed) if n is not None]

        return _each(
            given,
            {
                "eq": lambda typed: sql.among(column, numbers([typed])),
                "ne": lambda typed: f"NOT coalesce({sql.among(column, numbers([typed]))}, false)",
                "in": lambda typed: sql.among(column, numbers(typed)),
                "notIn": lambda typed: f"NOT coalesce({sql.among(column, numbers(typed))}, false)",
                "within": lambda typed: f"{column} IN ({subtree(sql, numbers([typed]))})",
            },
        )


@dataclass(frozen=True, eq=False)
class One:
    """A to-one relation: the conditions hold for the row it leads to; null asks for rows that have none."""

    column: str
    source: Callable[[], Source]
    operators: str = "where"

    def sql(self, sql: Sql, alias: str, given: Where | None) -> str:
        if given is None:
            return f"{self.column.format(t=alias)} IS NULL"
        source, inner = self.source(), sql.alias()
        condition = conditions(sql, source, inner, given)
        return f"{self.column.format(t=alias)} IN (SELECT {inner}.id FROM {source.table} {inner} WHERE {condition})"


@dataclass(frozen=True, eq=False)
class Some:
    """A to-many relation: some row, or none, meets the conditions. `join` leads from `{i}` to the parent's `{t}`."""

    join: str
    source: Callable[[], Source]
    operators: str = "some"

    def sql(self, sql: Sql, alias: str, given: Where) -> str:
        def exists(where: Where) -> str:
            source, inner = self.source(), sql.alias()
            join = self.join.format(i=inner, t=alias)
            return f"EXISTS (SELECT 1 FROM {source.table} {inner} {join} AND {conditions(sql, source, inner, where)})"

        return _each(given, {"some": exists, "none": lambda where: f"NOT {exists(where)}"})


@dataclass(frozen=True)
class SomeText:
    """A list of texts kept in a table of their own (tags, aliases)."""

    table: str
    operators: str = "StringListFilter"

    def sql(self, sql: Sql, alias: str, given: Where) -> str:
        def exists(where: Where) -> str:
            inner = sql.alias()
            condition = Text("").on(sql, f"{inner}.value_key", where)
            return f"EXISTS (SELECT 1 FROM {self.table} {inner} WHERE {inner}.user_id = {alias}.id AND {condition})"

        return _each(given, {"some": exists, "none": lambda where: f"NOT {exists(where)}"})


@dataclass(frozen=True)
class SomeVariable:
    operators: str = "VariableListFilter"

    def sql(self, sql: Sql, alias: str, given: Where) -> str:
        def exists(where: Where) -> str:
            inner = sql.alias()
            parts = {
                "name": lambda text: Text("").on(sql, f"{inner}.name_key", text),
                "value": lambda text: Text("", normal=exact, part=exact).on(sql, f"{inner}.value", text),
            }
            condition = _each(where, parts)
            return f"EXISTS (SELECT 1 FROM user_variables {inner} WHERE {inner}.user_id = {alias}.id AND {condition})"

        return _each(given, {"some": exists, "none": lambda where: f"NOT {exists(where)}"})


def conditions(sql: Sql, source: Source, alias: str, where: Where | None) -> str:
    """The rows the viewer may see and `where` asks for."""
    parts = [part for part in (source.visible(sql, alias), compiled(sql, source, alias, where)) if part]
    return " AND ".join(f"({part})" for part in parts) or "true"


def compiled(sql: Sql, source: Source, alias: str, where: Where | None) -> str | None:
    asked = (where or {}).items()
    parts = [
        _part(sql, source, alias, name, given) for name, given in asked if given is not None or _is_one(source, name)
    ]
    return " AND ".join(parts) or None


def _is_one(source: Source, name: str) -> bool:
    """A to-one relation may be asked for with null: the rows that have none. Elsewhere null is as good as absent."""
    return isinstance(source.filters.get(name), One)


def _part(sql: Sql, source: Source, alias: str, name: str, given: Any) -> str:
    if name == "not":
        # A comparison with an absent value is null, and `not` must not lose that row.
        return f"NOT coalesce(({compiled(sql, source, alias, given) or 'true'}), false)"
    if name in ("and", "or"):
        parts = [f"({compiled(sql, source, alias, each) or 'true'})" for each in given]
        return f"({f' {name.upper()} '.join(parts) or str(name == 'and').lower()})"
    condition: str = source.filters[name].sql(sql, alias, given)
    return f"({condition})"


def unreadable(viewer: Viewer, source: Source, where: Where | None) -> list[str]:
    """The fields of a `where` that the viewer may not read, and so may not ask by."""
    found: list[str] = []
    for name, given in (where or {}).items():
        if name in ("and", "or"):
            found += [each for part in given or () for each in unreadable(viewer, source, part)]
        elif name == "not":
            found += unreadable(viewer, source, given)
        else:
            found += _unreadable_field(viewer, source, name, given)
    return found


def _unreadable_field(viewer: Viewer, source: Source, name: str, given: Any) -> list[str]:
    if not may_read(viewer, source.type_name, name):
        return [f"{source.type_name}.{name}"]
    declared = source.filters[name]
    if isinstance(declared, One):
        return unreadable(viewer, declared.source(), given)
    if isinstance(declared, Some):
        return [each for part in (given or {}).values() for each in unreadable(viewer, declared.source(), part)]
    return []
