"""Variables of a report: read from the texts of a URL or a command by their declared types, and from the clock."""

import re
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

import orjson
from graphql import (
    GraphQLError,
    GraphQLInputType,
    GraphQLList,
    GraphQLNonNull,
    GraphQLSchema,
    OperationDefinitionNode,
    is_enum_type,
)
from graphql.execution.get_variable_signature import get_variable_signature

from graph.scalars import time_ago
from models.values import UNUSABLE, rfc3339

RESERVED = frozenset({"format", "bom"})  # of the URL itself
_NUMBER = re.compile(r"-?\d{1,300}(\.\d{1,300})?([eE][+-]?\d{1,3})?", re.ASCII)
_SPACED_OFFSET = re.compile(r"(?<=\d) (?=\d\d:\d\d$)")
_TEXTS = ("String", "ID")


class BadVariable(Exception):
    """A value that its variable cannot have, or one for a variable that is not there."""


def types_of(schema: GraphQLSchema, operation: OperationDefinitionNode) -> dict[str, GraphQLInputType]:
    found = {}
    for definition in operation.variable_definitions or ():
        signature = get_variable_signature(schema, definition)
        if not isinstance(signature, GraphQLError):  # which validation has refused
            found[signature.name] = signature.type
    return found


def of_texts(
    schema: GraphQLSchema, operation: OperationDefinitionNode, given: Iterable[tuple[str, str]]
) -> dict[str, Any]:
    """Values from pairs of a name and a text. Raises BadVariable; whether a value fits, coercing it tells."""
    types = types_of(schema, operation)
    found: dict[str, Any] = {}
    for name, text in given:
        if name not in types:
            known = f"It takes {', '.join(sorted(types))}." if types else "It takes none."
            raise BadVariable(f"This report has no variable {name[:100]}. {known}")
        if UNUSABLE.search(text):
            raise BadVariable(f"There is a NUL or half a character in {name}. Take it out.")
        type_ = _bare(types[name])
        if isinstance(type_, GraphQLList):
            found.setdefault(name, []).extend(_items(name, _bare(type_.of_type), text))
        elif name in found:
            raise BadVariable(f"{name} is given twice, and takes one value.")
        else:
            found[name] = _value(name, type_, text)
    return found


def _bare(type_: Any) -> Any:
    return type_.of_type if isinstance(type_, GraphQLNonNull) else type_


def _items(name: str, type_: Any, text: str) -> list[Any]:
    """One value of a list, which may be given several times; or the whole of it, as JSON."""
    if text.startswith("["):
        whole = _json(name, text)
        return whole if isinstance(whole, list) else [whole]
    return [_json(name, text) if isinstance(type_, GraphQLList) else _value(name, type_, text)]


def _value(name: str, type_: Any, text: str) -> Any:
    if type_.name in _TEXTS:
        return text
    if not text:
        return None
    if type_.name == "Boolean":
        return {"true": True, "false": False}.get(text.lower(), text)
    if type_.name in ("Int", "Float"):
        return _number(text)
    if type_.name == "DateTime":
        return _SPACED_OFFSET.sub("+", text)  # a URL makes a space of the plus of an offset
    return text if is_enum_type(type_) else _json(name, text)


def _number(text: str) -> Any:
    if not _NUMBER.fullmatch(text):
        return text
    return int(text) if text.lstrip("-").isdecimal() else float(text)


def _json(name: str, text: str) -> Any:
    try:
        return orjson.loads(text)
    except (orjson.JSONDecodeError, RecursionError) as error:
        raise BadVariable(f"{name} is JSON, which this is not: {str(error)[:100]}") from error


def settled(
    schema: GraphQLSchema, operation: OperationDefinitionNode, variables: Mapping[str, Any], moment: datetime
) -> dict[str, Any]:
    """The variables with moments for what is so long ago: `-P90D`, `-P2W`, `-PT12H`, in weeks, days and hours."""
    types = types_of(schema, operation)
    return {
        name: _instant(value, moment) if name in types and _is_moment(types[name]) else value
        for name, value in variables.items()
    }


def _is_moment(type_: Any) -> bool:
    return getattr(_bare(type_), "name", "") == "DateTime"


def _instant(value: Any, moment: datetime) -> Any:
    ago = time_ago(value, moment) if isinstance(value, str) else None
    return value if ago is None else rfc3339(ago)
