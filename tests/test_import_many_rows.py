"""Files of many rows are read in little memory."""

import json
import tracemalloc
from collections.abc import Iterator
from pathlib import Path

import pytest

from resolvers.importers import open_rows

MANY = 6_000  # rows; kept, each would weigh more than the kilobyte that is allowed for it


def many(format: str, count: int) -> Iterator[str]:
    if format == "csv":
        yield "email,username,name,role,tags\n"
        yield from (f"u{n}@example.com,u{n},User {n},Normal user,a|b\n" for n in range(count))
    elif format == "ndjson":
        for n in range(count):
            yield json.dumps({"email": f"u{n}@example.com", "name": f"User {n}", "tags": ["a", "b"]}) + "\n"
    else:
        for n in range(count):
            yield f"dn: uid=u{n},ou=People,dc=example,dc=com\nobjectClass: inetOrgPerson\nuid: u{n}\n"
            yield f"cn: User {n}\nmail: u{n}@example.com\n\n"
        yield "dn: cn=all,dc=example,dc=com\nobjectClass: groupOfNames\ncn: all\n"
        yield from (f"member: uid=u{n},ou=People,dc=example,dc=com\n" for n in range(0, count, 10))


@pytest.mark.parametrize("format", ["csv", "ndjson", "ldif"])
def test_many_rows_in_little_memory(tmp_path: Path, format: str) -> None:
    path = tmp_path / f"many.{format}"
    with path.open("w", encoding="utf-8") as file:
        file.writelines(many(format, MANY))
    tracemalloc.start()
    try:
        source = open_rows(path)
        rows = sum(not row.problems and row.user["email"].endswith("@example.com") for row in source)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert rows == source.total == MANY
    assert peak < MANY * 1024
