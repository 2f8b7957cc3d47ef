"""From a `where` to SQL: conditions joined, over relations too, each checked against what the viewer may read."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

from resolvers.filters import Text, Where, each_operator
from resolvers.policy import Viewer, may_read
from resolvers.sources import Source, Sql, Visible


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
        # Of one row at most: `=` lets both databases begin with the index of the column.
        compared = "=" if _finds_one(source, given) else "IN"
        return (
            f"{self.column.format(t=alias)} {compared}"
            f" (SELECT {inner}.id FROM {source.table} {inner} WHERE {condition})"
        )


def _finds_one(source: Source, given: Where) -> bool:
    """Whether a key of the source is asked to equal a value, beside whatever else is asked."""
    return any((given.get(name) or {}).get("eq") is not None for name in source.unique)


@dataclass(frozen=True, eq=False)
class Some:
    """A to-many relation: some row, or none, meets the conditions. `key` is the parent's id, over `join` from `{i}`.

    `visible` is the condition on the rows of `join`, by their alias `m{i}`.
    """

    key: str
    source: Callable[[], Source]
    join: str = ""
    operators: str = "some"
    visible: Visible | None = None

    def sql(self, sql: Sql, alias: str, given: Where) -> str:
        def parents(where: Where) -> str:
            source, inner = self.source(), sql.alias()
            key, join = self.key.format(i=inner), self.join.format(i=inner)
            condition = conditions(sql, source, inner, where)
            if self.visible is not None and (allowed := self.visible(sql, f"m{inner}")):
                condition = f"{allowed} AND {condition}"
            return f"IN (SELECT {key} FROM {source.table} {inner} {join} WHERE {key} IS NOT NULL AND {condition})"

        return _some_or_none(f"{alias}.id", given, parents)


def _some_or_none(id: str, given: Where, parents: Callable[[Where], str]) -> str:
    """Of the ids of parents in a subquery, which both databases may begin with."""
    return each_operator(
        given,
        {"some": lambda where: f"{id} {parents(where)}", "none": lambda where: f"{id} NOT {parents(where)}"},
    )


@dataclass(frozen=True)
class SomeText:
    """A list of texts kept in a table of their own (tags, aliases)."""

    table: str
    operators: str = "StringListFilter"

    def sql(self, sql: Sql, alias: str, given: Where) -> str:
        def owners(where: Where) -> str:
            inner = sql.alias()
            condition = Text("").on(sql, f"{inner}.value_key", where)
            return f"IN (SELECT {inner}.user_id FROM {self.table} {inner} WHERE {condition})"

        return _some_or_none(f"{alias}.id", given, owners)


@dataclass(frozen=True, eq=False)
class SomeRow:
    """A list of rows of texts kept in a table of their own (variables, external ids).

    `fields` are by their GraphQL name; an index finds rows by the first one.
    """

    table: str
    fields: Mapping[str, Text]
    operators: str

    def sql(self, sql: Sql, alias: str, given: Where) -> str:
        def owners(where: Where) -> str:
            inner = sql.alias()
            parts = {name: partial(text.sql, sql, inner) for name, text in self.fields.items()}
            return f"IN (SELECT {inner}.user_id FROM {self.table} {inner} WHERE {each_operator(where, parts)})"

        return _some_or_none(f"{alias}.id", given, owners)


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
    return asked_by(source, where, lambda type_name, name: not may_read(viewer, type_name, name))


def asked_by(source: Source, where: Where | None, is_meant: Callable[[str, str], bool]) -> list[str]:
    """The fields of a `where` that are meant, by type and name; what lies behind one of them is not looked at."""
    found: list[str] = []
    for name, given in (where or {}).items():
        if name in ("and", "or"):
            found += [each for part in given or () for each in asked_by(source, part, is_meant)]
        elif name == "not":
            found += asked_by(source, given, is_meant)
        else:
            found += _asked_by_field(source, name, given, is_meant)
    return found


def _asked_by_field(source: Source, name: str, given: Any, is_meant: Callable[[str, str], bool]) -> list[str]:
    if is_meant(source.type_name, name):
        return [f"{source.type_name}.{name}"]
    declared = source.filters[name]
    if isinstance(declared, One):
        return asked_by(declared.source(), given, is_meant)
    if isinstance(declared, Some):
        return [each for part in (given or {}).values() for each in asked_by(declared.source(), part, is_meant)]
    return []
