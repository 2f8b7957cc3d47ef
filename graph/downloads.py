"""Sending an export: piece by piece as the client takes it, and to its end or visibly not."""

import asyncio
import logging
from collections.abc import Sequence
from time import monotonic

from graphql import GraphQLError
from starlette.types import Message, Send

from graph.context import Context
from graph.executor import Answer, Engine
from graph.exports import Export, Format, export
from graph.incoming import Parameters
from models.errors import Unavailable
from models.watching import Asked

Headers = Sequence[tuple[bytes, bytes]]

log = logging.getLogger("usergraph")


LEAST = 50_000  # bytes a second that a client takes in the long run


class _Untaken(Exception):
    """The client takes too little, or nothing more."""


class _Patience:
    """How long a client is still waited for: some seconds, which it earns again by taking."""

    def __init__(self, seconds: int) -> None:
        self._most = self._left = float(seconds)

    async def send(self, send: Send, chunk: bytes) -> None:
        begun = monotonic()
        try:
            async with asyncio.timeout(self._left):
                await send({"type": "http.response.body", "body": chunk, "more_body": True})
        except TimeoutError as error:
            raise _Untaken from error
        self._left = min(self._most, self._left - (monotonic() - begun) + len(chunk) / LEAST)


async def download(
    engine: Engine,
    context: Context,
    given: Parameters,
    format: Format,
    send: Send,
    headers: Headers,
    *,
    is_head: bool = False,
) -> Answer | None:
    """Send the file that is asked for, or its headers. Where there is none, nothing is sent: the answer says why."""
    made = await export(engine, context, given.query, given.variables, given.name, format)
    if isinstance(made, Answer):
        return Answer(errors=made.errors)
    try:
        if is_head:
            await _send_head(made, context.asked, send, headers)
        else:
            await _send(made, context.asked, send, headers, context.services.settings.export_seconds)
    finally:
        await made.aclose()
    return None


def _start(made: Export, asked: Asked, headers: Headers) -> Message:
    told = [
        (b"content-type", made.media.encode()),
        (b"content-disposition", f'attachment; filename="{made.filename}"'.encode()),
        (b"x-request-id", asked.id.encode()),
        *headers,
    ]
    asked.status = 200
    return {"type": "http.response.start", "status": 200, "headers": told}


async def _send_head(made: Export, asked: Asked, send: Send, headers: Headers) -> None:
    """No more is read than the first rows, which tell whether there is a file at all."""
    await send(_start(made, asked, headers))
    await send({"type": "http.response.body", "body": b""})
    asked.outcome = "ok"


async def _send(made: Export, asked: Asked, send: Send, headers: Headers, seconds: int) -> None:
    """What breaks off ends without the last piece of the body, which closes the connection: half a file is no file."""
    patience = _Patience(seconds)
    await send(_start(made, asked, headers))
    try:
        async for chunk in made.chunks:
            await patience.send(send, chunk)
    except _Untaken:
        log.warning("the client of request %s was waited for %d seconds: its export ends", asked.id, seconds)
    except GraphQLError as error:
        asked.outcome = "refused"
        log.warning("the export of request %s broke off: %s", asked.id, error.message)
    except Unavailable as error:
        asked.outcome = "unavailable"
        log.warning("the export of request %s broke off: %s", asked.id, error)
    except Exception as error:
        asked.outcome = "failed"
        log.error("the export of request %s broke off", asked.id, exc_info=error)
    else:
        await send({"type": "http.response.body", "body": b""})
        asked.outcome = "ok"
