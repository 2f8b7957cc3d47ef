"""Health and readiness: what an orchestrator asks, also while the database is away."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from typing import Any

import httpx

from tests.postgres import Server
from tests.service import Service, running

ME = {"query": "{ me { id } }"}
AWAY = {"status": "the database does not answer"}


async def states(service: Service) -> list[tuple[int, Any]]:
    """What /healthz, /readyz and a query answer, asked at once."""
    asked = service.client.get("/healthz"), service.client.get("/readyz"), service.post(ME)
    found: list[httpx.Response] = list(await asyncio.gather(*asked))
    for answer in found:
        assert answer.headers["content-type"].startswith("application/json")
        assert (answer.headers.get("retry-after") == "1") is (answer.status_code == 503)
    query = found[2].json()
    told = query["errors"][0]["extensions"]["code"] if "errors" in query else query["data"]
    return [
        (found[0].status_code, found[0].json()),
        (found[1].status_code, found[1].json()),
        (found[2].status_code, told),
    ]


WELL = [(200, {"status": "ok"}), (200, {"status": "ok"}), (200, {"me": {"id": "user_1"}})]
ILL = [(200, {"status": "ok"}), (503, AWAY), (503, "SERVICE_UNAVAILABLE")]


async def test_a_running_service_is_healthy_and_ready_and_says_so_to_strangers(service: Service) -> None:
    assert await states(service) == WELL
    for path in ("/healthz", "/readyz"):
        assert (await service.client.head(path)).status_code == 200
        assert (await service.client.post(path)).status_code == 405


async def test_without_a_free_connection_the_process_is_healthy_but_not_ready(service_with: Callable[..., Any]) -> None:
    async with service_with(database_pool=1, database_wait=1) as service:
        async with service.database.reading():
            assert await states(service) == ILL
        assert await states(service) == WELL


class Line:
    """A connection to PostgreSQL that can be cut and mended."""

    def __init__(self, server: Server) -> None:
        self._server = server
        self._open: set[asyncio.StreamWriter] = set()
        self._listener: asyncio.Server | None = None
        self.port = 0

    async def mend(self) -> None:
        self._listener = await asyncio.start_server(self._join, "127.0.0.1", self.port)
        self.port = self._listener.sockets[0].getsockname()[1]

    async def cut(self) -> None:
        assert self._listener is not None
        self._listener.close()
        for writer in list(self._open):
            writer.transport.abort()
        await self._listener.wait_closed()

    async def _join(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there, back = await asyncio.open_connection("127.0.0.1", self._server.port)
        self._open |= {writer, back}
        await asyncio.gather(_carry(reader, back), _carry(there, writer))
        self._open -= {writer, back}


async def _carry(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(ConnectionError):
        while part := await reader.read(65_536):
            writer.write(part)
            await writer.drain()
    writer.transport.abort()


@contextlib.asynccontextmanager
async def on_a_line(postgres: Server, database: str) -> AsyncIterator[tuple[Service, Line]]:
    line = Line(postgres)
    await line.mend()
    url = postgres.url(database).replace(f":{postgres.port}/", f":{line.port}/")
    async with running(url, database_wait=1) as service:
        yield service, line
    await line.cut()


async def test_while_postgresql_is_away_the_process_stays_and_is_ready_again_when_it_is_back(
    postgres: Server, postgres_template: str
) -> None:
    async with on_a_line(postgres, postgres_template) as (service, line):
        for _ in range(2):
            assert await states(service) == WELL
            before = await service.snapshot()
            await line.cut()
            for _ in range(2):
                assert await states(service) == ILL
                change = 'mutation { updateUser(input: {id: "user_4", name: "Lost"}) { changedFields } }'
                answer = await service.post({"query": change})
                assert (answer.status_code, answer.headers["retry-after"]) == (503, "1")
                assert [e["extensions"]["code"] for e in answer.json()["errors"]] == ["SERVICE_UNAVAILABLE"]
            await line.mend()
            assert await states(service) == WELL
            assert await service.snapshot() == before
