"""The past as a file: the rows of the answer with `asOf`, and the refusals of it."""

import pytest

from tests.exporting import by_csv, by_lines, fetch, whole
from tests.history import moment
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
