"""What one statement selects: columns of its own table, and of to-one neighbours that are joined to it."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cached_property

from resolvers.sources import Kind, Relation, Source, Sql

OWN = "t"


@dataclass(frozen=True)
class Join:
    """`key` leads to the id of the neighbour that is known as `alias`."""

    alias: str
    source: Source
    key: str


@dataclass(frozen=True)
class Listed:
    """A short list that may come within its parent's row: `argued` is the place of its page among the arguments."""

    relation: Relation
    selected: "Selected"
    argued: int


@dataclass
class Selected:
    """A row begins with the key it belongs to; then come these columns, each the name of one under an alias; then
    `lists`, each null where it is read by a statement of its own.

    `source` is None for records in memory, whose columns are names and nothing else. `has_texts`: PostgreSQL hands
    moments over as texts in UTC, which is quicker where they become texts.
    """

    source: Source | None
    columns: list[tuple[str, str]] = field(default_factory=list)
    joins: list[Join] = field(default_factory=list)
    lists: list[Listed] = field(default_factory=list)
    has_texts: bool = False

    @classmethod
    def of(cls, source: Source, names: Sequence[str]) -> "Selected":
        return cls(source, [(OWN, name) for name in names])

    @property
    def names(self) -> list[str]:
        return [name for _, name in self.columns]

    def place(self, name: str, alias: str = OWN) -> int:
        """Where a column stands in the rows; asking for it adds it."""
        if (alias, name) not in self.columns:
            self.columns.append((alias, name))
        return self.columns.index((alias, name)) + 1

    def list_within(self, relation: Relation, selected: "Selected", argued: int) -> Callable[[], int]:
        """Have a short list come with the rows; the answer tells where in them, once all columns are known."""
        self.lists.append(Listed(relation, selected, argued))
        number = len(self.lists)
        return lambda: len(self.columns) + number

    @property
    def width(self) -> int:
        """How many values a row has before its order's; known once all columns are."""
        return 1 + len(self.columns) + len(self.lists)

    def source_of(self, alias: str) -> Source | None:
        return self.source if alias == OWN else next(join.source for join in self.joins if join.alias == alias)

    def join(self, source: Source, column: str, alias: str) -> str:
        """The alias under which the neighbour whose id stands in `column` of `alias` can be selected from."""
        parent = self.source_of(alias)
        assert parent is not None
        made = f"j{len(self.joins) + 1}"
        self.joins.append(Join(made, source, parent.columns[column].sql.format(t=alias)))
        return made

    @cached_property
    def expressions(self) -> list[str]:
        """SQL of the columns. Asked for only when all of them are known."""
        sources = {OWN: self.source, **{join.alias: join.source for join in self.joins}}
        columns = [(sources[alias].columns[name], alias) for alias, name in self.columns]  # type: ignore[union-attr]
        return [
            f"({column.sql.format(t=alias)} AT TIME ZONE 'UTC')::text"
            if self.has_texts and column.kind is Kind.INSTANT
            else column.sql.format(t=alias)
            for column, alias in columns
        ]

    @cached_property
    def list(self) -> str:
        return "".join(f", {expression}" for expression in self.expressions)

    def joined(self, sql: Sql) -> str:
        """The joins; a neighbour that the viewer may not see is as absent as one that is not there."""
        parts = []
        for join in self.joins:
            visible = join.source.visible(sql, join.alias)
            condition = f" AND {visible}" if visible else ""
            parts.append(f" LEFT JOIN {join.source.table} {join.alias} ON {join.alias}.id = {join.key}{condition}")
        return "".join(parts)
