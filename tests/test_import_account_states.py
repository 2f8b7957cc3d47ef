"""Accounts that another system disabled, locked, deleted or let expire never arrive with access."""

import asyncio
import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from resolvers.importers.account_states import SYSTEMS
from resolvers.importers.account_times import UnknownTime, is_past
from tests.foreign_states import CSV, LDIF, NO, SILENT, YES
from tests.importing import problems, refusal, users
from tests.server import usergraph
from tests.service import SECRET, Service


def quoted(value: str) -> str:
    return f'"{value}"' if "," in value else value


@pytest.mark.parametrize("column", CSV)
def test_a_column_of_another_system_says_who_has_access(save: Any, column: str) -> None:
    lines = [f"u{n}@acme.example,{quoted(value)}" for n, (value, _) in enumerate(CSV[column])]
    path = save("people.csv", "\n".join([f"email,{column}", *lines]))
    assert problems(path) == {}
    assert [(value, user.get("is_active")) for (value, _), user in zip(CSV[column], users(path), strict=True)] == (
        CSV[column]
    )


@pytest.mark.parametrize("attribute", LDIF)
def test_an_attribute_of_another_directory_says_who_has_access(save: Any, attribute: str) -> None:
    records = [
        f"dn: uid=u{n},dc=acme,dc=example\nobjectClass: inetOrgPerson\nmail: u{n}@acme.example\n{attribute}: {value}\n"
        for n, (value, _) in enumerate(LDIF[attribute])
    ]
    path = save("people.ldif", "\n".join(records))
    assert [(value, user.get("is_active")) for (value, _), user in zip(LDIF[attribute], users(path), strict=True)] == (
        LDIF[attribute]
    )


@pytest.mark.parametrize(
    ("record", "found"),
    [
        ({"status": "SUSPENDED", "profile": {"login": "a@acme.example", "email": "a@acme.example"}}, NO),
        ({"status": "ACTIVE", "profile": {"email": "a@acme.example", "firstName": "Ada"}}, YES),
        ({"email": "a@acme.example", "state": "blocked", "locked": False}, NO),
        ({"email": "a@acme.example", "state": "active", "locked": True}, NO),
        ({"primaryEmail": "a@acme.example", "suspended": True, "suspensionReason": "ADMIN"}, NO),
        ({"primaryEmail": "a@acme.example", "suspended": False, "archived": True}, NO),
        ({"mail": "a@acme.example", "accountEnabled": False, "state": "WA", "city": "Seattle"}, NO),
        ({"mail": "a@acme.example", "accountEnabled": True, "state": "WA", "city": "Seattle"}, YES),
        ({"email": "a@acme.example", "status": {".tag": "suspended"}}, NO),
        ({"profile": {"email": "a@acme.example", "status": {".tag": "active"}}}, YES),
        ({"attributes": {"email": {"value": "a@acme.example"}, "status": {"label": "S", "value": "inactive"}}}, NO),
        ({"email": "a@acme.example", "security": {"locked": True}}, NO),
        ({"mail": ["a@acme.example"], "nsaccountlock": ["TRUE"]}, NO),
        ({"mail": ["a@acme.example"], "nsaccountlock": [False]}, YES),
        ({"email": "a@acme.example", "status": 4, "state": 1, "invalid_login_attempts": 0}, YES),
        ({"email": "a@acme.example", "status": 1, "state": 3, "invalid_login_attempts": 0}, NO),
        ({"user_login": "ada", "user_email": "a@acme.example", "user_status": "0"}, SILENT),
        ({"user_login": "ada", "user_email": "a@acme.example", "user_status": "2"}, NO),
        ({"email": "a@acme.example", "deleted": True, "profile": {"status_text": "away", "status_expiration": 0}}, NO),
        ({"email": "a@acme.example", "AccountExpirationDate": "/Date(1500000000000)/"}, NO),
        ({"email": "a@acme.example", "createdBy": {"email": "b@acme.example", "active": False}}, SILENT),
        ({"email": "a@acme.example", "mfa": {"enabled": False}, "addresses": [{"state": "WA"}]}, SILENT),
        ({"email": "a@acme.example", "isDeleted": True}, NO),
        ({"type": "Employee", "attributes": {"email": {"value": "a@acme.example"}, "status": {"value": "left"}}}, NO),
        ({"profile": {"email": "a@acme.example", "name": {"given_name": "A"}, "status": {".tag": "invited"}}}, NO),
    ],
)
def test_an_object_of_another_system_says_who_has_access(save: Any, record: Any, found: bool | None) -> None:
    for path in (save("one.json", json.dumps([record])), save("one.ndjson", json.dumps(record))):
        (user,) = users(path)
        assert (user["email"], user.get("is_active")) == ("a@acme.example", found)


def test_of_several_states_any_without_access_wins(save: Any) -> None:
    path = save(
        "people.csv",
        "email,Enabled,userAccountControl,accountExpires,status\n"
        "a@acme.example,True,512,0,ACTIVE\n"
        "b@acme.example,True,514,0,ACTIVE\n"
        "c@acme.example,True,512,132223104000000000,ACTIVE\n"
        "d@acme.example,True,512,0,DEPROVISIONED\n"
        "e@acme.example,False,512,0,ACTIVE\n",
    )
    assert [user["is_active"] for user in users(path)] == [True, False, False, False, False]


def test_a_value_that_is_not_known_refuses_its_row(save: Any) -> None:
    path = save(
        "people.csv",
        "email,status,accountExpires,userAccountControl\n"
        "a@acme.example,Sabbatical,,\n"
        "b@acme.example,,03/04/2026 or so,\n"
        "c@acme.example,,,normal\n"
        "d@acme.example,9,,\n"
        "e@acme.example,T,,\n",
    )
    found = problems(path)
    assert [(number, [field for field, _ in row]) for number, row in found.items()] == [
        (number, ["is_active"]) for number in range(2, 7)
    ]
    assert found[2][0][1] == (
        "column 'status' holds 'Sabbatical', which is not known as the state of an account: write active or inactive"
    )
    assert "write it as 2026-01-31" in found[3][0][1]


def test_a_date_that_may_be_two_is_refused_only_where_it_matters() -> None:
    spring = datetime(2026, 3, 20, tzinfo=UTC)
    assert is_past("03/04/2021", spring) is True
    assert is_past("03/04/2029", spring) is False
    assert is_past("31/12/2025", spring) is True
    assert is_past("13/04/2026 11:00 PM", spring) is False
    with pytest.raises(UnknownTime):
        is_past("03/04/2026", spring)  # the fourth of March is over, the third of April is not


@pytest.mark.parametrize(
    "column",
    [
        "Account Lock Flag",
        "UserDisabledFlag",
        "isactivemember",
        "Konto gesperrt seit",
        "hr_deactivation_status",
        "memberAccountState",
        "Compte désactivé",
        "login-blocked",
    ],
)
def test_a_column_that_looks_like_a_state_stops_the_import(save: Any, column: str) -> None:
    path = save("people.csv", f"email,{column}\na@acme.example,X\n")
    said = refusal(path)
    assert f"column {column!r} looks like the state of an account, which is never left out" in said
    assert f'--map "{column}"=is_active' in said
    assert "=ignore" in said
    assert users(path, mapping={column: "ignore"}) == [{"email": "a@acme.example"}]
    assert users(path, mapping={column: "is_disabled"}) == [{"email": "a@acme.example", "is_active": False}]
    assert users(path, mapping={column: "variables.kept"}) == [{"email": "a@acme.example", "variables": {"kept": "X"}}]


def test_it_stops_in_every_format_and_not_where_the_column_is_empty(save: Any) -> None:
    record = {"email": "a@acme.example", "membership": {"blocked": True}}
    for path in (save("p.json", json.dumps([record])), save("p.ndjson", json.dumps(record))):
        assert "key 'membership.blocked' looks like the state of an account" in refusal(path)
        assert users(path, mapping={"membership.blocked": "is_disabled"})[0]["is_active"] is False
    ldif = save("p.ldif", "dn: uid=a\nobjectClass: person\nmail: a@acme.example\nacmeAccountDisabledFlag: 1\n")
    assert "attribute 'acmeAccountDisabledFlag' looks like" in refusal(ldif)
    assert users(ldif, mapping={"acmeAccountDisabledFlag": "is_disabled"})[0]["is_active"] is False
    assert users(save("p.csv", "email,Account Lock Flag\na@acme.example,\n")) == [{"email": "a@acme.example"}]


def test_a_mapped_state_stands_beside_the_known_ones(save: Any) -> None:
    path = save(
        "people.csv",
        "email,status,Zugang,Ende\n"
        "a@acme.example,active,ja,2099-01-01\n"
        "b@acme.example,suspended,ja,2099-01-01\n"
        "c@acme.example,active,nein,2099-01-01\n"
        "d@acme.example,active,ja,2020-01-01\n",
    )
    found = users(path, mapping={"Zugang": "is_active", "Ende": "expires_at"})
    assert [user["is_active"] for user in found] == [True, False, False, False]


@pytest.mark.parametrize(
    "columns",
    [
        {"State": "WA", "City": "Seattle", "Country/Region": "United States", "Block credential": "False"},
        {"State": "Bavaria", "City": "Munich", "Postal code": "80331"},
        {"state": "NSW"},
        {"State": "Berlin", "Employment Status": "Full-Time"},
        {"ProtectedFromAccidentalDeletion": "False"},
        {"krbPasswordExpiration": "20200101000000Z"},
        {"msRTCSIP-UserEnabled": "FALSE"},
        {"msTSExpireDate": "20200101000000Z"},
        {"UserPreferencesDisableAllFeedsEmail": "true"},
        {"IsProfilePhotoActive": "false"},
        {"ValidationStatus": "Healthy"},
        {"OverallProvisioningStatus": "Disabled"},
        {"StateOrProvince": "Ontario"},
        {"US State": "Maine"},
        {"Country/State": "Germany/Hesse"},
        {"Marital Status": "married"},
        {"DirSyncEnabled": "True"},
        {"Password never expires": "True"},
        {"passwordExpired": "True"},
        {"Strong password required": "False"},
        {"MFA Status": "Disabled"},
        {"2sv Enrolled [READ ONLY]": "False"},
        {"Email verified": "false"},
        {"email_status": "unverified"},
        {"License Status": "expired"},
        {"two_factor_enabled": "false"},
        {"last_active": "2020-01-01"},
        {"dormant?": "true"},
        {"2fa_enabled?": "false"},
        {"totp_enabled": "false"},
        {"status_text": "on the road"},
        {"billing-active": "0"},
        {"Home address state": "WA"},
        {"disableableCredentialTypes": "password"},
        {"statusChanged": "2020-01-01T00:00:00Z"},
    ],
    ids=lambda columns: next(iter(columns)),
)
def test_columns_that_only_look_alike_say_nothing(save: Any, columns: dict[str, str]) -> None:
    path = save("people.csv", f"email,{','.join(columns)}\na@acme.example,{','.join(columns.values())}\n")
    (user,) = users(path)
    assert user.get("is_active") is not False


def test_details_of_a_state_are_asked_about_only_where_they_stand_alone(save: Any) -> None:
    path = save(
        "people.csv", "email,Status,Termination Reason\na@acme.example,Active,\nb@acme.example,Inactive,Moved\n"
    )
    assert [user["is_active"] for user in users(path)] == [True, False]
    assert "'Termination Reason' looks like" in refusal(
        save("alone.csv", "email,Termination Reason\nb@acme.example,Moved\n")
    )


def test_a_state_between_places_and_accounts_is_asked_about(save: Any) -> None:
    assert "column 'state' looks like the state of an account" in refusal(
        save("people.csv", "email,state\na@acme.example,somewhere\n")
    )
    mixed = save("mixed.csv", "email,state\na@acme.example,active\nb@acme.example,somewhere\n")
    assert [field for field, _ in problems(mixed)[3]] == ["is_active"]


def test_the_table_names_many_systems_and_agrees_with_itself() -> None:
    assert len(SYSTEMS) >= 15
    seen: dict[str, object] = {}
    for names in SYSTEMS.values():
        for name, reader in names.items():
            assert seen.setdefault(name, reader) is reader, name


FILES = {
    "people.csv": "email,status\nann@acme.example,ACTIVE\nben@acme.example,DEPROVISIONED\n",
    "people.json": json.dumps(
        [{"email": "ann@acme.example", "state": "active"}, {"email": "ben@acme.example", "state": "blocked"}]
    ),
    "people.ldif": "dn: uid=ann,dc=acme\nobjectClass: person\nmail: ann@acme.example\nuserAccountControl: 512\n\n"
    "dn: uid=ben,dc=acme\nobjectClass: person\nmail: ben@acme.example\nuserAccountControl: 514\n",
}
ASKED = """{ usersByKeys(keys: [{ email: "ann@acme.example" }, { email: "ben@acme.example" }]) {
    email state accessibility role { name } } }"""


@pytest.mark.parametrize("command", [("import",), ("reconcile", "--source", "hr")], ids=lambda words: words[0])
@pytest.mark.parametrize("name", FILES)
async def test_disabled_accounts_are_stored_without_access_and_lose_it(
    service: Service, tmp_path: Path, name: str, command: tuple[str, ...]
) -> None:
    async def run(content: str) -> Any:
        (tmp_path / name).write_text(content)
        settings = {"database_url": service.database.url, "secret_key": SECRET}
        return await asyncio.to_thread(usergraph, tmp_path, command[0], name, *command[1:], **settings)

    def user(email: str, state: str) -> dict[str, Any]:
        return {"email": email, "state": state, "accessibility": "NONE", "role": {"name": "Normal user"}}

    done = await run(FILES[name])
    assert done.returncode == 0, done.stderr
    assert (await service.data(ASKED))["usersByKeys"] == [
        user("ann@acme.example", "ACTIVE"),
        user("ben@acme.example", "DEACTIVATED"),
    ]
    left = FILES[name].replace("ACTIVE", "SUSPENDED").replace('"active"', '"banned"').replace(": 512", ": 66050")
    done = await run(left)
    assert done.returncode == 0, done.stderr
    assert {row["state"] for row in (await service.data(ASKED))["usersByKeys"]} == {"DEACTIVATED"}
    assert await service.data('{ users(where: { state: { eq: DEACTIVATED } }, search: "acme") { totalCount } }') == {
        "users": {"totalCount": 2}
    }


async def test_a_column_that_is_not_understood_stops_before_anything_is_stored(
    service: Service, tmp_path: Path
) -> None:
    (tmp_path / "people.csv").write_text("email,Account Lock Flag\nann@acme.example,X\n")
    settings = {"database_url": service.database.url, "secret_key": SECRET}
    for command in (("import", "people.csv"), ("reconcile", "people.csv", "--source", "hr")):
        done = await asyncio.to_thread(usergraph, tmp_path, *command, **settings)
        assert (done.returncode, done.stdout) == (1, "")
        assert "column 'Account Lock Flag' looks like the state of an account" in done.stderr
    assert (await service.data(ASKED))["usersByKeys"] == [None, None]
