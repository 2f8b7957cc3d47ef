"""Compiling a selection set into a plan: per level the columns to select, the batches to load, the shape to give."""

from collections.abc import Sequence
from typing import Any

from graphql import (
    FieldNode,
    FragmentDefinitionNode,
    GraphQLField,
    GraphQLObjectType,
    GraphQLSchema,
    SelectionSetNode,
)

from graph import fields as declared
from graph.children import MAKERS
from graph.collecting import Collector
from graph.levels import Child, Level, expression
from graph.sites import Argued, Columns, Site, spec_of
from resolvers.policy import Reach, Viewer, may_read
from resolvers.sources import Source


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
        maker = MAKERS[type(spec)]
        return maker(self, Site(spec, definition, nodes, columns, reach, path))

    def arguments(self, site: Site, source: Source | None = None, *, paged: bool = False) -> int:
        """Note that a field's arguments are to be evaluated; the answer is their place among all."""
        self.argued.append(Argued(site.definition, site.nodes[0], site.path, source, paged))
        return len(self.argued) - 1
