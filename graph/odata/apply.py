"""$apply over users, by the report that GraphQL has: filter, then groupby and aggregate."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from graph.odata.documents import Document
from graph.odata.filters import where_of
from graph.odata.model import KEY, EntityType, Model
from graph.odata.options import split
from graph.odata.paths import Where
from graph.odata.refusals import bad, unsupported
from models.values import camel
from resolvers.reports_questions import MOST_ROWS
from resolvers.reports_words import DimensionField

REPORT = "userReport"
TEXT = (
    f"query ODataUsersApply($where: UserWhere, $groupBy: [UserDimension!], $measures: [UserMeasure!], "
    f"$orderBy: [ReportOrder!], $first: Int) {{ {REPORT}(where: $where, groupBy: $groupBy, measures: $measures, "
    "orderBy: $orderBy, first: $first) { rows hasMore } }"
)
FIELDS: Mapping[str, str] = {camel(each.name.lower()): each.name for each in DimensionField}
_STEP = re.compile(r"(\w+)\s*\((.*)\)", re.ASCII | re.DOTALL)
_COUNT = re.compile(r"\$count\s+as\s+([A-Za-z_]\w*)", re.ASCII)
_MEASURE = re.compile(r"([\w/]+)\s+with\s+([\w.]+)\s+as\s+([A-Za-z_]\w*)", re.ASCII)
_EXTREMES = {"min": "FIRST", "max": "LAST"}


@dataclass
class Applied:
    """`columns` are those of the answer: the path of each, and what the report calls it."""

    where: Where | None = None
    group_by: list[str] = field(default_factory=list)
    measures: list[dict[str, Any]] = field(default_factory=list)
    columns: dict[tuple[str, ...], str] = field(default_factory=dict)

    def document(self, order: Sequence[Mapping[str, str]], first: int) -> Document:
        variables = {
            "where": self.where,
            "groupBy": [{"field": name} for name in self.group_by] or None,
            "measures": self.measures or None,
            "orderBy": list(order) or None,
            "first": min(first, MOST_ROWS),
        }
        return Document("ODataUsersApply", TEXT, variables=variables)

    def order(self, text: str | None) -> Iterator[dict[str, str]]:
        """The steps of an $orderby over the answer's columns."""
        for each in text.split(",") if text else ():
            path, _, direction = each.strip().partition(" ")
            name = self.columns.get(tuple(path.split("/")))
            if name is None or direction.strip() not in ("", "asc", "desc"):
                known = ", ".join("/".join(path) for path in self.columns)
                bad(f"Beside $apply, $orderby takes {known}, each with asc or desc.", "$orderby")
            yield {"column": name, "direction": "DESC" if direction.strip() == "desc" else "ASC"}

    def row(self, row: Mapping[str, Any]) -> dict[str, Any]:
        """A bucket as OData has it: what was reached by a path stands in an object."""
        made: dict[str, Any] = {}
        for path, name in self.columns.items():
            value = row[name]
            if len(path) == 1:
                made[path[0]] = value
            elif value is not None:
                made[path[0]] = {**(made.get(path[0]) or {}), path[1]: value}
            else:
                made.setdefault(path[0], None)
        return made

    @property
    def context(self) -> str:
        inner: dict[str, list[str]] = {}
        for path in self.columns:
            inner.setdefault(path[0], []).extend(path[1:])
        told = [f"{name}({','.join(below)})" if below else name for name, below in inner.items()]
        return f"#Users({','.join(told)})"


def applied(model: Model, type_: EntityType, text: str) -> Applied:
    """Raises Refused for every transformation that the report cannot make."""
    return _Reader(model, type_).read(text)


class _Reader:
    def __init__(self, model: Model, type_: EntityType) -> None:
        self._model = model
        self._type = type_
        self._made = Applied()

    def read(self, text: str) -> Applied:
        if self._type.name != "User":
            unsupported(f"$apply over {self._type.name}; it is there for Users", "$apply")
        *before, last = [_step(each) for each in split(text or "/", "/")]
        for name, _ in before:
            if name != "filter":
                unsupported(f"{name or 'this'}() before the last step of $apply; only filter() is", "$apply")
        filters = [where_of(self._model, self._type, inner) for _, inner in before]
        self._made.where = filters[0] if len(filters) == 1 else {"and": filters} if filters else None
        if last[0] == "groupby":
            self._group(last[1])
        elif last[0] == "aggregate":
            self._aggregate(last[1])
        else:
            unsupported(f"{last[0] or 'nothing'}() as the last step of $apply; groupby() or aggregate() is", "$apply")
        return self._made

    def _group(self, text: str) -> None:
        paths, *rest = [each.strip() for each in split(text, ",")] or [""]
        if not (paths.startswith("(") and paths.endswith(")")) or len(rest) > 1:
            bad("groupby looks like groupby((state,role/name),aggregate($count as n)).", "$apply")
        for path in split(paths[1:-1], ","):
            if "(" in path:
                unsupported(f"{path.strip()[:60]} inside groupby()", "$apply")
            self._dimension(tuple(path.strip().split("/")))
        if rest:
            name, inner = _step(rest[0])
            if name != "aggregate":
                unsupported(f"{name}() inside groupby()", "$apply")
            self._aggregate(inner)

    def _dimension(self, path: tuple[str, ...]) -> None:
        name = self._field(path)
        told = "/".join(path)
        if self._is_moment(path):
            unsupported(f"groups by {told}; userReport in GraphQL has them by year, quarter, month, week and day", told)
        if name not in self._made.group_by:
            self._made.group_by.append(name)
        own = camel(name.lower())
        self._made.columns[path] = own if path[1:] != (KEY,) else f"{own}Id"

    def _is_moment(self, path: tuple[str, ...]) -> bool:
        return len(path) == 1 and self._type.properties[path[0]].edm == "Edm.DateTimeOffset"

    def _field(self, path: tuple[str, ...]) -> str:
        """What the report calls a property, or the name or id of a role or provider."""
        told = "/".join(path)[:60]
        if path[0] not in (*self._type.properties, *self._type.navigations):
            bad(f"{self._type.name} has no {told}.", "$apply")
        is_own = len(path) == 1 and path[0] in self._type.properties
        related = self._type.navigations.get(path[0])
        is_named = related is not None and not related.is_list and path[1:] in ((KEY,), ("name",))
        if path[0] not in FIELDS or not (is_own or is_named):
            unsupported(f"groups by {told}", "$apply")
        return FIELDS[path[0]]

    def _aggregate(self, text: str) -> None:
        for each in split(text, ","):
            self._measure(each.strip())
        if not self._made.measures:
            bad("aggregate looks like aggregate($count as n).", "$apply")

    def _measure(self, text: str) -> None:
        count, found = _COUNT.fullmatch(text), _MEASURE.fullmatch(text)
        if count:
            self._add(count[1], {"measure": "COUNT"})
        elif found:
            self._add(found[3], self._measured(tuple(found[1].split("/")), found[2]))
        else:
            known = "$count as n, and a property with countdistinct, min or max as x"
            unsupported(f"{text[:60]} in aggregate(); there are {known}", "$apply")

    def _measured(self, path: tuple[str, ...], method: str) -> dict[str, Any]:
        if path == (KEY,) and method == "countdistinct":
            return {"measure": "COUNT"}
        name = self._field(path)
        if method == "countdistinct" and not self._is_moment(path):
            return {"measure": "DISTINCT", "of": name}
        if method in _EXTREMES and self._is_moment(path):
            return {"measure": _EXTREMES[method], "of": name}
        return unsupported(f"{'/'.join(path)} with {method}", "$apply")

    def _add(self, alias: str, measure: dict[str, Any]) -> None:
        if (alias,) in self._made.columns or alias in self._type.properties or alias in self._type.navigations:
            bad(f"{alias} is the name of something else; call the measure otherwise.", "$apply")
        name = f"m{len(self._made.measures)}"
        self._made.measures.append({**measure, "as": name})
        self._made.columns[(alias,)] = name


def _step(text: str) -> tuple[str, str]:
    found = _STEP.fullmatch(text.strip())
    if text.strip() == "identity":  # the only one that is written without parentheses
        unsupported("identity in $apply", "$apply")
    if found is None:
        bad("$apply is made of steps such as filter(…)/groupby((…),aggregate(…)).", "$apply")
    return found[1], found[2]
