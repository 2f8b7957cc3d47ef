"""Documents: parsed, measured and validated once, and kept with their plans."""

from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from graphql import (
    DirectiveNode,
    DocumentNode,
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    GraphQLError,
    GraphQLSchema,
    GraphQLSyntaxError,
    InlineFragmentNode,
    OperationDefinitionNode,
    SelectionSetNode,
    VariableNode,
    Visitor,
    parse,
    validate,
    visit,
)

from graph.errors import coded
from graph.levels import Level
from graph.limits import TooBig, check_document
from graph.selection import Argued
from models.settings import Settings

MOST_DOCUMENTS = 500
MOST_LOCATED = 100_000  # characters; past that, places in errors are not worth their memory


class RequestError(Exception):
    """Refused before execution."""

    def __init__(self, errors: list[GraphQLError]) -> None:
        super().__init__(errors[0].message)
        self.errors = errors


@dataclass
class Plan:
    """One operation compiled for one set of rights: a query's level, or its mutations' payloads by response name."""

    level: Level | None
    payloads: Mapping[str, Level]
    argued: list[Argued]


@dataclass
class Prepared:
    """A document that parsed and validated, with its plans."""

    document: DocumentNode
    fragments: dict[str, FragmentDefinitionNode]
    operations: dict[str | None, OperationDefinitionNode]
    switches: frozenset[str]
    plans: "OrderedDict[Any, Plan]" = field(default_factory=OrderedDict)

    def operation(self, name: str | None) -> OperationDefinitionNode:
        """The operation to run. Raises RequestError where the name does not tell which."""
        if name is None and len(self.operations) == 1:
            return next(iter(self.operations.values()))
        if name is None:
            raise RequestError([coded("operationName is needed: there are several operations.", "BAD_OPERATION_NAME")])
        if name not in self.operations:
            raise RequestError([coded(f"There is no operation {name[:100]}.", "BAD_OPERATION_NAME")])
        return self.operations[name]


class Documents:
    """The cache, bounded by count."""

    def __init__(self, schema: GraphQLSchema, settings: Settings) -> None:
        self._schema = schema
        self._settings = settings
        self._kept: OrderedDict[str, Prepared] = OrderedDict()

    def prepare(self, query: str) -> Prepared:
        """The document of this text, parsed, measured and validated once. Raises RequestError."""
        known = self._kept.get(query)
        if known is not None:
            self._kept.move_to_end(query)
            return known
        prepared = self._prepare(query)
        self._kept[query] = prepared
        if len(self._kept) > MOST_DOCUMENTS:
            self._kept.popitem(last=False)
        return prepared

    def _prepare(self, query: str) -> Prepared:
        try:
            document = parse(query, max_tokens=self._settings.max_tokens, no_location=len(query) > MOST_LOCATED)
            check_document(document, self._settings)
        except GraphQLSyntaxError as error:
            error.extensions = {"code": "GRAPHQL_PARSE_FAILED"}
            raise RequestError([error]) from error
        except TooBig as error:
            raise RequestError([error.error]) from error
        except RecursionError as error:
            raise RequestError([coded("This document is nested too deeply.", "TOO_DEEP")]) from error
        errors = validate(self._schema, document, max_errors=20)
        if errors:
            for each in errors:
                each.extensions = {"code": "GRAPHQL_VALIDATION_FAILED"}
            raise RequestError(list(errors))
        definitions = document.definitions
        operations = {
            (d.name.value if d.name else None): d for d in definitions if isinstance(d, OperationDefinitionNode)
        }
        fragments = {d.name.value: d for d in definitions if isinstance(d, FragmentDefinitionNode)}
        return Prepared(document, fragments, operations, frozenset(_switches(document)))


def root_names(selection_set: SelectionSetNode, fragments: Mapping[str, FragmentDefinitionNode]) -> set[str]:
    names: set[str] = set()
    for node in selection_set.selections:
        if isinstance(node, FieldNode):
            names.add(node.name.value)
        elif isinstance(node, FragmentSpreadNode):
            names |= root_names(fragments[node.name.value].selection_set, fragments)
        elif isinstance(node, InlineFragmentNode):
            names |= root_names(node.selection_set, fragments)
    return names


def _switches(document: DocumentNode) -> set[str]:
    """The variables that decide a @skip or @include, and so the shape of a plan."""
    finder = _SwitchFinder()
    visit(document, finder)
    return finder.names


class _SwitchFinder(Visitor):
    def __init__(self) -> None:
        super().__init__()
        self.names: set[str] = set()

    def enter_directive(self, node: DirectiveNode, *_: Any) -> None:
        for argument in node.arguments or ():
            if isinstance(argument.value, VariableNode):
                self.names.add(argument.value.name.value)
