"""Which rows an export has: those of the only list at the root of a query, streamed or answered whole."""

from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from typing import Any

from graphql import (
    FieldNode,
    GraphQLError,
    GraphQLField,
    OperationDefinitionNode,
    OperationType,
    SelectionSetNode,
    VariableNode,
    get_named_type,
    get_nullable_type,
    is_leaf_type,
    is_list_type,
)
from graphql.execution.values import VariableValues

from graph import cells
from graph import fields as declared
from graph.arguments import page_of, plain, require_history
from graph.cell_values import TEXTS, Values
from graph.collecting import Collector
from graph.columns import Column
from graph.documents import Prepared, RequestError
from graph.errors import coded
from graph.executor import Engine
from graph.export_streams import Hold, StreamedRows, Write
from graph.limits import Cost
from graph.selection import Compiler
from graph.sites import Argued, spec_of
from models.database import Database
from models.errors import Invalid
from models.streams import in_thread
from resolvers import history
from resolvers.loaders import Page
from resolvers.policy import Reach, Viewer
from resolvers.selected import Selected

BATCH = 1_000  # rows that are in memory at a time at most, with all that hangs on them


def not_exportable(reason: str) -> GraphQLError:
    advice = "An export needs a query with one list at its root, such as { users { nodes { username } } }"
    return coded(f"{advice}: {reason}.", "NOT_EXPORTABLE")


@dataclass(frozen=True)
class Root:
    """The only field at the root of a query, beside `__typename`."""

    key: str
    nodes: list[FieldNode]
    definition: GraphQLField

    @property
    def type(self) -> Any:
        return get_named_type(self.definition.type)

    @property
    def name(self) -> str:
        return self.nodes[0].name.value

    @property
    def selections(self) -> list[SelectionSetNode]:
        return [node.selection_set for node in self.nodes if node.selection_set]

    @property
    def is_connection(self) -> bool:
        return isinstance(spec_of(self.definition), declared.Many)

    @property
    def is_list(self) -> bool:
        return is_list_type(get_nullable_type(self.definition.type)) and not is_leaf_type(self.type)

    @property
    def is_report(self) -> bool:
        """Whether it is an object that tells its `columns`, and its `rows` as objects."""
        fields = getattr(self.type, "fields", {})
        return (
            not self.is_list
            and {"columns", "rows"} <= set(fields)
            and is_list_type(get_nullable_type(fields["rows"].type))
        )


def root_of(engine: Engine, operation: OperationDefinitionNode, collector: Collector) -> Root:
    """Raises RequestError for a query of which no table can be made."""
    if operation.operation is not OperationType.QUERY:
        raise RequestError([not_exportable("this changes something")])
    query = engine.schema.query_type
    assert query is not None
    found = collector.collect(query, [operation.selection_set])
    roots = {key: nodes for key, nodes in found.items() if nodes[0].name.value != "__typename"}
    if len(roots) != 1:
        raise RequestError([not_exportable(f"this has {len(roots)} fields there")])
    ((key, nodes),) = roots.items()
    name = nodes[0].name.value
    if name.startswith("__"):
        raise RequestError([not_exportable(f"{name} is none")])
    root = Root(key, nodes, query.fields[name])
    if not (root.is_connection or root.is_list or root.is_report):
        raise RequestError([not_exportable(f"{name} is one object")])
    return root


@dataclass(frozen=True)
class WholeRows:
    """Rows that an answer holds already: objects, or None where a key named nothing."""

    rows: Sequence[Any]
    shape: Callable[[Sequence[Any]], Sequence[Any]]

    def place(self) -> AbstractContextManager[None]:
        """None is needed for what is in memory, and bounded."""
        return nullcontext()

    async def count(self) -> int:
        return len(self.rows)

    async def written(self, write: Write, hold: Hold) -> AsyncGenerator[bytes, None]:
        for first in range(0, len(self.rows), BATCH):
            rows = self.rows[first : first + BATCH]
            yield await in_thread(lambda some=rows: write(self.shape(some)))  # type: ignore[misc]


def as_cells(table: Sequence[Column], values: Values) -> Callable[[Sequence[Any]], list[tuple[Any, ...]]]:
    """Makes rows of cells of the rows of an answer."""
    converts = [values.of(column, column.path) for column in table]
    return lambda rows: [tuple([convert(row) for convert in converts]) for row in rows]


@dataclass(frozen=True)
class Asking:
    """One request for an export, understood so far."""

    engine: Engine
    prepared: Prepared
    operation: OperationDefinitionNode
    values: VariableValues
    viewer: Viewer
    root: Root

    @property
    def first(self) -> int | None:
        """How many rows were asked for, where that was said: a default is of pages, and not of files."""
        for argument in self.root.nodes[0].arguments or ():
            if argument.name.value == "first":
                if isinstance(argument.value, VariableNode) and argument.value.name.value not in self.values.coerced:
                    return None
                given = Argued(self.root.definition, self.root.nodes[0], []).evaluate(self.values)
                return given.get("first")
        return None

    def streamed(self, database: Database, values: Values | None) -> tuple[StreamedRows, list[Column]]:
        """The rows of a connection, as objects where no `values` say how cells are made.

        Raises RequestError, GraphQLError and Refusal as the query itself would.
        """
        source = spec_of(self.root.definition).source()
        given = plain(Argued(self.root.definition, self.root.nodes[0], []).evaluate(self.values))
        most = _most(given)
        size = self._batch_size(most)
        plan = self.engine.plan(self.prepared, self.operation, self.values, self.viewer)  # names what may not be read
        compiler = self._compiler()
        type_, selections, path = self._nodes(compiler)
        selected = Selected(source, has_texts=values is TEXTS and database.dialect.name == "postgres")
        reach = Reach.FAR.to(source.type_name)
        table: list[Column] = []
        if values is None:
            level = compiler.level(type_, selections, selected, reach, path)
        else:
            level = cells.compiled(compiler, type_, selections, selected, reach, path, values)
            table = level.table
        asked = page_of(given, source, self.viewer, self.engine.settings, whole=True)
        require_history(plan.argued, [self._bound(each, asked) for each in plan.argued])
        arguments = [self._bound(each, asked) for each in compiler.argued]
        viewer = self.viewer if asked.as_of is None else history.viewer_of(self.viewer)
        return StreamedRows(database, viewer, level, arguments, asked, most, size), table

    def _bound(self, argued: Argued, asked: Page) -> Any:
        """The arguments of a field. Those of the rows' own list are known, and may ask for more than a page.

        A list within a row is as long as a list may be, unless the query says otherwise: a cell shows no end of it.
        """
        if argued.response_path == [self.root.key]:
            return asked
        settings = self.engine.settings
        return self.engine.bind(argued, self.values, self.viewer, replace(settings, default_page=settings.max_page))

    def _compiler(self) -> Compiler:
        engine = self.engine
        fragments, switches = self.prepared.fragments, self.values.coerced
        return Compiler(engine.schema, fragments, switches, self.viewer, engine.sources, engine.dialect.name)

    def _nodes(self, compiler: Compiler) -> tuple[Any, list[SelectionSetNode], list[str | int]]:
        """The type and selections of the rows: of `nodes`, or of `edges { node }`."""
        root = self.root
        found: list[tuple[Any, list[SelectionSetNode], list[str | int]]] = []
        for key, nodes in compiler.collect(root.type, root.selections).items():
            name, inner = nodes[0].name.value, [node.selection_set for node in nodes if node.selection_set]
            if name == "nodes":
                found.append((get_named_type(root.type.fields[name].type), inner, [root.key, key]))
            elif name == "edges":
                edge = get_named_type(root.type.fields[name].type)
                for edge_key, edge_nodes in compiler.collect(edge, inner).items():
                    if edge_nodes[0].name.value == "node":
                        sets = [node.selection_set for node in edge_nodes if node.selection_set]
                        found.append((get_named_type(edge.fields["node"].type), sets, [root.key, key, edge_key]))
        if len(found) != 1:
            told = "has no nodes" if not found else "has its nodes several times"
            raise RequestError([not_exportable(f"{root.name} {told}")])
        return found[0]

    def _batch_size(self, most: int | None) -> int:
        """As many rows as one query might have with what hangs on them: no more are in memory.

        Raises RequestError where one row costs too much.
        """
        engine, root = self.engine, self.root
        counting = Cost(engine.schema, self.prepared.fragments, self.values.coerced, engine.settings.max_page)
        of_each = 1 + sum(counting.of(root.type, each) for each in root.selections)
        engine.check_cost(of_each)
        return min(BATCH, engine.settings.max_cost // of_each, BATCH if most is None else max(most, 1))


def _most(given: Mapping[str, Any]) -> int | None:
    """How many rows are asked for at most: without `first` all of them."""
    for name in ("last", "before"):
        if given.get(name) is not None:
            raise Invalid(name, reason=f"{name} is not for exports, which go forwards: use first and after.")
    first: int | None = given.get("first")
    if first is not None and first < 0:
        raise Invalid("first", reason="first takes a number from 0.")
    return first
