"""The template by which Entra creates users in bulk: read, and kept in the rows that are refused."""

from pathlib import Path
from typing import Any

from resolvers.importers import open_rows
from tests.importing import refuse, users

ENTRA = (
    "version:v1.0\n"
    "Name [displayName] Required,User name [userPrincipalName] Required,"
    "Initial password [passwordProfile] Required,Block sign in (Yes/No) [accountEnabled] Required,"
    "First name [givenName],Job title [jobTitle],Office [physicalDeliveryOfficeName]\n"
    "Example: Chris Green,chris@contoso.com,myPassword1234,No,Chris,Sales Manager,London\n"
    "Ada Brandt,ada@contoso.example, plum violin ,No,Ada,Analyst,Berlin\n"
    "Željko Novák,zeljko@contoso.example,plum violin 42,Yes,Željko,,Zagreb\n"
)


def test_entra_template(save: Any) -> None:
    path = save("entra.csv", ENTRA)
    source = open_rows(path)
    assert source.total == 2
    assert source.notes == [
        "column 'Office [physicalDeliveryOfficeName]' is not imported",
        "the example row is skipped",
    ]
    assert users(path) == [
        {
            "name": "Ada Brandt",
            "email": "ada@contoso.example",
            "password": " plum violin ",
            "is_active": True,
            "first_name": "Ada",
            "variables": {"jobTitle": "Analyst"},
        },
        {
            "name": "Željko Novák",
            "email": "zeljko@contoso.example",
            "password": "plum violin 42",
            "is_active": False,
            "first_name": "Željko",
        },
    ]
    assert [row.number for row in source] == [4, 5]


def test_an_example_is_a_person_elsewhere(save: Any) -> None:
    path = save("people.csv", "name,email\nExample: Chris,chris@example.com\n")
    assert users(path) == [{"name": "Example: Chris", "email": "chris@example.com"}]


def test_refused_entra_rows_keep_their_template(save: Any, tmp_path: Path) -> None:
    path = save("entra.csv", ENTRA)
    again = refuse(path, tmp_path / "refused.csv")
    lines = again.read_text(encoding="utf-8").splitlines()
    assert lines[0] == "version:v1.0"
    assert lines[1] == "error," + ENTRA.splitlines()[1]
    assert lines[2] == "role: no such role,Ada Brandt,ada@contoso.example, plum violin ,No,Ada,Analyst,Berlin"
    assert users(again) == users(path)
