"""Batched reading: one statement a level, rows as tuples that begin with the key they belong to."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from models.database import Connection, Record
from resolvers.cursors import Order, beyond, decode, order_by, orders
from resolvers.filters import Where, conditions
from resolvers.policy import Viewer
from resolvers.sources import Relation, Source, Sql


@dataclass(frozen=True)
class Page:
    """What a connection was asked for. `size` is `first` or, backwards, `last`."""

    size: int
    backwards: bool = False
    after: str | None = None
    before: str | None = None
    where: Where = field(default_factory=dict)
    search: str | None = None
    order: Sequence[tuple[str, bool]] = ()


EVERYTHING = Page(size=0)


async def by_ids(
    connection: Connection, viewer: Viewer, source: Source, columns: Sequence[str], ids: Sequence[int]
) -> Sequence[Record]:
    """The visible rows of these ids, in no order."""
    sql = Sql(viewer, connection.dialect)
    wanted = sql.among("t.id", list(ids))
    condition = conditions(sql, source, "t", None)
    return await connection.rows(
        f"SELECT t.id{_list(source, columns)} FROM {source.table} t WHERE {wanted} AND {condition}",
        *sql.values,
    )


async def page(
    connection: Connection, viewer: Viewer, source: Source, columns: Sequence[str], asked: Page
) -> Sequence[Record]:
    """Up to size + 1 rows of a list, in reading order of the statement: the last may only tell that there are more."""
    sql = Sql(viewer, connection.dialect)
    condition, listed = await _asked(connection, sql, source, asked)
    limit = sql.place(asked.size + 1)
    return await connection.rows(
        f"SELECT 0{_list(source, columns)}{_keys(listed)} FROM {source.table} t WHERE {condition}"
        f" ORDER BY {order_by(listed, 't', backwards=asked.backwards, dialect=sql.dialect.name)} LIMIT {limit}",
        *sql.values,
        plan_anew=_searches(source, asked),
    )


async def pages_of(
    connection: Connection,
    viewer: Viewer,
    relation: Relation,
    columns: Sequence[str],
    keys: Sequence[int],
    asked: Page,
) -> Sequence[Record]:
    """As `page`, for many parents at once: up to size + 1 rows for each key."""
    source = relation.source()
    sql = Sql(viewer, connection.dialect)
    wanted = sql.among(relation.key, list(keys))
    condition, listed = await _asked(connection, sql, source, asked)
    order = order_by(listed, "t", backwards=asked.backwards, dialect=sql.dialect.name)
    width = len(columns) + len(listed) + 1
    names = [f"c{i}" for i in range(width)]
    selected = [relation.key, *_expressions(source, columns), *(o.column.sql.format(t="t") for o in listed)]
    inner = ", ".join(f"{expression} AS {name}" for expression, name in zip(selected, names, strict=True))
    return await connection.rows(
        f"SELECT {', '.join(names)} FROM (SELECT {inner},"
        f" ROW_NUMBER() OVER (PARTITION BY {relation.key} ORDER BY {order}) AS place"
        f" FROM {source.table} t {relation.join} WHERE {wanted} AND {condition}) ranked"
        f" WHERE place <= {sql.place(asked.size + 1)} ORDER BY place",
        *sql.values,
        plan_anew=_searches(source, asked),
    )


async def values_of(
    connection: Connection, viewer: Viewer, relation: Relation, columns: Sequence[str], keys: Sequence[int]
) -> Sequence[Record]:
    """All rows of short lists that are bounded when they are written (tags, aliases, variables)."""
    source = relation.source()
    sql = Sql(viewer, connection.dialect)
    wanted = sql.among(relation.key, list(keys))
    order = order_by(orders(source, ()), "t", backwards=False, dialect=sql.dialect.name)
    return await connection.rows(
        f"SELECT {relation.key}{_list(source, columns)} FROM {source.table} t {relation.join}"
        f" WHERE {wanted} AND {conditions(sql, source, 't', None)} ORDER BY {order}",
        *sql.values,
    )


async def count(connection: Connection, viewer: Viewer, source: Source, asked: Page) -> int:
    sql = Sql(viewer, connection.dialect)
    condition = await _condition(connection, sql, source, asked)
    found = await connection.rows(
        f"SELECT COUNT(*) FROM {source.table} t WHERE {condition}",
        *sql.values,
        plan_anew=_searches(source, asked),
    )
    return int(found[0][0])


async def counts_of(
    connection: Connection, viewer: Viewer, relation: Relation, keys: Sequence[int], asked: Page | None = None
) -> Mapping[int, int]:
    """How many visible rows each key has; keys without rows are absent."""
    source = relation.source()
    sql = Sql(viewer, connection.dialect)
    wanted = sql.among(relation.key, list(keys))
    condition = await _condition(connection, sql, source, asked or EVERYTHING)
    found = await connection.rows(
        f"SELECT {relation.key}, COUNT(*) FROM {source.table} t {relation.join}"
        f" WHERE {wanted} AND {condition} GROUP BY {relation.key}",
        *sql.values,
        plan_anew=_searches(source, asked or EVERYTHING),
    )
    return {row[0]: row[1] for row in found}


async def _asked(connection: Connection, sql: Sql, source: Source, asked: Page) -> tuple[str, list[Order]]:
    listed = orders(source, asked.order)
    parts = [await _condition(connection, sql, source, asked)]
    for cursor, argument, backwards in ((asked.after, "after", False), (asked.before, "before", True)):
        if cursor is not None:
            values = decode(source, listed, cursor, argument)
            parts.append(f"({beyond(sql, listed, values, 't', backwards=backwards)})")
    return " AND ".join(parts), listed


async def _condition(connection: Connection, sql: Sql, source: Source, asked: Page) -> str:
    condition = conditions(sql, source, "t", asked.where)
    if asked.search is None or source.search is None or not _searches(source, asked):
        return condition
    hits_first = source.has_few_hits is not None and await source.has_few_hits(connection, asked.search)
    return f"{condition} AND {source.search(sql, 't', asked.search, hits_first=hits_first)}"


def _searches(source: Source, asked: Page) -> bool:
    """Whether words are looked for. How rare they are decides the plan, so one made for other words is no use."""
    return source.search is not None and bool(asked.search and asked.search.strip())


def _expressions(source: Source, columns: Sequence[str]) -> list[str]:
    return [source.columns[name].sql.format(t="t") for name in columns]


def _list(source: Source, columns: Sequence[str]) -> str:
    return "".join(f", {expression}" for expression in _expressions(source, columns))


def _keys(listed: Sequence[Order]) -> str:
    return "".join(f", {order.column.sql.format(t='t')}" for order in listed)
