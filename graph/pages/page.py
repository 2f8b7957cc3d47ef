"""Owns the two small pages that the links in letters lead to: accepting an invitation, setting a new password."""

import html
from functools import partial
from pathlib import Path

from starlette.requests import Request
from starlette.responses import FileResponse, HTMLResponse, Response
from starlette.routing import BaseRoute, Route

from models.settings import Settings

HERE = Path(__file__).parent
# No form-action: an invitation through SAML is a form that this server answers by leading on to the identity
# provider, whose address browsers would check too. Nothing on these pages comes from a request.
CONTENT_POLICY = "; ".join(
    [
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "connect-src 'self'",
        "img-src data:",
        "base-uri 'none'",
        "frame-ancestors 'none'",
    ]
)
SECURITY_HEADERS = {
    "Content-Security-Policy": CONTENT_POLICY,
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Frame-Options": "DENY",
    "X-Content-Type-Options": "nosniff",
    "Cache-Control": "no-cache",
}
FILES = {"js": "text/javascript", "css": "text/css"}


async def file(_request: Request, *, name: str) -> Response:
    return FileResponse(HERE / name, media_type=FILES[name.rpartition(".")[2]], headers=SECURITY_HEADERS)


async def page(_request: Request, *, text: str) -> Response:
    """Always the same text: the token stands behind `#`, which browsers do not send."""
    return HTMLResponse(text, headers=SECURITY_HEADERS)


def page_text(name: str, settings: Settings) -> str:
    """A page with what the settings say: the password rule, and where to sign in."""
    values = {
        "PASSWORD_LENGTH": str(settings.password_length),
        "SIGN_IN_URL": html.escape(settings.sign_in_url or "./"),
    }
    text = (HERE / name).read_text(encoding="utf-8")
    for placeholder, value in values.items():
        text = text.replace(f"{{{placeholder}}}", value)
    return text


def routes(settings: Settings) -> list[BaseRoute]:
    """The pages at the addresses that `resolvers.letters.link` makes, and the files they name, all of them relative."""
    pages = [
        Route(f"/{name}", partial(page, text=page_text(f"{name}.html", settings)))
        for name in ("invitation", "password-reset")
    ]
    return [*pages, *(Route(f"/pages/{name}", partial(file, name=name)) for name in ("page.js", "page.css"))]
