"""Exports as XLSX, for spreadsheets: numbers, flags and dates as such, and texts that are never formulas or links."""

import logging
import re
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import date, datetime
from pathlib import Path
from typing import Any

from graph.columns import Column, Kind
from graph.errors import coded

log = logging.getLogger("usergraph")

MOST_ROWS = 1_048_575  # of a sheet, below its headings
MOST_CELLS = 20_000_000  # of a sheet: some gigabyte while it is made
LONGEST = 32_767  # characters of a cell
PIECE = 256 * 1024
PREFIX = "usergraph-export-"
FIRST_YEAR = 1900  # of a sheet's calendar
_OPTIONS = {
    "constant_memory": True,
    "strings_to_formulas": False,
    "strings_to_urls": False,
    "strings_to_numbers": False,
}
_FORMATS = {
    Kind.INSTANT: "yyyy-mm-dd hh:mm:ss",
    Kind.DATE: "yyyy-mm-dd",
    Kind.FLAG: '"TRUE";"TRUE";"FALSE"',  # LibreOffice makes numbers of booleans
}
# Widths of columns, in characters.
_WIDTHS = {
    Kind.TEXT: 24,
    Kind.NUMBER: 12,
    Kind.REAL: 12,
    Kind.FLAG: 9,
    Kind.INSTANT: 19,
    Kind.DATE: 11,
    Kind.JSON: 40,
}
_LIST_WIDTH = 32
_MAX_HEADING_WIDTH = 40
_FILTER_BUTTON = 3  # characters that the button of a filter hides of a heading
MAX_SHEET_NAME = 31
_RESERVED_NAMES = {"history"}  # by Excel
_NOT_IN_NAMES = re.compile(r"[\[\]:*?/\\\x00-\x1f]")


def sheet_name(name: str) -> str:
    """The name as spreadsheets take it."""
    kept = _NOT_IN_NAMES.sub("_", name).strip("' ")[:MAX_SHEET_NAME] or "Sheet1"
    return f"{kept}_" if kept.lower() in _RESERVED_NAMES else kept


def _width(column: Column) -> int:
    by_kind = _LIST_WIDTH if column.is_list else _WIDTHS[column.kind]
    return max(by_kind, min(len(column.name) + _FILTER_BUTTON, _MAX_HEADING_WIDTH))


@contextmanager
def _room() -> Iterator[None]:
    """A disk that is full, or takes nothing, is not the database's."""
    from xlsxwriter.exceptions import FileCreateError

    try:
        yield
    except (OSError, FileCreateError) as error:
        log.warning("a sheet cannot be made in %s: %s", tempfile.gettempdir(), error)
        message = "There is no room to make a sheet here now. Ask for CSV or Parquet, which need none."
        raise coded(message, "SERVICE_UNAVAILABLE") from error


class SheetWriter:
    """A file in a folder of its own, which is gone with `close`: a sheet can be sent only once it is whole."""

    def __init__(self, table: Sequence[Column], name: str = "") -> None:
        self._table = table
        self._name = sheet_name(name)
        self._rows = 0
        self._folder: tempfile.TemporaryDirectory[str] | None = None
        self._book: Any = None
        self._sheet: Any = None
        self._formats: list[Any] = []

    def write(self, rows: Sequence[tuple[Any, ...]]) -> bytes:
        """Raises TOO_MANY_ROWS where a sheet does not hold them, and SERVICE_UNAVAILABLE where the disk does not."""
        with _room():
            self._write(rows)
        return b""

    def _write(self, rows: Sequence[tuple[Any, ...]]) -> None:
        self._begin()
        if (self._rows + len(rows)) * len(self._table) > MOST_CELLS:
            message = (
                f"A sheet here has at most {MOST_CELLS} cells. Ask for fewer rows or columns, or for CSV or Parquet."
            )
            raise coded(message, "TOO_MANY_ROWS", limit=MOST_CELLS)
        if self._rows + len(rows) > MOST_ROWS:
            message = f"A sheet holds {MOST_ROWS} rows. Ask for fewer with where or first, or for CSV or Parquet."
            raise coded(message, "TOO_MANY_ROWS", limit=MOST_ROWS)
        for row in rows:
            self._rows += 1
            for place, cell in enumerate(row):
                if cell is not None and cell != "":
                    self._put(place, cell)

    def end(self) -> Iterator[bytes]:
        with _room():
            self._begin()
            self._sheet.freeze_panes(1, 0)
            if self._table:
                self._sheet.autofilter(0, 0, self._rows, len(self._table) - 1)
            self._book.close()
        return self._pieces()

    def close(self) -> None:
        if self._sheet is not None and self._sheet.row_data_fh is not None:
            self._sheet.row_data_fh.close()  # the library's own file, where the book was not closed
        if self._folder is not None:
            self._folder.cleanup()

    def _pieces(self) -> Iterator[bytes]:
        with self._file().open("rb") as file:
            while piece := file.read(PIECE):
                yield piece

    def _file(self) -> Path:
        assert self._folder is not None
        return Path(self._folder.name) / "export.xlsx"

    def _begin(self) -> None:
        if self._book is not None:
            return
        import xlsxwriter

        self._folder = tempfile.TemporaryDirectory(prefix=PREFIX, ignore_cleanup_errors=True)
        self._book = xlsxwriter.Workbook(str(self._file()), {**_OPTIONS, "tmpdir": self._folder.name})
        self._sheet = self._book.add_worksheet(self._name)
        shown = {kind: self._book.add_format({"num_format": form}) for kind, form in _FORMATS.items()}
        self._formats = [shown.get(each.kind) if not each.is_list else None for each in self._table]
        bold = self._book.add_format({"bold": True})
        for place, each in enumerate(self._table):
            self._sheet.set_column(place, place, _width(each))
            self._sheet.write_string(0, place, each.name[:LONGEST], bold)

    def _put(self, place: int, cell: Any) -> None:
        if type(cell) is bool:
            self._sheet.write_boolean(self._rows, place, cell, self._formats[place])
        elif isinstance(cell, (int, float)):
            self._sheet.write_number(self._rows, place, cell)
        elif isinstance(cell, date) and cell.year >= FIRST_YEAR:
            moment = cell.replace(tzinfo=None) if isinstance(cell, datetime) else cell
            self._sheet.write_datetime(self._rows, place, moment, self._formats[place])
        else:
            text = cell if isinstance(cell, str) else cell.isoformat()
            self._sheet.write_string(self._rows, place, text if len(text) <= LONGEST else f"{text[: LONGEST - 1]}…")
