"""Clients that begin a request and stop: they are cut off, and hold nothing up meanwhile."""

import contextlib
import socket
from pathlib import Path

import httpx

from tests.program import KEY, body, head, running

CLIENTS = 250


def stalled(port: int, sent: bytes) -> socket.socket:
    connection = socket.create_connection(("127.0.0.1", port), 10)
    connection.sendall(sent)
    return connection


def is_cut_off(connection: socket.socket) -> bool:
    """Whether the service ends the connection by itself; waits for it as long as the socket's own limit."""
    connection.settimeout(30)
    try:
        return connection.recv(1) == b""
    except ConnectionResetError:
        return True


def test_clients_that_stop_in_the_middle_are_cut_off_and_hold_nobody_up(tmp_path: Path) -> None:
    half = head("POST /graphql HTTP/1.1", "Content-Type: application/json", "Content-Length: 5000")
    with running(tmp_path, read_seconds=2, admin_key=KEY) as program, contextlib.ExitStack() as open_:
        beginnings = (b"", b"POST /graph", half[:60], half, half + body("Half")[:20])
        clients = [stalled(program.port, beginnings[n % len(beginnings)]) for n in range(CLIENTS)]
        for client in clients:
            open_.callback(client.close)
        address = f"http://127.0.0.1:{program.port}/graphql"
        query = {"query": "{ groups { totalCount } me { username } }"}
        before = httpx.post(address, json=query, headers={"x-apikey": KEY}, timeout=30)
        assert before.json()["data"]["me"] == {"username": "admin"}
        assert [is_cut_off(client) for client in clients] == [True] * CLIENTS
        after = httpx.post(address, json=query, headers={"x-apikey": KEY}, timeout=30)
        assert after.json()["data"] == before.json()["data"], "half a request stored something"
