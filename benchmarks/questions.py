"""What every peer is asked, in no peer's words, and what an answer holds."""

import contextlib
import sqlite3
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypedDict

from benchmarks.data import Directory
from benchmarks.tools import BenchError

ROLE = "IT"
SINCE = "2025-06-01T00:00:00Z"
PAGE = 20


class Person(TypedDict):
    """A user as all peers must agree on: times as seconds, ids as numbers, organizations by id."""

    id: int
    columns: tuple[Any, ...]
    role: tuple[int, str, int]
    organizations: list[tuple[int, str]]
    created_by: tuple[int, str] | None


@dataclass(frozen=True)
class Answer:
    people: list[Person]
    total: int | None = None


@dataclass(frozen=True)
class Question:
    """`kind` chooses a document (page, one, filtered, behind, search), `values` are its variables."""

    key: str
    title: str
    kind: str
    values: Mapping[str, Any]


def questions(directory: Directory) -> list[Question]:
    """For `behind`, `after` is the id of the user before the page: a peer with cursors makes one of it."""
    users = directory.users
    one, behind = users // 2, users * 9 // 10
    word, rare = _words(directory, one)
    return [
        *(Question(f"page_{n}", f"a page of {n:,}", "page", {"first": n}) for n in (1, 20, 100, 1_000)),
        Question("one", "one user by id", "one", {"id": one}),
        Question(
            "filtered",
            f"filter, sort, totalCount, first {PAGE}",
            "filtered",
            {"role": ROLE, "since": SINCE, "first": PAGE},
        ),
        Question("behind", f"a page of {PAGE} behind {behind:,}", "behind", {"after": behind, "first": PAGE}),
        Question("search", f"search for a family name, first {PAGE}", "search", {"word": word, "first": PAGE}),
        Question("search_rare", "search that finds few", "search", {"word": rare, "first": PAGE}),
    ]


def _words(directory: Directory, near: int) -> tuple[str, str]:
    """A family name that many have, and an alias, both of letters that every database folds alike."""
    with contextlib.closing(sqlite3.connect(directory.sqlite_file)) as connection:
        row = connection.execute(
            "SELECT u.last_name_key, a.value_key FROM users u JOIN user_aliases a ON a.user_id = u.id"
            " WHERE u.id >= ? AND u.last_name_key NOT GLOB '*[^a-z]*' ORDER BY u.id LIMIT 1",
            (near,),
        ).fetchone()
    if row is None:
        raise BenchError("The directory is too small: nobody in its second half has an alias.")
    return row[0], row[1]
