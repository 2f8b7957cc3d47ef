"""Exports: the rows of any query as a file, in pieces, so that a million take no more memory than a thousand."""

import contextlib
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any, Protocol
from urllib.parse import parse_qs

from graphql import GraphQLError

from graph.cell_values import SHEET, TEXTS, TYPED, Values
from graph.collecting import Collector
from graph.columns import Column, Table
from graph.context import Context
from graph.documents import RequestError
from graph.errors import BadRequest, coded, public
from graph.executor import Answer, Engine
from graph.export_columns import ArrowWriter, ParquetWriter
from graph.export_reports import report, whole
from graph.export_rows import Asking, Root, WholeRows, as_cells, root_of
from graph.export_sheets import SheetWriter
from graph.export_streams import StreamedRows
from graph.export_texts import CsvWriter, LinesWriter
from graph.incoming import GRAPHQL, JSON, weights
from models.errors import Refusal, TooBusy, Unavailable
from models.streams import in_thread
from resolvers.node_ids import id_suffix


class Writer(Protocol):
    """Makes the bytes of a file of rows, in a thread; `close` leaves nothing behind, however far it came."""

    def write(self, rows: Sequence[Any]) -> bytes: ...

    def end(self) -> Iterable[bytes]: ...

    def close(self) -> None: ...


@dataclass(frozen=True)
class Format:
    """A kind of file. `values` are its cells; without them its rows are objects, as in the answer.

    `writer` makes a writer for the columns and the name of a table.
    """

    name: str
    media: str
    extension: str
    writer: Callable[[Sequence[Column], str], Writer]
    values: Values | None = None
    accepts: tuple[str, ...] = ()

    @property
    def content_type(self) -> str:
        return f"{self.media}; charset=utf-8" if self.name in ("csv", "ndjson") else self.media


FORMATS: Mapping[str, Format] = {
    each.name: each
    for each in (
        Format("csv", "text/csv", "csv", lambda table, _: CsvWriter(table), TEXTS),
        Format(
            "ndjson",
            "application/x-ndjson",
            "ndjson",
            lambda *_: LinesWriter(),
            accepts=("application/ndjson", "application/jsonl"),
        ),
        Format("arrow", "application/vnd.apache.arrow.stream", "arrows", lambda table, _: ArrowWriter(table), TYPED),
        Format("parquet", "application/vnd.apache.parquet", "parquet", lambda table, _: ParquetWriter(table), TYPED),
        Format("xlsx", "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet", "xlsx", SheetWriter, SHEET),
    )
}
_BY_MEDIA = {media: each for each in FORMATS.values() for media in (each.media, *each.accepts)}
MARKED = replace(FORMATS["csv"], writer=lambda table, _: CsvWriter(table, mark=True))


def format_of(accept: str, query_string: bytes) -> Format | None:
    """The format that `?format=` names, or that is wanted more than JSON; None for JSON. Raises BadRequest."""
    name = named_format(query_string)
    if name and name != "json" and name not in FORMATS:
        raise BadRequest(f"format is one of json, {', '.join(FORMATS)}.", "NOT_ACCEPTABLE")
    found = FORMATS.get(name) if name else _accepted(accept)
    return MARKED if found is FORMATS["csv"] and _given("bom", query_string) in ("true", "1") else found


def named_format(query_string: bytes) -> str:
    """What `?format=` names, or nothing."""
    return _given("format", query_string)


def _given(name: str, query_string: bytes) -> str:
    """The last of a parameter. Most addresses have none, and are not taken apart for it."""
    if name.encode() not in query_string:
        return ""
    return parse_qs(query_string.decode("latin-1")).get(name, [""])[-1]


@lru_cache(maxsize=100)
def _accepted(accept: str) -> Format | None:
    wanted = weights(accept)
    best = max(_BY_MEDIA, key=lambda media: wanted.get(media, 0.0))
    weight = wanted.get(best, 0.0)
    anything = max(wanted.get("*/*", 0.0), wanted.get("application/*", 0.0))
    is_wanted = weight > max(wanted.get(JSON, 0.0), wanted.get(GRAPHQL, 0.0)) and weight >= anything
    return _BY_MEDIA[best] if is_wanted else None


@dataclass
class Export:
    """A file on its way. Whoever takes it closes it, also in the middle.

    `count` counts the rows, which takes a statement of its own; None where that would tell nothing.
    """

    media: str
    filename: str
    chunks: AsyncIterator[bytes]
    count: Callable[[], Awaitable[int | None]]
    _pieces: AsyncGenerator[bytes, None]

    async def aclose(self) -> None:
        await self._pieces.aclose()


async def export(
    engine: Engine,
    context: Context,
    query: str,
    variables: dict[str, Any],
    operation_name: str | None,
    format: Format,
) -> Export | Answer:
    """The rows of a query as a file whose first piece is made, or why there is none."""
    root: Root | None = None
    try:
        prepared = await engine.documents.prepare(query, lambda names: engine.admit(context.viewer, names))
        operation = prepared.operation(operation_name)
        context.tell(operation)
        values = await engine.coerce(context, prepared, operation, variables)
        collector = Collector(prepared.fragments, values.coerced)
        root = root_of(engine, operation, collector)
        asking = Asking(engine, prepared, operation, values, context.viewer, root)
        rows: StreamedRows | WholeRows
        if root.is_connection:
            rows, table = asking.streamed(context.database, format.values)
            if rows.asked.as_of is not None:
                rows.level.id_suffix = id_suffix(rows.asked.as_of)
        else:
            answer, table = await _answered(asking, context, query, variables, operation_name, collector)
            if answer.errors:
                return answer
            found = answer.data[root.key]
            if root.is_report:
                found, table = report(found, asking.first)
            rows = WholeRows(found, as_cells(table, format.values) if format.values else lambda each: each)
        name = operation.name.value if operation.name else root.key
        pieces = _pieces(rows, format.writer(table, name))
        return Export(format.content_type, f"{name}.{format.extension}", await _begun(pieces), rows.count, pieces)
    except RequestError as refused:
        return Answer(errors=refused.errors)
    except TooBusy as busy:
        whose = "of yours are" if busy.is_of_one else "are"
        message = f"As many exports {whose} under way here as may be at once. Try again in a moment."
        return Answer(errors=[coded(message, "SERVICE_UNAVAILABLE")])
    except (Refusal, GraphQLError, Unavailable) as refused:
        return Answer(errors=[public(refused, context.request_id, [root.key] if root else None)])


async def _answered(
    asking: Asking,
    context: Context,
    query: str,
    variables: dict[str, Any],
    operation_name: str | None,
    collector: Collector,
) -> tuple[Answer, list[Column]]:
    """The whole answer of a query whose rows are bounded by nature."""
    root, engine = asking.root, asking.engine
    table: list[Column] = []
    if not root.is_report:
        table = Table(engine.schema, collector).columns(root.type, root.selections)
    else:
        query, operation_name = whole(asking.operation, root, asking.first), None
    return await engine.execute(context, query, variables, operation_name, read_only=True), table


async def _begun(pieces: AsyncGenerator[bytes, None]) -> AsyncIterator[bytes]:
    """With the first piece comes whatever refuses the query; nothing has been said by then."""
    first = await anext(pieces, b"")

    async def chunks() -> AsyncIterator[bytes]:
        yield first
        async for piece in pieces:
            yield piece

    return chunks()


async def _pieces(rows: StreamedRows | WholeRows, writer: Writer) -> AsyncGenerator[bytes, None]:
    """Not empty. The connection of a stream is given back before the end of the file is written, its place after."""
    with contextlib.ExitStack() as held:
        held.enter_context(contextlib.closing(writer))
        written = rows.written(writer.write, lambda: held.enter_context(rows.place()))
        try:
            async for piece in written:
                if piece:
                    yield piece
        finally:
            await written.aclose()
        for piece in await in_thread(writer.end):
            if piece:
                yield piece
