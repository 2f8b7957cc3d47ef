"""Reading files of users in the tests: what good rows give, what is wrong with others, and all rows refused."""

from pathlib import Path
from typing import Any

import pytest

from resolvers.importers import Problem, RefusedWriter, UnreadableFile, open_rows

ADA = {"email": "ada@acme.example"}
NO_EMAIL = "there is no email, by which users are matched: write one in"


def users(path: Path, **options: Any) -> list[dict[str, Any]]:
    """What good rows give, without the reference that every row has."""
    rows = list(open_rows(path, **options))
    assert [row.problems for row in rows if row.problems] == []
    return [{key: value for key, value in row.user.items() if key != "ref"} for row in rows]


def problems(path: Path, **options: Any) -> dict[int, list[tuple[str, str]]]:
    return {
        row.number: [(problem.field, problem.message) for problem in row.problems]
        for row in open_rows(path, **options)
        if row.problems
    }


def refusal(path: Path, **options: Any) -> str:
    with pytest.raises(UnreadableFile) as caught:
        list(open_rows(path, **options))
    return str(caught.value)


def refuse(path: Path, to: Path, **options: Any) -> Path:
    """All rows of a file, refused."""
    source = open_rows(path, **options)
    with RefusedWriter(to, source) as writer:
        for row in source:
            writer.write(row, row.problems or [Problem("role", "no such role")])
    assert writer.count == source.total
    return to


def entry(name: str, *lines: str, classes: tuple[str, ...] = ("top", "person", "inetOrgPerson")) -> str:
    dn = name if "=" in name else f"uid={name},ou=people,dc=acme,dc=example"
    mail = f"mail: {name}@acme.example" if "=" not in name else "mail: other@acme.example"
    return "\n".join([f"dn: {dn}", *(f"objectClass: {one}" for one in classes), mail, *lines]) + "\n"


def notes(path: Path) -> list[str]:
    return [note for note in open_rows(path).notes if "not imported" not in note]
