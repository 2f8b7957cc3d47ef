"""Answers as OData has them: rows with their links, contexts, and errors."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote

import orjson

from graph.odata.documents import Place
from graph.odata.media import JSON
from graph.odata.model import KEY, EntitySet, Model
from graph.odata.options import Expanded, Shape
from graph.odata.refusals import Refused

SAFE = "$(),'/:;=@*"


@dataclass
class Reply:
    """A status, a body and its media type; `headers` beside those of every answer."""

    body: bytes
    media: str = JSON
    status: int = 200
    headers: list[tuple[bytes, bytes]] = field(default_factory=list)


@dataclass(frozen=True)
class Writer:
    """`base` is the address of the feed, ending in a slash; `annotates`: whether rows tell what they are."""

    model: Model
    base: str
    annotates: bool

    def json(self, body: Mapping[str, Any], context: str | None = None, status: int = 200) -> Reply:
        told = {"@odata.context": f"{self.base}$metadata{context}"} if context is not None and self.annotates else {}
        media = f"{JSON};odata.metadata={'minimal' if self.annotates else 'none'};charset=utf-8"
        return Reply(dumped({**told, **body}), media, status)

    # --- rows -----------------------------------------------------------------------------------------------------

    def row(self, of: EntitySet, shape: Shape, row: Mapping[str, Any]) -> dict[str, Any]:
        made: dict[str, Any] = {}
        if not shape.has_key and self.annotates:
            made["@odata.id"] = self.link(Place(of, row[KEY]))
        for each in shape.properties:
            found = row[each.name]
            made[each.name] = dumped(found).decode() if each.is_json and found is not None else found
        for inner in shape.expanded:
            self._expand(made, of, inner, row)
        return made

    def _expand(self, made: dict[str, Any], of: EntitySet, each: Expanded, row: Mapping[str, Any]) -> None:
        name, found, target = each.navigation.name, row[each.navigation.name], self.model.set_of(each.shape.type.name)
        if not each.navigation.is_list:
            made[name] = None if found is None else self.row(target, each.shape, found)
            return
        if each.counts:
            made[f"{name}@odata.count"] = found["totalCount"]
        made[name] = [self.row(target, each.shape, inner) for inner in found["nodes"]]
        left = None if each.top is None else each.top - len(found["nodes"])
        if found["pageInfo"]["hasNextPage"] and (left is None or left > 0):
            options = {**each.options, **self._rest(found["pageInfo"]["endCursor"], left)}
            made[f"{name}@odata.nextLink"] = self.link(Place(of, row[KEY], each.navigation), options)

    @staticmethod
    def _rest(cursor: str, left: int | None) -> dict[str, str]:
        return {"$skiptoken": cursor} if left is None else {"$top": str(left), "$skiptoken": cursor}

    def next_link(self, place: Place, given: Mapping[str, str], cursor: str, left: int | None) -> str:
        """The same question for the rows behind the cursor."""
        kept = {name: text for name, text in given.items() if name not in ("$skip", "$top", "$skiptoken")}
        return self.link(place, {**kept, **self._rest(cursor, left)})

    def link(self, place: Place, options: Mapping[str, str] | None = None) -> str:
        key = "" if place.key is None else f"('{quote(place.key, safe='')}')"
        path = place.set.name + key + (f"/{place.navigation.name}" if place.navigation else "")
        query = "&".join(f"{name}={quote(text, safe=SAFE)}" for name, text in (options or {}).items())
        return f"{self.base}{path}{f'?{query}' if query else ''}"

    # --- contexts -------------------------------------------------------------------------------------------------

    def context(self, shape: Shape, *, single: bool = False) -> str:
        """Which set the rows are of, and which of their properties are answered where that is not all of them."""
        of = self.model.set_of(shape.type.name)
        return f"#{of.name}{_listed(shape)}{'/$entity' if single else ''}"


def _listed(shape: Shape) -> str:
    inner = [f"{each.navigation.name}{_listed(each.shape)}" for each in shape.expanded if _listed(each.shape)]
    if shape.is_whole:
        return f"(*,{','.join(inner)})" if inner else ""
    return f"({','.join([*(each.name for each in shape.properties), *inner])})"


def dumped(value: Any) -> bytes:
    return orjson.dumps(value, option=orjson.OPT_UTC_Z)


def error(refused: Refused, request_id: str, details: list[dict[str, str]] | None = None) -> Reply:
    made: dict[str, Any] = {"code": refused.code, "message": str(refused)}
    if refused.target:
        made["target"] = refused.target
    if details:
        made["details"] = details
    made["innererror"] = {"requestId": request_id}
    return Reply(dumped({"error": made}), f"{JSON};charset=utf-8", refused.status)
