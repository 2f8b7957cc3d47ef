"""Times have one form wherever they are read: six digits of microseconds and one Z."""

import io
import json
import re
from typing import Any

import pandas
import pytest

from tests.exporting import by_arrow, by_csv, by_lines, whole
from tests.service import Service, key_of

STORED = {1: "2024-02-29 12:30:00+00:00", 2: "2024-02-29 12:30:00.5+00:00", 3: "2024-02-29 12:30:00.000001+00:00"}
SHOWN = {
    "user_1": "2024-02-29T12:30:00.000000Z",
    "user_2": "2024-02-29T12:30:00.500000Z",
    "user_3": "2024-02-29T12:30:00.000001Z",
}
FORM = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z")
LOOKS_LIKE_A_TIME = re.compile(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d")
FEW = '(where: {id: {in: ["user_1", "user_2", "user_3"]}})'


@pytest.fixture
async def timed(service: Service) -> Service:
    """Three users whose times have no fraction, a short one and a whole one."""
    for number, stored in STORED.items():
        await service.write(
            f"UPDATE users SET created_at = '{stored}', last_login_at = '{stored}' WHERE id = $1", number
        )
    return service


def texts(value: Any) -> list[str]:
    """Every text of an answer that looks like a time."""
    if isinstance(value, dict):
        return [each for inner in value.values() for each in texts(inner)]
    if isinstance(value, list):
        return [each for inner in value for each in texts(inner)]
    return [value] if isinstance(value, str) and LOOKS_LIKE_A_TIME.match(value) else []


async def test_lists_show_times_with_six_digits_whatever_is_stored(timed: Service) -> None:
    data = await timed.data(f"{{ users{FEW} {{ nodes {{ id createdAt lastLoginAt }} }} }}")
    assert data["users"]["nodes"] == [
        {"id": name, "createdAt": shown, "lastLoginAt": shown} for name, shown in SHOWN.items()
    ]


async def test_joined_neighbours_single_users_and_the_past_show_times_with_six_digits(timed: Service) -> None:
    await timed.write("UPDATE users SET created_by_id = 1 WHERE id = 2")
    data = await timed.data(
        """query Q($now: DateTime!) {
          me { createdAt } node(id: "user_2") { ... on User { createdAt createdBy { createdAt } } }
          past: users(first: 3, asOf: $now) { nodes { createdAt } } }""",
        {"now": str(await _past(timed))},
    )
    assert data == {
        "me": {"createdAt": SHOWN["user_1"]},
        "node": {"createdAt": SHOWN["user_2"], "createdBy": {"createdAt": SHOWN["user_1"]}},
        "past": {"nodes": [{"createdAt": shown} for shown in SHOWN.values()]},
    }


async def _past(service: Service) -> str:
    """Now, by the clock of the audit log."""
    data = await service.data('mutation { createGroup(input: {name: "Made"}) { group { createdAt } } }')
    shown: str = data["createGroup"]["group"]["createdAt"]
    assert FORM.fullmatch(shown)
    return shown


async def test_exports_as_text_show_times_with_six_digits(timed: Service) -> None:
    query = (
        f"{{ users{FEW} {{ nodes {{ id createdAt createdBy {{ createdAt }} apiKeys {{ nodes {{ createdAt }} }} }} }} }}"
    )
    rows = by_csv(await whole(timed, query, "csv"))
    assert {row["id"]: row["createdAt"] for row in rows} == SHOWN
    assert all(FORM.fullmatch(each) for row in rows for each in row["apiKeys"].split("|") if each)
    lines = by_lines(await whole(timed, query, "ndjson"))
    assert {row["id"]: row["createdAt"] for row in lines} == SHOWN
    assert all(FORM.fullmatch(each) for each in texts(lines))
    table = by_arrow(await whole(timed, query, "arrow"))
    assert [each.isoformat() for each in table.column("createdAt").to_pylist()] == [
        "2024-02-29T12:30:00+00:00",
        "2024-02-29T12:30:00.500000+00:00",
        "2024-02-29T12:30:00.000001+00:00",
    ]


async def test_a_column_of_times_parses_in_pandas(timed: Service) -> None:
    content = await whole(timed, f"{{ users{FEW} {{ nodes {{ id createdAt }} }} }}", "csv")
    parsed = pandas.to_datetime(pandas.read_csv(io.BytesIO(content))["createdAt"])
    assert [each.isoformat() for each in parsed][:1] == ["2024-02-29T12:30:00+00:00"]


async def test_reports_and_their_exports_show_times_with_six_digits(timed: Service) -> None:
    measures = 'measures: [{measure: FIRST, of: CREATED_AT, as: "first"}, {measure: LAST, of: CREATED_AT, as: "last"}]'
    query = f"{{ userReport({FEW[1:-1]}, groupBy: [{{field: ROLE}}], {measures}) {{ rows }} }}"
    rows = (await timed.data(query))["userReport"]["rows"]
    assert {row["roleId"]: (row["first"], row["last"]) for row in rows} == {
        f"role_{number}": (shown, shown) for number, shown in enumerate(SHOWN.values(), 1)
    }
    exported = by_csv(await whole(timed, query, "csv"))
    assert sorted(row["first"] for row in exported) == sorted(SHOWN.values())
    past = '{ userReport(asOfEach: {from: "2024-02-29T12:30:00Z", to: "2024-03-31T12:00:00Z", every: MONTH}) { rows } }'
    assert [row["asOf"] for row in (await timed.data(past))["userReport"]["rows"]] == [
        "2024-02-29T23:59:59.999999Z",
        "2024-03-31T12:00:00.000000Z",
    ]


async def test_odata_shows_times_with_six_digits(timed: Service) -> None:
    answer = await timed.client.get(
        "/odata/Users?$select=id,createdAt&$orderby=id&$top=3", headers={"x-apikey": key_of("admin")}
    )
    assert {row["id"]: row["createdAt"] for row in answer.json()["value"]} == SHOWN


async def test_payloads_audit_and_messages_show_times_with_six_digits(timed: Service) -> None:
    made = await timed.data(
        """mutation { createApiKey(input: {userId: "user_2", name: "k", expiresAt: "2199-01-01T00:00:00+02:00"}) {
          apiKey { createdAt expiresAt } } }"""
    )
    assert made["createApiKey"]["apiKey"]["expiresAt"] == "2198-12-31T22:00:00.000000Z"
    events = await timed.data("{ auditEvents(first: 3) { nodes { createdAt changes } } }")
    found = texts(events)
    assert found
    assert all(FORM.fullmatch(each) for each in found), json.dumps(events)
