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
        self._head = 0  # bytes of an unfinished head
        self._parsed_head = 0  # bytes of the request line and headers that are parsed
        self._is_in_head = True
        self._is_between = False
        self._begun = 0  # requests that began in this piece
        self._is_refused = False
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
        if self._is_refused:
            return
        is_whole = self._is_in_head or self._is_between
        self._begun = 0
        super().data_received(data)
        # Of a piece that ends another request, nothing is counted before the headers are complete.
        if self._is_in_head and is_whole and self._begun <= 1:
            self._head += len(data)
            if self._head > MOST_HEAD:
                self._refuse_head()

    def on_message_begin(self) -> None:
        self._head, self._parsed_head, self._is_in_head, self._is_between = 0, 0, True, False
        self._begun += 1
        if not self._is_refused:
            self._expect_more()
            super().on_message_begin()

    def on_url(self, url: bytes) -> None:
        self._parsed_head += len(url) + len("GET  HTTP/1.1\r\n")
        super().on_url(url)

    def on_header(self, name: bytes, value: bytes) -> None:
        self._parsed_head += len(name) + len(value) + len(": \r\n")
        super().on_header(name, value)

    def on_headers_complete(self) -> None:
        self._is_in_head = False
        if self._parsed_head > MOST_HEAD:
            self._refuse_head()
        if not self._is_refused:
            self._expect_more()
            super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        if not self._is_refused:
            super().on_body(body)

    def _refuse_head(self) -> None:
        """Answer 431 and hear nothing more: what follows belongs to a request that was not taken."""
        if self._is_refused or self.transport.is_closing():
            return
        self._is_refused = True
        self._expect_nothing()
        message = f"The request line and headers have at most {MOST_HEAD} bytes together."
        head = (
            f"HTTP/1.1 431 Request Header Fields Too Large\r\ncontent-type: text/plain; charset=utf-8\r\n"
            f"content-length: {len(message)}\r\nconnection: close\r\n\r\n"
        )
        self.transport.write((head + message).encode("ascii"))
        self.transport.close()

    def on_message_complete(self) -> None:
        self._is_between = True
        if self._is_refused:
            return
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
