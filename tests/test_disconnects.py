"""Clients that go away: their mutation is stored whole or not at all, and nobody after them notices."""

import asyncio
import contextlib
import json
from typing import Any

from starlette.types import Message

from tests.service import Service, key_of

UPSERT = "mutation($users: [UpsertUserInput!]!) { upsertUsers(input: {users: $users}) { summary { created } } }"
ROWS = 20


def request(prefix: str) -> bytes:
    users = [{"email": f"{prefix}-{number}@usergraph.test", "tags": ["gone"]} for number in range(ROWS)]
    return json.dumps({"query": UPSERT, "variables": {"users": users}}).encode()


async def asked(service: Service, messages: list[Message]) -> list[Message]:
    """The ASGI messages of an answer to a request that comes in these."""
    answers: list[Message] = []
    headers = [(b"content-type", b"application/json"), (b"x-apikey", key_of("admin").encode())]
    scope: dict[str, Any] = {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": "POST",
        "scheme": "http",
        "path": "/graphql",
        "raw_path": b"/graphql",
        "query_string": b"",
        "root_path": "",
        "headers": headers,
        "client": ("127.0.0.1", 1),
        "server": ("127.0.0.1", 80),
    }

    async def receive() -> Message:
        return messages.pop(0) if messages else {"type": "http.disconnect"}

    async def send(message: Message) -> None:
        answers.append(message)

    await service.app(scope, receive, send)
    return answers


async def stored(service: Service, prefix: str) -> tuple[int, int, int]:
    """Users, their tags and their audit events, after every transaction before has ended."""
    await service.data(f'mutation {{ createGroup(input: {{name: "After {prefix}"}}) {{ group {{ id }} }} }}')
    like = f"{prefix}-%"
    return (
        await service.scalar("SELECT COUNT(*) FROM users WHERE email LIKE $1", like),
        await service.scalar(
            "SELECT COUNT(*) FROM user_tags t JOIN users u ON u.id = t.user_id WHERE u.email LIKE $1", like
        ),
        await service.scalar("SELECT COUNT(*) FROM audit_events WHERE subject_label LIKE $1", like),
    )


async def test_a_body_that_breaks_off_stores_nothing(service: Service) -> None:
    whole = request("half")
    for parts in ([], [whole[:-1]], [whole[:10], whole[10:-2]], [b""]):
        messages: list[Message] = [{"type": "http.request", "body": part, "more_body": True} for part in parts]
        await asked(service, messages)
    assert await stored(service, "half") == (0, 0, 0)


async def test_a_client_that_is_gone_when_the_answer_comes_has_stored_all(service: Service) -> None:
    await asked(service, [{"type": "http.request", "body": request("whole"), "more_body": False}])
    assert await stored(service, "whole") == (ROWS, ROWS, ROWS)


async def test_a_request_cancelled_at_any_moment_is_stored_whole_or_not_at_all(service: Service) -> None:
    found = {}
    for steps in (*range(12), 15, 20, 30, 50, 80, 130, 210):
        prefix = f"cancelled{steps}"
        body: list[Message] = [{"type": "http.request", "body": request(prefix), "more_body": False}]
        task = asyncio.create_task(asked(service, body))
        for _ in range(steps):
            await asyncio.sleep(0)
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task
        found[steps] = await stored(service, prefix)
    assert set(found.values()) <= {(0, 0, 0), (ROWS, ROWS, ROWS)}
    assert found[0] == (0, 0, 0)
    # No connection was lost on the way: more requests than there are connections, at once and one by one.
    for _ in range(3):
        answers = await asyncio.gather(*(service.data("{ me { username } }") for _ in range(20)))
        assert answers == [{"me": {"username": "admin"}}] * 20
    assert await stored(service, "nobody") == (0, 0, 0)


async def test_reads_cancelled_at_any_moment_lose_no_connection(service: Service) -> None:
    query = json.dumps({"query": "{ users { nodes { username groups { nodes { name } } } totalCount } }"}).encode()
    for steps in range(40):
        body: list[Message] = [{"type": "http.request", "body": query, "more_body": False}]
        tasks = [asyncio.create_task(asked(service, list(body))) for _ in range(3)]
        for _ in range(steps):
            await asyncio.sleep(0)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    answers = await asyncio.gather(*(service.data("{ users { totalCount } }") for _ in range(30)))
    assert answers == [{"users": {"totalCount": 9}}] * 30
