"""How many values a request may hold: counted over its parsed JSON and its literals before either is coerced."""

from collections.abc import Iterable, Mapping
from typing import Any

from graphql import (
    DocumentNode,
    GraphQLInputObjectType,
    GraphQLSchema,
    get_named_type,
    get_nullable_type,
    is_leaf_type,
    is_list_type,
    is_non_null_type,
)

from graph.errors import BadRequest

MAX_DEPTH = 50  # lists and objects within each other
MAX_ITEMS = 100_000  # of one list
MAX_KEYS = 1_000  # of one object
PIECE = 65_536  # bytes that are looked at at a time


class ValueEstimate:
    """Counts commas and opening brackets outside strings, before a body is parsed.

    A body of n values has at most 2n of them, and at least n - 1.
    """

    def __init__(self) -> None:
        self.count = 0
        self._is_in_string = False
        self._rest = b""

    def add(self, piece: bytes) -> None:
        piece = self._rest + piece
        backslashes = len(piece) - len(piece.rstrip(b"\\"))
        self._rest = b"\\" if backslashes % 2 else b""
        if self._rest:
            piece = piece[:-1]
        parts = piece.replace(b"\\\\", b"").replace(b'\\"', b"").split(b'"')
        outside = b"".join(parts[1::2] if self._is_in_string else parts[::2])
        if len(parts) % 2 == 0:
            self._is_in_string = not self._is_in_string
        self.count += outside.count(b",") + outside.count(b"[") + outside.count(b"{")


def count_values(given: Any, most: int) -> int:
    """How many values there are in parsed JSON: scalars, lists and objects, empty ones included.

    Raises BadRequest where there are more than `most`, one list or object is too long, or they nest too deeply.
    Level by level, so that no nesting is too deep for it.
    """
    count, depth, level = 0, 0, [given]
    while level:
        count += len(level)
        if count > most:
            raise too_many_values(most)
        inner: list[Any] = []
        for value in level:
            if type(value) is dict:
                _most(len(value), MAX_KEYS, "An object takes at most {limit} keys.", "TOO_MANY_KEYS")
                inner.extend(value.values())
            elif type(value) is list:
                _most(len(value), MAX_ITEMS, "A list takes at most {limit} values.", "LIST_TOO_LONG")
                inner.extend(value)
        depth += 1
        if inner:
            _most(depth, MAX_DEPTH, "Values nest at most {limit} levels deep.", "TOO_DEEP")
        level = inner
    return count


def count_literals(document: DocumentNode, most: int) -> int:
    """The same over the values that stand in the document itself."""
    count = 0
    waiting: list[tuple[Any, int]] = [(node, 0) for node in document.definitions]
    while waiting:
        node, depth = waiting.pop()
        _most(depth, MAX_DEPTH, "Values nest at most {limit} levels deep.", "TOO_DEEP")
        if depth:
            count += 1
            if count > most:
                raise too_many_values(most)
        waiting += _below(node, depth)
    return count


def _below(node: Any, depth: int) -> Iterable[tuple[Any, int]]:
    kind = node.kind
    if kind == "list_value":
        _most(len(node.values), MAX_ITEMS, "A list takes at most {limit} values.", "LIST_TOO_LONG")
        return [(each, depth + 1) for each in node.values]
    if kind == "object_value":
        _most(len(node.fields), MAX_KEYS, "An object takes at most {limit} keys.", "TOO_MANY_KEYS")
        return [(each.value, depth + 1) for each in node.fields]
    if depth:
        return ()
    found: list[tuple[Any, int]] = [(each.value, 1) for each in getattr(node, "arguments", None) or ()]
    for name in ("directives", "variable_definitions"):
        found += [(each, 0) for each in getattr(node, name, None) or ()]
    if kind == "variable_definition" and node.default_value is not None:
        found.append((node.default_value, 1))
    if (selection_set := getattr(node, "selection_set", None)) is not None:
        found += [(each, 0) for each in selection_set.selections]
    return found


def too_many_values(limit: int) -> BadRequest:
    message = f"This request holds more than {limit} values, counting each scalar, list and object. Send it in parts."
    return BadRequest(message, "TOO_MANY_VALUES", limit=limit)


def _most(count: int, limit: int, message: str, code: str) -> None:
    if count > limit:
        raise BadRequest(message.format(limit=limit), code, limit=limit)


def bulk_mutations(schema: GraphQLSchema) -> frozenset[str]:
    """The mutations whose input requires a list of ids or of rows: they may take more than other operations."""
    assert schema.mutation_type is not None
    return frozenset(
        name
        for name, field in schema.mutation_type.fields.items()
        if any(_has_rows(argument.type) for argument in field.args.values())
    )


def _has_rows(type_: Any) -> bool:
    given = get_named_type(type_)
    return isinstance(given, GraphQLInputObjectType) and any(_is_rows(each.type) for each in given.fields.values())


def _is_rows(type_: Any) -> bool:
    if not is_non_null_type(type_) or not is_list_type(get_nullable_type(type_)):
        return False
    item = get_named_type(type_)
    return not is_leaf_type(item) or item.name == "ID"


def check_body(size: int, limit: int, *, is_bulk: bool) -> None:
    """Refuse a body that only a bulk mutation may have. Raises BadRequest."""
    if size > limit and not is_bulk:
        message = f"Only a bulk mutation takes a body of more than {limit} bytes."
        raise BadRequest(message, "QUERY_TOO_LARGE", limit=limit)


def count_variables(variables: Mapping[str, Any], most: int) -> int:
    """The values of all variables; flat ones, which most requests send, cost no walk."""
    if not any(type(each) in (dict, list) for each in variables.values()):
        if len(variables) > most:
            raise too_many_values(most)
        return len(variables)
    return count_values(variables, most + 1) - 1


__all__ = ["ValueEstimate", "bulk_mutations", "check_body", "count_literals", "count_values", "count_variables"]
