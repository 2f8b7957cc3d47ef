"""A peer: one hand-written SQL statement that returns JSON, behind a bare ASGI handler. No GraphQL, nobody is asked."""

import sys
from collections.abc import Callable, Coroutine
from typing import Any

import orjson

from benchmarks.handwritten_sql import POSTGRES, SQLITE, Statements
from benchmarks.serving import POOL, serve

Values = dict[str, Any]
Run = Callable[[str, list[Any]], Coroutine[Any, Any, bytes]]
HEADERS = (b"content-type", b"application/json")


class Application:
    """POST /page, /one, /filtered, /behind, /search with the variables as a JSON object."""

    def __init__(self, url: str) -> None:
        self._url = url
        is_sqlite = url.startswith("sqlite://")
        self._statements: Statements = SQLITE if is_sqlite else POSTGRES
        self._open = _sqlite if is_sqlite else _postgres
        self._run: Run | None = None

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "lifespan":
            await self._live(receive, send)
            return
        body = b""
        while True:
            message = await receive()
            body += message.get("body", b"")
            if not message.get("more_body"):
                break
        statement, names = self._statements[scope["path"][1:]]
        values: Values = orjson.loads(body)
        # Written into the text, so that the database knows it when it plans.
        sql = statement.replace("{first}", str(int(values.get("first", 1))))
        assert self._run is not None
        answer = await self._run(sql, [values[name] for name in names])
        headers = [HEADERS, (b"content-length", str(len(answer)).encode())]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": answer})

    async def _live(self, receive: Any, send: Any) -> None:
        await receive()
        self._run, close = await self._open(self._url)
        await send({"type": "lifespan.startup.complete"})
        await receive()
        await close()
        await send({"type": "lifespan.shutdown.complete"})


async def _postgres(url: str) -> tuple[Run, Callable[[], Coroutine[Any, Any, None]]]:
    import asyncpg

    async def leave(connection: Any) -> None:
        """Nothing here changes a session."""

    pool = await asyncpg.create_pool(
        url, min_size=POOL, max_size=POOL, reset=leave, server_settings={"timezone": "UTC"}
    )

    async def run(sql: str, values: list[Any]) -> bytes:
        async with pool.acquire() as connection:
            text: str = await connection.fetchval(sql, *values)
        return text.encode()

    return run, pool.close


async def _sqlite(url: str) -> tuple[Run, Callable[[], Coroutine[Any, Any, None]]]:
    """A few threads, each with a connection of its own, as long as the process lives."""
    import asyncio
    import sqlite3
    import threading
    from concurrent.futures import ThreadPoolExecutor

    own = threading.local()

    def connect() -> None:
        own.connection = sqlite3.connect(url.removeprefix("sqlite://"), check_same_thread=False, cached_statements=64)
        for pragma in ("query_only = ON", "case_sensitive_like = ON"):
            own.connection.execute(f"PRAGMA {pragma}")

    def fetch(sql: str, values: list[Any]) -> bytes:
        row = own.connection.execute(sql, values).fetchone()
        return str(row[0]).encode()

    threads = ThreadPoolExecutor(4, initializer=connect)

    async def run(sql: str, values: list[Any]) -> bytes:
        return await asyncio.get_running_loop().run_in_executor(threads, fetch, sql, values)

    async def close() -> None:
        threads.shutdown()

    return run, close


if __name__ == "__main__":
    serve(Application(sys.argv[1]), int(sys.argv[2]))
