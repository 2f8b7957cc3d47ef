"""The way in that every endpoint shares: who sends a request, and who is told that it has been answered."""

import asyncio
import secrets
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from datetime import timedelta
from functools import partial
from typing import Protocol

from graph.callers import Callers
from graph.context import Context, Services
from graph.incoming import Incoming, origin_of
from graph.traces import Traces
from models.errors import Unauthenticated
from models.watching import CURRENT, Asked
from resolvers.known_keys import Proof
from resolvers.last_uses import Touches
from resolvers.policy import NOBODY, Viewer
from resolvers.tokens import Purpose
from resolvers.viewers import Doorkeeper


class Watcher(Protocol):
    """Is told of every request once it has been answered."""

    def ended(self, asked: Asked) -> None: ...


class Entrance:
    """Turns an Incoming into a Viewer: by key, by session, or by a browser's cookie."""

    def __init__(
        self, services: Services, touches: Touches, watchers: Sequence[Watcher] = (), traces: Traces | None = None
    ) -> None:
        self._services = services
        self._touches = touches
        self._watchers = watchers
        self._traces = traces
        self._doorkeeper = Doorkeeper(services.database, timedelta(minutes=services.settings.session_idle_minutes))
        self._callers = Callers(services.settings.trusted_proxies)
        self._origin = origin_of(services.settings.public_url)

    @contextmanager
    def watched(self, incoming: Incoming) -> Iterator[Asked]:
        """A request with an id of its own, followed until it has been answered."""
        asked = Asked(secrets.token_hex(8))
        token = CURRENT.set(asked)
        try:
            if self._traces is not None:
                self._traces.begun(asked, incoming)
            yield asked
        except asyncio.CancelledError:
            if not incoming.attention.left:
                raise
            asyncio.current_task().uncancel()  # type: ignore[union-attr]  # nobody is there to be answered
        finally:
            CURRENT.reset(token)
            for watcher in self._watchers:
                watcher.ended(asked)

    def context(self, incoming: Incoming, asked: Asked, viewer: Viewer, proof: Proof | None = None) -> Context:
        """What the engine is told of a request."""
        asked.user_id = viewer.user_id
        caller = partial(self._callers.of, incoming.scope)
        return Context(
            self._services, viewer, asked, proof, caller=caller, attention=incoming.attention, size=incoming.size
        )

    def proof(self, incoming: Incoming, request_id: str) -> Proof | None:
        """Of who came with this key before, to be held by the statement that reads for them."""
        secret = incoming.secret()
        if secret is None or secret[0] is not Purpose.API_KEY:
            return None
        return self._doorkeeper.proof(secret[1], request_id)

    async def viewer(self, incoming: Incoming, request_id: str) -> Viewer:
        """Who sent it; a stranger where nothing was sent. Raises Unauthenticated for what opens nothing."""
        secret = incoming.secret()
        if secret is None:
            return await self._viewer_of_cookie(incoming.cookie(self._origin), request_id)
        return await self._let_in(*secret, request_id)

    async def _viewer_of_cookie(self, token: str | None, request_id: str) -> Viewer:
        """A stranger, where it opens nothing (any more): a page cannot take the cookie back to sign in again."""
        if token is not None:
            with suppress(Unauthenticated):
                return await self._let_in(Purpose.SESSION, token, request_id)
        return replace(NOBODY, request_id=request_id)

    async def _let_in(self, purpose: Purpose, secret: str, request_id: str) -> Viewer:
        viewer, stale = await self._doorkeeper.viewer(purpose, secret, request_id)
        if stale:
            self._touches.add(viewer)
        return viewer
