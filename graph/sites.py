"""Where a field stands while its selection is compiled: its declaration, its nodes, its parent's columns."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from graphql import FieldNode, GraphQLField, SelectionSetNode, get_named_type
from graphql.execution.values import VariableValues, get_argument_values

from graph import fields as declared
from resolvers.policy import Reach
from resolvers.selected import OWN, Selected
from resolvers.sources import Source


@dataclass
class Argued:
    """A field with arguments; they are evaluated before anything is read.

    `past` is the place of the arguments that say as of when it is read, if any do, and `timeless` what is selected
    below those though it has no history. `bind` makes of the arguments what is asked, where that is no page: it is
    given them with the viewer, the settings and the place in the answer.
    """

    definition: GraphQLField
    node: FieldNode
    response_path: list[str | int]
    source: Source | None = None
    paged: bool = False
    few: bool = False  # a list of which each parent has few rows
    past: int | None = None
    timeless: list[str] = field(default_factory=list)
    bind: Callable[..., Any] | None = None

    def evaluate(self, variables: VariableValues) -> dict[str, Any]:
        return get_argument_values(self.definition, self.node, variables)


@dataclass(frozen=True)
class Columns:
    """The columns of one table in a batch of rows, which all that shapes the batch shares."""

    selected: Selected
    alias: str = OWN

    def place(self, name: str) -> int:
        return self.selected.place(name, self.alias)

    def joined(self, source: Source, column: str) -> "Columns":
        """Those of the neighbour that `column` leads to."""
        return Columns(self.selected, self.selected.join(source, column, self.alias))


def spec_of(definition: GraphQLField) -> Any:
    return definition.extensions["strawberry-definition"].metadata.get(declared.SPEC)


@dataclass
class Site:
    """Where a child stands: its declaration, its nodes in the document, its parent's columns and batches."""

    spec: Any
    definition: GraphQLField
    nodes: list[FieldNode]
    columns: Columns
    children: list[Any]
    reach: Reach
    path: list[str | int]

    @property
    def type(self) -> Any:
        return get_named_type(self.definition.type)

    @property
    def selections(self) -> list[SelectionSetNode]:
        return [node.selection_set for node in self.nodes if node.selection_set]
