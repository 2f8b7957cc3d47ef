"""Literals of a $filter as values of a `where`: texts, numbers, moments, and moments reckoned from now."""

import re
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any

from odata_query import ast

from graph.odata.refusals import bad, unsupported
from models.values import rfc3339

_MOMENT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d(?::\d\d(?:\.(\d+))?)?(?:Z|[+-]\d\d:\d\d)", re.IGNORECASE)
KINDS = {ast.String: "text", ast.Integer: "number", ast.Boolean: "flag", ast.Date: "date", ast.Null: "null"}

CASES = ("tolower", "toupper")
PARTS = {"contains": "contains", "startswith": "startsWith", "endswith": "endsWith"}


@dataclass(frozen=True)
class Literal:
    """`kind` is text, number, flag, moment, date or null."""

    kind: str
    value: Any

    def __str__(self) -> str:
        return self.kind


def named(identifier: ast.Identifier) -> str:
    """With its namespace, if it has one: `geo.distance`."""
    return ".".join((*identifier.namespace, identifier.name))


def literal(node: Any) -> Literal | None:
    """The value of a node that stands for one; None for a property or a function of one. Raises Refused."""
    if isinstance(node, ast.BinOp) or (isinstance(node, ast.Call) and named(node.func) == "now"):
        return Literal("moment", _text(_moment(node)))
    if isinstance(node, ast.DateTime):
        return Literal("moment", checked(node.val))
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub) and isinstance(node.operand, ast.Integer):
        return Literal("number", -_number(node.operand))
    if isinstance(node, ast.Integer):
        return Literal("number", _number(node))
    if type(node) in KINDS:
        return Literal(KINDS[type(node)], node.py_val if not isinstance(node, ast.Date) else _date(node))
    if isinstance(node, ast._Literal):
        unsupported(f"literals such as {str(getattr(node, 'val', ''))[:40]}", "$filter")
    return None


def checked(text: str) -> str:
    """A moment as it was written. Its offset is needed, and what is finer than microseconds must be nothing."""
    found = _MOMENT.fullmatch(text)
    if found is None:
        bad(f"A moment looks like 2026-01-31T09:30:00Z, with its offset; {text[:40]} does not.", "$filter")
    if found[1] and found[1][6:].strip("0"):
        unsupported("moments finer than microseconds", "$filter")
    return text.upper() if not found[1] else re.sub(r"(\.\d{6})\d+", r"\1", text.upper())


def span(function: str, given: Literal) -> tuple[str, str]:
    """The first moment of a year or day, and the first after it."""
    if function == "year" and given.kind == "number":
        if not 1 <= given.value <= 9_997:
            bad(f"There is no year {given.value}.", "$filter")
        begin = date(given.value, 1, 1)
        return _text(begin), _text(date(given.value + 1, 1, 1))
    if function == "date" and given.kind == "date":
        return _text(given.value), _text(given.value + timedelta(days=1))
    return bad(f"{function}() is compared with a {'number' if function == 'year' else 'date'}.", "$filter")


def _text(moment: date) -> str:
    if isinstance(moment, datetime):
        return rfc3339(moment)
    return f"{moment.isoformat()}T00:00:00Z"


def _number(node: ast.Integer) -> int:
    if len(node.val) > 12:
        bad("A number in a $filter has at most 12 digits.", "$filter")
    return int(node.val)


def _date(node: ast.Date) -> date:
    try:
        found = date.fromisoformat(node.val)
    except ValueError:
        bad(f"There is no day {node.val}.", "$filter")
    return found


def _moment(node: Any) -> datetime:
    """`now()`, and what days, hours, minutes and seconds make of it."""
    if isinstance(node, ast.Call) and named(node.func) == "now":
        return datetime.now(UTC)
    is_sum = isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add | ast.Sub)
    if not is_sum or not isinstance(node.right, ast.Duration):
        unsupported("arithmetic but for now() add or sub a duration", "$filter")
    _, years, months, *_ = node.right.unpack()
    if years or months:
        bad("A duration has days, hours, minutes and seconds, such as duration'P90D'.", "$filter")
    try:
        moment, length = _moment(node.left), node.right.py_val
        return moment - length if isinstance(node.op, ast.Sub) else moment + length
    except OverflowError:
        bad("That is beyond all calendars.", "$filter")


def part(node: Any) -> str:
    """The text that contains(), startswith() and endswith() look for, whatever its case."""
    while isinstance(node, ast.Call) and named(node.func) in CASES:
        node = node.args[0]
    if not isinstance(node, ast.String):
        unsupported("contains(), startswith() and endswith() of anything but a text", "$filter")
    text: str = node.py_val
    if text != " ".join(text.split()):
        unsupported(
            "spaces at the ends of a part of a text, or several together: texts are compared without", "$filter"
        )
    return text
