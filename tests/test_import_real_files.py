"""Files that other programs wrote, which lie beside the repository."""

import os
import stat
from collections import Counter
from pathlib import Path

import pytest

from resolvers.importers import open_rows
from tests.importing import refuse, users

SHARED = Path(__file__).resolve().parents[2] / "shared" / "data"


def shared(name: str) -> Path:
    path = SHARED / name
    if not path.exists() and os.environ.get("CI") != "true":
        pytest.skip(f"../shared/data/{name} is not on this machine")
    return path


def test_the_shared_entra_template() -> None:
    path = shared("entra-bulk-create.csv")
    source = open_rows(path)
    assert "the example row is skipped" in source.notes
    assert [(row.user["email"], row.user["is_active"], row.problems) for row in source] == [
        ("ada.brandt@contoso.example", True, []),
        ("zeljko.novak@contoso.example", False, []),
    ]


def test_the_shared_directory() -> None:
    source = open_rows(shared("example-com.ldif"))
    rows = list(source)
    assert (source.total, len(rows), [row for row in rows if row.problems]) == (150, 150, [])
    assert source.groups == {
        "Directory Administrators": 3,
        "Accounting Managers": 2,
        "HR Managers": 2,
        "QA Managers": 2,
        "PD Managers": 2,
    }
    assert Counter(name for row in rows for name in row.user.get("groups", ())) == source.groups
    assert {"email", "username", "name", "first_name", "last_name", "ref"} <= set.intersection(
        *(set(row.user) for row in rows)
    )
    assert not any("password" in row.user for row in rows)
    assert len({row.user["email"] for row in rows}) == 150
    assert "userPassword is never imported" in source.notes


def test_the_shared_directory_refused_and_sent_again(tmp_path: Path) -> None:
    path = shared("example-com.ldif")
    again = refuse(path, tmp_path / "refused.ldif")
    assert [person["email"] for person in users(again)] == [person["email"] for person in users(path)]
    assert (stat.S_IMODE(again.stat().st_mode)) == 0o600
