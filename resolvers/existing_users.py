"""Who is there already: matching rows to users, and whose the names are that rows need."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from models.database import Connection
from models.values import is_same_email, key
from resolvers.drafts import Draft
from resolvers.references import number_or_none
from resolvers.targets import Target


@dataclass(frozen=True)
class Names:
    """Normal forms in use and whose they are. A username may not be another user's email address either.

    External ids are by source and id.
    """

    usernames: Mapping[str, int]
    emails: Mapping[str, int]
    external_ids: Mapping[tuple[str, str], int]
    aliases: Mapping[str, int]
    login_dns: Mapping[tuple[int, str], int]
    name_ids: Mapping[tuple[int, str], int]


async def taken(connection: Connection, drafts: Sequence[Draft]) -> Names:
    """What of the drafts' names is in use: one statement for each kind of name."""
    usernames = {d.columns["username_key"] for d in drafts if d.columns.get("username_key")}
    emails = {d.columns["email_key"] for d in drafts if d.columns.get("email_key")}
    externals = {(source, each) for d in drafts for source, each in d.external_ids.items() if each is not None}
    dns = {d.columns["login_dn_key"] for d in drafts if d.columns.get("login_dn_key")}
    name_ids = {d.columns["name_id"] for d in drafts if d.columns.get("name_id")}
    aliases = {key(alias) for d in drafts for alias in d.aliases}
    return Names(
        usernames=await _owners(connection, "username_key", "users", "id", usernames | emails),
        emails=await _owners(connection, "email_key", "users", "id", usernames | emails),
        external_ids=await external_id_owners(connection, externals),
        aliases=await _owners(connection, "value_key", "user_aliases", "user_id", aliases),
        login_dns=await _login_dns(connection, dns),
        name_ids=await name_id_owners(connection, name_ids),
    )


def by_external_id(draft: Draft, known: Names) -> int | None:
    """The user whom the draft's source knows by its id, else whom another source that it has an id of does."""
    ids = {**{draft.source: draft.external_ids.get(draft.source)}, **draft.external_ids}
    found = (known.external_ids.get((source, value)) for source, value in ids.items() if value is not None)
    return next((each for each in found if each is not None), None)


def is_another(draft: Draft, target: Target) -> bool:
    """Whether a user whom the draft's own source has not found is not the one that the draft means.

    Another id of any source says so, another name id, or an address that only looks like theirs.
    """
    if draft.matched_by == "EMAIL" and not is_same_email(draft.columns["email"], target["email"]):
        return True
    own = draft.external_ids.get(draft.source)
    if own is not None and own == target.external_ids.get(draft.source):
        return False
    ids = {source: value for source, value in draft.external_ids.items() if value is not None}
    is_named_otherwise = any(target.external_ids.get(source, value) != value for source, value in ids.items())
    return is_named_otherwise or _has_other_name_id(draft, target)


def _has_other_name_id(draft: Draft, target: Target) -> bool:
    """By the name id that the row gives for the SAML provider of the user."""
    saml = (draft.given.get("authentication") or {}).get("saml") or {}
    provider_id = number_or_none(saml.get("identity_provider_id") or "")
    if saml.get("name_id") is None or target["name_id"] is None or provider_id not in (None, target["provider_id"]):
        return False
    return bool(saml["name_id"].strip() != target["name_id"])


async def _owners(connection: Connection, column: str, table: str, owner: str, keys: Collection[str]) -> dict[str, int]:
    if not keys:
        return {}
    among = connection.dialect.among(column, "$1", "text")
    return {
        row[0]: row[1]
        for row in await connection.rows(f"SELECT {column}, {owner} FROM {table} WHERE {among}", sorted(keys))
    }


async def external_id_owners(connection: Connection, ids: Collection[tuple[str, str]]) -> dict[tuple[str, str], int]:
    """Whose these ids are: (source, id) to user."""
    if not ids:
        return {}
    values = connection.dialect.spread(sorted(ids), 2)
    wanted = connection.dialect.unnest([f"${n + 1}" for n in range(len(values))], [("source", "text"), ("id", "text")])
    sql = f"SELECT x.source, x.value, x.user_id FROM {wanted} JOIN user_external_ids x"
    rows = await connection.rows(f"{sql} ON x.source = v.source AND x.value = v.id", *values)
    return {(row[0], row[1]): row[2] for row in rows}


async def _login_dns(connection: Connection, keys: Collection[str]) -> dict[tuple[int, str], int]:
    return await _at_provider(connection, "ldap_provider_id", "login_dn_key", keys)


async def name_id_owners(connection: Connection, name_ids: Collection[str]) -> dict[tuple[int, str], int]:
    """Who has these name ids, at whatever provider: (provider, name id) to user."""
    return await _at_provider(connection, "provider_id", "name_id", name_ids)


async def _at_provider(
    connection: Connection, provider: str, column: str, keys: Collection[str]
) -> dict[tuple[int, str], int]:
    if not keys:
        return {}
    among = connection.dialect.among(column, "$1", "text")
    rows = await connection.rows(f"SELECT {provider}, {column}, id FROM users WHERE {among}", sorted(keys))
    return {(row[0], row[1]): row[2] for row in rows}
