"""Documents: parsed, measured and validated once, and kept with their plans."""

from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
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
    OperationType,
    SelectionSetNode,
    StringValueNode,
    VariableNode,
    Visitor,
    parse,
    validate,
    visit,
)
from graphql.execution.values import VariableValues

from graph.errors import BadRequest, coded, discreet, public
from graph.input_limits import bulk_mutations, count_literals
from graph.levels import Level
from graph.limits import TooBig, check_document
from graph.offload import Offload
from graph.sites import Argued
from models.settings import Settings
from resolvers.advice import ScanWarning

MOST_DOCUMENTS = 500
MOST_CHARACTERS = 2_000_000  # of all documents that are kept: parsed, one weighs some hundred times its text
MOST_REMEMBERED = 20  # plans of a document, sets of variables of a plan
MOST_KEPT = 64_000  # characters of a document that is worth keeping
TOKEN_LENGTH = 50  # characters a token may have on average
MOST_ERRORS = 20
TAKE_TOKENS = {"invitationByToken"}  # queries that need a secret as an argument
A_FIELD = 4  # characters of a document that take as long as one value


class RequestError(Exception):
    """Refused before execution."""

    def __init__(self, errors: list[GraphQLError]) -> None:
        super().__init__(errors[0].message)
        self.errors = errors


@dataclass
class Bound:
    """The arguments of a plan's fields, what is to be said of them, and whether indexes lead to all that they ask."""

    arguments: Sequence[Any]
    warnings: Sequence[tuple[ScanWarning, Sequence[str | int]]]  # each with the path of its list
    is_quick: bool


@dataclass
class Plan:
    """One operation compiled for one set of rights: a query's level, or its mutations' payloads by response name.

    `is_bounded`: it reads no more rows than it answers. `bound` are the arguments of its fields, by the variables they
    were evaluated with.
    """

    level: Level | None
    payloads: Mapping[str, Level]
    argued: list[Argued]
    is_bounded: bool = False
    bound: "OrderedDict[Any, Bound]" = field(default_factory=OrderedDict)


@dataclass
class Coerced:
    """Variables as an operation takes them, and what it may cost with them.

    `key` tells equal variables apart from others; None for those that are too much to remember.
    """

    values: VariableValues
    cost: int
    key: Any


def key_of(variables: Mapping[str, Any]) -> Any:
    """Numbers, flags and short texts make a key; True is not 1."""
    found = []
    for name, value in variables.items():
        if type(value) is str and value.startswith("-P"):
            return None  # a time that long ago is another one at the next run
        if type(value) not in _PLAIN or (type(value) is str and len(value) > LONGEST_KEY):
            return None
        found.append((name, type(value), value))
    return tuple(found)


_PLAIN = {str, int, float, bool, type(None)}
LONGEST_KEY = 300


def remember(kept: "OrderedDict[Any, Any]", key: Any, value: Any) -> Any:
    kept[key] = value
    if len(kept) > MOST_REMEMBERED:
        kept.popitem(last=False)
    return value


@dataclass
class Prepared:
    """A document that parsed and validated, with its plans."""

    document: DocumentNode
    fragments: dict[str, FragmentDefinitionNode]
    operations: dict[str | None, OperationDefinitionNode]
    switches: frozenset[str]
    roots: set[str]
    literals: int = 0
    is_timeless: bool = True  # False where the text may hold a time relative to its run
    plans: "OrderedDict[Any, Plan]" = field(default_factory=OrderedDict)
    coerced: "OrderedDict[Any, Coerced]" = field(default_factory=OrderedDict)

    def operation(self, name: str | None) -> OperationDefinitionNode:
        """The operation to run. Raises RequestError where the name does not tell which."""
        if name is None and len(self.operations) == 1:
            return next(iter(self.operations.values()))
        if name is None:
            raise RequestError([coded("operationName is needed: there are several operations.", "BAD_OPERATION_NAME")])
        if name not in self.operations:
            raise RequestError([coded(f"There is no operation {name[:100]}.", "BAD_OPERATION_NAME")])
        return self.operations[name]

    def require_safe(self, operation: OperationDefinitionNode) -> None:
        """Refuse what may not come by GET: changes, and tokens, which addresses keep. Raises RequestError."""
        if operation.operation is not OperationType.QUERY:
            raise RequestError([coded("GET is for queries. Send mutations by POST.", "METHOD_NOT_ALLOWED")])
        if not self.roots.isdisjoint(TAKE_TOKENS):
            raise RequestError([coded("A token does not belong in an address: send POST.", "METHOD_NOT_ALLOWED")])


class Documents:
    """The cache, bounded by count and by the length of what is kept."""

    def __init__(self, schema: GraphQLSchema, settings: Settings, offload: Offload | None = None) -> None:
        self._schema = schema
        self._settings = settings
        self._offload = offload or Offload()
        self._bulk_mutations = bulk_mutations(schema)
        self._kept: OrderedDict[str, Prepared] = OrderedDict()
        self._characters = 0
        self.hits = self.misses = self.plan_hits = self.plan_misses = 0

    def __contains__(self, query: str) -> bool:
        return query in self._kept

    def sizes(self) -> tuple[int, int]:
        """How many documents are kept, and how many plans with them."""
        return len(self._kept), sum(len(prepared.plans) for prepared in self._kept.values())

    async def prepare(self, query: str, admit: Callable[[set[str]], None]) -> Prepared:
        """The document of this text, parsed, measured and validated once. Raises RequestError.

        `admit` is handed the names of all root fields before validation, whose messages tell about the schema.
        """
        known = self._kept.get(query)
        if known is not None:
            self.hits += 1
            self._kept.move_to_end(query)
            admit(known.roots)
            return known
        self.misses += 1
        prepared = await self._offload.run(len(query) // A_FIELD, lambda: self.parse(query, admit))
        if len(query) <= MOST_KEPT and query not in self._kept:
            self._keep(query, prepared)
        return prepared

    def parse(self, query: str, admit: Callable[[set[str]], None]) -> Prepared:
        """As `prepare`, here and now, in whatever thread, and kept nowhere."""
        document = self._parsed(query)
        prepared = _prepared(document)
        admit(prepared.roots)
        prepared.literals = self._literals(prepared)
        errors = validate(
            self._schema, prepared.document, max_errors=MOST_ERRORS, hide_suggestions=not self._settings.introspection
        )
        if errors:
            raise RequestError([discreet(error, "GRAPHQL_VALIDATION_FAILED") for error in errors])
        return prepared

    def is_bulk(self, prepared: Prepared, operation: OperationDefinitionNode) -> bool:
        """Whether an operation takes a list of rows, and so more values than others."""
        if operation.operation is not OperationType.MUTATION or prepared.roots.isdisjoint(self._bulk_mutations):
            return False
        return not root_names(operation.selection_set, prepared.fragments).isdisjoint(self._bulk_mutations)

    def _literals(self, prepared: Prepared) -> int:
        """How many values stand in the document, before validation coerces them."""
        is_bulk = any(self.is_bulk(prepared, each) for each in prepared.operations.values())
        most = self._settings.max_bulk_values if is_bulk else self._settings.max_values
        try:
            return count_literals(prepared.document, most)
        except BadRequest as refused:
            raise RequestError([public(refused, None)]) from refused

    def _keep(self, query: str, prepared: Prepared) -> None:
        self._kept[query] = prepared
        self._characters += len(query)
        while len(self._kept) > MOST_DOCUMENTS or self._characters > MOST_CHARACTERS:
            oldest, _ = self._kept.popitem(last=False)
            self._characters -= len(oldest)

    def _parsed(self, query: str) -> DocumentNode:
        limit = self._settings.max_tokens
        if len(query) > limit * TOKEN_LENGTH:
            raise RequestError([coded("This document is too long. Send values as variables.", "TOO_MANY_TOKENS")])
        try:
            document = parse(
                query, max_tokens=limit, no_location=len(query) > MOST_KEPT, allow_empty_selection_sets=False
            )
            check_document(document, self._settings)
        except GraphQLSyntaxError as error:
            raise RequestError([_syntax(error, limit)]) from error
        except TooBig as error:
            raise RequestError([error.error]) from error
        except RecursionError as error:
            raise RequestError([coded("This document is nested too deeply.", "TOO_DEEP")]) from error
        return document


def _syntax(error: GraphQLSyntaxError, limit: int) -> GraphQLError:
    if "contains more than" in error.message:
        message = f"This document has more than {limit} tokens. Send values as variables."
        return coded(message, "TOO_MANY_TOKENS", limit=limit)
    if "nested too deeply" in error.message:
        return coded("This document is nested too deeply.", "TOO_DEEP")
    return discreet(error, "GRAPHQL_PARSE_FAILED")


def _prepared(document: DocumentNode) -> Prepared:
    definitions = document.definitions
    operations = {(d.name.value if d.name else None): d for d in definitions if isinstance(d, OperationDefinitionNode)}
    fragments = {d.name.value: d for d in definitions if isinstance(d, FragmentDefinitionNode)}
    finder = _Finder()
    visit(document, finder)
    roots: set[str] = set()
    for operation in operations.values():
        roots |= root_names(operation.selection_set, fragments)
    return Prepared(document, fragments, operations, frozenset(finder.names), roots, is_timeless=finder.is_timeless)


def root_names(selection_set: SelectionSetNode, fragments: Mapping[str, FragmentDefinitionNode]) -> set[str]:
    """The names of an operation's root fields; cycles and unknown fragments, which validation names, end here."""
    names: set[str] = set()
    seen: set[str] = set()
    waiting = [selection_set]
    while waiting:
        for node in waiting.pop().selections:
            if isinstance(node, FieldNode):
                names.add(node.name.value)
            elif isinstance(node, InlineFragmentNode):
                waiting.append(node.selection_set)
            elif isinstance(node, FragmentSpreadNode) and node.name.value not in seen:
                seen.add(node.name.value)
                if node.name.value in fragments:
                    waiting.append(fragments[node.name.value].selection_set)
    return names


class _Finder(Visitor):
    """Looks for the variables that decide a @skip or @include, and for texts that no database can store or that name
    a time relative to each run."""

    def __init__(self) -> None:
        super().__init__()
        self.names: set[str] = set()
        self.is_timeless = True

    def enter_string_value(self, node: StringValueNode, *_: Any) -> None:
        self.is_timeless &= not node.value.startswith("-P")
        if "\x00" in node.value:
            raise RequestError([coded("There is a NUL in a text. Take it out.", "BAD_REQUEST")])

    def enter_directive(self, node: DirectiveNode, *_: Any) -> None:
        for argument in node.arguments or ():
            if isinstance(argument.value, VariableNode):
                self.names.add(argument.value.name.value)
