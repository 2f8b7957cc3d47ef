"""The declarations of readable fields: each says what it needs and how a batch of it is loaded."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

import strawberry
from strawberry.annotation import StrawberryAnnotation
from strawberry.types.arguments import StrawberryArgument

from graph.inputs import order_input, where_input
from graph.scalars import DateTime
from models.database import Steps
from models.dialects import Dialect
from resolvers.sources import Relation, Source

T = TypeVar("T")
SPEC = "spec"
AS_OF = (
    "The moment at which everything below is read, from the recorded changes; absent for now. Needs READ_AUDIT. What"
    " has no history may not be asked for with it: last uses, sessions, invitations, settings of providers, search."
)


class Spec:
    """How one field is read. `selection.py` compiles each kind."""


@dataclass(frozen=True)
class Plain(Spec):
    """A column of the row's source, or a value of a record in memory, under the field's own name.

    `is_stable`: the typed id whatever the time at which the row is read.
    """

    is_stable: bool = False


@dataclass(frozen=True, eq=False)
class ToOne(Spec):
    """The row of `source` whose id stands in `column`; `is_subject`: what a mutation was about, maybe the viewer."""

    source: Callable[[], Source]
    column: str
    is_subject: bool = False


@dataclass(frozen=True, eq=False)
class Viewer(Spec):
    """The viewer's own user, every field of which the viewer may read."""

    source: Callable[[], Source]


@dataclass(frozen=True, eq=False)
class Many(Spec):
    """A Relay connection: of a parent's rows, or of all rows where `relation` is None.

    `has_past`: it takes `asOf`, and what hangs below it is then read at that moment too.
    """

    source: Callable[[], Source]
    relation: Callable[[], Relation] | None = None
    has_past: bool = False


@dataclass(frozen=True, eq=False)
class Values(Spec):
    """A short list kept in a table of its own: texts (`column`), or objects where it is None."""

    relation: Callable[[], Relation]
    column: str | None = None


@dataclass(frozen=True, eq=False)
class Count(Spec):
    relation: Callable[[], Relation]


@dataclass(frozen=True, eq=False)
class All(Spec):
    """Every row of a type that is bounded by nature (roles, providers)."""

    source: Callable[[], Source]


@dataclass(frozen=True, eq=False)
class Lookup(Spec):
    """Rows by keys of several kinds: one (`by`) or many (`keys`), in the order asked, null where unknown.

    `ids` finds them by other arguments.
    """

    source: Callable[[], Source]
    many: bool
    ids: Callable[[Dialect, Mapping[str, Any]], Steps[list[int | None]]] | None = None


@dataclass(frozen=True, eq=False)
class Nodes(Spec):
    """Rows of any type by typed ids: from the arguments `id` or `ids`, or from a column that holds one."""

    column: str | None = None


@dataclass(frozen=True)
class IsCurrent(Spec):
    """Whether the row is the session that the viewer comes with."""


@dataclass(frozen=True)
class Record(Spec):
    """One object, or a list of them, that the resolver made in memory."""

    many: bool = False


@dataclass(frozen=True, eq=False)
class Change(Spec):
    """A mutation: the resolver that makes it, what is done before its transaction, and whose own affair it may be.

    `keeps_dry_runs`: the resolver is told of a dry run, and what it stores then is the plan that was asked for.
    `empty` is the payload of a refused call; `subjects` names the users a call is about, so that who changes only
    themselves may read the answer.
    """

    resolver: Callable[..., Any]
    empty: Mapping[str, Any]
    prepare: Callable[..., Any] | None = None
    subjects: Callable[[Mapping[str, Any]], Sequence[str]] | None = None
    keeps_dry_runs: bool = False


@dataclass(frozen=True, eq=False)
class Report(Spec):
    """An object that is worked out of the rows of `source`, whoever may not read their ids being refused.

    `bind` checks the arguments before anything is read; `answer` is the plan that takes what it made of them.
    """

    source: Callable[[], Source]
    bind: Callable[..., Any]
    answer: Callable[..., Steps[Any]]


def _declare(
    spec: Spec, description: str, arguments: Sequence[StrawberryArgument] = (), name: str | None = None
) -> Any:
    field: Any = strawberry.field(description=description, metadata={SPEC: spec}, name=name)
    field.arguments = list(arguments)
    return field


def argument(name: str, annotation: object, description: str, default: object = strawberry.UNSET) -> StrawberryArgument:
    return StrawberryArgument(
        python_name=name,
        graphql_name=None,
        type_annotation=StrawberryAnnotation(annotation),
        description=description,
        default=default,
    )


def plain(description: str, name: str | None = None) -> Any:
    return _declare(Plain(), description, name=name)


def to_one(source: Callable[[], Source], column: str, description: str) -> Any:
    return _declare(ToOne(source, column), description)


def subject(source: Callable[[], Source], column: str, description: str) -> Any:
    return _declare(ToOne(source, column, is_subject=True), description)


def viewer_user(source: Callable[[], Source], description: str) -> Any:
    return _declare(Viewer(source), description)


def connection(
    source: Source, description: str, relation: Callable[[], Relation] | None = None, *, has_past: bool = False
) -> Any:
    """A connection with the arguments its source allows: paging always; where, search and orderBy where it has them."""
    arguments = [
        argument("first", int | None, "Page size going forwards."),
        argument("after", str | None, "Cursor to begin after."),
        argument("last", int | None, "Page size going backwards."),
        argument("before", str | None, "Cursor to end before."),
    ]
    if source.filters:
        arguments.append(argument("where", where_input(source) | None, "Which rows; all conditions hold."))
    if source.search is not None:
        arguments.append(argument("search", str | None, "Words that all stand in name, username, email or alias."))
    if source.orders:
        order: Any = order_input(source)
        arguments.append(argument("order_by", list[order] | None, "Order by several fields; ends in the id."))
    if has_past:
        arguments.append(argument("as_of", DateTime | None, AS_OF))
    return _declare(Many(lambda: source, relation, has_past), description, arguments)


def values(relation: Callable[[], Relation], description: str, column: str | None = "value") -> Any:
    return _declare(Values(relation, column), description)


def count(relation: Callable[[], Relation], description: str) -> Any:
    return _declare(Count(relation), description)


def all_of(source: Source, description: str) -> Any:
    where = argument("where", where_input(source) | None, "Which rows; all conditions hold.")
    return _declare(All(lambda: source), description, [where])


def lookup(
    source: Callable[[], Source],
    description: str,
    *arguments: StrawberryArgument,
    many: bool = False,
    ids: Callable[[Dialect, Mapping[str, Any]], Steps[list[int | None]]] | None = None,
) -> Any:
    return _declare(Lookup(source, many, ids), description, arguments)


def nodes(description: str, *arguments: StrawberryArgument, column: str | None = None) -> Any:
    return _declare(Nodes(column), description, arguments)


def is_current(description: str) -> Any:
    return _declare(IsCurrent(), description)


def record(description: str, *, many: bool = False) -> Any:
    return _declare(Record(many), description)


def report(
    source: Source,
    bind: Callable[..., Any],
    answer: Callable[..., Steps[Any]],
    description: str,
    *arguments: StrawberryArgument,
) -> Any:
    return _declare(Report(lambda: source, bind, answer), description, arguments)


def mutation(
    resolver: Callable[..., Any],
    input_type: type,
    description: str,
    *,
    empty: Mapping[str, Any],
    prepare: Callable[..., Any] | None = None,
    subjects: Callable[[Mapping[str, Any]], Sequence[str]] | None = None,
    keeps_dry_runs: bool = False,
) -> Any:
    given = argument("input", input_type, "What to do.")
    return _declare(Change(resolver, empty, prepare, subjects, keeps_dry_runs), description, [given])


@strawberry.interface(description="Whatever has an id of its own.")
class Node:
    id: strawberry.ID = plain(
        "Typed id, such as `user_18`. Below `asOf` it ends in the time, such as"
        " `user_18@2026-03-31T12:00:00.000000Z`: a client's cache keeps each version by itself."
    )
    stable_id: strawberry.ID = _declare(
        Plain(is_stable=True), "Typed id without a time, such as `user_18`: the same now and in the past."
    )


@strawberry.type(description="Where a page stands in its list (Relay).")
class PageInfo:
    has_next_page: bool = strawberry.field(description="Whether more rows follow.")
    has_previous_page: bool = strawberry.field(description="Whether rows come before.")
    start_cursor: str | None = strawberry.field(description="Cursor of the first row.")
    end_cursor: str | None = strawberry.field(description="Cursor of the last row; `after` takes it.")


@strawberry.type(description="A row with its place in the list (Relay).")
class Edge(Generic[T]):
    cursor: str = strawberry.field(description="The row's place; `after` and `before` take it.")
    node: T = strawberry.field(description="The row.")


@strawberry.type(description="A page of a list (Relay), with the number of all its rows.")
class Connection(Generic[T]):
    nodes: list[T] = strawberry.field(description="The rows of this page.")
    edges: list[Edge[T]] = strawberry.field(description="The rows with their cursors.")
    page_info: PageInfo = strawberry.field(description="Where this page stands.")
    total_count: int = strawberry.field(
        description="All rows of the list, on whatever page; counted only when asked for."
    )
