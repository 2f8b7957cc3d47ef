"""Collecting fields: a selection set with its fragments spread, and @skip and @include applied."""

from collections.abc import Sequence
from typing import Any

from graphql import (
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    GraphQLObjectType,
    InlineFragmentNode,
    SelectionSetNode,
)

Fields = dict[str, list[FieldNode]]


class Collector:
    """Of one document, for one set of the variables that @skip and @include take."""

    def __init__(self, fragments: dict[str, FragmentDefinitionNode], variables: dict[str, Any]) -> None:
        self._fragments = fragments
        self._variables = variables

    def collect(self, type_: GraphQLObjectType, selections: Sequence[SelectionSetNode]) -> Fields:
        """Fields by response name, in order, with fragments spread and @skip and @include applied."""
        found: Fields = {}
        seen: set[str] = set()
        for selection_set in selections:
            self._collect(type_, selection_set, found, seen)
        return found

    def _collect(
        self, type_: GraphQLObjectType, selection_set: SelectionSetNode, found: Fields, seen: set[str]
    ) -> None:
        for node in selection_set.selections:
            if not self._included(node):
                continue
            if isinstance(node, FieldNode):
                found.setdefault(node.alias.value if node.alias else node.name.value, []).append(node)
            elif isinstance(node, InlineFragmentNode):
                if node.type_condition is None or self._applies(node.type_condition.name.value, type_):
                    self._collect(type_, node.selection_set, found, seen)
            elif isinstance(node, FragmentSpreadNode) and node.name.value not in seen:
                seen.add(node.name.value)
                fragment = self._fragments[node.name.value]
                if self._applies(fragment.type_condition.name.value, type_):
                    self._collect(type_, fragment.selection_set, found, seen)

    def _applies(self, condition: str, type_: GraphQLObjectType) -> bool:
        return condition == type_.name or any(interface.name == condition for interface in type_.interfaces)

    def _included(self, node: Any) -> bool:
        for directive in node.directives or ():
            name = directive.name.value
            if name in ("skip", "include"):
                value = directive.arguments[0].value
                wanted = self._variables.get(value.name.value) if value.kind == "variable" else value.value
                if bool(wanted) is (name == "skip"):
                    return False
        return True

    def names_type(self, selections: Sequence[SelectionSetNode], type_: GraphQLObjectType) -> bool:
        """Whether a selection on an interface asks for this very type."""
        for selection_set in selections:
            for node in selection_set.selections:
                condition = None
                if isinstance(node, InlineFragmentNode):
                    condition, inner = node.type_condition, node.selection_set
                elif isinstance(node, FragmentSpreadNode):
                    fragment = self._fragments[node.name.value]
                    condition, inner = fragment.type_condition, fragment.selection_set
                else:
                    continue
                if (condition is not None and condition.name.value == type_.name) or self.names_type([inner], type_):
                    return True
        return False
