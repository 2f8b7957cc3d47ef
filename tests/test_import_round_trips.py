"""Whatever is in a file: its refused rows read the same again, and no bytes break a reader."""

import base64
import csv
import re
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from resolvers.importers import Row, UnreadableFile, open_rows
from tests.importing import refuse

TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00"), max_size=12)
ROUND_TRIP = settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


def seen(rows: Iterator[Row]) -> list[Any]:
    """What must be the same after a row was refused and sent again: all but its line."""
    return [
        (
            {key: value for key, value in row.user.items() if key != "ref"},
            [(problem.field, re.sub(r"lines \d+ to \d+", "", problem.message)) for problem in row.problems],
        )
        for row in rows
    ]


@ROUND_TRIP
@given(rows=st.lists(st.lists(TEXT, min_size=1, max_size=5), max_size=6), delimiter=st.sampled_from(",;\t"))
def test_refused_csv_reads_the_same(
    tmp_path_factory: pytest.TempPathFactory, rows: list[list[str]], delimiter: str
) -> None:
    folder = tmp_path_factory.mktemp("csv")
    with (folder / "in.csv").open("w", encoding="utf-8", newline="") as file:
        csv.writer(file, delimiter=delimiter).writerows([["email", "name", "tags", "variables.x"], *rows])
    source = open_rows(folder / "in.csv")
    if not source.total:
        return
    again = open_rows(refuse(folder / "in.csv", folder / "out.csv"))
    assert again.total == source.total == len(list(source))
    assert seen(iter(again)) == seen(iter(source))


def ldif_line(name: str, value: str, fold: int) -> str:
    encoded = f"{name}:: {base64.b64encode(value.encode()).decode()}"
    return encoded[:fold] + "".join(f"\n {encoded[at : at + fold]}" for at in range(fold, len(encoded), fold))


@ROUND_TRIP
@given(
    people=st.lists(st.tuples(TEXT, TEXT, st.lists(TEXT, max_size=3)), max_size=5),
    fold=st.integers(5, 80),
)
def test_refused_ldif_reads_the_same(
    tmp_path_factory: pytest.TempPathFactory, people: list[tuple[str, str, list[str]]], fold: int
) -> None:
    folder = tmp_path_factory.mktemp("ldif")
    records = [
        "\n".join(
            [
                ldif_line("dn", f"cn={name}", fold),
                "objectClass: person",
                ldif_line("cn", name, fold),
                ldif_line("mail", mail, fold),
                *(ldif_line("memberOf", f"cn={group}", fold) for group in groups),
            ]
        )
        for name, mail, groups in people
    ]
    (folder / "in.ldif").write_text("\n\n".join(records), encoding="utf-8", newline="")
    source = open_rows(folder / "in.ldif")
    assert source.total == len(people)
    if people:
        again = open_rows(refuse(folder / "in.ldif", folder / "out.ldif"))
        assert seen(iter(again)) == seen(iter(source))
        assert [row.source for row in again] == [row.source for row in source]


@ROUND_TRIP
@given(content=st.binary(max_size=200), format=st.sampled_from(["csv", "json", "ndjson", "ldif"]))
def test_no_bytes_break_a_reader(tmp_path_factory: pytest.TempPathFactory, content: bytes, format: str) -> None:
    path = tmp_path_factory.mktemp("any") / "file"
    beginning = {"csv": b"email,name\n", "ldif": b"dn: cn=a\nmail: a@example.com\n"}.get(format, b"")
    path.write_bytes(beginning + content)
    try:
        source = open_rows(path, format=format)
    except UnreadableFile:
        return
    assert len(list(source)) == source.total
