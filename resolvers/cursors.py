"""Keyset cursors: where a page ended, as opaque text, and the condition for what comes after."""

import base64
import binascii
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import orjson

from models.errors import Invalid
from resolvers.sources import Column, Kind, Source, Sql


@dataclass(frozen=True)
class Order:
    """One column of an order, ending in the id. Nulls come first going up and last going down, on every database."""

    column: Column
    down: bool


def orders(source: Source, asked: Sequence[tuple[str, bool]]) -> list[Order]:
    """The full order of a list: what was asked or the type's own, then the id in the direction of the last."""
    named = asked or source.default_order
    listed = [Order(source.columns[source.orders[name]], down) for name, down in named]
    if listed and listed[-1].column.kind is Kind.ID:
        return listed
    return [*listed, Order(source.columns["id"], listed[-1].down if listed else False)]


def order_by(listed: Sequence[Order], alias: str, *, backwards: bool, dialect: str) -> str:
    """PostgreSQL places nulls the other way round by itself; SQLite does it as we want."""

    def term(order: Order) -> str:
        down = order.down is not backwards
        nulls = "" if dialect == "sqlite" or not order.column.nullable else " NULLS LAST" if down else " NULLS FIRST"
        return f"{order.column.sql.format(t=alias)} {'DESC' if down else 'ASC'}{nulls}"

    return ", ".join(term(order) for order in listed)


def encode(source: Source, listed: Sequence[Order], values: Sequence[Any]) -> str:
    packed = orjson.dumps([_signature(source, listed), *(_plain(value) for value in values)])
    return base64.urlsafe_b64encode(packed).rstrip(b"=").decode()


def decode(source: Source, listed: Sequence[Order], cursor: str, argument: str) -> list[Any]:
    """The values of the row a cursor stands for. Raises Invalid for any text not made by `encode` for this list."""
    try:
        signature, *packed = orjson.loads(base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
        if signature != _signature(source, listed) or len(packed) != len(listed):
            raise ValueError("the cursor belongs to another list")
        return [_value(order.column, value) for order, value in zip(listed, packed, strict=True)]
    except (ValueError, TypeError, OverflowError, binascii.Error) as error:
        reason = f"{argument} is not a cursor of this list in this order. Take it from pageInfo or an edge of it."
        raise Invalid(argument, reason=reason) from error


def beyond(sql: Sql, listed: Sequence[Order], values: Sequence[Any], alias: str, *, backwards: bool) -> str:
    """The rows after (or, `backwards`, before) the given one, in this order."""
    if len({order.down for order in listed}) == 1 and not any(order.column.nullable for order in listed):
        return _as_row(sql, listed, values, alias, backwards=backwards)
    ways: list[str] = []
    equal: list[str] = []
    for order, value in zip(listed, values, strict=True):
        column = order.column.sql.format(t=alias)
        further = _further(sql, order, column, value, down=order.down is not backwards)
        if further is not None:
            ways.append(" AND ".join([*equal, further]))
        if order is not listed[-1]:
            equal.append(f"{column} IS NULL" if value is None else f"{column} = {sql.place(value)}")
    return " OR ".join(f"({way})" for way in ways)


def _as_row(sql: Sql, listed: Sequence[Order], values: Sequence[Any], alias: str, *, backwards: bool) -> str:
    """One comparison of whole rows, which an index answers by starting in the middle."""
    columns = ", ".join(order.column.sql.format(t=alias) for order in listed)
    places = ", ".join(sql.place(value) for value in values)
    return f"({columns}) {'<' if listed[0].down is not backwards else '>'} ({places})"


def _further(sql: Sql, order: Order, column: str, value: Any, *, down: bool) -> str | None:
    if down:
        if value is None:
            return None
        less = f"{column} < {sql.place(value)}"
        return f"({less} OR {column} IS NULL)" if order.column.nullable else less
    return f"{column} IS NOT NULL" if value is None else f"{column} > {sql.place(value)}"


def _signature(source: Source, listed: Sequence[Order]) -> str:
    text = source.type_name + "".join(f"{order.column.sql}{order.down}" for order in listed)
    return hashlib.sha256(text.encode()).hexdigest()[:8]


def _plain(value: Any) -> Any:
    return value.astimezone(UTC).isoformat(sep=" ") if isinstance(value, datetime) else value


def _value(column: Column, value: Any) -> Any:
    if value is None:
        if not column.nullable:
            raise ValueError("null in a column that has none")
        return None
    if column.kind in (Kind.ID, Kind.NUMBER, Kind.FLAG):
        if type(value) is not int or not -(2**63) <= value < 2**63:
            raise ValueError("not a number")
        return bool(value) if column.kind is Kind.FLAG else value
    if not isinstance(value, str) or "\x00" in value:
        raise ValueError("not a text")
    if column.kind is Kind.INSTANT:
        moment = datetime.fromisoformat(value)
        if moment.tzinfo is None:
            raise ValueError("no time zone")
        return moment.astimezone(UTC)
    return value
