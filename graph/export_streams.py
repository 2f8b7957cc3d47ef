"""Rows of an export as they are read: one statement, a batch at a time."""

from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import AbstractContextManager, aclosing
from dataclasses import dataclass
from typing import Any

from graph.levels import Level
from graph.runs import Run
from models.database import Database, Record, Statement, Steps
from resolvers import history, loaders
from resolvers.loaders import Page
from resolvers.policy import Viewer

Hold = Callable[[], None]
Write = Callable[[Sequence[Any]], bytes]


@dataclass(frozen=True)
class StreamedRows:
    """All rows of a connection, read by one statement; `level` shapes each batch of them.

    `viewer` is who asks with the rights that reach into the past, where rows of the past are asked for.
    """

    database: Database
    viewer: Viewer
    level: Level
    arguments: Sequence[Any]
    asked: Page
    most: int | None
    size: int

    def place(self) -> AbstractContextManager[None]:
        """Held until the file is whole and sent: a sheet takes room on the disk after its last row was read."""
        return self.database.place(self.viewer.user_id)

    async def count(self) -> int | None:
        """How many rows there are to come; None behind a cursor, where nobody has counted them."""
        if self.asked.after is not None:
            return None
        source, moment = self.level.selected.source, self.asked.as_of
        assert source is not None
        steps = loaders.count(self.viewer, self.database.dialect, source, self.asked)
        found: int = (await self.database.read(steps if moment is None else history.at(moment, steps)))[0][0]
        return found if self.most is None else min(found, self.most)

    async def written(self, write: Write, hold: Hold) -> AsyncGenerator[bytes, None]:
        """The pieces of the file. `hold` is called before the first one, unless that is all there is.

        Then the connection is given back before it is sent: a client may take it as slowly as any answer.
        """
        count = 0

        def counted(rows: Sequence[Any]) -> bytes:
            nonlocal count
            count += len(rows)
            return write(rows)

        async with (
            self.database.stream(self._statement()) as stream,
            aclosing(stream.batches(self.size, self._batch, counted)) as batches,
        ):
            piece = await anext(batches, b"")
            if count >= self.size and count != self.most:
                hold()
                yield piece
                async for piece in batches:
                    yield piece
                return
            await anext(batches, None)
        yield piece

    def _statement(self) -> Steps[Statement]:
        every = loaders.every(self.viewer, self.database.dialect, self.level.selected, self.asked, self.most)
        moment = self.asked.as_of
        if moment is None:
            return (yield from every)
        return history.then(moment, (yield from history.at(moment, every)))

    def _batch(self, rows: Sequence[Record]) -> Steps[list[Any]]:
        shaped, moment = self.level.run(Run(self.viewer, self.database.dialect, self.arguments), rows), self.asked.as_of
        return shaped if moment is None else history.at(moment, shaped)
