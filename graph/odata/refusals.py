"""What a request for the feed is refused with, in words that name what to do."""

from typing import NoReturn


class Refused(Exception):
    """`code` and `status` are what leaves; `target` names the option or property that is meant."""

    def __init__(self, message: str, code: str = "BAD_REQUEST", status: int = 400, target: str | None = None) -> None:
        super().__init__(message)
        self.code = code
        self.status = status
        self.target = target


def bad(message: str, target: str | None = None) -> NoReturn:
    """For what no service would understand."""
    raise Refused(message, target=target)


def unsupported(what: str, target: str | None = None) -> NoReturn:
    """For what OData has and this feed has not."""
    raise Refused(f"This feed does not have {what}.", "NOT_IMPLEMENTED", 501, target)


def missing(message: str) -> NoReturn:
    raise Refused(message, "NOT_FOUND", 404)
