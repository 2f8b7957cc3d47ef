"""What is asked of the past: refused by name where there is no history of it."""

from collections.abc import Sequence
from typing import Any

from graph.errors import without_history
from graph.sites import Argued
from resolvers import history


def require_history(argued: Sequence[Argued], arguments: Sequence[Any]) -> None:
    """Refuse what the past is asked for and has not. It is told once for each moment that is asked for."""
    absent: dict[int, list[str]] = {}
    for place, (each, given) in enumerate(zip(argued, arguments, strict=True)):
        if each.past is not None and each.source is not None and arguments[each.past].as_of is not None:
            named = each.timeless if place == each.past else []
            absent.setdefault(each.past, []).extend([*named, *history.absent(each.source, given)])
    for place, names in absent.items():
        if names:
            raise without_history(names, argued[place].response_path)
