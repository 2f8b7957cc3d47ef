"""What can be read: for each type its table, columns, orders, filters and the rows a viewer may see."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Any, Protocol

from models.database import Steps
from models.dialects import Dialect
from resolvers.policy import Right, Viewer


class Kind(Enum):
    """What a column's value is, and so how it leaves and how a cursor carries it."""

    ID = "ID"
    TEXT = "TEXT"
    NUMBER = "NUMBER"
    FLAG = "FLAG"
    INSTANT = "INSTANT"
    JSON = "JSON"


@dataclass(frozen=True)
class Column:
    """`sql` speaks of its own table as `{t}`; `nullable` matters to orders and cursors."""

    sql: str
    kind: Kind = Kind.TEXT
    nullable: bool = False
    prefix: str = ""


class Sql:
    """A statement in the making: its parameters, and what its parts need to know."""

    def __init__(self, viewer: Viewer, dialect: Dialect) -> None:
        self.viewer = viewer
        self.dialect = dialect
        self.values: list[Any] = []
        self._aliases = 0

    def place(self, value: Any) -> str:
        self.values.append(value)
        return f"${len(self.values)}"

    def alias(self) -> str:
        self._aliases += 1
        return f"t{self._aliases}"

    def among(self, column: str, values: list[Any], kind: str = "bigint") -> str:
        """PostgreSQL would plan anew each time for a list of one, which it takes for shorter than most."""
        if len(values) == 1:
            return self.dialect.equals(column, self.place(values[0]), kind)
        return self.dialect.among(column, self.place(values), kind)


Visible = Callable[[Sql, str], str | None]


class Search(Protocol):
    """The condition on the rows that hold the words of a text, by way of an index where `hits_first`."""

    def __call__(self, sql: Sql, alias: str, text: str, *, hits_first: bool) -> str: ...


@dataclass(frozen=True, eq=False)
class Source:
    """A readable type. Keys of `columns`, `filters` and `orders` are GraphQL names.

    `visible(sql, alias)` is the condition on the rows the viewer may see, None for no condition; it is part of every
    statement that reads the table. `indexed` are the filters whose column has an index, `unique` those that at most one
    row can equal; `unindexed` are the orders without an index, `shared` those in which very many rows may be equal;
    none matters where `is_small`: a directory has some dozens or hundreds. `hits_first` tells whether a search takes
    its rows from an index first.
    """

    type_name: str
    table: str
    prefix: str
    columns: Mapping[str, Column]
    visible: Visible
    orders: Mapping[str, str] = field(default_factory=dict)
    filters: "Mapping[str, Any]" = field(default_factory=dict)
    search: Search | None = None
    hits_first: Callable[[Dialect, str, bool], Steps[bool]] | None = None
    default_order: tuple[tuple[str, bool], ...] = ()
    indexed: frozenset[str] = frozenset()
    unindexed: frozenset[str] = frozenset()
    shared: frozenset[str] = frozenset()
    unique: frozenset[str] = frozenset()
    is_small: bool = False


@dataclass(frozen=True, eq=False)
class Relation:
    """The rows of `source` that belong to a parent's key: `key` is that key, reached over `join`.

    `few`: a parent has some dozens at most, so that reading them is quick. `visible` is the condition on the rows of
    `join`, by their alias `m`.
    """

    source: Callable[[], Source]
    key: str
    join: str = ""
    few: bool = False
    visible: Visible | None = None

    def allowed(self, sql: Sql) -> str:
        """A further condition of a statement that reads over this relation."""
        condition = self.visible(sql, "m") if self.visible is not None else None
        return f" AND {condition}" if condition else ""


def everything(sql: Sql, alias: str) -> None:
    """No condition: who may read the type at all may read each row."""


SUBTREE = (
    "WITH RECURSIVE below(id) AS (SELECT id FROM organizations WHERE {roots}"
    " UNION SELECT o.id FROM organizations o JOIN below b ON o.parent_id = b.id) SELECT id FROM below"
)


def visible_memberships(sql: Sql, alias: str) -> str | None:
    """Memberships in organizations whose users the viewer may read, and the viewer's own.

    Every statement that reads organization_members says so, whatever it is read for.
    """
    if Right.READ_USERS in sql.viewer.rights:
        return None
    own = f"{alias}.user_id = {sql.place(sql.viewer.user_id or 0)}"
    administered = sql.viewer.organizations_with(Right.READ_USERS)
    return f"({own} OR {alias}.organization_id IN ({subtree(sql, administered)}))" if administered else own


def subtree(sql: Sql, roots: list[int]) -> str:
    """A subquery of the ids of organizations at and below `roots`."""
    return SUBTREE.format(roots=sql.among("id", roots))
