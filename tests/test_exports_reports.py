"""Reports as tables: the question is asked with its columns, whatever was selected, and the columns say their kinds."""

import io
from datetime import UTC, date, datetime
from typing import Any

from graphql import OperationDefinitionNode, build_schema, parse, validate

from graph.cell_values import SHEET, TEXTS, TYPED
from graph.collecting import Collector
from graph.columns import Column, Kind
from graph.export_columns import ArrowWriter
from graph.export_reports import report, whole
from graph.export_rows import Root, as_cells
from graph.export_sheets import SheetWriter
from graph.export_texts import CsvWriter
from tests.exporting import by_arrow, by_openpyxl

SCHEMA = build_schema("""
    scalar JSON
    type Query { userReport(where: JSON, first: Int = 5): UserReport! }
    type UserReport { columns: [ReportColumn!]! rows: [JSON!]! total: Int! }
    type ReportColumn { name: String! kind: String! }
""")
ROWS = [
    {"role": "=Admin", "month": "2026-03-01", "last": "2026-03-05T10:00:00Z", "count": 3, "share": 0.5, "isLdap": True},
    {"role": None, "month": None, "last": None, "count": 0, "share": 0.0, "isLdap": None},
]
KINDS = {"role": "TEXT", "month": "DATE", "last": "INSTANT", "count": "NUMBER", "share": "SHARE", "isLdap": "FLAG"}
ANSWER = {"columns": [{"name": name, "kind": kind} for name, kind in KINDS.items()], "rows": ROWS}


def root(query: str) -> tuple[OperationDefinitionNode, Root]:
    document = parse(query)
    (operation,) = (each for each in document.definitions if isinstance(each, OperationDefinitionNode))
    assert SCHEMA.query_type is not None
    ((key, nodes),) = Collector({}, {}).collect(SCHEMA.query_type, [operation.selection_set]).items()
    return operation, Root(key, nodes, SCHEMA.query_type.fields["userReport"])


def test_a_report_is_asked_for_with_its_columns() -> None:
    head = "query R($w: JSON, $n: Int, $no: Boolean!)"
    query = f"{head} {{ r: userReport(where: {{a: [$w]}}, first: $n) {{ total @skip(if: $no) }} }}"
    operation, found = root(query)
    assert found.is_report
    asked = whole(operation, found, 7)
    assert validate(SCHEMA, parse(asked)) == []
    assert " ".join(asked.split()) == (
        "query R($w: JSON) { r: userReport(where: { a: [$w] }, first: 7) { columns { name kind } rows } }"
    )
    assert (
        whole(*root("{ userReport { total } }"), None)
        == "query  { userReport: userReport(first: 10000) { columns { name kind } rows } }"
    )


def written(writer: Any, rows: list[Any]) -> bytes:
    try:
        return bytes(writer.write(rows)) + b"".join(writer.end())
    finally:
        writer.close()


def test_its_columns_are_those_it_tells() -> None:
    rows, table = report(ANSWER, None)
    assert [each.kind for each in table] == [
        Kind.TEXT,
        Kind.DATE,
        Kind.INSTANT,
        Kind.NUMBER,
        Kind.REAL,
        Kind.FLAG,
    ]
    text = written(CsvWriter(table), as_cells(table, TEXTS)(rows)).decode()
    assert text == (
        "role,month,last,count,share,isLdap\r\n'=Admin,2026-03-01,2026-03-05T10:00:00.000000Z,3,0.5,true\r\n,,,0,0.0,\r\n"
    )
    moment = datetime(2026, 3, 5, 10, tzinfo=UTC)
    typed: dict[str, Any] = {**ROWS[0], "month": date(2026, 3, 1), "last": moment}
    found = by_arrow(written(ArrowWriter(table), as_cells(table, TYPED)(rows)))
    assert found.to_pylist() == [typed, ROWS[1]]
    sheet = by_openpyxl(written(SheetWriter(table), as_cells(table, SHEET)(rows)))
    assert sheet[0] == {**typed, "month": datetime(2026, 3, 1), "last": moment.replace(tzinfo=None)}
    assert sheet[1] == {**ROWS[1], "role": None}


def test_names_of_columns_are_no_formulas() -> None:
    table = [Column("=1+1", ("a",)), Column("b", ("b",))]
    assert written(CsvWriter(table), [("x", "y")]) == b"'=1+1,b\r\nx,y\r\n"
    assert io.BytesIO(written(CsvWriter(table, mark=True), [("x", "y")])).read(3) == b"\xef\xbb\xbf"
