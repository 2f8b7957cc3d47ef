"""`/metrics`: what is counted, by bounded names, for whoever may read it, for all processes of a port."""

import contextlib
import os
import re
import signal
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any
from unittest.mock import AsyncMock

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families

from graph import metrics
from models.errors import Unavailable
from models.watching import writes
from tests.program import KEY, Program, post
from tests.program import running as program_running
from tests.service import Service, key_of
from tests.test_workers import all_started, eventually, stopped

TOKEN = "a token for whoever scrapes"
ME = "query Me { me { id } }"
MAKE = 'mutation Make { createGroup(input: {name: "Made"}) { errors { code } } }'
DRY = 'mutation Try { createGroup(input: {name: "Tried", dryRun: true}) { errors { code } } }'


def figures(text: str) -> dict[str, float]:
    """Every sample by its name and labels, as in `usergraph_requests_total{operation="Me",outcome="ok"}`."""
    found = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            labels = ",".join(f'{name}="{value}"' for name, value in sorted(sample.labels.items()))
            found[f"{sample.name}{{{labels}}}" if labels else sample.name] = sample.value
    return found


async def read(service: Service) -> dict[str, float]:
    answer = await service.client.get("/metrics")
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"].startswith("text/plain")
    return figures(answer.text)


def requests(operation: str, outcome: str) -> str:
    return f'usergraph_requests_total{{operation="{operation}",outcome="{outcome}"}}'


async def test_requests_are_counted_by_operation_and_outcome(service: Service) -> None:
    for _ in range(3):
        await service.data(ME)
    await service.data("{ me { id } }")
    await service.data(MAKE)
    await service.ask("query Wrong { nothing }")
    await service.ask("query Own($id: ID!) { node(id: $id) { id } }", {"id": {}})
    await service.ask(ME, who=None)
    await service.client.post("/graphql", content=b"{", headers={"content-type": "application/json"})
    found = await read(service)
    assert {name: value for name, value in found.items() if name.startswith("usergraph_requests_total")} == {
        requests("Me", "ok"): 3,
        requests("anonymous", "ok"): 1,
        requests("Make", "ok"): 1,
        requests("none", "refused"): 2,
        requests("none", "unauthenticated"): 1,
        requests("Own", "refused"): 1,
    }
    counts = [found[f'usergraph_request_seconds_count{{type="{kind}"}}'] for kind in ("query", "mutation", "none")]
    assert counts == [5, 1, 3]
    assert found['usergraph_request_seconds_bucket{le="+Inf",type="query"}'] == 5
    assert found['usergraph_request_seconds_sum{type="query"}'] > 0


async def test_bugs_outages_and_clients_that_leave_have_outcomes_of_their_own(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    for error, outcome in ((ValueError("a bug"), "failed"), (Unavailable("away"), "unavailable")):
        monkeypatch.setattr(service.database, "read", AsyncMock(side_effect=error))
        await service.post({"query": ME})
        assert (await read(service))[requests("none", outcome)] == 1
    monkeypatch.undo()

    async def leaves() -> Any:
        return {"type": "http.disconnect"}

    async def nobody_listens(_: Any) -> None:
        raise AssertionError("nothing is answered")

    scope = {
        "type": "http",
        "method": "POST",
        "path": "/graphql",
        "query_string": b"",
        "headers": [(b"content-type", b"application/json"), (b"content-length", b"10")],
    }
    await service.app(scope, leaves, nobody_listens)
    assert (await read(service))[requests("none", "gone")] == 1


async def test_statements_transactions_and_their_time_are_counted(service: Service) -> None:
    async def difference(query: str, **variables: Any) -> dict[str, float]:
        before = await read(service)
        await service.ask(query, variables)
        after = await read(service)
        return {name: after[name] - before.get(name, 0) for name in after}

    await service.data(ME)
    await service.app.state.touches.close()  # the last use of the key, which is written a moment later
    await service.data(ME)
    with service.statements() as seen:
        await service.data(ME)
    asked = await difference(ME)
    assert asked['usergraph_sql_statements_total{kind="read"}'] == len(seen) > 0
    assert asked['usergraph_sql_statements_total{kind="write"}'] == 0
    assert asked['usergraph_sql_seconds_total{kind="read"}'] > 0
    assert asked['usergraph_transactions_total{outcome="committed"}'] == 0
    with service.statements() as seen:
        made = await difference(MAKE)
    assert made['usergraph_sql_statements_total{kind="write"}'] == sum(map(writes, seen)) > 0
    assert made['usergraph_sql_statements_total{kind="read"}'] == len(seen) - sum(map(writes, seen))
    assert made['usergraph_transactions_total{outcome="committed"}'] == 1
    tried = await difference(DRY)
    assert tried['usergraph_transactions_total{outcome="rolled_back"}'] == 1
    with pytest.raises(ZeroDivisionError):
        await service.database.transaction(_fail)
    assert (await read(service))['usergraph_transactions_total{outcome="failed"}'] == 1


async def _fail(_: Any) -> None:
    raise ZeroDivisionError


def test_a_statement_that_writes_is_told_from_one_that_reads() -> None:
    reading = ("SELECT 1", "\nSELECT name FROM t WHERE what = 'x'", "WITH a AS (SELECT 1) SELECT * FROM a")
    writing = ("INSERT INTO t VALUES (1)", " UPDATE t SET a = 1", "DELETE FROM t", "COPY users")
    assert [writes(sql) for sql in (*reading, *writing)] == [False] * 3 + [True] * 4
    assert writes("WITH a AS (SELECT 1) INSERT INTO t SELECT * FROM a")


async def test_the_pool_and_what_is_kept_are_shown_as_they_are(service_with: Callable[..., Any]) -> None:
    async with service_with(database_pool=3) as service:
        most = 4 if service.dialect == "sqlite" else 3  # SQLite's writer is beside its readers
        await service.data(ME)
        await service.app.state.touches.close()
        found = await read(service)
        assert found['usergraph_connections{state="in_use"}'] == 0
        assert found['usergraph_connections{state="idle"}'] >= 1
        assert found['usergraph_connections{state="max"}'] == most
        async with service.database.reading(), service.database.reading():
            assert (await read(service))['usergraph_connections{state="in_use"}'] == 2
        documents, plans = found["usergraph_documents"], found["usergraph_plans"]
        assert (documents, plans) == (1, 1)
        for _ in range(2):
            await service.data(ME, who="it")  # other rights: a plan more for the same document
        found = await read(service)
        assert (found["usergraph_documents"], found["usergraph_plans"]) == (1, 2)
        kept = {
            (cache, result): found[f'usergraph_cache_lookups_total{{cache="{cache}",result="{result}"}}']
            for cache in ("documents", "plans")
            for result in ("hit", "miss")
        }
        assert list(kept.values()) == [2, 1, 1, 2]
        assert found["usergraph_processes"] == 1


def names_in(found: dict[str, float]) -> set[str]:
    return {match[1] for name in found if (match := re.match(r'usergraph_requests_total\{operation="([^"]*)"', name))}


async def test_clients_cannot_make_more_names_than_there_is_room_for(service: Service) -> None:
    for number in range(metrics.MOST_NAMES + 20):
        await service.data(f"query Name{number} {{ me {{ id }} }}")
    await service.data(f"query {'x' * 5000} {{ me {{ id }} }}")
    found = await read(service)
    assert len(names_in(found)) == metrics.MOST_NAMES - 2, "anonymous and none are names too, not used here"
    told_apart = sum(found[requests(name, "ok")] for name in names_in(found) if name != "other")
    assert found[requests("other", "ok")] + told_apart == metrics.MOST_NAMES + 21
    assert max(map(len, names_in(found))) < 20


async def test_strangers_cannot_take_the_names_of_those_who_have_keys(service: Service) -> None:
    for number in range(metrics.MOST_OF_STRANGERS + 30):
        await service.data(f"query Stranger{number} {{ __typename }}", who=None)
    await service.data(ME)
    found = await read(service)
    assert len(names_in(found)) == metrics.MOST_OF_STRANGERS + 2
    assert (found[requests("other", "ok")], found[requests("Me", "ok")]) == (30, 1)


async def test_every_application_has_figures_of_its_own(service: Service, service_with: Callable[..., Any]) -> None:
    await service.data(ME)
    async with service_with() as another:
        assert names_in(await read(another)) == set()
        await another.data(ME)
        assert (await read(another))[requests("Me", "ok")] == 1
    assert (await read(service))[requests("Me", "ok")] == 1


async def test_figures_hold_no_names_of_people_and_no_keys(service: Service) -> None:
    await service.data("query Look { users(first: 50) { nodes { name username email } } }")
    text = (await service.client.get("/metrics")).text
    people = await service.rows("SELECT name, username, email FROM users")
    assert [each for row in people for each in row if each and re.search(rf"\b{re.escape(each)}\b", text)] == []
    assert key_of("admin") not in text


async def test_the_names_in_the_documentation_are_those_that_there_are(service: Service) -> None:
    page = (Path(__file__).parents[1] / "docs" / "operators.md").read_text(encoding="utf-8")
    rows = [line.split("|")[1] for line in page.splitlines() if line.startswith("| `usergraph_")]
    told = {name for cell in rows for name in re.findall(r"`(usergraph_\w+)`", cell)}
    text = (await service.client.get("/metrics")).text
    assert told == set(re.findall(r"^# TYPE (usergraph_\w+)", text, re.MULTILINE))
    used = set(re.findall(r"usergraph_\w+(?=[{\[])", page))
    assert {name.removesuffix("_bucket") for name in used} <= told


# --- who may read -------------------------------------------------------------------------------------------------


@contextlib.asynccontextmanager
async def from_address(service: Service, host: str) -> AsyncIterator[httpx.AsyncClient]:
    transport = httpx.ASGITransport(service.app, client=(host, 1234))
    async with httpx.AsyncClient(transport=transport, base_url="http://usergraph.test") as client:
        yield client


async def test_without_a_token_only_this_machine_reads_and_no_proxy_on_it(service: Service) -> None:
    for host, status in (
        ("127.0.0.1", 200),
        ("127.1.2.3", 200),
        ("::1", 200),
        ("::ffff:127.0.0.1", 200),
        ("10.0.0.9", 403),
        ("::ffff:10.0.0.9", 403),
        ("a socket", 403),
    ):
        async with from_address(service, host) as client:
            answer = await client.get("/metrics", headers={"x-apikey": key_of("admin")})
            assert answer.status_code == status, host
            assert ("usergraph_requests" in answer.text) is (status == 200)
    for header in metrics.FORWARDED:
        assert (await service.client.get("/metrics", headers={header: "127.0.0.1"})).status_code == 403


async def test_with_a_token_whoever_has_it_reads_and_nobody_else(service_with: Callable[..., Any]) -> None:
    async with service_with(metrics_token=TOKEN) as service, from_address(service, "10.0.0.9") as far:
        for client in (far, service.client):
            for sent, status in (
                ({}, 401),
                ({"authorization": "Bearer wrong"}, 401),
                ({"authorization": f"Basic {TOKEN}"}, 401),
                ({"authorization": b"Bearer \xff\xfe"}, 401),
                ({"x-apikey": key_of("admin")}, 401),
                ({"authorization": f"Bearer {TOKEN}", "x-forwarded-for": "10.1.1.1"}, 200),
                ({"authorization": f"bearer {TOKEN}"}, 200),
            ):
                answer = await client.get("/metrics", headers=sent)  # type: ignore[arg-type]
                assert answer.status_code == status, sent
                assert ("www-authenticate" in answer.headers) is (status == 401)
        assert (await far.post("/metrics")).status_code == 405


async def test_it_can_be_switched_off(service_with: Callable[..., Any]) -> None:
    async with service_with(metrics=False) as service:
        await service.data(ME)
        assert (await service.client.get("/metrics")).status_code == 404


async def test_openmetrics_is_answered_to_whoever_prefers_it(service: Service) -> None:
    accept = "application/openmetrics-text; version=1.0.0"
    answer = await service.client.get("/metrics", headers={"accept": accept})
    assert answer.headers["content-type"].startswith("application/openmetrics-text")
    assert answer.text.endswith("# EOF\n")
    assert answer.headers["x-content-type-options"] == "nosniff"


# --- several processes --------------------------------------------------------------------------------------------


def read_of(program: Program) -> dict[str, float]:
    return figures(httpx.get(f"{program.address}/metrics", timeout=60).text)


def test_all_processes_are_in_the_figures_of_any_and_one_that_died_is_no_longer_counted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    with program_running(tmp_path, admin_key=KEY, workers=2) as program:
        pids = all_started(program, 2)
        for quiet in pids:
            with stopped(quiet):
                for _ in range(5):
                    program.ask(ME)
        for quiet in pids:
            with stopped(quiet):
                assert read_of(program)[requests("Me", "ok")] == 10
        eventually("a statement is missing", lambda: _of_all(program) >= 20)
        assert read_of(program)["usergraph_processes"] == 2
        assert read_of(program)['usergraph_connections{state="max"}'] == 2 * 5
        (folder,) = tmp_path.glob("usergraph-metrics-*")
        assert folder.stat().st_mode & 0o077 == 0
        victim = min(pids)
        os.kill(victim, signal.SIGKILL)
        all_started(program, 3)
        eventually("the dead one counts", lambda: read_of(program)["usergraph_processes"] == 2)
        assert read_of(program)[requests("Me", "ok")] == 10, "what it did stays counted"
        program.end()
        assert "Traceback" not in program.said
    assert not folder.exists()


def _of_all(program: Program) -> float:
    return read_of(program)['usergraph_sql_statements_total{kind="read"}']


def test_a_client_that_breaks_off_is_counted_as_gone(tmp_path: Path) -> None:
    with program_running(tmp_path, admin_key=KEY) as program:
        with program.connect() as connection:
            connection.sendall(post("Half", "Content-Length: 5000"))
        eventually("not counted", lambda: read_of(program).get(requests("none", "gone")) == 1)
