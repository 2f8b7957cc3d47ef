"""GraphQL over HTTP: media types and status codes as the specification says."""

from time import perf_counter
from typing import Any

import orjson
from starlette.requests import ClientDisconnect, Request
from starlette.types import Message, Receive, Scope, Send

from graph.downloads import download
from graph.entrances import Entrance
from graph.errors import BadRequest, formatted, public
from graph.executor import Answer, Engine
from graph.exports import Format, format_of, named_format
from graph.incoming import GRAPHQL, JSON, Incoming, Parameters, media_of
from graph.playground.page import page
from graph.run_reports import question
from models.watching import Asked
from resolvers.known_keys import Proof
from resolvers.policy import Viewer

_STATUS = {
    "UNAUTHENTICATED": 401,
    "METHOD_NOT_ALLOWED": 405,
    "SERVICE_UNAVAILABLE": 503,
    "BODY_TOO_LARGE": 413,
    "QUERY_TOO_LARGE": 413,
    "UNSUPPORTED_MEDIA_TYPE": 415,
    "NOT_ACCEPTABLE": 406,
    "INTERNAL": 500,
}
_OUTCOMES = {"INTERNAL": "failed", "SERVICE_UNAVAILABLE": "unavailable", "UNAUTHENTICATED": "unauthenticated"}
_UNDERSTOOD = (
    "GRAPHQL_VALIDATION",
    "GRAPHQL_PARSE",
    "TOO_",
    "BAD_USER_INPUT",
    "BAD_OPERATION",
    "PERSISTED_QUERY",
)
SECURITY = (
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
    (b"x-frame-options", b"DENY"),
)
ALWAYS = [(b"cache-control", b"no-store"), (b"vary", b"accept, x-apikey, authorization"), *SECURITY]


class Endpoint:
    """`/graphql` as an ASGI application."""

    def __init__(self, engine: Engine, entrance: Entrance) -> None:
        self._engine = engine
        self._entrance = entrance

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        incoming = Incoming(scope, receive)
        if incoming.method == "HEAD":
            send = without_body(send)
        if incoming.method in ("GET", "HEAD") and "text/html" in incoming.header(b"accept"):
            request = Request(scope)
            if "query" not in request.query_params:
                await page(request)(scope, receive, send)
                return
        with self._entrance.watched(incoming) as asked:
            media, format = media_of(incoming.header(b"accept")), None
            try:
                if media is None and named_format(scope["query_string"]) == "json":
                    media = JSON
                format = format_of(incoming.header(b"accept"), scope["query_string"])
                answer = await self._answer(incoming, asked, media, format, send)
            except ClientDisconnect:
                return
            except Exception as error:
                answer = Answer(errors=[public(error, asked.id)])
            if answer is None:
                return
            media = media if format is None else GRAPHQL
            asked.status = status_of(answer, media or JSON, is_export=format is not None)
            asked.outcome = outcome_of(answer)
            await respond(send, answer, media or JSON, asked, incoming.method)

    async def _answer(
        self, incoming: Incoming, asked: Asked, media: str | None, format: Format | None, send: Send
    ) -> Answer | None:
        """None where an export was sent."""
        if media is None and format is None:
            raise BadRequest(f"Accept {GRAPHQL} or {JSON}.", "NOT_ACCEPTABLE")
        viewer: Viewer | None = None

        async def authenticate() -> bool:
            nonlocal viewer
            viewer = await self._entrance.viewer(incoming, asked.id)
            return not viewer.is_stranger

        engine = self._engine
        query, variables, name, kept = await incoming.parameters(engine.settings, engine.offload, authenticate)
        asked.begun = perf_counter()  # a client that sends slowly is not a service that answers slowly
        read_only = incoming.method != "POST"
        proof = self._proof(incoming, asked.id, query) if format is None and viewer is None else None
        if proof is not None:
            context = self._entrance.context(incoming, asked, proof.viewer, proof)
            answer = await self._engine.execute(context, query, variables, name, read_only=read_only)
            if proof.held or outcome_of(answer) == "unavailable":
                return answer
        viewer = viewer or await self._entrance.viewer(incoming, asked.id)
        context = self._entrance.context(incoming, asked, viewer)
        if kept is not None:
            found = await question(self._engine, context, kept, variables)
            if isinstance(found, Answer):
                return found
            query, variables, read_only = found.document, found.variables, True
        if format is not None:
            parameters = Parameters(query, variables, name)
            is_head = incoming.method == "HEAD"
            work = download(self._engine, context, parameters, format, send, ALWAYS, is_head=is_head)
            return await incoming.attention.to(work)
        return await self._engine.execute(context, query, variables, name, read_only=read_only)

    def _proof(self, incoming: Incoming, request_id: str, query: str) -> Proof | None:
        """For documents that were answered before: whatever else they are, they are not work that is done twice."""
        return self._entrance.proof(incoming, request_id) if query in self._engine.documents else None


def without_body(send: Send) -> Send:
    """Sends an answer to HEAD: the headers that GET would have, and nothing else."""

    async def sending(message: Message) -> None:
        await send({**message, "body": b""} if message["type"] == "http.response.body" else message)

    return sending


async def respond(send: Send, answer: Answer, media: str, asked: Asked, method: str) -> None:
    body: dict[str, Any] = {}
    if answer.errors:
        body["errors"] = formatted(answer.errors)
    if answer.executed:
        body["data"] = answer.data
    if answer.extensions:
        body["extensions"] = answer.extensions
    written = orjson.dumps(body, option=orjson.OPT_UTC_Z)
    status = asked.status
    headers = [
        (b"content-type", f"{media}; charset=utf-8".encode()),
        (b"content-length", str(len(written)).encode()),
        (b"x-request-id", asked.id.encode()),
        *ALWAYS,
    ]
    if status == 405:
        headers.append((b"allow", b"POST" if method in ("GET", "HEAD") else b"GET, HEAD, POST"))
    if status == 503:
        headers.append((b"retry-after", b"1"))
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": written})


def outcome_of(answer: Answer) -> str:
    """The worst that errors tell: a bug before a database that is away, before keys, before what was asked wrongly."""
    if not answer.errors:
        return "ok"
    codes = {str((error.extensions or {}).get("code", "")) for error in answer.errors}
    return next((outcome for code, outcome in _OUTCOMES.items() if code in codes), "refused")


def status_of(answer: Answer, media: str, *, is_export: bool) -> int:
    """200 once executed. A refused request is 4xx; for old JSON clients only where no GraphQL was understood.

    Where a file was asked for, whatever is no file is 4xx: programs that ask for files look no further.
    """
    if not answer.errors:
        return 200
    code = str((answer.errors[0].extensions or {}).get("code", ""))
    if answer.data is None and code in _STATUS:
        return _STATUS[code]
    if is_export:
        return 403 if code in ("FORBIDDEN", "SECOND_FACTOR_REQUIRED") else 400
    if answer.executed:
        return 200
    understood = code.startswith(_UNDERSTOOD)
    return 200 if media == JSON and understood else 400
