"""What single reports answer, column by column and row by row."""

from datetime import UTC, datetime
from typing import Any

import pytest

from tests.reporting import report, rows
from tests.service import Service, beyond_who_asks

COUNTED = [{"measure": "COUNT"}]


async def at(service: Service, column: str, *moments: datetime | None) -> None:
    """The moments of the first users, and of all others the last one."""
    last = moments[-1]
    await service.write(f"UPDATE users SET {column} = $1", last)
    for number, moment in enumerate(moments, 1):
        await service.write(f"UPDATE users SET {column} = $1 WHERE id = $2", moment, number)


async def test_a_report_tells_its_columns_and_rows(service: Service) -> None:
    query = """{ userReport(
        groupBy: [{field: ROLE}, {field: IS_API_ONLY, as: "program"}, {field: CREATED_AT, every: YEAR}]
        measures: [{measure: COUNT}, {measure: SHARE, as: "part"}, {measure: LAST, of: LAST_LOGIN_AT}]
        orderBy: [{column: "count", direction: DESC}] first: 3) {
      __typename columns { __typename name title kind isMeasure } rows total hasMore } }"""
    await service.write("UPDATE users SET created_at = $1", datetime(2024, 2, 29, tzinfo=UTC))
    await service.write("UPDATE users SET last_login_at = $1 WHERE id = 8", datetime(2025, 1, 2, 3, 4, 5, 600, UTC))
    titles = {
        "role": ("Role", "TEXT", False),
        "roleId": ("Role id", "ID", False),
        "program": ("Program", "FLAG", False),
        "createdAt": ("Created (year)", "DATE", False),
        "count": ("Users", "NUMBER", True),
        "part": ("Part", "SHARE", True),
        "lastLastLoginAt": ("Last: Last login", "INSTANT", True),
    }
    assert (await service.data(query))["userReport"] == {
        "__typename": "UserReport",
        "columns": [
            {"__typename": "ReportColumn", "name": name, "title": title, "kind": kind, "isMeasure": is_measure}
            for name, (title, kind, is_measure) in titles.items()
        ],
        "rows": [
            dict(zip(titles, values, strict=True))
            for values in (
                ("Normal user", "role_4", False, "2024-01-01", 4, 4 / 9, "2025-01-02T03:04:05.000600Z"),
                ("Admin", "role_1", False, "2024-01-01", 1, 1 / 9, None),
                ("IT", "role_2", False, "2024-01-01", 1, 1 / 9, None),
            )
        ],
        "total": 9,
        "hasMore": True,
    }


async def test_without_dimensions_there_is_one_row_of_all(service: Service) -> None:
    assert await report(service) == {"total": 9, "hasMore": False, "rows": [{"count": 9}]}
    nobody = {"where": {"username": {"eq": "no such user"}}}
    measures = [{"measure": "COUNT"}, {"measure": "SHARE"}, {"measure": "FIRST", "of": "CREATED_AT"},
                {"measure": "DISTINCT", "of": "TAG"}]  # fmt: skip
    assert await report(service, measures=measures, **nobody) == {
        "total": 0,
        "hasMore": False,
        "rows": [{"count": 0, "share": None, "firstCreatedAt": None, "distinctTag": 0}],
    }
    empty = {"total": 0, "hasMore": False, "rows": []}
    assert await report(service, groupBy=[{"field": "GROUP"}], **nobody) == empty
    filled = [{"field": "CREATED_AT", "fill": True}, {"field": "ROLE"}]
    assert await report(service, groupBy=filled, **nobody) == empty
    none = await report(service, groupBy=[{"field": "ROLE"}], having=[{"column": "count", "gt": 100}])
    assert none == {"total": 9, "hasMore": False, "rows": []}
    assert await report(service, first=0) == {"total": 9, "hasMore": True, "rows": []}


async def test_users_in_several_groups_count_in_each_and_those_in_none_in_a_row_of_their_own(
    service: Service,
) -> None:
    await service.write(
        "INSERT INTO group_members (group_id, user_id, created_at) SELECT 2, 8, MIN(created_at) FROM users"
    )
    measures = [{"measure": "COUNT"}, {"measure": "SHARE"}]
    assert await report(service, groupBy=[{"field": "GROUP"}], measures=measures) == {
        "total": 9,
        "hasMore": False,
        "rows": [
            {"group": None, "groupId": None, "count": 8, "share": 8 / 9},
            {"group": "IT works", "groupId": "group_2", "count": 1, "share": 1 / 9},
            {"group": "Web work", "groupId": "group_1", "count": 1, "share": 1 / 9},
        ],
    }


async def test_organizations_count_as_what_they_lie_in_at_a_level(service: Service) -> None:
    join = (
        "INSERT INTO organization_members (organization_id, user_id, created_at) SELECT {}, {}, created_at FROM roles"
    )
    for organization, user in ((4, 8), (2, 2), (1, 3)):
        await service.write(f"{join.format(organization, user)} WHERE id = 1")

    async def counted(*levels: int | None) -> list[tuple[Any, ...]]:
        asked = [{"field": "ORGANIZATION", "level": level, "as": f"l{n}"} for n, level in enumerate(levels)]
        found = await rows(service, groupBy=asked)
        return [(*(each[f"l{n}"] for n in range(len(levels))), each["count"]) for each in found]

    # 6 orgadmin in Acme, 8 member in Acme East and now West, 9 outsider in Other, 2 in Acme, 3 in the platform itself.
    assert await counted(0) == [(None, 4), ("Platform", 5)]
    assert await counted(1) == [(None, 4), ("Acme", 3), ("Other", 1), ("Platform", 1)]
    deepest = [(None, 4), ("Acme", 2), ("Acme East", 1), ("Acme West", 1), ("Other", 1), ("Platform", 1)]
    assert await counted(2) == deepest
    assert await counted(100) == deepest
    assert await counted(None) == deepest
    assert await counted(1, 2) == [
        (None, None, 4),
        ("Acme", "Acme", 2),
        ("Acme", "Acme East", 1),
        ("Acme", "Acme West", 1),
        ("Other", "Other", 1),
        ("Platform", "Platform", 1),
    ]
    assert await counted(1, None) == await counted(1, 2)


@pytest.mark.parametrize(
    ("every", "buckets"),
    [
        ("YEAR", ["2020-01-01", "2020-01-01", "2021-01-01", "2024-01-01", "2025-01-01"]),
        ("QUARTER", ["2020-10-01", "2020-10-01", "2021-01-01", "2024-10-01", "2025-01-01"]),
        ("MONTH", ["2020-12-01", "2020-12-01", "2021-01-01", "2024-12-01", "2025-01-01"]),
        ("WEEK", ["2020-12-21", "2020-12-28", "2020-12-28", "2024-12-30", "2024-12-30"]),
        ("DAY", ["2020-12-27", "2020-12-28", "2021-01-03", "2024-12-31", "2025-01-05"]),
    ],
)
async def test_weeks_begin_on_monday_and_go_over_the_new_year(service: Service, every: str, buckets: list[str]) -> None:
    """Each user by themselves: the last moment of a Sunday, the first of a Monday, Sundays and a New Year's Eve."""
    moments = [
        datetime(2020, 12, 27, 23, 59, 59, 999999, tzinfo=UTC),
        datetime(2020, 12, 28, tzinfo=UTC),
        datetime(2021, 1, 3, 23, 59, 59, tzinfo=UTC),
        datetime(2024, 12, 31, 23, 59, 59, tzinfo=UTC),
        datetime(2025, 1, 5, tzinfo=UTC),
    ]
    await at(service, "created_at", *moments)
    dimension = {"field": "CREATED_AT", "every": every}
    for number, bucket in enumerate(buckets, 1):
        found = await rows(service, groupBy=[dimension], where={"id": {"eq": f"user_{number}"}})
        assert found == [{"createdAt": bucket, "count": 1}], moments[number - 1]


@pytest.mark.parametrize("every", ["YEAR", "QUARTER", "MONTH", "WEEK", "DAY"])
async def test_the_first_and_the_last_years_have_buckets(service: Service, every: str) -> None:
    first = datetime(1, 1, 1, 0, 0, 0, 1, tzinfo=UTC)  # asyncpg takes the ends of Python's time for infinity
    last = datetime(9999, 12, 31, 23, 59, 59, 999998, tzinfo=UTC)
    await at(service, "created_at", first, last)
    measures = [{"measure": "COUNT"}, {"measure": "FIRST", "of": "CREATED_AT"}]
    starts = {"YEAR": "9999-01-01", "QUARTER": "9999-10-01", "MONTH": "9999-12-01", "WEEK": "9999-12-27"}
    dimension = {"field": "CREATED_AT", "every": every}
    assert await rows(service, groupBy=[dimension], measures=measures) == [
        {"createdAt": "0001-01-01", "count": 1, "firstCreatedAt": "0001-01-01T00:00:00.000001Z"},
        {"createdAt": starts.get(every, "9999-12-31"), "count": 8, "firstCreatedAt": "9999-12-31T23:59:59.999998Z"},
    ]


async def test_filling_fills_gaps_and_leaves_never_where_it_is(service: Service) -> None:
    moments = [datetime(2025, month, 15, tzinfo=UTC) for month in (11, 12)] + [datetime(2026, 2, 1, tzinfo=UTC), None]
    await at(service, "last_login_at", *moments)
    dimension = {"field": "LAST_LOGIN_AT", "fill": True, "as": "month"}
    measures = [{"measure": "COUNT"}, {"measure": "LAST", "of": "LAST_LOGIN_AT", "as": "last"}]
    assert await rows(service, groupBy=[dimension], measures=measures) == [
        {"month": None, "count": 6, "last": None},
        {"month": "2025-11-01", "count": 1, "last": "2025-11-15T00:00:00.000000Z"},
        {"month": "2025-12-01", "count": 1, "last": "2025-12-15T00:00:00.000000Z"},
        {"month": "2026-01-01", "count": 0, "last": None},
        {"month": "2026-02-01", "count": 1, "last": "2026-02-01T00:00:00.000000Z"},
    ]


async def test_filling_several_axes_without_end_is_refused(service: Service) -> None:
    """As many buckets as no integer counts."""
    for number in range(4):
        column = ("created_at", "updated_at", "last_login_at", "last_api_request_at")[number]
        await service.write(f"UPDATE users SET {column} = '0007-01-01 00:00:00+00:00' WHERE id = 1")
        await service.write(f"UPDATE users SET {column} = '2026-01-01 00:00:00+00:00' WHERE id = 2")
    fields = ("CREATED_AT", "UPDATED_AT", "LAST_LOGIN_AT", "LAST_API_REQUEST_AT")
    axes = [
        {"field": field, "every": every, "fill": True, "as": f"{field}_{every}"}
        for field in fields
        for every in ("DAY", "WEEK")
    ]
    query = "query($by: [UserDimension!]) { userReport(groupBy: $by) { rows } }"
    (error,) = (await service.ask(query, {"by": axes}))["errors"]
    assert error["extensions"] == {"code": "INVALID", "argument": ["groupBy", 0, "fill"]}


async def test_filling_without_end_is_refused(service: Service) -> None:
    await at(service, "created_at", datetime(1, 1, 2, tzinfo=UTC), datetime(9998, 12, 31, tzinfo=UTC))
    query = """{ many: userReport(groupBy: [{field: ROLE}, {field: CREATED_AT, every: DAY, fill: true}]) { rows } }"""
    (error,) = (await service.ask(query))["errors"]
    message = "Filled, this would have more than 100000 buckets. Ask for longer ones, or fewer users."
    assert error == {
        "message": message,
        "path": ["many"],
        "extensions": {"code": "INVALID", "argument": ["groupBy", 1, "fill"]},
    }
    years = await report(service, groupBy=[{"field": "CREATED_AT", "every": "YEAR", "fill": True}], first=10_000)
    assert len(years["rows"]) == 9_998


async def test_one_tag_is_one_bucket_however_it_is_written(service: Service) -> None:
    for user, tag in ((1, "vip"), (2, "VIP"), (3, "Vip"), (3, "\u00c4"), (4, "a")):
        await service.write("INSERT INTO user_tags (user_id, value, value_key) VALUES ($1, $2, $3)",
                            user, tag, tag.casefold())  # fmt: skip
    found = await rows(service, groupBy=[{"field": "TAG"}])
    assert [(each["tag"], each["count"]) for each in found] == [(None, 5), ("VIP", 3), ("a", 1), ("\u00c4", 1)]
    split = await rows(service, groupBy=[{"field": "TAG"}, {"field": "ROLE"}], where={"tags": {"some": {"eq": "vip"}}})
    assert {each["tag"] for each in split} == {"VIP", "\u00c4"}


async def test_several_reports_fragments_and_aliases_are_one_document(service: Service) -> None:
    query = """query ($no: Boolean = false, $roles: [UserDimension!] = [{field: ROLE}]) {
      a: userReport(groupBy: $roles) { ...Table more: hasMore @skip(if: $no) total @include(if: $no) }
      b: userReport(where: {isActive: {eq: true}}) { ...Table }
      c: userReport { ... on UserReport { total } }
      d: userReport(groupBy: [{field: VARIABLE, name: "Cost centre"}]) { columns { title } }
      users { totalCount } }
      fragment Table on UserReport { table: rows ...Names } fragment Names on UserReport { columns { n: name } }"""
    with service.statements() as statements:
        data = await service.data(query)
    assert len(beyond_who_asks(statements)) == 4  # none for what asks for columns alone
    roles = [("Admin", 1), ("IT", 2), ("Normal user", 4), ("Project manager", 1), ("Read only", 1)]
    ids = {"Admin": 1, "IT": 2, "Project manager": 3, "Normal user": 4, "Read only": 5}
    assert data == {
        "a": {
            "table": [{"role": name, "roleId": f"role_{ids[name]}", "count": count} for name, count in roles],
            "columns": [{"n": "role"}, {"n": "roleId"}, {"n": "count"}],
            "more": False,
        },
        "b": {"table": [{"count": 9}], "columns": [{"n": "count"}]},
        "c": {"total": 9},
        "d": {"columns": [{"title": "Cost centre"}, {"title": "Users"}]},
        "users": {"totalCount": 9},
    }


async def test_a_report_has_a_cost(service: Service) -> None:
    async def cost(arguments: str, **variables: Any) -> int:
        declared = "($n: Int)" if variables else ""
        body = await service.ask(
            f"query Q{declared} {{ userReport{arguments} {{ columns {{ name }} rows }} }}", variables
        )
        return int(body["extensions"]["cost"]["rows"])

    assert await cost("") == 2_000
    assert await cost("(first: 10)") == 1_010
    assert await cost("(first: $n)", n=10_000) == 11_000
