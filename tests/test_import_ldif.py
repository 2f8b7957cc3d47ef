"""LDIF files: people and their groups."""

import base64
from pathlib import Path
from typing import Any

from models.lists import escaped
from resolvers.importers import open_rows
from tests.importing import NO_EMAIL, problems, refusal, refuse, users

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
            "groups": ["Wing, Left", "Staff", "A\\|B"],
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
    assert users(path) == [{"email": "a@example.com", "groups": [escaped(name) for name in names]}]
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
