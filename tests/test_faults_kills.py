"""`kill -9` of the service: in the middle of a bulk call, and after it has committed but answered nobody."""

import os
import random
import time
from pathlib import Path

import httpx

from models.database import sqlite_file
from resolvers.tokens import Purpose, digest
from tests.faults import (
    INVITE,
    MANY,
    assert_answers,
    assert_intact,
    invited,
    people,
    post,
    rows,
    running,
    scalar,
    send,
    until,
)
from tests.program import Program

ROUNDS = int(os.environ.get("FAULT_ROUNDS", "1"))  # more of them for the figures in docs/reliability.md
WHOLE = (MANY,) * 4
NOTHING = (0,) * 4


def has_begun_to_write(url: str) -> bool:
    """Whether a change that is not committed yet has reached the database."""
    file = sqlite_file(url)
    if file is not None:
        log = Path(f"{file}-wal")
        return log.exists() and log.stat().st_size > 200_000
    sql = "SELECT COUNT(*) FROM pg_stat_activity WHERE datname = current_database() AND backend_xid IS NOT NULL"
    return bool(scalar(url, sql))


def retried(program: Program, variables: dict[str, object]) -> httpx.Response:
    """Asked again while it says 503: what a killed program leaves to PostgreSQL may still hold the lock."""
    found: list[httpx.Response] = []

    def is_answered() -> bool:
        found.append(post(program, INVITE, variables))
        assert found[-1].status_code in (200, 503), found[-1].text
        return found[-1].status_code == 200

    until("it stays unavailable", is_answered)
    return found[-1]


def test_killed_in_the_middle_of_ten_thousand_invitations_stores_all_or_nothing(
    database_url: str, tmp_path: Path
) -> None:
    """First at a moment when it surely writes, where the call is then repeated by its key, then at random ones."""
    dice = random.Random(time.time_ns())
    outcomes, longest = [], 0.0
    for number in range(ROUNDS):
        prefix = f"kill{number}"
        call: dict[str, object] = {"users": people(prefix), "key": prefix}
        with running(tmp_path, database_url) as program, send(program, INVITE, call):
            if number == 0:
                until("it does not write", lambda: has_begun_to_write(database_url))
            else:
                time.sleep(dice.uniform(0, longest))  # whenever this is, the outcome must be one of two
            program.process.kill()
            program.process.wait()
        begun = time.monotonic()
        with running(tmp_path, database_url) as program:
            assert_answers(program)
            back = time.monotonic() - begun
            found = invited(database_url, prefix)
            assert found in (NOTHING, WHOLE)
            assert_intact(database_url)
            outcomes.append((found[0], round(back, 2)))
            if number == 0:
                begun = time.monotonic()
                answer = retried(program, call).json()["data"]["inviteUsers"]
                longest = time.monotonic() - begun
                assert (answer["summary"], answer["errors"]) == ({"created": MANY, "failed": 0}, [])
                assert invited(database_url, prefix) == WHOLE
    print(f"\nstored and seconds until it answered again: {outcomes}; a call takes {longest:.2f} s")


def test_killed_after_the_commit_answers_the_first_answer_when_repeated(database_url: str, tmp_path: Path) -> None:
    call = {"users": people("lost", 200), "key": "lost"}
    with running(tmp_path, database_url) as program, send(program, INVITE, call):
        until("it does not commit", lambda: scalar(database_url, "SELECT COUNT(*) FROM stored_answers"))
        program.process.kill()
        program.process.wait()
    stored = "SELECT u.id, i.token_digest FROM users u JOIN invitations i ON i.user_id = u.id ORDER BY u.id, i.id"
    kept = [(f"user_{user}", hashed) for user, hashed in rows(database_url, stored)]
    before = invited(database_url, "lost")
    assert before == (200,) * 4
    with running(tmp_path, database_url) as program:
        first, again = (post(program, INVITE, call).json()["data"]["inviteUsers"] for _ in range(2))
        assert first == again
        told = [
            (each["user"]["id"], digest(Purpose.INVITATION, each["invitation"]["link"].split("#")[1]))
            for each in first["results"]
        ]
        assert sorted(told) == sorted(kept), "the links that were stored, not new ones"
        assert invited(database_url, "lost") == before
        assert [(f"user_{user}", hashed) for user, hashed in rows(database_url, stored)] == kept
    assert_intact(database_url)
