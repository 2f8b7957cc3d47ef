"""JSON and NDJSON files: the shapes that other systems write, and mistakes that stay in their rows."""

import json
from pathlib import Path
from typing import Any

import pytest

from resolvers.importers import objects as objects_module
from resolvers.importers import open_rows
from tests.importing import NO_EMAIL, problems, refusal, refuse, users


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


def test_users_by_their_ids_and_under_the_names_of_other_systems(save: Any) -> None:
    user = {"email": "ada@example.com", "enabled": False}
    expected = [{"email": "ada@example.com", "is_active": False}]
    assert users(save("cloud.json", json.dumps({"ada": user}))) == expected
    assert users(save("wrapped.json", json.dumps({"users": {"ada": user}}))) == expected
    for name in ("members", "data", "results", "records", "employees"):
        assert users(save(f"{name}.json", json.dumps({"ok": True, name: [user]}))) == expected


@pytest.mark.parametrize("more", [{"has_more": True}, {"nextPageToken": "x"}, {"next_page": "https://x.example"}])
def test_a_page_of_several_is_noted_as_such(save: Any, more: dict[str, Any]) -> None:
    source = open_rows(save("page.json", json.dumps({"users": [{"email": "a@example.com"}], **more})))
    assert source.incomplete == "it is one page of several"
    last = dict.fromkeys(more)
    assert open_rows(save("last.json", json.dumps({"users": [{"email": "a@example.com"}], **last}))).incomplete is None


def test_nested_names_are_those_of_the_user(save: Any) -> None:
    member = {
        "profile": {"email": "ada@example.com", "name": {"given_name": "Ada", "surname": "B", "display_name": "A"}}
    }
    assert users(save("nested.json", json.dumps([member]))) == [
        {"email": "ada@example.com", "first_name": "Ada", "last_name": "B", "name": "A"}
    ]
