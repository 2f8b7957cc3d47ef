"""Whether the client of a request is still there: looked at where something takes long, which ends if it is not."""

import asyncio
from collections.abc import Awaitable
from typing import Any, TypeVar

from starlette.types import Receive

LONG = 0.25  # seconds; what takes less is not worth the looking

T = TypeVar("T")


class Attention:
    """Of one request. `left` once its client was seen to have gone."""

    def __init__(self, receive: Receive) -> None:
        self._receive = receive
        self._is_given = False
        self.left = False

    async def to(self, work: Awaitable[T]) -> T:
        """What `work` answers. Where the client leaves before, the task is cancelled that waits for it.

        For what only reads: a change that was begun is for the database to end. The body must have been read.
        """
        if self._is_given:
            return await work
        self._is_given = True
        looking = Looking(self)
        try:
            return await work
        finally:
            looking.end()
            self._is_given = False

    async def look(self, task: "asyncio.Task[Any]") -> None:
        while (await self._receive())["type"] != "http.disconnect":
            pass
        self.left = True
        task.cancel()


class Looking:
    """One stretch of attention, which begins after a while."""

    def __init__(self, attention: Attention) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._looks: asyncio.Task[None] | None = None
        self._begins = asyncio.get_running_loop().call_later(LONG, self._begin, attention, task)

    def _begin(self, attention: Attention, task: "asyncio.Task[Any]") -> None:
        self._looks = asyncio.create_task(attention.look(task))

    def end(self) -> None:
        self._begins.cancel()
        if self._looks is not None:
            self._looks.cancel()
