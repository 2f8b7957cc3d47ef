"""Turns: what computes row by row lets others of the same process be answered in between."""

import asyncio
from collections.abc import AsyncIterator, Iterable
from typing import TypeVar

T = TypeVar("T")

AT_ONCE = 50  # rows, a few milliseconds of work


async def in_turns(rows: Iterable[T]) -> AsyncIterator[T]:
    """The rows as they are. A call of ten thousand would otherwise keep everybody waiting until it is done."""
    for place, row in enumerate(rows, 1):
        yield row
        if place % AT_ONCE == 0:
            await asyncio.sleep(0)
