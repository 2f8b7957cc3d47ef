"""Letters that a change owes: written with it, sent once, tried again, parked, and dropped when nobody needs them."""

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from resolvers import outbox
from resolvers.outbox import Outbox
from tests.service import Service, codes
from tests.smtp_servers import SENDER, Mailbox, mail_server

Make = Callable[..., Any]
INVITE = """mutation($input: InviteUsersInput!) { inviteUsers(input: $input) {
  results { user { id } invitation { id link } errors { code } } errors { code } } }"""
ACCEPT = """mutation($input: AcceptInvitationInput!) { acceptInvitation(input: $input) {
  user { username state } errors { code } } }"""
REQUEST = """mutation($input: RequestPasswordResetInput!) { requestPasswordReset(input: $input) {
  accepted link expiresAt errors { code } } }"""
RESET = (
    """mutation($input: ResetPasswordInput!) { resetPassword(input: $input) { user { username } errors { code } } }"""
)
DELIVERY = """query($id: ID!) { invitations(where: {id: {eq: $id}}) { nodes {
  state deliveryState deliveryAttempts deliveryError deliveredAt } } }"""
RESEND = "mutation($ids: [ID!]!) { resendInvitations(input: {ids: $ids}) { results { invitation { link } } } }"
STORED = "SELECT state, attempts, error, link IS NULL, claimed_until IS NULL, sent_at IS NULL FROM letters ORDER BY id"
PASSWORD = "amber ladder quiet 77"


@contextlib.asynccontextmanager
async def posting(service_with: Make, **given: Any) -> AsyncIterator[tuple[Service, Mailbox, Outbox]]:
    """A service with a mail server; its own worker rests, so that a test says when letters are sent."""
    with mail_server(**given) as mailbox:
        url = f"smtp://127.0.0.1:{mailbox.port}?timeout=2"
        async with service_with(smtp_url=url, mail_from=SENDER, public_url="https://id.northwind.example") as service:
            yield service, mailbox, service.app.state.outbox


@pytest.fixture(autouse=True)
def _resting(monkeypatch: pytest.MonkeyPatch) -> None:
    """The background's first turn comes after its pause; two seconds would be within some tests."""
    monkeypatch.setattr("graph.background.Background._rest", lambda self, _: self._stopping.wait())


async def invite(service: Service, *emails: str, **more: Any) -> list[dict[str, Any]]:
    users = [{"email": each, **more} for each in emails]
    found: list[dict[str, Any]] = (await service.data(INVITE, {"input": {"users": users}}))["inviteUsers"]["results"]
    assert [each["errors"] for each in found] == [[] for _ in emails]
    return found


async def delivery(service: Service, invitation: str) -> dict[str, Any]:
    found: dict[str, Any] = (await service.data(DELIVERY, {"id": invitation}))["invitations"]["nodes"][0]
    return found


async def be_due(service: Service) -> None:
    moment = datetime.now(UTC) - timedelta(seconds=1)
    await service.write("UPDATE letters SET next_attempt_at = $1 WHERE state = 'WAITING'", moment)


async def test_an_invitation_is_sent_and_its_link_works(service_with: Make, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG, "usergraph")
    async with posting(service_with) as (service, mailbox, box):
        (told,) = await invite(service, "bob@partner.example", name="Bob <b>Wood</b>")
        waiting = {"deliveryState": "WAITING", "deliveryAttempts": 0, "deliveryError": None, "deliveredAt": None}
        assert await delivery(service, told["invitation"]["id"]) == {"state": "PENDING", **waiting}
        assert await box.turn() is True
        assert await box.turn() is False
        (mail,) = mailbox.received
        link = told["invitation"]["link"]
        assert link.startswith("https://id.northwind.example/invitation#")
        assert (mail.recipient, mail.sender) == ("bob@partner.example", SENDER)
        assert mail.message["Auto-Submitted"] == "auto-generated"
        assert mail.message["Message-ID"].endswith("@northwind.example>")
        assert mail.message.get_content_type() == "multipart/alternative"
        plain, html = mail.text("plain"), mail.text("html")
        assert f"\n{link}\n" in plain
        assert f'<a href="{link}"' in html
        by = await service.scalar("SELECT name FROM users WHERE username_key = 'admin'")
        expires = await service.scalar("SELECT expires_at FROM invitations ORDER BY id DESC LIMIT 1")
        until = expires if isinstance(expires, datetime) else datetime.fromisoformat(expires)
        assert f"{by} invites you" in plain
        assert f"until {until:%-d %B %Y, %H:%M} UTC" in plain
        assert "Hello Bob <b>Wood</b>," in plain
        assert "Hello Bob &lt;b&gt;Wood&lt;/b&gt;," in html
        assert "did you not expect" in plain.lower()
        assert await service.rows(STORED) == [("SENT", 1, None, *(truth(service, each) for each in (1, 1, 0)))]
        found = await delivery(service, told["invitation"]["id"])
        assert (found["deliveryState"], found["deliveryAttempts"], found["deliveryError"]) == ("SENT", 1, None)
        assert found["deliveredAt"] is not None
        by_state = "{ invitations(where: {deliveryState: {eq: SENT}}) { nodes { id } } }"
        assert (await service.data(by_state))["invitations"]["nodes"] == [{"id": told["invitation"]["id"]}]
        given = {"token": link.partition("#")[2], "password": PASSWORD}
        accepted = (await service.data(ACCEPT, {"input": given}, who=None))["acceptInvitation"]
        assert accepted == {"user": {"username": "bob@partner.example", "state": "ACTIVE"}, "errors": []}
    assert "was handed over" in caplog.text
    assert link.partition("#")[2] not in caplog.text


def truth(service: Service, value: int) -> Any:
    return value if service.dialect == "sqlite" else bool(value)


async def test_a_strangers_reset_is_sent_and_its_link_works(service_with: Make) -> None:
    async with posting(service_with) as (service, mailbox, box):
        address = await service.scalar("SELECT email FROM users WHERE username_key = 'normal'")
        known, unknown = [
            await service.data(REQUEST, {"input": {"email": each}}, who=None)
            for each in (address, "nobody@northwind.example")
        ]
        assert known == unknown
        assert known["requestPasswordReset"]["link"] is None
        await box.turn()
        (mail,) = mailbox.received
        assert mail.recipient == address
        assert "Somebody, probably you, asked" in mail.text("plain")
        link = next(each for each in mail.text("plain").split() if each.startswith("https://"))
        assert link.startswith("https://id.northwind.example/password-reset#")
        given = {"token": link.partition("#")[2], "newPassword": PASSWORD}
        done = (await service.data(RESET, {"input": given}, who=None))["resetPassword"]
        assert done == {"user": {"username": "normal"}, "errors": []}


async def test_only_what_was_committed_is_sent(service_with: Make) -> None:
    async with posting(service_with) as (service, mailbox, box):
        users = [{"email": "good@partner.example"}, {"email": "no address"}]
        for given in ({"users": users[:1], "dryRun": True}, {"users": users, "errorPolicy": "ALL_OR_NOTHING"}):
            await service.data(INVITE, {"input": given})
        assert await box.turn() is False
        assert (mailbox.received, await service.rows("SELECT id FROM letters")) == ([], [])


async def test_a_letter_refused_for_now_is_tried_again_later(service_with: Make) -> None:
    async with posting(service_with) as (service, mailbox, box):
        first, second = await invite(service, "grey@partner.example", "good@partner.example")
        mailbox.answer = lambda step, address: "451 later, please" if address.startswith("grey") else None
        await box.turn()
        assert mailbox.recipients() == ["good@partner.example"]
        found = await delivery(service, first["invitation"]["id"])
        assert (found["deliveryState"], found["deliveryAttempts"]) == ("WAITING", 1)
        assert found["deliveryError"] == "451 later, please"
        assert (await delivery(service, second["invitation"]["id"]))["deliveryState"] == "SENT"
        sql = "SELECT message_id, next_attempt_at FROM letters WHERE state = 'WAITING'"
        ((message_id, at),) = await service.rows(sql)
        delay = (at if isinstance(at, datetime) else datetime.fromisoformat(at)) - datetime.now(UTC)
        assert timedelta(seconds=15) < delay < timedelta(seconds=40)
        assert await box.turn() is False
        mailbox.answer = lambda step, address: None
        await be_due(service)
        await box.turn()
        assert mailbox.recipients() == ["good@partner.example", "grey@partner.example"]
        assert mailbox.received[1].message["Message-ID"] == f"<{message_id}>"
        assert (await delivery(service, first["invitation"]["id"]))["deliveryAttempts"] == 2


async def test_a_letter_refused_for_good_is_parked_and_can_be_resent(service_with: Make) -> None:
    async with posting(service_with) as (service, mailbox, box):
        mailbox.answer = lambda step, address: "550 no such mailbox" if step == "RCPT" else None
        (told,) = await invite(service, "gone@partner.example")
        await box.turn()
        found = await delivery(service, told["invitation"]["id"])
        assert (found["deliveryState"], found["deliveryError"]) == ("PARKED", "550 no such mailbox")
        assert await service.rows("SELECT link, next_attempt_at FROM letters") == [(None, None)]
        await be_due(service)
        assert await box.turn() is False
        mailbox.answer = lambda step, address: None
        await service.data(RESEND, {"ids": [told["invitation"]["id"]]})
        await box.turn()
        assert mailbox.recipients() == ["gone@partner.example"]
        assert (await delivery(service, told["invitation"]["id"]))["deliveryState"] == "SENT"


async def test_a_letter_that_is_never_taken_is_given_up(service_with: Make) -> None:
    async with posting(service_with) as (service, mailbox, box):
        mailbox.answer = lambda step, address: "451 later, please"
        (told,) = await invite(service, "grey@partner.example")
        await service.write("UPDATE letters SET attempts = $1", outbox.MOST_ATTEMPTS - 1)
        await box.turn()
        found = await delivery(service, told["invitation"]["id"])
        assert found["deliveryState"] == "PARKED"
        assert found["deliveryError"] == f"Given up after {outbox.MOST_ATTEMPTS} attempts: 451 later, please"
        assert await service.scalar("SELECT link FROM letters") is None


@pytest.mark.parametrize(
    "over",
    [
        "UPDATE invitations SET state = 'REVOKED', closed_at = created_at",
        "UPDATE invitations SET expires_at = created_at",
        "UPDATE users SET state = 'DEACTIVATED' WHERE state = 'INVITED'",
        "DELETE FROM letters",
    ],
)
async def test_what_ends_while_letters_are_under_way_is_seen_before_each_goes(service_with: Make, over: str) -> None:
    """The first letter is with the server when it happens; the second was claimed with it."""
    async with posting(service_with) as (service, mailbox, box):
        loop = asyncio.get_running_loop()

        def end(step: str, address: str) -> None:
            if step == "DATA":
                asyncio.run_coroutine_threadsafe(service.write(over), loop).result(10)

        await invite(service, "first@partner.example", "second@partner.example")
        mailbox.answer = end
        await box.turn()
        assert mailbox.recipients() == ["first@partner.example"]
        left = [] if over.startswith("DELETE") else [("SENT",)]
        assert await service.rows("SELECT state FROM letters") == left


async def test_letters_of_resets_that_are_over_are_dropped(service_with: Make) -> None:
    async with posting(service_with) as (service, mailbox, box):
        address = await service.scalar("SELECT email FROM users WHERE username_key = 'normal'")
        for over in ("expires_at = created_at", "closed_at = created_at"):
            await service.data(REQUEST, {"input": {"email": address}}, who=None)
            await service.write(f"UPDATE password_resets SET {over}")
            await box.turn()
        assert (mailbox.received, await service.rows("SELECT id FROM letters")) == ([], [])


async def test_without_a_mail_server_links_are_in_answers(service: Service, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "usergraph.mail")
    (told,) = await invite(service, "bob@partner.example")
    assert await service.app.state.outbox.turn() is False
    assert "no USERGRAPH_SMTP_URL" in caplog.text
    assert f"INVITATION to {told['user']['id']} waits in the outbox" in caplog.text
    assert told["invitation"]["link"].partition("#")[2] not in caplog.text
    assert (await delivery(service, told["invitation"]["id"]))["deliveryState"] == "WAITING"


async def test_letters_from_before_there_was_a_mail_server_are_sent_if_their_links_still_work(
    service_with: Make,
) -> None:
    async with service_with() as service:
        results = await invite(service, "old@partner.example", "new@partner.example")
        old = int(results[0]["user"]["id"].removeprefix("user_"))
        await service.write("UPDATE invitations SET expires_at = created_at WHERE user_id = $1", old)
    async with posting(service_with) as (service, mailbox, box):
        await box.turn()
        assert mailbox.recipients() == ["new@partner.example"]
        assert await service.rows("SELECT state FROM letters") == [("SENT",)]


async def test_without_a_mail_server_dead_letters_are_swept(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(outbox, "SWEEP", 0)
    results = await invite(service, "old@partner.example", "new@partner.example")
    old, new = (int(each["user"]["id"].removeprefix("user_")) for each in results)
    await service.write("UPDATE invitations SET expires_at = created_at WHERE user_id = $1", old)
    await service.app.state.outbox.turn()
    assert await service.rows("SELECT user_id FROM letters") == [(new,)]


async def test_a_letter_sealed_with_a_lost_key_is_parked(service_with: Make) -> None:
    async with posting(service_with) as (service, mailbox, box):
        await invite(service, "bob@partner.example")
        await service.write("UPDATE letters SET link = 'sealed otherwise'")
        await box.turn()
        assert mailbox.received == []
        ((state, error),) = await service.rows("SELECT state, error FROM letters")
        assert state == "PARKED"
        assert "USERGRAPH_SECRET_KEY" in error


async def test_delivery_is_not_for_everybody(service_with: Make) -> None:
    async with posting(service_with) as (service, _, _box):
        query = "{ invitations { nodes { deliveryState deliveryError } } }"
        body = await service.ask(query, who="normal")
        assert codes([each["extensions"] for each in body["errors"]]) == ["FORBIDDEN"]
