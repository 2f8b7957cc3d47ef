"""`usergraph reconcile`: a file of all users of a source, planned, applied or refused."""

import json
import sqlite3
from pathlib import Path

from tests.server import rows, serving, usergraph

FEW = ("ann", "bob", "cid")
STATES = "SELECT email, state FROM users WHERE email LIKE '%@hr.test' ORDER BY email"


def save(folder: Path, *names: str, extra: str = "") -> Path:
    lines = [f"{name}@hr.test,hr-{name},{name.capitalize()},Staff" for name in names]
    path = folder / "people.csv"
    path.write_text("\n".join(["email,external_id,name,groups", *lines, extra]).rstrip() + "\n")
    return path


def reconcile(folder: Path, *names: str, options: tuple[str, ...] = (), extra: str = "") -> tuple[int, str, str]:
    done = usergraph(folder, "reconcile", save(folder, *names, extra=extra), "--source", "hr", *options)
    return done.returncode, done.stdout.strip(), done.stderr


def test_a_file_is_planned_applied_and_repeated(tmp_path: Path) -> None:
    assert usergraph(tmp_path, "admin", "key", "admin").returncode == 0
    code, told, shown = reconcile(tmp_path, *FEW, options=("--dry-run",))
    assert (code, told) == (
        0,
        "Dry run, nothing changed: 3 created, 0 updated, 0 reactivated, 0 deactivated, 0 unchanged, 0 missing and kept,"
        " 0 refused",
    )
    assert "people.csv: csv" in shown.lower()
    assert rows(tmp_path, STATES) == []
    code, told, _ = reconcile(tmp_path, *FEW)
    assert (code, told.split(",")[0]) == (0, "3 created")
    code, told, _ = reconcile(tmp_path, *FEW)
    assert (code, told.split(", ")[4]) == (0, "3 unchanged")
    assert rows(tmp_path, "SELECT name FROM groups") == [("Staff",)]
    leave = ("--missing", "DEACTIVATE", "--absences-before", "1", "--max-deactivations", "34%")
    code, told, shown = reconcile(tmp_path, "ann", "bob", options=leave)
    assert (code, told.split(", ")[3]) == (0, "1 deactivated")
    assert "deactivated: cid@hr.test" in shown
    assert [row[1] for row in rows(tmp_path, STATES)] == ["ACTIVE", "ACTIVE", "DEACTIVATED"]


def test_a_file_that_is_cut_short_is_refused(tmp_path: Path) -> None:
    assert usergraph(tmp_path, "admin", "key", "admin").returncode == 0
    assert reconcile(tmp_path, *FEW)[0] == 0
    code, told, shown = reconcile(tmp_path, "ann", options=("--missing", "DEACTIVATE"))
    assert (code, told.split(":")[0]) == (1, "Nothing changed")
    assert "names 1 users where 3 are known" in shown
    assert "job_2 was refused" in shown
    code, _, shown = reconcile(tmp_path, *FEW, options=("--expected-count", "4"))
    assert (code, "not the 4 of expectedCount" in shown) == (1, True)
    assert {row[1] for row in rows(tmp_path, STATES)} == {"ACTIVE"}


def test_bad_rows_are_named_and_the_others_applied(tmp_path: Path) -> None:
    assert usergraph(tmp_path, "admin", "key", "admin").returncode == 0
    extra = "no address,hr-x,X,\nann@hr.test,hr-ann,Twice,\n"
    code, told, shown = reconcile(tmp_path, *FEW, extra=extra)
    assert (code, told.split(", ")[0], told.split(", ")[-1]) == (3, "3 created", "2 refused")
    assert "refused: ann@hr.test This user is sent twice" in shown
    assert [row[0] for row in rows(tmp_path, STATES)] == [f"{name}@hr.test" for name in FEW]


def test_what_is_not_understood_is_said(tmp_path: Path) -> None:
    assert usergraph(tmp_path, "admin", "key", "admin").returncode == 0
    code, _, shown = reconcile(tmp_path, *FEW, options=("--max-deactivations", "many"))
    assert (code, "--max-deactivations takes 20 or 10%" in shown) == (1, True)
    done = usergraph(tmp_path, "reconcile", tmp_path / "none.csv", "--source", "hr")
    assert done.returncode == 1
    code, _, shown = reconcile(tmp_path, *FEW, options=("--as", "nobody"))
    assert (code, "There is no active user 'nobody'" in shown) == (1, True)


def test_beside_a_running_server_it_is_done_once(tmp_path: Path) -> None:
    """Whichever of the two takes the job up: the command tells how it ended."""
    names = [f"u{number:04}" for number in range(1_500)]
    with serving(tmp_path):
        code, told, _ = reconcile(tmp_path, *names)
    assert (code, told.split(",")[0]) == (0, "1500 created")
    with sqlite3.connect(tmp_path / "usergraph.sqlite3") as connection:
        counts = connection.execute("SELECT counts FROM directory_jobs").fetchone()[0]
        users = "SELECT COUNT(*) FROM audit_events WHERE request_id = 'job_1' AND subject_type = 'user'"
        made = connection.execute(users).fetchone()[0]
    connection.close()
    assert (json.loads(counts), made) == ({"create": 1_500}, 1_500)
