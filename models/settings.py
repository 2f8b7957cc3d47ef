"""Every setting: its environment variable, default, bounds and meaning."""

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any

PREFIX = "USERGRAPH_"


class BadSetting(Exception):
    """A variable that cannot be used; the message names it and what it takes."""


def setting(
    default: Any,
    help: str,
    *,
    low: int | None = None,
    high: int | None = None,
    choices: tuple[str, ...] = (),
    secret: bool = False,
) -> Any:
    """`secret`: it holds, or may hold, a password, and is left out of what Python prints of the settings."""
    told = {"help": help, "low": low, "high": high, "choices": choices}
    return field(default=default, metadata=told, repr=not secret)


@dataclass(frozen=True)
class Settings:
    """Read by the entry points from the environment; everything below is handed these values."""

    database_url: str = setting(
        "sqlite://.data/usergraph.sqlite3",
        "Where the directory is kept: `sqlite://PATH` or `postgres://…`.",
        secret=True,
    )
    database_pool: int = setting(8, "Connections that a process keeps to the database at most.", low=1, high=200)
    database_wait: int = setting(5, "Seconds to wait for a connection or a lock before answering 503.", low=1, high=120)
    database_prepare: bool = setting(
        True, "Whether PostgreSQL may keep prepared statements; off behind a pooler by transaction, such as pgbouncer."
    )
    host: str = setting("127.0.0.1", "Address to listen on.")
    port: int = setting(8000, "Port to listen on.", low=1, high=65535)
    trusted_proxies: str = setting(
        "",
        "Addresses or networks, by commas, whose `X-Forwarded-For` tells where a request comes from; of others it is "
        "ignored.",
    )
    workers: int = setting(1, "Processes that serve on this port.", low=1, high=64)
    public_url: str = setting(
        "http://127.0.0.1:8000",
        "Address that invitation and reset links begin with; never taken from a request. Unless it is set, it has the "
        "port of `USERGRAPH_PORT`.",
    )
    sign_in_url: str = setting(
        "",
        "Address where users sign in, such as your application's: invitation and password pages end with a link to it; "
        "empty: the service's own page.",
    )
    secret_key: str = setting(
        "",
        "Key that seals tokens waiting in the outbox (32 bytes, URL-safe base64); empty: a file beside the SQLite one.",
        secret=True,
    )
    admin_key: str = setting(
        "", "API key of the first administrator, instead of a random one printed once.", secret=True
    )
    log_level: str = setting("info", "How much is logged.", choices=("debug", "info", "warning", "error"))
    log_format: str = setting("text", "How a line of the log is written.", choices=("text", "json"))
    log_requests: bool = setting(False, "Whether each request is logged, at the level info: never what it holds.")
    metrics: bool = setting(True, "Whether there is `/metrics`, for Prometheus.")
    metrics_token: str = setting(
        "",
        "Bearer token that `/metrics` asks for; empty: it answers this machine, and nobody through a proxy.",
        secret=True,
    )
    otel: bool = setting(
        False, "Whether traces are sent by OpenTelemetry; `OTEL_…` variables say where. Needs `usergraph[otel]`."
    )
    introspection: bool = setting(True, "Whether strangers (no key) may read the schema.")
    default_role: str = setting("Normal user", "Role of a new user whose role is not given.")
    projects_in_root: bool = setting(False, "Default of canCreateProjectsInRoot for new IT and Project manager users.")
    history_days: int = setting(
        0,
        "Days that what users and other rows were in the past can be read by `asOf`; 0 keeps it without end.",
        low=0,
        high=36_500,
    )
    audit_days: int = setting(
        0, "Days that events stay in the audit log; 0 keeps them without end.", low=0, high=36_500
    )
    job_days: int = setting(7, "Days that the rows of an ended directory job can be read.", low=1, high=3_650)
    user_deletion: bool = setting(True, "Whether users can be deleted at all; off means deactivate only.")
    invitation_days: int = setting(7, "Days until an invitation expires.", low=1, high=365)
    reset_minutes: int = setting(60, "Minutes until a password reset expires.", low=1, high=10080)
    password_length: int = setting(15, "Fewest characters of a password without a second factor.", low=8, high=256)
    password_length_with_factor: int = setting(
        8, "Fewest characters of a password of who has a second factor.", low=8, high=256
    )
    session_hours: int = setting(12, "Hours until a session ends.", low=1, high=8_760)
    session_idle_minutes: int = setting(60, "Minutes without use after which a session ends.", low=5, high=525_600)
    smtp_url: str = setting(
        "",
        "Server that letters go through: `smtp://user:password@host:587` (STARTTLS) or `smtps://…`; empty: links are "
        "only in answers.",
        secret=True,
    )
    mail_from: str = setting("", "Address that letters come from; needed with `USERGRAPH_SMTP_URL`.")
    read_seconds: int = setting(
        30, "Seconds for a client to send its headers, and again for the body, before it is cut off.", low=1, high=3_600
    )
    max_body: int = setting(10_000_000, "Bytes of the body of a bulk mutation.", low=1_000, high=1_000_000_000)
    max_query_body: int = setting(1_000_000, "Bytes of the body of any other operation.", low=1_000, high=1_000_000_000)
    max_stranger_body: int = setting(
        64_000, "Bytes of a body that comes without a valid key or session.", low=1_000, high=1_000_000_000
    )
    max_values: int = setting(
        5_000,
        "Values (scalars, lists, objects) in the variables and literals of an operation.",
        low=100,
        high=10_000_000,
    )
    max_bulk_values: int = setting(
        500_000, "Values in the variables and literals of a bulk mutation.", low=100, high=10_000_000
    )
    max_tokens: int = setting(20_000, "Tokens of a GraphQL document.", low=100, high=1_000_000)
    max_depth: int = setting(15, "Nesting of a GraphQL document.", low=3, high=200)
    max_aliases: int = setting(50, "Aliases in an operation.", low=0, high=10_000)
    max_root_fields: int = setting(20, "Root fields of an operation.", low=1, high=1_000)
    max_page: int = setting(1_000, "Largest `first` or `last`.", low=1, high=100_000)
    default_page: int = setting(50, "Page size where neither `first` nor `last` is given.", low=1, high=10_000)
    max_cost: int = setting(250_000, "Rows that one operation may ask for at most.", low=100, high=100_000_000)
    exports: int = setting(
        2,
        "Exports that a process streams at once; one connection to the database always stays for others.",
        low=1,
        high=100,
    )
    export_seconds: int = setting(
        60, "Seconds for a client to take the next piece of an export before it is cut off.", low=1, high=3_600
    )
    max_bulk: int = setting(10_000, "Rows of one bulk call.", low=1, high=100_000)

    @classmethod
    def from_environment(cls, environment: Mapping[str, str]) -> "Settings":
        """Raises BadSetting for values out of bounds and for USERGRAPH_ names that do not exist."""
        known = {variable(f.name): f for f in fields(cls)}
        for name in environment:
            if name.startswith(PREFIX) and name not in known:
                raise BadSetting(f"{name} is not a setting. The README lists them all.")
        given = {f.name: _parse(name, environment[name], f) for name, f in known.items() if name in environment}
        if "public_url" not in given and "port" in given:
            given["public_url"] = f"http://127.0.0.1:{given['port']}"
        return cls(**given)


def variable(name: str) -> str:
    return PREFIX + name.upper()


def parse(field_name: str, text: str) -> Any:
    """The value of one setting that is given otherwise than by the environment. Raises BadSetting."""
    return _parse(variable(field_name), text, {f.name: f for f in fields(Settings)}[field_name])


def _parse(name: str, text: str, declared: Any) -> Any:
    if isinstance(declared.default, bool):
        return _parse_switch(name, text)
    if isinstance(declared.default, int):
        return _parse_number(name, text, declared.metadata["low"], declared.metadata["high"])
    choices = declared.metadata["choices"]
    if choices and text not in choices:
        raise BadSetting(f"{name} takes one of {', '.join(choices)}, not {text!r}.")
    return text


def _parse_switch(name: str, text: str) -> bool:
    words = {
        "1": True,
        "true": True,
        "yes": True,
        "on": True,
        "0": False,
        "false": False,
        "no": False,
        "off": False,
    }
    if text.lower() not in words:
        raise BadSetting(f"{name} takes true or false, not {text!r}.")
    return words[text.lower()]


def _parse_number(name: str, text: str, low: int, high: int) -> int:
    if not text.strip().isdecimal() or not low <= int(text) <= high:
        raise BadSetting(f"{name} takes a whole number from {low} to {high}, not {text!r}.")
    return int(text)
