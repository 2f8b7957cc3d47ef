"""What leaves when something goes wrong: GraphQL errors with codes, user errors as data, bugs masked."""

import logging
import re
from collections.abc import Mapping, Sequence
from typing import Any

from graphql import GraphQLError

from models.errors import Forbidden, Refusal, TooSlow, Unauthenticated, Unavailable
from models.pools import LONGEST
from resolvers.outcomes import json_values
from resolvers.policy import Viewer, list_right

log = logging.getLogger("usergraph")

MOST_ERRORS = 20


class BadRequest(Exception):
    """A request that is refused before anything of it is run."""

    def __init__(self, message: str, code: str = "BAD_REQUEST", **extensions: Any) -> None:
        super().__init__(message)
        self.code = code
        self.extensions = extensions


def coded(message: str, code: str, **extensions: Any) -> GraphQLError:
    return GraphQLError(message, extensions={"code": code, **extensions})


def forbidden(fields: Sequence[str], viewer: Viewer) -> GraphQLError:
    """Where not even the rows of a type may be listed, that is what the message says, with the right it needs."""
    lists = {name: right for each in fields if (right := list_right(viewer, name := each.partition(".")[0]))}
    said = [
        f"You may not list {_PLURALS.get(name, name)}. Ask an administrator for a role with {right}."
        for name, right in lists.items()
    ]
    others = [each for each in fields if each.partition(".")[0] not in lists]
    said += [f"You may not read {', '.join(others)}."] if others else []
    return coded(" ".join(said), "FORBIDDEN", fields=list(fields))


_PLURALS = {
    "User": "users",
    "Role": "roles",
    "IdentityProvider": "identity providers",
    "Organization": "organizations",
    "OrganizationMember": "memberships of organizations",
    "Group": "groups",
    "GroupMember": "memberships of groups",
    "Invitation": "invitations",
    "ApiKey": "API keys",
    "DirectoryJob": "directory jobs",
    "DirectoryJobRow": "rows of directory jobs",
    "Session": "sessions",
    "SavedReport": "saved reports",
    "AuditEvent": "audit events",
}


def without_history(fields: Sequence[str], path: Sequence[str | int]) -> GraphQLError:
    named = list(dict.fromkeys(fields))
    message = f"There is no history of {', '.join(named)}. Leave that out, or ask without asOf."
    error = coded(message, "WITHOUT_HISTORY", fields=named)
    error.path = list(path)
    return error


def unauthenticated() -> GraphQLError:
    return coded("Send a valid API key in X-ApiKey (or Authorization: Bearer).", "UNAUTHENTICATED")


def unavailable() -> GraphQLError:
    return coded("The database does not answer. Try again in a moment.", "SERVICE_UNAVAILABLE")


MOST_MESSAGE = 500
# What graphql-core says before it repeats the value that was sent.
_ECHO = re.compile(
    r"(cannot represent[^:]{0,80}: |\.?,? [Ff]ound: |, but it was provided: |: Exceeds the limit).*", re.DOTALL
)
_LONG = re.compile(r"'[^']{61,}'|\"[^\"]{61,}\"")
_NO_NAME = re.compile(r"unknown field '(?!\w+')[^']*'")


def discreet(error: GraphQLError, code: str) -> GraphQLError:
    """An error of graphql-core with a code, without the values it repeats: they may be secrets, or megabytes."""
    message = _LONG.sub("'…'", _NO_NAME.sub("an unknown field", _ECHO.sub(_without_value, error.message)))
    error.message = message if len(message) <= MOST_MESSAGE else f"{message[:MOST_MESSAGE]} …"
    error.extensions = {"code": code}
    return error


def _without_value(said: re.Match[str]) -> str:
    """`String cannot represent a non string value: 'secret'` keeps all but the secret."""
    return f"{said[1].rstrip(' :')}." if said[1].startswith("cannot") else "."


def public(error: BaseException, request_id: str | None, path: Sequence[str | int] | None = None) -> GraphQLError:
    """The error as a client may see it. What is nobody's fault but ours is logged once and masked."""
    if isinstance(error, GraphQLError):
        if error.original_error is None or isinstance(error.original_error, GraphQLError):
            return error if error.extensions else discreet(error, "BAD_USER_INPUT")
        return public(error.original_error, request_id, error.path)
    made = _known(error)
    if made is None:
        log.error("bug in request %s", request_id, exc_info=error)
        made = coded(
            f"Something went wrong here. Tell an operator the request id {request_id}.",
            "INTERNAL",
            requestId=request_id,
        )
    made.path = list(path) if path else None
    return made


def _known(error: BaseException) -> GraphQLError | None:
    if isinstance(error, Forbidden):
        extra = {"fields": list(error.fields)} if error.fields else {}
        return coded(error.message, error.code, **extra)
    if isinstance(error, Refusal):
        argument = {"argument": list(error.path)} if error.path else {}
        values = {"values": json_values(error)} if error.values else {}
        return coded(error.message, error.code, **argument, **values)
    if isinstance(error, BadRequest):
        return coded(str(error), error.code, **error.extensions)
    if isinstance(error, Unauthenticated):
        return unauthenticated()
    if isinstance(error, TooSlow):
        return coded(f"This took longer than {LONGEST} seconds. Ask for less, by where or by first.", "TOO_SLOW")
    if isinstance(error, Unavailable):
        return unavailable()
    return None


def formatted(errors: Sequence[GraphQLError]) -> list[Mapping[str, Any]]:
    """At most a few errors: a document can be wrong in ten thousand places."""
    shown: list[Mapping[str, Any]] = [dict(error.formatted) for error in errors[:MOST_ERRORS]]
    if len(errors) > MOST_ERRORS:
        shown.append({"message": "… and more errors.", "extensions": {"code": "TOO_MANY_ERRORS"}})
    return shown


__all__ = ["coded", "forbidden", "formatted", "public", "unauthenticated", "unavailable"]
