"""One maker for each kind of declared field: the part of a plan that loads it."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from graphql import FieldNode, GraphQLInterfaceType, SelectionSetNode, get_named_type

from graph import fields as declared
from graph.connections import ConnectionChild
from graph.levels import (
    AllChild,
    Child,
    CountChild,
    Level,
    RecordChild,
    ToOneChild,
    ValuesChild,
)
from graph.lookups import LookupChild, NodesChild
from graph.report_children import ReportChild
from graph.runs import Run
from graph.sites import Argued, Columns, Site
from models.database import Record, Steps
from resolvers import history
from resolvers.policy import OWN_NEIGHBOURS, Reach, may_read
from resolvers.selected import OWN, Selected
from resolvers.sources import Relation, everything

if TYPE_CHECKING:
    from graph.selection import Compiler


MOST_JOINS = 8  # to one statement; what is deeper is a batch of its own


def reach_of(site: Site) -> Reach:
    return site.reach if site.spec.is_subject else site.reach.to(site.spec.source().type_name)


def _is_neighbour(compiler: "Compiler", site: Site) -> bool:
    """Whether it hangs on the viewer's own user, who may know its name whatever rows they may list."""
    names = {nodes[0].name.value for nodes in compiler.collect(site.type, site.selections).values()}
    return reach_of(site) is Reach.NEAR and names <= OWN_NEIGHBOURS | {"__typename"}


def joined(compiler: "Compiler", site: Site) -> Columns | None:
    """The columns of a neighbour that can be joined to the statement that reads the parents."""
    selected = site.columns.selected
    if selected.source is None or _is_neighbour(compiler, site) or len(selected.joins) >= MOST_JOINS:
        return None
    return site.columns.joined(site.spec.source(), site.spec.column)


def _to_one(compiler: "Compiler", site: Site) -> Child | str:
    """Joined to the statement that reads the parents, as Python that shapes it in their rows; else a batch."""
    source, reach = site.spec.source(), reach_of(site)
    if (columns := joined(compiler, site)) is not None:
        parts = compiler.parts(site.type, site.selections, columns, reach, site.path, site.children)
        return f"None if r[{columns.place('id')}] is None else {{{', '.join(parts)}}}"
    place = site.columns.place(site.spec.column)
    level = compiler.level(site.type, site.selections, Selected(source), reach, site.path)
    is_neighbour = _is_neighbour(compiler, site)
    seen = replace(level.selected, source=replace(source, visible=everything)) if is_neighbour else None
    return ToOneChild(level, place, seen)


def _viewer(compiler: "Compiler", site: Site) -> Child:
    place = site.columns.place("viewerId")
    level = compiler.level(site.type, site.selections, Selected(site.spec.source()), Reach.OWN, site.path)
    return ToOneChild(level, place)


def _many(compiler: "Compiler", site: Site) -> Child:
    source = site.spec.source()
    relation = site.spec.relation() if site.spec.relation else None
    place = site.columns.place("id") if relation else 0
    argued = compiler.arguments(site, source, paged=True, few=relation is not None and relation.few)
    child = ConnectionChild(source, relation, place, Selected(source), argued)
    named = len(compiler.forbidden)
    fields = compiler.collect(site.type, site.selections)
    counted = any(nodes[0].name.value == "totalCount" for nodes in fields.values())
    compiler.is_bounded &= relation.few if relation else not counted
    with compiler.maybe_past(argued, site.spec.has_past):
        for key, nodes in fields.items():
            _connection_field(compiler, site, child, key, nodes)
    if any(nodes[0].name.value != "__typename" for nodes in fields.values()):
        compiler.require_rows(source, site.reach.to(source.type_name), named)
    if relation is not None and child.needs_rows and _may_come_within(compiler, site, relation):
        child.within = site.columns.selected.list_within(relation, child.selected, child.argued)
    return child


def _may_come_within(compiler: "Compiler", site: Site, relation: Relation) -> bool:
    """A round trip to PostgreSQL costs more than a short list; SQLite has none to save."""
    columns = site.columns
    return (
        relation.few and compiler.dialect == "postgres" and columns.alias == OWN and columns.selected.source is not None
    )


def _connection_field(
    compiler: "Compiler",
    site: Site,
    child: ConnectionChild,
    key: str,
    nodes: list[FieldNode],
) -> None:
    name = nodes[0].name.value
    inner = [node.selection_set for node in nodes if node.selection_set]
    type_: Any = None if name == "__typename" else get_named_type(site.type.fields[name].type)

    reach = site.reach.to(child.source.type_name)

    def rows(selections: list[SelectionSetNode], row_type: Any, row_path: list[str | int]) -> Level:
        return compiler.level(row_type, selections, child.selected, reach, row_path)

    if name == "__typename":
        child.typename(key, site.type.name)
        return
    if name == "nodes":
        child.rows(key, rows(inner, type_, [*site.path, key]))
    elif name == "edges":
        parts: list[tuple[str, str, Level | None]] = []
        for edge_key, edge_nodes in compiler.collect(type_, inner).items():
            edge_name = edge_nodes[0].name.value
            node_sets = [node.selection_set for node in edge_nodes if node.selection_set]
            level = None
            if edge_name == "node":
                node_type = get_named_type(type_.fields["node"].type)
                level = rows(node_sets, node_type, [*site.path, key, edge_key])
            parts.append((edge_key, edge_name if edge_name != "__typename" else f"={type_.name}", level))
        child.edges(key, parts)
    elif name == "pageInfo":
        wanted = {k: n[0].name.value for k, n in compiler.collect(type_, inner).items()}
        child.page_info(key, wanted)
    else:
        child.total(key)


def _values(compiler: "Compiler", site: Site) -> Child:
    place = site.columns.place("id")
    relation = site.spec.relation()
    selected = Selected(relation.source())
    if site.spec.column is not None:
        selected.place(site.spec.column)
        return ValuesChild(None, relation, place, selected)
    level = compiler.level(site.type, site.selections, selected, site.reach, site.path)
    return ValuesChild(level, relation, place, selected)


def _count(compiler: "Compiler", site: Site) -> Child:
    relation = site.spec.relation()
    compiler.is_bounded &= relation.few
    return CountChild(relation, site.columns.place("id"))


def _all(compiler: "Compiler", site: Site) -> Child:
    source = site.spec.source()
    argued = compiler.arguments(site, source)
    named = len(compiler.forbidden)
    reach = site.reach.to(source.type_name)
    level = compiler.level(site.type, site.selections, Selected(source), reach, site.path)
    compiler.require_rows(source, reach, named)
    return AllChild(level, argued)


def _lookup(compiler: "Compiler", site: Site) -> Child:
    source = site.spec.source()
    argued = compiler.arguments(site)
    reach = site.reach.to(source.type_name)
    with compiler.maybe_past(argued, site.spec.ids is None):
        level = compiler.level(site.type, site.selections, Selected(source), reach, site.path)
    return LookupChild(level, argued, many=site.spec.many, ids=site.spec.ids)


def _nodes(compiler: "Compiler", site: Site) -> Child:
    argued = None if site.spec.column else compiler.arguments(site)
    place = site.columns.place(site.spec.column) if site.spec.column else 0
    levels: dict[str, Level] = {}
    interface = site.type
    assert isinstance(interface, GraphQLInterfaceType)
    for type_ in compiler.schema.get_possible_types(interface):
        source = compiler.sources.get(type_.name)
        if source is None:
            continue
        readable, named = may_read(compiler.viewer, type_.name, "id"), len(compiler.forbidden)
        if readable or compiler.names_type(site.selections, type_):
            with compiler.maybe_past(argued or 0, argued is not None and history.is_recorded(source)):
                level = compiler.level(type_, site.selections, Selected(source), Reach.FAR, site.path)
            levels[source.prefix] = level
            compiler.require_rows(source, Reach.FAR, named)
    many = site.definition.args.get("ids") is not None
    return NodesChild(levels, place, argued, many=many)


def _record(compiler: "Compiler", site: Site) -> Child:
    place = site.columns.place(site.nodes[0].name.value)
    level = compiler.level(site.type, site.selections, Selected(None), site.reach, site.path)
    return RecordChild(level, place, many=site.spec.many)


def _report(compiler: "Compiler", site: Site) -> Child:
    named = len(compiler.forbidden)
    wanted = {nodes[0].name.value for nodes in compiler.collect(site.type, site.selections).values()}
    level = compiler.level(site.type, site.selections, Selected(None), site.reach, site.path)
    compiler.require_rows(site.spec.source(), Reach.FAR, named)
    compiler.is_bounded = False
    compiler.argued.append(Argued(site.definition, site.nodes[0], site.path, bind=site.spec.bind))
    return ReportChild(level, len(compiler.argued) - 1, site.spec.answer, frozenset(wanted), site.path)


@dataclass
class IsCurrentChild(Child):
    """Reads nothing: the plan is for whoever has these rights, and who asks is known when it runs."""

    place: int

    def expression(self, number: int) -> str:
        return f"c{number} == r[{self.place}]"

    def load(self, run: Run, rows: Sequence[Record]) -> Steps[int | None]:
        yield from ()
        return run.viewer.session_id


def _is_current(compiler: "Compiler", site: Site) -> Child:
    return IsCurrentChild(site.columns.place("id"))


MAKERS: dict[type, Callable[["Compiler", Site], Child | str]] = {
    declared.ToOne: _to_one,
    declared.Viewer: _viewer,
    declared.Many: _many,
    declared.Values: _values,
    declared.Count: _count,
    declared.All: _all,
    declared.Lookup: _lookup,
    declared.Nodes: _nodes,
    declared.Record: _record,
    declared.IsCurrent: _is_current,
    declared.Report: _report,
}
