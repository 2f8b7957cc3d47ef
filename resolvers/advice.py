"""What makes a list slow in a large directory, and what would help: told with the answer, decided before it is read."""

from collections.abc import Mapping
from typing import Any

from resolvers.conditions import One, Some, SomeText
from resolvers.filters import Text, Where
from resolvers.loaders import Page
from resolvers.sources import Source
from resolvers.user_search import search_warnings

# Operators for which an index on the column finds the rows.
FOUND = frozenset({"eq", "in", "within", "startsWith"})
RANGES = frozenset({"eq", "gt", "gte", "lt", "lte", "before", "after", "notBefore", "notAfter", "isNull", "in"})


def warnings(source: Source, asked: Page) -> list[str]:
    """One text for each reason why every row of the table may be read."""
    if source.is_small:
        return []
    said = search_warnings(asked.search) if asked.search else []
    narrowed = bool(asked.search and not said) or index_helps(source, asked.where)
    if asked.where and not narrowed:
        names = ", ".join(sorted(_names(asked.where)))
        said.append(
            f"No index finds {source.type_name}s by {names} alone: every one may be read. Add a condition on one of"
            f" {', '.join(sorted(source.indexed))}, with eq, in, startsWith or a range."
        )
    unindexed = [name for name, _ in asked.order if name in source.unindexed]
    if unindexed and not narrowed:
        said.append(
            f"{source.type_name}s have no index in the order {unindexed[0]}: every one is read and sorted. Narrow the"
            " list by a condition, or order by a column."
        )
    return said


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
    if name == "variables":
        return not FOUND.isdisjoint((given.get("some") or {}).get("name") or ())
    operators = FOUND if isinstance(declared, Text) else RANGES | FOUND
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
