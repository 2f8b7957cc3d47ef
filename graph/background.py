"""What a process does beside answering: workers that take turns of bounded work for as long as it serves."""

import asyncio
import contextlib
import contextvars
import logging
import random
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass

from models.errors import Unavailable

GRACE = 3.0  # seconds for the turns under way, once the process ends
LONGEST_PAUSE = 60.0  # seconds between the turns of a worker that keeps failing

log = logging.getLogger("usergraph.background")


@dataclass(frozen=True)
class Worker:
    """`turn` does one bounded piece of work and says whether there is more; then it rests for `pause` seconds."""

    name: str
    turn: Callable[[], Awaitable[bool]]
    pause: float


class Background:
    """Runs the workers while the application serves. What they raise is logged and ends nothing."""

    def __init__(self, workers: Sequence[Worker] = ()) -> None:
        self.workers = list(workers)
        self._stopping = asyncio.Event()

    def is_stopping(self) -> bool:
        """For turns of many steps: the process ends, so take no further one."""
        return self._stopping.is_set()

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        self._stopping = asyncio.Event()
        # In contexts of their own: they are no request's, and logs must not say so.
        tasks = [asyncio.create_task(self._run(each), context=contextvars.Context()) for each in self.workers]
        try:
            yield
        finally:
            self._stopping.set()
            if tasks:
                _, late = await asyncio.wait(tasks, timeout=GRACE)
                for task in late:
                    task.cancel()
                await asyncio.gather(*tasks, return_exceptions=True)

    async def _run(self, worker: Worker) -> None:
        """Rests first, so that a process which only starts and ends asks the database nothing."""
        failures, told = 0, ""
        await self._rest(worker.pause)
        while not self._stopping.is_set():
            try:
                more = await worker.turn()
            except Exception as error:
                failures, more = failures + 1, False
                told = _tell(worker, error, told)
            else:
                if failures:
                    log.info("%s works again after %d failures", worker.name, failures)
                failures, told = 0, ""
            if more:
                await asyncio.sleep(0)  # a turn that waits for nothing must not keep the process to itself
            else:
                await self._rest(min(worker.pause * 2 ** min(failures, 10), max(worker.pause, LONGEST_PAUSE)))

    async def _rest(self, seconds: float) -> None:
        """Not all processes at the same moment; ends with the process."""
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._stopping.wait(), seconds * random.uniform(0.8, 1.2))  # noqa: S311


def _tell(worker: Worker, error: Exception, told: str) -> str:
    """Log a failure, but not the same one again with every turn; what was told last. Values stay out (graph/logs)."""
    telling = f"{type(error).__name__}: {error}"
    if telling != told:
        if isinstance(error, Unavailable):
            log.warning("%s waits: %s", worker.name, error)
        else:
            log.error("%s failed and will be tried again", worker.name, exc_info=error)
    return telling
