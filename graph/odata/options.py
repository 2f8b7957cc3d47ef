"""Query options of a list or an entity: what is answered of each row, and which rows in which order."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from graph.limits import LISTS
from graph.odata.filters import where_of
from graph.odata.model import KEY, EntityType, Model, Navigation, Property
from graph.odata.paths import Where
from graph.odata.refusals import bad, unsupported
from models.settings import Settings
from resolvers.policy import Viewer, may_read

EXPANDED_ROWS = 100  # of a list inside a row, unless its $top says otherwise; the rest has a link of its own
MOST_EXPANDED = 8
NESTED = {"$select", "$top", "$filter", "$orderby", "$count"}
_NUMBER = re.compile(r"[0-9]{1,9}")
_ORDER = re.compile(r"([\w/]+)(?:\s+(asc|desc))?", re.ASCII)
_EXPAND = re.compile(r"(\w+)\s*(?:\((.*)\))?", re.ASCII | re.DOTALL)
_WORD = re.compile(r'"[^"\s]*"|[^\s"()]+')


@dataclass(frozen=True)
class Order:
    """One step: its path, its name in GraphQL (None for a list that is put in order here), and its direction."""

    path: tuple[str, ...]
    name: str | None
    down: bool

    def variable(self) -> dict[str, str]:
        return {"field": self.name or "", "direction": "DESC" if self.down else "ASC"}


@dataclass(frozen=True)
class Shape:
    """What is answered of a row. `is_whole`: all that there is; then the context need not list it."""

    type: EntityType
    properties: tuple[Property, ...]
    expanded: tuple["Expanded", ...] = ()
    is_whole: bool = True

    @property
    def has_key(self) -> bool:
        return any(each.name == KEY for each in self.properties)

    @property
    def weight(self) -> int:
        """How many rows hang on one of these, as GraphQL reckons the cost of a document."""
        lists = sum(LISTS.get(each.name, 0) for each in self.properties)
        return lists + sum(each.first * (1 + each.shape.weight) for each in self.expanded)


@dataclass(frozen=True)
class Expanded:
    """A relation inside a row; `first` is 1 for one that leads to one row, `top` what was asked for."""

    navigation: Navigation
    shape: Shape
    first: int = 1
    top: int | None = None
    where: Where | None = None
    order: tuple[Order, ...] = ()
    counts: bool = False
    options: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Listing:
    shape: Shape
    where: Where | None = None
    order: tuple[Order, ...] = ()
    search: str | None = None
    top: int | None = None
    skip: int = 0
    counts: bool = False
    after: str | None = None


@dataclass
class Options:
    """Reads the options of one request, for one viewer."""

    model: Model
    viewer: Viewer
    settings: Settings
    given: Mapping[str, str] = field(default_factory=dict)

    def listing(self, type_: EntityType, *, is_paged: bool = True) -> Listing:
        given = self.given
        return Listing(
            shape=self.shape(type_),
            where=self._where(type_, given),
            order=self._order(type_, given.get("$orderby"), in_graphql=is_paged),
            search=_words(given["$search"]) if "$search" in given else None,
            top=_number("$top", given.get("$top")),
            skip=_number("$skip", given.get("$skip")) or 0,
            counts=_flag("$count", given.get("$count")),
            after=given.get("$skiptoken") or None,
        )

    def shape(self, type_: EntityType) -> Shape:
        expanded = [self._expanded(type_, text) for text in split(self.given.get("$expand", ""), ",")]
        if len(expanded) > MOST_EXPANDED:
            bad(f"$expand takes at most {MOST_EXPANDED} relations.", "$expand")
        names = [each.navigation.name for each in expanded]
        if len(set(names)) < len(names):
            bad("$expand names a relation twice.", "$expand")
        return self._shape(type_, self.given.get("$select"), tuple(expanded))

    def _shape(self, type_: EntityType, select: str | None, expanded: tuple[Expanded, ...] = ()) -> Shape:
        """Without $select: every property but those that the viewer may not read."""
        visible = tuple(p for p in type_.properties.values() if may_read(self.viewer, type_.name, p.name))
        names = [name.strip() for name in (select or "*").split(",")]
        for name in names:
            if name.partition("/")[0] in (*type_.properties, *type_.navigations) and "/" in name:
                unsupported(f"{name[:60]} in a $select; use $expand={name.partition('/')[0]}($select=…)", "$select")
            if name not in (*type_.properties, *type_.navigations, "*"):
                bad(f"{type_.name} has no {name[:60]}.", "$select")
        if "*" in names:
            return Shape(type_, visible, expanded, len(visible) == len(type_.properties))
        chosen = tuple(each for each in type_.properties.values() if each.name in names)
        return Shape(type_, chosen, expanded, is_whole=False)

    def _expanded(self, type_: EntityType, text: str) -> Expanded:
        found = _EXPAND.fullmatch(text.strip())
        if found is None:
            unsupported(f"$expand={text[:60]}; one level of relations, by their names, is what there is", "$expand")
        if found[1] not in type_.navigations:
            bad(f"{type_.name} leads to no {found[1][:60]}; to {', '.join(type_.navigations) or 'nothing'}.", "$expand")
        navigation = type_.navigations[found[1]]
        target = self.model.types[navigation.target]
        given = _nested(found[2])
        shape = self._shape(target, given.get("$select"))
        if not navigation.is_list:
            if set(given) - {"$select"}:
                bad(f"{navigation.name} is one entity: only $select goes with it.", "$expand")
            return Expanded(navigation, shape)
        top = _number("$top", given.get("$top"))
        return Expanded(
            navigation,
            shape,
            first=min(EXPANDED_ROWS if top is None else top, self.settings.max_page),
            top=top,
            where=self._where(target, given),
            order=self._order(target, given.get("$orderby"), in_graphql=True),
            counts=_flag("$count", given.get("$count")),
            options={name: text for name, text in given.items() if name != "$top"},
        )

    def _where(self, type_: EntityType, given: Mapping[str, str]) -> Where | None:
        return where_of(self.model, type_, given["$filter"]) if "$filter" in given else None

    def _order(self, type_: EntityType, text: str | None, *, in_graphql: bool) -> tuple[Order, ...]:
        """`in_graphql`: only what the list can be ordered by there."""
        if text is None:
            return ()
        made: list[Order] = []
        for each in text.split(","):
            found = _ORDER.fullmatch(each.strip())
            if found is None:
                unsupported(f"$orderby={each.strip()[:60]}; it takes properties, each with asc or desc", "$orderby")
            path = tuple(found[1].split("/"))
            if path[0] not in (*type_.properties, *type_.navigations):
                bad(f"{type_.name} has no {path[0][:60]}.", "$orderby")
            name = type_.order(path) if in_graphql else None
            if name is None and (in_graphql or len(path) > 1 or _is_listed(type_, path[0])):
                known = ", ".join(type_.orderable if in_graphql else type_.properties) or "nothing"
                unsupported(f"the order by {found[1][:60]}; {type_.name} is ordered by {known}", "$orderby")
            made.append(Order(path, name, found[2] == "desc"))
        return tuple(made)


def _is_listed(type_: EntityType, name: str) -> bool:
    return name not in type_.properties or type_.properties[name].is_list


def _nested(text: str | None) -> dict[str, str]:
    """The options in the parentheses behind a relation, by semicolons."""
    found: dict[str, str] = {}
    for pair in split(text or "", ";"):
        name, equals, value = pair.strip().partition("=")
        if name not in NESTED:
            unsupported(f"{name[:40] or 'nothing'} inside $expand; there are {', '.join(sorted(NESTED))}", "$expand")
        if not equals or name in found:
            bad(f"{name} inside $expand is given once, with a value.", "$expand")
        found[name] = value.strip()
    return found


def split(text: str, separator: str) -> Iterator[str]:
    """The parts of a text between separators that stand neither in quotes nor in parentheses."""
    begun = depth = 0
    quoted = False
    for place, letter in enumerate(text):
        if letter == "'":
            quoted = not quoted
        elif quoted:
            continue
        elif letter in "()":
            depth += 1 if letter == "(" else -1
        elif letter == separator and depth == 0:
            yield text[begun:place]
            begun = place + 1
    if text:
        yield text[begun:]


def _number(name: str, text: str | None) -> int | None:
    if text is None:
        return None
    if not _NUMBER.fullmatch(text):
        bad(f"{name} takes a whole number from 0.", name)
    return int(text)


def _flag(name: str, text: str | None) -> bool:
    if text not in (None, "true", "false"):
        bad(f"{name} is true or false.", name)
    return text == "true"


def _words(text: str) -> str:
    """Words that all must be found; those are all that a search knows."""
    words = [word for word in _WORD.findall(text) if word != "AND"]
    if not words or {"OR", "NOT"} & set(words) or _WORD.sub("", text).strip():
        unsupported(
            "a $search but for words, all of which are looked for; no OR, NOT, phrases or parentheses", "$search"
        )
    return " ".join(word.strip('"') for word in words)


def in_order(rows: Sequence[Any], order: Sequence[Order], sortable: Any) -> list[Any]:
    """Rows of a short list, put in order here: nulls first going up and last going down, as everywhere."""
    made = list(rows)
    for step in reversed(order):
        name = step.path[0]
        made.sort(key=lambda row: (row[name] is not None, sortable(row[name])), reverse=step.down)
    return made
