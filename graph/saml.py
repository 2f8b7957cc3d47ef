"""Sign-in by SAML over HTTP: `/saml/{prefix}/login`, `/acs` and `/metadata`."""

import asyncio
import html
import logging
import re
import secrets
from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any
from urllib.parse import parse_qs

from starlette.requests import ClientDisconnect, Request
from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.routing import Route

from graph.callers import Callers
from graph.context import Services
from graph.incoming import SESSION_COOKIE, Incoming, cookie_name, origin_of
from models.database import Transaction
from models.errors import Unauthenticated, Unavailable
from models.values import now
from models.watching import CURRENT, Asked
from resolvers import saml, sign_in_saml
from resolvers.changes import Change
from resolvers.connectors.saml import Assertion, assertion_of
from resolvers.connectors.saml_xml import MOST_BYTES, SamlFault, decoded
from resolvers.policy import NOBODY, Viewer
from resolvers.saml import Refused, Through, Wanted
from resolvers.tokens import Purpose
from resolvers.viewers import Doorkeeper

log = logging.getLogger("usergraph.saml")

BROWSER = "usergraph_saml"
MOST_FORM = MOST_BYTES * 2  # base64 and the escapes of a form make it a half larger
MOST_FIELDS = 10
MOST_RETURN = 1_000
AT_ONCE = 2
MOST_WAITING = 50  # responses to be verified; further ones are turned away at once
BUSY = "Very many sign in at this moment. Try again in a minute."
FORM = "application/x-www-form-urlencoded"
FAULTY = "The identity provider's answer could not be taken. Begin again; if that does not help, tell an administrator."
_SECRET = re.compile(r"[A-Za-z0-9_-]{43}")
_LOCAL = re.compile(r"/(?![/\\])[\x21-\x5b\x5d-\x7e]*")
_PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>Sign in</title></head>
<body><main><h1>Sign in</h1><p>{sentence}</p><p>Request {request_id}</p></main></body></html>
"""
_POLICY = "default-src 'none'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'"

Handler = Callable[[Request, str], Awaitable[Response]]


def local_path(text: str | None) -> str:
    """Where to go afterwards: a path of this site, or `/` for anything that a browser could take for another."""
    if text is None or len(text) > MOST_RETURN or not _LOCAL.fullmatch(text):
        return "/"
    return text


def routes(services: Services) -> list[Route]:
    pages = Pages(services)
    return [
        Route("/saml/{prefix}/login", pages.guarded(pages.login), methods=["GET", "POST"]),
        Route("/saml/{prefix}/acs", pages.guarded(pages.acs), methods=["POST"]),
        Route("/saml/{prefix}/metadata", pages.guarded(pages.metadata), methods=["GET"]),
    ]


class Pages:
    def __init__(self, services: Services) -> None:
        settings = services.settings
        self._services = services
        self._callers = Callers(settings.trusted_proxies)
        self._origin = origin_of(settings.public_url)
        self._is_secure = settings.public_url.startswith("https://")
        self._doorkeeper = Doorkeeper(services.database, timedelta(minutes=settings.session_idle_minutes))
        # XML is parsed and verified in threads, which a flood must not multiply.
        self._verifying = asyncio.Semaphore(AT_ONCE)
        self._waiting = 0

    def guarded(self, handler: Handler) -> Callable[[Request], Awaitable[Response]]:
        """Every refusal as a page with a sentence and the id under which the log tells the reason."""

        async def handle(request: Request) -> Response:
            asked = Asked(secrets.token_hex(8))
            token = CURRENT.set(asked)
            prefix = request.path_params["prefix"]
            try:
                return await handler(request, prefix)
            except Refused as refused:
                log.warning("SAML at %s %s: %s", prefix, handler.__name__, refused.reason)
                return _page(refused.sentence, asked.id, refused.status)
            except Unavailable:
                return _page("The database does not answer. Try again in a moment.", asked.id, 503)
            except ClientDisconnect:
                return Response(status_code=400)
            except Exception:
                log.exception("SAML at %s %s failed", prefix, handler.__name__)
                return _page("Something went wrong here. Tell an administrator.", asked.id, 500)
            finally:
                CURRENT.reset(token)

        return handle

    async def login(self, request: Request, prefix: str) -> Response:
        """To the identity provider. A POST from our own pages can bring an invitation, or `link` who is signed in."""
        form = await _form(request) if request.method == "POST" else {}
        given = request.query_params.get("returnTo") if request.method == "GET" else form.get("returnTo")
        invitation, link = form.get("invitation"), None
        if request.method == "POST" and not Incoming(request.scope, request.receive).is_own_site(self._origin):
            raise Refused("This form was sent by another site.", "the form comes from another site")
        if form.get("link") and invitation is None:
            link = await self._signed_in(request)
        browser = self._browser(request) or secrets.token_urlsafe(32)
        wanted = Wanted(browser, local_path(given), invitation, link)
        address = await self._transaction(request, lambda change: saml.begin(change, prefix, wanted))
        answer = RedirectResponse(address, 303 if request.method == "POST" else 302, headers=_NO_STORE)
        self._remember(answer, browser)
        return answer

    async def _signed_in(self, request: Request) -> Viewer:
        token = Incoming(request.scope, request.receive).cookie(self._origin)
        try:
            if token is None:
                raise Unauthenticated
            return (await self._doorkeeper.viewer(Purpose.SESSION, token, _request_id()))[0]
        except Unauthenticated as error:
            raise Refused("Sign in first, then join your account.", "nobody is signed in", 403) from error

    def _browser(self, request: Request) -> str | None:
        found = request.cookies.get(cookie_name(BROWSER, self._origin), "")
        return found if _SECRET.fullmatch(found) else None

    def _remember(self, answer: Response, browser: str) -> None:
        """The response comes by a form of the provider's site, to which browsers send only a SameSite=None cookie.

        That takes https; without, a browser's own default lets a cookie pass for two minutes, or on one machine.
        """
        lasts, name = int(saml.REQUEST_LASTS.total_seconds()), cookie_name(BROWSER, self._origin)
        if self._is_secure:
            answer.set_cookie(name, browser, max_age=lasts, secure=True, httponly=True, samesite="none")
        else:
            answer.set_cookie(name, browser, max_age=lasts, httponly=True, samesite=None)

    async def acs(self, request: Request, prefix: str) -> Response:
        """Take the identity provider's response; whatever RelayState says is not looked at."""
        text = (await _form(request)).get("SAMLResponse")
        async with self._services.database.reading() as connection:
            found = await saml.through(connection, self._services.sealer, self._services.settings, prefix)
        browser = self._browser(request)
        if browser is None:
            raise Refused(sign_in_saml.NOT_BEGUN, "the browser has no cookie of a request")
        assertion = await self._verified(found, text)
        arrived = await self._transaction(
            request, lambda change: sign_in_saml.finish(change, prefix, found, assertion, browser)
        )
        answer = RedirectResponse(arrived.return_to, 303, headers=_NO_STORE)
        lasts = max(0, int((arrived.session.expires_at - now()).total_seconds()))
        name, token = cookie_name(SESSION_COOKIE, self._origin), arrived.session.token
        answer.set_cookie(name, token, max_age=lasts, secure=self._is_secure, httponly=True, samesite="lax")
        return answer

    async def _verified(self, found: Through, text: str | None) -> Assertion:
        if self._waiting >= MOST_WAITING:
            raise Refused(BUSY, "too many responses wait to be verified", 503)
        self._waiting += 1
        try:
            raw = decoded(text or "")
            async with self._verifying:
                return await asyncio.to_thread(assertion_of, raw, found.expected, now())
        except SamlFault as fault:
            raise Refused(FAULTY, str(fault), 400) from fault
        finally:
            self._waiting -= 1

    async def metadata(self, request: Request, prefix: str) -> Response:
        """Ours, for the identity provider."""
        services = self._services
        async with services.database.reading() as connection:
            found = await saml.own_metadata(connection, services.sealer, services.settings, prefix)
        return Response(found, media_type="application/samlmetadata+xml")

    async def _transaction(self, request: Request, work: Callable[[Change], Awaitable[Any]]) -> Any:
        services, caller = self._services, self._callers.of(request.scope)
        viewer = replace(NOBODY, request_id=_request_id())

        async def run(tx: Transaction) -> Any:
            return await work(Change(tx, viewer, services.settings, services.sealer, caller=caller))

        return await services.database.transaction(run)


_NO_STORE = {"cache-control": "no-store"}


def _request_id() -> str:
    asked = CURRENT.get()
    return asked.id if asked else ""


def _page(sentence: str, request_id: str, status: int) -> Response:
    body = _PAGE.format(sentence=html.escape(sentence), request_id=request_id)
    return HTMLResponse(body, status, {**_NO_STORE, "content-security-policy": _POLICY})


async def _form(request: Request) -> dict[str, str]:
    """The fields of a form that names each once. Raises Refused."""
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() != FORM:
        raise Refused(FAULTY, "the body is not a form", 415)
    parts, size = [], 0
    async for part in request.stream():
        size += len(part)
        if size > MOST_FORM:
            raise Refused(FAULTY, f"the form has more than {MOST_FORM} bytes", 413)
        parts.append(part)
    try:
        fields = parse_qs(b"".join(parts).decode("ascii"), max_num_fields=MOST_FIELDS, errors="strict")
    except ValueError as error:
        raise Refused(FAULTY, "the form cannot be read", 400) from error
    if any(len(values) > 1 for values in fields.values()):
        raise Refused(FAULTY, "a field of the form stands there twice", 400)
    return {name: values[0] for name, values in fields.items()}
