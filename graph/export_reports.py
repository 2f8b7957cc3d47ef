"""Reports as tables: answers that tell their own columns beside their rows."""

from collections.abc import Mapping, Sequence
from typing import Any

from graphql import OperationDefinitionNode, VariableNode, Visitor, print_ast, visit

from graph.columns import Column, Kind
from graph.export_rows import Root

_KINDS = {
    "NUMBER": Kind.NUMBER,
    "SHARE": Kind.REAL,
    "FLAG": Kind.FLAG,
    "DATE": Kind.DATE,
    "INSTANT": Kind.INSTANT,
}


def whole(operation: OperationDefinitionNode, root: Root) -> str:
    """The question again, asking for all that a table needs, whatever was selected of the report."""
    field = root.nodes[0]
    used = _Variables()
    for argument in field.arguments or ():
        visit(argument, used)
    given = [each for each in operation.variable_definitions or () if each.variable.name.value in used.names]
    name = operation.name.value if operation.name else ""
    declared = f"({', '.join(map(print_ast, given))})" if given else ""
    arguments = f"({', '.join(map(print_ast, field.arguments))})" if field.arguments else ""
    return f"query {name}{declared} {{ {root.key}: {root.name}{arguments} {{ columns {{ name kind }} rows }} }}"


class _Variables(Visitor):
    def __init__(self) -> None:
        super().__init__()
        self.names: set[str] = set()

    def enter_variable(self, node: VariableNode, *_: Any) -> None:
        self.names.add(node.name.value)


def report(answer: Mapping[str, Any]) -> tuple[Sequence[Any], list[Column]]:
    """The rows of a report, and the columns that it tells."""
    rows: Sequence[Mapping[str, Any]] = answer["rows"]
    return rows, [_column(each["name"], each["kind"], rows) for each in answer["columns"]]


def _column(name: str, kind: str, rows: Sequence[Mapping[str, Any]]) -> Column:
    found = _KINDS.get(kind, Kind.TEXT)
    if found is Kind.NUMBER and any(isinstance(row.get(name), float) for row in rows):
        found = Kind.REAL
    return Column(name, (name,), found)
