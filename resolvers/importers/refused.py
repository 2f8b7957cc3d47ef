"""The file of refused rows: the input's own format with reasons in it, ready to mend and send again."""

import base64
import csv
import filecmp
import io
import json
import os
import re
from collections.abc import Iterable, Iterator
from itertools import islice, takewhile
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from models.dn import escape_value
from resolvers.importers.delimited import Cells, Delimited
from resolvers.importers.entries import Entry
from resolvers.importers.objects import Repeated, Unparsed
from resolvers.importers.rows import Problem, Row, Source, UnreadableFile

_SIGNATURE = "\ufeff"


def refused_path(path: Path) -> Path:
    """`people.csv` → `people.refused.csv`, or the next number that is free."""
    return next(free for free in _refused_paths(path) if not os.path.lexists(free))


def _refused_paths(path: Path) -> Iterator[Path]:
    stem = path.stem.split(".refused")[0]
    names = (f"{stem}.refused{'' if number == 1 else f'-{number}'}{path.suffix}" for number in range(1, 10_000))
    return map(path.with_name, names)


class RefusedWriter:
    """Writes `path` on the first refused row only, readable by its owner only: rows may hold passwords.

    A file that an earlier run, such as a dry run, wrote with the same content is kept instead: `path` is then that one.
    """

    def __init__(self, path: Path, source: Source) -> None:
        if os.path.lexists(path):
            raise UnreadableFile(f"{path} exists already: move it away, or name another file for the refused rows")
        self.path = path
        self.count = 0
        self._source = source
        self._file: io.TextIOWrapper | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._file is None:
            return
        with self._file as file:
            if self._source.format == "json":
                file.write("\n]\n")
        if error is None:
            self._keep_earlier()

    def _keep_earlier(self) -> None:
        """Only of files that are numbered: one that was named stays where it is."""
        earlier = list(takewhile(lambda one: one != self.path, islice(_refused_paths(self._source.text.path), 100)))
        if self.path not in islice(_refused_paths(self._source.text.path), 101):
            return
        same = next((one for one in earlier if one.is_file() and filecmp.cmp(one, self.path, shallow=False)), None)
        if same is not None and same != self._source.text.path:
            self.path.unlink()
            self.path = same

    def write(self, row: Row, problems: Iterable[Problem]) -> None:
        """The row as it stood, with all of these reasons."""
        file = self._file or self._open()
        texts = [_one_line(f"{problem.field}: {problem.message}") for problem in problems]
        for piece in self._pieces(row, texts):
            file.write(piece)
        self.count += 1

    def _open(self) -> io.TextIOWrapper:
        handle = os.open(self.path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        self._file = file = os.fdopen(handle, "w", encoding="utf-8", newline="")
        # the signature tells the next import that this is UTF-8, whatever --encoding the first one needed
        file.write("" if self._source.text.plain else _SIGNATURE)
        file.writelines(self._beginning())
        return file

    def _beginning(self) -> Iterator[str]:
        source = self._source
        if isinstance(source, Delimited):
            yield from (f"{line}\r\n" for line in source.preamble)
            yield self._csv_line("error", source.headings)
        elif source.format == "ldif":
            yield "version: 1\n"
        elif source.format == "json":
            yield "[\n"

    def _pieces(self, row: Row, texts: list[str]) -> Iterator[str]:
        reason = "; ".join(texts)
        if isinstance(row.source, Cells):
            yield self._csv_line(reason, row.source.cells)
        elif isinstance(row.source, Entry):
            yield from (f"{line}\n" for line in _ldif_lines(row.source, texts))
        elif self._source.format == "json":
            yield ",\n" if self.count else ""
            yield ",\n".join(_with_reason(row, reason))
        else:
            yield from (f"{line}\n" for line in _with_reason(row, reason))

    def _csv_line(self, reason: str, cells: list[str]) -> str:
        """The reason stands first, so that a row with too few or too many cells keeps its shape."""
        assert isinstance(self._source, Delimited)
        buffer = io.StringIO()
        writer = csv.writer(buffer, delimiter=self._source.delimiter, lineterminator="\r\n")
        writer.writerow([reason, *self._source.own(cells)])
        return buffer.getvalue()


def _with_reason(row: Row, reason: str) -> list[str]:
    """The object with its reason in it; what is no object stays as it was, behind an object saying why."""
    if isinstance(row.source, Unparsed):
        return [_json({"error": reason}), row.source.written]
    pairs = row.source.pairs if isinstance(row.source, Repeated) else row.source.items()
    said = [("error", reason), *((key, value) for key, value in pairs if key != "error")]
    if len(said) == 1:
        return [_json({"error": reason}), "{}"]
    return ["{" + ", ".join(f"{_json(key)}: {_json(value)}" for key, value in said) + "}"]


def _ldif_lines(entry: Entry, texts: list[str]) -> list[str]:
    remarks = [f"# error: {text}" for text in texts]
    lines = [*entry.lines, *map(_member_of, entry.groups)]
    # a record may begin with what looks like a fold, and would vanish into a comment above it
    return ["", *lines, *remarks] if lines[0].startswith(" ") else ["", *remarks, *lines]


def _member_of(group: str) -> str:
    """The groups' own entries are not in this file, so a person must say for themselves where they belong."""
    name = f"cn={escape_value(group)}"
    if re.fullmatch(r"[!-~](?:[ -~]*[!-~])?", name):
        return f"memberOf: {name}"
    return f"memberOf:: {base64.b64encode(name.encode()).decode()}"


def _json(value: Any) -> str:
    written = json.dumps(value, ensure_ascii=False)
    return written if _encodable(written) else json.dumps(value)


def _encodable(written: str) -> bool:
    try:
        written.encode()
    except UnicodeEncodeError:
        return False
    return True


def _one_line(message: str) -> str:
    return " ".join(message.encode(errors="backslashreplace").decode().split()).replace("\x00", "\\x00")
