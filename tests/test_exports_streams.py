"""Exports on their way: one snapshot, a few rows in memory, and no connection lost however they end."""

import asyncio
import os
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from graph import export_rows, export_sheets, runs
from graph.export_texts import CsvWriter
from models.settings import Settings
from tests.exporting import MEDIA, Client, by_csv, by_openpyxl, fetch, many_groups, refusal, whole
from tests.service import Service, beyond_who_asks

QUERY = "{ groups(orderBy: [{field: ID}]) { nodes { name users { nodes { username } } } } }"
SETTINGS = Settings()
COUNT = 4_500
EVERYTHING = [{"name": "Web work", "users": "member"}, {"name": "IT works", "users": ""}] + [
    {"name": f"Team {n}", "users": "it|pm"} for n in range(1, COUNT + 1)
]


@pytest.fixture(autouse=True)
def _own_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Temporary files that no other test makes."""
    monkeypatch.setattr(export_sheets, "PREFIX", f"export-of-{tmp_path.name}-{os.getpid()}-")


def in_use(service: Service) -> int:
    return int(service.database.connections()[0])


def left_behind() -> list[Path]:
    return list(Path(tempfile.gettempdir()).glob(f"{export_sheets.PREFIX}*"))


async def still_serves(service: Service) -> None:
    """Nothing is held by an export that has ended."""
    for _ in range(500):  # uses of keys are recorded beside
        if in_use(service) == 0:
            break
        await asyncio.sleep(0.01)
    assert in_use(service) == 0
    answers = await asyncio.gather(*(service.data("{ users { totalCount } }") for _ in range(20)))
    assert answers == [{"users": {"totalCount": 9}}] * 20
    assert by_csv(await whole(service, QUERY, "csv")) == EVERYTHING
    assert left_behind() == []


@pytest.mark.parametrize("format", MEDIA)
async def test_every_row_comes_once_in_order_and_in_pieces(service: Service, format: str) -> None:
    await many_groups(service, COUNT)
    client = Client(service, QUERY, format)
    await client.take()
    assert client.is_whole
    assert len(client.pieces) > 3 or format in ("xlsx", "parquet")
    if format == "csv":
        assert by_csv(client.body) == EVERYTHING
    if format == "xlsx":
        assert by_openpyxl(client.body) == [{**row, "users": row["users"] or None} for row in EVERYTHING]
    await still_serves(service)


async def test_it_is_one_statement_and_one_for_each_batch_of_lists(service: Service) -> None:
    await many_groups(service, COUNT)
    with service.statements() as seen:
        await whole(service, QUERY, "csv")
    found = beyond_who_asks(seen)
    assert len([each for each in found if each.startswith("SELECT 0")]) == 1
    size = SETTINGS.max_cost // (1 + SETTINGS.max_page)  # rows with lists as long as lists may be
    assert size < export_rows.BATCH
    assert len(found) == 1 + -(-len(EVERYTHING) // size)


async def test_what_changes_meanwhile_is_not_in_it(service: Service) -> None:
    await many_groups(service, COUNT)
    client = Client(service, QUERY)

    async def change() -> None:
        client.meanwhile = _nothing
        await service.write("DELETE FROM group_members")
        await service.write("DELETE FROM groups WHERE id > 3000")
        await service.write("UPDATE groups SET name = 'Changed ' || id")

    client.meanwhile = change
    await client.take()
    assert by_csv(client.body) == EVERYTHING
    after = by_csv(await whole(service, QUERY, "csv"))
    assert after[-1] == {"name": "Changed 3000", "users": ""}


async def _nothing() -> None:
    pass


@pytest.mark.parametrize("format", ["csv", "ndjson", "arrow"])
async def test_a_client_that_leaves_ends_it(service: Service, format: str) -> None:
    await many_groups(service, COUNT)
    client = Client(service, QUERY, format)

    async def leave() -> None:
        client.left.set()
        await asyncio.Event().wait()

    client.meanwhile = leave
    await client.take()
    assert (client.status, client.is_whole, len(client.pieces)) == (200, False, 1)
    await still_serves(service)


async def test_a_client_may_leave_at_any_moment(service: Service) -> None:
    await many_groups(service, COUNT)
    for format in ("csv", "xlsx", "parquet"):
        for steps in (0, 1, 2, 3, 5, 8, 13, 21, 34, 55, 89):
            client = Client(service, QUERY, format)
            task = asyncio.create_task(client.take())
            for _ in range(steps):
                await asyncio.sleep(0)
            if steps % 2:
                client.left.set()
            else:
                task.cancel()
            await asyncio.gather(task, return_exceptions=True)
    await still_serves(service)


async def test_a_client_that_takes_nothing_more_is_cut_off(service_with: Callable[..., Any]) -> None:
    async with service_with(export_seconds=1) as service:
        await many_groups(service, COUNT)
        client = Client(service, QUERY)

        async def stall() -> None:
            await asyncio.Event().wait()

        client.meanwhile = stall
        await asyncio.wait_for(client.take(), 30)
        assert (client.status, client.is_whole, len(client.pieces)) == (200, False, 1)
        await still_serves(service)


async def test_no_more_than_some_at_once(service_with: Callable[..., Any]) -> None:
    async with service_with(exports=2, database_pool=4) as service:
        await many_groups(service, COUNT)
        go_on = asyncio.Event()
        clients = [Client(service, QUERY, who=who) for who in ("admin", "it")]
        for client in clients:
            client.meanwhile = lambda: _wait(go_on)
        tasks = [asyncio.create_task(client.take()) for client in clients]
        while not all(client.pieces for client in clients):  # noqa: ASYNC110
            await asyncio.sleep(0.01)
        refused = await fetch(service, QUERY, "ndjson")
        assert (refused.status_code, refused.headers["retry-after"]) == (503, "1")
        assert refused.json()["errors"] == [
            {
                "message": "As many exports are under way here as may be at once. Try again in a moment.",
                "extensions": {"code": "SERVICE_UNAVAILABLE"},
            }
        ]
        assert await service.data("{ me { username } }") == {"me": {"username": "admin"}}
        assert len(by_csv(await whole(service, "{ roles { name } }", "csv"))) == 5, "it streams nothing"
        go_on.set()
        await asyncio.gather(*tasks)
        assert [by_csv(client.body) for client in clients] == [EVERYTHING] * 2
        await still_serves(service)


async def _wait(event: asyncio.Event) -> None:
    await event.wait()


async def test_one_connection_stays_for_others(service_with: Callable[..., Any]) -> None:
    async with service_with(exports=50, database_pool=2) as service:
        await many_groups(service, COUNT)
        client = Client(service, QUERY)

        async def ask() -> None:
            assert await refusal(service, QUERY) == (503, "SERVICE_UNAVAILABLE")
            assert await service.data("{ users { totalCount } }") == {"users": {"totalCount": 9}}

        client.meanwhile = ask
        await client.take()
        assert by_csv(client.body) == EVERYTHING


async def test_no_more_is_read_than_is_taken(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    await many_groups(service, COUNT)
    written, write = [0], CsvWriter.write

    def counted(self: CsvWriter, rows: Any) -> bytes:
        written[0] += len(rows)
        return write(self, rows)

    monkeypatch.setattr(CsvWriter, "write", counted)
    client = Client(service, QUERY)
    ahead: list[int] = []

    async def look() -> None:
        await asyncio.sleep(0.05)
        ahead.append(written[0] - len(client.pieces) * export_rows.BATCH)

    client.meanwhile = look
    await client.take()
    assert by_csv(client.body) == EVERYTHING
    assert max(ahead) <= export_rows.BATCH


async def test_what_fails_on_the_way_ends_without_an_end(
    service: Service, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    await many_groups(service, COUNT)
    client, spend = Client(service, QUERY), runs.Run.spend

    async def hinder() -> None:
        monkeypatch.setattr(runs.Run, "spend", _broken)

    client.meanwhile = hinder
    await client.take()
    monkeypatch.setattr(runs.Run, "spend", spend)
    assert client.status == 200
    assert not client.is_whole
    said = [record.getMessage() for record in caplog.records if record.name == "usergraph"]
    assert said == [f"the export of request {client.headers['x-request-id']} broke off"]
    text = (await service.client.get("/metrics")).text
    assert 'usergraph_requests_total{operation="anonymous",outcome="failed"} 1.0' in text
    await still_serves(service)


def _broken(self: runs.Run, values: int) -> None:
    raise RuntimeError("out of order")


async def test_a_sheet_that_is_too_long_is_refused_before_anything_is_sent(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    await many_groups(service, COUNT)
    monkeypatch.setattr(export_sheets, "MOST_ROWS", COUNT + 1)
    assert await refusal(service, QUERY, "xlsx") == (400, "TOO_MANY_ROWS")
    monkeypatch.setattr(export_sheets, "MOST_ROWS", COUNT + 2)
    assert len(by_openpyxl(await whole(service, QUERY, "xlsx"))) == COUNT + 2
    await still_serves(service)
