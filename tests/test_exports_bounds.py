"""What an export is held to: nothing is cut silently, and nobody holds a place for ever."""

import asyncio
import contextlib
import itertools
from collections.abc import Callable
from typing import Any

import pytest

from graph import downloads, export_reports, export_sheets
from resolvers import reports_questions
from tests.exporting import (
    Client,
    by_arrow,
    by_csv,
    by_lines,
    by_openpyxl,
    by_parquet,
    fetch,
    refusal,
    whole,
)
from tests.service import Service, key_of
from tests.test_exports_streams import COUNT, EVERYTHING, QUERY, many_groups, still_serves
from tests.test_reading import furnished

REPORT = """query($first: Int) { userReport(first: $first,
  groupBy: [{field: ROLE}, {field: CREATED_AT}, {field: IS_LDAP}],
  measures: [{measure: COUNT}, {measure: SHARE}, {measure: LAST, of: CREATED_AT}]) { rows } }"""


async def test_a_report_is_a_table_in_every_format(service: Service) -> None:
    rows = (await service.data(REPORT))["userReport"]["rows"]
    names = list(rows[0])
    assert len(rows) > 3
    assert by_lines(await whole(service, REPORT, "ndjson")) == rows
    table = by_csv(await whole(service, REPORT, "csv"))
    assert [list(row) for row in table] == [names] * len(rows)
    assert [(row["role"], row["createdAt"], int(row["count"]), float(row["share"])) for row in table] == [
        (row["role"], row["createdAt"], row["count"], row["share"]) for row in rows
    ]
    for read, format in ((by_arrow, "arrow"), (by_parquet, "parquet")):
        found = read(await whole(service, REPORT, format))
        assert found.column_names == names
        assert found.column("count").to_pylist() == [row["count"] for row in rows]
        assert [each.isoformat() for each in found.column("createdAt").to_pylist()] == [r["createdAt"] for r in rows]
        assert found.column("isLdap").to_pylist() == [row["isLdap"] for row in rows]
    assert len(by_openpyxl(await whole(service, REPORT, "xlsx"))) == len(rows)


async def test_a_report_with_more_rows_than_it_may_have_is_refused(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = (await service.data(REPORT))["userReport"]["rows"]
    monkeypatch.setattr(export_reports, "MOST_ROWS", 2)
    assert await refusal(service, REPORT) == (400, "TOO_MANY_ROWS")
    assert len(by_csv(await whole(service, REPORT, "csv", variables={"first": 3}))) == 3
    monkeypatch.setattr(export_reports, "MOST_ROWS", len(rows))
    assert len(by_csv(await whole(service, REPORT, "csv"))) == len(rows)
    monkeypatch.setattr(export_reports, "MOST_ROWS", reports_questions.MOST_ROWS)
    monkeypatch.setattr(reports_questions, "DEFAULT_ROWS", 2)
    assert len(by_csv(await whole(service, REPORT, "csv"))) == len(rows), "the default is of answers"


async def test_a_list_in_a_row_is_longer_than_a_page_by_default(service_with: Callable[..., Any]) -> None:
    async with service_with(default_page=2) as service:
        await furnished(service)
        for number in range(5):
            made = await service.scalar("SELECT COALESCE(MAX(id), 0) + 1 FROM groups")
            await service.write(
                "INSERT INTO groups (id, name, name_key, created_at, updated_at)"
                " SELECT $1, $2, $2, created_at, created_at FROM users WHERE id = 1",
                made,
                f"long {number}",
            )
            await service.write(
                "INSERT INTO group_members (group_id, user_id, created_at)"
                " SELECT $1, 9, created_at FROM users WHERE id = 1",
                made,
            )
        query = '{ users(where: {id: {eq: "user_9"}}) { nodes { groupCount groups%s { nodes { name } } } } }'
        (row,) = by_csv(await whole(service, query % "", "csv"))
        assert len(row["groups"].split("|")) == int(row["groupCount"]) > 4
        (row,) = by_csv(await whole(service, query % "(first: 3)", "csv"))
        assert len(row["groups"].split("|")) == 3


async def test_a_sheet_of_too_many_cells_is_refused(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    columns = len(EVERYTHING[0])
    await many_groups(service, COUNT)
    monkeypatch.setattr(export_sheets, "MOST_CELLS", len(EVERYTHING) * columns - 1)
    assert await refusal(service, QUERY, "xlsx") == (400, "TOO_MANY_ROWS")
    monkeypatch.setattr(export_sheets, "MOST_CELLS", len(EVERYTHING) * columns)
    assert len(by_openpyxl(await whole(service, QUERY, "xlsx"))) == len(EVERYTHING)
    await still_serves(service)


async def test_a_place_is_held_until_the_file_is_sent(service_with: Callable[..., Any]) -> None:
    """A sheet is read whole before its first byte goes out: its connection is free then, its place is not."""
    async with service_with(exports=1, database_pool=4) as service:
        await many_groups(service, COUNT)
        client = Client(service, QUERY, format="xlsx")
        refused: list[tuple[int, str]] = []

        async def ask() -> None:
            if not refused:
                refused.append(await refusal(service, QUERY))

        client.meanwhile = ask
        await client.take()
        assert refused == [(503, "SERVICE_UNAVAILABLE")]
        await still_serves(service)


async def test_with_one_connection_there_is_no_place(service_with: Callable[..., Any]) -> None:
    async with service_with(database_pool=1) as service:
        await many_groups(service, COUNT)
        assert await refusal(service, QUERY) == (503, "SERVICE_UNAVAILABLE")
        assert await service.data("{ me { id } }") == {"me": {"id": "user_1"}}


@pytest.mark.parametrize(("places", "share"), [(1, 1), (2, 1), (5, 2)])
async def test_one_user_has_half_of_the_places(service_with: Callable[..., Any], places: int, share: int) -> None:
    async with service_with(exports=places, database_pool=12) as service:
        await many_groups(service, COUNT)
        found: list[tuple[int, str]] = []
        messages: list[str] = []
        others: list[int] = []

        def asking(left: int) -> Callable[[], Any]:
            """Another export of the same user while one is under way, and the last one of somebody else."""
            is_asked = False

            async def ask() -> None:
                nonlocal is_asked
                if is_asked:
                    return
                is_asked = True
                if left:
                    client = Client(service, QUERY, format="csv")
                    client.meanwhile = asking(left - 1)
                    await client.take()
                    return
                found.append(await refusal(service, QUERY))
                messages.append((await fetch(service, QUERY, "csv")).json()["errors"][0]["message"])
                others.append((await fetch(service, QUERY, "csv", who="it")).status_code)

            return ask

        client = Client(service, QUERY, format="csv")
        client.meanwhile = asking(share - 1)
        await client.take()
        assert found == [(503, "SERVICE_UNAVAILABLE")]
        whose = "of yours are" if places > 1 else "are"
        assert messages == [f"As many exports {whose} under way here as may be at once. Try again in a moment."]
        assert others == [200 if places > 1 else 503]
        assert by_csv((await fetch(service, QUERY, "csv")).content)


@pytest.mark.parametrize("format", ["csv", "ndjson", "arrow", "parquet", "xlsx"])
async def test_an_export_of_less_than_a_batch_needs_no_place(service_with: Callable[..., Any], format: str) -> None:
    async with service_with(exports=1, database_pool=4) as service:
        await many_groups(service, COUNT)
        statuses: list[int] = []
        short = QUERY.replace("orderBy", "first: 200, orderBy")
        few = "{ users { nodes { id username } } }"

        async def ask() -> None:
            if not statuses:
                for query in (short, few, QUERY):
                    statuses.append((await fetch(service, query, format)).status_code)

        client = Client(service, QUERY, format="csv")
        client.meanwhile = ask
        await client.take()
        assert statuses == [200, 200, 503]
        await still_serves(service)


async def test_a_short_export_gives_its_connection_back_before_it_is_sent(
    service_with: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    async with service_with(exports=1, database_pool=4) as service:
        await many_groups(service, COUNT)
        ended: list[bool] = []
        seen: list[bool] = []
        finish = service.database._end

        async def end(stream: Any) -> None:
            await finish(stream)
            ended.append(True)

        async def look() -> None:
            seen.append(bool(ended))

        monkeypatch.setattr(service.database, "_end", end)
        for query, is_back in (("{ users { nodes { id } } }", True), (QUERY, False)):
            ended.clear()
            seen.clear()
            client = Client(service, query, format="csv")
            client.meanwhile = look
            await client.take()
            assert seen[0] is is_back, query


async def test_who_takes_a_little_now_and_then_is_cut_off(monkeypatch: pytest.MonkeyPatch) -> None:
    """By a clock that goes on by nine tenths of what is allowed whenever a piece is taken."""
    clock = itertools.count(0, 0.45)
    monkeypatch.setattr(downloads, "monotonic", lambda: next(clock))
    taken = []

    async def send(message: Any) -> None:
        taken.append(message)
        await asyncio.sleep(0)

    for size, most in ((100, 5), (1_000_000, 50)):
        taken.clear()
        patience = downloads._Patience(1)
        with contextlib.suppress(downloads._Untaken):
            for _ in range(50):
                await patience.send(send, b"x" * size)
        assert (len(taken) < most) is (size == 100), size


async def test_the_headers_of_a_saved_report_hold_no_place(service: Service) -> None:
    answer = await service.client.head(
        "/reports/posture", params={"format": "csv"}, headers={"x-apikey": key_of("admin")}
    )
    assert (answer.status_code, answer.content) == (200, b"")
    assert (await fetch(service, "{ roles { name } }", "csv")).status_code == 200
