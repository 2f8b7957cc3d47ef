"""External ids by their source: set, read, kept apart, unique within the source, and told in audit log and history."""

import json
from typing import Any

import pytest

from tests.calls import change, refused, told
from tests.history import agrees, moment
from tests.service import Service

LISTS = "externalIds { source } tags"
IDS = "externalId externalIds { source value }"
PERSON = {
    "email": "p@x.test",
    "username": "p",
    "name": "P",
    "role": {"name": "IT"},
    "authentication": {"apiOnly": True},
}
ROWS = "results { matchedBy changedFields user { id email role { name } " + IDS + " } }"


def ids(**given: str | None) -> list[dict[str, str | None]]:
    return [{"source": source, "value": value} for source, value in given.items()]


async def upsert(service: Service, *users: Any, who: str = "admin", **given: Any) -> Any:
    return await change(service, "upsertUsers", {"users": users, **given}, who=who, more=ROWS)


async def audited(service: Service, user_id: int) -> list[dict[str, Any]]:
    sql = "SELECT changes FROM audit_events WHERE subject_type = 'user' AND subject_id = $1 ORDER BY id"
    return [json.loads(row[0]) for row in await service.rows(sql, user_id)]


async def test_create_user_stores_an_id_per_source(service: Service) -> None:
    given = {**PERSON, "externalId": "7", "externalIds": ids(hr="p1", crm="7")}
    payload = await change(service, "createUser", given, more=f"user {{ id {IDS} }}")
    assert payload["errors"] == []
    assert payload["user"] == {"id": "user_10", "externalId": "7", "externalIds": ids(api="7", crm="7", hr="p1")}
    assert await service.external_ids() == [(10, "api", "7"), (10, "crm", "7"), (10, "hr", "p1")]
    assert await service.scalar("SELECT external_id FROM users WHERE id = 10") == "7"
    (recorded,) = await audited(service, 10)
    assert (recorded["externalId"], recorded["externalIds"]) == ([None, "7"], [None, ["crm=7", "hr=p1"]])


async def test_update_user_replaces_and_clears_ids_one_source_at_a_time(service: Service) -> None:
    await change(service, "createUser", {**PERSON, "externalId": "7", "externalIds": ids(hr="p1", crm="7")})
    before = await moment()
    steps: list[tuple[dict[str, Any], list[str], Any]] = [
        ({"externalIds": ids(hr="p2")}, ["externalIds"], ids(api="7", crm="7", hr="p2")),
        ({"externalIds": ids(hr="p2", crm="7")}, [], ids(api="7", crm="7", hr="p2")),
        ({"externalIds": ids(crm=None, erp="1")}, ["externalIds"], ids(api="7", erp="1", hr="p2")),
        ({"externalId": None}, ["externalId"], ids(erp="1", hr="p2")),
        ({"externalIds": ids(api="8")}, ["externalId"], ids(api="8", erp="1", hr="p2")),
    ]
    more = f"changedFields user {{ {IDS} }}"
    for given, changed, after in steps:
        payload = await change(service, "updateUser", {"id": "user_10", **given}, more=more)
        assert (payload["errors"], payload["changedFields"], payload["user"]["externalIds"]) == ([], changed, after)
    assert payload["user"]["externalId"] == "8"
    assert [each.get("externalIds") for each in await audited(service, 10)][1:] == [
        [["crm=7", "hr=p1"], ["crm=7", "hr=p2"]],
        [["crm=7", "hr=p2"], ["erp=1", "hr=p2"]],
        None,
        None,
    ]
    await agrees(service)
    where = '{externalIds: {some: {source: {eq: "hr"}}}}'
    then = f'{{ users(asOf: "{before}", where: {where}) {{ nodes {{ stableId {IDS} }} }} }}'
    assert (await service.data(then))["users"]["nodes"] == [
        {"stableId": "user_10", "externalId": "7", "externalIds": ids(api="7", crm="7", hr="p1")}
    ]


async def test_an_id_is_unique_within_its_source_and_free_in_others(service: Service) -> None:
    await service.set_external_id(8, "1", "hr")
    update = {"id": "user_9", "externalIds": ids(hr="1")}
    assert await refused(service, "updateUser", update) == "TAKEN"
    payload = await change(service, "updateUser", {"id": "user_9", "externalId": "1", "externalIds": ids(crm="1")})
    assert payload["errors"] == []
    assert await service.external_ids() == [(8, "hr", "1"), (9, "api", "1"), (9, "crm", "1")]
    await change(service, "deleteUsers", {"ids": ["user_8"]})
    assert (await audited(service, 8))[-1]["externalIds"] == [["hr=1"], None]
    assert (await change(service, "updateUser", update))["errors"] == []


@pytest.mark.parametrize(
    ("given", "code", "path"),
    [
        ({"externalIds": ids(provider_2="x")}, "INVALID", ["externalIds", "0", "source"]),
        ({"externalIds": [{"source": "SCIM:okta", "value": "x"}]}, "INVALID", ["externalIds", "0", "source"]),
        ({"externalIds": [{"source": " ", "value": "x"}]}, "REQUIRED", ["externalIds", "0", "source"]),
        ({"externalIds": [{"source": "hr", "value": " "}]}, "REQUIRED", ["externalIds", "0", "value"]),
        ({"externalIds": [*ids(hr="1"), *ids(hr="2")]}, "DUPLICATE", ["externalIds", "1", "source"]),
        ({"externalId": "1", "externalIds": ids(api="2")}, "DUPLICATE", ["externalIds", "0", "source"]),
        ({"externalIds": [{"source": "h" * 256, "value": "x"}]}, "INVALID", ["externalIds", "0", "source"]),
    ],
)
async def test_wrong_external_ids_are_refused_where_they_are_wrong(
    service: Service, given: dict[str, Any], code: str, path: list[str]
) -> None:
    before = await service.snapshot()
    for mutation, more in (("updateUser", {"id": "user_9"}), ("createUser", PERSON)):
        payload = await change(service, mutation, {**more, **given})
        assert [(each["code"], each["path"]) for each in payload["errors"]] == [(code, path)]
    assert await service.snapshot() == before


async def test_ids_of_other_sources_are_set_by_those_who_manage_all_users(service: Service) -> None:
    row = {"email": "member@usergraph.test"}
    calls: list[tuple[str, dict[str, Any]]] = [
        ("updateUser", {"id": "user_8", "externalIds": ids(hr="1")}),
        ("upsertUsers", {"users": [{**row, "externalIds": ids(hr="1")}]}),
        ("upsertUsers", {"users": [{**row, "externalId": "1"}], "source": "hr"}),
    ]
    for mutation, given in calls:
        assert await refused(service, mutation, given, who="orgadmin") == "FORBIDDEN"
        assert await refused(service, mutation, given) == ""


async def test_an_id_of_one_source_is_not_that_of_another(service: Service) -> None:
    """Both systems count from 1; their users are different people."""
    first = await upsert(service, {"email": "a@x.test", "externalId": "1"}, source="hr")
    second = await upsert(service, {"email": "b@x.test", "externalId": "1"}, source="crm")
    third = await upsert(service, {"email": "c@x.test", "externalId": "1"})
    assert [each["results"][0]["action"] for each in (first, second, third)] == ["CREATED"] * 3
    again = await upsert(service, {"email": "a2@x.test", "externalId": "1"}, source="hr")
    assert again["results"][0]["matchedBy"] == "EXTERNAL_ID"
    assert again["results"][0]["user"]["id"] == first["results"][0]["user"]["id"]
    assert await service.external_ids() == [(10, "hr", "1"), (11, "crm", "1"), (12, "api", "1")]


async def test_a_source_takes_a_user_without_an_id_of_it_over_by_email(service: Service) -> None:
    """Several sources know one person, and each its own id of them."""
    await upsert(service, {"email": "member@usergraph.test", "externalId": "1"})
    for source in ("hr", "crm"):
        answer = await upsert(service, {"email": "MEMBER@usergraph.test", "externalId": "p1"}, source=source)
        (result,) = answer["results"]
        assert (result["action"], result["matchedBy"], result["changedFields"]) == ("UPDATED", "EMAIL", ["externalIds"])
    assert result["user"]["externalIds"] == ids(api="1", crm="p1", hr="p1")
    assert result["user"]["externalId"] == "1"


@pytest.mark.parametrize("source", [None, "hr"])
async def test_a_reused_address_is_refused_until_it_is_free(service: Service, source: str | None) -> None:
    """The joiner has the leaver's address; the leaver's account stays the leaver's."""
    told_source = {"source": source} if source else {}
    await upsert(service, {"email": "x@x.test", "externalId": "p1", "role": {"name": "IT"}}, **told_source)
    before = await service.snapshot()
    joiner = {"email": "X@x.test", "externalId": "p9"}
    answer = await upsert(service, joiner, **told_source)
    (result,) = answer["results"]
    assert (result["action"], result["user"], result["matchedBy"]) == ("FAILED", None, None)
    (error,) = result["errors"]
    assert (error["code"], error["path"]) == ("TAKEN", ["users", "0", "email"])
    assert f"{source or 'api'} knows its user by another external id" in error["message"]
    assert await service.snapshot() == before
    await change(service, "updateUser", {"id": "user_10", "email": "leaver@x.test", "username": "leaver"})
    (result,) = (await upsert(service, joiner, **told_source))["results"]
    assert (result["action"], result["user"]["id"], result["user"]["role"]) == (
        "CREATED",
        "user_11",
        {"name": "Normal user"},
    )
    assert await service.external_ids() == [(10, source or "api", "p1"), (11, source or "api", "p9")]


async def test_an_id_of_any_source_that_contradicts_makes_another_person(service: Service) -> None:
    await service.set_external_id(8, "p1", "hr")
    row = {"email": "member@usergraph.test", "externalIds": ids(hr="p9")}
    assert told(await upsert(service, row)) == ["TAKEN"]
    row = {"email": "new@x.test", "externalIds": ids(hr="p1", crm="5")}
    (result,) = (await upsert(service, row))["results"]
    assert (result["action"], result["matchedBy"], result["user"]["id"]) == ("UPDATED", "EXTERNAL_ID", "user_8")
    assert result["user"]["externalIds"] == ids(crm="5", hr="p1")


async def test_an_address_without_an_id_still_finds_its_user(service: Service) -> None:
    await service.set_external_id(8, "p1", "hr")
    (result,) = (await upsert(service, {"email": "member@usergraph.test", "name": "M"}, source="hr"))["results"]
    assert (result["action"], result["matchedBy"], result["user"]["id"]) == ("UPDATED", "EMAIL", "user_8")
    assert await service.external_ids() == [(8, "hr", "p1")]


async def test_users_are_counted_by_the_source_of_their_ids(service: Service) -> None:
    await service.set_external_id(8, "1", "hr")
    await service.set_external_id(9, "1", "crm")
    await service.set_external_id(9, "2", "hr")
    query = "{ userReport(groupBy: [{field: EXTERNAL_ID_SOURCE}], measures: [{measure: COUNT}]) { rows } }"
    assert (await service.data(query))["userReport"]["rows"] == [
        {"externalIdSource": None, "count": 7},
        {"externalIdSource": "crm", "count": 1},
        {"externalIdSource": "hr", "count": 2},
    ]


async def test_an_id_of_another_source_never_overrules_that_of_the_own(service: Service) -> None:
    await service.set_external_id(8, "p1", "hr")
    await service.set_external_id(8, "5", "crm")
    row = {"email": "new@x.test", "externalId": "p9", "externalIds": ids(crm="5")}
    assert told(await upsert(service, row, source="hr")) == ["TAKEN"]
    assert await service.external_ids() == [(8, "crm", "5"), (8, "hr", "p1")]


async def test_a_name_id_that_contradicts_makes_another_person(service: Service) -> None:
    await service.write("UPDATE users SET provider_id = 4, name_id = 'n1' WHERE id = 8")
    row = {"email": "member@usergraph.test", "name": "M"}
    for saml in ({"nameId": "n9"}, {"nameId": "n9", "identityProviderId": "provider_4"}):
        answer = await upsert(service, {**row, "authentication": {"saml": saml}})
        assert told(answer) == ["TAKEN"]
        assert "has another name id" in answer["results"][0]["errors"][0]["message"]
    for saml in ({"nameId": "n1"}, {}):
        (result,) = (await upsert(service, {**row, "authentication": {"saml": saml}}))["results"]
        assert (result["matchedBy"], result["errors"]) == ("EMAIL", [])


async def test_a_list_is_read_in_one_statement_whatever_is_selected_of_it(service: Service) -> None:
    for user in (7, 8, 9):
        await service.set_external_id(user, f"p{user}", "hr")
    seen = []
    for first in (3, 4, 9):
        with service.statements() as statements:
            await service.data(f"{{ users(first: {first}) {{ nodes {{ id externalId {LISTS} }} }} }}")
        seen.append(len(statements))
    assert seen[1] == seen[2]  # the first one looks the key up, too
    names = '{ user(by: {id: "user_8"}) { externalIds { __typename } variables { __typename } } }'
    found = (await service.data(names))["user"]
    assert found == {"externalIds": [{"__typename": "ExternalId"}], "variables": []}


async def test_an_external_id_without_a_value_is_refused_and_null_clears(service: Service) -> None:
    row = """mutation($ids: [ExternalIdInput!]!) { updateUser(input: {id: "user_9", externalIds: $ids}) {
      user { externalIds { source value } } errors { code path } } }"""
    kept = {"ids": [{"source": "hr", "value": "7"}]}
    assert (await service.data(row, kept))["updateUser"]["user"]["externalIds"] == kept["ids"]
    refused = (await service.data(row, {"ids": [{"source": "hr"}]}))["updateUser"]
    assert refused["errors"] == [{"code": "REQUIRED", "path": ["externalIds", "0", "value"]}]
    cleared = (await service.data(row, {"ids": [{"source": "hr", "value": None}]}))["updateUser"]
    assert (cleared["user"]["externalIds"], cleared["errors"]) == ([], [])
