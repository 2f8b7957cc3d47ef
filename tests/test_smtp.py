"""Handing letters to mail servers: right ones, and those that are down, hang, refuse, drop or lie."""

import time
from collections.abc import Callable
from datetime import UTC, datetime
from email.message import EmailMessage
from pathlib import Path
from typing import Any

import pytest

from models.letters import LetterKind
from models.settings import BadSetting, Settings
from resolvers.connectors.smtp import Refused, ServerFault, SmtpServer, connected
from resolvers.letter_texts import Content, compose
from tests.smtp_servers import (
    PASSWORD,
    SENDER,
    USER,
    Line,
    certificates,
    free_port,
    hostile_server,
    mail_server,
    script,
)

LINK = "https://id.northwind.example/invitation#ugi_token"
SECRET = PASSWORD.replace(" ", "%20")
TO = "bob@northwind.example"


def server(url: str) -> SmtpServer:
    found = SmtpServer.of(Settings(smtp_url=url, mail_from=SENDER))
    assert found is not None
    return found


def letter(**given: Any) -> EmailMessage:
    about: dict[str, Any] = {
        "kind": LetterKind.INVITATION,
        "name": "Bob Wood",
        "username": "bob",
        "platform": "Northwind",
        "link": LINK,
        "expires_at": datetime(2027, 1, 31, 9, 30, tzinfo=UTC),
        "by": "Ann Lee",
    }
    content = Content(**(about | given))
    return compose(content, message_id="1.abc@northwind.example", sender=SENDER, moment=datetime.now(UTC))


async def send(to: SmtpServer, recipient: str = TO, message: EmailMessage | None = None) -> None:
    async with connected(to) as session:
        await session.hand_over(message or letter(), recipient)


def test_the_settings_of_a_server() -> None:
    assert SmtpServer.of(Settings()) is None
    found = server(f"smtp://{USER}:{SECRET}@mail.example")
    assert (found.host, found.port, found.starttls, found.implicit_tls) == ("mail.example", 587, True, False)
    assert (found.username, found.password, found.sender, found.timeout) == (USER, PASSWORD, SENDER, 30)
    assert server("smtps://mail.example").port == 465
    assert server("smtps://mail.example").implicit_tls
    assert not server("smtp://mail.example:25?starttls=never&timeout=5").starttls
    assert server("smtp://127.0.0.1:25?starttls=always").starttls
    assert not server("smtp://localhost").starttls
    whole = Settings(smtp_url=f"smtp://{USER}:{SECRET}@mail.example", mail_from=SENDER)
    assert "sesame" not in repr(whole) + repr(found) + str(found)


@pytest.mark.parametrize(
    ("url", "mail_from", "told"),
    [
        ("mail.example", SENDER, "USERGRAPH_SMTP_URL looks like"),
        ("http://mail.example", SENDER, "USERGRAPH_SMTP_URL looks like"),
        ("smtp://", SENDER, "USERGRAPH_SMTP_URL looks like"),
        ("smtp://u:sesame@mail.example:x", SENDER, "USERGRAPH_SMTP_URL looks like"),
        ("smtp://u:sesame/@mail.example", SENDER, "USERGRAPH_SMTP_URL looks like"),
        ("smtp://u:sesame@mail.example/path", SENDER, "USERGRAPH_SMTP_URL looks like"),
        ("smtp://u:sesame@mail.example?tls=no", SENDER, "starttls=always or never"),
        ("smtp://u:sesame@mail.example?starttls=maybe", SENDER, "starttls=always or never"),
        ("smtp://u:sesame@mail.example?timeout=0", SENDER, "timeout=SECONDS"),
        ("smtp://u:sesame@mail.example?ca=/no/such/file", SENDER, "ca=/no/such/file"),
        ("smtp://u:sesame@mail.example?starttls=never", SENDER, "no password is sent"),
        ("smtp://u:sesame@mail.example", "", "USERGRAPH_MAIL_FROM takes"),
        ("smtp://u:sesame@mail.example", "nobody", "USERGRAPH_MAIL_FROM takes"),
        ("smtp://u:sesame@mail.example", "a@b.example\r\nBcc: c@d.example", "USERGRAPH_MAIL_FROM takes"),
        ("smtp://u:sesame@mail.example", "jörg@b.example", "USERGRAPH_MAIL_FROM takes"),
    ],
)
def test_settings_that_no_letter_could_be_sent_with(url: str, mail_from: str, told: str) -> None:
    with pytest.raises(BadSetting) as caught:
        SmtpServer.of(Settings(smtp_url=url, mail_from=mail_from))
    assert told in str(caught.value)
    assert "sesame" not in str(caught.value)


async def test_starttls_and_authentication(tmp_path: Path) -> None:
    context, ca = certificates(tmp_path)
    with mail_server(starttls=context, auth=True) as mailbox:
        url = f"smtp://{USER}:{SECRET}@127.0.0.1:{mailbox.port}?starttls=always&ca={ca}"
        async with connected(server(url)) as session:
            for recipient in (TO, "ann@münchen.example", "jörg@northwind.example"):
                await session.hand_over(letter(), recipient)
        assert mailbox.recipients() == [TO, "ann@xn--mnchen-3ya.example", "jörg@northwind.example"]
        assert mailbox.connections == 2, "one greeting before and one after STARTTLS: one connection for all"
        assert all(mail.is_encrypted and mail.login == USER and mail.sender == SENDER for mail in mailbox.received)
        assert [mail.message["To"] for mail in mailbox.received] == mailbox.recipients()
        assert LINK in mailbox.received[2].text("plain")


async def test_encryption_from_the_first_byte(tmp_path: Path) -> None:
    context, ca = certificates(tmp_path)
    with mail_server(implicit=context) as mailbox:
        await send(server(f"smtps://127.0.0.1:{mailbox.port}?ca={ca}"))
        assert mailbox.recipients() == [TO]


async def test_names_make_no_headers_and_no_elements() -> None:
    evil = 'Mallory\r\nBcc: victim@northwind.example\r\n\r\n<script>alert("x")</script>\u202e\x00'
    with mail_server() as mailbox:
        about = {"name": evil, "username": evil, "platform": evil, "by": evil, "provider": evil}
        await send(server(f"smtp://127.0.0.1:{mailbox.port}"), message=letter(**about))
        mail = mailbox.received[0]
    assert mail.recipient == mail.message["To"] == TO
    assert mail.message["Bcc"] is None
    assert mail.message.defects == []
    assert set(mail.message.keys()) == {
        *("Subject", "From", "To", "Date", "Message-ID", "Auto-Submitted", "X-Auto-Response-Suppress"),
        *("MIME-Version", "Content-Type", "X-Peer", "X-MailFrom", "X-RcptTo"),
    } & set(mail.message.keys())
    assert mail.message["From"].addresses[0].addr_spec == SENDER
    assert "<script" not in mail.text("html")
    assert "&lt;script&gt;" in mail.text("html")
    assert "\u202e" not in mail.text("plain") + mail.text("html") + mail.message["Subject"]


async def refused(what: Callable[[Line], None], recipient: str = TO) -> Refused:
    with hostile_server(what) as hostile, pytest.raises(Refused) as caught:
        await send(server(f"smtp://127.0.0.1:{hostile.port}?timeout=1"), recipient)
    return caught.value


async def test_a_letter_that_is_refused_for_now_or_for_good() -> None:
    for answers, is_final in (
        ({"RCPT": "451 grey"}, False),
        ({"RCPT": "550 no such user"}, True),
        ({"CONTENT": "452 full"}, False),
        ({"CONTENT": "554 spam"}, True),
        ({"DATA": "503 no"}, True),
    ):
        found = await refused(script(**answers))
        assert (str(found), found.is_final) == (next(iter(answers.values())), is_final)
    assert (await refused(script(), "jörg@northwind.example")).is_final, "it offers no SMTPUTF8"


@pytest.mark.parametrize(
    "recipient", ["a@b.example>\r\nRCPT TO:<c@d.example", "a b@c.example", "@", "nobody", "a@ü\x00"]
)
async def test_an_address_that_could_end_a_command_is_never_sent(recipient: str) -> None:
    assert (await refused(script(), recipient)).is_final


async def at_fault(url: str) -> str:
    begun = time.monotonic()
    with pytest.raises(ServerFault) as caught:
        await send(server(url))
    assert time.monotonic() - begun < 5
    assert "sesame" not in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize(
    ("answers", "told"),
    [
        ({"EHLO": "hang"}, "no answer in time"),
        ({"MAIL": "hang"}, "no answer in time"),
        ({"CONTENT": "hang"}, "no answer in time"),
        ({"EHLO": "drop", "HELO": "drop"}, ""),
        ({"RCPT": "drop"}, ""),
        ({"CONTENT": "drop"}, ""),
        ({"MAIL": "553 not your address"}, "553 not your address"),
        ({"RCPT": "421 closing"}, "421 closing"),
        ({"EHLO": "\x00\xff\x1b[2Jgarbage"}, ""),
    ],
)
async def test_a_server_that_fails_costs_a_few_seconds_and_no_letter(answers: dict[str, str], told: str) -> None:
    with hostile_server(script(**answers)) as hostile:
        assert told in await at_fault(f"smtp://127.0.0.1:{hostile.port}?timeout=1")


async def test_a_server_that_is_down_or_says_nothing() -> None:
    port = free_port()
    assert str(port) in await at_fault(f"smtp://127.0.0.1:{port}?timeout=1")
    with hostile_server(Line.hang) as hostile:
        assert "no answer in time" in await at_fault(f"smtp://127.0.0.1:{hostile.port}?timeout=1")


async def test_no_password_and_no_letter_goes_unencrypted(tmp_path: Path) -> None:
    with hostile_server(script(EHLO="250-hostile\r\n250 AUTH PLAIN LOGIN")) as hostile:
        url = f"smtp://{USER}:{SECRET}@127.0.0.1:{hostile.port}?starttls=always&timeout=1"
        assert "STARTTLS" in await at_fault(url)
    assert not [each for line in hostile.lines for each in line.heard if each.startswith(("AUTH", "MAIL"))]


async def test_a_certificate_must_be_signed_and_for_this_host(tmp_path: Path) -> None:
    context, ca = certificates(tmp_path, name="127.0.0.2")
    with mail_server(starttls=context, auth=True) as mailbox:
        url = f"smtp://{USER}:{SECRET}@127.0.0.1:{mailbox.port}?starttls=always&timeout=2"
        assert "certificate does not hold" in await at_fault(url)  # nobody known has signed it
        assert "certificate does not hold" in await at_fault(f"{url}&ca={ca}")  # it is another host's
    assert mailbox.received == []


async def test_a_wrong_password_is_told_without_it(tmp_path: Path) -> None:
    context, ca = certificates(tmp_path)
    with mail_server(starttls=context, auth=True) as mailbox:
        url = f"smtp://{USER}:sesame@127.0.0.1:{mailbox.port}?starttls=always&ca={ca}&timeout=2"
        assert "535" in await at_fault(url)
