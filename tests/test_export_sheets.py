"""Sheets as a spreadsheet shows them: widths, a header that filters, a name, and booleans as TRUE and FALSE."""

import asyncio
import csv
import io
import shutil
from pathlib import Path

import openpyxl
import pytest

from graph.export_sheets import MAX_SHEET_NAME, sheet_name
from tests.exporting import whole
from tests.playground import need
from tests.service import Service

FIELDS = "id username isActive createdAt version tags role { name }"
QUERY = f"query ActiveUsers {{ users {{ nodes {{ {FIELDS} }} }} }}"
REPORT = """query ByState { userReport(groupBy: [{field: IS_ACTIVE}, {field: CREATED_AT}],
    measures: [{measure: COUNT}, {measure: SHARE}]) { rows } }"""


async def test_the_sheet_is_named_after_the_operation_and_filters_below_a_frozen_header(service: Service) -> None:
    (sheet,) = openpyxl.load_workbook(io.BytesIO(await whole(service, QUERY, "xlsx"))).worksheets
    assert sheet.title == "ActiveUsers"
    assert sheet.freeze_panes == "A2"
    assert sheet.auto_filter.ref == f"A1:G{sheet.max_row}"
    assert [cell.font.b for cell in sheet[1]] == [True] * 7


async def test_columns_are_as_wide_as_their_kind_needs_and_never_hide_their_heading(service: Service) -> None:
    (sheet,) = openpyxl.load_workbook(io.BytesIO(await whole(service, QUERY, "xlsx"))).worksheets
    headings = {cell.value: sheet.column_dimensions[cell.column_letter].width for cell in sheet[1]}
    assert set(headings) == {"id", "username", "isActive", "createdAt", "version", "tags", "role.name"}
    for name, width in headings.items():
        assert width >= len(name) + 3, name
    assert headings["createdAt"] >= len("2024-02-29 12:30:00")
    assert headings["version"] < headings["username"] < headings["tags"]
    (sheet,) = openpyxl.load_workbook(io.BytesIO(await whole(service, REPORT, "xlsx"))).worksheets
    assert sheet.title == "ByState"
    assert sheet.column_dimensions["A"].width < sheet.column_dimensions["B"].width < 20


async def test_an_anonymous_query_names_its_sheet_after_its_field(service: Service) -> None:
    (sheet,) = openpyxl.load_workbook(io.BytesIO(await whole(service, "{ roles { name } }", "xlsx"))).worksheets
    assert sheet.title == "roles"


async def test_a_sheet_without_rows_has_its_header_and_filter(service: Service) -> None:
    query = '{ users(where: {username: {eq: "nobody"}}) { nodes { id isActive } } }'
    (sheet,) = openpyxl.load_workbook(io.BytesIO(await whole(service, query, "xlsx"))).worksheets
    assert [[cell.value for cell in row] for row in sheet.iter_rows()] == [["id", "isActive"]]
    assert sheet.auto_filter.ref == "A1:B1"


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("Users", "Users"),
        ("History", "History_"),
        ("x" * 40, "x" * MAX_SHEET_NAME),
        ("a/b[c]:d*e?f\\g", "a_b_c__d_e_f_g"),
        ("'quoted'", "quoted"),
        ("", "Sheet1"),
    ],
)
def test_names_of_sheets_are_those_that_spreadsheets_take(name: str, shown: str) -> None:
    assert sheet_name(name) == shown


async def test_libreoffice_shows_booleans_as_true_and_false_and_times_as_times(
    service: Service, tmp_path: Path
) -> None:
    soffice = shutil.which("soffice")
    need(soffice, "no LibreOffice: install libreoffice-calc")
    await service.write(
        "UPDATE users SET created_at = '2024-02-29 12:30:00.5+00:00', state = 'DEACTIVATED' WHERE id = 8"
    )
    query = "query Flags { users(orderBy: [{field: ID}]) { nodes { id isActive createdAt version } } }"
    (tmp_path / "flags.xlsx").write_bytes(await whole(service, query, "xlsx"))
    process = await asyncio.create_subprocess_exec(
        str(soffice),
        f"-env:UserInstallation=file://{tmp_path}/profile",
        *("--headless", "--convert-to", "csv", "--outdir", str(tmp_path), str(tmp_path / "flags.xlsx")),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    said, _ = await asyncio.wait_for(process.communicate(), 240)
    assert process.returncode == 0, said.decode()
    shown = (tmp_path / "flags.csv").read_text(encoding="utf-8")
    rows = {row["id"]: row for row in csv.DictReader(io.StringIO(shown))}
    assert {each["isActive"] for each in rows.values()} == {"TRUE", "FALSE"}
    assert rows["user_8"]["isActive"] == "FALSE"
    assert rows["user_8"]["createdAt"].startswith("2024-02-29 12:30:0")
    assert rows["user_8"]["version"] == "1"
