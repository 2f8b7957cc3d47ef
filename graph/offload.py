"""Long computations, done in a thread one after the other, so that the event loop answers others meanwhile."""

import asyncio
from collections.abc import Callable
from typing import TypeVar

from models.streams import in_thread

T = TypeVar("T")

INLINE = 1_000  # values, or comparable pieces of work: some milliseconds


class Offload:
    """`run` computes here what is small, and the rest in a thread. `count` is how often it took the thread.

    One at a time: two threads that compute would take Python's lock from the event loop by turns.
    """

    def __init__(self) -> None:
        self.count = 0
        self._turn = asyncio.Semaphore(1)

    async def run(self, size: int, work: Callable[[], T]) -> T:
        if size <= INLINE:
            return work()
        async with self._turn:
            self.count += 1
            return await in_thread(work)
