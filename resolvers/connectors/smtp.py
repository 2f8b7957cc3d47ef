"""A mail server: how it is reached, and one connection that hands letters over."""

import asyncio
import contextlib
import ipaddress
import re
import ssl
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from email import policy
from email.message import EmailMessage
from typing import Any
from urllib.parse import SplitResult, parse_qsl, unquote, urlsplit

import idna
from aiosmtplib import SMTP, SMTPDataError, SMTPException, SMTPRecipientRefused, SMTPResponseException
from email_validator import EmailNotValidError, validate_email

from models.settings import BadSetting, Settings

FORM = "USERGRAPH_SMTP_URL looks like smtp://user:password@host:587 or smtps://user:password@host:465"
OPTIONS = "Behind `?` it takes starttls=always or never, timeout=SECONDS (1 to 300) and ca=FILE."
TIMEOUT = 30
LONGEST_TOLD = 300
PORTS = {"smtp": 587, "smtps": 465}
_UNTOLD = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]+")


class ServerFault(Exception):
    """The server is away, or does not want us: no fault of any letter. The text may be shown."""


class Refused(Exception):
    """The server does not take this letter; `is_final`: nor will it later. The text may be shown."""

    def __init__(self, told: str, *, is_final: bool) -> None:
        super().__init__(told)
        self.is_final = is_final


@dataclass(frozen=True)
class SmtpServer:
    """All that is needed to reach it; `timeout` seconds are for one command and its answer."""

    host: str
    port: int
    sender: str
    implicit_tls: bool = False
    starttls: bool = True
    username: str | None = None
    password: str | None = field(default=None, repr=False)
    timeout: float = TIMEOUT
    ca: str | None = None

    @classmethod
    def of(cls, settings: Settings) -> "SmtpServer | None":
        """The server of the settings, or None. Raises BadSetting, which never repeats what may hold a password."""
        if not settings.smtp_url:
            return None
        try:
            url = urlsplit(settings.smtp_url)
            port = url.port
            options = dict(parse_qsl(url.query, keep_blank_values=True, strict_parsing=bool(url.query)))
        except ValueError as error:
            raise BadSetting(f"{FORM}; a special character in the password is written as %40 is for @.") from error
        if url.scheme not in PORTS or not url.hostname or url.path not in ("", "/") or url.fragment:
            raise BadSetting(f"{FORM}. {OPTIONS}")
        return cls(
            host=url.hostname,
            port=port or PORTS[url.scheme],
            sender=_sender(settings.mail_from),
            implicit_tls=url.scheme == "smtps",
            username=unquote(url.username) if url.username else None,
            password=unquote(url.password) if url.password else None,
            **_options(options, url),
        )

    @property
    def handing_over(self) -> float:
        """Seconds that one letter may take at most, on a connection that stands."""
        return 3 * self.timeout


def _sender(mail_from: str) -> str:
    try:
        valid = validate_email(mail_from, check_deliverability=False, test_environment=True)
    except EmailNotValidError as error:
        takes = "USERGRAPH_MAIL_FROM takes the address that letters come from, such as no-reply@example.com"
        raise BadSetting(f"{takes}, and is needed with USERGRAPH_SMTP_URL.") from error
    if valid.ascii_email is None:
        raise BadSetting("USERGRAPH_MAIL_FROM takes an address with plain letters before the @.")
    return valid.ascii_email


def _options(given: dict[str, str], url: SplitResult) -> dict[str, Any]:
    """Encryption is left out only on this machine, or where the operator says so and no password goes with it."""
    here = _is_here(url.hostname or "")
    starttls = given.pop("starttls", "never" if here else "always")
    timeout = given.pop("timeout", str(TIMEOUT))
    ca = given.pop("ca", None)
    if given or starttls not in ("always", "never") or not timeout.isdecimal() or not 1 <= int(timeout) <= 300:
        raise BadSetting(f"{FORM}. {OPTIONS}")
    if starttls == "never" and url.scheme == "smtp" and url.password and not here:
        raise BadSetting("USERGRAPH_SMTP_URL: with starttls=never no password is sent. Leave one of the two out.")
    if ca is not None:
        try:
            ssl.create_default_context(cafile=ca)
        except OSError as error:
            raise BadSetting(f"USERGRAPH_SMTP_URL: ca={ca} holds no certificates that can be read.") from error
    return {"starttls": starttls == "always", "timeout": float(timeout), "ca": ca}


def _is_here(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")


class Session:
    """A connection that stands, greeted, encrypted and authenticated."""

    def __init__(self, client: SMTP, server: SmtpServer) -> None:
        self._client = client
        self._server = server

    async def hand_over(self, message: EmailMessage, recipient: str) -> None:
        """To one address, until the server has taken responsibility for it.

        Raises Refused, and ServerFault where it is unknown whether it did: the connection is of no use any more then.
        """
        address, is_ascii = _envelope(recipient)
        del message["To"]
        message["To"] = address
        content = message.as_bytes(policy=policy.SMTP if is_ascii else policy.SMTPUTF8)
        try:
            async with asyncio.timeout(self._server.handing_over):
                await self._send(content, address, is_ascii)
        except TimeoutError as error:
            raise ServerFault(f"{self._at}: no answer in time") from error
        except (SMTPException, OSError) as error:
            raise ServerFault(f"{self._at}: {_told(error)}") from error

    async def _send(self, content: bytes, address: str, is_ascii: bool) -> None:
        if not is_ascii and not self._client.supports_extension("smtputf8"):
            raise Refused("The mail server takes no such address (it has no SMTPUTF8).", is_final=True)
        encoding, options = ("ascii", []) if is_ascii else ("utf-8", ["SMTPUTF8"])
        await self._client.mail(self._server.sender, options=options, encoding=encoding)  # its refusal is of us all
        try:
            await self._client.rcpt(address, encoding=encoding)
            await self._client.data(content)
        except (SMTPRecipientRefused, SMTPDataError) as error:
            if error.code == 421 or not self._client.is_connected:  # it closes, whatever was asked
                raise
            with contextlib.suppress(SMTPException, OSError):
                await self._client.rset()
            raise Refused(_told(error), is_final=500 <= error.code < 600) from error

    @property
    def _at(self) -> str:
        return f"{self._server.host}:{self._server.port}"


def _envelope(recipient: str) -> tuple[str, bool]:
    """The address with its domain in IDNA form, and whether all of it is ASCII. Raises Refused."""
    local, _, domain = recipient.rpartition("@")
    try:
        plain = domain if domain.isascii() else idna.encode(domain, uts46=True).decode()
    except idna.IDNAError as error:
        raise Refused("This is no address that mail can be sent to.", is_final=True) from error
    if not local or not plain or re.search(r"[\s<>\x00-\x1f\x7f]", recipient):
        raise Refused("This is no address that mail can be sent to.", is_final=True)
    return f"{local}@{plain}", local.isascii()


@contextlib.asynccontextmanager
async def connected(server: SmtpServer) -> AsyncIterator[Session]:
    """A session for a batch. Raises ServerFault, saying which step failed."""
    client = SMTP(
        hostname=server.host,
        port=server.port,
        username=server.username,
        password=server.password,
        use_tls=server.implicit_tls,
        start_tls=not server.implicit_tls and server.starttls,
        validate_certs=True,
        cert_bundle=server.ca,
        timeout=server.timeout,
        local_hostname=server.sender.rpartition("@")[2],
    )
    at = f"{server.host}:{server.port}"
    try:
        try:
            async with asyncio.timeout(2 * server.timeout):
                await client.connect()
                if client.is_ehlo_or_helo_needed:
                    await client.ehlo()
        except TimeoutError as error:
            raise ServerFault(f"{at}: no answer in time") from error
        except (SMTPException, OSError, ValueError) as error:
            raise ServerFault(f"{at}: {_told(error, server.password)}") from error
        yield Session(client, server)
        with contextlib.suppress(SMTPException, OSError):
            await client.quit(timeout=2)
    finally:
        client.close()


def _told(error: Exception, secret: str | None = None) -> str:
    """What to show of an error: of a server's words a line, bounded, without the password."""
    cause = error.__cause__ or error.__context__
    if isinstance(error, ssl.SSLCertVerificationError) or isinstance(cause, ssl.SSLCertVerificationError):
        certificate = error if isinstance(error, ssl.SSLCertVerificationError) else cause
        return f"its certificate does not hold: {getattr(certificate, 'verify_message', '')}".rstrip(": ")
    if isinstance(error, SMTPResponseException):
        text = f"{error.code} {error.message}"
    else:
        text = str(error) or type(error).__name__
    if secret:
        text = text.replace(secret, "…")
    return _UNTOLD.sub(" ", text)[:LONGEST_TOLD]
