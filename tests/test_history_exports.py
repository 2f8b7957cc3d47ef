"""The past as a file: the rows of the answer with `asOf`, and the refusals of it."""

from datetime import timedelta

import pytest

from models.values import now
from tests.exporting import by_csv, by_lines, fetch, whole
from tests.history import moment
from tests.reporting import furnish
from tests.service import Service
from tests.test_history import PAST, change

ROWS = """query($at: DateTime) { users(asOf: $at, orderBy: [{field: NAME}]) {
  nodes { name state role { name } tags organizations { nodes { name } } createdBy { name } } } }"""


async def test_an_export_as_of_a_moment_is_the_answer_as_of_it(service: Service) -> None:
    await change(service, "updateUser", id="user_9", tags=["then"])
    at = await moment()
    await change(service, "updateUser", id="user_9", setTags=["now"], role={"name": "IT"}, name="Aaron")
    await change(service, "addOrganizationMembers", id="organization_4", userIds=["user_9"])
    await change(service, "deleteUsers", ids=["user_8"])
    for when in (at, None):
        answer = (await service.data(ROWS, {"at": when}))["users"]["nodes"]
        assert by_lines(await whole(service, ROWS, "ndjson", variables={"at": when})) == answer
        table = by_csv(await whole(service, ROWS, "csv", variables={"at": when}))
        assert [row["name"] for row in table] == [row["name"] for row in answer]
        assert [row["role.name"] for row in table] == [row["role"]["name"] for row in answer]
        assert [row["tags"] for row in table] == ["|".join(row["tags"]) for row in answer]
    assert "then" in str(by_csv(await whole(service, ROWS, "csv", variables={"at": at})))


@pytest.mark.parametrize(
    ("asked", "selected", "named"),
    [
        ("first: 5", "lastLoginAt", ["User.lastLoginAt"]),
        ("orderBy: [{field: LAST_LOGIN_AT}]", "id sessions { nodes { id } }", ["User.sessions", "User.lastLoginAt"]),
    ],
)
@pytest.mark.parametrize("format", ["csv", "ndjson"])
async def test_an_export_of_what_has_no_history_is_refused_by_name(
    service: Service, format: str, asked: str, selected: str, named: list[str]
) -> None:
    document = f"query($at: DateTime) {{ past: users(asOf: $at, {asked}) {{ nodes {{ {selected} }} }} }}"
    (error,) = (await fetch(service, document, format, variables={"at": PAST})).json()["errors"]
    assert error["extensions"] == {"code": "WITHOUT_HISTORY", "fields": named}
    assert (await fetch(service, document, format, variables={"at": None})).status_code == 200


async def test_an_export_of_the_past_needs_the_right_to_read_the_audit_log(service: Service) -> None:
    document = f'{{ users(asOf: "{PAST}") {{ nodes {{ id }} }} }}'
    (error,) = (await fetch(service, document, "csv", who="normal")).json()["errors"]
    assert error["extensions"]["code"] == "FORBIDDEN"


async def test_moments_with_more_rows_together_than_a_report_has_are_refused_as_a_file(service: Service) -> None:
    """Where each has as many as were asked for: a file would not show that the rest is missing."""
    await furnish(service)
    document = """query($from: DateTime!, $first: Int) { userReport(asOfEach: {from: $from, every: DAY}, first: $first
        groupBy: [{field: UPDATED_AT, fill: true}, {field: ROLE}]) { columns { name kind }
        rows hasMore } }"""
    given = {"from": (now() - timedelta(days=119)).isoformat(), "first": 500}
    answer = (await service.data(document, given))["userReport"]
    assert (len(answer["rows"]), answer["hasMore"]) == (10_000, True)
    for first in (500, None):
        refusal = await fetch(service, document, "csv", variables={**given, "first": first})
        assert refusal.json()["errors"][0]["extensions"]["code"] == "TOO_MANY_ROWS"
    fewer = await whole(service, document, "ndjson", variables={**given, "first": 20})
    assert len(by_lines(fewer)) == 20 * 120
