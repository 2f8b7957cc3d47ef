"""The rule by which a selection becomes the columns of a table.

A field is a column; what is selected of an object is `role.name`; a list is one column, called as the list is: a
connection's `nodes` or `edges` are not named, unless it has both. Aliases name columns.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from enum import Enum
from typing import Any

from graphql import (
    FieldNode,
    SelectionSetNode,
    get_named_type,
    get_nullable_type,
    is_abstract_type,
    is_leaf_type,
    is_list_type,
)

from graph.collecting import Collector


class Kind(Enum):
    """What the cells of a column hold."""

    TEXT = "text"
    NUMBER = "number"
    REAL = "real"
    FLAG = "flag"
    INSTANT = "instant"
    DATE = "date"
    JSON = "json"


_KINDS = {
    "Int": Kind.NUMBER,
    "Float": Kind.REAL,
    "Boolean": Kind.FLAG,
    "DateTime": Kind.INSTANT,
    "JSON": Kind.JSON,
}


@dataclass(frozen=True)
class Column:
    """`path` leads to it from its row in the answer. A list of objects has `items`: the columns of each."""

    name: str
    path: tuple[str, ...]
    kind: Kind = Kind.TEXT
    is_list: bool = False
    items: tuple["Column", ...] = ()


class Table:
    """Finds the columns of one document's selections."""

    def __init__(self, schema: Any, collector: Collector) -> None:
        self._schema = schema
        self._collector = collector

    def columns(self, type_: Any, selections: Sequence[SelectionSetNode]) -> list[Column]:
        """Of rows of this type; of an interface those of all its types, in the order in which they are found."""
        found: dict[tuple[str, ...], Column] = {}
        for each in self._schema.get_possible_types(type_) if is_abstract_type(type_) else [type_]:
            for key, nodes in self._collector.collect(each, selections).items():
                for column in self.field(each, key, nodes):
                    found.setdefault(column.path, column)
        return distinct(found.values())

    def field(self, type_: Any, key: str, nodes: Sequence[FieldNode]) -> list[Column]:
        """Of one field: several where it is an object."""
        name = nodes[0].name.value
        if name == "__typename":
            return [Column(key, (key,))]
        declared = type_.fields[name].type
        named, is_list = get_named_type(declared), is_list_type(get_nullable_type(declared))
        if is_leaf_type(named):
            return [Column(key, (key,), _KINDS.get(named.name, Kind.TEXT), is_list)]
        inner = self.columns(named, [node.selection_set for node in nodes if node.selection_set])
        if is_list:
            return [Column(key, (key,), is_list=True, items=tuple(inner))]
        return [replace(each, name=_named(named, key, each), path=(key, *each.path)) for each in inner]


def _named(type_: Any, key: str, column: Column) -> str:
    is_page = type_.name.endswith("Connection") and column.path in (("nodes",), ("edges",))
    return key if is_page and column.name in ("nodes", "edges") else f"{key}.{column.name}"


def distinct(columns: Iterable[Column]) -> list[Column]:
    """Namesakes are called by their whole paths, which differ."""
    listed = list(columns)
    names = [each.name for each in listed]
    return [replace(each, name=".".join(each.path)) if names.count(each.name) > 1 else each for each in listed]
