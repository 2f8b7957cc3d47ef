"""Upserting users: matched or made, added to, deactivated and brought back, with an answer for every row."""

import json
from typing import Any

import pytest

from tests.service import Service

UPSERT = """mutation($input: UpsertUsersInput!) { upsertUsers(input: $input) {
  summary { created updated unchanged skipped failed }
  results { index ref action matchedBy changedFields errors { code message path index }
    user { id username email name firstName lastName externalId state version canCreateProjectsInRoot role { name }
      isLdap isSaml hasValidPassword tags aliases variables { name value }
      groups { nodes { name } } organizations { nodes { name } } } }
  errors { code message path index } } }"""


async def upsert(service: Service, *users: Any, who: str = "admin", **given: Any) -> Any:
    return (await service.data(UPSERT, {"input": {"users": users, **given}}, who=who))["upsertUsers"]


async def one(service: Service, who: str = "admin", createMissingGroups: bool = False, **row: Any) -> Any:
    """The only result of a call with one row."""
    answer = await upsert(service, row, who=who, createMissingGroups=createMissingGroups)
    assert answer["errors"] == []
    return answer["results"][0]


async def events(service: Service, user: str) -> list[tuple[str, Any]]:
    """What was recorded about a user: action and changes, oldest first."""
    sql = "SELECT action, changes FROM audit_events WHERE subject_type = 'user' AND subject_id = $1 ORDER BY id"
    rows = await service.rows(sql, int(user.removeprefix("user_")))
    return [(row[0], json.loads(row[1])) for row in rows]


async def test_a_new_address_makes_a_user_with_everything_that_was_sent(service: Service) -> None:
    row = {
        "ref": "row-1",
        "email": "Bob@Acme.test",
        "externalId": "hr-7",
        "username": "bob",
        "name": "Bobby",
        "firstName": "Bob",
        "lastName": "Smith",
        "role": {"name": "limitedadmin"},
        "authentication": {"local": {"password": "plum violin harbour 41"}},
        "canCreateProjectsInRoot": True,
        "tags": ["AE|SouthEast", "ae"],
        "aliases": ["ID-123|ID-124"],
        "variables": [{"name": "Region", "value": "EMEA"}],
        "organizationIds": ["organization_3"],
        "groupIds": ["group_1"],
        "groups": ["it WORKS"],
    }
    answer = await upsert(service, row)
    assert answer["summary"] == {"created": 1, "updated": 0, "unchanged": 0, "skipped": 0, "failed": 0}
    (result,) = answer["results"]
    result["user"]["groups"]["nodes"].sort(key=lambda node: node["name"])
    fields = result.pop("changedFields")
    assert sorted(fields) == sorted(set(fields))
    assert set(fields) >= {"email", "username", "name", "firstName", "lastName", "externalId", "role", "state"}
    assert set(fields) >= {"tags", "aliases", "variables", "groups", "organizations"}
    assert result == {
        "index": 0,
        "ref": "row-1",
        "action": "CREATED",
        "matchedBy": None,
        "errors": [],
        "user": {
            "id": "user_10",
            "username": "bob",
            "email": "Bob@Acme.test",
            "name": "Bobby",
            "firstName": "Bob",
            "lastName": "Smith",
            "externalId": "hr-7",
            "state": "ACTIVE",
            "version": 1,
            "canCreateProjectsInRoot": True,
            "role": {"name": "IT"},
            "isLdap": False,
            "isSaml": False,
            "hasValidPassword": True,
            "tags": ["AE", "SouthEast"],
            "aliases": ["ID-123", "ID-124"],
            "variables": [{"name": "Region", "value": "EMEA"}],
            "groups": {"nodes": [{"name": "IT works"}, {"name": "Web work"}]},
            "organizations": {"nodes": [{"name": "Acme East"}]},
        },
    }
    stored = "SELECT email_key, external_id, role_id, created_by_id FROM users WHERE id = 10"
    assert await service.rows(stored) == [("bob@acme.test", "hr-7", 2, 1)]
    ((action, changes),) = await events(service, "user_10")
    assert action == "CREATED"
    assert changes["email"] == [None, "Bob@Acme.test"]
    assert changes["role"] == [None, "IT"]
    assert changes["tags"] == [None, ["AE", "SouthEast"]]


async def test_names_are_optional_and_the_address_stands_in_for_them(service: Service) -> None:
    made = await one(service, email="solo@x.test")
    assert (made["user"]["username"], made["user"]["name"]) == ("solo@x.test", "solo")
    assert made["user"]["role"] == {"name": "Normal user"}
    named = await one(service, email="duo@x.test", firstName="Ann", lastName="Lee")
    assert named["user"]["name"] == "Ann Lee"


@pytest.mark.parametrize(
    ("authentication", "kinds"),
    [
        ({"ldap": {"serverNumber": 1, "loginDn": "cn=bob,dc=x,dc=test"}}, (True, False, False)),
        ({"saml": {"provisionedBy": {"serverNumber": 1, "loginDn": "cn=bob,dc=x,dc=test"}}}, (True, True, False)),
        ({"apiOnly": True}, (False, False, False)),
        (None, (False, False, False)),
    ],
    ids=["ldap", "saml and ldap", "api only", "not said"],
)
async def test_a_new_user_signs_in_as_the_row_says(service: Service, authentication: Any, kinds: Any) -> None:
    user = (await one(service, email="bob@x.test", authentication=authentication))["user"]
    assert (user["isLdap"], user["isSaml"], user["hasValidPassword"]) == kinds


async def test_a_user_is_matched_by_address_in_any_case_whoever_made_them(service: Service) -> None:
    row = {"email": "OUTSIDER@usergraph.test", "name": "Odd One", "ref": "9"}
    first = await one(service, who="it", **row)
    assert (first["action"], first["matchedBy"], first["changedFields"]) == ("UPDATED", "EMAIL", ["name"])
    assert (first["user"]["id"], first["user"]["email"], first["user"]["version"]) == (
        "user_9",
        "outsider@usergraph.test",
        2,
    )
    assert await service.rows("SELECT name, name_key, updated_by_id, created_by_id FROM users WHERE id = 9") == [
        ("Odd One", "odd one", 2, 1)
    ]
    assert await events(service, "user_9") == [("UPDATED", {"name": ["Outsider", "Odd One"]})]
    before = await service.snapshot()
    again = await one(service, who="it", **row)
    assert (again["action"], again["changedFields"], again["ref"]) == ("UNCHANGED", [], "9")
    assert await service.snapshot() == before


async def test_an_external_id_that_is_known_matches_before_the_address(service: Service) -> None:
    await service.set_external_id(9, "hr-9")
    moved = await one(service, email="new.address@x.test", externalId="hr-9")
    assert (moved["action"], moved["matchedBy"], moved["changedFields"]) == ("UPDATED", "EXTERNAL_ID", ["email"])
    assert moved["user"]["id"] == "user_9"
    assert await service.rows("SELECT email, email_key FROM users WHERE id = 9") == [("new.address@x.test",) * 2]
    learned = await one(service, email="member@usergraph.test", externalId="hr-8")
    assert (learned["matchedBy"], learned["changedFields"]) == ("EMAIL", ["externalId"])
    taken = await one(service, email="member@usergraph.test", externalId="hr-9")
    assert taken["action"] == "FAILED"
    assert [(e["code"], e["path"]) for e in taken["errors"]] == [("TAKEN", ["users", "0", "email"])]
    assert await service.rows("SELECT id, external_id FROM users WHERE external_id IS NOT NULL ORDER BY id") == [
        (8, "hr-8"),
        (9, "hr-9"),
    ]


async def test_tags_aliases_variables_and_memberships_are_added_to_what_is_there(service: Service) -> None:
    email = "member@usergraph.test"
    await one(service, email=email, tags=["a|b"], aliases="x|y", variables=[{"name": "Plan", "value": "1"}])
    more = await one(
        service,
        email=email,
        tags=["B| c |"],
        aliases=["Y", "z"],
        variables=[{"name": "plan", "value": "2"}, {"name": "Site", "value": "Oslo"}],
        organizationIds=["organization_3", "organization_4"],
        groups=["Web work|IT works"],
    )
    assert more["user"]["tags"] == ["a", "b", "c"]
    assert more["user"]["aliases"] == ["x", "y", "z"]
    assert {each["name"].lower(): each["value"] for each in more["user"]["variables"]} == {"plan": "2", "site": "Oslo"}
    assert sorted(g["name"] for g in more["user"]["groups"]["nodes"]) == ["IT works", "Web work"]
    assert sorted(o["name"] for o in more["user"]["organizations"]["nodes"]) == ["Acme East", "Acme West"]
    assert set(more["changedFields"]) == {"tags", "aliases", "variables", "groups", "organizations"}
    assert await service.rows("SELECT value FROM user_tags WHERE user_id = 8 ORDER BY value_key") == [
        ("a",),
        ("b",),
        ("c",),
    ]
    changes = (await events(service, "user_8"))[-1][1]
    assert changes["tags"] == [["a", "b"], ["a", "b", "c"]]
    assert changes["groups"] == [None, ["IT works"]]


async def test_the_role_deactivated_takes_access_and_keeps_the_role_for_a_return(service: Service) -> None:
    email = "pm@usergraph.test"
    assert await service.data("{ me { id } }", who="pm") == {"me": {"id": "user_3"}}
    off = await one(service, email=email, role={"name": "deactivated"})
    assert (off["changedFields"], off["user"]["state"], off["user"]["role"]) == (
        ["state"],
        "DEACTIVATED",
        {"name": "Project manager"},
    )
    assert await service.codes("{ me { id } }", who="pm") == ["UNAUTHENTICATED"]
    assert await service.scalar("SELECT COUNT(*) FROM api_keys WHERE user_id = 3 AND revoked_at IS NULL") == 0
    assert (await one(service, email=email, role={"name": "Deactivated"}))["action"] == "UNCHANGED"
    silent = await one(service, email=email, firstName="Pat")
    assert (silent["user"]["state"], silent["user"]["role"]) == ("DEACTIVATED", {"name": "Project manager"})
    back = await one(service, email=email, role={"name": "project manager"})
    assert (back["changedFields"], back["user"]["state"]) == (["state"], "ACTIVE")
    other = await one(service, email=email, isActive=False)
    assert other["user"]["state"] == "DEACTIVATED"
    heavier = await one(service, email=email, role={"name": "IT"})
    assert (set(heavier["changedFields"]), heavier["user"]["state"]) == ({"state", "role"}, "ACTIVE")
    assert [changes.get("state") for _, changes in await events(service, "user_3")] == [
        ["ACTIVE", "DEACTIVATED"],
        None,
        ["DEACTIVATED", "ACTIVE"],
        ["ACTIVE", "DEACTIVATED"],
        ["DEACTIVATED", "ACTIVE"],
    ]


async def test_a_new_user_may_arrive_deactivated(service: Service) -> None:
    for number, row in enumerate(({"role": {"name": "Deactivated"}}, {"isActive": False, "role": {"name": "IT"}})):
        user = (await one(service, email=f"late{number}@x.test", **row))["user"]
        assert user["state"] == "DEACTIVATED"
        assert user["role"] == ({"name": "Normal user"}, {"name": "IT"})[number]


async def test_missing_groups_are_made_only_where_the_call_says_so(service: Service) -> None:
    refused = await one(service, email="a@x.test", groups=["Choir"])
    assert refused["action"] == "FAILED"
    assert [(e["code"], e["path"]) for e in refused["errors"]] == [("NOT_FOUND", ["users", "0", "groups"])]
    assert "createMissingGroups" in refused["errors"][0]["message"]
    assert await service.scalar("SELECT COUNT(*) FROM groups") == 2
    rows = [{"email": f"{name}@x.test", "groups": ["Choir", "web work"]} for name in ("a", "b")]
    answer = await upsert(service, *rows, createMissingGroups=True)
    assert [result["action"] for result in answer["results"]] == ["CREATED", "CREATED"]
    assert await service.rows("SELECT id, name FROM groups WHERE id > 2") == [(3, "Choir")]
    assert await service.scalar("SELECT COUNT(*) FROM group_members WHERE group_id = 3") == 2
    assert await service.rows("SELECT action, subject_label FROM audit_events WHERE subject_type = 'group'") == [
        ("CREATED", "Choir")
    ]


async def test_no_group_stays_behind_when_the_rows_that_named_it_are_refused(service: Service) -> None:
    before = await service.snapshot()
    rows = [{"email": "a@x.test", "groups": ["Choir"]}, {"email": "not an address"}]
    answer = await upsert(service, *rows, createMissingGroups=True)
    assert [result["action"] for result in answer["results"]] == ["SKIPPED", "FAILED"]
    assert await service.snapshot() == before


async def test_a_dry_run_tells_the_actions_and_stores_nothing(service: Service) -> None:
    rows = [
        {"email": "a@x.test", "groups": ["Choir"], "tags": "t"},
        {"email": "member@usergraph.test", "role": {"name": "Deactivated"}},
        {"email": "outsider@usergraph.test"},
    ]
    before = await service.snapshot()
    dry = await upsert(service, *rows, dryRun=True, createMissingGroups=True)
    assert await service.snapshot() == before
    real = await upsert(service, *rows, createMissingGroups=True)
    assert [r["action"] for r in real["results"]] == ["CREATED", "UPDATED", "UNCHANGED"]
    for answer in (dry, real):
        answer["results"][0]["user"].pop("id")
    assert dry == real
