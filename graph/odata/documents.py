"""GraphQL documents for requests: texts depend on what is selected alone, values are variables, so plans are kept."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from graph.odata.model import KEY, EntitySet, Navigation
from graph.odata.options import Expanded, Listing, Shape

PAGE_INFO = "pageInfo { endCursor hasNextPage }"


@dataclass(frozen=True)
class Place:
    """Where rows hang: in an entity set, on an entity of it (`key`), or where a relation leads from there."""

    set: EntitySet
    key: str | None = None
    navigation: Navigation | None = None

    @property
    def field(self) -> str:
        return self.navigation.name if self.navigation else self.set.root

    @property
    def arguments(self) -> Mapping[str, str]:
        return self.navigation.arguments if self.navigation else self.set.arguments

    @property
    def is_paged(self) -> bool:
        return self.navigation is not None or self.set.is_paged


@dataclass
class Document:
    """`declared` are the variables' types by name."""

    name: str
    text: str = ""
    declared: dict[str, str] = field(default_factory=dict)
    variables: dict[str, Any] = field(default_factory=dict)

    def closed(self, body: str) -> "Document":
        declared = ", ".join(f"${name}: {type_}" for name, type_ in self.declared.items())
        self.text = f"query {self.name}{f'({declared})' if declared else ''} {{ {body} }}"
        return self

    def arguments(self, types: Mapping[str, str], given: Mapping[str, Any], prefix: str = "") -> str:
        """A field's arguments, each from a variable of its own; those that it does not take are not given."""
        made = []
        for name, value in given.items():
            if name in types:
                variable = f"{prefix}_{name}" if prefix else name
                self.declared[variable] = types[name]
                self.variables[variable] = value
                made.append(f"{name}: ${variable}")
        return f"({', '.join(made)})" if made else ""

    def fields(self, shape: Shape) -> str:
        """The key is always among them: rows are linked by it."""
        made = [KEY]
        for each in shape.properties:
            if each.name != KEY:
                made.append(f"{each.name} {{ {' '.join(each.fields)} }}" if each.fields else each.name)
        return " ".join([*made, *(self._expanded(each) for each in shape.expanded)])

    def _expanded(self, each: Expanded) -> str:
        name = each.navigation.name
        if not each.navigation.is_list:
            return f"{name} {{ {self.fields(each.shape)} }}"
        given = {"first": each.first, "where": each.where, "orderBy": [step.variable() for step in each.order] or None}
        arguments = self.arguments(each.navigation.arguments, given, name)
        total = " totalCount" if each.counts else ""
        return f"{name}{arguments} {{ nodes {{ {self.fields(each.shape)} }} {PAGE_INFO}{total} }}"

    def at(self, place: Place, body: str) -> "Document":
        """What has an id of its own is found by it; other rows are looked for in their list."""
        if place.key is None:
            return self.closed(body)
        of = place.set
        if of.type.is_node:
            self.declared["id"], self.variables["id"] = "ID!", place.key
            return self.closed(f"node(id: $id) {{ ... on {of.type.name} {{ {body} }} }}")
        arguments = self.arguments(of.arguments, {"first": 1, "where": {KEY: {"eq": place.key}}}, "key")
        return self.closed(f"{of.root}{arguments} {{ nodes {{ {body} }} }}")


def page(place: Place, listing: Listing, first: int, after: str | None) -> Document:
    """A page of a list, or all of a short one."""
    made = _document(place)
    shape = listing.shape
    if not place.is_paged:
        shape = replace(shape, properties=(*shape.properties, *_ordering(listing)))
    rows = made.fields(shape)
    inner = f"nodes {{ {rows} }} {PAGE_INFO}{' totalCount' * listing.counts}" if place.is_paged else rows
    return _listed(made, place, {"first": first, "after": after, **_chosen(listing), **_ordered(listing)}, inner)


def skipped(place: Place, listing: Listing, first: int, after: str | None) -> Document:
    """The cursor behind so many rows."""
    given = {"first": first, "after": after, **_chosen(listing), **_ordered(listing)}
    return _listed(_document(place), place, given, PAGE_INFO)


def counted(place: Place, listing: Listing) -> Document:
    return _listed(_document(place), place, _chosen(listing), "totalCount" if place.is_paged else KEY)


def entity(place: Place, shape: Shape) -> Document:
    """One entity: that of the key, or the one that it leads to."""
    made = _document(place)
    if place.navigation is None:
        return made.at(place, made.fields(shape))
    return made.at(place, f"{KEY} {place.field} {{ {made.fields(shape)} }}")


def _document(place: Place) -> Document:
    return Document(f"OData{place.set.name}")


def _listed(made: Document, place: Place, given: Mapping[str, Any], inner: str) -> Document:
    body = f"{place.field}{made.arguments(place.arguments, given)} {{ {inner} }}"
    return made.at(place, f"{KEY} {body}" if place.key else body)


def _chosen(listing: Listing) -> dict[str, Any]:
    return {"where": listing.where, "search": listing.search}


def _ordered(listing: Listing) -> dict[str, Any]:
    return {"orderBy": [step.variable() for step in listing.order] or None}


def _ordering(listing: Listing) -> list[Any]:
    """The properties that a short list is put in order by, and that are not answered."""
    names = {each.name for each in listing.shape.properties}
    wanted = dict.fromkeys(step.path[0] for step in listing.order if step.path[0] not in names)
    return [listing.shape.type.properties[name] for name in wanted]
