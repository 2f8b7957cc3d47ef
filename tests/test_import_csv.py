"""CSV files: whole rows from every dialect, misshapen rows refused one by one."""

import csv
import io
from typing import Any

import pytest

from resolvers.importers import Problem, open_rows
from tests.importing import NO_EMAIL, problems, refusal, users


def test_csv_gives_whole_rows(save: Any) -> None:
    path = save(
        "people.csv",
        "\ufeffE-Mail,first_name,Last Name,role,tags,aliases,groups,organizationIds,Is Active,"
        "variables.Cost Centre\r\n"
        ' ada@example.com ,Ada,"Brandt, née\nNovák",Normal user,AE|SouthEast| AE,ID-123,,3|4,no,12\r\n'
        "\r\n"
        "bo@example.com,,,,,,IT works,,,\r\n",
    )
    source = open_rows(path)
    assert (source.format, source.encoding, source.total, source.notes) == ("csv", "utf-8", 2, [])
    rows = list(source)
    assert [row.number for row in rows] == [2, 5]
    assert dict(rows[0].user) == {
        "email": "ada@example.com",
        "first_name": "Ada",
        "last_name": "Brandt, née\nNovák",
        "role": "Normal user",
        "tags": ["AE", "SouthEast"],
        "aliases": ["ID-123"],
        "organization_ids": ["3", "4"],
        "is_active": False,
        "variables": {"Cost Centre": "12"},
        "ref": "2",
    }
    assert dict(rows[1].user) == {"email": "bo@example.com", "groups": ["IT works"], "ref": "5"}
    assert rows[1].source["E-Mail"] == "bo@example.com"
    assert rows == list(source)


def test_csv_of_a_password_manager(save: Any) -> None:
    path = save(
        "s3.csv",
        "id;username;email_address;name;role;password;can_create_projects_in_root;ldap_server_id;login_dn;is_active\n"
        '15;john;john@test.com;John;project manager; a b ;true;1;"cn=john,dc=example";true\n'
        "16;jane;jane@test.com;Jane;it;;false;0;;false\n",
    )
    assert open_rows(path).notes == ["column 'id' is not imported"]
    assert users(path) == [
        {
            "username": "john",
            "email": "john@test.com",
            "name": "John",
            "role": "project manager",
            "password": " a b ",
            "can_create_projects_in_root": True,
            "is_active": True,
            "ldap": {"server_number": 1, "login_dn": "cn=john,dc=example"},
        },
        {
            "username": "jane",
            "email": "jane@test.com",
            "name": "Jane",
            "role": "it",
            "can_create_projects_in_root": False,
            "is_active": False,
        },
    ]


@pytest.mark.parametrize("first", ["", "sep=;\n", "\n\n"])
@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
def test_delimiters(save: Any, first: str, delimiter: str) -> None:
    lines = [["name", "email", "tags"], ["A|B; C", "a@example.com", "x|y"]]
    body = io.StringIO()
    csv.writer(body, delimiter=delimiter).writerows(lines)
    path = save("people.csv", first.replace(";", delimiter) + body.getvalue())
    assert users(path) == [{"name": "A|B; C", "email": "a@example.com", "tags": ["x", "y"]}]


def test_misshapen_rows_are_refused_one_by_one(save: Any) -> None:
    path = save(
        "people.csv",
        "email,name\n"
        "short@example.com\n"
        "long@example.com,Brandt, Ada\n"
        "nul@example.com,A\x00da\n"
        'quote@example.com,"Ada" Brandt\n'
        ",No Email\n"
        ",,\n"
        "good@example.com,Good,,\n",
    )
    source = open_rows(path)
    assert (source.total, source.notes) == (6, ["1 empty row is skipped"])
    assert len(list(source)) == 6
    assert problems(path) == {
        2: [("row", "the row has 1 cells where the headings are 2: add what is missing")],
        3: [
            (
                "row",
                "the row has 3 cells where the headings are 2: remove the surplus, or quote a cell that holds"
                " the delimiter",
            )
        ],
        4: [("name", "column 'name' holds the character U+0000, which cannot be stored: remove it")],
        5: [("row", 'a quotation mark stands inside a cell: double it ("") or remove it')],
        6: [("email", f"{NO_EMAIL} column 'email'")],
    }


def test_a_row_that_swallowed_others_names_its_lines(save: Any) -> None:
    path = save("people.csv", 'email,name\na@example.com,"A\nb@example.com,B\nc@example.com,"C"\n')
    ((number, found),) = problems(path).items()
    assert number == 2
    assert found[0][0] == "row"


def test_columns_for_one_field_must_agree(save: Any) -> None:
    path = save(
        "people.csv",
        "email,mail,tags,tag,tags\na@example.com,A@example.com,x,y,z|x\na@example.com,b@example.com,,,\n",
    )
    rows = list(open_rows(path))
    assert rows[0].user == {"email": "a@example.com", "tags": ["x", "y", "z"], "ref": "2"}
    assert rows[1].problems == [
        Problem("email", "column 'mail' and column 'email' give email differently: make them equal or empty one")
    ]


def test_mail_goes_before_the_principal_name(save: Any) -> None:
    path = save(
        "people.csv",
        "userPrincipalName,mail,accountEnabled\nada_x#EXT#@t.example,ada@x.example,true\nbo@t.example,,FALSE\n",
    )
    assert users(path) == [
        {"email": "ada@x.example", "is_active": True},
        {"email": "bo@t.example", "is_active": False},
    ]


def test_wrong_flags_and_servers(save: Any) -> None:
    path = save(
        "people.csv",
        "email,active,ldap_server_id,login_dn\n"
        "a@example.com,maybe,,\nb@example.com,,12,cn=b\nc@example.com,,3,\nd@example.com,,,cn=d\n",
    )
    assert problems(path) == {
        2: [("is_active", "column 'active' holds 'maybe': write true or false")],
        3: [
            (
                "ldap.server_number",
                "column 'ldap_server_id' is not the number of an LDAP server: write 1 to 9",
            ),
            ("ldap", "ldap_server_id is missing: give the server and the DN, or neither"),
        ],
        4: [("ldap", "login_dn is missing: give the server and the DN, or neither")],
        5: [("ldap", "ldap_server_id is missing: give the server and the DN, or neither")],
    }
    assert [row.user.get("ldap") for row in open_rows(path, ldap_server=2)][3] == {
        "server_number": 2,
        "login_dn": "cn=d",
    }


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ("", "the file has no headings: its first line must name columns such as email,name,role"),
        (" \n\n", "the file has no headings: its first line must name columns such as email,name,role"),
        (
            "ada@example.com,Ada\n",
            "line 1 holds an email where headings must be: put a line such as email,name,role above it",
        ),
        (
            "user,phone\nx,1\n",
            "no column gives an email, by which users are matched: name it with --map COLUMN=email; the"
            " columns are 'user', 'phone'",
        ),
        (
            'email,name\na@example.com,A\nb@example.com,"B\nc@example.com,C\n',
            "line 3: a quotation mark is opened and not closed within 131,072 characters, so the rows after"
            " it cannot be told apart: close it, or double it where it is part of the text",
        ),
    ],
)
def test_csv_that_cannot_be_read(save: Any, content: str, expected: str) -> None:
    assert refusal(save("people.csv", content)) == expected


def test_headings_without_rows(save: Any) -> None:
    source = open_rows(save("people.csv", "email\n"))
    assert (source.total, list(source), source.notes) == (0, [], ["the file has headings but no rows"])


def test_a_cell_without_end(save: Any) -> None:
    path = save("people.csv", "email,name\na@example.com," + "x" * 200_000 + "\n")
    assert refusal(path).startswith("line 2: a quotation mark is opened")
