"""Rows of CSV files: any of comma, semicolon and tab, with Microsoft Entra's version row and example row."""

import csv
import re
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import islice

from models.values import FORMULA
from resolvers.importers.account_readers import has_access
from resolvers.importers.column_names import (
    ATLASSIAN_COLUMNS,
    ATLASSIAN_MARKS,
    DIRECTORY_COLUMNS,
    DIRECTORY_MARKS,
    Target,
    normal,
)
from resolvers.importers.columns import Columns, shown
from resolvers.importers.encodings import Text
from resolvers.importers.entry_kinds import NAMES, is_put_aside, kind_of_row, skipped
from resolvers.importers.rows import Problem, Row, Source, UnreadableFile, counted, no_email
from resolvers.importers.spreadsheets import Digits
from resolvers.importers.values import IDS, Cell, user_of

_DELIMITERS = ",;\t"
_PREAMBLE = re.compile(
    r'"?(version:\s*v?[\d.]+|sep=(?P<delimiter>[,;\t|])|#TYPE\s+[^,;\t"]+)"?[,;\t\s]*', re.IGNORECASE
)
_SHOWN = 30


class Cells(dict[str, str]):
    """A row by heading, which keeps all its cells, surplus ones too, in their order."""

    __slots__ = ("cells",)

    def __init__(self, headings: list[str], cells: list[str]) -> None:
        super().__init__(reversed(list(zip(headings, cells, strict=False))))  # the first of two namesakes stays
        self.cells = cells


@dataclass(frozen=True, slots=True)
class _Record:
    first: int
    last: int
    cells: list[str]
    mistake: str = ""


class Delimited(Source):
    """`preamble` is what stands above the headings, ready to be written again."""

    format = "csv"

    def __init__(self, text: Text, *, mapping: Mapping[str, str] | None = None, ldap_server: int | None = None) -> None:
        super().__init__(text, Columns(mapping))
        self.preamble: list[str] = []
        self._ldap_server = ldap_server
        self._skipped, first = self._find_headings()
        self.delimiter = self._sniffed(first)
        records = self._records()
        self.headings = next(records).cells
        self._remarks = {place for place, name in enumerate(self.headings) if normal(name) == "error"}
        if DIRECTORY_MARKS & set(map(normal, self.headings)):
            self.columns.known = {**self.columns.known, **DIRECTORY_COLUMNS}
        if set(map(normal, self.headings)) >= ATLASSIAN_MARKS:
            self.columns.known = {**self.columns.known, **ATLASSIAN_COLUMNS}
        self._kinds = {place: NAMES[normal(name)] for place, name in enumerate(self.headings) if normal(name) in NAMES}
        self._targets = self._known_columns()
        self._email = self.columns.gives("email", self.headings)
        self._has_email()
        self._survey(records)

    def __iter__(self) -> Iterator[Row]:
        records = self._records()
        next(records, None)
        for place, record in enumerate(records):
            if self._is_row(record, place):
                yield self._row(record)

    def _find_headings(self) -> tuple[int, str]:
        """The number of lines above the headings, and the line that the headings begin in."""
        for number, line in enumerate(self.text.lines()):
            if _PREAMBLE.fullmatch(line):
                self.preamble.append(line.rstrip("\r\n"))
            elif line.strip(_DELIMITERS + " \r\n"):
                return number, line
        raise UnreadableFile("the file has no headings: its first line must name columns such as email,name,role")

    def _sniffed(self, line: str) -> str:
        for above in self.preamble:
            if (match := _PREAMBLE.fullmatch(above)) and match["delimiter"]:
                return match["delimiter"]

        def known(delimiter: str) -> tuple[int, int]:
            try:
                headings = next(csv.reader([line], delimiter=delimiter), [])
            except csv.Error:
                return 0, 0
            return sum(map(self.columns.knows, filter(None, headings))), len(headings)

        return max(_DELIMITERS, key=known)

    def _records(self) -> Iterator[_Record]:
        """The headings and what follows, without blank lines; strict, so no quotation mark is guessed at."""
        taken: list[str] = []

        def lines() -> Iterator[str]:
            for line in islice(self.text.lines(), self._skipped, None):
                taken.append(line)
                yield line

        reader = csv.reader(lines(), delimiter=self.delimiter, strict=True)
        while True:
            taken.clear()
            first, mistake = self._skipped + reader.line_num + 1, ""
            try:
                cells = next(reader, None)
            except csv.Error as error:
                cells, mistake = self._leniently(taken, first, error)
            if cells is None:
                return
            if cells:
                yield _Record(first, self._skipped + reader.line_num, cells, mistake)

    def _leniently(self, lines: list[str], first: int, error: csv.Error) -> tuple[list[str], str]:
        """The cells of a row whose quotation marks are wrong, so that it can be refused by itself."""
        try:
            if "expected after" in str(error):
                cells = next(csv.reader(lines, delimiter=self.delimiter))
                return cells, 'a quotation mark stands inside a cell: double it ("") or remove it'
        except csv.Error:
            pass
        raise UnreadableFile(
            f"line {first}: a quotation mark is opened and not closed within {csv.field_size_limit():,}"
            " characters, so the rows after it cannot be told apart: close it, or double it where it is part"
            " of the text"
        ) from error

    def _known_columns(self) -> list[tuple[int, str, Target]]:
        found = [(place, name, self.columns.target(name)) for place, name in enumerate(self.headings)]
        self.columns.refuse_missing()
        self.notes.extend(self.columns.all_notes())
        return [(place, name, target) for place, name, target in found if target]

    def _has_email(self) -> None:
        if any("@" in heading for heading in self.headings):
            raise UnreadableFile(
                f"line {self._skipped + 1} holds an email where headings must be: put a line such as"
                " email,name,role above it"
            )
        if self._email is None:
            names = ", ".join(map(shown, self.headings[:_SHOWN]))
            raise UnreadableFile(
                f"no column gives an email, by which users are matched: name it with --map COLUMN=email; the"
                f" columns are {names}"
            )

    def _survey(self, records: Iterator[_Record]) -> None:
        empty = 0
        others: Counter[str] = Counter()
        self._digits = {
            place: Digits()
            for place, name, target in self._targets
            if target.field in IDS and not self.columns.is_mapped(name)
        }
        observed = [(place, name) for place, name in enumerate(self.headings) if self.columns.is_observed(name)]
        for place, record in enumerate(records):
            blank = not any(cell.strip() for cell in self.own(record.cells))
            empty += blank
            if self._is_example(record, place):
                self.notes.append("the example row is skipped")
            elif kind := self._other_kind(record):
                others[kind] += 1
            elif not blank:
                self.total += 1
                for at, digits in self._digits.items():
                    digits.add(record.cells[at] if at < len(record.cells) else "")
                for at, name in observed:
                    self.columns.observe(name, record.cells[at] if at < len(record.cells) else None)
        self.notes.extend(self.columns.settle())
        self._targets = [each for each in self._targets if self.columns.target(each[1])]
        if empty:
            self.notes.append(f"{counted(empty, 'empty row')} skipped")
        self.notes.extend(skipped(kind, number) for kind, number in others.items())
        if not self.total:
            self.notes.append("the file has headings but no rows")

    def _is_row(self, record: _Record, place: int) -> bool:
        if not any(map(str.strip, self.own(record.cells))) or self._is_example(record, place):
            return False
        return self._other_kind(record) is None

    def _other_kind(self, record: _Record) -> str | None:
        """What a row is that is no user; one of a wrong shape is refused instead."""
        if not self._kinds or self._misshapen(record):
            return None
        return kind_of_row({name: record.cells[place] for place, name in self._kinds.items()})

    def _is_example(self, record: _Record, place: int) -> bool:
        """Entra's templates show a row "Example: …" under their headings; files of refused rows do not."""
        if place > 0 or self._remarks or not any("[" in heading for heading in self.headings):
            return False
        return next(iter(self.own(record.cells)), "").strip().casefold().startswith("example:")

    def own(self, cells: list[str]) -> list[str]:
        """The cells without what an earlier import wrote under the heading `error`."""
        return [cell for place, cell in enumerate(cells) if place not in self._remarks]

    def _row(self, record: _Record) -> Row:
        source = Cells(self.headings, record.cells)
        if problem := self._misshapen(record):
            return Row(record.first, source, {"ref": str(record.first)}, [problem])
        cells = [Cell(name, target, _plain(record.cells[place], target)) for place, name, target in self._targets]
        if any(name == "dn" and is_put_aside(record.cells[place]) for place, name in self._kinds.items()):
            cells.append(Cell("dn", Target("is_active", read=has_access), False))
        user, problems = user_of(cells, record.first, ldap_server=self._ldap_server, beside=self.columns.beside)
        for place, name, target in self._targets:
            if place in self._digits and (reason := self._digits[place].problem(record.cells[place])):
                problems.append(Problem(target.field, f"column {shown(name)} {reason}"))
        if "email" not in user and not any(problem.field == "email" for problem in problems):
            problems.append(no_email(f"column {shown(self._email or 'email')}"))
        return Row(record.first, source, user, problems)

    def _misshapen(self, record: _Record) -> Problem | None:
        if record.mistake:
            return Problem("row", record.mistake)
        wanted, found = len(self.headings), len(record.cells)
        surplus = any(cell.strip() for cell in record.cells[wanted:])
        if found >= wanted and not surplus:
            return None
        advice = "remove the surplus, or quote a cell that holds the delimiter" if surplus else "add what is missing"
        if record.last > record.first:
            advice += f" (lines {record.first} to {record.last} are one row: is a quotation mark missing?)"
        own = len(self.own(record.cells)), len(self.own(self.headings))
        return Problem("row", f"the row has {own[0]} cells where the headings are {own[1]}: {advice}")


def _plain(cell: str, target: Target) -> str:
    """A cell without the apostrophe that keeps a spreadsheet from taking it for a formula. Passwords stay whole."""
    is_kept = cell.startswith("'") and FORMULA.match(cell, 1) and not target.field.startswith("password")
    return cell[1:] if is_kept else cell
