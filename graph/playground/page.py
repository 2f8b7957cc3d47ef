"""Owns the GraphQL page a browser gets: its HTML, its bundled assets and the ready examples."""

import html
import json
import re
from functools import cache
from pathlib import Path

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import FileResponse, HTMLResponse, JSONResponse, Response
from starlette.routing import BaseRoute, Route

HERE = Path(__file__).parent
ASSETS = HERE / "assets"
EXAMPLES = HERE / "examples"

# Everything comes from this server. Inline styles are needed by the editor, data: by its icons and fonts;
# scripts and workers are files only.
CONTENT_POLICY = "; ".join(
    [
        "default-src 'none'",
        "script-src 'self'",
        "worker-src 'self'",
        "connect-src 'self'",
        "style-src 'self' 'unsafe-inline'",
        "img-src 'self' data:",
        "font-src 'self' data:",
        "base-uri 'none'",
        "form-action 'none'",
        "frame-ancestors 'none'",
    ]
)
# Assets carry the policy too: a worker obeys the one it was served with, not its page's.
SECURITY_HEADERS = {
    "Content-Security-Policy": CONTENT_POLICY,
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Frame-Options": "DENY",
    "X-Content-Type-Options": "nosniff",
}
ASSET_NAME = re.compile(r"\w+-[A-Z0-9]{8}\.(js|css)")
MEDIA_TYPES = {"js": "text/javascript", "css": "text/css"}
EXAMPLE_HEADING = re.compile(r"# (?P<group>frontend|integrator|analyst|report): (?P<title>.+)")

PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>usergraph</title>
<link rel="icon" href="data:image/svg+xml,%3Csvg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 32 32'%3E\
%3Crect width='32' height='32' rx='8' fill='%233451c6'/%3E\
%3Cpath d='M10 22 16 10l6 12z' fill='none' stroke='white' stroke-width='2.5'/%3E%3C/svg%3E">
{head}
</head>
<body>
{body}
</body>
</html>
"""

NOT_INSTALLED_HEAD = """<style>
body { max-width: 36rem; margin: 15vh auto; padding: 0 1.5rem; font: 16px/1.6 system-ui, sans-serif; }
pre { padding: 0.75rem 1rem; border: 1px solid #8886; border-radius: 6px; }
</style>"""

NOT_INSTALLED_BODY = """<h1>usergraph</h1>
<p>The server is running, but its query page is not installed yet. Install it once, then reload:</p>
<pre>python -m graph.playground.install</pre>
<p>GraphQL clients need no page: they POST to this same address with an <code>X-ApiKey</code> header.</p>"""


@cache
def examples() -> list[dict[str, str]]:
    """The ready examples in the order of their file names, which is also the order of their tabs."""
    found = []
    for path in sorted(EXAMPLES.glob("*.graphql")):
        query = path.read_text(encoding="utf-8")
        heading = EXAMPLE_HEADING.match(query)
        if heading is None:
            raise ValueError(f"{path.name} must start with '# frontend|integrator|analyst|report: Title'")
        found.append({"file": path.name, **heading.groupdict(), "query": query})
    return found


def page(request: Request) -> Response:
    """The HTML page, or how to install it where its assets are missing."""
    # The page shares its URL with the API's answers, so a cache must keep the two apart.
    headers = {**SECURITY_HEADERS, "Cache-Control": "no-cache", "Vary": "Accept"}
    try:
        manifest = json.loads((ASSETS / "manifest.json").read_text(encoding="utf-8"))
    except FileNotFoundError:
        missing = PAGE.format(head=NOT_INSTALLED_HEAD, body=NOT_INSTALLED_BODY)
        return HTMLResponse(missing, status_code=503, headers=headers)
    # Behind a proxy that serves this app under a prefix, the prefix is in the root path.
    root = html.escape(request.scope.get("app_root_path", request.scope.get("root_path", "")))
    head = (
        f'<link rel="stylesheet" href="{root}/playground/assets/{manifest["style"]}">\n'
        f'<script type="module" src="{root}/playground/assets/{manifest["script"]}"></script>'
    )
    body = (
        f'<div id="app" data-examples="{root}/playground/examples.json"></div>\n'
        "<noscript>This page needs JavaScript.</noscript>"
    )
    return HTMLResponse(PAGE.format(head=head, body=body), headers=headers)


async def asset(request: Request) -> Response:
    """One file of the bundle. Its name changes with its content, so a browser may keep it for good."""
    name = request.path_params["name"]
    path = ASSETS / name
    if not (kind := ASSET_NAME.fullmatch(name)) or not path.is_file():
        raise HTTPException(404)
    headers = {**SECURITY_HEADERS, "Cache-Control": "public, max-age=31536000, immutable"}
    return FileResponse(path, media_type=MEDIA_TYPES[kind[1]], headers=headers)


async def example_list(_request: Request) -> Response:
    """The examples as JSON for the page's tabs."""
    return JSONResponse(examples(), headers={**SECURITY_HEADERS, "Cache-Control": "no-cache"})


def routes() -> list[BaseRoute]:
    """What the page fetches besides GraphQL itself."""
    return [
        Route("/playground/assets/{name}", asset),
        Route("/playground/examples.json", example_list),
    ]
