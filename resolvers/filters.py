"""Typed operators over one column, as SQL."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Protocol

from models.errors import Invalid
from models.values import email_key, email_part, key
from resolvers.node_ids import split_id
from resolvers.sources import Sql, subtree

Where = Mapping[str, Any]


class Filter(Protocol):
    """One field of a `where`. `operators` names the input type; `sql` makes the condition."""

    @property
    def operators(self) -> str: ...

    def sql(self, sql: Sql, alias: str, given: Where) -> str: ...


def like(text: str) -> str:
    return text.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")


def each_operator(given: Where, operators: Mapping[str, Callable[[Any], str]]) -> str:
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
    found: ClassVar[frozenset[str]] = frozenset({"eq", "in", "startsWith"})  # by an index, where there is one

    def sql(self, sql: Sql, alias: str, given: Where) -> str:
        return self.on(sql, self.column.format(t=alias), given)

    def on(self, sql: Sql, column: str, given: Where) -> str:
        def matching(pattern: str) -> Callable[[Any], str]:
            return lambda text: f"{column} LIKE {sql.place(pattern.format(like(self.part(text))))} ESCAPE '\\'"

        return each_operator(
            given,
            {
                "eq": lambda text: f"{column} = {sql.place(self.normal(text))}",
                "ne": lambda text: f"({column} <> {sql.place(self.normal(text))} OR {column} IS NULL)",
                "in": lambda texts: sql.among(column, [self.normal(t) for t in texts], "text"),
                "notIn": lambda texts: (
                    f"({column} IS NULL OR NOT ({sql.among(column, [self.normal(t) for t in texts], 'text')}))"
                ),
                "contains": matching("%{}%"),
                "startsWith": lambda text: self._begins(sql, column, self.part(text)),
                "endsWith": matching("%{}"),
                "isNull": _null(column),
            },
        )

    def _begins(self, sql: Sql, column: str, text: str) -> str:
        """A range, which an index answers on every database."""
        return f"{column} >= {sql.place(text)} AND {column} < {sql.place(text + LAST)}"


LAST = "\U0010ffff"  # sorts behind whatever can follow


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
        return each_operator(
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
        return each_operator(given, {"eq": lambda wanted: f"({condition})" if wanted else f"NOT ({condition})"})


@dataclass(frozen=True)
class Number:
    column: str
    operators: str = "IntFilter"

    def sql(self, sql: Sql, alias: str, given: Where) -> str:
        column = self.column.format(t=alias)

        def compared(sign: str) -> Callable[[Any], str]:
            return lambda number: f"{column} {sign} CAST({sql.place(number)} AS integer)"

        signs = {"eq": "=", "gt": ">", "gte": ">=", "lt": "<", "lte": "<="}
        return each_operator(
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
        return each_operator(given, {**{name: compared(sign) for name, sign in signs.items()}, "isNull": _null(column)})


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
    takes_ids: ClassVar[bool] = True

    def sql(self, sql: Sql, alias: str, given: Where) -> str:
        column = self.column.format(t=alias)

        def numbers(typed: Sequence[str]) -> list[int]:
            return [n for n in (number_of(self.prefix, split_id(t)[0]) for t in typed) if n is not None]

        return each_operator(
            given,
            {
                "eq": lambda typed: sql.among(column, numbers([typed])),
                "ne": lambda typed: f"NOT coalesce({sql.among(column, numbers([typed]))}, false)",
                "in": lambda typed: sql.among(column, numbers(typed)),
                "notIn": lambda typed: f"NOT coalesce({sql.among(column, numbers(typed))}, false)",
                "within": lambda typed: f"{column} IN ({subtree(sql, numbers([typed]))})",
            },
        )
