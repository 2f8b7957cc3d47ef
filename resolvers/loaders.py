"""Batched reading: one statement a level, rows as tuples that begin with the key they belong to.

Each loader is a plan: it yields its statement, returns the rows, and knows no connection.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from models.database import Record, Statement, Steps
from models.dialects import Dialect
from resolvers.conditions import conditions
from resolvers.cursors import Order, beyond, decode, order_by, orders
from resolvers.filters import Where
from resolvers.policy import Viewer
from resolvers.selected import Listed, Selected
from resolvers.sources import Relation, Source, Sql

MOST_WITH_LISTS = 10  # parents whose short lists come in their own rows: a round trip less for small pages
MOST_ROWS = 150_001  # of a statement: one more than any answer may hold
MOST_CUT = 100  # parents whose lists are cut one by one; SQLite takes at most 500 parts of a statement


@dataclass(frozen=True)
class Page:
    """What a connection was asked for. `size` is `first` or, backwards, `last`; `as_of` None is now."""

    size: int
    backwards: bool = False
    after: str | None = None
    before: str | None = None
    where: Where = field(default_factory=dict)
    search: str | None = None
    order: Sequence[tuple[str, bool]] = ()
    as_of: datetime | None = None

    def is_quick(self, source: Source) -> bool:
        """Whether an index leads to its rows and to no others."""
        narrowed = self.where or self.search or len(self.order) > 1 or self.as_of
        return not narrowed and source.unindexed.isdisjoint(name for name, _ in self.order)


EVERYTHING = Page(size=0)


def by_ids(
    viewer: Viewer, dialect: Dialect, selected: Selected, ids: Sequence[int], arguments: Sequence[Any] = ()
) -> Steps[Sequence[Record]]:
    """The visible rows of these ids, in no order. `arguments`: those of the lists that are selected with them."""
    sql, source = Sql(viewer, dialect), _source(selected)
    wanted = sql.among("t.id", list(ids))
    lists, parent = yield from _lists(sql, selected, arguments, len(ids))
    listed = f"SELECT t.id{selected.list}{lists}"
    return (
        yield Statement(
            f"{listed} FROM {source.table} t{parent}{selected.joined(sql)}"
            f" WHERE {wanted} AND {conditions(sql, source, 't', None)}",
            sql.values,
            width=_width(selected),
            listed=len(listed),
        )
    )


def page(
    viewer: Viewer, dialect: Dialect, selected: Selected, asked: Page, arguments: Sequence[Any] = ()
) -> Steps[Sequence[Record]]:
    """Up to size + 1 rows of a list, in reading order of the statement: the last may only tell that there are more.

    The limit stands in the text: a plan that PostgreSQL keeps would otherwise be made for a tenth of the table.
    """
    sql, source = Sql(viewer, dialect), _source(selected)
    condition, order = yield from _asked(sql, source, asked)
    lists, parent = yield from _lists(sql, selected, arguments, asked.size)
    listed = f"SELECT 0{selected.list}{lists}{_keys(order)}"
    return (
        yield Statement(
            f"{listed} FROM {source.table} t{parent}{selected.joined(sql)} WHERE {condition}"
            f" ORDER BY {order_by(order, 't', backwards=asked.backwards, dialect=dialect.name)}"
            f" LIMIT {int(asked.size) + 1}",
            sql.values,
            anew=_searches(source, asked),
            width=_width(selected, order),
            listed=len(listed),
        )
    )


def every(viewer: Viewer, dialect: Dialect, selected: Selected, asked: Page, most: int | None) -> Steps[Statement]:
    """The statement of a whole list, or of `most` rows of it, for a stream: a page has no end of its own then."""
    sql, source = Sql(viewer, dialect), _source(selected)
    condition, order = yield from _asked(sql, source, asked)
    limit = "" if most is None else f" LIMIT {int(most)}"
    return Statement(
        f"SELECT 0{selected.list}{_apart(selected)} FROM {source.table} t{selected.joined(sql)} WHERE {condition}"
        f" ORDER BY {order_by(order, 't', backwards=False, dialect=dialect.name)}{limit}",
        sql.values,
    )


def pages_of(
    viewer: Viewer, dialect: Dialect, relation: Relation, selected: Selected, keys: Sequence[int], asked: Page
) -> Steps[Sequence[Record]]:
    """As `page`, for many parents at once: at least the first size + 1 rows of each key, in reading order.

    Where parents have few rows, all of them are read: cutting every list in SQL costs more than half of its statement.
    """
    sql, source = Sql(viewer, dialect), _source(selected)
    wanted = sql.among(relation.key, list(keys))
    condition, listed = yield from _asked(sql, source, asked)
    order = order_by(listed, "t", backwards=asked.backwards, dialect=dialect.name)
    columns = [relation.key, *selected.expressions, *("NULL" for _ in selected.lists), *_order_columns(listed)]
    condition += relation.allowed(sql)
    rows = f"{source.table} t {relation.join}{selected.joined(sql)} WHERE {condition} AND "
    most = int(asked.size) + 1
    whole = Statement(
        f"SELECT {', '.join(columns)} FROM {rows}{wanted} ORDER BY {order}"
        f" LIMIT {most if len(keys) == 1 else MOST_ROWS}",
        sql.values,
        anew=_searches(source, asked),
        width=_width(selected, listed),
    )
    if relation.few or len(keys) == 1:
        found = yield whole
        if len(found) < MOST_ROWS:
            return found
    if len(keys) > MOST_CUT:
        return (yield whole._replace(sql=_ranked(columns, f"{rows}{wanted}", relation.key, order, most)))
    cut = _cut_postgres if dialect.name == "postgres" else _cut_sqlite
    return (yield whole._replace(sql=cut(columns, f"{rows}{relation.key} = ", order, most, len(keys))))


def _cut_postgres(columns: Sequence[str], rows: str, order: str, most: int, parents: int) -> str:
    """Reads no more of a parent's rows than its page shows, where an index has them in order. The keys are $1."""
    listed, named = _named(columns)
    first = f"SELECT {named}, ROW_NUMBER() OVER (ORDER BY {order}) AS place FROM {rows}parent.id"
    return (
        f"SELECT {listed} FROM unnest($1::bigint[]) AS parent(id)"
        f" CROSS JOIN LATERAL ({first} ORDER BY {order} LIMIT {most}) those ORDER BY place LIMIT {MOST_ROWS}"
    )


def _cut_sqlite(columns: Sequence[str], rows: str, order: str, most: int, parents: int) -> str:
    """The same without LATERAL, which it lacks: a part of the statement for each parent, run one after the other."""
    listed, named = _named(columns)
    parts = (
        f"SELECT {listed} FROM (SELECT {named} FROM {rows}json_extract($1, '$[{parent}]')"
        f" ORDER BY {order} LIMIT {most})"
        for parent in range(parents)
    )
    return f"{' UNION ALL '.join(parts)} LIMIT {MOST_ROWS}"


def _ranked(columns: Sequence[str], rows: str, key: str, order: str, most: int) -> str:
    listed, named = _named(columns)
    place = f"ROW_NUMBER() OVER (PARTITION BY {key} ORDER BY {order}) AS place"
    return (
        f"SELECT {listed} FROM (SELECT {named}, {place} FROM {rows}) ranked"
        f" WHERE place <= {most} ORDER BY place LIMIT {MOST_ROWS}"
    )


def _named(columns: Sequence[str]) -> tuple[str, str]:
    """Columns by names of their own, and their expressions under these."""
    names = [f"c{number}" for number in range(len(columns))]
    return ", ".join(names), ", ".join(f"{each} AS {name}" for each, name in zip(columns, names, strict=True))


def values_of(
    viewer: Viewer, dialect: Dialect, relation: Relation, selected: Selected, keys: Sequence[int]
) -> Steps[Sequence[Record]]:
    """All rows of short lists that are bounded when they are written (tags, aliases, variables)."""
    sql, source = Sql(viewer, dialect), _source(selected)
    wanted = sql.among(relation.key, list(keys))
    order = order_by(orders(source, ()), "t", backwards=False, dialect=dialect.name)
    return (
        yield Statement(
            f"SELECT {relation.key}{selected.list}{_apart(selected)}"
            f" FROM {source.table} t {relation.join}{selected.joined(sql)}"
            f" WHERE {wanted} AND {conditions(sql, source, 't', None)} ORDER BY {order} LIMIT {MOST_ROWS}",
            sql.values,
            width=_width(selected),
        )
    )


def _lists(sql: Sql, selected: Selected, arguments: Sequence[Any], parents: int) -> Steps[tuple[str, str]]:
    """The selected lists as columns, and what they know their parent by. For many parents they are read apart."""
    if not selected.lists or parents > MOST_WITH_LISTS:
        return _apart(selected), ""
    made = []
    for each in selected.lists:
        made.append((yield from _list_within(sql, each, arguments[each.argued])))
    return "".join(made), " CROSS JOIN LATERAL (SELECT t.id) parent"


def _apart(selected: Selected) -> str:
    return ", NULL" * len(selected.lists)


def _list_within(sql: Sql, listed: Listed, asked: Page) -> Steps[str]:
    """Rows as `pages_of` gives them, for one parent."""
    relation, selected = listed.relation, listed.selected
    source = _source(selected)
    condition, order = yield from _asked(sql, source, asked)
    apart = ", NULL::text" * len(selected.lists)
    condition += relation.allowed(sql)
    return (
        f", ARRAY(SELECT ROW({relation.key}{selected.list}{apart}{_keys(order)})"
        f" FROM {source.table} t {relation.join}{selected.joined(sql)} WHERE {relation.key} = parent.id AND {condition}"
        f" ORDER BY {order_by(order, 't', backwards=asked.backwards, dialect=sql.dialect.name)}"
        f" LIMIT {int(asked.size) + 1})"
    )


def count(viewer: Viewer, dialect: Dialect, source: Source, asked: Page) -> Steps[Sequence[Record]]:
    """One row with one number."""
    sql = Sql(viewer, dialect)
    condition = yield from _condition(sql, source, asked, counts=True)
    statement = f"SELECT COUNT(*) FROM {source.table} t WHERE {condition}"
    return (yield Statement(statement, sql.values, anew=_searches(source, asked)))


def counts_of(
    viewer: Viewer, dialect: Dialect, relation: Relation, keys: Sequence[int], asked: Page | None = None
) -> Steps[Sequence[Record]]:
    """Each key with how many visible rows it has; keys without rows are absent."""
    source = relation.source()
    sql = Sql(viewer, dialect)
    wanted = sql.among(relation.key, list(keys))
    condition = yield from _condition(sql, source, asked or EVERYTHING)
    return (
        yield Statement(
            f"SELECT {relation.key}, COUNT(*) FROM {source.table} t {relation.join}"
            f" WHERE {wanted} AND {condition}{relation.allowed(sql)} GROUP BY {relation.key}",
            sql.values,
            anew=_searches(source, asked or EVERYTHING),
        )
    )


def _width(selected: Selected, listed: Sequence[Order] = ()) -> int:
    return selected.width + len(listed)


def _source(selected: Selected) -> Source:
    assert selected.source is not None
    return selected.source


def _asked(sql: Sql, source: Source, asked: Page) -> Steps[tuple[str, list[Order]]]:
    listed = orders(source, asked.order)
    parts = [(yield from _condition(sql, source, asked))]
    for cursor, argument, backwards in ((asked.after, "after", False), (asked.before, "before", True)):
        if cursor is not None:
            values = decode(source, listed, cursor, argument)
            parts.append(f"({beyond(sql, listed, values, 't', backwards=backwards)})")
    return " AND ".join(parts), listed


def _condition(sql: Sql, source: Source, asked: Page, *, counts: bool = False) -> Steps[str]:
    condition = conditions(sql, source, "t", asked.where)
    if asked.search is None or source.search is None or not _searches(source, asked):
        return condition
    hits_first = source.hits_first is not None and (yield from source.hits_first(sql.dialect, asked.search, counts))
    return f"{condition} AND {source.search(sql, 't', asked.search, hits_first=hits_first)}"


def _searches(source: Source, asked: Page) -> bool:
    """Whether words are looked for. How rare they are decides the plan, so one made for other words is no use."""
    return source.search is not None and bool(asked.search and asked.search.strip())


def _keys(listed: Sequence[Order]) -> str:
    return "".join(f", {each}" for each in _order_columns(listed))


def _order_columns(listed: Sequence[Order]) -> list[str]:
    return [order.column.sql.format(t="t") for order in listed]
