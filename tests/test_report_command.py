"""`usergraph report`: a saved report into a file, with the rights of a user, whole or not at all."""

import asyncio
import csv
import io
import json
import os
import re
import sqlite3
import stat
import subprocess
import termios
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import pytest
from openpyxl import load_workbook
from pyarrow import parquet

from graph.report_pieces import Asking
from models.settings import Settings
from resolvers.viewers import by_username
from tests.saved_reports import READY, SINCE, saved, saved_for
from tests.server import SCRIPT, environment, in_a_process, usergraph
from tests.service import SECRET, Service, running

USERS = "query Users($first: Int) { users(first: $first, orderBy: [{field: ID}]) { nodes { id name } } }"
CAST = ["Administrator", "It", "Pm", "Normal", "Readonly", "Orgadmin", "Robot", "Member", "Outsider"]


@pytest.fixture
def folder(tmp_path: Path, sqlite_template: Path) -> Path:
    """A folder with the cast's directory, and two reports of the project manager's in it."""
    (tmp_path / "usergraph.sqlite3").write_bytes(sqlite_template.read_bytes())

    async def fill() -> None:
        async with running(f"sqlite://{tmp_path}/usergraph.sqlite3") as service:
            await saved(service, "people", who="pm", document=USERS, description="Who there is")
            await saved_for(service, "IT", "since", who="pm", document=SINCE)

    asyncio.run(fill())
    return tmp_path


def report(folder: Path, *arguments: object, **settings: object) -> "subprocess.CompletedProcess[str]":
    return usergraph(folder, "report", *arguments, **settings)


def table(file: Path) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(file.read_text(encoding="utf-8"))))


def files(folder: Path) -> set[str]:
    """All but the database and what belongs to it."""
    return {path.name for path in folder.iterdir() if not path.name.startswith("usergraph.")}


async def test_the_command_reads_either_database(service: Service, tmp_path: Path) -> None:
    await saved(service, "people", document=USERS)
    url = service.database.url

    done = await asyncio.to_thread(
        report, tmp_path, "people", "--format", "csv", "-o", "people.csv", database_url=url, secret_key=SECRET
    )
    assert (done.returncode, done.stdout) == (0, ""), done.stderr
    assert table(tmp_path / "people.csv") == [{"id": f"user_{n}", "name": name} for n, name in enumerate(CAST, 1)]


def test_a_file_is_what_its_ending_or_the_format_says(folder: Path) -> None:
    for arguments in (["-o", "a.csv"], ["-o", "c.json", "--format", "csv"]):
        done = report(folder, "people", *arguments)
        assert (done.returncode, done.stdout) == (0, ""), done.stderr
        assert [row["name"] for row in table(folder / arguments[1])] == CAST
    assert report(folder, "people", "-o", "d.json").returncode == 0
    data = json.loads((folder / "d.json").read_text())["data"]
    assert [node["name"] for node in data["users"]["nodes"]] == CAST
    assert report(folder, "people", "-o", "e.ndjson").returncode == 0
    assert [json.loads(line)["name"] for line in (folder / "e.ndjson").read_text().splitlines()] == CAST
    assert report(folder, "PEOPLE", "-o", "f.parquet").returncode == 0
    assert parquet.read_table(folder / "f.parquet").column("name").to_pylist() == CAST
    assert report(folder, "people", "-o", "g.xlsx").returncode == 0
    sheet = load_workbook(folder / "g.xlsx").active
    assert sheet is not None
    assert [row[1] for row in sheet.iter_rows(values_only=True)] == ["name", *CAST]
    assert files(folder) == {"a.csv", "c.json", "d.json", "e.ndjson", "f.parquet", "g.xlsx"}
    assert stat.S_IMODE((folder / "a.csv").stat().st_mode) == 0o600


def test_without_a_file_it_goes_where_the_command_is_read(folder: Path) -> None:
    done = report(folder, "people", "--format", "csv", "--set", "first=2")
    assert (done.returncode, done.stderr) == (0, "")
    assert list(csv.reader(io.StringIO(done.stdout))) == [["id", "name"], ["user_1", CAST[0]], ["user_2", CAST[1]]]
    done = report(folder, "people", "--set", "first=1")
    assert json.loads(done.stdout) == {"data": {"users": {"nodes": [{"id": "user_1", "name": CAST[0]}]}}}
    assert files(folder) == set()


def test_values_of_variables_are_read_by_their_types(folder: Path) -> None:
    given = ["--set", "since=-P3650D", "--set", "states=ACTIVE", "--set", "states=INVITED", "--set", "name=I"]
    done = report(folder, "since", *given)
    assert json.loads(done.stdout)["data"]["users"]["nodes"] == [{"id": "user_2", "username": "it"}], done.stderr


def test_the_rights_are_those_of_the_user_it_is_run_as(folder: Path) -> None:
    assert report(folder, "people", "--as", "pm", "-o", "pm.csv").returncode == 0
    done = report(folder, "people", "--as", "it", "-o", "it.csv")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == "usergraph: There is no report people, or none that you may see.\n"
    done = report(folder, "since", "--as", "pm", "--set", "since=-P1D", "-o", "since.csv")
    assert done.returncode == 1
    assert "User.username" in done.stderr
    done = report(folder, "people", "--as", "nobody", "-o", "nobody.csv")
    assert done.returncode == 1
    assert "There is no active user 'nobody'" in done.stderr
    assert files(folder) == {"pm.csv"}


def test_the_list_names_what_the_user_sees(folder: Path) -> None:
    done = report(folder, "--list", "--as", "it")
    assert (done.returncode, done.stderr) == (0, "")
    names = [line.split()[0] for line in done.stdout.splitlines()]
    assert names == sorted([*READY, "since"])
    assert re.search("^people +Who there is$", report(folder, "--list").stdout, re.MULTILINE)


REFUSED: list[tuple[list[str], str]] = [
    (["nothing", "-o", "kept.csv"], "There is no report nothing"),
    (["since", "-o", "kept.csv"], "$since"),
    (["since", "-o", "kept.csv", "--set", "sinc=-P1D"], "no variable sinc"),
    (["since", "-o", "kept.csv", "--set", "since=yesterday"], "DateTime"),
    (["people", "-o", "missing/kept.csv"], "missing"),
    (["people", "-o", "."], "directory"),
]


@pytest.mark.parametrize(("arguments", "said"), REFUSED, ids=[" ".join(each) for each, _ in REFUSED])
def test_what_goes_wrong_leaves_a_file_as_it_was(folder: Path, arguments: list[str], said: str) -> None:
    (folder / "kept.csv").write_text("as it was")
    done = report(folder, *arguments)
    assert done.returncode == 1
    assert done.stderr.startswith("usergraph: ")
    assert said in done.stderr
    assert "Traceback" not in done.stderr
    assert (folder / "kept.csv").read_text() == "as it was"
    assert files(folder) == {"kept.csv"}


def test_a_file_that_cannot_be_finished_is_not_there(folder: Path) -> None:
    """A table that goes while its rows are read stands for a database that goes."""
    with closing(sqlite3.connect(folder / "usergraph.sqlite3")) as connection, connection:
        connection.execute("DROP TABLE user_tags")
        document = "{ users { nodes { id tags } } }"
        connection.execute("UPDATE saved_reports SET document = ? WHERE name = 'people'", [document])
    for kind in ("csv", "parquet", "json"):
        assert report(folder, "people", "-o", f"people.{kind}").returncode == 1
    assert files(folder) == set()


@pytest.mark.parametrize(
    "arguments",
    [[], ["people", "--list"], ["people", "--set", "first"], ["people", "--format", "pdf"]],
    ids=["nothing", "both", "no value", "no format"],
)
def test_what_is_not_understood_ends_with_2(folder: Path, arguments: list[str]) -> None:
    done = report(folder, *arguments)
    assert done.returncode == 2
    assert done.stderr.startswith("usage: usergraph report")


def test_where_there_is_no_directory_none_is_made(tmp_path: Path) -> None:
    done = report(tmp_path, "posture", "-o", "x.csv")
    assert done.returncode == 1
    assert "Run: usergraph migrate" in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_a_reader_that_has_seen_enough_ends_it_quietly(folder: Path) -> None:
    process = subprocess.Popen(
        [SCRIPT, "report", "people", "--format", "csv"],
        cwd=folder,
        env=environment(database_url=f"sqlite://{folder}/usergraph.sqlite3"),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    assert process.stdout is not None
    assert process.stderr is not None
    process.stdout.close()
    said = process.stderr.read().decode()
    assert (process.wait(60), said) == (1, "")
    process.stderr.close()


def test_a_pipe_is_written_to_and_stays_one(folder: Path) -> None:
    done = in_a_process(folder, "report", "people", "--format", "csv", "-o", "/dev/stdout")
    assert done.returncode == 0
    assert done.stdout.splitlines()[0] == "id,name"
    assert Path("/dev/null").is_char_device()
    assert report(folder, "people", "--format", "csv", "-o", "/dev/null").returncode == 0
    assert Path("/dev/null").is_char_device()


@pytest.mark.parametrize(("name", "rows"), [("people", len(CAST)), ("posture", 5)])
def test_a_terminal_is_shown_a_bar_with_an_end(folder: Path, name: str, rows: int) -> None:
    seen, terminal = os.openpty()
    termios.tcsetwinsize(terminal, (24, 100))
    try:
        command = [str(SCRIPT), "report", name, "--format", "csv", "-o", "made.csv"]
        where = environment(database_url=f"sqlite://{folder}/usergraph.sqlite3")
        subprocess.run(command, env=where, cwd=folder, stderr=terminal, check=True, timeout=60)
        told = os.read(seen, 100_000).decode()
    finally:
        os.close(terminal)
        os.close(seen)
    assert len(table(folder / "made.csv")) == rows
    assert "100%|" in told
    assert f"{rows:.2f}/{rows:.2f} [" in told


@pytest.mark.parametrize(
    ("asked", "total"),
    [("", 9), ("first: 5", 5), ("first: 50", 9), ("after: $after", None), ('where: {name: {startsWith: "n"}}', 1)],
)
async def test_how_many_rows_will_come_is_told_where_it_is_known(
    service: Service, asked: str, total: int | None
) -> None:
    cursor = (await service.data("{ users(first: 2) { pageInfo { endCursor } } }"))["users"]["pageInfo"]["endCursor"]
    given = f"(orderBy: [{{field: ID}}] {asked})"
    document = f"query {'($after: String)' if '$' in asked else ''} {{ users{given} {{ nodes {{ id }} }} }}"
    await saved(service, "people", document=document, variables={"after": cursor} if "$" in asked else {})
    async with service.database.reading() as connection:
        viewer = await by_username(connection, "admin")
    assert viewer is not None
    asking = Asking(Settings(database_url=service.database.url, secret_key=SECRET), service.database, viewer)
    try:
        progress = Told()
        pieces = [piece async for piece in asking.pieces("people", [], "csv", progress)]
    finally:
        asking.close()
    assert progress.total == total
    assert progress.rows == len(b"".join(pieces).splitlines()) - 1 == (total or 7)


@dataclass
class Told:
    total: float | None = None
    rows: int = 0

    def update(self, rows: int) -> None:
        self.rows += rows
