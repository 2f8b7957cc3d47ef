"""From a resource to its answer: documents run by the engine that answers GraphQL, and pages joined by their links."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from graphql import GraphQLError

from graph.context import Context
from graph.executor import Engine
from graph.odata import documents
from graph.odata.addresses import Resource, only
from graph.odata.answers import Reply, Writer, dumped
from graph.odata.apply import REPORT, applied
from graph.odata.documents import Document, Place
from graph.odata.model import EntityType, Model
from graph.odata.options import Listing, Options, Shape, in_order
from graph.odata.refusals import Refused, missing, unsupported
from models.values import key
from resolvers.reports_questions import MOST_ROWS

MOST_SKIPPED = 10_000
STATUSES = {
    "UNAUTHENTICATED": 401,
    "FORBIDDEN": 403,
    "SECOND_FACTOR_REQUIRED": 403,
    "NOT_FOUND": 404,
    "SERVICE_UNAVAILABLE": 503,
    "INTERNAL": 500,
}


class Answered(Exception):
    """The engine refused: its errors leave as they are, in OData's shape."""

    def __init__(self, errors: Sequence[GraphQLError]) -> None:
        super().__init__(errors[0].message)
        self.errors = errors

    @property
    def refused(self) -> Refused:
        code = str((self.errors[0].extensions or {}).get("code", "INTERNAL"))
        return Refused(self.errors[0].message, code, STATUSES.get(code, 400))


@dataclass
class Reading:
    """One request for rows. `most` is the largest page that the client prefers."""

    engine: Engine
    context: Context
    model: Model
    writer: Writer
    given: Mapping[str, str]
    most: int | None = None

    async def reply(self, resource: Resource) -> Reply:
        assert resource.set is not None
        place = Place(resource.set, resource.key, resource.navigation)
        if resource.kind == "count":
            return await self._count(place)
        if resource.kind == "collection":
            return await self._collection(place)
        if resource.kind == "entity":
            return await self._entity(place)
        return await self._property(place, resource.property or "", raw=resource.kind == "value")

    def _options(self, given: Mapping[str, str] | None = None) -> Options:
        return Options(self.model, self.context.viewer, self.engine.settings, self.given if given is None else given)

    def _type(self, place: Place) -> EntityType:
        return self.model.types[place.navigation.target] if place.navigation else place.set.type

    # --- lists ----------------------------------------------------------------------------------------------------

    async def _collection(self, place: Place) -> Reply:
        if "$apply" in self.given:
            return await self._applied(place)
        listing = self._options().listing(self._type(place), is_paged=place.is_paged)
        self._check_fits(place, listing)
        if not place.is_paged:
            return await self._short(place, listing)
        after = await self._skipped(place, listing)
        first = self._page_size(listing)
        if listing.skip and after is None:
            return self._page(place, listing, await self._beyond(place, listing))
        return self._page(place, listing, await self._rows(place, documents.page(place, listing, first, after)))

    def _page(self, place: Place, listing: Listing, found: Mapping[str, Any]) -> Reply:
        of = self.model.set_of(listing.shape.type.name)
        body: dict[str, Any] = {"@odata.count": found["totalCount"]} if listing.counts else {}
        body["value"] = [self.writer.row(of, listing.shape, row) for row in found["nodes"]]
        left = None if listing.top is None else listing.top - len(found["nodes"])
        if found["pageInfo"]["hasNextPage"] and (left is None or left > 0):
            body["@odata.nextLink"] = self.writer.next_link(place, self.given, found["pageInfo"]["endCursor"], left)
        return self.writer.json(body, self.writer.context(listing.shape))

    def _page_size(self, listing: Listing) -> int:
        """A page's rows with all that hangs on them cost no more than an operation may."""
        settings = self.engine.settings
        dear = settings.max_cost // (1 + listing.shape.weight)
        sizes = [settings.max_page, max(1, dear), *([self.most] if self.most else [])]
        return min([*sizes, *([listing.top] if listing.top is not None else [])])

    async def _skipped(self, place: Place, listing: Listing) -> str | None:
        """The cursor behind `skip` rows, None where there are not as many. Cursors are all that GraphQL pages by."""
        if listing.skip > MOST_SKIPPED:
            message = f"$skip takes at most {MOST_SKIPPED}. Follow @odata.nextLink, which costs the same on every page."
            raise Refused(message, target="$skip")
        after, left, most = listing.after, listing.skip, self.engine.settings.max_page
        while left:
            document = documents.skipped(place, listing, min(left, most), after)
            info = (await self._rows(place, document))["pageInfo"]
            left -= min(left, most)
            after = info["endCursor"]
            if not info["hasNextPage"]:
                return None
        return after

    async def _beyond(self, place: Place, listing: Listing) -> dict[str, Any]:
        """An empty page, with the count if it was asked for."""
        found: dict[str, Any] = {"nodes": [], "pageInfo": {"hasNextPage": False}}
        if listing.counts:
            found |= await self._rows(place, documents.counted(place, listing))
        return found

    async def _short(self, place: Place, listing: Listing) -> Reply:
        """A list that GraphQL answers whole, cut here."""
        rows = in_order(await self._rows(place, documents.page(place, listing, 0, None)), listing.order, _sortable)
        end = None if listing.top is None else listing.skip + listing.top
        body: dict[str, Any] = {"@odata.count": len(rows)} if listing.counts else {}
        body["value"] = [self.writer.row(place.set, listing.shape, row) for row in rows[listing.skip : end]]
        return self.writer.json(body, self.writer.context(listing.shape))

    async def _count(self, place: Place) -> Reply:
        only(self.given, "$filter", "$search")
        listing = self._options().listing(self._type(place))
        self._check_fits(place, listing)
        found = await self._rows(place, documents.counted(place, listing))
        number = found["totalCount"] if place.is_paged else len(found)
        return Reply(str(number).encode(), "text/plain;charset=utf-8")

    async def _applied(self, place: Place) -> Reply:
        """Groups instead of rows. All of them are read: there are no more than a report may have."""
        beside = set(self.given) - {"$apply", "$orderby", "$top", "$skip", "$count", "$format"}
        if beside or place.key is not None:
            what = f"{', '.join(sorted(beside)) or place.field} beside $apply; write $apply=filter(…)/groupby(…)"
            unsupported(what, "$apply")
        made = applied(self.model, place.set.type, self.given["$apply"])
        given = {name: text for name, text in self.given.items() if name not in ("$apply", "$orderby")}
        listing = self._options(given).listing(place.set.type)
        found = (await self._run(made.document(list(made.order(self.given.get("$orderby"))), MOST_ROWS)))[REPORT]
        if found["hasMore"]:
            raise Refused(f"This makes more than {MOST_ROWS} groups. Filter, or group by less.", target="$apply")
        end = None if listing.top is None else listing.skip + listing.top
        transient = {"@odata.id": None} if self.writer.annotates else {}
        body: dict[str, Any] = {"@odata.count": len(found["rows"])} if listing.counts else {}
        body["value"] = [{**transient, **made.row(row)} for row in found["rows"][listing.skip : end]]
        return self.writer.json(body, made.context)

    def _check_fits(self, place: Place, listing: Listing) -> None:
        if listing.search is not None and "search" not in place.arguments:
            raise Refused(f"$search does not go with {place.field}.", "NOT_IMPLEMENTED", 501, "$search")
        if listing.after is not None and not place.is_paged:
            raise Refused(f"{place.set.name} come on one page.", target="$skiptoken")

    # --- single entities ------------------------------------------------------------------------------------------

    async def _entity(self, place: Place) -> Reply:
        only(self.given, "$select", "$expand")
        shape = self._options().shape(self._type(place))
        found = await self._one(place, documents.entity(place, shape))
        if place.navigation is not None:
            found = found[place.field]
        if found is None:
            return Reply(b"", status=204)
        row = self.writer.row(self.model.set_of(shape.type.name), shape, found)
        return self.writer.json(row, self.writer.context(shape, single=True))

    async def _property(self, place: Place, name: str, *, raw: bool) -> Reply:
        only(self.given)
        shape = Shape(place.set.type, (place.set.type.properties[name],), is_whole=False)
        found = (await self._one(place, documents.entity(place, shape)))[name]
        if shape.properties[0].is_json and found is not None:
            found = dumped(found).decode()
        if found is None:
            return Reply(b"", status=204)
        if raw:
            return Reply(_plain(found), "text/plain;charset=utf-8")
        return self.writer.json({"value": found}, f"#{place.set.name}('{place.key}')/{name}")

    # --- the engine -----------------------------------------------------------------------------------------------

    async def _rows(self, place: Place, document: Document) -> Any:
        """What stands at the list itself."""
        if place.key is None:
            return (await self._run(document))[place.field]
        return (await self._one(place, document))[place.field]

    async def _one(self, place: Place, document: Document) -> Any:
        data = await self._run(document)
        found = data["node"] if place.set.type.is_node else next(iter(data[place.set.root]["nodes"]), None)
        if not found:
            missing(f"There is no {place.set.name}('{(place.key or '')[:60]}'), or none that you may see.")
        return found

    async def _run(self, document: Document) -> Any:
        answer = await self.engine.execute(self.context, document.text, document.variables, None, read_only=True)
        if answer.errors:
            raise Answered(answer.errors)
        return answer.data


def _sortable(value: Any) -> Any:
    return key(value) if isinstance(value, str) else value


def _plain(value: Any) -> bytes:
    written = dumped(value)
    return value.encode() if isinstance(value, str) else written.strip(b'"')
