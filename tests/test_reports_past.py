"""Reports on the past: what they said then, they say as of then; and the same question at the end of each interval."""

import random
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from models.values import now, rfc3339
from tests.history import moment
from tests.reporting import REPORT, TURNS, furnish, report, rows
from tests.reports_oracle import Oracle, answer
from tests.service import Service, beyond_who_asks
from tests.test_history_replay import Hand

QUESTIONS: list[dict[str, Any]] = [
    {"groupBy": [{"field": "ROLE"}, {"field": "STATE"}], "measures": [{"measure": "COUNT"}, {"measure": "SHARE"}]},
    {"groupBy": [{"field": "GROUP"}], "orderBy": [{"column": "count", "direction": "DESC"}]},
    {"groupBy": [{"field": "ORGANIZATION", "level": 1}, {"field": "TAG"}]},
    {"groupBy": [{"field": "ORGANIZATION"}, {"field": "VARIABLE", "name": "desk"}]},
    {"groupBy": [{"field": "ACCESSIBILITY"}, {"field": "HAS_VALID_PASSWORD"}, {"field": "IDENTITY_PROVIDER"}]},
    {
        "groupBy": [{"field": "EMAIL_DOMAIN"}, {"field": "CREATED_AT", "every": "DAY", "fill": True}],
        "measures": [{"measure": "LAST", "of": "UPDATED_AT"}, {"measure": "DISTINCT", "of": "GROUP"}],
    },
    {
        "where": {"tags": {"none": {"eq": "a"}}, "organizations": {"none": {}}},
        "measures": [
            {"measure": "COUNT"},
            {"measure": "COUNT", "as": "light", "where": {"role": {"weight": {"lt": 50}}}},
        ],
        "groupBy": [{"field": "IS_2FA_ENABLED"}, {"field": "IS_SAML"}],
    },
]


async def told(service: Service, at: str | None = None) -> list[Any]:
    return [await report(service, **asked, asOf=at) for asked in QUESTIONS]


async def test_what_a_report_said_it_says_as_of_then(service: Service) -> None:
    """A random history, made through the API."""
    hand, said = Hand(service, 29), {}
    for _ in range(6):
        for _ in range(8):
            await hand.step()
        at = await moment()
        said[at] = await told(service)
    assert len({str(each) for each in said.values()}) == len(said)
    for at, each in said.items():
        with service.statements() as statements:
            assert await told(service, at) == each, at
        assert len(beyond_who_asks(statements)) == len(QUESTIONS)


def statements_of(service: Service, moments: int) -> int:
    """One round trip to PostgreSQL. SQLite, which would keep much of each moment meanwhile, is asked one by one."""
    return moments if service.database.dialect.name == "sqlite" else 1


async def test_the_same_question_at_the_end_of_each_interval(service: Service) -> None:
    """Users have a past since they were made, what they hang on as long as they."""
    await furnish(service)
    for table in ("roles", "role_names", "groups", "organizations", "identity_providers"):
        first = f"SELECT MIN(id) FROM {table}_history GROUP BY row_id"
        old = datetime(2019, 1, 1, tzinfo=UTC)
        await service.write(f"UPDATE {table}_history SET valid_from = $1 WHERE id IN ({first})", old)
    dice = random.Random(1)
    for question in ({"measures": [{"measure": "COUNT"}, {"measure": "SHARE", "where": {"isActive": {"eq": True}}}]},
                     *dice.sample(QUESTIONS, 3)):  # fmt: skip
        axis = {"from": "2020-11-15T10:00:00Z", "to": "2025-10-02T00:00:00Z", "every": "QUARTER"}
        with service.statements() as statements:
            found = await report(service, **question, asOfEach=axis, first=10)
        assert len(beyond_who_asks(statements)) == statements_of(service, 21)
        ends = [datetime(year, month, 1, tzinfo=UTC) - timedelta(microseconds=1)
                for year in range(2021, 2026) for month in (1, 4, 7, 10)]  # fmt: skip
        moments = [rfc3339(each) for each in ends] + ["2025-10-02T00:00:00.000000Z"]
        oracle = await Oracle.of(service, "admin")
        each = [await answer(service, oracle, {**question, "asOf": at, "first": 10}, "admin") for at in moments]
        assert found == {
            "rows": [{"asOf": at, **row} for at, said in zip(moments, each, strict=True) for row in said["rows"]],
            "total": each[-1]["total"],
            "hasMore": any(said["hasMore"] for said in each),
        }
    assert each[-1]["total"] > 0


async def test_headcount_by_month_for_two_years_is_one_call(service: Service) -> None:
    await furnish(service)
    start = now() - timedelta(days=730)
    axis = {"from": start.isoformat(), "every": "MONTH"}
    with service.statements() as statements:
        found = await report(service, groupBy=[{"field": "IS_ACTIVE"}], asOfEach=axis)
    months = sorted({row["asOf"] for row in found["rows"]})
    assert len(beyond_who_asks(statements)) == statements_of(service, len(months))
    assert len(months) in (24, 25)
    assert months[-1] > (now() - timedelta(minutes=5)).isoformat()
    assert all(month.endswith("T23:59:59.999999Z") for month in months[:-1])
    assert sum(row["count"] for row in found["rows"] if row["asOf"] == months[-1]) == found["total"] == 69
    before = sum(turn <= start for turn in TURNS)
    assert 0 < before < len(TURNS)
    counts = [sum(row["count"] for row in found["rows"] if row["asOf"] == month) for month in months]
    assert counts == sorted(counts)
    assert counts[0] < counts[-1]


async def test_a_report_of_moments_is_a_table_with_the_moment_first(service: Service) -> None:
    document = """query($axis: ReportAxis!) { userReport(asOfEach: $axis) { columns { name title kind isMeasure } rows
        total hasMore } }"""
    axis = {"from": "2019-12-30T00:00:00Z", "to": "2020-01-08T12:00:00Z", "every": "WEEK"}
    assert (await service.data(document, {"axis": axis}))["userReport"] == {
        "columns": [
            {"name": "asOf", "title": "As of", "kind": "INSTANT", "isMeasure": False},
            {"name": "count", "title": "Users", "kind": "NUMBER", "isMeasure": True},
        ],
        "rows": [
            {"asOf": "2020-01-05T23:59:59.999999Z", "count": 0},
            {"asOf": "2020-01-08T12:00:00.000000Z", "count": 0},
        ],
        "total": 0,
        "hasMore": False,
    }
    none = await report(service, groupBy=[{"field": "ROLE"}], asOfEach=axis)
    assert none == {"rows": [], "total": 0, "hasMore": False}
    body = await service.ask(document, {"axis": axis})
    assert body["extensions"]["cost"]["rows"] == 130_000


WRONG: dict[str, tuple[dict[str, Any], list[str | int], str]] = {
    "both": (
        {"asOf": "2026-01-01T00:00:00Z", "asOfEach": {"from": "2026-01-01T00:00:00Z", "every": "DAY"}},
        ["asOfEach"],
        "Give asOf or asOfEach, not both.",
    ),
    "the future": (
        {"asOf": "2200-01-01T00:00:00Z"},
        ["asOf"],
        "asOf is in the future. Name a time that has been, or leave it out for now.",
    ),
    "to the future": (
        {"asOfEach": {"from": "2026-01-01T00:00:00Z", "to": "2200-01-01T00:00:00Z", "every": "YEAR"}},
        ["asOfEach", "to"],
        "to lies in the future. Name a moment that has been, or leave it out.",
    ),
    "backwards": (
        {"asOfEach": {"from": "2025-01-02T00:00:00Z", "to": "2025-01-01T00:00:00Z", "every": "YEAR"}},
        ["asOfEach", "from"],
        "from lies behind to.",
    ),
    "too many": (
        {"asOfEach": {"from": "2025-01-01T00:00:00Z", "to": "2025-05-01T00:00:00Z", "every": "DAY"}},
        ["asOfEach", "every"],
        "This has more than 120 moments. Ask for longer intervals, or fewer.",
    ),
    "its column": (
        {
            "measures": [{"measure": "COUNT", "as": "asOf"}],
            "asOfEach": {"from": "2025-01-01T00:00:00Z", "every": "YEAR"},
        },
        ["measures", 0, "as"],
        "The column asOf stands twice. Give one of them another name with as.",
    ),
    "in its order": (
        {"orderBy": [{"column": "asOf"}], "asOfEach": {"from": "2025-01-01T00:00:00Z", "every": "YEAR"}},
        ["orderBy", 0, "column"],
        "The report has no column asOf. There are count.",
    ),
}


@pytest.mark.parametrize("name", WRONG)
async def test_a_wrong_moment_is_refused_by_name(service: Service, name: str) -> None:
    asked, path, message = WRONG[name]
    (error,) = (await service.ask(REPORT, asked))["errors"]
    assert error == {
        "message": message,
        "path": ["userReport"],
        "extensions": {"code": "INVALID", "argument": path},
    }


async def test_what_has_no_history_is_refused_by_name(service: Service) -> None:
    asked = {
        "groupBy": [{"field": "LAST_USE_AGE"}, {"field": "ROLE"}],
        "measures": [{"measure": "LAST", "of": "LAST_LOGIN_AT"}],
        "where": {"invitations": {"some": {}}},
        "search": "x",
    }
    fields = ["User.lastLoginAt", "User.lastApiRequestAt", "User.invitations", "search"]
    for past in ({"asOf": "2026-01-01T00:00:00Z"}, {"asOfEach": {"from": "2026-01-01T00:00:00Z", "every": "YEAR"}}):
        with service.statements() as statements:
            (error,) = (await service.ask(REPORT, {**asked, **past}))["errors"]
        assert error["extensions"] == {"code": "WITHOUT_HISTORY", "fields": fields}
        assert error["path"] == ["userReport"]
        assert beyond_who_asks(statements) == []


async def test_the_past_is_for_who_reads_the_log_and_of_the_users_they_see(service: Service) -> None:
    past = (now() - timedelta(days=1)).isoformat()
    for argument, asked in (("asOf", past), ("asOfEach", {"from": past, "every": "YEAR"})):
        (error,) = (await service.ask(REPORT, {argument: asked}, who="normal"))["errors"]
        assert error["extensions"] == {"code": "FORBIDDEN"}
    assert await rows(service, "orgadmin", asOf=past) == [{"count": 2}]
    at = await moment()
    await service.write("DELETE FROM organization_members WHERE user_id = 8")
    assert await rows(service, "orgadmin", asOf=at) == [{"count": 2}]
    assert await rows(service, "orgadmin") == [{"count": 1}]
