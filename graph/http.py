"""GraphQL over HTTP: media types and status codes as the specification says."""

import secrets
from dataclasses import replace
from typing import Any

import orjson
from starlette.requests import ClientDisconnect, Request
from starlette.types import Receive, Scope, Send

from graph.context import Context, Services
from graph.errors import coded, formatted, public, unauthenticated, unavailable
from graph.executor import Answer, Engine
from graph.incoming import GRAPHQL, JSON, BadRequest, Incoming, media_of
from graph.playground.page import page
from models.errors import Unauthenticated, Unavailable
from resolvers import viewers
from resolvers.policy import NOBODY, Viewer

_STATUS = {
    "UNAUTHENTICATED": 401,
    "METHOD_NOT_ALLOWED": 405,
    "SERVICE_UNAVAILABLE": 503,
    "BODY_TOO_LARGE": 413,
    "UNSUPPORTED_MEDIA_TYPE": 415,
    "NOT_ACCEPTABLE": 406,
    "INTERNAL": 500,
}
SECURITY = (
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
    (b"x-frame-options", b"DENY"),
)
_ALWAYS = [(b"cache-control", b"no-store"), (b"vary", b"accept, x-apikey, authorization"), *SECURITY]


class Endpoint:
    """`/graphql` as an ASGI application."""

    def __init__(self, engine: Engine, services: Services, touches: viewers.Touches) -> None:
        self._engine = engine
        self._services = services
        self._touches = touches
        self._doorkeeper = viewers.Doorkeeper(services.database)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        incoming = Incoming(scope, receive)
        if incoming.method == "GET" and "text/html" in incoming.header(b"accept"):
            request = Request(scope)
            if "query" not in request.query_params:
                await page(request)(scope, receive, send)
                return
        request_id = secrets.token_hex(8)
        media = media_of(incoming.header(b"accept"))
        try:
            answer = await self._answer(incoming, request_id, media)
        except ClientDisconnect:
            return
        except Exception as error:
            answer = Answer(errors=[public(error, request_id)])
        await _respond(send, answer, media or JSON, request_id, incoming.method)

    async def _answer(self, incoming: Incoming, request_id: str, media: str | None) -> Answer:
        try:
            if media is None:
                raise BadRequest(f"Accept {GRAPHQL} or {JSON}.", "NOT_ACCEPTABLE")
            query, variables, name = await incoming.parameters(self._services.settings.max_body)
            viewer = await self._viewer(incoming.secret(), request_id)
        except BadRequest as refused:
            return Answer(errors=[coded(str(refused), refused.code)])
        except Unauthenticated:
            return Answer(errors=[unauthenticated()])
        except Unavailable:
            return Answer(errors=[unavailable()])
        context = Context(self._services, viewer, request_id)
        return await self._engine.execute(context, query, variables, name, read_only=incoming.method == "GET")

    async def _viewer(self, secret: str | None, request_id: str) -> Viewer:
        if secret is None:
            return replace(NOBODY, request_id=request_id)
        viewer, stale = await self._doorkeeper.viewer(secret, request_id)
        if stale:
            self._touches.add(viewer)
        return viewer


async def _respond(send: Send, answer: Answer, media: str, request_id: str, method: str) -> None:
    body: dict[str, Any] = {}
    if answer.errors:
        body["errors"] = formatted(answer.errors)
    if answer.executed:
        body["data"] = answer.data
    if answer.extensions:
        body["extensions"] = answer.extensions
    written = orjson.dumps(body, option=orjson.OPT_UTC_Z)
    status = _status(answer, media)
    headers = [
        (b"content-type", f"{media}; charset=utf-8".encode()),
        (b"content-length", str(len(written)).encode()),
        (b"x-request-id", request_id.encode()),
        *_ALWAYS,
    ]
    if status == 405:
        headers.append((b"allow", b"POST" if method == "GET" else b"GET, POST"))
    if status == 503:
        headers.append((b"retry-after", b"1"))
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": written})


def _status(answer: Answer, media: str) -> int:
    """200 once executed. A refused request is 4xx; for old JSON clients only where no GraphQL was understood."""
    if not answer.errors:
        return 200
    code = str((answer.errors[0].extensions or {}).get("code", ""))
    if answer.data is None and code in _STATUS:
        return _STATUS[code]
    if answer.executed:
        return 200
    understood = code.startswith(("GRAPHQL_VALIDATION", "GRAPHQL_PARSE", "TOO_", "BAD_USER_INPUT", "BAD_OPERATION"))
    return 200 if media == JSON and understood else 400
