"""What makes a list slow in a large directory, and what would help: told with the answer, decided before it is read."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from resolvers.conditions import One, Some, SomeRow, SomeText
from resolvers.filters import Text, Where
from resolvers.loaders import Page
from resolvers.sources import Source
from resolvers.user_search import search_warnings

# Operators for which an index on the column finds the rows.
FOUND = frozenset({"eq", "in", "within", "startsWith"})
RANGES = frozenset({"eq", "gt", "gte", "lt", "lte", "before", "after", "notBefore", "notAfter", "isNull", "in"})


class ScanWarning(NamedTuple):
    """Why every row of a table may be read; worth saying where the table is large."""

    table: str
    text: str


def warnings(source: Source, asked: Page) -> list[ScanWarning]:
    """One for each reason why every row of a table may be read."""
    led = [
        ScanWarning(
            inner.table,
            f"No index leads from {source.type_name}s to the {inner.type_name}s asked for by {names}: every one may be"
            " read.",
        )
        for inner, names in _read_through(source, asked.where or {})
    ]
    return (
        led
        if source.is_small
        else [*led, *(ScanWarning(source.table, text) for text in _of_source(source, asked, led))]
    )


def _of_source(source: Source, asked: Page, led: Sequence[ScanWarning]) -> list[str]:
    said: list[str] = []
    said += search_warnings(asked.search) if asked.search else []
    narrowed = bool(asked.search and not (said or led)) or index_helps(source, asked.where)
    if asked.where and not narrowed:
        names = ", ".join(sorted(_names(asked.where)))
        others = sorted(source.indexed - _names(asked.where))
        said.append(
            f"No index finds {source.type_name}s by {names} alone: every one may be read. Add a condition on one of"
            f" {', '.join(others)}, with eq, in, startsWith or a range."
        )
    unsorted = _unsorted(source, asked.order)
    if unsorted and not _names_few(source, asked.where):
        said.append(
            f"{source.type_name}s have no index in the order {unsorted}: all that match are read and sorted. Name them"
            " by a key, or order by one column that has an index and tells them apart."
        )
    return said


def _unsorted(source: Source, order: Sequence[tuple[str, bool]]) -> str:
    """The part of an order that no index gives: one without, or what follows a column in which many are equal."""
    without = [name for name, _ in order if name in source.unindexed]
    if without:
        return without[0]
    if len(order) > 1 and order[0][0] in source.shared and order[1] != ("ID", order[0][1]):
        return f"{order[0][0]}, {order[1][0]}"
    return ""


def _names_few(source: Source, where: Where | None) -> bool:
    """Whether rows are named by keys, each of which one row has."""
    for name, given in (where or {}).items():
        if name == "and" and any(_names_few(source, each) for each in given):
            return True
        if name in source.unique and not {"eq", "in"}.isdisjoint(given or ()):
            return True
    return False


def _read_through(source: Source, where: Where) -> Iterator[tuple[Source, str]]:
    """Large tables that a small one leads to without an index, with the conditions on their rows."""
    for name, given in where.items():
        if name in ("and", "or", "not"):
            for each in given if isinstance(given, list) else [given or {}]:
                yield from _read_through(source, each)
            continue
        declared = source.filters[name]
        if not isinstance(declared, One | Some):
            continue
        found = declared.source()
        for each in [given] if isinstance(declared, One) else (given or {}).values():
            if found.is_small:
                yield from _read_through(found, each or {})
            elif source.is_small and each and not index_helps(found, each):
                yield found, ", ".join(sorted(_names(each)))


def index_helps(source: Source, where: Where | None) -> bool:
    """Whether some condition that every row must meet is one that an index answers."""
    return any(_helps(source, name, given) for name, given in (where or {}).items())


def _helps(source: Source, name: str, given: Any) -> bool:
    if name == "not" or (given is None and name not in source.indexed):
        return False
    if name == "and":
        return any(index_helps(source, each) for each in given)
    if name == "or":
        return bool(given) and all(index_helps(source, each) for each in given)
    declared = source.filters[name]
    if isinstance(declared, One):
        return name in source.indexed and (given is None or _inner(declared.source(), given))
    if isinstance(declared, Some):
        return given.get("some") is not None and _inner(declared.source(), given["some"])
    if isinstance(declared, SomeText):
        return not FOUND.isdisjoint(given.get("some") or ())
    if isinstance(declared, SomeRow):
        return not FOUND.isdisjoint((given.get("some") or {}).get(next(iter(declared.fields))) or ())
    operators = declared.found if isinstance(declared, Text) else RANGES | FOUND
    return name in source.indexed and not operators.isdisjoint(given)


def _inner(source: Source, where: Where) -> bool:
    return source.is_small or index_helps(source, where)


def _names(where: Mapping[str, Any]) -> set[str]:
    found: set[str] = set()
    for name, given in where.items():
        if name in ("and", "or"):
            found |= {each for part in given or () for each in _names(part)}
        elif name == "not":
            found |= _names(given or {})
        else:
            found.add(name)
    return found
