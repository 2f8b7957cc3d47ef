"""Compiling a selection set into a plan: per level the columns to select, the batches to load, the shape to give."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from graphql import (
    FieldNode,
    FragmentDefinitionNode,
    GraphQLField,
    GraphQLInterfaceType,
    GraphQLObjectType,
    GraphQLSchema,
    SelectionSetNode,
    get_named_type,
)
from graphql.execution.values import VariableValues, get_argument_values

from graph import fields as declared
from graph.collecting import Collector
from graph.connections import ConnectionChild
from graph.levels import (
    AllChild,
    Child,
    CountChild,
    Level,
    LookupChild,
    NodesChild,
    RecordChild,
    ToOneChild,
    ValuesChild,
    expression,
)
from resolvers.policy import OWN_NEIGHBOURS, Reach, Viewer, may_read
from resolvers.sources import Source


@dataclass
class Argued:
    """A field with arguments; they are evaluated anew for each request, before anything is read."""

    definition: GraphQLField
    node: FieldNode
    response_path: list[str | int]
    source: Source | None = None
    paged: bool = False

    def evaluate(self, variables: VariableValues) -> dict[str, Any]:
        return get_argument_values(self.definition, self.node, variables)


@dataclass
class Columns:
    """The columns of one batch of rows, shared by all that shapes it. Row[0] is the key a row belongs to."""

    names: list[str] = field(default_factory=list)

    def place(self, name: str) -> int:
        if name not in self.names:
            self.names.append(name)
        return self.names.index(name) + 1


class Compiler(Collector):
    """One compilation: for one operation, one viewer's rights and one set of @skip and @include values."""

    def __init__(
        self,
        schema: GraphQLSchema,
        fragments: dict[str, FragmentDefinitionNode],
        variables: dict[str, Any],
        viewer: Viewer,
        sources: dict[str, Source],
    ) -> None:
        super().__init__(fragments, variables)
        self.schema = schema
        self.viewer = viewer
        self.sources = sources
        self.forbidden: list[str] = []
        self.argued: list[Argued] = []

    def level(
        self,
        type_: GraphQLObjectType,
        selections: Sequence[SelectionSetNode],
        columns: Columns,
        source: Source | None,
        reach: Reach,
        path: list[str | int],
    ) -> Level:
        """The plan for rows of `type_`; `columns` gains what it needs of them."""
        parts: list[str] = []
        children: list[Child] = []
        for key, nodes in self.collect(type_, selections).items():
            name = nodes[0].name.value
            if name == "__typename":
                parts.append(f"{key!r}: {type_.name!r}")
                continue
            if name.startswith("__"):
                continue  # introspection is graphql-core's
            if not may_read(self.viewer, type_.name, name, reach):
                self._forbid(f"{type_.name}.{name}")
                continue
            definition = type_.fields[name]
            spec = spec_of(definition)
            if isinstance(spec, declared.Plain):
                parts.append(f"{key!r}: {expression(source, name, columns.place(name))}")
                continue
            child = self._child(spec, definition, nodes, columns, reach, [*path, key])
            parts.append(f"{key!r}: {child.expression(len(children))}")
            children.append(child)
        return Level(columns.names, parts, children)

    def _forbid(self, name: str) -> None:
        if name not in self.forbidden:
            self.forbidden.append(name)

    def require_rows(self, source: Source, reach: Reach, named: int) -> None:
        """Who may not read the rows of a list may not count them either, nor hold cursors of them.

        `named` is how many fields were forbidden before the list: if its own were named since, they say it already.
        """
        if len(self.forbidden) == named and not may_read(self.viewer, source.type_name, "id", reach):
            self._forbid(f"{source.type_name}.id")

    def _child(
        self,
        spec: Any,
        definition: GraphQLField,
        nodes: list[FieldNode],
        columns: Columns,
        reach: Reach,
        path: list[str | int],
    ) -> Child:
        maker = _MAKERS[type(spec)]
        return maker(self, _Site(spec, definition, nodes, columns, reach, path))

    def arguments(self, site: "_Site", source: Source | None = None, *, paged: bool = False) -> int:
        """Note that a field's arguments are to be evaluated; the answer is their place among all."""
        self.argued.append(Argued(site.definition, site.nodes[0], site.path, source, paged))
        return len(self.argued) - 1


def spec_of(definition: GraphQLField) -> Any:
    return definition.extensions["strawberry-definition"].metadata.get(declared.SPEC)


@dataclass
class _Site:
    """Where a child stands: its declaration, its nodes in the document, and its parent's columns."""

    spec: Any
    definition: GraphQLField
    nodes: list[FieldNode]
    columns: Columns
    reach: Reach
    path: list[str | int]

    @property
    def type(self) -> Any:
        return get_named_type(self.definition.type)

    @property
    def selections(self) -> list[SelectionSetNode]:
        return [node.selection_set for node in self.nodes if node.selection_set]


def _to_one(compiler: Compiler, site: _Site) -> Child:
    place = site.columns.place(site.spec.column)
    columns = Columns()
    source = site.spec.source()
    reach = site.reach if site.spec.is_subject else site.reach.to(source.type_name)
    level = compiler.level(site.type, site.selections, columns, source, reach, site.path)
    names = {nodes[0].name.value for nodes in compiler.collect(site.type, site.selections).values()}
    is_neighbour = reach is Reach.NEAR and names <= OWN_NEIGHBOURS | {"__typename"}
    return ToOneChild(level, source, place, is_neighbour)


def _viewer(compiler: Compiler, site: _Site) -> Child:
    place = site.columns.place("viewerId")
    source = site.spec.source()
    level = compiler.level(site.type, site.selections, Columns(), source, Reach.OWN, site.path)
    return ToOneChild(level, source, place)


def _many(compiler: Compiler, site: _Site) -> Child:
    source = site.spec.source()
    relation = site.spec.relation() if site.spec.relation else None
    place = site.columns.place("id") if relation else 0
    columns = Columns()
    child = ConnectionChild(source, relation, place, columns.names, compiler.arguments(site, source, paged=True))
    named = len(compiler.forbidden)
    fields = compiler.collect(site.type, site.selections)
    for key, nodes in fields.items():
        _connection_field(compiler, site, child, key, nodes, columns)
    if any(nodes[0].name.value != "__typename" for nodes in fields.values()):
        compiler.require_rows(source, site.reach.to(source.type_name), named)
    return child


def _connection_field(
    compiler: Compiler,
    site: _Site,
    child: ConnectionChild,
    key: str,
    nodes: list[FieldNode],
    columns: Columns,
) -> None:
    name = nodes[0].name.value
    inner = [node.selection_set for node in nodes if node.selection_set]
    type_: Any = None if name == "__typename" else get_named_type(site.type.fields[name].type)

    reach = site.reach.to(child.source.type_name)

    def rows(selections: list[SelectionSetNode], row_type: Any, row_path: list[str | int]) -> Level:
        return compiler.level(row_type, selections, columns, child.source, reach, row_path)

    if name == "__typename":
        child.typename(key, site.type.name)
        return
    if name == "nodes":
        child.rows(key, rows(inner, type_, [*site.path, key]))
    elif name == "edges":
        parts: list[tuple[str, str, Level | None]] = []
        for edge_key, edge_nodes in compiler.collect(type_, inner).items():
            edge_name = edge_nodes[0].name.value
            node_sets = [node.selection_set for node in edge_nodes if node.selection_set]
            level = None
            if edge_name == "node":
                node_type = get_named_type(type_.fields["node"].type)
                level = rows(node_sets, node_type, [*site.path, key, edge_key])
            parts.append((edge_key, edge_name if edge_name != "__typename" else f"={type_.name}", level))
        child.edges(key, parts)
    elif name == "pageInfo":
        wanted = {k: n[0].name.value for k, n in compiler.collect(type_, inner).items()}
        child.page_info(key, wanted)
    else:
        child.total(key)


def _values(compiler: Compiler, site: _Site) -> Child:
    place = site.columns.place("id")
    relation = site.spec.relation()
    columns = Columns()
    if site.spec.column is not None:
        columns.place(site.spec.column)
        return ValuesChild(None, relation, place, columns.names)
    level = compiler.level(site.type, site.selections, columns, relation.source(), site.reach, site.path)
    return ValuesChild(level, relation, place, columns.names)


def _count(compiler: Compiler, site: _Site) -> Child:
    return CountChild(site.spec.relation(), site.columns.place("id"))


def _all(compiler: Compiler, site: _Site) -> Child:
    source = site.spec.source()
    argued = compiler.arguments(site, source)
    named = len(compiler.forbidden)
    level = compiler.level(site.type, site.selections, Columns(), source, site.reach.to(source.type_name), site.path)
    compiler.require_rows(source, site.reach.to(source.type_name), named)
    return AllChild(level, source, argued)


def _lookup(compiler: Compiler, site: _Site) -> Child:
    source = site.spec.source()
    argued = compiler.arguments(site)
    level = compiler.level(site.type, site.selections, Columns(), source, site.reach.to(source.type_name), site.path)
    return LookupChild(level, source, argued, many=site.spec.many)


def _nodes(compiler: Compiler, site: _Site) -> Child:
    argued = None if site.spec.column else compiler.arguments(site)
    place = site.columns.place(site.spec.column) if site.spec.column else 0
    levels: dict[str, tuple[Source, Level]] = {}
    interface = site.type
    assert isinstance(interface, GraphQLInterfaceType)
    for type_ in compiler.schema.get_possible_types(interface):
        source = compiler.sources.get(type_.name)
        if source is None:
            continue
        readable, named = may_read(compiler.viewer, type_.name, "id"), len(compiler.forbidden)
        if readable or compiler.names_type(site.selections, type_):
            level = compiler.level(type_, site.selections, Columns(), source, Reach.FAR, site.path)
            levels[source.prefix] = (source, level)
            compiler.require_rows(source, Reach.FAR, named)
    many = site.definition.args.get("ids") is not None
    return NodesChild(levels, place, argued, many=many)


def _record(compiler: Compiler, site: _Site) -> Child:
    place = site.columns.place(site.nodes[0].name.value)
    level = compiler.level(site.type, site.selections, Columns(), None, site.reach, site.path)
    return RecordChild(level, place, many=site.spec.many)


_MAKERS: dict[type, Callable[[Compiler, _Site], Child]] = {
    declared.ToOne: _to_one,
    declared.Viewer: _viewer,
    declared.Many: _many,
    declared.Values: _values,
    declared.Count: _count,
    declared.All: _all,
    declared.Lookup: _lookup,
    declared.Nodes: _nodes,
    declared.Record: _record,
}
