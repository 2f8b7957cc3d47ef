"""What the bytes of a file are: an encoding that is certain, or a refusal that tells what to do."""

import codecs
from pathlib import Path
from typing import Any

import pytest

from resolvers.importers import open_rows
from tests.importing import refusal, refuse, users

WESTERN = "name,email\n" + "".join(
    f"{name},u{place}@example.com\n"
    for place, name in enumerate(["Jürgen Müller", "Anja Weiß", "Käthe Böhm", "Günther Groß", "Bärbel Schäfer"])
)
CZECH = "name,email\n" + "".join(
    f"{name},u{place}@example.com\n"
    for place, name in enumerate(
        ["Jiří Dvořák", "Žofie Černá", "Tomáš Němec", "Lukáš Růžička", "Božena Štěpánová", "Ondřej Příhoda"]
    )
)


@pytest.mark.parametrize(
    ("content", "encoding", "found"),
    [
        (WESTERN, "cp1252", "cp1252"),
        (WESTERN, "latin-1", "cp1252"),
        (CZECH, "cp1250", "cp1250"),
        (CZECH, "iso8859-2", "iso8859_2"),
        ("name,email\nИван Петров,a@example.com\nОльга Щукина,b@example.com\n", "koi8-r", "koi8_r"),
        (WESTERN, "utf-16-le", "utf-16-le"),
        (WESTERN, "utf-16-be", "utf-16-be"),
        (WESTERN, "utf-16", "utf-16"),
        (WESTERN, "utf-32", "utf-32"),
        (WESTERN, "utf-8-sig", "utf-8"),
        (WESTERN, "utf-8", "utf-8"),
    ],
)
def test_an_encoding_is_found(save: Any, tmp_path: Path, content: str, encoding: str, found: str) -> None:
    path = save("people.csv", content.encode(encoding))
    source = open_rows(path)
    assert source.encoding == found
    assert bool(source.notes) == (found != "utf-8")
    names = [line.split(",")[0] for line in content.splitlines()[1:]]
    assert [row.user["name"] for row in source] == names
    assert [row.user["name"] for row in open_rows(path, encoding=encoding)] == names
    again = refuse(path, tmp_path / "refused.csv", encoding=encoding)
    assert [row.user["name"] for row in open_rows(again, encoding=encoding)] == names


def test_an_encoding_that_is_uncertain_is_refused(save: Any) -> None:
    content = "name,email\nZoë,z@example.com\n"
    path = save("people.csv", content.encode("cp1252"))
    message = refusal(path)
    assert message.startswith("line 2 is not UTF-8, and the encoding cannot be told for certain: its letters are")
    assert "'ë' in cp1252" in message
    assert message.endswith("Name it with --encoding NAME (Excel on a Western Windows writes cp1252), or save as UTF-8")
    assert users(path, encoding="windows-1252")[0]["name"] == "Zoë"


def test_broken_bytes_are_named_by_their_line(save: Any) -> None:
    lines = ["name,email", *(f"Jürgen {place},u{place}@example.com" for place in range(40))]
    path = save("people.csv", "\n".join(lines).encode().replace("Jürgen 17".encode(), b"J\xfcrgen 17"))
    assert refusal(path).startswith("line 19 is not UTF-8, although other lines are")
    assert refusal(path, encoding="utf-8").startswith("line 19 holds bytes that are not utf-8")
    assert refusal(save("p.csv", codecs.BOM_UTF16_LE + b"a\x00\x00\xd8")).startswith("line 1 holds bytes")


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"PK\x03\x04xxxx", "people.csv is a workbook or an archive: save it as CSV (UTF-8) first"),
        (b"\x1f\x8bxxxx", "people.csv is compressed: unpack it first"),
    ],
)
def test_other_files_are_recognised(save: Any, content: bytes, expected: str) -> None:
    assert refusal(save("people.csv", content)) == expected


def test_a_line_without_end(save: Any) -> None:
    assert refusal(save("people.csv", b"x" * 17_000_000)).startswith("line 1 is longer than 16,777,216 characters")
