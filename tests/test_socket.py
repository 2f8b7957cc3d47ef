"""The real server on a real socket: malformed HTTP, reused connections, clients that go away."""

import contextlib
import json
import socket
import struct
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.program import KEY, MAKE, Program, answers, body, head, post, running


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Program]:
    with running(tmp_path_factory.mktemp("socket"), admin_key=KEY) as made:
        yield made


def test_a_query_and_a_mutation_run_over_the_socket(program: Program) -> None:
    with httpx.Client(base_url=program.address, headers={"x-apikey": KEY}) as client:
        for path in ("/graphql", "/graphql/"):
            answer = client.post(path, json={"query": MAKE, "variables": {"name": f"By {path}"}})
            assert answer.status_code == 200
            assert answer.json()["data"]["createGroup"] == {"group": {"name": f"By {path}"}, "errors": []}
            listed = client.get(path, params={"query": "{ groups { nodes { name } } }"})
            assert {"name": f"By {path}"} in listed.json()["data"]["groups"]["nodes"]
            page = client.get(path, headers={"accept": "text/html"})
            assert page.headers["content-type"] == "text/html; charset=utf-8"
        assert "server" not in answer.headers
    assert {"By /graphql", "By /graphql/"} <= program.groups()
    recorded = program.rows("SELECT action, actor_username FROM audit_events WHERE subject_label = 'By /graphql/'")
    assert recorded == [("CREATED", "admin")]


def test_a_connection_serves_request_after_request_also_after_refused_ones(program: Program) -> None:
    length = f"Content-Length: {len(body('Kept 1'))}"
    with program.connect() as connection:
        for raw, status in (
            (post("Kept 1", length), 200),
            (head("GET /graphql?query={me{id}} HTTP/1.1"), 200),
            (head("POST /graphql HTTP/1.1", "Content-Type: text/plain", "Content-Length: 3") + b"abc", 415),
            (head("POST /graphql HTTP/1.1", "Content-Type: application/json", "Content-Length: 4") + b"null", 400),
            (head("PUT /graphql HTTP/1.1", "Content-Length: 5") + b"12345", 405),
            (head("GET /nowhere HTTP/1.1"), 404),
            (post("Kept 2", length), 200),
        ):
            connection.sendall(raw)
            assert [found[0] for found in answers(connection)] == [status], raw
        connection.sendall(head("GET /healthz HTTP/1.1") * 3)
        assert answers(connection, 3) == [(200, b'{"status":"ok"}')] * 3
    assert {"Kept 1", "Kept 2"} <= program.groups()


LONG = len(body("Smuggled"))
CHUNKED = b"%x\r\n%s\r\n0\r\n\r\n" % (LONG, body("Smuggled"))
# What a proxy in front might read otherwise than this server, and what is no HTTP at all.
MALFORMED = {
    "two lengths": post("Smuggled", f"Content-Length: {LONG}", "Content-Length: 5"),
    "two equal lengths": post("Smuggled", f"Content-Length: {LONG}", f"Content-Length: {LONG}"),
    "a list of lengths": post("Smuggled", f"Content-Length: {LONG}, {LONG}"),
    "a length and chunks": post("Smuggled", f"Content-Length: {LONG}", "Transfer-Encoding: chunked"),
    "chunks and a length": head(
        "POST /graphql HTTP/1.1",
        "Content-Type: application/json",
        "Transfer-Encoding: chunked",
        f"Content-Length: {LONG}",
    )
    + CHUNKED,
    "an unknown transfer": post("Smuggled", "Transfer-Encoding: xchunked"),
    "identity and a length": post("Smuggled", "Transfer-Encoding: identity", f"Content-Length: {LONG}"),
    "a negative length": post("Smuggled", "Content-Length: -1"),
    "a length with a sign": post("Smuggled", f"Content-Length: +{LONG}"),
    "a length in hexadecimal": post("Smuggled", f"Content-Length: {LONG:#x}"),
    "a length that is a word": post("Smuggled", "Content-Length: many"),
    "an empty length": post("Smuggled", "Content-Length:"),
    "a length of thirty digits": post("Smuggled", f"Content-Length: {'9' * 30}"),
    "no length": post("Smuggled"),
    "a length above the limit": post("Smuggled", "Content-Length: 99999999999"),
    "chunks of no size": post("Smuggled", "Transfer-Encoding: chunked"),
    "a chunk of endless size": head("POST /graphql HTTP/1.1", "Transfer-Encoding: chunked") + b"f" * 20 + b"\r\n",
    "a blank before a colon": post("Smuggled", f"Content-Length : {LONG}"),
    "a folded header": post("Smuggled", f"Content-Length: {LONG}", "X-Folded: a\r\n b"),
    "a header without a colon": post("Smuggled", f"Content-Length: {LONG}", "nonsense"),
    "NUL in a header": post("Smuggled", f"Content-Length: {LONG}", "X-Nul: a\x00b"),
    "a lone CR in a header": post("Smuggled", f"Content-Length: {LONG}", "X-Cr: a\rb"),
    "a blank in the address": head("GET /graphql?query={me {id}} HTTP/1.1"),
    "an address of 100 KB": head(f"GET /graphql?query={'x' * 100_000} HTTP/1.1"),
    "an address of 64 KB": head(f"GET /graphql?query={'x' * 65_000} HTTP/1.1"),
    "a header of 1 MB": head("GET /healthz HTTP/1.1", f"X-Long: {'x' * 1_000_000}"),
    "20,000 headers": head("GET /healthz HTTP/1.1", *(f"X-{number}: x" for number in range(20_000))),
    "an unknown version": head("GET /healthz HTTP/9.9"),
    "an unknown method": head("G\x01T /healthz HTTP/1.1"),
    "CONNECT": head("CONNECT elsewhere.test:443 HTTP/1.1"),
    "HTTP/2": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "TLS": bytes.fromhex("16030100a5010000a10303") + bytes(160),
    "SSH": b"SSH-2.0-OpenSSH_9.0\r\n",
    "noise": bytes(range(256)) * 10,
}


@pytest.mark.parametrize("name", MALFORMED)
def test_what_is_not_http_is_400_or_cut_off_and_stores_nothing(program: Program, name: str) -> None:
    with program.connect() as connection:
        # A server that hangs up before it has read everything is allowed to.
        with contextlib.suppress(ConnectionError):
            connection.sendall(MALFORMED[name])
        found: list[tuple[int, bytes]] = []
        with contextlib.suppress(ConnectionError):
            found = answers(connection)
        assert [status for status, _ in found if status not in (400, 413, 414, 431)] == []
        for _, text in found:
            assert b"Traceback" not in text
            assert b"Error" not in text
    assert httpx.get(f"{program.address}/healthz").json() == {"status": "ok"}
    assert "Smuggled" not in program.groups()


@pytest.mark.parametrize("pieces", [1, 2, 5])
@pytest.mark.parametrize("size", [70_000, 100_000, 250_000])
@pytest.mark.parametrize("where", ["one header", "many headers", "address"])
def test_a_head_of_more_than_64_kilobytes_is_431_however_it_is_cut(
    program: Program, where: str, size: int, pieces: int
) -> None:
    long = "x" * size
    sent = {
        "one header": post("Smuggled", f"Content-Length: {len(body('Smuggled'))}", f"X-Long: {long}"),
        "many headers": post(
            "Smuggled", f"Content-Length: {len(body('Smuggled'))}", *(f"X-{n}: {long[:90]}" for n in range(size // 100))
        ),
        "address": head(f"GET /healthz?{long} HTTP/1.1"),
    }[where]
    with program.connect() as connection:
        with contextlib.suppress(ConnectionError):
            for piece in range(pieces):
                first, last = piece * len(sent) // pieces, (piece + 1) * len(sent) // pieces
                connection.sendall(sent[first:last])
                time.sleep(0.02 if pieces > 1 else 0)
        found: list[tuple[int, bytes]] = []
        with contextlib.suppress(ConnectionError):
            found = answers(connection)
        # Who sends more than is read may be cut off before they read why.
        assert [status for status, _ in found] in ([431], [])
        assert found != [] or size > 70_000 or pieces > 1
    assert "Smuggled" not in program.groups()


def test_a_large_body_before_the_next_request_does_not_count_as_its_head(program: Program) -> None:
    text = body("Large") + b" " * 60_000
    first = post("Large", f"Content-Length: {len(text)}")
    first = first[: first.index(b"\r\n\r\n") + 4] + text
    second = head("GET /healthz HTTP/1.1", "X-Long: " + "x" * 30_000)
    with program.connect() as connection:
        connection.sendall(first + second[:20_000])
        time.sleep(0.1)
        connection.sendall(second[20_000:])
        assert [status for status, _ in answers(connection, 2)] == [200, 200]


def test_headers_of_60_kilobytes_are_served(program: Program) -> None:
    answer = httpx.get(f"{program.address}/healthz", headers={"cookie": "x" * 60_000})
    assert answer.status_code == 200


def test_a_client_that_goes_in_the_middle_of_its_body_has_sent_nothing(program: Program) -> None:
    whole = post("Half", f"Content-Length: {len(body('Half'))}")
    for end in (len(whole) - 1, len(whole) - 20, whole.index(b"\r\n\r\n") + 4, 30):
        with program.connect() as connection:
            connection.sendall(whole[:end])
    with program.connect() as connection:
        connection.sendall(whole[:-1])
        assert [status for status, _ in answers(connection) if status < 400] == []
    assert program.ask("{ me { username } }")["data"] == {"me": {"username": "admin"}}
    assert "Half" not in program.groups()


def test_a_client_that_goes_in_the_middle_of_a_mutation_leaves_all_or_nothing(tmp_path: Path) -> None:
    count, calls = 200, 12
    upsert = "mutation($users: [UpsertUserInput!]!) { upsertUsers(input: {users: $users}) { summary { created } } }"
    with running(tmp_path, admin_key=KEY) as program:
        for call in range(calls):
            users = [{"email": f"gone-{call}-{number}@usergraph.test"} for number in range(count)]
            sent = json.dumps({"query": upsert, "variables": {"users": users}}).encode()
            first = head("POST /graphql HTTP/1.1", "Content-Type: application/json", f"Content-Length: {len(sent)}")
            connection = program.connect()
            if call % 2:  # a reset instead of an end
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            connection.sendall(first + sent)
            time.sleep(0.01 * call)  # further into the work each time; the answer must be right at any moment
            connection.close()
        assert program.ask(MAKE, {"name": "After"})["data"]["createGroup"]["errors"] == []
        for _ in range(20):
            assert program.ask("{ me { username } }")["data"] == {"me": {"username": "admin"}}
        program.end()
        stored = dict(
            program.rows(
                "SELECT substr(email, 1, instr(substr(email, 6), '-') + 5), COUNT(*) FROM users"
                " WHERE email LIKE 'gone-%' GROUP BY 1"
            )
        )
        assert set(stored.values()) == {count}, stored
        recorded = program.rows("SELECT COUNT(*) FROM audit_events WHERE subject_label LIKE 'gone-%'")
        assert recorded == [(sum(stored.values()),)]
