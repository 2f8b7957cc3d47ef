"""An address of the feed, taken apart: the path to a resource, and its query options."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import unquote_plus

from graph.incoming import MOST_URL
from graph.odata.model import KEY, EntitySet, Model, Navigation
from graph.odata.refusals import Refused, bad, missing, unsupported
from graph.odata.standard import check_segment

ROOT = "/odata"
OPTIONS = frozenset(
    "$filter $select $expand $orderby $top $skip $count $search $skiptoken $format $apply".split()
)  # fmt: skip
OTHERS = frozenset("$compute $levels $index $schemaversion $deltatoken $id $it $root".split())
_SEGMENT = re.compile(r"(\w+)(?:\((.*)\))?", re.ASCII)
_KEY = re.compile(rf"(?:{KEY}=)?'((?:[^']|'')*)'")
_BROKEN = re.compile(r"%(?![0-9A-Fa-f]{2})")


@dataclass(frozen=True)
class Resource:
    """What a path leads to.

    `kind` is service, metadata, collection, entity, count, property or value; a `navigation` goes on from the entity.
    """

    kind: str
    set: EntitySet | None = None
    key: str | None = None
    navigation: Navigation | None = None
    property: str | None = None


def resource_of(model: Model, path: str) -> Resource:
    segments = [segment for segment in path.removeprefix(ROOT).strip("/").split("/") if segment]
    if not segments:
        return Resource("service")
    if len(segments) == 1 and segments[0] == "$metadata":
        return Resource("metadata")
    for segment in segments:
        check_segment(segment)
    found, key = _segment(segments[0])
    if found not in model.sets:
        missing(f"There is no {found[:60]}. The addresses are {', '.join(model.sets)}.")
    of = model.sets[found]
    if key is None:
        return _of_set(of, segments[1:])
    return _of_entity(of, key, segments[1:])


def _segment(text: str) -> tuple[str, str | None]:
    """A name with the key behind it, if any."""
    found = _SEGMENT.fullmatch(text)
    if found is None:
        missing("There is no such address.")
    if found[2] is None:
        return found[1], None
    key = _KEY.fullmatch(found[2])
    if key is None:
        bad(f"A key is a text in quotes: {found[1][:60]}('user_18').")
    return found[1], key[1].replace("''", "'")


def _of_set(of: EntitySet, rest: list[str]) -> Resource:
    if not rest:
        return Resource("collection", of)
    if rest == ["$count"]:
        return Resource("count", of)
    return missing(f"There is nothing behind {of.name}/. One entity is {of.name}('…').")


def _of_entity(of: EntitySet, key: str, rest: list[str]) -> Resource:
    if not rest:
        return Resource("entity", of, key)
    name, inner = _segment(rest[0])
    if name in of.type.navigations:
        navigation = of.type.navigations[name]
        if inner is not None or len(rest) > 2 or (len(rest) == 2 and rest[1] != "$count"):
            unsupported(f"what lies behind {of.name}('…')/{name}; ask for it in its own entity set")
        if len(rest) == 2:
            return Resource("count", of, key, navigation)
        return Resource("collection" if navigation.is_list else "entity", of, key, navigation)
    if name not in of.type.properties:
        missing(f"{of.type.name} has no {name[:60]}.")
    if inner is not None or rest[1:] not in ([], ["$value"]):
        missing(f"There is nothing behind {of.name}('…')/{name}/.")
    return Resource("value" if rest[1:] else "property", of, key, None, name)


def options_of(query: bytes) -> dict[str, str]:
    """Query options by name. Those without a $ are the sender's own business. Raises Refused."""
    if len(query) > MOST_URL:
        raise Refused("The address is too long.", "BAD_REQUEST", 414)
    text = _decoded_bytes(query)
    if _BROKEN.search(text):
        bad("There is a % in the address that is not followed by two hexadecimal digits; write %25.")
    found: dict[str, str] = {}
    for pair in text.split("&"):
        name, _, value = (_decoded(part) for part in pair.partition("="))
        if f"${name}" in OPTIONS:
            bad(f"Write ${name}: without the $ it would not count.", name)
        if not name.startswith("$"):
            continue
        if name in OTHERS:
            unsupported(name, name)
        if name not in OPTIONS:
            bad(f"There is no query option {name[:40]}. There are {', '.join(sorted(OPTIONS))}.", name[:40])
        if name in found:
            bad(f"{name} is given twice.", name)
        found[name] = value.strip()
    return found


def _decoded_bytes(query: bytes) -> str:
    try:
        return query.decode("utf-8")
    except UnicodeDecodeError:
        return bad("The address is not in UTF-8.")


def _decoded(text: str) -> str:
    try:
        found = unquote_plus(text, errors="strict")
    except UnicodeDecodeError:
        bad("The address is not in UTF-8.")
    if "\x00" in found:
        bad("There is a NUL in the address. Take it out.")
    return found


def only(options: Mapping[str, str], *names: str) -> None:
    """Refuse options that say nothing here."""
    for name in options:
        if name not in (*names, "$format"):
            bad(f"{name} does not go with this address.", name)
