"""Compiling a selection into rows of cells: as `graph/selection.py`, but a tuple for each row instead of an object."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import cached_property
from typing import Any

from graphql import FieldNode, GraphQLObjectType, SelectionSetNode, get_nullable_type, is_list_type

from graph import fields as declared
from graph.cell_values import Convert, Values
from graph.children import MAKERS, joined, reach_of
from graph.columns import Column, Kind, Table, distinct
from graph.levels import Child, Level, expression, flag, generated, moment
from graph.selection import Compiler
from graph.sites import Columns, Site, spec_of
from models.values import from_json
from resolvers.policy import Reach
from resolvers.selected import Selected

_RAW = {Kind.FLAG, Kind.INSTANT}  # whose conversion takes what the database hands over


class Cells(Level):
    """A level whose rows are tuples, one cell for each of `table`."""

    def __init__(self, made: "_Making", selected: Selected) -> None:
        self.selected = selected
        self.children = made.children
        self.table = distinct(made.table)
        self.width = len(selected.columns) + len(made.parts)
        self._made = made
        self.shape = made.generated()

    @cached_property
    def past_shape(self) -> Callable[..., list[Any]]:
        return self._made.generated(has_times=True)


def compiled(
    compiler: Compiler,
    type_: GraphQLObjectType,
    selections: Sequence[SelectionSetNode],
    selected: Selected,
    reach: Reach,
    path: list[str | int],
    values: Values,
) -> Cells:
    making = _Making(compiler, values)
    making.fields(type_, selections, Columns(selected), reach, path, None)
    return Cells(making, selected)


class _Making:
    """Pieces of Python that give the cells from a row `r`, and from batches looked up once for each row as `v0`, …"""

    def __init__(self, compiler: Compiler, values: Values) -> None:
        self._compiler = compiler
        self._values = values
        self._rule = Table(compiler.schema, compiler)
        self._scope: dict[str, Any] = {"moment": moment, "flag": flag, "from_json": from_json}
        self._clauses: list[str] = []
        self.children: list[Child] = []
        self.table: list[Column] = []
        self.parts: list[str] = []

    def fields(
        self,
        type_: GraphQLObjectType,
        selections: Sequence[SelectionSetNode],
        columns: Columns,
        reach: Reach,
        path: list[str | int],
        guard: int | None,
        prefix: tuple[str, ...] = (),
    ) -> None:
        """The fields of a row, or of the neighbour at `prefix` that is absent where the column at `guard` is null."""
        for key, nodes in self._compiler.collect(type_, selections).items():
            name = nodes[0].name.value
            if name == "__typename":
                self._add(Column(key, (key,)), repr(type_.name), guard, prefix)
                continue
            definition = type_.fields[name]
            site = Site(spec_of(definition), definition, nodes, columns, self.children, reach, [*path, key])
            if isinstance(site.spec, declared.Plain):
                self._plain(type_, key, nodes, site, guard, prefix)
            elif isinstance(site.spec, declared.ToOne) and (near := joined(self._compiler, site)) is not None:
                place = near.place("id")
                self.fields(site.type, site.selections, near, reach_of(site), site.path, place, (*prefix, key))
            else:
                self._batch(type_, key, nodes, site, guard, prefix)

    def _plain(
        self,
        type_: GraphQLObjectType,
        key: str,
        nodes: list[FieldNode],
        site: Site,
        guard: int | None,
        prefix: tuple[str, ...],
    ) -> None:
        columns = site.columns
        (column,) = self._rule.field(type_, key, nodes)
        name = "id" if site.spec.is_stable else nodes[0].name.value
        place = columns.place(name)
        source = columns.selected.source_of(columns.alias)
        is_list = is_list_type(get_nullable_type(site.definition.type))
        if column.kind in _RAW and not is_list:
            value = f"r[{place}]"
        else:
            value = expression(source, name, place, self._compiler.dialect, is_stable=site.spec.is_stable)
        quick = None if is_list else self._values.quick.get(column.kind)
        value = quick.format(value) if quick else f"{self._named(self._values.of(column))}({value})"
        self._add(column, value, guard, prefix)

    def _batch(
        self,
        type_: GraphQLObjectType,
        key: str,
        nodes: list[FieldNode],
        site: Site,
        guard: int | None,
        prefix: tuple[str, ...],
    ) -> None:
        child = MAKERS[type(site.spec)](self._compiler, site)
        assert isinstance(child, Child)
        value = f"v{len(self.children)}"
        self._clauses.append(f"for {value} in ({child.expression(len(self.children))},)")
        self.children.append(child)
        for column in self._rule.field(type_, key, nodes):
            convert = self._named(self._values.of(column, column.path[1:]))
            self._add(column, f"{convert}({value})", guard, prefix)

    def _named(self, convert: Convert) -> str:
        name = f"g{len(self._scope)}"
        self._scope[name] = convert
        return name

    def _add(self, column: Column, value: str, guard: int | None, prefix: tuple[str, ...]) -> None:
        self.parts.append(value if guard is None else f"{self._values.absent!r} if r[{guard}] is None else {value}")
        self.table.append(replace(column, name=".".join((*prefix, column.name)), path=(*prefix, *column.path)))

    def generated(self, *, has_times: bool = False) -> Callable[..., list[Any]]:
        each = f"({''.join(f'({part}), ' for part in self.parts)})"
        clauses = "".join(f" {clause}" for clause in self._clauses)
        made: Callable[..., list[Any]] = eval(  # noqa: S307
            generated(each, len(self.children), clauses, has_times=has_times), self._scope
        )
        return made
