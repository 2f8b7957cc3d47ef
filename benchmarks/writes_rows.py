"""What the bench of writing sends: the same people as input of both mutations and as a file."""

import csv
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

Row = dict[str, Any]
RESULTS = "errors { code message } summary { created updated unchanged failed } results { index ref action"
FIRST = ("Ada", "Björn", "Carmen", "Dmitri", "Elif", "Farid", "Grete", "Hiro", "Inés", "Jan")
LAST = ("Kovács", "Lindqvist", "Moreau", "Nakamura", "Okafor", "Petrov", "Quispe", "Rossi", "Smith", "Turner")


def people(batch: str, count: int) -> list[Row]:
    """Users that nobody has met, with all that a directory usually knows. `batch` makes them unlike any others."""
    return [_person(batch, number) for number in range(count)]


def _person(batch: str, number: int) -> Row:
    first, last = FIRST[number % 10], LAST[number // 10 % 10]
    return {
        "ref": f"{batch}-{number}",
        "email": f"person{number}.{batch}@writes.example",
        "name": f"{first} {last} {number}",
        "firstName": first,
        "lastName": last,
        "externalId": f"HR-{batch}-{number:06}",
        "role": {"name": "Normal user"},
        "tags": [f"region {number % 9}", "written"],
        "aliases": [f"{batch}:{number}"],
        "organizationIds": [f"organization_{2 + number % 5}"],
        "groupIds": [f"group_{1 + number % 5}"],
    }


def changed(rows: Sequence[Row]) -> list[Row]:
    """The same people after something happened to each."""
    return [{**row, "lastName": f"{row['lastName']}-Neu", "tags": [*row["tags"], "changed"]} for row in rows]


def invitation(rows: Sequence[Row]) -> bytes:
    return _body("inviteUsers", "InviteUsersInput", "user { id } invitation { id link } errors { code } }", rows)


def upsert(rows: Sequence[Row]) -> bytes:
    return _body("upsertUsers", "UpsertUsersInput", "matchedBy changedFields user { id } errors { code } }", rows)


def _body(name: str, type_: str, more: str, rows: Sequence[Row]) -> bytes:
    document = f"mutation($input: {type_}!) {{ {name}(input: $input) {{ {RESULTS} {more} }} }}"
    return json.dumps({"query": document, "variables": {"input": {"users": rows}}}).encode()


def write_csv(path: Path, batch: str, count: int) -> None:
    """A file for `usergraph import`; it is told by names where the mutations are told by ids."""
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(("email", "name", "first name", "last name", "external id", "role", "tags", "aliases"))
        for number in range(count):
            row = _person(batch, number)
            names = (row[name] for name in ("email", "name", "firstName", "lastName", "externalId"))
            writer.writerow((*names, row["role"]["name"], "|".join(row["tags"]), row["aliases"][0]))
