"""How one user is named from outside (id, address, username, alias, external id), and who that is."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from models.database import Connection, Statement, Steps
from models.dialects import Dialect
from models.values import email_key, email_spelling, is_same_email, key, spelling
from resolvers.filters import exact, number_of


@dataclass(frozen=True)
class UserKey:
    """A kind of key: the field that must be readable, where its normal form and its text stand, and what both are.

    The normal form finds look-alikes, too; the spelling tells who is meant.
    """

    field: str
    columns: tuple[str, str, str]  # normal form, text, user id
    table: str
    normal: Callable[[str], str]
    spelling: Callable[[str], str]


KEYS: Mapping[str, UserKey] = {
    "email": UserKey("email", ("t.email_key", "t.email", "t.id"), "users", email_key, email_spelling),
    "username": UserKey("username", ("t.username_key", "t.username", "t.id"), "users", key, spelling),
    "alias": UserKey("aliases", ("t.value_key", "t.value", "t.user_id"), "user_aliases", key, spelling),
    "externalId": UserKey("externalId", ("t.external_id", "t.external_id", "t.id"), "users", exact, exact),
}
OF_SOURCE = "externalIdOf"  # an external id with its source
FIELDS = {**{kind: each.field for kind, each in KEYS.items()}, OF_SOURCE: "externalIds"}


async def id_by_email(connection: Connection, text: str) -> int | None:
    """Whose address this is."""
    row = await connection.one("SELECT id, email FROM users WHERE email_key = $1", email_key(text))
    return row[0] if row is not None and is_same_email(row[1], text) else None


async def id_by_username(connection: Connection, text: str) -> int | None:
    """Whose username this is."""
    row = await connection.one("SELECT id, username FROM users WHERE username_key = $1", key(text))
    return row[0] if row is not None and spelling(row[1]) == spelling(text) else None


def ids_by_keys(dialect: Dialect, keys: Sequence[tuple[str, Any]]) -> Steps[list[int | None]]:
    """The id each `(kind, value)` names, None where it names nobody: one statement for each kind among them."""
    found: dict[tuple[str, Any], int] = {}
    for kind, known in KEYS.items():
        texts = {known.normal(text) for each, text in keys if each == kind}
        if texts:
            among = dialect.among(known.columns[0], "$1", "text")
            sql = f"SELECT {', '.join(known.columns[1:])} FROM {known.table} t WHERE {among}"
            rows = yield Statement(sql, [list(texts)])
            found |= {(kind, known.spelling(row[0])): row[1] for row in rows}
    pairs = {_pair(value) for kind, value in keys if kind == OF_SOURCE}
    if pairs:
        values = dialect.spread(sorted(pairs), 2)
        places = [f"${n + 1}" for n in range(len(values))]
        wanted = dialect.unnest(places, [("source", "text"), ("value", "text")])
        sql = f"SELECT t.source, t.value, t.user_id FROM {wanted} JOIN user_external_ids t"
        rows = yield Statement(f"{sql} ON t.source = v.source AND t.value = v.value", values)
        found |= {(OF_SOURCE, (row[0], row[1])): row[2] for row in rows}
    return [_named(kind, value, found) for kind, value in keys]


def _named(kind: str, value: Any, found: Mapping[tuple[str, Any], int]) -> int | None:
    if kind == "id":
        return number_of("user", value)
    return found.get((kind, _pair(value) if kind == OF_SOURCE else KEYS[kind].spelling(value)))


def _pair(value: Mapping[str, str]) -> tuple[str, str]:
    return exact(value["source"]), exact(value["value"])
