"""What may be said about a file: its columns, its format, its encoding, its LDAP server."""

from pathlib import Path
from typing import Any

import pytest

from resolvers.importers import open_rows
from tests.importing import refusal, users


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
        " role, password, password_hash, external_id, ref, tags, aliases, groups, organizations, organization_ids,"
        " is_active, is_disabled, expires_at, saml, api_only, can_create_projects_in_root, ldap.server_number,"
        " ldap.login_dn, external_ids.SOURCE, variables.NAME, ignore"
    )
    assert "which the file lacks" in refusal(save("p.json", '[{"email": "a"}]'), mapping={"x": "name"})
    assert refusal(save("p.ldif", "dn: cn=a\nmail: a\n"), mapping={"userPassword": "password"}) == (
        "userPassword is never imported: leave it out of --map"
    )


def test_options_that_do_not_exist(save: Any, tmp_path: Path) -> None:
    path = save("people.csv", "email\na@example.com\n")
    assert refusal(path, encoding="ebcdic-nowhere").startswith("there is no encoding 'ebcdic-nowhere'")
    assert refusal(path, encoding="base64").startswith("there is no encoding 'base64'")
    assert refusal(path, format="xls") == ("there is no format 'xls': --format takes csv, json, ndjson, ldif")
    assert refusal(path, ldap_server=10) == "10 is not the number of an LDAP server: give 1 to 9"
    assert refusal(tmp_path / "none.csv").startswith("there is no file")
    assert refusal(tmp_path).endswith("is not a file that can be read twice: save the data to a file first")


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
