"""Exports by columns: Arrow's stream and Parquet, for programs that analyse."""

import io
from collections.abc import Iterable, Sequence
from typing import Any

from graph.columns import Column, Kind

GROUP = 10_000  # rows that Parquet keeps together: fewer make a larger file, more take memory


class _Sink(io.RawIOBase):
    """What is written to it, until it is taken."""

    def __init__(self) -> None:
        self._parts: list[bytes] = []

    def writable(self) -> bool:
        return True

    def write(self, part: Any) -> int:
        self._parts.append(bytes(part))
        return len(self._parts[-1])

    def take(self) -> bytes:
        parts, self._parts = self._parts, []
        return b"".join(parts)


class ArrowWriter:
    """A record batch for each batch of rows. The library is loaded with the first: it takes time, and memory."""

    def __init__(self, table: Sequence[Column]) -> None:
        self._table = table
        self._sink = _Sink()
        self._schema: Any = None
        self._writer: Any = None

    def write(self, rows: Sequence[tuple[Any, ...]]) -> bytes:
        self._begin()
        self._take(self._batch(rows))
        return self._sink.take()

    def end(self) -> Iterable[bytes]:
        self._begin()
        self._writer.close()
        return [self._sink.take()]

    def close(self) -> None:
        pass

    def _begin(self) -> None:
        if self._writer is None:
            import pyarrow

            self._schema = pyarrow.schema([(each.name, _type(pyarrow, each)) for each in self._table])
            self._writer = self._opened()

    def _opened(self) -> Any:
        import pyarrow

        return pyarrow.ipc.new_stream(self._sink, self._schema)

    def _take(self, batch: Any) -> None:
        self._writer.write_batch(batch)

    def _batch(self, rows: Sequence[tuple[Any, ...]]) -> Any:
        import pyarrow

        columns = zip(*rows, strict=True)
        arrays = [pyarrow.array(cells, field.type) for cells, field in zip(columns, self._schema, strict=True)]
        return pyarrow.RecordBatch.from_arrays(arrays, schema=self._schema)


class ParquetWriter(ArrowWriter):
    """Its table of contents stands at the end, so a file of it can be sent while it is made."""

    def __init__(self, table: Sequence[Column]) -> None:
        super().__init__(table)
        self._held: list[Any] = []
        self._rows = 0

    def end(self) -> Iterable[bytes]:
        self._keep_together()
        return super().end()

    def _opened(self) -> Any:
        from pyarrow import parquet

        return parquet.ParquetWriter(self._sink, self._schema)

    def _take(self, batch: Any) -> None:
        self._held.append(batch)
        self._rows += batch.num_rows
        if self._rows >= GROUP:
            self._keep_together()

    def _keep_together(self) -> None:
        import pyarrow

        if self._held:
            self._writer.write_table(pyarrow.Table.from_batches(self._held).combine_chunks())
            self._held, self._rows = [], 0


def _type(pyarrow: Any, column: Column) -> Any:
    if column.is_list:
        return pyarrow.list_(_item(pyarrow, column))
    return {
        Kind.TEXT: pyarrow.utf8,
        Kind.JSON: pyarrow.utf8,
        Kind.NUMBER: pyarrow.int64,
        Kind.REAL: pyarrow.float64,
        Kind.FLAG: pyarrow.bool_,
        Kind.INSTANT: lambda: pyarrow.timestamp("us", "UTC"),
        Kind.DATE: pyarrow.date32,
    }[column.kind]()


def _item(pyarrow: Any, column: Column) -> Any:
    if not column.items:
        return _type(pyarrow, Column(column.name, (), column.kind))
    if len(column.items) == 1:
        return _type(pyarrow, column.items[0])
    return pyarrow.struct([(each.name, _type(pyarrow, each)) for each in column.items])
