"""What the feed shows: entity sets and their types, taken from the schema, so that a new field appears by itself."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache, cached_property
from typing import Any

from graphql import (
    GraphQLEnumType,
    GraphQLField,
    GraphQLInterfaceType,
    GraphQLObjectType,
    GraphQLSchema,
    get_named_type,
    get_nullable_type,
    is_leaf_type,
    is_list_type,
    is_non_null_type,
)

from graph import fields as declared
from graph import schema
from graph.sites import spec_of
from resolvers.sources import Source

NAMESPACE = "usergraph"
CONTAINER = "Directory"
KEY = "id"
# Entity sets, each with the root field that lists it. What leads to another type is not shown.
SETS: Mapping[str, str] = {
    "Users": "users",
    "Roles": "roles",
    "IdentityProviders": "identityProviders",
    "Groups": "groups",
    "Organizations": "organizations",
    "Memberships": "memberships",
    "GroupMemberships": "groupMemberships",
    "AuditEvents": "auditEvents",
}
# Enums are texts, which every tool can filter by; JSON is its text, which 4.0 has no type for.
PRIMITIVES = {
    "ID": "Edm.String",
    "String": "Edm.String",
    "Int": "Edm.Int32",
    "Float": "Edm.Double",
    "Boolean": "Edm.Boolean",
    "DateTime": "Edm.DateTimeOffset",
    "JSON": "Edm.String",
}


@dataclass(frozen=True)
class Property:
    """A value, or a list of them; `fields` are those of a list of objects, `choices` the values of an enum."""

    name: str
    edm: str
    description: str
    is_list: bool = False
    is_nullable: bool = True
    is_json: bool = False
    choices: tuple[str, ...] = ()
    fields: tuple[str, ...] = ()


@dataclass(frozen=True)
class Navigation:
    """A way to one entity, or to a list of them; `arguments` are those that the list takes in GraphQL, with types."""

    name: str
    target: str
    description: str
    is_list: bool = False
    is_nullable: bool = True
    arguments: Mapping[str, str] = field(default_factory=dict)


@dataclass(eq=False)
class EntityType:
    """A type of the schema. `is_node`: one of it is found by its typed id wherever it stands."""

    name: str
    source: Source
    description: str
    is_node: bool = False
    properties: dict[str, Property] = field(default_factory=dict)
    navigations: dict[str, Navigation] = field(default_factory=dict)

    def order(self, path: tuple[str, ...]) -> str | None:
        """What GraphQL calls the order by this path; None where there is none."""
        if len(path) == 1 and path[0] in self.properties:
            name = re.sub(r"(?=[A-Z])", "_", path[0]).upper()
            return name if name in self.source.orders else None
        joined = path[0] + "".join(step[:1].upper() + step[1:] for step in path[1:])
        by_column = {column: name for name, column in self.source.orders.items()}
        return by_column.get(joined) if path[0] in self.navigations else None

    @cached_property
    def orderable(self) -> list[str]:
        return [name for name in self.properties if self.order((name,))]

    @cached_property
    def filterable(self) -> list[str]:
        return [name for name in (*self.properties, *self.navigations) if name in self.source.filters]


@dataclass(frozen=True, eq=False)
class EntitySet:
    """`is_paged`: a connection; otherwise a short list that GraphQL answers whole."""

    name: str
    root: str
    type: EntityType
    is_paged: bool
    arguments: Mapping[str, str]


@dataclass(frozen=True, eq=False)
class Model:
    types: Mapping[str, EntityType]
    sets: Mapping[str, EntitySet]
    complexes: Mapping[str, tuple[str, ...]]

    def set_of(self, type_name: str) -> EntitySet:
        return next(each for each in self.sets.values() if each.type.name == type_name)


@cache
def model() -> Model:
    """Of this process's schema, which nothing changes."""
    return _Reader(schema.built()).model()


class _Reader:
    def __init__(self, built: GraphQLSchema) -> None:
        assert built.query_type is not None
        self._roots = {name: built.query_type.fields[root] for name, root in SETS.items()}
        self._rows = {name: _row_type(root) for name, root in self._roots.items()}
        self._complexes: dict[str, tuple[str, ...]] = {}

    def model(self) -> Model:
        types = {row.name: self._type(row, spec_of(self._roots[name]).source()) for name, row in self._rows.items()}
        sets = {
            name: EntitySet(
                name,
                SETS[name],
                types[self._rows[name].name],
                isinstance(spec_of(root), declared.Many),
                _arguments(root),
            )
            for name, root in self._roots.items()
        }
        return Model(types, sets, self._complexes)

    def _type(self, row: GraphQLObjectType, source: Source) -> EntityType:
        is_node = any(interface.name == "Node" for interface in row.interfaces)
        made = EntityType(row.name, source, row.description or "", is_node)
        for name, definition in row.fields.items():
            target, spec = _row_type(definition), spec_of(definition)
            if isinstance(spec, declared.Plain) and spec.is_stable:
                continue  # nothing here is read as of a time, so it would repeat the id
            if is_leaf_type(get_named_type(definition.type)) or isinstance(spec_of(definition), declared.Values):
                made.properties[name] = self._property(name, definition)
            elif target in self._rows.values() and isinstance(spec_of(definition), declared.ToOne | declared.Many):
                made.navigations[name] = _navigation(name, definition, target)
        return made

    def _property(self, name: str, definition: GraphQLField) -> Property:
        named: Any = get_named_type(definition.type)
        choices = tuple(named.values) if isinstance(named, GraphQLEnumType) else ()
        inner: tuple[str, ...] = ()
        if isinstance(named, GraphQLObjectType):
            inner = self._complexes[named.name] = tuple(named.fields)
        edm = "Edm.String" if choices else PRIMITIVES.get(named.name, f"{NAMESPACE}.{named.name}")
        return Property(
            name,
            edm,
            definition.description or "",
            is_list=is_list_type(get_nullable_type(definition.type)),
            is_nullable=not is_non_null_type(definition.type),
            is_json=named.name == "JSON",
            choices=choices,
            fields=inner,
        )


def _row_type(definition: GraphQLField) -> Any:
    """The type of the rows that a field leads to, through its connection if it is one."""
    named: Any = get_named_type(definition.type)
    if isinstance(named, GraphQLObjectType | GraphQLInterfaceType) and named.name.endswith("Connection"):
        return get_named_type(named.fields["nodes"].type)
    return named


def _navigation(name: str, definition: GraphQLField, target: Any) -> Navigation:
    return Navigation(
        name,
        target.name,
        definition.description or "",
        is_list=isinstance(spec_of(definition), declared.Many),
        is_nullable=not is_non_null_type(definition.type),
        arguments=_arguments(definition),
    )


def _arguments(definition: GraphQLField) -> dict[str, str]:
    return {name: str(argument.type) for name, argument in definition.args.items()}
