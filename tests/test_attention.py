"""Whoever leaves is not read for any longer, and nothing is read for longer than anybody waits."""

import asyncio
import gc
import json
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from urllib.parse import quote

import asyncpg
import pytest
from starlette.types import Message

from models import pools_postgres, pools_sqlite
from tests.saved_reports import saved
from tests.service import Service, key_of, running

TAGS = "{ userReport(groupBy: [{field: TAG}, {field: EMAIL_DOMAIN}], measures: [{measure: COUNT}]) { rows } }"
QUESTIONS = {
    "POST": ("/graphql", ""),
    "GET": ("/graphql", f"query={quote(TAGS)}"),
    "a saved report": ("/reports/tags", ""),
    "a file of one": ("/reports/tags", "format=csv"),
    "the feed": ("/odata/Users", "$select=username,tags&$filter=state%20eq%20'ACTIVE'"),
}


@asynccontextmanager
async def slow(service: Service) -> AsyncIterator[None]:
    """Whatever reads tags in a thread of its own takes seconds, or until this ends."""
    if service.database.dialect.name == "sqlite":
        async with AsyncExitStack() as stack:
            for _ in range(service.database.connections()[2] - 1):
                raw = (await stack.enter_async_context(service.database.reading())).raw.connection
                for function, answer in (("json_array", "[]"), ("instr", 1)):
                    raw.create_function(function, -1, lambda *_, it=answer: time.sleep(0.5) or it)  # type: ignore[misc]
        yield
        return
    other = await asyncpg.connect(service.database.url)
    try:
        async with other.transaction():
            await other.execute("LOCK TABLE user_tags IN ACCESS EXCLUSIVE MODE")
            yield
    finally:
        await other.close()


async def left(service: Service, method: str, path: str, query: str, body: bytes = b"") -> list[Message]:
    """What is sent to a client who leaves as soon as it is known that the question takes long."""
    answers: list[Message] = []
    messages: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

    async def receive() -> Message:
        return messages.pop(0) if messages else {"type": "http.disconnect"}

    async def send(message: Message) -> None:
        answers.append(message)

    scope = {
        "type": "http",
        "method": method,
        "scheme": "http",
        "path": path,
        "raw_path": path.encode(),
        "query_string": query.encode(),
        "root_path": "",
        "headers": [(b"content-type", b"application/json"), (b"x-apikey", key_of("admin").encode())],
        "client": ("127.0.0.1", 1),
        "server": ("127.0.0.1", 80),
    }
    await asyncio.wait_for(service.app(scope, receive, send), 60)
    return answers


async def tag(service: Service) -> None:
    """Many rows to be slow about."""
    rows = ", ".join(f"(4, 't{number}', 't{number}')" for number in range(40))
    await service.write(f"INSERT INTO user_tags (user_id, value, value_key) VALUES {rows}")


@pytest.mark.parametrize("name", QUESTIONS)
async def test_what_takes_long_ends_where_the_client_leaves(
    service: Service, name: str, caplog: pytest.LogCaptureFixture
) -> None:
    path, query = QUESTIONS[name]
    method, body = ("POST", json.dumps({"query": TAGS}).encode()) if name == "POST" else ("GET", b"")
    await saved(service, "tags", document=TAGS)
    await tag(service)
    caplog.set_level("WARNING")
    async with slow(service):
        assert await left(service, method, path, query, body) == []
        used, idle, _ = service.database.connections()
        assert (used, idle > 0) == (0, True)
    gc.collect()
    assert caplog.messages == []
    assert (await service.data("{ users { totalCount } }"))["users"]["totalCount"] == 9


async def test_however_many_wait_for_what_takes_long_others_are_answered(service: Service) -> None:
    await tag(service)
    async with slow(service):
        asking = [asyncio.create_task(service.post({"query": TAGS})) for _ in range(12)]
        most = service.database.connections()[2]
        for _ in range(500):
            if most - service.database.connections()[0] <= 2:  # SQLite's writer, and the one that stays
                break
            await asyncio.sleep(0.01)
        for _ in range(3):
            answer = await asyncio.wait_for(service.data("{ me { username } }"), 4)
            assert answer == {"me": {"username": "admin"}}
        for each in asking:
            each.cancel()
        await asyncio.gather(*asking, return_exceptions=True)
    assert (await service.data("{ users { totalCount } }"))["users"]["totalCount"] == 9


async def test_what_takes_longer_than_anybody_waits_is_broken_off(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in (pools_sqlite, pools_postgres):
        monkeypatch.setattr(module, "LONGEST", 1)
    async with running(database_url) as service:
        await tag(service)
        async with slow(service):
            assert await service.codes(TAGS) == ["TOO_SLOW"]
        assert (await service.data("{ users { totalCount } }"))["users"]["totalCount"] == 9
