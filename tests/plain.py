"""The plain way: ordinary graphql-core resolution of the same declarations, a field and a row at a time."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

from graphql import GraphQLObjectType, GraphQLSchema, execute, get_named_type, parse

from graph import fields as declared
from graph import schema as built
from graph.arguments import page_of, plain
from graph.collecting import Collector
from graph.levels import moment
from graph.sites import spec_of
from models.database import Connection
from models.settings import Settings
from models.values import from_json, rfc3339
from resolvers import loaders, user_keys
from resolvers.cursors import encode, orders
from resolvers.filters import number_of
from resolvers.policy import OWN_NEIGHBOURS, Viewer, visible_fields
from resolvers.selected import Selected
from resolvers.sources import Kind, Source, everything


class World:
    """What the resolvers work with: a connection and who asks."""

    def __init__(self, connection: Connection, viewer: Viewer, settings: Settings) -> None:
        self.connection = connection
        self.viewer = viewer
        self.settings = settings

    async def ask(self, loader: Any, *given: Any) -> Any:
        """The rows of a loader."""
        return await self.connection.run(loader(self.viewer, self.connection.dialect, *given))


def _every(source: Source) -> Selected:
    return Selected.of(source, list(source.columns))


class Row:
    """A row with every column of its source, by name."""

    def __init__(self, source: Source, values: Sequence[Any]) -> None:
        self.is_own = False
        self.source = source
        self.values = dict(zip(source.columns, values, strict=True))

    def value(self, name: str) -> Any:
        name = "id" if name == "stableId" else name
        raw, column = self.values[name], self.source.columns[name]
        if column.kind is Kind.ID:
            return f"{column.prefix}_{raw}"
        if column.kind is Kind.INSTANT:
            return rfc3339(raw) if isinstance(raw, datetime) else moment(raw)
        if column.kind is Kind.FLAG:
            return None if raw is None else bool(raw)
        return from_json(raw) if column.kind is Kind.JSON else raw


def schema() -> GraphQLSchema:
    made: GraphQLSchema = built.build()._schema
    for type_ in made.type_map.values():
        if isinstance(type_, GraphQLObjectType) and not type_.name.startswith("__"):
            type_.is_type_of = None
            for name, field in type_.fields.items():
                spec = spec_of(field)
                field.resolve = _RESOLVERS[type(spec)](spec, name) if spec else _own(name)
        elif hasattr(type_, "resolve_type"):
            type_.resolve_type = lambda value, *_: value.source.type_name
    return made


async def answer(
    made: GraphQLSchema, query: str, variables: dict[str, Any], world: World
) -> tuple[dict[str, Any] | None, list[Any]]:
    result: Any = execute(made, parse(query), context_value=world, variable_values=variables)
    if hasattr(result, "__await__"):
        result = await result
    return result.data, result.errors or []


def _selected(info: Any) -> set[str]:
    """The names of the fields that are selected below this one and not switched off."""
    collector = Collector(info.fragments, info.variable_values.coerced)
    selections = [node.selection_set for node in info.field_nodes if node.selection_set]
    return {nodes[0].name.value for nodes in collector.collect(get_named_type(info.return_type), selections).values()}


def _own(name: str) -> Any:
    return lambda parent, info, **_: parent[name]


async def _by_ids(world: World, source: Source, ids: Sequence[int]) -> dict[int, Row]:
    rows = await world.ask(loaders.by_ids, _every(source), ids)
    return {row[0]: Row(source, row[1:]) for row in rows}


def _plain(spec: Any, name: str) -> Any:
    return lambda parent, info: parent.value(name) if isinstance(parent, Row) else parent[name]


def _to_one(spec: Any, name: str) -> Any:
    async def resolve(parent: Row, info: Any) -> Row | None:
        wanted, source = parent.values[spec.column], spec.source()
        if parent.is_own and _selected(info) <= OWN_NEIGHBOURS | {"__typename"}:
            source = replace(source, visible=everything)  # the names of what hangs on one's own user
        return None if wanted is None else (await _by_ids(info.context, source, [wanted])).get(wanted)

    return resolve


def _viewer(spec: Any, name: str) -> Any:
    async def resolve(parent: Any, info: Any) -> Row | None:
        world = info.context
        row = (await _by_ids(world, spec.source(), [world.viewer.user_id])).get(world.viewer.user_id)
        if row is not None:
            row.is_own = True
        return row

    return resolve


def _many(spec: Any, name: str) -> Any:
    async def resolve(parent: Any, info: Any, **given: Any) -> Mapping[str, Any]:
        world, source = info.context, spec.source()
        asked = page_of(_graphql_names(plain(given)), source, world.viewer, world.settings)
        if spec.relation is None:
            found = await world.ask(loaders.page, _every(source), asked)
            total = (await world.ask(loaders.count, source, asked))[0][0]
        else:
            key, relation = parent.values["id"], spec.relation()
            found = await world.ask(loaders.pages_of, relation, _every(source), [key], asked)
            total = dict(await world.ask(loaders.counts_of, relation, [key], asked)).get(key, 0)
        return _connection(source, asked, list(found), total)

    return resolve


def _connection(source: Source, asked: Any, found: list[Any], total: int) -> Mapping[str, Any]:
    more, kept = len(found) > asked.size, found[: asked.size]
    kept = list(reversed(kept)) if asked.backwards else kept
    width, order = len(source.columns) + 1, orders(source, asked.order)
    cursors = [encode(source, order, list(row[width : width + len(order)])) for row in kept]
    rows = [Row(source, row[1:width]) for row in kept]
    info = {
        "hasNextPage": asked.before is not None if asked.backwards else more,
        "hasPreviousPage": more if asked.backwards else asked.after is not None,
        "startCursor": cursors[0] if cursors else None,
        "endCursor": cursors[-1] if cursors else None,
    }
    edges = [{"cursor": cursor, "node": row} for cursor, row in zip(cursors, rows, strict=True)]
    return {"nodes": rows, "edges": edges, "pageInfo": info, "totalCount": total}


def _values(spec: Any, name: str) -> Any:
    async def resolve(parent: Row, info: Any) -> list[Any]:
        world, relation = info.context, spec.relation()
        found = await world.ask(loaders.values_of, relation, _every(relation.source()), [parent.values["id"]])
        rows = [Row(relation.source(), row[1:]) for row in found]
        return [row.values[spec.column] for row in rows] if spec.column else rows

    return resolve


def _count(spec: Any, name: str) -> Any:
    async def resolve(parent: Row, info: Any) -> int:
        world, key = info.context, parent.values["id"]
        return dict(await world.ask(loaders.counts_of, spec.relation(), [key])).get(key, 0)

    return resolve


def _all(spec: Any, name: str) -> Any:
    async def resolve(parent: Any, info: Any, **given: Any) -> list[Row]:
        world, source = info.context, spec.source()
        asked = page_of(_graphql_names(plain(given)), source, world.viewer, world.settings, whole=True)
        found = await world.ask(loaders.page, _every(source), asked)
        return [Row(source, row[1 : len(source.columns) + 1]) for row in found]

    return resolve


def _lookup(spec: Any, name: str) -> Any:
    async def resolve(parent: Any, info: Any, **given: Any) -> Any:
        world = info.context
        if spec.ids is not None:
            (number,) = await world.connection.run(spec.ids(world.connection.dialect, given))
            return None if number is None else (await _by_ids(world, spec.source(), [number])).get(number)
        keys = [next(iter(key.items())) for key in (given["keys"] if spec.many else [given["by"]])]
        found = []
        for key in keys:
            number = (await world.connection.run(user_keys.ids_by_keys(world.connection.dialect, [key])))[0]
            rows = await _by_ids(world, spec.source(), [number]) if number is not None else {}
            found.append(rows.get(number or 0))
        return found if spec.many else found[0]

    return resolve


def _nodes(spec: Any, name: str) -> Any:
    async def one(world: World, typed: str) -> Row | None:
        for source in built.SOURCES.values():
            number = number_of(source.prefix, typed)
            if number is not None:
                return (await _by_ids(world, source, [number])).get(number)
        return None

    async def resolve(parent: Any, info: Any, **given: Any) -> Any:
        if spec.column is not None:
            return await one(info.context, parent.values[spec.column])
        if "ids" in given:
            return [await one(info.context, each) for each in given["ids"]]
        return await one(info.context, given["id"])

    return resolve


def _record(spec: Any, name: str) -> Any:
    def resolve(parent: Any, info: Any) -> Any:
        if isinstance(parent, Row):
            return parent.value(name)
        if isinstance(parent, Mapping):
            return parent[name]
        viewer = info.context.viewer
        return {
            "permissions": sorted(viewer.somewhere),
            "administeredOrganizationIds": [f"organization_{grant.organization_id}" for grant in viewer.grants],
            "visibleUserFields": visible_fields(viewer, "User", info.schema.type_map["User"].fields),
        }

    return resolve


def _is_current(spec: Any, name: str) -> Any:
    return lambda parent, info: parent.values["id"] == info.context.viewer.session_id


def _report(spec: Any, name: str) -> Any:
    async def resolve(parent: Any, info: Any, **given: Any) -> Any:
        world = info.context
        question = spec.bind(_graphql_names(plain(given)), world.viewer, world.settings, [])
        found = await world.connection.run(spec.answer(world.viewer, world.connection.dialect, question, total=True))
        columns = [
            {"name": each.name, "title": each.title, "kind": each.kind.value, "isMeasure": each.is_measure}
            for each in question.columns
        ]
        return {"columns": columns, "rows": found.rows, "total": found.total, "hasMore": found.has_more}

    return resolve


def _graphql_names(given: Mapping[str, Any]) -> dict[str, Any]:
    known = {"order_by": "orderBy", "group_by": "groupBy", "as_of": "asOf", "as_of_each": "asOfEach"}
    return {known.get(name, name): value for name, value in given.items()}


_RESOLVERS: dict[type, Any] = {
    declared.Plain: _plain,
    declared.IsCurrent: _is_current,
    declared.ToOne: _to_one,
    declared.Viewer: _viewer,
    declared.Many: _many,
    declared.Values: _values,
    declared.Count: _count,
    declared.All: _all,
    declared.Lookup: _lookup,
    declared.Nodes: _nodes,
    declared.Record: _record,
    declared.Report: _report,
    declared.Change: lambda spec, name: None,
}
