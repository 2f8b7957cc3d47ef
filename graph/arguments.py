"""From the arguments of a field to plain values: enums by name, pages within bounds, nothing that may not be read."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from enum import Enum
from typing import Any

from graph.errors import coded, forbidden, without_history
from graph.sites import Argued
from models.errors import Invalid
from models.settings import Settings
from models.values import camel
from resolvers import history, user_keys
from resolvers.conditions import One, Some, unreadable
from resolvers.cursors import decode, orders
from resolvers.loaders import Page
from resolvers.node_ids import require_time, times_of
from resolvers.policy import Viewer, may_read
from resolvers.sources import Source

MOST_CONDITIONS = 100
MOST_NESTING = 8  # SQLite's parser has a stack of a hundred
MOST_RELATIONS = 3
MOST_TEXT = 1_000
MOST_ORDERS = 5
MOST_SEARCH = 200
EVERY_ROW = 100_000


def plain(value: Any) -> Any:
    """Coerced input as plain data: enum members become their names."""
    if isinstance(value, Enum):
        return value.name
    if isinstance(value, dict):
        return {key: plain(each) for key, each in value.items()}
    if isinstance(value, list):
        return [plain(each) for each in value]
    return value


def page_of(
    given: Mapping[str, Any], source: Source, viewer: Viewer, settings: Settings, *, whole: bool = False
) -> Page:
    """The page a connection asks for, or the `whole` list. Raises Invalid, and FORBIDDEN for what hides from asking."""
    where = given.get("where") or {}
    check_where(source, where, as_of=given.get("asOf"))
    order = [(step["field"], step["direction"] == "DESC") for step in given.get("orderBy") or ()]
    if len(order) > MOST_ORDERS:
        raise Invalid("orderBy", reason=f"orderBy takes at most {MOST_ORDERS} fields.")
    if len(given.get("search") or "") > MOST_SEARCH:
        raise Invalid("search", reason=f"search takes at most {MOST_SEARCH} characters.")
    _check_readable(viewer, source, where, order, searched=bool((given.get("search") or "").strip()))
    for argument in ("after", "before"):
        if given.get(argument) is not None:
            decode(source, orders(source, order), given[argument], argument)
    size, backwards = (EVERY_ROW, False) if whole else _size(given, settings)
    if given.get("asOf") is not None:
        history.require(viewer, "asOf")
        history.require_recorded(given["asOf"], settings.history_days, "asOf")
    return Page(
        size=size,
        backwards=backwards,
        after=given.get("after"),
        before=given.get("before"),
        where=where,
        search=given.get("search"),
        order=order,
        as_of=given.get("asOf"),
    )


def _check_readable(
    viewer: Viewer, source: Source, where: Mapping[str, Any], order: list[tuple[str, bool]], *, searched: bool
) -> None:
    hidden = unreadable(viewer, source, where)
    ordered = [camel(name.lower()) for name, _ in order]
    if searched:
        ordered.append("name")  # others are looked into where they may be read
    hidden += [f"{source.type_name}.{name}" for name in ordered if not may_read(viewer, source.type_name, name)]
    if hidden:
        raise forbidden(list(dict.fromkeys(hidden)), viewer)


def _size(given: Mapping[str, Any], settings: Settings) -> tuple[int, bool]:
    first, last = given.get("first"), given.get("last")
    if first is not None and last is not None:
        raise Invalid("first", reason="Give first or last, not both.")
    name, size = ("first", first) if last is None else ("last", last)
    if size is None:
        return settings.default_page, False
    if size > settings.max_page:
        limit = settings.max_page
        raise coded(f"{name} takes at most {limit} at a time. Page with after.", "PAGE_TOO_LARGE", limit=limit)
    if size < 0:
        raise Invalid(name, reason=f"{name} takes a number from 0 to {settings.max_page}.")
    return size, last is not None


def check_where(source: Source, where: Mapping[str, Any], conditions: int = 0, *, as_of: datetime | None = None) -> int:
    """How many conditions there are, beside so many in other parts of the statement.

    An empty where inside another counts as one: it is SQL like any other. Raises Invalid for what a database would
    choke on: too many, too deep, or on too long a text. So it does for ids of another time than
    `as_of`, at which the rows are read.
    """
    waiting: list[tuple[Source, Any, int, int]] = [(source, where, 0, 0)]
    while waiting:
        of, given, depth, relations = waiting.pop()
        count = sum(max(1, len(value)) if isinstance(value, dict) else 1 for value in given.values())
        conditions += max(count, min(depth, 1))
        if conditions > MOST_CONDITIONS:
            raise Invalid("where", reason=f"A where takes at most {MOST_CONDITIONS} conditions.")
        if depth > MOST_NESTING or relations > MOST_RELATIONS:
            reason = f"A where nests at most {MOST_NESTING} levels deep, {MOST_RELATIONS} of them relations."
            raise Invalid("where", reason=reason)
        for name, value in given.items():
            waiting += _below(of, name, value, depth + 1, relations, as_of)
    return conditions


def _below(
    of: Source, name: str, value: Any, depth: int, relations: int, as_of: datetime | None
) -> list[tuple[Source, Any, int, int]]:
    """The wheres inside one condition, with how deep they lie."""
    if value is None:
        return []
    if name in ("and", "or"):
        return [(of, each, depth, relations) for each in value]
    if name == "not":
        return [(of, value, depth, relations)]
    declared = of.filters[name]
    if isinstance(declared, One):
        return [(declared.source(), value, depth, relations + 1)]
    if isinstance(declared, Some):
        return [(declared.source(), each, depth, relations + 1) for each in value.values() if each is not None]
    _check_texts(value)
    if getattr(declared, "takes_ids", False):
        for given in value.values():
            for typed in given if isinstance(given, list) else [given]:
                if isinstance(typed, str):
                    require_time(typed, as_of)
    return []


def _check_texts(value: Any) -> None:
    if isinstance(value, str) and len(value) > MOST_TEXT:
        raise Invalid("where", reason=f"A text in a where has at most {MOST_TEXT} characters.")
    if isinstance(value, (dict, list)):
        for each in value.values() if isinstance(value, dict) else value:
            _check_texts(each)


def check_lookup(viewer: Viewer, given: dict[str, Any], settings: Settings) -> None:
    """Keys by which the viewer may not read may not find either; and not too many at once.

    `given` gains the `times` as of which ids name rows.
    """
    keys = given.get("keys") or ([given["by"]] if "by" in given else [])
    for name in ("ids", "keys"):
        if len(given.get(name) or ()) > settings.max_page:
            raise Invalid(name, reason=f"{name} takes at most {settings.max_page} at a time.")
    ids = [*(given.get("ids") or ()), *(key["id"] for key in keys if key.get("id"))]
    argument = "id" if given.get("id") else "ids" if given.get("ids") else "by" if "by" in given else "keys"
    given["times"] = times_of([*ids, given["id"]] if given.get("id") else ids, argument)
    for time in given["times"]:
        history.require(viewer, argument)
        history.require_recorded(time, settings.history_days, argument)
    fields = {user_keys.FIELDS[kind] for key in keys for kind in key if kind in user_keys.FIELDS}
    hidden = sorted(f"User.{name}" for name in fields if not may_read(viewer, "User", name))
    if hidden:
        raise forbidden(hidden, viewer)


def require_history(argued: Sequence[Argued], arguments: Sequence[Any]) -> None:
    """Refuse what the past is asked for and has not. It is told once for each moment that is asked for."""
    absent: dict[int, list[str]] = {}
    for place, (each, given) in enumerate(zip(argued, arguments, strict=True)):
        if each.past is not None and is_past(arguments[each.past]):
            named = each.timeless if place == each.past else []
            more = history.absent(each.source, given) if each.source is not None else []
            absent.setdefault(each.past, []).extend([*named, *more])
    for place, names in absent.items():
        if names:
            raise without_history(names, argued[place].response_path)


def reads_past(argued: Sequence[Argued], arguments: Sequence[Any]) -> bool:
    """Whether any field is read as of a time."""
    return any(each.past is not None and is_past(arguments[each.past]) for each in argued)


def is_past(given: Any) -> bool:
    """Whether a field's arguments ask for rows as of a time: by `asOf`, or by ids that name one."""
    return given.as_of is not None if isinstance(given, Page) else bool(given.get("times"))
