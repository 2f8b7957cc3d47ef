"""Where a field stands while its selection is compiled: its declaration, its nodes, its parent's columns."""

from dataclasses import dataclass, field
from typing import Any

from graphql import FieldNode, GraphQLField, SelectionSetNode, get_named_type
from graphql.execution.values import VariableValues, get_argument_values

from graph import fields as declared
from resolvers.policy import Reach
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


def spec_of(definition: GraphQLField) -> Any:
    return definition.extensions["strawberry-definition"].metadata.get(declared.SPEC)


@dataclass
class Site:
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
