"""Exports as text: CSV (RFC 4180), whose texts no spreadsheet takes for formulas, and NDJSON."""

import codecs
import csv
import io
import re
from collections.abc import Iterable, Sequence
from typing import Any

import orjson

from graph.columns import Column, Kind
from models.values import FORMULA, FORMULA_SIGNS

# A cell that a spreadsheet may take for a formula, among texts each of which begins a line.
_MAYBE = re.compile(rf"\n'*(?:[\t\r\n]|\s*[{FORMULA_SIGNS}])")


class CsvWriter:
    """A line of names, then one for each row of texts; `mark` puts a byte order mark first."""

    def __init__(self, table: Sequence[Column], *, mark: bool = False) -> None:
        self._texts = [place for place, each in enumerate(table) if each.is_list or each.kind in (Kind.TEXT, Kind.JSON)]
        names = [f"'{each.name}" if FORMULA.match(each.name) else each.name for each in table]
        self._beginning = (codecs.BOM_UTF8 if mark else b"") + _lines([names]).encode()

    def write(self, rows: Sequence[Sequence[str]]) -> bytes:
        beginning, self._beginning = self._beginning, b""
        if self._may_hold_formulas(rows):
            rows = [self._neutral(row) for row in rows]
        return beginning + _lines(rows).encode()

    def _may_hold_formulas(self, rows: Sequence[Sequence[str]]) -> bool:
        """One look at all texts of a batch, of which most hold none."""
        columns = list(zip(*rows, strict=True))
        return any(_MAYBE.search("\n" + "\n".join(filter(None, columns[place]))) for place in self._texts)

    def _neutral(self, row: Sequence[str]) -> Sequence[str]:
        """With an apostrophe before what a spreadsheet would take for a formula. Numbers stay as they are."""
        cells = list(row)
        for place in self._texts:
            if FORMULA.match(cells[place]):
                cells[place] = f"'{cells[place]}"
        return cells

    def end(self) -> Iterable[bytes]:
        return [self._beginning]

    def close(self) -> None:
        pass


def _lines(rows: Sequence[Sequence[str]]) -> str:
    """Where no cell needs quotation marks, which is soon seen, rows are their cells and commas."""
    text = "\r\n".join(map(",".join, rows))
    is_plain = (
        len(rows[0]) > 1
        and '"' not in text
        and text.count(",") == len(rows) * (len(rows[0]) - 1)
        and text.count("\n") == text.count("\r") == len(rows) - 1
    )
    if is_plain:
        return f"{text}\r\n"
    buffer = io.StringIO(newline="")
    csv.writer(buffer).writerows(rows)
    return buffer.getvalue()


class LinesWriter:
    """Each row as it stands in the JSON answer, on a line of its own."""

    def write(self, rows: Sequence[Any]) -> bytes:
        option = orjson.OPT_UTC_Z | orjson.OPT_APPEND_NEWLINE
        return b"".join([orjson.dumps(row, option=option) for row in rows])

    def end(self) -> Iterable[bytes]:
        return []

    def close(self) -> None:
        pass
