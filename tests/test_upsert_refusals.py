"""Rows that upsertUsers refuses: what is wrong, where, and what becomes of the other rows."""

from typing import Any

import pytest

from tests.service import Service, codes

UPSERT = """mutation($input: UpsertUsersInput!) { upsertUsers(input: $input) {
  summary { created updated unchanged skipped failed }
  results { index ref action matchedBy errors { code message path index } user { id } }
  errors { code message path index } } }"""


async def upsert(service: Service, *users: Any, **given: Any) -> Any:
    return (await service.data(UPSERT, {"input": {"users": users, **given}}))["upsertUsers"]


async def test_good_rows_wait_for_bad_ones_unless_the_policy_says_otherwise(service: Service) -> None:
    rows = [
        {"ref": "good", "email": "a@x.test"},
        {"ref": "bad", "email": "b@x.test", "role": {"name": "Emperor"}, "organizationIds": ["organization_77"]},
        {"ref": "same", "email": "member@usergraph.test"},
    ]
    before = await service.snapshot()
    answer = await upsert(service, *rows)
    assert answer["errors"] == []
    assert answer["summary"] == {"created": 0, "updated": 0, "unchanged": 0, "skipped": 2, "failed": 1}
    assert [(r["index"], r["ref"], r["action"], r["user"]) for r in answer["results"]] == [
        (0, "good", "SKIPPED", None),
        (1, "bad", "FAILED", None),
        (2, "same", "SKIPPED", None),
    ]
    assert codes(answer["results"][0]["errors"]) == ["OTHERS_FAILED"]
    assert sorted((e["code"], e["path"], e["index"]) for e in answer["results"][1]["errors"]) == [
        ("NOT_FOUND", ["users", "1", "organizationIds", "0"], 1),
        ("NOT_FOUND", ["users", "1", "role", "name"], 1),
    ]
    assert answer["results"][2]["matchedBy"] == "EMAIL"
    assert await service.snapshot() == before
    answer = await upsert(service, *rows, errorPolicy="REJECT_FAILED")
    assert answer["summary"] == {"created": 1, "updated": 0, "unchanged": 1, "skipped": 0, "failed": 1}
    assert [r["action"] for r in answer["results"]] == ["CREATED", "FAILED", "UNCHANGED"]
    assert await service.rows("SELECT email FROM users WHERE id > 9") == [("a@x.test",)]


@pytest.mark.parametrize(
    ("rows", "path"),
    [
        ([{"email": "a@x.test"}, {"email": "A@X.TEST"}], "email"),
        ([{"email": "a@x.test", "username": "ann"}, {"email": "b@x.test", "username": "ANN"}], "username"),
        ([{"email": "a@x.test", "username": "b@x.test"}, {"email": "b@x.test"}], None),
        ([{"email": "a@x.test", "externalId": "1"}, {"email": "b@x.test", "externalId": "1"}], "externalId"),
        ([{"email": "a@x.test", "aliases": ["i|j"]}, {"email": "b@x.test", "aliases": ["J"]}], "aliases"),
        (
            [
                {"email": f"{name}@x.test", "authentication": {"ldap": {"serverNumber": 1, "loginDn": dn}}}
                for name, dn in (("a", "cn=a, dc=x"), ("b", "CN=A,DC=X"))
            ],
            None,
        ),
    ],
    ids=["email", "username", "address as username", "external id", "alias", "login dn"],
)
async def test_two_rows_cannot_claim_one_name(service: Service, rows: list[Any], path: str | None) -> None:
    before = await service.snapshot()
    answer = await upsert(service, *rows)
    assert [result["action"] for result in answer["results"]] == ["SKIPPED", "FAILED"]
    assert set(codes(answer["results"][1]["errors"])) == {"DUPLICATE"}
    assert path is None or path in [each for e in answer["results"][1]["errors"] for each in e["path"]]
    assert await service.snapshot() == before
    answer = await upsert(service, *rows, errorPolicy="REJECT_FAILED")
    assert [result["action"] for result in answer["results"]] == ["CREATED", "FAILED"]
    assert await service.scalar("SELECT COUNT(*) FROM users") == 10


async def test_one_user_found_in_two_ways_is_refused_the_second_time(service: Service) -> None:
    await service.set_external_id(9, "hr-9")
    rows = [{"email": "outsider@usergraph.test", "name": "One"}, {"email": "z@x.test", "externalId": "hr-9"}]
    answer = await upsert(service, *rows, errorPolicy="REJECT_FAILED")
    assert [(r["action"], r["matchedBy"]) for r in answer["results"]] == [
        ("UPDATED", "EMAIL"),
        ("FAILED", "EXTERNAL_ID"),
    ]
    assert await service.rows("SELECT name, email FROM users WHERE id = 9") == [("One", "outsider@usergraph.test")]


@pytest.mark.parametrize(
    ("row", "code", "path"),
    [
        ({"email": ""}, "REQUIRED", ["email"]),
        ({"email": "nobody"}, "INVALID", ["email"]),
        ({"email": "a@x.test", "username": "two words"}, "INVALID", ["username"]),
        ({"email": "a@x.test", "username": "member"}, "TAKEN", ["username"]),
        ({"email": "a@x.test", "username": "member@usergraph.test"}, "TAKEN", ["username"]),
        ({"email": "a@x.test", "aliases": ["taken"]}, "TAKEN", ["aliases"]),
        ({"email": "a@x.test", "groupIds": ["group_9"]}, "NOT_FOUND", ["groupIds", "0"]),
        ({"email": "a@x.test", "groupIds": ["role_1"]}, "NOT_FOUND", ["groupIds", "0"]),
        (
            {"email": "a@x.test", "authentication": {"local": {"password": "short"}}},
            "WEAK_PASSWORD",
            ["authentication", "local", "password"],
        ),
        (
            {"email": "a@x.test", "authentication": {"ldap": {"serverNumber": 2, "loginDn": "cn=a"}}},
            "PROVIDER_DISABLED",
            ["authentication", "ldap", "serverNumber"],
        ),
        (
            {"email": "a@x.test", "authentication": {"ldap": {"serverNumber": 3, "loginDn": "cn=a"}}},
            "PROVIDER_NOT_CONFIGURED",
            ["authentication", "ldap", "serverNumber"],
        ),
        ({"email": "a@x.test", "tags": ["fine", "be\u0007ll"]}, "INVALID", ["tags", "1"]),
    ],
)
async def test_a_bad_row_tells_what_is_wrong_and_where(service: Service, row: Any, code: str, path: list[str]) -> None:
    stamp = "INSERT INTO user_aliases (user_id, value, value_key) VALUES (8, 'taken', 'taken')"
    await service.write(stamp)
    before = await service.snapshot()
    (result,) = (await upsert(service, row))["results"]
    assert (result["action"], result["user"]) == ("FAILED", None)
    assert [(e["code"], e["path"], e["index"]) for e in result["errors"]] == [(code, ["users", "0", *path], 0)]
    assert await service.snapshot() == before
