"""Apollo Client, urql's graphcache and Relay against a served directory: two times of one object stay two objects."""

import asyncio
import os
import socket
from collections.abc import AsyncIterator

import pytest
import uvicorn

from tests import client_caches
from tests.history import moment
from tests.mutations import ask
from tests.playground import need
from tests.service import Service, key_of

NAME = "Renamed member"


@pytest.fixture
async def address(service: Service) -> AsyncIterator[str]:
    """The service at a socket of this process."""
    listening = socket.create_server(("127.0.0.1", 0))
    server = uvicorn.Server(uvicorn.Config(service.app, lifespan="off", log_config=None))
    task = asyncio.create_task(server.serve(sockets=[listening]))
    yield f"http://127.0.0.1:{listening.getsockname()[1]}"
    server.should_exit = True
    await task


async def change(service: Service, name: str, given: dict[str, object]) -> None:
    assert (await ask(service, name, given, "errors { code message }"))["errors"] == []


async def run_node(script: str, **env: str) -> str:
    """What a script of the clients' tests says, which must pass."""
    node = client_caches.node()
    need(node, "no Node.js on this machine: run python -m graph.playground.install")
    need(client_caches.is_installed(), "no client libraries: run python -m tests.client_caches")
    process = await asyncio.create_subprocess_exec(
        str(node),
        "--test",
        str(client_caches.FOLDER / script),
        env={**os.environ, **env},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    try:
        said, _ = await asyncio.wait_for(process.communicate(), 120)
    finally:
        if process.returncode is None:
            process.kill()
    assert process.returncode == 0, said.decode()
    return said.decode()


async def test_two_times_of_an_object_stay_two_in_every_cache(service: Service, address: str) -> None:
    await change(service, "createRole", {"name": "Helper", "weight": 40, "permissions": ["LIST_USERS"]})
    await change(service, "updateUser", {"id": "user_8", "role": {"name": "Helper"}})
    at = await moment()
    await change(service, "updateUser", {"id": "user_8", "name": NAME})
    await change(service, "updateRole", {"id": "role_6", "name": "Renamed role"})
    await change(service, "updateGroup", {"id": "group_1", "name": "Renamed group"})
    said = await run_node("past.test.mjs", ADDRESS=address, KEY=key_of("admin"), AT=at, NAME=NAME)
    assert "# pass 15" in said
    assert await service.scalar("SELECT name FROM users WHERE id = 8") == NAME
