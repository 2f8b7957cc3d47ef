"""OpenTelemetry: spans of requests, transactions and statements, in the trace that a client began."""

import asyncio
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import AsyncIterator, Callable
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind, StatusCode, format_span_id, format_trace_id

from graph import traces
from graph.app import create_app
from models.errors import Unavailable
from models.settings import BadSetting, Settings
from tests.program import KEY
from tests.program import running as program_running
from tests.service import Service, key_of

ME = "query Me { me { id name } }"
LOOK = 'query Look { users(where: {name: {eq: "secret-in-a-document"}}) { nodes { id } } }'
MAKE = "mutation Make($name: String!) { createGroup(input: {name: $name}) { errors { code } } }"
TRACE, PARENT = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"


@pytest.fixture
def spans(monkeypatch: pytest.MonkeyPatch) -> InMemorySpanExporter:
    """Where spans go instead of to a collector."""
    exporter = InMemorySpanExporter()

    def exporting() -> TracerProvider:
        provider = TracerProvider(shutdown_on_exit=False)
        provider.add_span_processor(SimpleSpanProcessor(exporter))
        return provider

    monkeypatch.setattr(traces, "exporting", exporting)
    return exporter


@pytest.fixture
async def traced(service_with: Callable[..., Any], spans: InMemorySpanExporter) -> AsyncIterator[Service]:
    async with service_with(otel=True) as service:
        await service.data(ME)
        await service.app.state.touches.close()  # the last use of the key, which is written a moment later
        spans.clear()
        yield service


def found(spans: InMemorySpanExporter) -> list[ReadableSpan]:
    return sorted(spans.get_finished_spans(), key=lambda span: span.start_time or 0)


def request_of(spans: InMemorySpanExporter) -> ReadableSpan:
    (span,) = [span for span in found(spans) if span.kind is SpanKind.SERVER]
    return span


def told(span: ReadableSpan, name: str) -> Any:
    return (span.attributes or {}).get(name)


def below(spans: InMemorySpanExporter, parent: ReadableSpan) -> list[ReadableSpan]:
    return [span for span in found(spans) if span.parent and span.parent.span_id == parent.context.span_id]


async def test_a_query_is_a_span_with_its_statements_below(traced: Service, spans: InMemorySpanExporter) -> None:
    with traced.statements() as seen:
        answer = await traced.post({"query": ME})
    request = request_of(spans)
    assert (request.name, request.parent, request.status.status_code) == ("query Me", None, StatusCode.UNSET)
    assert dict(request.attributes or {}) == {
        "http.request.method": "POST",
        "http.response.status_code": 200,
        "graphql.operation.type": "query",
        "graphql.operation.name": "Me",
        "usergraph.request_id": answer.headers["x-request-id"],
        "usergraph.outcome": "ok",
        "usergraph.statements": len(seen),
        "usergraph.user_id": 1,
    }
    statements = below(spans, request)
    assert len(statements) == len(seen) == len(found(spans)) - 1
    for span, sql in zip(statements, seen, strict=True):
        assert (span.name, span.kind) == ("SELECT", SpanKind.CLIENT)
        system = "sqlite" if traced.dialect == "sqlite" else "postgresql"
        assert told(span, "db.system.name") == system
        assert told(span, "db.query.text").split()[:3] == sql.split()[:3]
        assert (request.start_time or 0) <= (span.start_time or 0) <= (span.end_time or 0) <= (request.end_time or 0)


async def test_a_mutation_has_a_transaction_with_its_statements(traced: Service, spans: InMemorySpanExporter) -> None:
    await traced.data(MAKE, {"name": "Made"})
    request = request_of(spans)
    assert request.name == "mutation Make"
    (transaction,) = [span for span in below(spans, request) if span.name == "transaction"]
    assert told(transaction, "usergraph.outcome") == "committed"
    names = [span.name for span in below(spans, transaction)]
    assert names.count("INSERT") == 2, "the group and its record"
    assert {span.context.trace_id for span in found(spans)} == {request.context.trace_id}


async def test_a_trace_that_a_client_began_goes_on(traced: Service, spans: InMemorySpanExporter) -> None:
    await traced.post({"query": ME}, headers={"traceparent": f"00-{TRACE}-{PARENT}-01", "tracestate": "a=b"})
    request = request_of(spans)
    assert request.parent is not None
    assert format_trace_id(request.context.trace_id) == TRACE
    assert format_span_id(request.parent.span_id) == PARENT
    assert request.context.trace_state.get("a") == "b"
    assert {format_trace_id(span.context.trace_id) for span in found(spans)} == {TRACE}


async def test_a_client_that_does_not_want_a_trace_gets_none(traced: Service, spans: InMemorySpanExporter) -> None:
    await traced.post({"query": ME}, headers={"traceparent": f"00-{TRACE}-{PARENT}-00"})
    assert found(spans) == []
    await traced.post({"query": ME}, headers={"traceparent": "nonsense"})
    assert request_of(spans).parent is None


async def test_statements_belong_to_the_request_they_were_run_for(traced: Service, spans: InMemorySpanExporter) -> None:
    await asyncio.gather(*(traced.data(f"query Number{n} {{ me {{ id name }} }}") for n in range(6)))
    requests = [span for span in found(spans) if span.kind is SpanKind.SERVER]
    assert len(requests) == 6
    reads = [len([s for s in below(spans, r) if "api_keys" not in told(s, "db.query.text")]) for r in requests]
    assert reads == [1] * 6
    assert sum(len(below(spans, request)) for request in requests) == len(found(spans)) - 6


async def test_what_fails_is_marked_and_told_without_values(
    traced: Service, spans: InMemorySpanExporter, monkeypatch: pytest.MonkeyPatch
) -> None:
    await traced.ask("{ nothing }")
    assert (request_of(spans).status.status_code, told(request_of(spans), "usergraph.outcome")) == (
        StatusCode.UNSET,
        "refused",
    )
    spans.clear()
    with pytest.raises(Exception, match="nowhere"):
        await traced.write("DELETE FROM nowhere WHERE name = $1", "secret-in-a-variable")
    statement, transaction = sorted(found(spans), key=lambda span: span.name)
    assert (statement.name, statement.status.status_code) == ("DELETE", StatusCode.ERROR)
    assert told(statement, "error.type") in ("OperationalError", "UndefinedTableError")
    assert (told(transaction, "usergraph.outcome"), transaction.status.status_code) == ("failed", StatusCode.ERROR)
    assert (transaction.parent, statement.parent and statement.parent.span_id) == (None, transaction.context.span_id)
    spans.clear()

    async def away(*_: Any, **__: Any) -> Any:
        raise Unavailable("away")

    monkeypatch.setattr(traced.database, "read", away)
    await traced.post({"query": ME})
    assert request_of(spans).status.status_code is StatusCode.ERROR
    assert told(request_of(spans), "http.response.status_code") == 503


async def test_spans_hold_no_values_and_no_keys(traced: Service, spans: InMemorySpanExporter) -> None:
    await traced.data(LOOK)
    await traced.data(MAKE, {"name": "secret-in-a-variable"})
    everything = "".join(span.to_json() for span in found(spans))
    for secret in ("secret-in-a-document", "secret-in-a-variable", key_of("admin"), "createGroup"):
        assert secret not in everything


async def test_without_the_setting_nothing_is_watched(service: Service) -> None:
    assert service.app.state.traces is None
    assert service.database.observer is None


def test_without_the_setting_nothing_of_it_is_imported() -> None:
    check = "import sys, graph.cli; sys.exit(any(name.startswith('opentelemetry') for name in sys.modules))"
    assert subprocess.run([sys.executable, "-c", check], timeout=60).returncode == 0


def test_the_setting_without_the_packages_says_what_to_install(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setitem(sys.modules, "opentelemetry.exporter.otlp.proto.http.trace_exporter", None)
    with pytest.raises(BadSetting, match=r"pip install -e '\.\[otel\]'"):
        create_app(Settings(database_url=f"sqlite://{tmp_path}/a.sqlite3", otel=True))


class Collector(HTTPServer):
    """Takes what is sent to an OpenTelemetry collector."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Taking)
        self.taken: list[tuple[str, bytes]] = []


class _Taking(BaseHTTPRequestHandler):
    server: Collector

    def do_POST(self) -> None:
        self.server.taken.append((self.path, self.rfile.read(int(self.headers["content-length"]))))
        self.send_response(200)
        self.end_headers()

    def log_message(self, format: str, *args: Any) -> None:
        """Nothing."""


@pytest.mark.parametrize("workers", [1, 2])
def test_a_program_sends_its_spans_to_the_collector_and_none_is_lost_at_its_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, workers: int
) -> None:
    collector = Collector()
    thread = threading.Thread(target=collector.serve_forever, daemon=True)
    thread.start()
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", f"http://127.0.0.1:{collector.server_port}")
    monkeypatch.setenv("OTEL_BSP_SCHEDULE_DELAY", "600000")
    with program_running(tmp_path, admin_key=KEY, otel=True, workers=workers) as program:
        program.ask(ME)
        program.end()
        assert "Traceback" not in program.said
    collector.shutdown()
    thread.join()
    collector.server_close()
    sent = b"".join(body for path, body in collector.taken if path == "/v1/traces")
    for part in (b"query Me", b"service.name", b"usergraph", b"api_keys"):
        assert part in sent
    assert KEY.encode() not in sent


@pytest.mark.parametrize("workers", [1, 2])
def test_a_collector_that_takes_connections_and_never_answers_does_not_keep_it_from_ending(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, workers: int
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", f"http://127.0.0.1:{silent.getsockname()[1]}")
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_TIMEOUT", "3600")  # so that only our own patience ends it
        with program_running(tmp_path, admin_key=KEY, otel=True, workers=workers) as program:
            assert program.ask(ME)["data"]["me"]["id"] == "user_1"
            program.process.terminate()
            assert program.process.wait(60) in (0, -signal.SIGTERM)
            assert "Finished server process" in program.said, "by itself, not killed"
