"""Letters where processes share an outbox, are killed, or lose the mail server: each goes once."""

import asyncio
import os
import signal
import time
from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from models.errors import Unavailable
from resolvers import outbox
from tests.faults import assert_intact, people, post, rows, running, scalar, until
from tests.service import Service
from tests.smtp_servers import SENDER, Line, free_port, hostile_server, mail_server, script

Make = Callable[..., Any]
MANY = 200
INVITE = """mutation($users: [InviteUserInput!]!) { inviteUsers(input: {users: $users}) {
  summary { created failed } errors { code } } }"""
STATES = "SELECT state, COUNT(*) FROM letters GROUP BY state ORDER BY state"


def settings(port: int, timeout: int = 1) -> dict[str, Any]:
    return {"smtp_url": f"smtp://127.0.0.1:{port}?timeout={timeout}", "mail_from": SENDER}


async def invite(service: Service, count: int, prefix: str = "p") -> None:
    users = [{"email": f"{prefix}{number}@partner.example"} for number in range(count)]
    told = (await service.data(INVITE, {"users": users}))["inviteUsers"]
    assert told == {"summary": {"created": count, "failed": 0}, "errors": []}


@pytest.fixture
def resting(monkeypatch: pytest.MonkeyPatch) -> None:
    """No turns but those that a test takes."""
    monkeypatch.setattr("graph.background.Background._rest", lambda self, _: self._stopping.wait())


@pytest.mark.usefixtures("resting")
async def test_two_processes_send_two_hundred_letters_once_each(service_with: Make) -> None:
    with mail_server() as mailbox:
        given = settings(mailbox.port, 5)
        async with service_with(**given) as one, service_with(**given) as two:
            await invite(one, MANY)

            async def empty(service: Service) -> None:
                while await service.scalar("SELECT COUNT(*) FROM letters WHERE state = 'WAITING'"):
                    await service.app.state.outbox.turn()

            await asyncio.gather(empty(one), empty(two), empty(one))
            assert await one.rows(STATES) == [("SENT", MANY)]
        assert Counter(mailbox.recipients()) == Counter(f"p{number}@partner.example" for number in range(MANY))
        assert len({mail.message["Message-ID"] for mail in mailbox.received}) == MANY
        assert mailbox.connections <= 2 * MANY / outbox.BATCH + 2, "one connection for a batch"


def test_two_real_processes_send_each_letter_once(database_url: str, tmp_path: Path) -> None:
    with mail_server() as mailbox:
        given = settings(mailbox.port, 5)
        with running(tmp_path, database_url, **given) as one, running(tmp_path, database_url, **given):
            post(one, INVITE, {"users": people("two", MANY)})
            until("letters wait", lambda: rows(database_url, STATES) == [("SENT", MANY)])
        assert len(mailbox.received) == len(set(mailbox.recipients())) == MANY


def overdue(url: str) -> bool:
    """Whether every claim has run out."""
    return not [
        each
        for (each,) in rows(url, "SELECT claimed_until FROM letters WHERE claimed_until IS NOT NULL")
        if (each if isinstance(each, datetime) else datetime.fromisoformat(each)) > datetime.now(UTC)
    ]


def test_killed_between_claiming_and_handing_over_sends_once_afterwards(database_url: str, tmp_path: Path) -> None:
    with hostile_server(Line.hang) as hostile:
        port = hostile.port
        with running(tmp_path, database_url, **settings(port, 2)) as program:
            post(program, INVITE, {"users": people("killed", 20)})
            claimed = "SELECT COUNT(*) FROM letters WHERE claimed_until IS NOT NULL"
            until("nothing is claimed", lambda: scalar(database_url, claimed) == 20 and bool(hostile.lines))
            program.process.kill()
            program.process.wait()
    assert scalar(database_url, claimed) == 20, "the claim outlives the process"
    with mail_server(port=port) as mailbox, running(tmp_path, database_url, **settings(port, 2)):
        until("letters wait", lambda: rows(database_url, STATES) == [("SENT", 20)])
        assert len(mailbox.received) == len(set(mailbox.recipients())) == 20
    assert rows(database_url, "SELECT DISTINCT attempts FROM letters") == [(2,)], "a claim that ran out was an attempt"
    assert_intact(database_url)


def test_killed_between_handing_over_and_recording_repeats_the_message_id(database_url: str, tmp_path: Path) -> None:
    """What cannot be known is sent again, under the same Message-ID; what was recorded is not."""
    with mail_server() as mailbox:
        given = settings(mailbox.port)
        with running(tmp_path, database_url, **given) as program:

            def kill(step: str, address: str) -> None:
                if step == "DATA" and len(mailbox.received) == 2:
                    os.kill(program.process.pid, signal.SIGKILL)

            mailbox.answer = kill
            post(program, INVITE, {"users": people("killed", 5)})
            until("it was not killed", lambda: program.process.poll() is not None)
            until("the third did not come", lambda: len(mailbox.received) == 3)
        mailbox.answer = lambda step, address: None
        with running(tmp_path, database_url, **given):
            until("letters wait", lambda: rows(database_url, STATES) == [("SENT", 5)])
        counts = Counter(mailbox.recipients())
        assert sorted(counts.values()) == [1, 1, 1, 1, 2]
        repeated = counts.most_common(1)[0][0]
        ids = [mail.message["Message-ID"] for mail in mailbox.received if mail.recipient == repeated]
        assert ids[0] == ids[1]


@pytest.mark.usefixtures("resting")
async def test_a_server_that_is_down_delays_all_and_is_left_alone(service_with: Make) -> None:
    port = free_port()
    async with service_with(**settings(port)) as service:
        box = service.app.state.outbox
        await invite(service, 3)
        assert await box.turn() is False
        states = "SELECT DISTINCT state, attempts, claimed_until FROM letters"
        assert await service.rows(states) == [("WAITING", 1, None)]
        assert f"127.0.0.1:{port}" in await service.scalar("SELECT error FROM letters LIMIT 1")
        await service.write("UPDATE letters SET next_attempt_at = $1", datetime.now(UTC) - timedelta(seconds=1))
        assert await box.turn() is False
        assert await service.rows(states) == [("WAITING", 1, None)], "a server that is away is not asked at every turn"
        with mail_server(port=port) as mailbox:
            box._closed_until = 0
            assert await box.turn() is True
            assert len(mailbox.received) == 3


@pytest.mark.usefixtures("resting")
@pytest.mark.parametrize("fault", ["hang", "drop"])
async def test_a_server_that_fails_in_the_middle_costs_one_letter_an_attempt(service_with: Make, fault: str) -> None:
    with hostile_server(script(CONTENT=fault)) as hostile:
        async with service_with(**settings(hostile.port)) as service:
            await invite(service, 3)
            begun = time.monotonic()
            turn = asyncio.create_task(service.app.state.outbox.turn())
            while not turn.done():  # meanwhile others are answered
                await service.data("{ me { id } }")
                await asyncio.sleep(0.05)
            assert time.monotonic() - begun < 6
            found = await service.rows("SELECT attempts, claimed_until, state FROM letters ORDER BY attempts")
            assert found == [(0, None, "WAITING"), (0, None, "WAITING"), (1, None, "WAITING")]
        handed = [each for line in hostile.lines for each in line.heard if each.startswith("MAIL")]
        assert len(handed) == 1


@pytest.mark.usefixtures("resting")
async def test_a_database_that_is_away_after_the_hand_over_is_waited_for(
    service_with: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The server has the letter: forgetting that would send it twice."""
    with mail_server() as mailbox:
        async with service_with(**settings(mailbox.port, 5)) as service:
            await invite(service, 2)
            database, failed = service.database, []
            whole = database.transaction

            async def flaky(work: Any) -> Any:
                if mailbox.received and len(failed) < 2:
                    failed.append(1)
                    raise Unavailable("the database does not answer")
                return await whole(work)

            monkeypatch.setattr(database, "transaction", flaky)
            await service.app.state.outbox.turn()
            assert await service.rows(STATES) == [("SENT", 2)]
        assert (len(failed), len(mailbox.received)) == (2, 2)


@pytest.mark.usefixtures("resting")
async def test_a_process_that_ends_gives_back_what_it_has_not_sent(service_with: Make) -> None:
    with mail_server() as mailbox:
        async with service_with(**settings(mailbox.port, 5)) as service:
            await invite(service, 5)
            box = service.app.state.outbox
            box._is_stopping = lambda: len(mailbox.received) == 2
            await box.turn()
            assert await service.rows(STATES) == [("SENT", 2), ("WAITING", 3)]
            assert await service.rows(
                "SELECT DISTINCT claimed_until, attempts FROM letters WHERE state = 'WAITING'"
            ) == [(None, 0)]


@pytest.mark.usefixtures("resting")
async def test_a_claim_that_another_process_took_over_is_not_sent_by_the_first(service_with: Make) -> None:
    """As after a process that was frozen for longer than its claim."""
    with mail_server() as mailbox:
        async with service_with(**settings(mailbox.port, 5)) as service:
            await invite(service, 2)
            loop, later = asyncio.get_running_loop(), datetime.now(UTC) + timedelta(minutes=9)

            def take_over(step: str, address: str) -> None:
                work = service.write("UPDATE letters SET claimed_until = $1 WHERE to_address <> $2", later, address)
                asyncio.run_coroutine_threadsafe(work, loop).result(10)

            mailbox.answer = take_over
            await service.app.state.outbox.turn()
            assert len(mailbox.received) == 1
            assert await service.rows(STATES) == [("SENT", 1), ("WAITING", 1)]
            assert await service.scalar("SELECT claimed_until FROM letters WHERE state = 'WAITING'") is not None
