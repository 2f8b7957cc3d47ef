"""Paths of a $filter: from names by slashes to the place in a `where` that speaks of them."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from odata_query import ast

from graph.odata.literals import named
from graph.odata.model import KEY, EntityType, Model
from graph.odata.refusals import bad, unsupported
from resolvers.conditions import One
from resolvers.filters import Identity, Instant, Number, Text

Where = dict[str, Any]
WITH_NULLS = (Text, Number, Instant)  # the filters that have isNull


@dataclass(frozen=True)
class Path:
    """Relations that lead to one row each, then a field of `filters`; None where the path ends in such a row.

    `is_nullable` tells whether there may be nothing at its end. `target` is the type of a list's rows.
    """

    names: tuple[str, ...]
    relations: tuple[str, ...]
    field: str | None
    filter: Any
    is_nullable: bool
    leaf_is_nullable: bool = False
    choices: tuple[str, ...] = ()
    target: EntityType | None = None

    def __str__(self) -> str:
        return "/".join(self.names)

    def where(self, condition: Any) -> Where:
        return wrapped(self.relations, condition if self.field is None else {self.field: condition})

    def present(self) -> Where:
        """That there is something at its end."""
        if not self.leaf_is_nullable or self.field is None:
            return wrapped(self.relations, {})
        if not isinstance(self.filter, WITH_NULLS):
            unsupported(f"{self} compared with null", str(self))
        return self.where({"isNull": False})


def wrapped(relations: Sequence[str], inner: Where) -> Where:
    for name in reversed(relations):
        inner = {name: inner}
    return inner


def chain(node: Any, variable: str | None) -> tuple[str, ...]:
    """The names of a path, without the variable that it must begin with inside any() and all()."""
    names: list[str] = []
    while isinstance(node, ast.Attribute):
        names.append(str(node.attr))
        node = node.owner
    if not isinstance(node, ast.Identifier):
        unsupported(f"{named(node.func)}() here" if isinstance(node, ast.Call) else "expressions here", "$filter")
    names.append(named(node))
    names.reverse()
    if variable is None:
        return tuple(names)
    if names[0] != variable:
        unsupported(f"properties other than of {variable} inside its any() or all()", "$filter")
    if len(names) == 1:
        bad(f"{variable} is an entity; compare one of its properties.", "$filter")
    return tuple(names[1:])


def resolved(model: Model, type_: EntityType, names: tuple[str, ...]) -> Path:
    """Raises Refused for names that there are not, and for what there is no filter for."""
    relations: list[str] = []
    is_nullable, place = False, type_
    for position, name in enumerate(names):
        told = "/".join(names)
        if name in place.navigations:
            navigation = place.navigations[name]
            filter = place.source.filters.get(name)
            target = model.types[navigation.target]
            if isinstance(filter, One):
                relations.append(name)
                is_nullable = is_nullable or navigation.is_nullable
                place = target
                continue
            if navigation.is_list and filter is not None:
                return Path(names, tuple(relations), name, filter, is_nullable, target=_end(names, position, target))
            by_id = place.source.filters.get(f"{name}Id")
            if isinstance(by_id, Identity) and names[position + 1 :] == (KEY,):
                return Path(names, tuple(relations), f"{name}Id", by_id, navigation.is_nullable, navigation.is_nullable)
            unsupported(f"{told} in a $filter", told)
        if name not in place.properties:
            bad(f"{place.name} has no {name[:60]}.", told[:100])
        found = place.properties[name]
        filter = place.source.filters.get(name)
        _end(names, position, None)
        if filter is None:
            unsupported(f"{told} in a $filter", told)
        is_nullable = is_nullable or found.is_nullable
        return Path(names, tuple(relations), name, filter, is_nullable, found.is_nullable, found.choices)
    return Path(names, tuple(relations), None, None, is_nullable)


def _end(names: tuple[str, ...], position: int, target: EntityType | None) -> EntityType | None:
    if position + 1 < len(names):
        told = "/".join(names)
        bad(f"{names[position]} ends its path; {told[:100]} goes on. Of a list, ask by any() or all().", told[:100])
    return target
