"""The log: one form for all that is written to it, a line for each request where wanted, and no secrets."""

import logging
import logging.config
import re
import traceback
from collections.abc import Iterator
from datetime import UTC, datetime
from time import perf_counter
from typing import Any

import orjson

from models.settings import Settings
from models.values import rfc3339
from models.watching import CURRENT, Asked

MOST_CAUSES = 10
MOST_MESSAGE = 500
_CONTROLS = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")
_VALUE = re.compile(r"(query argument \$\d+:).*")

requests = logging.getLogger("usergraph.requests")


def configuration(settings: Settings) -> dict[str, Any]:
    """For logging.config.dictConfig: uvicorn applies it in each of its processes.

    What other libraries say below a warning is never written: drivers tell values of statements there.
    """
    formatter = f"{__name__}.{'JsonLines' if settings.log_format == 'json' else 'TextLines'}"
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {"default": {"()": formatter}},
        "handlers": {
            "default": {"class": "logging.StreamHandler", "formatter": "default", "stream": "ext://sys.stderr"}
        },
        "root": {"level": "WARNING", "handlers": ["default"]},
        "loggers": {"usergraph": {"level": settings.log_level.upper()}},
    }


def configure(settings: Settings) -> None:
    logging.config.dictConfig(configuration(settings))


class Lines(logging.Formatter):
    """What both forms share: the time, the request's id, and exceptions without the values that drivers tell."""

    def formatException(self, ei: Any) -> str:
        return "".join(_told(ei[1])) if ei[1] is not None else ""

    def moment(self, record: logging.LogRecord) -> str:
        return rfc3339(datetime.fromtimestamp(record.created, UTC))

    def request_id(self) -> str | None:
        asked = CURRENT.get()
        return asked.id if asked is not None else None

    def exception(self, record: logging.LogRecord) -> str | None:
        return self.formatException(record.exc_info) if record.exc_info else None


class TextLines(Lines):
    """For people: `2027-01-31T09:30:00.000Z WARNING usergraph [4711] 5f0c…: what happened`."""

    def format(self, record: logging.LogRecord) -> str:
        request = f" {told}" if (told := self.request_id()) else ""
        message = _CONTROLS.sub(_escaped, record.getMessage())
        line = f"{self.moment(record)} {record.levelname} {record.name} [{record.process}]{request}: {message}"
        exception = self.exception(record)
        return line if exception is None else f"{line}\n{exception.rstrip()}"


class JsonLines(Lines):
    """For programs: an object a line."""

    def format(self, record: logging.LogRecord) -> str:
        told = {
            "time": self.moment(record),
            "level": record.levelname.lower(),
            "logger": record.name,
            "pid": record.process,
            "message": record.getMessage(),
            "request_id": self.request_id(),
            "exception": self.exception(record),
            **getattr(record, "fields", {}),
        }
        return orjson.dumps({name: _encodable(value) for name, value in told.items() if value is not None}).decode()


class RequestLog:
    """A record for each request: how it went, never what it held."""

    def ended(self, asked: Asked) -> None:
        fields = {
            "request_id": asked.id,
            "operation": asked.operation[:100],
            "outcome": asked.outcome,
            "status": asked.status,
            "milliseconds": round((perf_counter() - asked.begun) * 1000, 3),
            "statements": asked.statements,
            "user_id": asked.user_id,
        }
        told = "%(operation)s %(outcome)s %(status)s %(milliseconds)s ms, %(statements)s statements, user %(user_id)s"
        requests.info(told, fields, extra={"fields": fields})


def _told(error: BaseException, depth: int = 0) -> Iterator[str]:
    """The traceback with the errors that led to it, oldest first, as Python writes it."""
    before = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    if before is not None and depth < MOST_CAUSES:
        yield from _told(before, depth + 1)
        yield "\nand because of it:\n\n"
    yield "Traceback (most recent call last):\n"
    yield from traceback.format_tb(error.__traceback__)
    yield f"{type(error).__module__}.{type(error).__qualname__}: {_discreet(error)}\n"
    if isinstance(error, BaseExceptionGroup) and depth < MOST_CAUSES:
        for each in error.exceptions:
            yield "one of them:\n"
            yield from _told(each, depth + 1)


def _discreet(error: BaseException) -> str:
    """An error's first line: those that follow, and what stands behind an argument's number, are values of rows."""
    try:
        first = str(error).split("\n", 1)[0]
    except Exception:
        return "?"
    return _CONTROLS.sub(_escaped, _VALUE.sub(r"\1 …", first))[:MOST_MESSAGE]


def _escaped(found: re.Match[str]) -> str:
    return found[0].encode("unicode_escape", "surrogatepass").decode()


def _encodable(value: Any) -> Any:
    return value.encode("utf-8", "backslashreplace").decode() if isinstance(value, str) else value
