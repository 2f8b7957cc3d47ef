"""The log: one form for all lines, a record for each request where wanted, and never a secret."""

import io
import json
import logging
import re
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from graph import logs
from models.database import Transaction
from models.settings import Settings
from models.watching import CURRENT, Asked
from tests.cast import PASSWORD
from tests.program import KEY, Program
from tests.program import running as program_running
from tests.service import SECRET, Service, key_of
from tests.test_workers import all_started

MOMENT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z")
ME = "query Me { me { id } }"
KEYS = ("time", "level", "logger", "pid", "message")


@pytest.fixture(params=["json", "text"])
def written(request: pytest.FixtureRequest) -> Iterator[io.StringIO]:
    """What is logged meanwhile, in either form."""
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    handler.setFormatter(logs.JsonLines() if request.param == "json" else logs.TextLines())
    logger = logging.getLogger()
    ours = logging.getLogger("usergraph")
    before = ours.level
    ours.setLevel("DEBUG")
    logger.addHandler(handler)
    yield stream
    logger.removeHandler(handler)
    ours.setLevel(before)


def told(line: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(line)
    return found


def line_of(message: str, form: type[logs.Lines] = logs.JsonLines, error: BaseException | None = None) -> str:
    trouble = (type(error), error, error.__traceback__) if error is not None else None
    return form().format(logging.LogRecord("usergraph.x", logging.WARNING, "x.py", 1, message, (), trouble))


# --- the form -----------------------------------------------------------------------------------------------------


def test_a_json_line_has_time_level_logger_pid_and_message() -> None:
    found = told(line_of("so\nit “is” \ud800 \x00"))
    assert list(found) == list(KEYS)
    assert MOMENT.fullmatch(found["time"])
    assert (found["level"], found["logger"]) == ("warning", "usergraph.x")
    assert isinstance(found["pid"], int)
    assert found["message"] == "so\nit “is” \\ud800 \x00"


def test_no_message_can_begin_a_line_of_its_own() -> None:
    for form in (logs.JsonLines, logs.TextLines):
        for end in ("\n", "\r", "\x0b", "\x1b[31m", "\x85", "\u2028"):
            line = line_of(f"refused{end}2027-01-01T00:00:00.000Z ERROR forged", form)
            assert len(line.splitlines()) == 1 or form is logs.JsonLines, repr(end)
            assert "\n" not in line
            assert "\r" not in line
            assert "\x1b" not in line


def test_a_line_within_a_request_has_its_id_and_no_other() -> None:
    token = CURRENT.set(Asked("0123456789abcdef"))
    try:
        assert told(line_of("within"))["request_id"] == "0123456789abcdef"
        assert " 0123456789abcdef: within" in line_of("within", logs.TextLines)
    finally:
        CURRENT.reset(token)
    assert "request_id" not in told(line_of("outside"))
    assert "0123456789abcdef" not in line_of("outside", logs.TextLines)


def raised(work: Callable[[], object]) -> BaseException:
    try:
        work()
    except BaseException as error:
        return error
    raise AssertionError("nothing was raised")


def test_an_exception_is_told_with_its_causes_and_its_frames() -> None:
    def work() -> None:
        try:
            {}["nowhere"]
        except KeyError as error:
            raise ExceptionGroup("several", [ValueError("first"), OSError("second")]) from error

    error = raised(work)
    found = told(line_of("a bug", error=error))["exception"]
    for part in (
        "KeyError: 'nowhere'",
        "because of it",
        "ValueError: first",
        "OSError: second",
        "test_logs.py",
        "work",
    ):
        assert part in found
    text = line_of("a bug", logs.TextLines, error)
    assert text.splitlines()[0].endswith("usergraph.x [" + str(told(line_of(""))["pid"]) + "]: a bug")
    assert found.rstrip() in text


def test_an_error_that_cannot_be_told_or_never_ends_is_told_shortly() -> None:
    class Mute(Exception):
        def __str__(self) -> str:
            raise RuntimeError

    assert "Mute: ?" in told(line_of("x", error=Mute()))["exception"]
    assert len(told(line_of("x", error=ValueError("y" * 100_000)))["exception"]) < 1_000
    error: Exception = ValueError("the first")
    for number in range(200):
        following = ValueError(str(number))
        following.__cause__, error = error, following
    assert told(line_of("x", error=error))["exception"].count("Traceback") < 20


async def test_what_databases_tell_of_values_is_left_out(service: Service) -> None:
    """PostgreSQL tells the row that is in the way; asyncpg tells the argument that it cannot send."""
    secret = "the digest of somebody's key"
    columns = "name, name_key, description, created_at, updated_at"
    twice = f"INSERT INTO groups ({columns}) SELECT '{secret}', '{secret}', NULL, created_at, created_at FROM groups"

    async def insert(tx: Transaction) -> None:
        await tx.rows(twice)

    async def wrong(tx: Transaction) -> None:
        await tx.rows("SELECT id FROM users WHERE id = $1", object() if service.dialect == "sqlite" else secret)

    for work in (insert, wrong):
        with pytest.raises(Exception) as trouble:  # noqa: PT011
            await service.database.transaction(work)
        for form in (logs.JsonLines, logs.TextLines):
            line = line_of("a bug", form, trouble.value)
            assert secret not in line
            assert type(trouble.value).__name__ in line


# --- requests -----------------------------------------------------------------------------------------------------


def of_requests(stream: io.StringIO) -> list[str]:
    return [line for line in stream.getvalue().splitlines() if "usergraph.requests" in line]


async def test_a_record_for_each_request_tells_how_it_went(
    service_with: Callable[..., Any], written: io.StringIO
) -> None:
    async with service_with(log_requests=True) as service:
        await service.data(ME)
        answers = [
            await service.post({"query": ME}),
            await service.post({"query": ME}, who=None),
            await service.post({"query": "{ nothing }"}, who="it"),
        ]
    lines = of_requests(written)[1:]
    ids = [answer.headers["x-request-id"] for answer in answers]
    expected: list[dict[str, Any]] = [
        {"operation": "Me", "outcome": "ok", "status": 200, "statements": 2, "user_id": 1},
        {"operation": "none", "outcome": "unauthenticated", "status": 401, "statements": 0, "user_id": None},
        {"operation": "none", "outcome": "refused", "status": 200, "statements": 1, "user_id": 2},
    ]
    for line, request_id, fields in zip(lines, ids, expected, strict=True):
        if not line.startswith("{"):
            assert f" INFO usergraph.requests [{told(line_of(''))['pid']}]" in line
            assert re.search(rf": {fields['operation']} {fields['outcome']} {fields['status']} [\d.]+ ms, ", line)
            continue
        found = told(line)
        assert found["level"] == "info"
        assert found["milliseconds"] > 0
        known = {name: value for name, value in fields.items() if value is not None}
        assert {name: found[name] for name in known} == known
        assert found["request_id"] == request_id
        more = {"operation", "outcome", "status", "milliseconds", "statements", "user_id", "request_id"}
        assert set(found) <= {*KEYS, *more}, "nothing else is told"


async def test_requests_are_not_logged_unless_that_is_wanted(service: Service, written: io.StringIO) -> None:
    await service.data(ME)
    assert of_requests(written) == []


async def test_a_bug_is_logged_with_the_id_that_its_client_was_told(
    service: Service, written: io.StringIO, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(*_: Any, **__: Any) -> Any:
        raise ValueError("a bug")

    monkeypatch.setattr(service.app.state.engine, "plan", fails)
    answer = await service.post({"query": ME})
    request_id = answer.json()["errors"][0]["extensions"]["requestId"]
    assert answer.headers["x-request-id"] == request_id
    (first, *_) = written.getvalue().splitlines()
    assert request_id in first
    assert written.getvalue().count("ValueError: a bug") == 1
    if first.startswith("{"):
        assert told(first)["request_id"] == request_id
        assert "Traceback" in told(first)["exception"]


# --- secrets ------------------------------------------------------------------------------------------------------

NEW = "quilted harbour 77 lanterns"
SECRETS = (
    key_of("admin"),
    key_of("it"),
    KEY,
    SECRET,
    PASSWORD,
    NEW,
    "ug_a_key_that_nobody_has",
    "a-token-of-a-reset",
    "a-token-in-a-header",
    "secret-in-a-document",
    "secret-in-a-variable",
    "secret-in-an-address",
)


def bundle() -> list[dict[str, Any]]:
    """Requests with something secret in each place where there can be one; as arguments of httpx's `request`."""
    key = {"x-apikey": key_of("admin")}
    change = (
        "mutation($old: String!, $new: String!) { changePassword(input: {currentPassword: $old, newPassword: $new})"
    )
    reset = "mutation($new: String!) { resetPassword(input: {token: "
    bodies = [
        {"query": 'query Look { users(where: {name: {eq: "secret-in-a-document"}}) { nodes { id } } }'},
        {"query": "query($name: String) { users(where: {name: {eq: $name}}) { totalCount } }"},
        {"query": f"{change} {{ errors {{ code }} }} }}", "variables": {"old": PASSWORD, "new": NEW}},
        {"query": f"{change} {{ errors {{ code }} }} }}", "variables": {"old": {"a": PASSWORD}, "new": NEW}},
        {"query": f'{reset} "a-token-of-a-reset", newPassword: $new}}) {{ errors {{ code }} }} }}'},
        {"query": '{ secret-in-a-document: "secret-in-a-variable" }'},
        {"query": "{ me { id } }", "operationName": "secret-in-a-variable"},
        {"query": "{ me { id } }", "variables": {"secret-in-a-variable": PASSWORD}},
        {"query": "{ me { id } }", "extensions": NEW},
        {"query": 'mutation { createApiKey(input: {name: "x"}) { secret errors { code } } }'},
    ]
    for body in bodies:
        body.setdefault("variables", {"name": "secret-in-a-variable", "new": NEW, "old": PASSWORD})
    sent: list[dict[str, Any]] = [
        {"method": "POST", "url": "/graphql", "json": body, "headers": headers}
        for body in bodies
        for headers in (key, {"authorization": f"Bearer {KEY}"}, {"x-apikey": "ug_a_key_that_nobody_has"}, {})
    ]
    return [
        *sent,
        {"method": "GET", "url": "/graphql?query={me{id}}&key=secret-in-an-address", "headers": key},
        {"method": "GET", "url": "/secret-in-an-address?token=secret-in-an-address", "headers": key},
        {"method": "PUT", "url": "/graphql", "content": b"secret-in-a-document", "headers": key},
        {"method": "POST", "url": "/graphql", "content": b'{"query": secret-in-a-document', "headers": key},
        {"method": "GET", "url": "/metrics", "headers": {"authorization": "Bearer a-token-in-a-header"}},
        {"method": "GET", "url": "/readyz", "headers": {"x-secret": "a-token-in-a-header", **key}},
    ]


async def test_no_secret_is_in_the_log_whatever_is_sent_and_whatever_fails(
    service_with: Callable[..., Any], written: io.StringIO, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with service_with(log_requests=True, metrics_token="a-token-in-a-header") as service:
        made = []
        for fails in (False, True):
            if fails:  # in the middle of a statement, as a bug of ours or of a driver would
                monkeypatch.setattr("models.connections.Connection._ran", _broken)
            for request in bundle():
                headers = {**request["headers"], "content-type": "application/json"}
                answer = await service.client.request(**{**request, "headers": headers})
                if '"secret":"' in answer.text:
                    made.append(answer.json()["data"]["createApiKey"]["secret"])
        monkeypatch.undo()
    assert made
    assert len(of_requests(written)) >= 2 * (len(bundle()) - 4)
    assert "a broken driver" in written.getvalue()
    assert [secret for secret in (*SECRETS, *made) if secret in written.getvalue()] == []


def _broken(*_: Any) -> None:
    raise RuntimeError("a broken driver\nDETAIL: " + PASSWORD)


# --- processes ----------------------------------------------------------------------------------------------------


def lines_of(program: Program) -> list[dict[str, Any]]:
    """The log, without what the command says to whoever started it."""
    said = [line for line in program.said.splitlines() if not line.startswith("usergraph serves ")]
    return [told(line) for line in said]


def test_all_processes_and_libraries_write_one_form(tmp_path: Path) -> None:
    settings: dict[str, object] = {"log_format": "json", "log_requests": True, "log_level": "debug", "workers": 2}
    with program_running(tmp_path, admin_key=KEY, **settings) as program:
        pids = all_started(program, 2)
        answers = [
            httpx.post(f"{program.address}/graphql", json={"query": ME}, headers={"x-apikey": KEY}) for _ in range(4)
        ]
        with httpx.Client(base_url=program.address) as client:
            for request in bundle():
                client.request(**request)
        with program.connect() as connection:
            connection.sendall(b"\x00 secret-in-a-document\r\n\r\n")
            connection.recv(1000)
        program.end()
        lines = lines_of(program)
    assert {line["pid"] for line in lines} == {program.process.pid, *pids}
    for pid in pids:
        assert "Application startup complete." in [line["message"] for line in lines if line["pid"] == pid]
    assert {"uvicorn.error", "usergraph.requests"} <= {line["logger"] for line in lines}
    known = {line["request_id"] for line in lines if line["logger"] == "usergraph.requests"}
    assert {answer.headers["x-request-id"] for answer in answers} <= known
    assert [secret for secret in SECRETS if secret in program.said] == []


def test_at_the_level_warning_nothing_is_said_of_requests_nor_of_starting(tmp_path: Path) -> None:
    settings: dict[str, object] = {"log_requests": True, "log_level": "warning"}
    with program_running(tmp_path, admin_key=KEY, **settings) as program:
        program.ask(ME)
        program.end()
        assert lines_of(program) == []


def test_a_password_in_the_database_s_address_is_not_told(tmp_path: Path) -> None:
    url = f"postgres://somebody:{NEW.replace(' ', '')}@127.0.0.1:1/nowhere"
    program = Program(tmp_path, admin_key=KEY, database_url=url, secret_key=SECRET, log_format="json")
    assert program.process.wait(60) == 1
    assert "does not answer" in program.said
    assert NEW.replace(" ", "") not in program.said
    assert SECRET not in program.said


def test_what_libraries_say_below_a_warning_is_never_written() -> None:
    """aiosqlite tells the values of statements at its level debug."""
    for level in ("debug", "info"):
        made = logs.configuration(Settings(log_level=level))
        assert made["root"]["level"] == "WARNING"
        assert set(made["loggers"]) == {"usergraph"}
    assert sys.modules["logging"].getLogger("aiosqlite").level in (logging.NOTSET, logging.WARNING)
