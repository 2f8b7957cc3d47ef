"""What one document may ask for: checked in one walk that visits each fragment once, before validation."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from graphql import (
    DocumentNode,
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    GraphQLError,
    GraphQLSchema,
    OperationDefinitionNode,
    SelectionSetNode,
    get_named_type,
    is_leaf_type,
)

from graph.errors import coded
from models.settings import Settings
from resolvers.reports_moments import MOST_MOMENTS
from resolvers.reports_questions import DEFAULT_ROWS, MOST_ROWS

MOST_OPERATIONS = 50
MOST_FRAGMENTS = 200
MOST_VARIABLES = 200
MOST_FIELDS = 3_000
MOST_DIRECTIVES = 200
MOST_RESULTS = 10_000  # what is longer is refused by the mutation itself, as too many rows
A_REPORT = 1_000  # rows that a report counts as, beside those that it may answer, however many it reads
LISTS = {
    **{"roles": 50, "identityProviders": 20},
    **dict.fromkeys(("tags", "aliases", "variables", "externalIds", "synonyms", "sharedWith"), 5),
}


@dataclass(frozen=True)
class Size:
    """Of a selection set with its fragments spread."""

    depth: int = 0
    aliases: int = 0
    fields: int = 0
    directives: int = 0


class TooBig(Exception):
    def __init__(self, error: GraphQLError) -> None:
        super().__init__(error.message)
        self.error = error


def check_document(document: DocumentNode, settings: Settings) -> None:
    """Refuse what would be slow to validate. Raises TooBig with the limit that was passed."""
    operations = [d for d in document.definitions if isinstance(d, OperationDefinitionNode)]
    fragments = {d.name.value: d for d in document.definitions if isinstance(d, FragmentDefinitionNode)}
    _most(len(operations), MOST_OPERATIONS, "operations", "TOO_MANY_OPERATIONS")
    _most(len(document.definitions) - len(operations), MOST_FRAGMENTS, "fragments", "TOO_MANY_FRAGMENTS")
    walk = _Walk(fragments)
    for operation in operations:
        _most(len(operation.variable_definitions or ()), MOST_VARIABLES, "variables", "TOO_MANY_VARIABLES")
        size = walk.size(operation.selection_set)
        _most(size.depth, settings.max_depth, "levels of nesting", "TOO_DEEP")
        _most(size.aliases, settings.max_aliases, "aliases", "TOO_MANY_ALIASES")
        _most(size.fields, MOST_FIELDS, "fields", "TOO_MANY_FIELDS")
        _most(size.directives, MOST_DIRECTIVES, "directives", "TOO_MANY_DIRECTIVES")
        roots = walk.roots(operation.selection_set)
        _most(roots, settings.max_root_fields, "root fields", "TOO_MANY_ROOT_FIELDS")


def _most(count: int, limit: int, what: str, code: str) -> None:
    if count > limit:
        raise TooBig(coded(f"This document has more than {limit} {what}. Split it.", code, limit=limit))


class _Walk:
    """Sizes of selection sets; a fragment is measured once however often it is spread."""

    def __init__(self, fragments: Mapping[str, FragmentDefinitionNode]) -> None:
        self._fragments = fragments
        self._measured: dict[str, Size] = {}
        self._roots: dict[str, int] = {}
        self._open: set[str] = set()

    def size(self, selection_set: SelectionSetNode | None) -> Size:
        depth = aliases = fields = directives = 0
        for node in selection_set.selections if selection_set else ():
            inner = self._inner(node)
            own = 1 if isinstance(node, FieldNode) else 0
            depth = max(depth, inner.depth + own)
            aliases += inner.aliases + (1 if isinstance(node, FieldNode) and node.alias else 0)
            fields += inner.fields + own
            directives += inner.directives + len(node.directives or ())
        return Size(depth, aliases, fields, directives)

    def _inner(self, node: Any) -> Size:
        if isinstance(node, FragmentSpreadNode):
            return self._fragment(node.name.value)
        return self.size(node.selection_set)

    def _fragment(self, name: str) -> Size:
        """A cycle measures as nothing here; validation names it."""
        if name in self._open or name not in self._fragments:
            return Size()
        if name not in self._measured:
            self._open.add(name)
            self._measured[name] = self.size(self._fragments[name].selection_set)
            self._open.discard(name)
        return self._measured[name]

    def roots(self, selection_set: SelectionSetNode, within: frozenset[str] = frozenset()) -> int:
        """Fields of the root itself, those of spread fragments included."""
        return sum(self._roots_of(node, within) for node in selection_set.selections)

    def _roots_of(self, node: Any, within: frozenset[str]) -> int:
        if isinstance(node, FieldNode):
            return 1
        if not isinstance(node, FragmentSpreadNode):
            return self.roots(node.selection_set, within)
        name = node.name.value
        if name in within or name not in self._fragments:
            return 0
        if name not in self._roots:
            self._roots[name] = self.roots(self._fragments[name].selection_set, within | {name})
        return self._roots[name]


class Cost:
    """How many rows a query may touch, from its page sizes; each fragment is costed once."""

    def __init__(
        self,
        schema: GraphQLSchema,
        fragments: Mapping[str, FragmentDefinitionNode],
        variables: Mapping[str, Any],
        default: int,
    ) -> None:
        self._schema = schema
        self._fragments = fragments
        self._variables = variables
        self._default = default
        self._known: dict[str, int] = {}

    def of(self, type_: Any, selection_set: SelectionSetNode | None) -> int:
        return sum(self._node(type_, node) for node in (selection_set.selections if selection_set else ()))

    def _node(self, type_: Any, node: Any) -> int:
        if isinstance(node, FragmentSpreadNode):
            name = node.name.value
            if name not in self._known:
                fragment = self._fragments[name]
                condition = self._schema.type_map[fragment.type_condition.name.value]
                self._known[name] = self.of(condition, fragment.selection_set)
            return self._known[name]
        if not isinstance(node, FieldNode):
            condition = node.type_condition
            return self.of(self._schema.type_map[condition.name.value] if condition else type_, node.selection_set)
        return 0 if node.name.value.startswith("__") else self._field(type_, node)

    def _field(self, type_: Any, node: FieldNode) -> int:
        """Rows are counted where a list of them hangs; what a page is made of (nodes, edges, node) adds none."""
        name = node.name.value
        named = get_named_type(type_.fields[name].type)
        if is_leaf_type(named):
            return LISTS.get(name, 0)
        inner = self.of(named, node.selection_set)
        if type_.name.endswith(("Connection", "Edge")):
            return inner
        if named.name == "UserReport":
            return self._report(node)
        return self._rows(node, named) * (1 + inner)

    def _report(self, node: FieldNode) -> int:
        given = {argument.name.value: argument.value for argument in node.arguments or ()}
        asked = self._number(given["first"]) if "first" in given else None
        if "asOfEach" in given:
            return MOST_MOMENTS * A_REPORT + MOST_ROWS
        return A_REPORT + (DEFAULT_ROWS if asked is None else min(asked, MOST_ROWS))

    def _rows(self, node: FieldNode, named: Any) -> int:
        given = {argument.name.value: argument.value for argument in node.arguments or ()}
        if "ids" in given or "keys" in given:
            return self._length(given.get("ids") or given["keys"])
        if "input" in given:
            return self._input(given["input"])
        if named.name.endswith("Connection"):
            return self._page(node, given)
        return LISTS.get(node.name.value, 1)

    def _page(self, node: FieldNode, given: Mapping[str, Any]) -> int:
        """The size of a page; one for a list that is only counted."""
        names = {n.name.value if isinstance(n, FieldNode) else "nodes" for n in _selections(node)}
        if not names & {"nodes", "edges", "pageInfo"}:
            return 1
        sizes = [self._number(given[name]) for name in ("first", "last") if name in given]
        return max((size for size in sizes if size is not None), default=self._default)

    def _number(self, value: Any) -> int | None:
        if value.kind == "variable":
            number = self._variables.get(value.name.value)
            return int(number) if isinstance(number, (int, float)) and number >= 0 else None
        return int(value.value) if value.kind == "int_value" and int(value.value) >= 0 else None

    def _input(self, value: Any) -> int:
        """A mutation answers a result for each row of its input: the longest list in it."""
        if value.kind == "variable":
            given = self._variables.get(value.name.value)
            lists = [len(each) for each in given.values() if isinstance(each, list)] if isinstance(given, dict) else []
        else:
            lists = [self._length(each.value) for each in getattr(value, "fields", None) or ()]
        return min(max(lists, default=1) or 1, MOST_RESULTS)

    def _length(self, value: Any) -> int:
        if value.kind == "variable":
            given = self._variables.get(value.name.value)
            return len(given) if isinstance(given, list) else 1
        return len(value.values) if value.kind == "list_value" else 1


def _selections(node: FieldNode) -> Sequence[Any]:
    return node.selection_set.selections if node.selection_set else ()
