"""Reports as tables: answers that tell their own columns beside their rows."""

from collections.abc import Mapping, Sequence
from typing import Any

from graphql import OperationDefinitionNode, VariableNode, Visitor, print_ast, visit

from graph.columns import Column, Kind
from graph.errors import coded
from graph.export_rows import Root
from resolvers.reports_questions import MOST_ROWS

_KINDS = {
    "NUMBER": Kind.NUMBER,
    "SHARE": Kind.REAL,
    "FLAG": Kind.FLAG,
    "DATE": Kind.DATE,
    "INSTANT": Kind.INSTANT,
}


def whole(operation: OperationDefinitionNode, root: Root, first: int | None) -> str:
    """The question again, asking for all that a table needs, whatever was selected of the report.

    `first` is what was asked for; without it, as many rows as a report may have.
    """
    field, used = root.nodes[0], _Variables()
    kept = [each for each in field.arguments or () if each.name.value != "first"]
    for argument in kept:
        visit(argument, used)
    given = [each for each in operation.variable_definitions or () if each.variable.name.value in used.names]
    name = operation.name.value if operation.name else ""
    declared = f"({', '.join(map(print_ast, given))})" if given else ""
    listed = [*map(print_ast, kept)]
    if "first" in root.definition.args:
        listed.append(f"first: {MOST_ROWS if first is None else first}")
    arguments = f"({', '.join(listed)})" if listed else ""
    more = " hasMore" if "hasMore" in root.type.fields else ""
    return f"query {name}{declared} {{ {root.key}: {root.name}{arguments} {{ columns {{ name kind }} rows{more} }} }}"


class _Variables(Visitor):
    def __init__(self) -> None:
        super().__init__()
        self.names: set[str] = set()

    def enter_variable(self, node: VariableNode, *_: Any) -> None:
        self.names.add(node.name.value)


def report(answer: Mapping[str, Any], first: int | None) -> tuple[Sequence[Any], list[Column]]:
    """The rows of a report, and the columns that it tells. One that is cut short unasked is refused.

    Of several moments, `first` is of each, and there may be more of them together than a report has.
    """
    if answer.get("hasMore") and (first is None or first < MOST_ROWS == len(answer["rows"])):
        message = f"This report has more than {MOST_ROWS} rows. Ask for some with first, or for longer buckets."
        raise coded(message, "TOO_MANY_ROWS", limit=MOST_ROWS)
    rows: Sequence[Mapping[str, Any]] = answer["rows"]
    return rows, [_column(each["name"], each["kind"], rows) for each in answer["columns"]]


def _column(name: str, kind: str, rows: Sequence[Mapping[str, Any]]) -> Column:
    found = _KINDS.get(kind, Kind.TEXT)
    if found is Kind.NUMBER and any(isinstance(row.get(name), float) for row in rows):
        found = Kind.REAL
    return Column(name, (name,), found)
