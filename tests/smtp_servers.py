"""Mail servers for the tests: a right one with STARTTLS and AUTH, and hostile ones that follow a script."""

import asyncio
import contextlib
import datetime
import email
import email.policy
import ipaddress
import socket
import socketserver
import ssl
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from email.message import EmailMessage
from pathlib import Path
from typing import Any, cast

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

USER, PASSWORD = "mailer", "sesame ladder 42"
SENDER = "no-reply@northwind.example"


@dataclass
class Mail:
    """One message as it was received."""

    sender: str
    recipient: str
    message: EmailMessage
    is_encrypted: bool
    login: str | None

    def text(self, subtype: str) -> str:
        part = self.message.get_body((subtype,))
        assert part is not None
        return cast(str, part.get_content()).replace("\r\n", "\n")


@dataclass
class Mailbox:
    """What a server has taken; `answer` may refuse at RCPT or DATA, by what it returns."""

    port: int = 0
    received: list[Mail] = field(default_factory=list)
    connections: int = 0
    answer: Callable[[str, str], str | None] = lambda step, address: None

    def recipients(self) -> list[str]:
        return [mail.recipient for mail in self.received]

    async def handle_EHLO(
        self, server: SMTP, session: Session, envelope: Envelope, hostname: str, responses: list[str]
    ) -> list[str]:
        session.host_name = hostname
        self.connections += 1
        return responses

    async def handle_RCPT(
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        refusal = await asyncio.to_thread(self.answer, "RCPT", address)
        if refusal is None:
            envelope.rcpt_tos.append(address)
        return refusal or "250 OK"

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:
        recipient = envelope.rcpt_tos[0]
        refusal = await asyncio.to_thread(self.answer, "DATA", recipient)
        if refusal is None:
            message = email.message_from_bytes(cast(bytes, envelope.content), policy=email.policy.default)
            login = cast(LoginPassword | None, session.auth_data)
            name = login.login.decode() if login else None
            self.received.append(
                Mail(envelope.mail_from or "", recipient, cast(EmailMessage, message), session.ssl is not None, name)
            )
        return refusal or "250 OK"


@contextlib.contextmanager
def mail_server(
    *, starttls: ssl.SSLContext | None = None, implicit: ssl.SSLContext | None = None, auth: bool = False, port: int = 0
) -> Iterator[Mailbox]:
    """A server on a thread of its own."""
    mailbox = Mailbox(port or free_port())

    def authenticate(server: SMTP, session: Session, envelope: Envelope, mechanism: str, given: Any) -> AuthResult:
        is_right = given == LoginPassword(USER.encode(), PASSWORD.encode())
        return AuthResult(success=is_right, handled=False, auth_data=given)

    controller = Controller(
        mailbox,
        hostname="127.0.0.1",
        port=mailbox.port,
        ssl_context=implicit,
        tls_context=starttls,
        require_starttls=starttls is not None,
        authenticator=authenticate if auth else None,
        auth_required=auth,
        auth_require_tls=starttls is not None,
        enable_SMTPUTF8=True,
    )
    controller.start()
    mailbox.connections = 0
    try:
        yield mailbox
    finally:
        controller.stop()


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Line:
    """A connection of a hostile server: what it says, and the lines it reads."""

    def __init__(self, connection: socket.socket, ended: threading.Event) -> None:
        self.connection = connection
        self.ended = ended
        self._lines = connection.makefile("rb")
        self.heard: list[str] = []

    def __enter__(self) -> "Line":
        return self

    def __exit__(self, *_: object) -> None:
        self._lines.close()

    def say(self, text: str) -> None:
        self.connection.sendall(f"{text}\r\n".encode())

    def hear(self) -> str:
        line = self._lines.readline().decode().strip()
        self.heard.append(line)
        return line

    def hang(self) -> None:
        """Until the test is over."""
        self.ended.wait(60)


@dataclass
class Hostile:
    port: int
    lines: list[Line] = field(default_factory=list)


@contextlib.contextmanager
def hostile_server(script: Callable[[Line], None], port: int = 0) -> Iterator[Hostile]:
    """Runs `script` for each connection, which ends with it."""
    ended = threading.Event()
    hostile = Hostile(0)

    class Handler(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            line = Line(self.request, ended)
            hostile.lines.append(line)
            with contextlib.suppress(OSError), line:
                script(line)

    class Threads(socketserver.ThreadingTCPServer):
        allow_reuse_address = True

    with Threads(("127.0.0.1", port), Handler) as server:
        hostile.port = server.server_address[1]
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
        thread.start()
        try:
            yield hostile
        finally:
            ended.set()
            for line in hostile.lines:
                with contextlib.suppress(OSError):
                    line.connection.shutdown(socket.SHUT_RDWR)
            server.shutdown()
            thread.join()


def script(**answers: str) -> Callable[[Line], None]:
    """A server that says `250 ok` to each command but those named; `drop` and `hang` do what they say."""

    def run(line: Line) -> None:
        line.say("220 hostile")
        while heard := line.hear():
            command = heard.split(" ")[0].upper()
            answer = answers.get(command, {"DATA": "354 go on", "QUIT": "221 bye"}.get(command, "250 ok"))
            if _do(line, answer):
                return
            if command == "DATA" and answer.startswith("354"):
                while line.hear() != ".":
                    if answers.get("CONTENT") == "drop":
                        return
                if _do(line, answers.get("CONTENT", "250 taken")):
                    return

    return run


def _do(line: Line, answer: str) -> bool:
    if answer == "hang":
        line.hang()
    elif answer != "drop":
        line.say(answer)
    return answer in ("hang", "drop")


def certificates(folder: Path, name: str = "127.0.0.1") -> tuple[ssl.SSLContext, Path]:
    """A server's context with a certificate for 127.0.0.1, and the file of who signed it."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "mail.test")])
    now = datetime.datetime.now(datetime.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address(name))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    ca, private = folder / "mail-ca.pem", folder / "mail-key.pem"
    ca.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    no = serialization.NoEncryption()
    pem, pkcs8 = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8
    private.write_bytes(key.private_bytes(pem, pkcs8, no))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(ca, private)
    return context, ca
