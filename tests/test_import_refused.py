"""The file of refused rows: private, whole, with its reasons, and never written over another."""

import csv
import json
import stat
from pathlib import Path
from typing import Any

import pytest

from resolvers.importers import Problem, RefusedWriter, UnreadableFile, open_rows, refused_path
from tests.importing import problems, refuse


def test_no_refusal_makes_no_file(save: Any, tmp_path: Path) -> None:
    source = open_rows(save("people.csv", "email\na@example.com\n"))
    with RefusedWriter(tmp_path / "refused.csv", source):
        pass
    assert not (tmp_path / "refused.csv").exists()


def test_a_refused_file_is_private_and_never_written_over(save: Any, tmp_path: Path) -> None:
    path = save("people.csv", "email,password\n,secret\n")
    assert refused_path(path) == tmp_path / "people.refused.csv"
    again = refuse(path, refused_path(path))
    assert stat.S_IMODE(again.stat().st_mode) == 0o600
    assert refused_path(path) == refused_path(again) == tmp_path / "people.refused-2.csv"
    with pytest.raises(UnreadableFile, match="exists already"):
        RefusedWriter(again, open_rows(path))
    with pytest.raises(UnreadableFile, match="exists already"):
        RefusedWriter(path, open_rows(path))


def test_reasons_are_replaced_and_shapes_kept(save: Any, tmp_path: Path) -> None:
    path = save("people.csv", 'email,error,name\nshort@example.com,old\n,old,"a ""b"""\n')
    again = refuse(refuse(path, tmp_path / "one.csv"), tmp_path / "two.csv")
    with again.open(encoding="utf-8", newline="") as file:
        rows = list(csv.reader(file))
    assert [row[1:] for row in rows] == [["email", "name"], ["short@example.com"], ["", 'a "b"']]
    assert rows[0][0] == "error"
    assert "old" not in again.read_text(encoding="utf-8")
    assert list(problems(again).values()) == list(problems(path).values())


def test_reasons_stay_on_one_line(save: Any, tmp_path: Path) -> None:
    source = open_rows(save("people.ldif", "dn: cn=a\nmail: a@example.com\n"))
    with RefusedWriter(tmp_path / "refused.ldif", source) as writer:
        for row in source:
            writer.write(row, [Problem("role", "bad\n\ndn: cn=admin\ud800\x00"), Problem("x", "y")])
    assert (tmp_path / "refused.ldif").read_text(encoding="utf-8") == (
        "version: 1\n\n# error: role: bad dn: cn=admin\\ud800\\x00\n# error: x: y\ndn: cn=a\nmail: a@example.com\n"
    )


def test_an_interrupted_import_leaves_a_whole_file(save: Any, tmp_path: Path) -> None:
    source = open_rows(save("people.json", '[{"email": "a@example.com"}]'))

    def interrupted() -> None:
        with RefusedWriter(tmp_path / "r.json", source) as writer:
            writer.write(next(iter(source)), [Problem("x", "y")])
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert json.loads((tmp_path / "r.json").read_text(encoding="utf-8")) == [
        {"error": "x: y", "email": "a@example.com"}
    ]
