"""A saved report in pieces of bytes, for a command on the machine itself."""

import secrets
from collections.abc import AsyncGenerator, Sequence
from dataclasses import replace
from typing import Any, Protocol

import orjson

from graph import schema
from graph.columns import Column
from graph.context import Context, Services
from graph.executor import Answer, Engine
from graph.exports import FORMATS, Format, Writer, export
from graph.report_documents import SHOWN
from graph.run_reports import question
from models.database import Database
from models.errors import Invalid
from models.secrets import sealer
from models.settings import Settings
from models.watching import Asked
from resolvers.hashing import Hasher
from resolvers.policy import Viewer


class Progress(Protocol):
    """Is told of each batch of rows, and of how many there will be, where that is known."""

    total: float | None

    def update(self, rows: int, /) -> object: ...


class Asking:
    """The engine over an open database, for one user."""

    def __init__(self, settings: Settings, database: Database, viewer: Viewer) -> None:
        self._viewer = viewer
        self._services = Services(settings, database, sealer(settings.secret_key, database.file), Hasher())
        self._engine = Engine(schema.built(), settings, schema.SOURCES, database.dialect)

    def close(self) -> None:
        self._services.hasher.close()

    async def reports(self) -> list[dict[str, Any]]:
        """Names and descriptions of all reports that the user sees."""
        document = (
            "query ($after: String) { savedReports(after: $after)"
            " { nodes { name description } pageInfo { hasNextPage endCursor } } }"
        )
        found: list[dict[str, Any]] = []
        page: dict[str, Any] = {"pageInfo": {"hasNextPage": True, "endCursor": None}}
        while page["pageInfo"]["hasNextPage"]:
            page = (await self._answer(document, {"after": page["pageInfo"]["endCursor"]}))["savedReports"]
            found += page["nodes"]
        return found

    async def pieces(
        self, name: str, values: Sequence[tuple[str, str]], kind: str, progress: Progress
    ) -> AsyncGenerator[bytes]:
        """The report as a file of this kind. Raises Invalid with the reason for none."""
        asked = await question(self._engine, self._context(), name, values)
        if isinstance(asked, Answer):
            raise _refused(asked)
        if kind == "json":
            data = await self._answer(asked.document, asked.variables)
            yield orjson.dumps({"data": data}, option=orjson.OPT_UTC_Z | orjson.OPT_INDENT_2) + b"\n"
            return
        format = _told(FORMATS[kind], progress)
        made = await export(self._engine, self._context(), asked.document, asked.variables, None, format)
        if isinstance(made, Answer):
            raise _refused(made)
        try:
            progress.total = await made.count()
            async for piece in made.chunks:
                yield piece
        finally:
            await made.aclose()

    async def _answer(self, document: str, variables: dict[str, Any]) -> Any:
        answer = await self._engine.execute(self._context(), document, variables, None, read_only=True)
        if answer.errors:
            raise _refused(answer)
        return answer.data

    def _context(self) -> Context:
        return Context(self._services, self._viewer, Asked(secrets.token_hex(8)))


def _refused(answer: Answer) -> Invalid:
    return Invalid(reason=" ".join(error.message for error in answer.errors[:SHOWN]))


def _told(format: Format, progress: Progress) -> Format:
    """The format, with its writer telling how many rows it was given."""

    def writer(table: Sequence[Column], name: str) -> Writer:
        return _Telling(format.writer(table, name), progress)

    return replace(format, writer=writer)


class _Telling:
    def __init__(self, writer: Writer, progress: Progress) -> None:
        self._writer = writer
        self._progress = progress
        self.end = writer.end
        self.close = writer.close

    def write(self, rows: Sequence[Any]) -> bytes:
        written = self._writer.write(rows)
        self._progress.update(len(rows))
        return written
