"""`/odata/`: an OData v4 feed of the directory, for Excel, Power BI and whatever else speaks it."""

from collections.abc import Mapping
from typing import Any

from graphql import GraphQLError
from starlette.routing import BaseRoute, Route
from starlette.types import Receive, Scope, Send

from graph.entrances import Entrance
from graph.errors import public, unauthenticated
from graph.executor import Answer, Engine
from graph.http import SECURITY, outcome_of
from graph.incoming import Incoming
from graph.odata import media
from graph.odata.addresses import ROOT, options_of, resource_of
from graph.odata.answers import Reply, Writer, error
from graph.odata.metadata import described, described_in_json, service_document
from graph.odata.model import model
from graph.odata.reading import Answered, Reading
from graph.odata.refusals import Refused
from models.settings import Settings
from models.watching import Asked

# Spreadsheets send a key by Basic where they are asked to. A browser would keep it, and send it for any site's page.
CHALLENGE = (b"www-authenticate", b'Basic realm="usergraph", charset="UTF-8"')
VARY = b"accept, x-apikey, authorization, prefer"


def routes(engine: Engine, entrance: Entrance) -> list[BaseRoute]:
    feed = Feed(engine, entrance)
    return [Route(ROOT, feed), Route(f"{ROOT}/{{path:path}}", feed)]


class Feed:
    """An ASGI application. Every request for rows is a GraphQL document with variables, run by the engine."""

    def __init__(self, engine: Engine, entrance: Entrance) -> None:
        self._engine = engine
        self._entrance = entrance

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        incoming = Incoming(scope, receive)
        with self._entrance.watched(incoming) as asked:
            try:
                reply, errors = await self._reply(incoming, asked), []
            except Answered as answered:
                errors = list(answered.errors)
                reply = error(answered.refused, asked.id, _details(errors))
            except Refused as refused:
                errors = [GraphQLError(str(refused), extensions={"code": refused.code})]
                reply = error(refused, asked.id)
            except Exception as bug:
                errors = [public(bug, asked.id)]
                reply = error(Answered(errors).refused, asked.id)
            asked.status = reply.status
            asked.outcome = outcome_of(Answer(errors=errors))
            if reply.status == 401 and not _is_browser(incoming):
                reply.headers.append(CHALLENGE)
            await _send(send, reply, asked, incoming.method)

    async def _reply(self, incoming: Incoming, asked: Asked) -> Reply:
        viewer = await self._entrance.viewer(incoming, asked.id)
        context = self._entrance.context(incoming, asked, viewer)
        if viewer.is_stranger:
            raise Answered([unauthenticated()])
        resource = resource_of(model(), incoming.scope["path"])
        if incoming.method not in ("GET", "HEAD"):
            raise Refused("This feed is for reading: send GET or HEAD.", "METHOD_NOT_ALLOWED", 405)
        media.check_version(incoming.header(b"odata-maxversion"))
        given = options_of(incoming.scope["query_string"])
        accept, format = incoming.header(b"accept"), given.get("$format")
        if resource.kind == "metadata":
            return _described(given, in_json=media.describes_in_json(accept, format))
        annotates = resource.kind in ("count", "value") or media.annotates(accept, format)
        writer = Writer(model(), base_of(self._engine.settings), annotates)
        if resource.kind == "service":
            return writer.json(service_document(model()), "")
        most = media.page_size_of(incoming.header(b"prefer"))
        reply = await Reading(self._engine, context, model(), writer, given, most).reply(resource)
        if most is not None and resource.kind == "collection":
            reply.headers.append((b"preference-applied", f"odata.maxpagesize={most}".encode()))
        return reply


def _described(given: Mapping[str, str], *, in_json: bool) -> Reply:
    if set(given) - {"$format"}:
        raise Refused("$metadata takes no options but $format.")
    return described_in_json(model()) if in_json else described(model())


def base_of(settings: Settings) -> str:
    """Where the feed is, ending in a slash: links must lead back to it, whatever stands before the service.

    Never by what a request says: a cache in front would hand one client's Host to others.
    """
    return f"{settings.public_url.rstrip('/')}{ROOT}/"


def _is_browser(incoming: Incoming) -> bool:
    """Browsers say from which site a request comes where the connection is safe; elsewhere they ask for a page."""
    return bool(incoming.header(b"sec-fetch-site")) or "text/html" in incoming.header(b"accept")


def _details(errors: list[GraphQLError]) -> list[dict[str, str]]:
    """What is behind the first error; of a forbidden field, its name."""
    details = []
    for each in errors:
        extensions: Mapping[str, Any] = each.extensions or {}
        fields = extensions.get("fields") or ([None] if each is not errors[0] else [])
        code = str(extensions.get("code", ""))
        details += [{"code": code, "message": each.message, **({"target": f} if f else {})} for f in fields]
    return details


async def _send(send: Send, reply: Reply, asked: Asked, method: str) -> None:
    headers = [
        (b"odata-version", b"4.0"),
        (b"x-request-id", asked.id.encode()),
        (b"cache-control", b"no-store"),
        (b"vary", VARY),
        *SECURITY,
        *reply.headers,
    ]
    if reply.status != 204:
        headers += [(b"content-type", reply.media.encode()), (b"content-length", str(len(reply.body)).encode())]
    if reply.status == 405:
        headers.append((b"allow", b"GET, HEAD"))
    if reply.status == 503:
        headers.append((b"retry-after", b"1"))
    await send({"type": "http.response.start", "status": reply.status, "headers": headers})
    await send({"type": "http.response.body", "body": b"" if method == "HEAD" else reply.body})
