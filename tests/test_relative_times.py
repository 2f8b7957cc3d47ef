"""Days and times relative to now in a where: as a saved report takes them, and another time at each run."""

import re

import pytest

from tests.service import Service

AGES = {1: "now() - interval '100 days'", 2: "now() - interval '80 days'"}
SQLITE = {1: "-100 days", 2: "-80 days"}


@pytest.fixture
async def aged(service: Service) -> Service:
    """User 1 was made 100 days ago, user 2 80 days ago, user 3 as 2024-01-31 began, the others in 2020."""
    await service.write("UPDATE users SET created_at = '2020-01-01 00:00:00+00:00'")
    for number, age in AGES.items():
        sqlite = f"strftime('%Y-%m-%d %H:%M:%f000+00:00', 'now', '{SQLITE[number]}')"
        value = age if service.dialect == "postgres" else sqlite
        await service.write(f"UPDATE users SET created_at = {value} WHERE id = {number}")
    await service.write("UPDATE users SET created_at = '2024-01-31 00:00:00+00:00' WHERE id = 3")
    return service


WHERE = "query($t: DateTime) { users(where: {createdAt: {OPERATOR: $t}}, orderBy: [{field: ID}]) { nodes { id } } }"


async def found(service: Service, operator: str, time: str) -> list[str]:
    """The users by a variable, which must be those by a literal."""
    document = WHERE.replace("OPERATOR", operator)
    by_variable = [node["id"] for node in (await service.data(document, {"t": time}))["users"]["nodes"]]
    literal = document.replace("($t: DateTime)", "").replace("$t", f'"{time}"')
    assert [node["id"] for node in (await service.data(literal))["users"]["nodes"]] == by_variable
    return by_variable


async def test_relative_times_in_a_where_are_that_long_ago(aged: Service) -> None:
    assert await found(aged, "after", "-P90D") == ["user_2"]
    assert await found(aged, "after", "-P15W") == ["user_1", "user_2"]
    assert await found(aged, "after", "-PT1000H") == []
    assert await found(aged, "after", "-P99DT12H") == ["user_2"]


async def test_days_in_a_where_are_their_begin_in_utc(aged: Service) -> None:
    assert await found(aged, "eq", "2024-01-31") == ["user_3"]
    assert await found(aged, "notBefore", "2024-01-31") == ["user_1", "user_2", "user_3"]
    assert await found(aged, "after", "2024-01-31") == ["user_1", "user_2"]
    assert await found(aged, "eq", "2024-02-01") == []


async def test_relative_times_are_resolved_anew_at_each_run_of_the_same_request(aged: Service) -> None:
    assert await found(aged, "after", "-P90D") == ["user_2"]
    await aged.write("UPDATE users SET created_at = '2020-01-01 00:00:00+00:00' WHERE id = 2")
    query = '{ users(asOf: "-PT0H", first: 1) { nodes { id } } }'
    first = (await aged.data(query))["users"]["nodes"][0]["id"]
    second = (await aged.data(query))["users"]["nodes"][0]["id"]
    assert re.fullmatch(r"user_1@.+Z", first)
    assert first < second
    varied = "query($at: DateTime) { users(asOf: $at, first: 1) { nodes { id } } }"
    ids = [(await aged.data(varied, {"at": "-PT0H"}))["users"]["nodes"][0]["id"] for _ in range(2)]
    assert ids[0] < ids[1]


async def test_reports_and_measures_take_days_and_relative_times(aged: Service) -> None:
    query = """{ userReport(where: {createdAt: {after: "2024-01-30"}}, measures: [{measure: COUNT},
      {measure: COUNT, where: {createdAt: {after: "-P90D"}}, as: "recent"}]) { rows } }"""
    assert (await aged.data(query))["userReport"]["rows"] == [{"count": 3, "recent": 1}]


@pytest.mark.parametrize("time", ["2024-02-30", "2024-1-31", "P90D", "-P", "-P1Y", "yesterday", "-P1M"])
async def test_what_is_neither_a_time_nor_a_day_nor_relative_is_refused(service: Service, time: str) -> None:
    body = await service.ask(WHERE.replace("OPERATOR", "after"), {"t": time})
    assert [error["extensions"]["code"] for error in body["errors"]] == ["BAD_USER_INPUT"]
    assert "-P90D" in body["errors"][0]["message"]
