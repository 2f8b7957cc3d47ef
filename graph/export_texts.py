"""Exports as text: CSV (RFC 4180), whose texts no spreadsheet takes for formulas, and NDJSON."""

import codecs
import csv
import io
import re
from collections.abc import Iterable, Sequence
from typing import Any

import orjson

from graph.columns import Column
from models.values import FORMULA, FORMULA_SIGNS

# Where a cell may begin with a formula in rows as they are written. Numbers do too: it only tells where to look.
_MAYBE = re.compile(rf"(?:\A|[,\n])(?:\"'*(?:[\t\r\n]|\s*[{FORMULA_SIGNS}])|'*(?:\t|[^\S\r\n]*[{FORMULA_SIGNS}]))")


class CsvWriter:
    """A line of names, then one for each row; `mark` puts a byte order mark first."""

    def __init__(self, table: Sequence[Column], *, mark: bool = False) -> None:
        self._beginning = (codecs.BOM_UTF8 if mark else b"") + _lines([tuple(each.name for each in table)])

    def write(self, rows: Sequence[tuple[Any, ...]]) -> bytes:
        beginning, self._beginning = self._beginning, b""
        return beginning + _lines(rows)

    def end(self) -> Iterable[bytes]:
        return [self._beginning]

    def close(self) -> None:
        pass


def _lines(rows: Sequence[tuple[Any, ...]]) -> bytes:
    text = _written(rows)
    return (_written([_neutral(row) for row in rows]) if _MAYBE.search(text) else text).encode()


def _written(rows: Iterable[Sequence[Any]]) -> str:
    buffer = io.StringIO(newline="")
    csv.writer(buffer).writerows(rows)
    return buffer.getvalue()


def _neutral(row: tuple[Any, ...]) -> Sequence[Any]:
    """Texts that a spreadsheet would take for formulas behind an apostrophe. Numbers stay numbers."""
    return [f"'{cell}" if type(cell) is str and FORMULA.match(cell) else cell for cell in row]


class LinesWriter:
    """Each row as it stands in the JSON answer, on a line of its own."""

    def write(self, rows: Sequence[Any]) -> bytes:
        option = orjson.OPT_UTC_Z | orjson.OPT_APPEND_NEWLINE
        return b"".join([orjson.dumps(row, option=option) for row in rows])

    def end(self) -> Iterable[bytes]:
        return []

    def close(self) -> None:
        pass
