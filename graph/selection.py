"""Compiling a selection set into a plan: per level the columns to select, the batches to load, the shape to give."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from graphql import (
    FragmentDefinitionNode,
    GraphQLObjectType,
    GraphQLSchema,
    OperationDefinitionNode,
    SelectionSetNode,
    get_named_type,
)

from graph import fields as declared
from graph.children import MAKERS
from graph.collecting import Collector
from graph.levels import Child, Level, expression
from graph.sites import Argued, Columns, Site, spec_of
from resolvers import history
from resolvers.policy import Reach, Viewer, may_read
from resolvers.selected import Selected
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
        dialect: str,
    ) -> None:
        super().__init__(fragments, variables)
        self.schema = schema
        self.dialect = dialect
        self.viewer = viewer
        self.sources = sources
        self.forbidden: list[str] = []
        self.argued: list[Argued] = []
        self.past: int | None = None  # the place of the arguments that may say as of when the rows are read
        self.is_bounded = True  # whether no more rows are read than are answered

    def level(
        self,
        type_: GraphQLObjectType,
        selections: Sequence[SelectionSetNode],
        selected: Selected,
        reach: Reach,
        path: list[str | int],
    ) -> Level:
        """The plan for rows of `type_`; `selected` gains what it needs of them."""
        children: list[Child] = []
        parts = self.parts(type_, selections, Columns(selected), reach, path, children)
        return Level(selected, parts, children)

    def parts(
        self,
        type_: GraphQLObjectType,
        selections: Sequence[SelectionSetNode],
        columns: Columns,
        reach: Reach,
        path: list[str | int],
        children: list[Child],
    ) -> list[str]:
        """Pieces of Python that give the fields from a row `r`; what needs a batch is added to `children`."""
        parts: list[str] = []
        source = columns.selected.source_of(columns.alias)
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
            if self.past is not None and history.is_absent(type_.name, name):
                self.argued[self.past].timeless.append(f"{type_.name}.{name}")
            definition = type_.fields[name]
            spec = spec_of(definition)
            if isinstance(spec, declared.Plain):
                is_time = get_named_type(definition.type).name == "DateTime"
                column = "id" if spec.is_stable else name
                value = expression(
                    source, column, columns.place(column), self.dialect, is_time=is_time, is_stable=spec.is_stable
                )
                parts.append(f"{key!r}: {value}")
                continue
            made = MAKERS[type(spec)](self, Site(spec, definition, nodes, columns, children, reach, [*path, key]))
            if isinstance(made, Child):
                parts.append(f"{key!r}: {made.expression(len(children))}")
                children.append(made)
            else:
                parts.append(f"{key!r}: {made}")
        return parts

    def _forbid(self, name: str) -> None:
        if name not in self.forbidden:
            self.forbidden.append(name)

    def require_rows(self, source: Source, reach: Reach, named: int) -> None:
        """Who may not read the rows of a list may not count them either, nor hold cursors of them.

        `named` is how many fields were forbidden before the list: if its own were named since, they say it already.
        """
        if len(self.forbidden) == named and not may_read(self.viewer, source.type_name, "id", reach):
            self._forbid(f"{source.type_name}.id")

    def arguments(self, site: Site, source: Source | None = None, *, paged: bool = False, few: bool = False) -> int:
        """Note that a field's arguments are to be evaluated; the answer is their place among all."""
        self.argued.append(Argued(site.definition, site.nodes[0], site.path, source, paged, few, past=self.past))
        return len(self.argued) - 1

    @contextmanager
    def maybe_past(self, argued: int, has_past: bool) -> Iterator[None]:
        """What is compiled meanwhile is read as of the moment that these arguments may say."""
        outer = self.past
        if has_past:
            self.past = self.argued[argued].past = argued
        yield
        self.past = outer


def payloads(
    compiler: Compiler, root: GraphQLObjectType, operation: OperationDefinitionNode, reach: Reach
) -> dict[str, Level]:
    """A plan for each mutation's payload, so that what may not be read is refused before anything is changed."""
    found = {}
    for key, nodes in compiler.collect(root, [operation.selection_set]).items():
        if not nodes[0].name.value.startswith("__"):
            type_ = get_named_type(root.fields[nodes[0].name.value].type)
            assert isinstance(type_, GraphQLObjectType)
            selections = [node.selection_set for node in nodes if node.selection_set]
            found[key] = compiler.level(type_, selections, Selected(None), reach, [key])
    return found
