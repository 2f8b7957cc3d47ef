"""What `usergraph import` refuses: rows, handed back ready to mend; files and options it cannot use; rights lacking."""

import re
import shutil
import stat
from pathlib import Path

import pytest

from tests.server import dump, rows, usergraph

OBJECTS = ('{"email": "new1@bad.test"}', '{"email": "no address"}', '{"email": "new3@bad.test", "role": "Emperor"}')
BAD = {
    "people.csv": "email,role,name\nnew1@bad.test,Participant,One\nno address,Participant,Two\n"
    "new3@bad.test,Emperor,Three\n",
    "people.ndjson": "\n".join(OBJECTS) + "\n",
    "people.json": f"[{', '.join(OBJECTS)}]",
    "people.ldif": "dn: uid=one\nmail: new1@bad.test\n\ndn: uid=two\nmail: no address\n\n"
    "dn: uid=three\nmail: new3@bad.test\nrole: Emperor\n",
}


@pytest.fixture
def folder(tmp_path: Path, sqlite_template: Path) -> Path:
    """A folder with the cast's directory in it."""
    shutil.copy(sqlite_template, tmp_path)
    return tmp_path


@pytest.mark.parametrize("name", BAD)
def test_refused_rows_are_handed_back_and_come_in_once_mended(folder: Path, name: str) -> None:
    (folder / name).write_text(BAD[name], encoding="utf-8")
    done = usergraph(folder, "import", name)
    assert (done.returncode, done.stdout) == (3, "1 created, 0 updated, 0 unchanged, 2 refused\n")
    assert "Emperor" in done.stderr
    assert "people.refused" in done.stderr
    assert rows(folder, "SELECT email FROM users WHERE email LIKE '%bad.test'") == [("new1@bad.test",)]
    refused = folder / name.replace("people", "people.refused")
    assert stat.S_IMODE(refused.stat().st_mode) == 0o600
    written = refused.read_text(encoding="utf-8")
    assert "new1@bad.test" not in written
    assert len(re.findall("error", written)) >= (1 if name.endswith("csv") else 2)
    for wrong, right in (("no address", "new2@bad.test"), ("Emperor", "IT")):
        # Only what stands in the row is mended: the reasons repeat it in quotation marks of their own.
        written = re.sub(rf"(?<!')\b{wrong}\b(?!')", right, written)
    refused.write_text(written, encoding="utf-8")
    again = usergraph(folder, "import", refused.name)
    assert (again.returncode, again.stdout) == (0, "2 created, 0 updated, 0 unchanged, 0 refused\n"), again.stderr
    assert [row[0] for row in rows(folder, "SELECT email FROM users WHERE email LIKE '%bad.test' ORDER BY 1")] == [
        "new1@bad.test",
        "new2@bad.test",
        "new3@bad.test",
    ]


def test_columns_are_mapped_and_encodings_told(folder: Path) -> None:
    text = "Privatpost;Straße;Kostenstelle;Vorname\njörg@new.test;Weg 1;CC-17;Jörg\n"
    (folder / "crm.csv").write_bytes(text.encode("cp1252"))
    means = ("Privatpost=email", "Vorname=first_name", "Kostenstelle=variables.costCentre", "Straße=ignore")
    options = [word for each in means for word in ("--map", each)]
    done = usergraph(folder, "import", "crm.csv", "--encoding", "cp1252", *options, "--role", "Project manager")
    assert (done.returncode, done.stdout) == (0, "1 created, 0 updated, 0 unchanged, 0 refused\n"), done.stderr
    assert "crm.csv: csv, cp1252, 1 user" in done.stderr
    columns = "u.email, u.first_name, u.role_id, v.name, v.value"
    stored = rows(folder, f"SELECT {columns} FROM users u JOIN user_variables v ON v.user_id = u.id")
    assert stored == [("jörg@new.test", "Jörg", 3, "costCentre", "CC-17")]


def test_rights_of_whoever_imports_count(folder: Path) -> None:
    (folder / "people.csv").write_text("email,role\nchief@new.test,Admin\nclerk@new.test,Normal user\n")
    done = usergraph(folder, "import", "people.csv", "--as", "it", "--refused", "later.csv")
    assert (done.returncode, done.stdout) == (3, "1 created, 0 updated, 0 unchanged, 1 refused\n"), done.stderr
    assert "chief@new.test" in (folder / "later.csv").read_text()
    assert rows(folder, "SELECT email, created_by_id FROM users WHERE email LIKE '%new.test'") == [
        ("clerk@new.test", 2)
    ]
    (folder / "groups.csv").write_text("email,groups\nguest@new.test,Nowhere\n")
    done = usergraph(folder, "import", "groups.csv", "--no-create-groups")
    assert (done.returncode, done.stdout) == (3, "0 created, 0 updated, 0 unchanged, 1 refused\n"), done.stderr
    assert rows(folder, "SELECT COUNT(*) FROM groups") == [(2,)]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("people.csv", "--as", "nobody"), "There is no active user 'nobody' to import as"),
        (("people.csv", "--as", "readonly"), "You may not create users"),
        (("absent.csv",), "there is no file"),
        (("people.csv", "--map", "email"), "--map takes COLUMN=FIELD"),
        (("people.csv", "--encoding", "klingon"), "there is no encoding"),
        (("people.csv", "--refused", "people.csv"), "exists already"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else "",
)
def test_what_cannot_be_imported_at_all_ends_with_1_and_stores_nothing(
    folder: Path, arguments: tuple[str, ...], said: str
) -> None:
    (folder / "people.csv").write_text("email\nada@new.test\n")
    before, files = dump(folder), sorted(folder.iterdir())
    done = usergraph(folder, "import", *arguments)
    assert (done.returncode, done.stdout) == (1, "")
    assert said in done.stderr
    assert "Traceback" not in done.stderr
    assert dump(folder) == before
    assert {path.name for path in folder.iterdir()} - {path.name for path in files} <= {
        "usergraph.lock",
        "usergraph.key",
    }


def test_a_dry_run_and_the_run_after_it_name_one_file_of_refused_rows(folder: Path) -> None:
    (folder / "people.csv").write_text(BAD["people.csv"])
    for more in (["--dry-run"], [], ["--dry-run"]):
        done = usergraph(folder, "import", "people.csv", *more)
        assert done.returncode == 3
        assert f"Refused rows with reasons: {folder / 'people.refused.csv'}" in done.stderr.replace(
            "reasons: people", f"reasons: {folder}/people"
        )
        assert [path.name for path in folder.glob("*.refused*")] == ["people.refused.csv"]
    (folder / "people.csv").write_text("email,role,name\nno other address,Participant,Two\n")
    done = usergraph(folder, "import", "people.csv")
    assert (done.returncode, "people.refused-2.csv" in done.stderr) == (3, True)
    assert "no address" in (folder / "people.refused.csv").read_text()
