"""any() and all() over the short lists of a user: texts (tags, aliases), or rows of texts (variables, external ids)."""

from typing import Any

from odata_query import ast

from graph.odata.literals import PARTS, literal, named, part
from graph.odata.paths import Path, Where
from graph.odata.refusals import bad, unsupported
from resolvers.conditions import SomeRow, SomeText

MOST_WAYS = 50
OPERATORS = {ast.Eq: ("in", "notIn"), ast.NotEq: ("notIn", "in"), ast.In: ("in", "notIn")}


class Flat:
    """`some` takes conditions that hold for one row together, each operator once: alternatives of those are made."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._is_text = isinstance(path.filter, SomeText)
        self._fields = tuple(path.filter.fields) if isinstance(path.filter, SomeRow) else ()

    def some(self, given: ast.Lambda | None, *, negated: bool) -> Where:
        if given is None:
            return self._path.where({"some": {}})
        ways = self._ways(given.expression, given.identifier.name, negated)
        found = [self._path.where({"some": way}) for way in ways]
        return found[0] if len(found) == 1 else {"or": found}

    def _ways(self, node: Any, variable: str, negated: bool) -> list[Where]:
        """The alternatives of which one must hold."""
        if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not):
            return self._ways(node.operand, variable, not negated)
        if isinstance(node, ast.BoolOp):
            left, right = (self._ways(each, variable, negated) for each in (node.left, node.right))
            if isinstance(node.op, ast.Or) is not negated:
                ways = [*left, *right]
            else:
                ways = [self._both(one, other) for one in left for other in right]
            if len(ways) > MOST_WAYS:
                unsupported(f"more than {MOST_WAYS} alternatives over {self._path}", str(self._path))
            return ways
        if isinstance(node, ast.Compare):
            return [self._compared(node, variable, negated)]
        if isinstance(node, ast.Call):
            return [self._part(node, variable, negated)]
        return bad(f"A condition on {self._path} compares texts.", str(self._path))

    def _both(self, one: Where, other: Where) -> Where:
        """Two conditions on one row."""
        if self._is_text:
            return self._merged(one, other)
        names = [*one, *(name for name in other if name not in one)]
        return {name: self._merged(one.get(name, {}), other.get(name, {})) for name in names}

    def _merged(self, one: Where, other: Where) -> Where:
        twice = set(one) & set(other)
        if twice - {"notIn"}:
            unsupported(f"two conditions of one kind on the same row of {self._path}", str(self._path))
        return {**one, **other, **({"notIn": [*one["notIn"], *other["notIn"]]} if twice else {})}

    def _compared(self, node: ast.Compare, variable: str, negated: bool) -> Where:
        operators = OPERATORS.get(type(node.comparator))
        if operators is None:
            unsupported(f"lt, le, gt and ge over {self._path}", str(self._path))
        is_list = isinstance(node.right, ast.List)
        if is_list is not isinstance(node.comparator, ast.In):
            bad("in takes a list, and nothing else does.", "$filter")
        given = node.right.val if isinstance(node.right, ast.List) else [node.right]
        found = [literal(each) for each in given]
        if any(each is None or each.kind != "text" for each in found):
            bad(f"What is in {self._path} is compared with texts.", str(self._path))
        values = [each.value for each in found if each is not None]
        return self._of(node.left, variable, {operators[negated]: values})

    def _part(self, call: ast.Call, variable: str, negated: bool) -> Where:
        name = named(call.func)
        if name not in PARTS or negated:
            unsupported(f"{'not ' if negated else ''}{name}() over {self._path}", str(self._path))
        return self._of(call.args[0], variable, {PARTS[name]: part(call.args[1])})

    def _of(self, node: Any, variable: str, condition: Where) -> Where:
        """The condition on the row itself, or on one of its fields."""
        if self._is_text and isinstance(node, ast.Identifier) and named(node) == variable:
            return condition
        is_field = isinstance(node, ast.Attribute) and isinstance(node.owner, ast.Identifier)
        if not self._is_text and is_field and named(node.owner) == variable and node.attr in self._fields:
            return {node.attr: condition}
        inside = variable if self._is_text else " and ".join(f"{variable}/{name}" for name in self._fields)
        return bad(f"Over {self._path}, compare {inside}.", str(self._path))
