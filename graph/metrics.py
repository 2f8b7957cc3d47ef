"""`/metrics`: what this process, or all that share its port, did and how it stands, as Prometheus reads it."""

import asyncio
import contextlib
import hmac
import ipaddress
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from functools import partial
from time import perf_counter
from typing import Any

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, disable_created_metrics
from prometheus_client.exposition import choose_encoder
from prometheus_client.multiprocess import MultiProcessCollector
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response

from graph.documents import Documents
from models.database import Database
from models.watching import ANONYMOUS, NO_OPERATION, Asked

MOST_NAMES = 100  # operations told apart by name, of which strangers may bring in so many:
MOST_OF_STRANGERS = 20
LONGEST_NAME = 100
OTHER = "other"
EVERY = 1.0  # seconds after which a process of several tells the others what it counted as plain numbers
BUCKETS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)
FORWARDED = ("forwarded", "x-forwarded-for", "x-forwarded-host", "x-real-ip", "via")

disable_created_metrics()  # type: ignore[no-untyped-call]  # a gauge beside every counter, which nobody asks for


class Metrics:
    """The figures of one application, in a registry of its own.

    Requests are counted as they end. Statements, look-ups and states are plain numbers where they arise, and brought
    here when somebody reads. `shared` is the folder where the processes on one port keep their figures.
    """

    def __init__(self, database: Database, documents: Documents, shared: str | None = None) -> None:
        self.registry = CollectorRegistry()
        self._database = database
        self._documents = documents
        self._folder = shared
        self._requests = Counter(
            "usergraph_requests",
            "GraphQL requests by operation name and how they ended.",
            ["operation", "outcome"],
            registry=self.registry,
        )
        seconds = Histogram(
            "usergraph_request_seconds",
            "Seconds from a request's last byte to its answer.",
            ["type"],
            registry=self.registry,
            buckets=BUCKETS,
        )
        self._seconds = {kind: seconds.labels(kind) for kind in ("query", "mutation", NO_OPERATION)}
        self._names: set[str | None] = {ANONYMOUS, NO_OPERATION, OTHER}
        self._of_strangers = 0
        self._known: dict[tuple[str, str], Counter] = {}
        self._carried = list(self._counters())
        self._before = [0.0] * len(self._carried)
        self._states = list(self._gauges())

    # --- the way of every request -----------------------------------------------------------------------------------

    def ended(self, asked: Asked) -> None:
        counter = self._known.get((asked.operation, asked.outcome))
        if counter is None:
            counter = self._counter(asked)
        counter.inc()
        self._seconds[asked.kind].observe(perf_counter() - asked.begun)

    def _counter(self, asked: Asked) -> Counter:
        """Names come from clients, who could send a new one each time: only so many are told apart."""
        name = asked.operation
        is_told_apart = name in self._names or self._admits(asked)
        counter = self._requests.labels(name if is_told_apart else OTHER, asked.outcome)
        if is_told_apart:
            self._names.add(name)
            self._known[name, asked.outcome] = counter
        return counter

    def _admits(self, asked: Asked) -> bool:
        if len(self._names) >= MOST_NAMES or len(asked.operation) > LONGEST_NAME:
            return False
        if asked.user_id is None:
            self._of_strangers += 1
            return self._of_strangers <= MOST_OF_STRANGERS
        return True

    # --- what is counted elsewhere ----------------------------------------------------------------------------------

    def _counters(self) -> Iterator[tuple[Counter, Callable[[], float]]]:
        tally, documents = self._database.tally, self._documents
        statements = self._make(Counter, "sql_statements", "Statements, without BEGIN and COMMIT.", "kind")
        yield statements.labels("read"), lambda: tally.reads
        yield statements.labels("write"), lambda: tally.writes
        seconds = self._make(Counter, "sql_seconds", "Seconds that statements took.", "kind")
        yield seconds.labels("read"), lambda: tally.read_seconds
        yield seconds.labels("write"), lambda: tally.write_seconds
        transactions = self._make(Counter, "transactions", "Write transactions by how they ended.", "outcome")
        for outcome in tally.transactions:
            yield transactions.labels(outcome), partial(tally.transactions.__getitem__, outcome)
        lookups = self._make(Counter, "cache_lookups", "Look-ups of documents and of plans.", "cache", "result")
        yield lookups.labels("documents", "hit"), lambda: documents.hits
        yield lookups.labels("documents", "miss"), lambda: documents.misses
        yield lookups.labels("plans", "hit"), lambda: documents.plan_hits
        yield lookups.labels("plans", "miss"), lambda: documents.plan_misses

    def _gauges(self) -> Iterator[tuple[Gauge, Callable[[], float]]]:
        connections = self._make(Gauge, "connections", "Connections to the database.", "state")
        for place, state in enumerate(("in_use", "idle", "max")):
            yield connections.labels(state), partial(self._connected, place)
        kept = self._make(Gauge, "documents", "Documents kept, parsed and validated.")
        yield kept, lambda: self._documents.sizes()[0]
        yield self._make(Gauge, "plans", "Plans kept with them."), lambda: self._documents.sizes()[1]
        yield self._make(Gauge, "processes", "Processes that serve."), lambda: 1

    def _connected(self, place: int) -> int:
        return self._database.connections()[place]

    def _make(self, kind: Any, name: str, meaning: str, *labels: str) -> Any:
        summed = {"multiprocess_mode": "livesum"} if kind is Gauge else {}
        return kind(f"usergraph_{name}", meaning, labels, registry=self.registry, **summed)

    def gather(self) -> None:
        """Bring what is counted elsewhere up to date."""
        for place, (counter, read) in enumerate(self._carried):
            now = read()
            if now > self._before[place]:
                counter.inc(now - self._before[place])
            self._before[place] = now
        for gauge, read in self._states:
            gauge.set(read())

    @contextlib.asynccontextmanager
    async def telling(self) -> AsyncIterator[None]:
        """Meanwhile the other processes learn from time to time what this one counted."""
        task = asyncio.create_task(self._gather_now_and_then()) if self._folder else None
        try:
            yield
        finally:
            if task is not None:
                task.cancel()
            self.gather()

    async def _gather_now_and_then(self) -> None:
        while True:
            self.gather()
            await asyncio.sleep(EVERY)

    # --- reading ----------------------------------------------------------------------------------------------------

    async def text(self, accept: str = "") -> tuple[bytes, str]:
        """All figures in the format that is accepted, and its media type."""
        self.gather()
        registry = self.registry
        if self._folder is not None:
            registry = CollectorRegistry()
            MultiProcessCollector(registry, path=self._folder)  # type: ignore[no-untyped-call]
        encode, media = choose_encoder(accept)
        return await asyncio.to_thread(encode, registry), media


def page(metrics: Metrics, token: str) -> Callable[[Request], Awaitable[Response]]:
    """The endpoint. With a token for whoever has it; without one for this machine, but not through a proxy on it."""

    async def answer(request: Request) -> Response:
        if token:
            scheme, _, sent = request.headers.get("authorization", "").partition(" ")
            if scheme.lower() != "bearer" or not hmac.compare_digest(sent.strip().encode(), token.encode()):
                told = "Send USERGRAPH_METRICS_TOKEN as a bearer token.\n"
                return PlainTextResponse(told, 401, {"www-authenticate": "Bearer"})
        elif not _is_here(request):
            return PlainTextResponse("Set USERGRAPH_METRICS_TOKEN to read this from elsewhere.\n", 403)
        text, media = await metrics.text(request.headers.get("accept", ""))
        return Response(text, headers={"content-type": media, "cache-control": "no-store"})

    return answer


def _is_here(request: Request) -> bool:
    if request.client is None or any(name in request.headers for name in FORWARDED):
        return False
    try:
        address = ipaddress.ip_address(request.client.host)
    except ValueError:
        return False
    return (getattr(address, "ipv4_mapped", None) or address).is_loopback
