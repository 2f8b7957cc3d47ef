"""GraphQL over HTTP: bodies read within bounds, media types and status codes as the specification says."""

import re
import secrets
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import orjson
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from graph.context import Context, Services
from graph.errors import coded, formatted, public, unauthenticated, unavailable
from graph.executor import Answer, Engine
from graph.playground.page import page
from models.errors import Unauthenticated, Unavailable
from resolvers import viewers
from resolvers.policy import NOBODY, Viewer

GRAPHQL = "application/graphql-response+json"
JSON = "application/json"
MOST_KEY = 200
MOST_URL = 64_000
_STATUS = {
    "UNAUTHENTICATED": 401,
    "METHOD_NOT_ALLOWED": 405,
    "SERVICE_UNAVAILABLE": 503,
    "BODY_TOO_LARGE": 413,
    "UNSUPPORTED_MEDIA_TYPE": 415,
    "NOT_ACCEPTABLE": 406,
    "INTERNAL": 500,
}
_CLEAN = re.compile("\x00|[\ud800-\udfff]")


class BadRequest(Exception):
    def __init__(self, message: str, code: str = "BAD_REQUEST") -> None:
        super().__init__(message)
        self.code = code


class Endpoint:
    """`/graphql` as an ASGI application."""

    def __init__(self, engine: Engine, services: Services, touches: viewers.Touches) -> None:
        self._engine = engine
        self._services = services
        self._touches = touches

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        response = await self._respond(Request(scope, receive))
        await response(scope, receive, send)

    async def _respond(self, request: Request) -> Response:
        if request.method == "GET" and _wants_page(request):
            return page(request)
        request_id = secrets.token_hex(8)
        media = _media(request.headers.get("accept", ""))
        try:
            answer = await self._answer(request, request_id, media)
        except ClientDisconnect:
            return Response(status_code=499)
        except Exception as error:
            answer = Answer(errors=[public(error, request_id)])
        return _respond(answer, media or JSON, request_id, request.method)

    async def _answer(self, request: Request, request_id: str, media: str | None) -> Answer:
        try:
            if media is None:
                raise BadRequest(f"Accept {GRAPHQL} or {JSON}.", "NOT_ACCEPTABLE")
            query, variables, name = await self._parameters(request)
            viewer = await self._viewer(request, request_id)
        except BadRequest as refused:
            return Answer(errors=[coded(str(refused), refused.code)])
        except Unauthenticated:
            return Answer(errors=[unauthenticated()])
        except Unavailable:
            return Answer(errors=[unavailable()])
        context = Context(self._services, viewer, request_id)
        return await self._engine.execute(context, query, variables, name, read_only=request.method == "GET")

    async def _viewer(self, request: Request, request_id: str) -> Viewer:
        secret = _secret(request)
        if secret is None:
            return replace(NOBODY, request_id=request_id)
        async with self._services.database.reading() as connection:
            viewer, stale = await viewers.by_key(connection, secret, request_id)
        if stale:
            self._touches.add(viewer)
        return viewer

    async def _parameters(self, request: Request) -> tuple[str, dict[str, Any], str | None]:
        if request.method == "GET":
            return _from_url(request)
        if request.method != "POST":
            raise BadRequest("Send GraphQL by POST, or queries by GET.", "METHOD_NOT_ALLOWED")
        _check_media(request)
        return _from_body(await self._body(request))

    async def _body(self, request: Request) -> bytes:
        limit = self._services.settings.max_body
        too_large = BadRequest(f"The body is larger than {limit} bytes.", "BODY_TOO_LARGE")
        declared = request.headers.get("content-length", "0")
        if not declared.isdecimal() or int(declared) > limit:
            raise too_large
        parts, size = [], 0
        async for part in request.stream():
            size += len(part)
            if size > limit:
                raise too_large
            parts.append(part)
        return b"".join(parts)


def _wants_page(request: Request) -> bool:
    return "query" not in request.query_params and "text/html" in request.headers.get("accept", "")


def _secret(request: Request) -> str | None:
    """The key sent, if any. Never from the URL: addresses are logged, shared and kept."""
    scheme, _, bearer = request.headers.get("authorization", "").partition(" ")
    secret = request.headers.get("x-apikey") or (bearer.strip() if scheme.lower() == "bearer" else None)
    if secret is not None and len(secret) > MOST_KEY:
        raise Unauthenticated
    return secret or None


def _media(accept: str) -> str | None:
    """The media type to answer in: the one wanted more, the newer one on a tie, JSON where nothing is said."""
    if not accept.strip():
        return JSON
    weights = dict(_weighed(part) for part in accept.split(",") if part.strip())
    anything = weights.get("application/*", weights.get("*/*", 0.0))
    newer = weights.get(GRAPHQL, 0.0)
    # Old clients that take anything were written for application/json.
    older = weights.get(JSON, anything)
    if max(newer, older) <= 0:
        return None
    return GRAPHQL if newer >= older else JSON


def _weighed(part: str) -> tuple[str, float]:
    media, *parameters = (piece.strip().lower() for piece in part.split(";"))
    for parameter in parameters:
        if parameter.startswith("q="):
            try:
                return media, float(parameter[2:])
            except ValueError:
                return media, 0.0
    return media, 1.0


def _check_media(request: Request) -> None:
    """JSON only: forms and plain text are what another site's page can send without asking."""
    kind, _, parameters = request.headers.get("content-type", "").partition(";")
    if kind.strip().lower() != JSON:
        raise BadRequest(f"Send the body as {JSON}.", "UNSUPPORTED_MEDIA_TYPE")
    charset = re.search(r"charset=\"?([\w-]+)", parameters, re.IGNORECASE)
    if charset and charset[1].lower() not in ("utf-8", "utf8"):
        raise BadRequest("Send the body in UTF-8.", "UNSUPPORTED_MEDIA_TYPE")
    if request.headers.get("content-encoding", "identity").lower() != "identity":
        raise BadRequest("Send the body uncompressed.", "UNSUPPORTED_MEDIA_TYPE")


def _from_url(request: Request) -> tuple[str, dict[str, Any], str | None]:
    if len(request.url.query) > MOST_URL:
        raise BadRequest("The address is too long. Send the query by POST.")
    given: dict[str, Any] = dict(request.query_params)
    for name in ("variables", "extensions"):
        if name in given:
            given[name] = _loads(given[name].encode("utf-8", "replace"), name)
    return _checked(given)


def _from_body(body: bytes) -> tuple[str, dict[str, Any], str | None]:
    given = _loads(body, "The body")
    if not isinstance(given, dict):
        raise BadRequest('The body is one JSON object: {"query": …, "variables": …, "operationName": …}.')
    return _checked(given)


def _loads(text: bytes, what: str) -> Any:
    try:
        return orjson.loads(text)
    except (orjson.JSONDecodeError, RecursionError) as error:
        raise BadRequest(f"{what} is not JSON in UTF-8: {str(error)[:100]}") from error


def _checked(given: Mapping[str, Any]) -> tuple[str, dict[str, Any], str | None]:
    query, variables, name = given.get("query"), given.get("variables"), given.get("operationName")
    if not isinstance(query, str) or not query.strip():
        raise BadRequest("query is a GraphQL document, as text.")
    if variables is not None and not isinstance(variables, dict):
        raise BadRequest("variables is an object.")
    if name is not None and not isinstance(name, str):
        raise BadRequest("operationName is a text.")
    if given.get("extensions") is not None and not isinstance(given["extensions"], dict):
        raise BadRequest("extensions is an object.")
    if _CLEAN.search(query) or not _is_clean(variables):
        raise BadRequest("There is a NUL or half a character in a text. Take it out.")
    return query, variables or {}, name or None


def _is_clean(value: Any) -> bool:
    """Whether no text in it has a NUL, which PostgreSQL cannot store. Walks without recursion."""
    waiting = [value]
    while waiting:
        each = waiting.pop()
        if isinstance(each, str):
            if _CLEAN.search(each):
                return False
        elif isinstance(each, dict):
            waiting += each.values()
            waiting += each.keys()
        elif isinstance(each, list):
            waiting += each
    return True


def _respond(answer: Answer, media: str, request_id: str, method: str) -> Response:
    body: dict[str, Any] = {}
    if answer.errors:
        body["errors"] = formatted(answer.errors)
    if answer.executed:
        body["data"] = answer.data
    if answer.extensions:
        body["extensions"] = answer.extensions
    headers = {
        "x-request-id": request_id,
        "cache-control": "no-store",
        "vary": "accept, x-apikey, authorization",
    }
    status = _status(answer, media)
    if status == 405:
        headers["allow"] = "POST" if method == "GET" else "GET, POST"
    if status == 503:
        headers["retry-after"] = "1"
    return Response(orjson.dumps(body, option=orjson.OPT_UTC_Z), status, headers, media_type=f"{media}; charset=utf-8")


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
