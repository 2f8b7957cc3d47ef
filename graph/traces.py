"""OpenTelemetry, where it is wanted and installed: a span for each request, transaction and statement."""

import importlib
import threading
import time
from typing import TYPE_CHECKING, Any

from graph.incoming import Incoming
from models.settings import BadSetting, Settings
from models.watching import Asked

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import TracerProvider

SERVICE = "usergraph"
LAST_CALL = 1.0  # seconds at the end for spans that wait; part of the ten within which a process ends
OURS = ("failed", "unavailable")  # outcomes that are the service's fault, not the client's


class Traces:
    """Spans are made once what they are about has ended, so that what is watched knows nothing of them."""

    def __init__(self, provider: "TracerProvider", system: str) -> None:
        self._api: Any = importlib.import_module("opentelemetry.trace")
        self._propagate: Any = importlib.import_module("opentelemetry.propagate")
        self._failed = self._api.Status(self._api.StatusCode.ERROR)
        self._system = system
        self.provider = provider
        self._tracer: Any = provider.get_tracer(SERVICE)

    @classmethod
    def of(cls, settings: Settings, system: str) -> "Traces | None":
        """None unless they are wanted. Raises BadSetting where the packages are not there."""
        if not settings.otel:
            return None
        try:
            provider = exporting()
        except ImportError as error:
            needed = "USERGRAPH_OTEL needs the packages of usergraph[otel]: python -m pip install -e '.[otel]'"
            raise BadSetting(f"{needed} ({error.name} is missing).") from error
        return cls(provider, {"postgres": "postgresql"}.get(system, system))

    def close(self) -> None:
        """Sends what waits, in a moment: a collector that is away must not keep the process from ending."""
        closing = threading.Thread(target=self.provider.shutdown, daemon=True)
        closing.start()
        closing.join(LAST_CALL)

    def begun(self, asked: Asked, incoming: Incoming) -> None:
        """The span of a request goes on with the trace that its headers name."""
        carried = {name: incoming.header(name.encode()) for name in self._propagate.get_global_textmap().fields}
        context = self._propagate.extract({name: value for name, value in carried.items() if value})
        attributes = {"usergraph.request_id": asked.id, "http.request.method": incoming.method}
        kind = self._api.SpanKind.SERVER
        asked.span = self._tracer.start_span("graphql", context=context, kind=kind, attributes=attributes)

    def ended(self, asked: Asked) -> None:
        span = asked.span
        span.update_name(f"{asked.kind} {asked.operation[:100]}")
        span.set_attributes(
            {
                "graphql.operation.type": asked.kind,
                "graphql.operation.name": asked.operation[:100],
                "usergraph.outcome": asked.outcome,
                "usergraph.statements": asked.statements,
                "http.response.status_code": asked.status,
            }
        )
        if asked.user_id is not None:
            span.set_attribute("usergraph.user_id", asked.user_id)
        if asked.outcome in OURS:
            span.set_status(self._failed)
        span.end()

    def begin(self, within: Any) -> Any:
        return self._start("transaction", within, time.time_ns(), {"db.system.name": self._system})

    def end(self, transaction: Any, outcome: str) -> None:
        transaction.set_attribute("usergraph.outcome", outcome)
        if outcome in ("failed", "conflict"):
            transaction.set_status(self._failed)
        transaction.end()

    def statement(self, within: Any, sql: str, seconds: float, failure: str | None) -> None:
        ended = time.time_ns()
        text = " ".join(sql.split())
        told = {"db.system.name": self._system, "db.query.text": text, "db.operation.name": text.split(" ", 1)[0]}
        span = self._start(told["db.operation.name"], within, ended - int(seconds * 1e9), told)
        if failure is not None:
            span.set_attribute("error.type", failure)
            span.set_status(self._failed)
        span.end(ended)

    def _start(self, name: str, within: Any, begun: int, attributes: dict[str, Any]) -> Any:
        # An empty context where there is none: never what happens to be current.
        parent = self._api.set_span_in_context(within or self._api.INVALID_SPAN)
        kind = self._api.SpanKind.CLIENT
        return self._tracer.start_span(name, context=parent, kind=kind, attributes=attributes, start_time=begun)


def exporting() -> "TracerProvider":
    """A provider that sends spans by HTTP, as the `OTEL_…` variables say."""
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    from opentelemetry.sdk.resources import SERVICE_NAME, Resource
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor

    resource = Resource.create()
    if str(resource.attributes.get(SERVICE_NAME, "unknown_service")).startswith("unknown_service"):
        resource = resource.merge(Resource({SERVICE_NAME: SERVICE}))
    provider = TracerProvider(resource=resource, shutdown_on_exit=False)
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    return provider
