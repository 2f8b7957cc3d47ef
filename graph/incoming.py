"""Requests as they come: bodies read within bounds, media types and parameters as GraphQL over HTTP has them."""

import asyncio
import base64
import re
from collections.abc import Awaitable, Callable, Mapping
from functools import lru_cache
from typing import Any, NamedTuple
from urllib.parse import urlsplit

import orjson
from starlette.requests import ClientDisconnect, Request
from starlette.types import Receive, Scope

from graph.attention import Attention
from graph.errors import BadRequest
from graph.input_limits import PIECE, ValueEstimate, check_body, too_many_values
from graph.offload import Offload
from models.errors import Unauthenticated
from models.settings import Settings
from models.values import UNUSABLE
from resolvers.tokens import Purpose

GRAPHQL = "application/graphql-response+json"
JSON = "application/json"
MOST_KEY = 200
MOST_BASIC = 1_000  # characters: the name before the key may be any
SESSION_COOKIE = "usergraph_session"
MOST_URL = 64_000
_ESCAPED = re.compile(rb"\\u(?:0000|[dD][89a-fA-F])")  # the only ways for either into a text of JSON


Authenticate = Callable[[], Awaitable[bool]]


def cookie_name(name: str, origin: str) -> str:
    """The name of a cookie of ours. Over HTTPS it has the prefix by which browsers take it from this host alone."""
    return f"__Host-{name}" if origin.startswith("https://") else name


class Parameters(NamedTuple):
    """What is asked: a document, or by `documentId` the name of one that is kept here, which is a saved report."""

    query: str
    variables: dict[str, Any]
    name: str | None
    document_id: str | None = None


class Incoming:
    """A request whose headers are looked up by name; of a header sent twice the first counts."""

    def __init__(self, scope: Scope, receive: Receive) -> None:
        self.scope = scope
        self.method: str = scope["method"]
        self.receive = receive
        self.attention = Attention(receive)
        self.size = 0  # of the body, once it was read
        self._headers: dict[bytes, bytes] = dict(reversed(scope["headers"]))

    def header(self, name: bytes, default: str = "") -> str:
        value = self._headers.get(name)
        return default if value is None else value.decode("latin-1")

    def secret(self) -> tuple[Purpose, str] | None:
        """The key or session sent, if any. Never from the URL: addresses are logged, shared and kept."""
        purpose, found = Purpose.API_KEY, self.header(b"x-apikey")
        if not found:
            scheme, _, bearer = self.header(b"authorization").partition(" ")
            found = bearer.strip() if scheme.lower() == "bearer" else ""
            if scheme.lower() == "basic":
                return self._basic(bearer.strip())
            if found.startswith(f"{Purpose.SESSION}_"):
                purpose = Purpose.SESSION
        if len(found) > MOST_KEY:
            raise Unauthenticated
        return (purpose, found) if found else None

    def _basic(self, sent: str) -> tuple[Purpose, str] | None:
        """A key as the password of any name, for spreadsheets, which can send it in no other way.

        Nothing here asks a browser for a password (WWW-Authenticate). One that was given one in an address keeps it,
        and would send it for any site's page: of such requests it is not taken.
        """
        if len(sent) > MOST_BASIC:
            raise Unauthenticated
        try:
            _, _, key = base64.b64decode(sent, validate=True).decode("latin-1").partition(":")
        except ValueError:
            return None
        if len(key) > MOST_KEY or key.startswith(f"{Purpose.SESSION}_"):
            raise Unauthenticated
        is_ours = self.header(b"sec-fetch-site", "none") in ("none", "same-origin")
        return (Purpose.API_KEY, key) if key and is_ours else None

    def cookie(self, origin: str) -> str | None:
        """The session in a browser's cookie, where no other site's page can have made the request.

        A browser sends its cookies whoever asks it to, and says who did: in Sec-Fetch-Site, or else in Origin.
        """
        if not (sent := self.header(b"cookie")) or not self.is_own_site(origin):
            return None
        pairs = (pair.strip().partition("=") for pair in sent.split(";"))
        wanted = cookie_name(SESSION_COOKIE, origin)
        found = next((value for name, _, value in pairs if name == wanted), "")
        return found if found.startswith(f"{Purpose.SESSION}_") and len(found) <= MOST_KEY else None

    def is_own_site(self, origin: str) -> bool:
        """Whether the browser says that a page of ours made the request."""
        site = self.header(b"sec-fetch-site")
        if site:
            return site in ("same-origin", "none")
        return self.method == "POST" and self.header(b"origin") == origin

    async def parameters(self, limits: Settings, offload: Offload, authenticate: Authenticate) -> Parameters:
        """Query, variables and operation name, of a body within its limits. Raises BadRequest.

        `authenticate` tells whether somebody known sends it, and is called for bodies that only they may send.
        """
        if self.method in ("GET", "HEAD"):
            return _from_url(Request(self.scope))
        if self.method != "POST":
            raise BadRequest("Send GraphQL by POST, or queries by GET.", "METHOD_NOT_ALLOWED")
        _check_media(self.header(b"content-type"), self.header(b"content-encoding", "identity"))
        body = await self._body(limits, authenticate)
        self.size = len(body)
        if self.size > limits.max_query_body:
            await _check_values(body, 2 * limits.max_bulk_values)
        found = await offload.run(self.size // 64, lambda: _from_body(body))
        check_body(len(found.query), limits.max_query_body, is_bulk=False)  # rows are sent as variables
        return found

    async def _body(self, limits: Settings, authenticate: Authenticate) -> bytes:
        declared = self.header(b"content-length", "0")
        size = int(declared) if declared.isdecimal() and len(declared) < 20 else limits.max_body + 1
        most = await _allowed(size, min(limits.max_stranger_body, limits.max_body), limits, authenticate)
        parts, size, more = [], 0, True
        while more:
            message = await self.receive()
            if message["type"] == "http.disconnect":
                raise ClientDisconnect
            part = message.get("body", b"")
            size += len(part)
            most = await _allowed(size, most, limits, authenticate)
            parts.append(part)
            more = message.get("more_body", False)
        return b"".join(parts)


async def _allowed(size: int, most: int, limits: Settings, authenticate: Authenticate) -> int:
    """How many bytes this body may have, at least `size`. Raises BadRequest where there is no such limit."""
    if size <= most:
        return most
    if size > limits.max_body:
        raise BadRequest(f"A body has at most {limits.max_body} bytes.", "BODY_TOO_LARGE", limit=limits.max_body)
    if await authenticate():
        return limits.max_body
    message = f"Without a valid key or session, a body has at most {most} bytes."
    raise BadRequest(message, "BODY_TOO_LARGE", limit=most)


async def _check_values(body: bytes, most: int) -> None:
    """Refuse what would take long to parse."""
    estimate = ValueEstimate()
    for first in range(0, len(body), PIECE):
        estimate.add(body[first : first + PIECE])
        if estimate.count > most:
            raise too_many_values(most // 2)
        await asyncio.sleep(0)


@lru_cache(maxsize=100)
def media_of(accept: str) -> str | None:
    """The media type to answer in: the one wanted more, the newer one on a tie, JSON where nothing is said."""
    if not accept.strip():
        return JSON
    wanted = weights(accept)
    anything = wanted.get("application/*", wanted.get("*/*", 0.0))
    newer = wanted.get(GRAPHQL, 0.0)
    # Old clients that take anything were written for application/json.
    older = wanted.get(JSON, anything)
    if max(newer, older) <= 0:
        return None
    return GRAPHQL if newer >= older else JSON


def weights(accept: str) -> dict[str, float]:
    """How much each media type is wanted."""
    return dict(_weighed(part) for part in accept.split(",") if part.strip())


def _weighed(part: str) -> tuple[str, float]:
    media, *parameters = (piece.strip().lower() for piece in part.split(";"))
    for parameter in parameters:
        if parameter.startswith("q="):
            try:
                return media, float(parameter[2:])
            except ValueError:
                return media, 0.0
    return media, 1.0


def origin_of(url: str) -> str:
    """What a browser calls the site of an address in its header Origin."""
    parts = urlsplit(url)
    port = "" if parts.port in (None, {"http": 80, "https": 443}.get(parts.scheme)) else f":{parts.port}"
    host = f"[{parts.hostname}]" if ":" in (parts.hostname or "") else parts.hostname
    return f"{parts.scheme}://{host}{port}"


@lru_cache(maxsize=100)
def _check_media(content: str, encoding: str) -> None:
    """JSON only: forms and plain text are what another site's page can send without asking."""
    kind, _, parameters = content.partition(";")
    if kind.strip().lower() != JSON:
        raise BadRequest(f"Send the body as {JSON}.", "UNSUPPORTED_MEDIA_TYPE")
    charset = re.search(r"charset=\"?([\w-]+)", parameters, re.IGNORECASE)
    if charset and charset[1].lower() not in ("utf-8", "utf8"):
        raise BadRequest("Send the body in UTF-8.", "UNSUPPORTED_MEDIA_TYPE")
    if encoding.lower() != "identity":
        raise BadRequest("Send the body uncompressed.", "UNSUPPORTED_MEDIA_TYPE")


def _from_url(request: Request) -> Parameters:
    if len(request.url.query) > MOST_URL:
        raise BadRequest("The address is too long. Send the query by POST.")
    given: dict[str, Any] = dict(request.query_params)
    for name in ("variables", "extensions"):
        if name in given:
            given[name] = _loads(given[name].encode("utf-8", "replace"), name)
    return _checked(given)


def _from_body(body: bytes) -> Parameters:
    given = _loads(body, "The body")
    if not isinstance(given, dict):
        raise BadRequest('The body is one JSON object: {"query": …, "variables": …, "operationName": …}.')
    return _checked(given, is_clean=_ESCAPED.search(body) is None)


def _loads(text: bytes, what: str) -> Any:
    try:
        return orjson.loads(text)
    except (orjson.JSONDecodeError, RecursionError) as error:
        raise BadRequest(f"{what} is not JSON in UTF-8: {str(error)[:100]}") from error


def _checked(given: Mapping[str, Any], *, is_clean: bool = False) -> Parameters:
    query, variables, name = given.get("query"), given.get("variables"), given.get("operationName")
    kept = given.get("documentId")
    if kept is not None and (query is not None or not isinstance(kept, str)):
        raise BadRequest("documentId is the name of a saved report, instead of a query.")
    if kept is None and query is None and _is_persisted(given.get("extensions")):
        # Clients that register queries by their hash (Apollo's protocol) send the text again on this message.
        raise BadRequest("PersistedQueryNotSupported", "PERSISTED_QUERY_NOT_SUPPORTED")
    if kept is None and (not isinstance(query, str) or not query.strip()):
        raise BadRequest("query is a GraphQL document, as text.")
    if variables is not None and not isinstance(variables, dict):
        raise BadRequest("variables is an object.")
    if name is not None and not isinstance(name, str):
        raise BadRequest("operationName is a text.")
    if given.get("extensions") is not None and not isinstance(given["extensions"], dict):
        raise BadRequest("extensions is an object.")
    if not is_clean and (UNUSABLE.search(query or kept or "") or not _is_clean(variables)):
        raise BadRequest("There is a NUL or half a character in a text. Take it out.")
    return Parameters(query or "", variables or {}, name or None, kept)


def _is_persisted(extensions: Any) -> bool:
    """Whether a query is named by its hash."""
    return isinstance(extensions, dict) and extensions.get("persistedQuery") is not None


def _is_clean(value: Any) -> bool:
    """Whether no text in it has a NUL or half a character. Walks without recursion."""
    waiting = [value]
    while waiting:
        each = waiting.pop()
        if isinstance(each, str):
            if UNUSABLE.search(each):
                return False
        elif isinstance(each, dict):
            waiting += each.values()
            waiting += each.keys()
        elif isinstance(each, list):
            waiting += each
    return True
