"""Files of users become rows, and refused rows become a file that can be sent again."""

import base64
import codecs
import csv
import io
import json
import os
import re
import stat
import tracemalloc
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from resolvers.importers import Problem, RefusedWriter, Row, UnreadableFile, open_rows, refused_path
from resolvers.importers import objects as objects_module
from resolvers.importers.distinguished import canonical, first_value

SHARED = Path(__file__).resolve().parents[2] / "shared" / "data"
NO_EMAIL = "there is no email, by which users are matched: write one in"
ENTRA = (
    "version:v1.0\n"
    "Name [displayName] Required,User name [userPrincipalName] Required,"
    "Initial password [passwordProfile] Required,Block sign in (Yes/No) [accountEnabled] Required,"
    "First name [givenName],Job title [jobTitle],Office [physicalDeliveryOfficeName]\n"
    "Example: Chris Green,chris@contoso.com,myPassword1234,No,Chris,Sales Manager,London\n"
    "Ada Brandt,ada@contoso.example, plum violin ,No,Ada,Analyst,Berlin\n"
    "Željko Novák,zeljko@contoso.example,plum violin 42,Yes,Željko,,Zagreb\n"
)


@pytest.fixture
def save(tmp_path: Path) -> Any:
    def write(name: str, content: str | bytes) -> Path:
        path = tmp_path / name
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return path

    return write


def shared(name: str) -> Path:
    path = SHARED / name
    if not path.exists() and os.environ.get("CI") != "true":
        pytest.skip(f"../shared/data/{name} is not on this machine")
    return path


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


# CSV


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


# --map


def test_map_takes_any_column(save: Any) -> None:
    path = save("people.csv", "Konto,email,Ort,Rolle,Old\na@example.com,b@example.com,Köln,Admin,x\n")
    mapping = {"konto": "email", "Ort": "variables.City", "Rolle": "Role", "old": "ignore"}
    assert users(path, mapping=mapping) == [{"email": "a@example.com", "role": "Admin", "variables": {"City": "Köln"}}]
    assert open_rows(path, mapping=mapping).notes == [
        "column 'email' is not imported: --map gives email",
    ]


def test_map_must_name_what_there_is(save: Any) -> None:
    path = save("people.csv", "email,name\na@example.com,A\n")
    assert refusal(path, mapping={"Mail": "email"}) == (
        "--map names the column 'Mail', which the file lacks: it has 'email', 'name'"
    )
    assert refusal(path, mapping={"name": "nickname"}) == (
        "--map name=nickname names no field: the fields are email, username, name, first_name, last_name,"
        " role, password, external_id, ref, tags, aliases, groups, organizations, organization_ids,"
        " is_active, saml, can_create_projects_in_root, ldap.server_number, ldap.login_dn, variables.NAME,"
        " ignore"
    )
    assert "which the file lacks" in refusal(save("p.json", '[{"email": "a"}]'), mapping={"x": "name"})
    assert refusal(save("p.ldif", "dn: cn=a\nmail: a\n"), mapping={"userPassword": "password"}) == (
        "userPassword is never imported: leave it out of --map"
    )


# Entra


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


def test_the_shared_entra_template() -> None:
    path = shared("entra-bulk-create.csv")
    source = open_rows(path)
    assert "the example row is skipped" in source.notes
    assert [(row.user["email"], row.user["is_active"], row.problems) for row in source] == [
        ("ada.brandt@contoso.example", True, []),
        ("zeljko.novak@contoso.example", False, []),
    ]


# JSON and NDJSON


def test_json_of_the_sources(save: Any) -> None:
    shown = {
        "id": 1,
        "username": "john",
        "email_address": "john@example.com",
        "name": "John Boss",
        "role": "Admin",
        "is_active": True,
        "is_saml": False,
        "can_create_projects_in_root": True,
        "ldap_server_id": 0,
        "login_dn": "",
        "groups": [{"id": 2, "name": "IT works"}, {"id": 1, "name": "Web work"}],
        "created_by": {"id": 1, "username": "other", "email_address": "other@example.com"},
        "last_login": None,
    }
    bulk = {"email": "bob@example.com", "firstName": "Bob", "tags": "AE|SouthEast", "aliases": "ID-123"}
    invited = {
        "Email": "eve@example.com",
        "OrganizationIds": [7, "8"],
        "variables": {"Level": 3, "Off": None},
    }
    path = save("people.json", json.dumps({"Users": [shown, bulk, invited]}))
    source = open_rows(path)
    assert (source.format, source.total) == ("json", 3)
    assert source.notes == [f"key {name!r} is not imported" for name in ("id", "created_by", "last_login")]
    assert users(path) == [
        {
            "username": "john",
            "email": "john@example.com",
            "name": "John Boss",
            "role": "Admin",
            "is_active": True,
            "saml": False,
            "can_create_projects_in_root": True,
            "groups": ["IT works", "Web work"],
        },
        {
            "email": "bob@example.com",
            "first_name": "Bob",
            "tags": ["AE", "SouthEast"],
            "aliases": ["ID-123"],
        },
        {"email": "eve@example.com", "organization_ids": ["7", "8"], "variables": {"Level": "3"}},
    ]


def test_json_of_scim_and_graph(save: Any) -> None:
    scim = {
        "totalResults": 9,
        "Resources": [
            {
                "userName": "ada",
                "externalId": "x-1",
                "name": {"formatted": "Ada B", "givenName": "Ada", "familyName": "Brandt"},
                "emails": [{"value": "home@example.com"}, {"value": "ada@example.com", "primary": True}],
                "active": False,
                "groups": [{"value": "17", "display": "Staff"}],
                "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User": {"department": "R&D"},
            }
        ],
    }
    graph = {
        "value": [
            {
                "displayName": "Bo",
                "userPrincipalName": "bo@t.example",
                "mail": None,
                "passwordProfile": {"password": " p ", "forceChangePasswordNextSignIn": True},
            }
        ]
    }
    path = save("scim.json", json.dumps(scim))
    assert users(path) == [
        {
            "username": "ada",
            "external_id": "x-1",
            "name": "Ada B",
            "first_name": "Ada",
            "last_name": "Brandt",
            "email": "ada@example.com",
            "is_active": False,
            "groups": ["Staff"],
            "variables": {"department": "R&D"},
        }
    ]
    assert open_rows(path).notes[0] == ("the file is one page of several: users of the other pages are not in it")
    assert users(save("graph.json", json.dumps(graph))) == [{"name": "Bo", "email": "bo@t.example", "password": " p "}]
    assert users(save("one.json", '{"email": "a@example.com"}')) == [{"email": "a@example.com"}]


def test_json_mistakes_stay_in_their_rows(save: Any, tmp_path: Path) -> None:
    path = save(
        "people.json",
        '[{"email": ["a@example.com", "b@example.com"]}, 5, {"email": "a@example.com", "username": NaN},'
        f' {{"email": "a@example.com", "name": {"9" * 5000}}}, {{"email": "a@example.com", "name": 1e999}},'
        ' {"email": "a@example.com", "email": "b@example.com"}, {"email": "\\ud800@example.com"}, {},'
        ' {"email": "a@example.com", "tags": [{"x": 1}], "active": 2}, {"email": "ok@example.com"}]',
    )
    number = "holds a number that cannot be stored: write one text"
    expected = {
        1: [("email", "key 'email' holds 2 values: write one")],
        2: [("row", 'this is not an object: write one such as {"email": "ada@example.com"}')],
        3: [("username", f"key 'username' {number}")],
        4: [("name", f"key 'name' {number}")],
        5: [("name", f"key 'name' {number}")],
        6: [("email", "the key stands twice with different values: keep one")],
        7: [("email", "key 'email' holds the character U+D800, which cannot be stored: remove it")],
        8: [("email", f'{NO_EMAIL} the key "email"')],
        9: [
            ("tags", "key 'tags' holds an object: write one text"),
            ("is_active", "key 'active' holds '2': write true or false"),
        ],
    }
    found = problems(path)
    assert found == expected
    again = list(problems(refuse(path, tmp_path / "refused.json")).values())
    assert again == list(expected.values())


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ("[" * 100_000, "the JSON is nested too deeply: write an array of plain objects"),
        ("[" * 80 + "]" * 80, "the JSON is nested too deeply: write an array of plain objects"),
        ('[{"email": }]', "line 1, column 12 is not JSON (Expecting value): mend it there"),
        (
            '{"email": "a"}\n{"email": "b"}\n',
            "line 2, column 1 is not JSON (Extra data): if there is one object a line, pass --format ndjson",
        ),
        (
            "null",
            'the JSON holds no users: write an array of objects, or an object with such an array as "users"',
        ),
        (
            '{"x": []}',
            'the JSON holds no users: write an array of objects, or an object with such an array as "users"',
        ),
    ],
)
def test_json_that_cannot_be_read(save: Any, content: str, expected: str) -> None:
    assert refusal(save("people.json", content)) == expected


def test_large_json_is_sent_to_ndjson(save: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(objects_module, "LARGEST", 10)
    assert refusal(save("people.json", '[{"email": "a@example.com"}]')).endswith(
        "write it as NDJSON, one object a line, which has no limit"
    )


def test_ndjson_refuses_single_lines(save: Any, tmp_path: Path) -> None:
    deep = '{"email": ' + "[" * 100_000 + "]" * 100_000 + "}"
    content = f'{{"email": "a@example.com"}}\n\n{{"email": \n{deep}\n"x"\n{{"email": "b@example.com"}}'
    path = save("people.jsonl", content)
    source = open_rows(path)
    assert (source.format, source.total) == ("ndjson", 5)
    assert [(row.number, bool(row.problems)) for row in source] == [
        (1, False),
        (3, True),
        (4, True),
        (5, True),
        (6, False),
    ]
    again = refuse(path, tmp_path / "refused.jsonl")
    lines = again.read_text(encoding="utf-8").splitlines()
    assert lines[0] == '{"error": "role: no such role", "email": "a@example.com"}'
    assert lines[1:3] == [
        '{"error": "row: the line is not JSON, or nested too deeply: write one object on one line"}',
        '{"email":',
    ]
    assert [bool(row.problems) for row in open_rows(again)] == [False, True, True, True, False]
    assert "error" not in " ".join(open_rows(again).notes)


# LDIF

PEOPLE = """\
version: 1
# a comment
  that is folded
dn: cn=Ada Brandt, ou=People,dc=Example,dc=com
objectClass: top
objectClass: inetOrgPerson
cn: Ada Brandt
cn: Ada B.
cn;lang-de: Ada die Erste
givenName;lang-de: Adele
sn:: QnJhbmR0w6k=
uid: ada
mail: ada@exam
 ple.com
mail: second@example.com
title: Analyst
departmentNumber: 12
departmentNumber: 14
employeeNumber: 7
entryUUID: 0f3e-1
userPassword:: e1NTSEF9eHh4
jpegPhoto:< file:///etc/passwd
nsAccountLock: TRUE
memberOf: cn=Wing\\, Left,ou=Groups,dc=example,dc=com

dn:: Y249xb1lbGprbyxvdT1QZW9wbGUsZGM9ZXhhbXBsZSxkYz1jb20=
changetype: add
objectclass: person
displayName: Željko
cn: zn
mail: zeljko@example.com
inetUserStatus: active

dn: ou=People,dc=example,dc=com
objectClass: organizationalUnit
ou: People

dn: cn=Staff,ou=Groups,dc=example,dc=com
objectClass: groupOfUniqueNames
cn: Staff
uniqueMember: CN=ada  brandt,OU=people, DC=example,DC=COM
uniqueMember: cn=\\c5\\bdeljko,ou=People,dc=example,dc=com
uniqueMember: cn=nobody,dc=example,dc=com

dn: cn=posix,ou=Groups,dc=example,dc=com
objectClass: posixGroup
cn: A|B
memberUid: ada
"""


def test_ldif_gives_people_and_their_groups(save: Any) -> None:
    path = save("people.ldif", PEOPLE)
    source = open_rows(path)
    assert (source.format, source.total, source.groups) == ("ldif", 2, {"Staff": 3, "A|B": 1})
    assert source.notes == [
        "of several values of cn the first is taken",
        "of several values of mail the first is taken",
        "jpegPhoto given by a URL is never fetched",
        "1 organizationalunit entry skipped: not people",
        "1 group member is no people of this file",
        "userPassword is never imported",
        "attribute 'jpegPhoto' is not imported",
    ]
    assert [row.number for row in source] == [4, 26]
    assert users(path, ldap_server=3) == [
        {
            "name": "Ada Brandt",
            "first_name": "Adele",
            "last_name": "Brandté",
            "username": "ada",
            "email": "ada@example.com",
            "variables": {"jobTitle": "Analyst", "department": "12|14", "employeeNumber": "7"},
            "external_id": "0f3e-1",
            "is_active": False,
            "groups": ["Wing, Left", "Staff", "A|B"],
            "ldap": {"server_number": 3, "login_dn": "cn=Ada Brandt, ou=People,dc=Example,dc=com"},
        },
        {
            "name": "Željko",
            "email": "zeljko@example.com",
            "is_active": True,
            "groups": ["Staff"],
            "ldap": {"server_number": 3, "login_dn": "cn=Željko,ou=People,dc=example,dc=com"},
        },
    ]
    assert next(iter(source)).source["dn"] == "cn=Ada Brandt, ou=People,dc=Example,dc=com"


def test_ldif_problems(save: Any, tmp_path: Path) -> None:
    path = save(
        "people.ldif",
        "dn: cn=a\nmail:< file:///etc/passwd\n\n"
        "dn: cn=b\nmail: b@example.com\nsn:: %%%\n\n"
        "dn: cn=c\nchangetype: modify\nreplace: mail\nmail: c@example.com\n-\n\n"
        "mail: d@example.com\n\n"
        "dn: cn=e\nmail: e@example.com\nwhat is this\n\n"
        "dn: cn=f\nmail: f@example.com\ndn: cn=g\nmail: g@example.com\n\n"
        "dn: cn=h\nmail:: /w==\n\n"
        "dn: cn=i\nobjectClass: person\nsn: I\n\n"
        "dn: cn=j\nchangetype: delete\n\n"
        " folded: k\nmail: k@example.com\n",
    )
    expected = {
        1: [
            (
                "email",
                "mail is given by a URL, which is never fetched: write the value itself, or remove the line",
            )
        ],
        4: [("sn", "this is not base64: encode the value again, or write it plainly")],
        8: [("changetype", "this is a change (modify), not an entry: export the whole entry")],
        14: [("dn", "the record does not begin with a DN: write a line `dn: …` first")],
        16: [("row", "line 3 of the record is not `attribute: value`: mend it")],
        20: [("dn", "a record has one DN: put an empty line between two records")],
        25: [("email", "attribute 'mail' holds bytes that are not UTF-8: write one text")],
        28: [("email", f"{NO_EMAIL} the attribute mail")],
        32: [("changetype", "this is a change (delete), not an entry: export the whole entry")],
        35: [
            ("row", "line 1 of the record is not `attribute: value`: mend it"),
            ("dn", "the record does not begin with a DN: write a line `dn: …` first"),
        ],
    }
    assert problems(path) == expected
    again = refuse(path, tmp_path / "refused.ldif")
    assert again.read_text(encoding="utf-8").startswith(
        "version: 1\n\n# error: email: mail is given by a URL, which is never fetched: write the value"
        " itself, or remove the line\ndn: cn=a\nmail:< file:///etc/passwd\n"
    )
    assert list(problems(again).values()) == list(expected.values())


def test_ldif_attributes_can_be_mapped(save: Any) -> None:
    path = save("people.ldif", "dn: cn=a\nmail: a@example.com\nou: One\nou: Two\nl: Köln\n")
    assert users(path, mapping={"ou": "tags", "L": "variables.city"}) == [
        {"email": "a@example.com", "tags": ["One", "Two"], "variables": {"city": "Köln"}}
    ]


def test_refused_people_stay_in_their_groups(save: Any, tmp_path: Path) -> None:
    group = "dn: cn=x\nobjectClass: groupOfNames\nmember: cn=a\n"
    names = ["Left, \\Right", "#1", "A|B = C", "Ärzte", '"q" '.strip()]
    groups = "\n".join(f"{group}cn:: {base64.b64encode(name.encode()).decode()}\n" for name in names)
    path = save("people.ldif", f"dn: cn=a\nmail: a@example.com\n\n{groups}")
    assert users(path) == [{"email": "a@example.com", "groups": names}]
    again = refuse(path, tmp_path / "refused.ldif")
    assert users(again) == users(path)
    assert users(refuse(again, tmp_path / "refused-2.ldif")) == users(path)


def test_machines_are_no_people(save: Any) -> None:
    path = save(
        "ad.ldif",
        "dn: cn=PC\nobjectClass: user\nobjectClass: computer\ncn: PC\n\n"
        "dn: cn=A\nobjectClass: user\nsAMAccountName: a\nuserPrincipalName: a@t.example\n"
        "userAccountControl: 514\n",
    )
    assert users(path) == [{"username": "a", "email": "a@t.example", "is_active": False}]


def test_ldif_that_cannot_be_read(save: Any) -> None:
    assert refusal(save("p.ldif", "version: 2\ndn: cn=a\n")) == (
        "line 1: this is not version 1 of LDIF: export the directory as version 1"
    )
    endless = save("q.ldif", "dn: cn=a\n" + ("x: " + "y" * 60_000 + "\n") * 300)
    assert refusal(endless).startswith("line 1: the record is longer than 16,777,216 characters")


@pytest.mark.parametrize(
    "other",
    [
        "CN=Ada,OU=People,DC=x",
        "cn=ada , ou = People, dc=x",
        "commonName=ADA;ou=people;dc=x",
        'cn="Ada",ou=People,dc=x',
        "cn=\\41da,ou=People,dc=x",
        "cn=\\A\\d\\a,ou=People,dc=x",
    ],
)
def test_one_name_in_many_spellings(other: str) -> None:
    assert canonical(other) == canonical("cn=Ada,ou=People,dc=x")


def test_different_names_stay_different() -> None:
    assert canonical("cn=a\\,ou=b,dc=x") != canonical("cn=a,ou=b,dc=x")
    assert canonical("cn=a+sn=b") == canonical("SN=b + CN=a")
    assert canonical("cn=a\\+sn=b") != canonical("cn=a+sn=b")
    assert first_value("cn=Left\\, Right\\ ,ou=x") == "Left, Right"


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


# encodings

WESTERN = "name,email\n" + "".join(
    f"{name},u{place}@example.com\n"
    for place, name in enumerate(["Jürgen Müller", "Anja Weiß", "Käthe Böhm", "Günther Groß", "Bärbel Schäfer"])
)
CZECH = "name,email\n" + "".join(
    f"{name},u{place}@example.com\n"
    for place, name in enumerate(
        ["Jiří Dvořák", "Žofie Černá", "Tomáš Němec", "Lukáš Růžička", "Božena Štěpánová", "Ondřej Příhoda"]
    )
)


@pytest.mark.parametrize(
    ("content", "encoding", "found"),
    [
        (WESTERN, "cp1252", "cp1252"),
        (WESTERN, "latin-1", "cp1252"),
        (CZECH, "cp1250", "cp1250"),
        (CZECH, "iso8859-2", "iso8859_2"),
        ("name,email\nИван Петров,a@example.com\nОльга Щукина,b@example.com\n", "koi8-r", "koi8_r"),
        (WESTERN, "utf-16-le", "utf-16-le"),
        (WESTERN, "utf-16-be", "utf-16-be"),
        (WESTERN, "utf-16", "utf-16"),
        (WESTERN, "utf-32", "utf-32"),
        (WESTERN, "utf-8-sig", "utf-8"),
        (WESTERN, "utf-8", "utf-8"),
    ],
)
def test_an_encoding_is_found(save: Any, tmp_path: Path, content: str, encoding: str, found: str) -> None:
    path = save("people.csv", content.encode(encoding))
    source = open_rows(path)
    assert source.encoding == found
    assert bool(source.notes) == (found != "utf-8")
    names = [line.split(",")[0] for line in content.splitlines()[1:]]
    assert [row.user["name"] for row in source] == names
    assert [row.user["name"] for row in open_rows(path, encoding=encoding)] == names
    again = refuse(path, tmp_path / "refused.csv", encoding=encoding)
    assert [row.user["name"] for row in open_rows(again, encoding=encoding)] == names


def test_an_encoding_that_is_uncertain_is_refused(save: Any) -> None:
    content = "name,email\nZoë,z@example.com\n"
    path = save("people.csv", content.encode("cp1252"))
    message = refusal(path)
    assert message.startswith("line 2 is not UTF-8, and the encoding cannot be told for certain: its letters are")
    assert "'ë' in cp1252" in message
    assert message.endswith("Name it with --encoding NAME (Excel on a Western Windows writes cp1252), or save as UTF-8")
    assert users(path, encoding="windows-1252")[0]["name"] == "Zoë"


def test_broken_bytes_are_named_by_their_line(save: Any) -> None:
    lines = ["name,email", *(f"Jürgen {place},u{place}@example.com" for place in range(40))]
    path = save("people.csv", "\n".join(lines).encode().replace("Jürgen 17".encode(), b"J\xfcrgen 17"))
    assert refusal(path).startswith("line 19 is not UTF-8, although other lines are")
    assert refusal(path, encoding="utf-8").startswith("line 19 holds bytes that are not utf-8")
    assert refusal(save("p.csv", codecs.BOM_UTF16_LE + b"a\x00\x00\xd8")).startswith("line 1 holds bytes")


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"PK\x03\x04xxxx", "people.csv is a workbook or an archive: save it as CSV (UTF-8) first"),
        (b"\x1f\x8bxxxx", "people.csv is compressed: unpack it first"),
    ],
)
def test_other_files_are_recognised(save: Any, content: bytes, expected: str) -> None:
    assert refusal(save("people.csv", content)) == expected


def test_options_that_do_not_exist(save: Any, tmp_path: Path) -> None:
    path = save("people.csv", "email\na@example.com\n")
    assert refusal(path, encoding="ebcdic-nowhere").startswith("there is no encoding 'ebcdic-nowhere'")
    assert refusal(path, encoding="base64").startswith("there is no encoding 'base64'")
    assert refusal(path, format="xls") == ("there is no format 'xls': --format takes csv, json, ndjson, ldif")
    assert refusal(path, ldap_server=10) == "10 is not the number of an LDAP server: give 1 to 9"
    assert refusal(tmp_path / "none.csv").startswith("there is no file")
    assert refusal(tmp_path).endswith("is not a file that can be read twice: save the data to a file first")


def test_a_line_without_end(save: Any) -> None:
    assert refusal(save("people.csv", b"x" * 17_000_000)).startswith("line 1 is longer than 16,777,216 characters")


@pytest.mark.parametrize(
    ("content", "found"),
    [
        ("email\na@example.com\n", "csv"),
        ('[\n{"email": "a@example.com"}]', "json"),
        ('{\n"users": []}', "json"),
        ('{"email": "a@example.com"}\n', "ndjson"),
        ("# x\nversion: 1\n\ndn: cn=a\n", "ldif"),
    ],
)
def test_a_format_is_found(save: Any, content: str, found: str) -> None:
    assert open_rows(save("people", content)).format == found


# refused rows


def test_no_refusal_makes_no_file(save: Any, tmp_path: Path) -> None:
    source = open_rows(save("people.csv", "email\na@example.com\n"))
    with RefusedWriter(tmp_path / "refused.csv", source):
        pass
    assert not (tmp_path / "refused.csv").exists()


def test_a_refused_file_is_private_and_never_written_over(save: Any, tmp_path: Path) -> None:
    path = save("people.csv", "email,password\n,secret\n")
    assert refused_path(path) == tmp_path / "people.refused.csv"
    again = refuse(path, refused_path(path))
    assert stat.S_IMODE(again.stat().st_mode) == 0o600
    assert refused_path(path) == refused_path(again) == tmp_path / "people.refused-2.csv"
    with pytest.raises(UnreadableFile, match="exists already"):
        RefusedWriter(again, open_rows(path))
    with pytest.raises(UnreadableFile, match="exists already"):
        RefusedWriter(path, open_rows(path))


def test_reasons_are_replaced_and_shapes_kept(save: Any, tmp_path: Path) -> None:
    path = save("people.csv", 'email,error,name\nshort@example.com,old\n,old,"a ""b"""\n')
    again = refuse(refuse(path, tmp_path / "one.csv"), tmp_path / "two.csv")
    with again.open(encoding="utf-8", newline="") as file:
        rows = list(csv.reader(file))
    assert [row[1:] for row in rows] == [["email", "name"], ["short@example.com"], ["", 'a "b"']]
    assert rows[0][0] == "error"
    assert "old" not in again.read_text(encoding="utf-8")
    assert list(problems(again).values()) == list(problems(path).values())


def test_reasons_stay_on_one_line(save: Any, tmp_path: Path) -> None:
    source = open_rows(save("people.ldif", "dn: cn=a\nmail: a@example.com\n"))
    with RefusedWriter(tmp_path / "refused.ldif", source) as writer:
        for row in source:
            writer.write(row, [Problem("role", "bad\n\ndn: cn=admin\ud800\x00"), Problem("x", "y")])
    assert (tmp_path / "refused.ldif").read_text(encoding="utf-8") == (
        "version: 1\n\n# error: role: bad dn: cn=admin\\ud800\\x00\n# error: x: y\ndn: cn=a\nmail: a@example.com\n"
    )


def test_an_interrupted_import_leaves_a_whole_file(save: Any, tmp_path: Path) -> None:
    source = open_rows(save("people.json", '[{"email": "a@example.com"}]'))

    def interrupted() -> None:
        with RefusedWriter(tmp_path / "r.json", source) as writer:
            writer.write(next(iter(source)), [Problem("x", "y")])
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert json.loads((tmp_path / "r.json").read_text(encoding="utf-8")) == [
        {"error": "x: y", "email": "a@example.com"}
    ]


TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00"), max_size=12)
ROUND_TRIP = settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


def seen(rows: Iterator[Row]) -> list[Any]:
    """What must be the same after a row was refused and sent again: all but its line."""
    return [
        (
            {key: value for key, value in row.user.items() if key != "ref"},
            [(problem.field, re.sub(r"lines \d+ to \d+", "", problem.message)) for problem in row.problems],
        )
        for row in rows
    ]


@ROUND_TRIP
@given(rows=st.lists(st.lists(TEXT, min_size=1, max_size=5), max_size=6), delimiter=st.sampled_from(",;\t"))
def test_refused_csv_reads_the_same(
    tmp_path_factory: pytest.TempPathFactory, rows: list[list[str]], delimiter: str
) -> None:
    folder = tmp_path_factory.mktemp("csv")
    with (folder / "in.csv").open("w", encoding="utf-8", newline="") as file:
        csv.writer(file, delimiter=delimiter).writerows([["email", "name", "tags", "variables.x"], *rows])
    source = open_rows(folder / "in.csv")
    if not source.total:
        return
    again = open_rows(refuse(folder / "in.csv", folder / "out.csv"))
    assert again.total == source.total == len(list(source))
    assert seen(iter(again)) == seen(iter(source))


def ldif_line(name: str, value: str, fold: int) -> str:
    encoded = f"{name}:: {base64.b64encode(value.encode()).decode()}"
    return encoded[:fold] + "".join(f"\n {encoded[at : at + fold]}" for at in range(fold, len(encoded), fold))


@ROUND_TRIP
@given(
    people=st.lists(st.tuples(TEXT, TEXT, st.lists(TEXT, max_size=3)), max_size=5),
    fold=st.integers(5, 80),
)
def test_refused_ldif_reads_the_same(
    tmp_path_factory: pytest.TempPathFactory, people: list[tuple[str, str, list[str]]], fold: int
) -> None:
    folder = tmp_path_factory.mktemp("ldif")
    records = [
        "\n".join(
            [
                ldif_line("dn", f"cn={name}", fold),
                "objectClass: person",
                ldif_line("cn", name, fold),
                ldif_line("mail", mail, fold),
                *(ldif_line("memberOf", f"cn={group}", fold) for group in groups),
            ]
        )
        for name, mail, groups in people
    ]
    (folder / "in.ldif").write_text("\n\n".join(records), encoding="utf-8", newline="")
    source = open_rows(folder / "in.ldif")
    assert source.total == len(people)
    if people:
        again = open_rows(refuse(folder / "in.ldif", folder / "out.ldif"))
        assert seen(iter(again)) == seen(iter(source))
        assert [row.source for row in again] == [row.source for row in source]


@ROUND_TRIP
@given(content=st.binary(max_size=200), format=st.sampled_from(["csv", "json", "ndjson", "ldif"]))
def test_no_bytes_break_a_reader(tmp_path_factory: pytest.TempPathFactory, content: bytes, format: str) -> None:
    path = tmp_path_factory.mktemp("any") / "file"
    beginning = {"csv": b"email,name\n", "ldif": b"dn: cn=a\nmail: a@example.com\n"}.get(format, b"")
    path.write_bytes(beginning + content)
    try:
        source = open_rows(path, format=format)
    except UnreadableFile:
        return
    assert len(list(source)) == source.total


# many rows


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
def test_fifty_thousand_rows_in_little_memory(tmp_path: Path, format: str) -> None:
    path = tmp_path / f"many.{format}"
    with path.open("w", encoding="utf-8") as file:
        file.writelines(many(format, 50_000))
    tracemalloc.start()
    try:
        source = open_rows(path)
        rows = sum(not row.problems and row.user["email"].endswith("@example.com") for row in source)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert rows == source.total == 50_000
    assert peak < 20 * 1024 * 1024
