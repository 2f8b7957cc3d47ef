"""`usergraph serve` as a process: how it starts, starts again, and ends."""

import json
import re
import signal
import socket
import subprocess
from importlib.metadata import version
from pathlib import Path

from tests.program import KEY, MAKE, PATIENCE, Program, answers, body, head, post, running
from tests.server import SCRIPT

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


def test_a_port_in_use_is_found_before_anything_is_printed_or_made(tmp_path: Path) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        for workers in (1, 2):
            refused = Program(tmp_path, port=port, workers=workers)
            assert refused.process.wait(PATIENCE) == 1
            assert refused.said == (
                f"usergraph: Port {port} of 127.0.0.1 is in use by another program. Stop that, or set USERGRAPH_PORT to"
                " a free port.\n"
            )
    assert not (tmp_path / "usergraph.sqlite3").exists()


def test_an_address_of_another_machine_is_named(tmp_path: Path) -> None:
    for host in ("192.0.2.1", "no-such-host.invalid"):
        refused = Program(tmp_path, host=host)
        assert refused.process.wait(PATIENCE) == 1
        assert refused.said == f"usergraph: USERGRAPH_HOST: {host} is no address of this machine.\n"


INVITE = "mutation($i: InviteUsersInput!) { inviteUsers(input: $i) { results { invitation { link } } } }"


def test_links_follow_the_port_unless_the_public_address_is_set(tmp_path: Path) -> None:
    for number, public in enumerate((None, "https://people.example.org")):
        settings = {"public_url": public} if public else {}
        with running(tmp_path, admin_key=KEY, **settings) as program:
            given = {"users": [{"email": f"new{number}@example.org"}]}
            answer = program.ask(INVITE, {"i": given})
            link = answer["data"]["inviteUsers"]["results"][0]["invitation"]["link"]
            assert link.startswith(f"{public or program.address}/"), link
            assert f":{program.port}/" in link or public


def test_version_and_help_say_what_is_served_where() -> None:
    done = subprocess.run([SCRIPT, "--version"], capture_output=True, text=True, check=True)
    assert done.stdout == f"usergraph {version('usergraph')}\n"
    done = subprocess.run([SCRIPT, "serve", "--help"], capture_output=True, text=True, check=True)
    shown = " ".join(done.stdout.split())
    for text in ("USERGRAPH_PORT (8000)", "USERGRAPH_DATABASE_URL (sqlite://.data/usergraph.sqlite3)", "README.md"):
        assert text in shown, shown
