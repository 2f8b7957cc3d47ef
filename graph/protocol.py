"""The HTTP protocol with bounds: nobody may send for ever, stop in the middle, never read, or hold others' places."""

import asyncio
from typing import Any

import uvicorn
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

MOST_HEAD = 64 * 1024  # bytes of request line and headers


class BoundedProtocol(HttpToolsProtocol):
    """Headers are complete within MOST_HEAD bytes and `read_seconds`, a body within as many more; else it closes.

    So does a client that takes nothing of its answer for as long. Where all places are taken, who has waited longest
    without a request in work gives theirs to who comes.
    """

    def __init__(self, config: "BoundedConfig", *arguments: Any, **named: Any) -> None:
        super().__init__(config, *arguments, **named)
        self._seconds = config.read_seconds
        self._head = 0
        self._is_in_head = True
        self._deadline: asyncio.TimerHandle | None = None
        self._since = 0.0
        self._unread = 0
        self._untaken: asyncio.TimerHandle | None = None

    def connection_made(self, transport: Any) -> None:
        super().connection_made(transport)
        self._expect_more()
        if self.limit_concurrency is not None and len(self.connections) >= self.limit_concurrency:
            self._make_place()

    def connection_lost(self, exc: Exception | None) -> None:
        self._expect_nothing()
        self._stop_watching()
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
        self._since = self.loop.time()
        super().on_message_complete()

    def _expect_more(self) -> None:
        self._expect_nothing()
        self._since = self.loop.time()
        self._deadline = self.loop.call_later(self._seconds, self._late)

    def _expect_nothing(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None

    def _is_waiting(self) -> bool:
        """Whether it is the client's turn: to send a request, the rest of one, or the next."""
        return self._deadline is not None or (self.cycle is not None and self.cycle.response_complete)

    def _make_place(self) -> None:
        others = (each for each in self.connections if isinstance(each, BoundedProtocol) and each is not self)
        waiting = [each for each in others if each._is_waiting()]
        if waiting:
            longest = min(waiting, key=lambda each: each._since)
            self.connections.discard(longest)  # now, because who comes next counts before it is gone
            longest._late()

    def pause_writing(self) -> None:
        super().pause_writing()
        self._watch()

    def resume_writing(self) -> None:
        self._stop_watching()
        super().resume_writing()

    def _watch(self) -> None:
        self._unread = self.transport.get_write_buffer_size()
        self._untaken = self.loop.call_later(self._seconds, self._look)

    def _look(self) -> None:
        if self.transport.get_write_buffer_size() < self._unread:
            self._watch()
        else:
            self.transport.abort()

    def _stop_watching(self) -> None:
        if self._untaken is not None:
            self._untaken.cancel()
            self._untaken = None

    def _late(self) -> None:
        if not self.transport.is_closing():
            self.transport.abort()


class BoundedConfig(uvicorn.Config):
    """uvicorn's configuration with this protocol and its deadline: all that is sent to a process of several."""

    def __init__(self, app: Any, *, read_seconds: float, **options: Any) -> None:
        super().__init__(app, http=BoundedProtocol, **options)
        self.read_seconds = read_seconds
