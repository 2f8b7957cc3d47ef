"""The HTTP protocol with bounds on reading: nobody may send for ever, nor stop in the middle and hold a connection."""

import asyncio
from typing import Any

import uvicorn
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

MOST_HEAD = 64 * 1024  # bytes of request line and headers


class BoundedProtocol(HttpToolsProtocol):
    """Headers are complete within MOST_HEAD bytes and `read_seconds`, a body within as many more; else it closes."""

    def __init__(self, config: "BoundedConfig", *arguments: Any, **named: Any) -> None:
        super().__init__(config, *arguments, **named)
        self._seconds = config.read_seconds
        self._head = 0
        self._is_in_head = True
        self._deadline: asyncio.TimerHandle | None = None

    def connection_made(self, transport: Any) -> None:
        super().connection_made(transport)
        self._expect_more()

    def connection_lost(self, exc: Exception | None) -> None:
        self._expect_nothing()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        if not self._is_in_head:
            return
        self._head += len(data)
        if self._head > MOST_HEAD and not self.transport.is_closing():
            self.send_400_response("The request's headers are too large.")

    def on_message_begin(self) -> None:
        self._head, self._is_in_head = 0, True
        self._expect_more()
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        self._is_in_head = False
        self._expect_more()
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        self._expect_nothing()
        super().on_message_complete()

    def _expect_more(self) -> None:
        self._expect_nothing()
        self._deadline = self.loop.call_later(self._seconds, self._late)

    def _expect_nothing(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None

    def _late(self) -> None:
        if not self.transport.is_closing():
            self.transport.abort()


class BoundedConfig(uvicorn.Config):
    """uvicorn's configuration with this protocol and its deadline: all that is sent to a process of several."""

    def __init__(self, app: Any, *, read_seconds: float, **options: Any) -> None:
        super().__init__(app, http=BoundedProtocol, **options)
        self.read_seconds = read_seconds
