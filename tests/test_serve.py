"""`usergraph serve` as a process: how it starts, starts again, and ends."""

import json
import re
import signal
from pathlib import Path

from tests.program import KEY, MAKE, PATIENCE, Program, answers, body, head, post, running

PRINTED = re.compile(r"API key, shown this once:  (\S+)")


def test_sigterm_finishes_what_is_in_flight_and_takes_nothing_new(tmp_path: Path) -> None:
    with running(tmp_path, admin_key=KEY) as program, program.connect() as busy, program.connect() as idle:
        idle.sendall(head("GET /healthz HTTP/1.1"))
        assert answers(idle) == [(200, b'{"status":"ok"}')]
        sent = post("In flight", f"Content-Length: {len(body('In flight'))}")
        busy.sendall(sent[:-10])
        assert program.ask("{ me { id } }")["data"] == {"me": {"id": "user_1"}}  # so the head has been read by now
        program.process.send_signal(signal.SIGTERM)
        program.wait_until_deaf()
        assert program.process.poll() is None
        busy.sendall(sent[-10:])
        ((status, text),) = answers(busy)
        assert (status, json.loads(text)["data"]["createGroup"]) == (
            200,
            {"group": {"name": "In flight"}, "errors": []},
        )
        assert program.process.wait(PATIENCE) in (0, -signal.SIGTERM)
        assert program.groups() == {"In flight"}
        assert program.rows("PRAGMA integrity_check") == [("ok",)]
        assert "Traceback" not in program.said


def test_sigterm_does_not_wait_for_a_request_that_never_ends(tmp_path: Path) -> None:
    with running(tmp_path, admin_key=KEY) as program, program.connect() as stalled:
        stalled.sendall(post("Never", "Content-Length: 5000"))
        assert program.ask("{ me { id } }")["data"] == {"me": {"id": "user_1"}}
        program.process.send_signal(signal.SIGTERM)
        assert program.process.wait(15) in (0, -signal.SIGTERM)  # ten seconds, and some for a slow machine
        assert program.groups() == set()


def test_a_second_start_keeps_the_data_and_tells_no_key_again(tmp_path: Path) -> None:
    with running(tmp_path) as program:
        (key,) = PRINTED.findall(program.said)
        assert program.ask(MAKE, {"name": "Kept"}, key)["data"]["createGroup"]["errors"] == []
        assert program.ask("{ me { id } }")["errors"][0]["extensions"]["code"] == "UNAUTHENTICATED"
        program.end()
    with running(tmp_path) as program:
        assert "API key" not in program.said
        assert key not in program.said
        assert program.ask("{ groups { nodes { name } } }", key=key)["data"] == {
            "groups": {"nodes": [{"name": "Kept"}]}
        }
        program.end()
    # A key in the environment is for a directory that has nobody yet: it opens no other.
    with running(tmp_path, admin_key=KEY) as program:
        assert program.ask("{ me { id } }")["errors"][0]["extensions"]["code"] == "UNAUTHENTICATED"
        assert program.ask("{ me { id } }", key=key)["data"] == {"me": {"id": "user_1"}}
        assert program.rows("SELECT COUNT(*) FROM users") == [(1,)]
        assert program.rows("SELECT COUNT(*) FROM api_keys") == [(1,)]


def test_the_administrators_key_can_be_a_setting_which_is_not_printed_nor_kept(tmp_path: Path) -> None:
    short = Program(tmp_path, admin_key="too short")
    assert short.process.wait(PATIENCE) == 1
    assert short.said == "usergraph: USERGRAPH_ADMIN_KEY needs at least 20 characters.\n"
    with running(tmp_path, admin_key=KEY) as program:
        assert program.ask("{ me { username } }")["data"] == {"me": {"username": "admin"}}
        assert KEY not in program.said
        assert "API key" not in program.said
        program.end()
    for file in tmp_path.iterdir():
        assert KEY.encode() not in file.read_bytes(), file
