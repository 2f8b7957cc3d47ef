"""The application: routes, security headers, and what opens and closes with the process."""

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, nullcontext
from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from graph import metrics, report_urls, saml, schema
from graph.background import Background, Worker
from graph.context import Services
from graph.entrances import Entrance, Watcher
from graph.executor import Engine
from graph.http import SECURITY, Endpoint
from graph.logs import RequestLog
from graph.metrics import Metrics
from graph.odata import endpoint as odata
from graph.pages.page import routes as pages
from graph.playground.page import routes as playground
from graph.traces import Traces
from models import migrate
from models.database import Database
from models.errors import Unavailable
from models.secrets import sealer
from models.settings import Settings
from resolvers.directory_jobs import Runner
from resolvers.hashing import Hasher
from resolvers.last_uses import Touches
from resolvers.outbox import Outbox
from resolvers.retention import Retention

log = logging.getLogger("usergraph")


def create_app(settings: Settings, *, patient: bool = False, shared: str | None = None) -> Starlette:
    """The service over these settings. Its database must be up to date; the lifespan opens and closes it.

    `patient` waits for a database that is away, instead of refusing to start. `shared` is the folder of the figures
    of all processes on one port.
    """
    database = Database.of(settings)
    services = Services(settings, database, sealer(settings.secret_key, database.file), Hasher())
    touches = Touches(database)
    engine = Engine(schema.built(), settings, schema.SOURCES, database.dialect, services.offload)
    figures = Metrics(database, engine.documents, shared) if settings.metrics else None
    traces = database.observer = Traces.of(settings, database.dialect.name)
    background = Background()
    outbox = Outbox(database, services.sealer, settings, background.is_stopping)
    background.workers.append(Worker("outbox", outbox.turn, pause=2))
    jobs = Runner(database, settings, services.sealer)
    background.workers.append(Worker("directory jobs", jobs.turn, pause=2))
    retention = Retention(database, settings)
    background.workers.append(Worker("retention", retention.run_once, pause=600))
    watchers: list[Watcher | None] = [figures, traces, RequestLog() if settings.log_requests else None]
    entrance = Entrance(services, touches, [each for each in watchers if each], traces)

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        await _open(database, patient)
        try:
            await migrate.require_current(database)
            async with figures.telling() if figures else nullcontext(), background.running():
                yield
        finally:
            await touches.close()
            services.hasher.close()
            await database.close()
            if traces:
                traces.close()

    app = Service(
        Endpoint(engine, entrance),
        routes=[
            Route("/", lambda _: RedirectResponse("/graphql")),
            Route("/healthz", healthz),
            Route("/readyz", _readyz(database)),
            *([Route("/metrics", metrics.page(figures, settings.metrics_token))] if figures else []),
            *odata.routes(engine, entrance),
            *report_urls.routes(engine, entrance),
            *saml.routes(services),
            *playground(),
            *pages(settings),
        ],
        lifespan=lifespan,
    )
    app.add_middleware(SecurityHeaders)
    app.state.services = services
    app.state.engine = engine
    app.state.touches = touches
    app.state.traces = traces
    app.state.background = background
    app.state.jobs = jobs
    app.state.outbox = outbox
    return app


class Service(Starlette):
    """GraphQL is answered before any routing, which would cost as much as a small query; the rest is routed."""

    def __init__(self, graphql: ASGIApp, **given: Any) -> None:
        super().__init__(**given)
        self._graphql = graphql

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and scope["path"] in ("/graphql", "/graphql/"):
            scope["app"] = self
            await self._graphql(scope, receive, send)
        else:
            await super().__call__(scope, receive, send)


async def _open(database: Database, patient: bool) -> None:
    told = False
    while True:
        try:
            return await database.open()
        except Unavailable as error:
            if not patient:
                raise
            if not told:
                log.warning("waiting for the database: %s", error)
            told = True
        await asyncio.sleep(1)


async def healthz(_: Request) -> Response:
    """The process answers."""
    return JSONResponse({"status": "ok"})


def _readyz(database: Database) -> Callable[[Request], Awaitable[Response]]:
    asking: asyncio.Task[bool] | None = None  # one at a time: of a database that hangs, each would hold a connection

    async def readyz(_: Request) -> Response:
        """The database answers too."""
        nonlocal asking
        if asking is None or asking.done():
            asking = asyncio.create_task(_answers(database))
        # Not cancelled, which would wait for the statement to be given up.
        done, _pending = await asyncio.wait({asking}, timeout=database.wait)
        if not done or not asking.result():
            return JSONResponse({"status": "the database does not answer"}, 503, {"retry-after": "1"})
        return JSONResponse({"status": "ok"})

    return readyz


async def _answers(database: Database) -> bool:
    try:
        async with database.reading() as connection:
            await connection.scalar("SELECT 1")
    except Unavailable:
        return False
    return True


class SecurityHeaders:
    """Headers for every answer; the playground's page adds its own content policy."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def sending(message: Message) -> None:
            if message["type"] == "http.response.start":
                there = {name for name, _ in message.get("headers", ())}
                missing = [header for header in SECURITY if header[0] not in there]
                message["headers"] = [*message.get("headers", ()), *missing]
            await send(message)

        await self._app(scope, receive, sending)
