"""Recorded versions of erased users: what identifies them gives way to a pseudonym, and what is counted stays."""

from collections.abc import Mapping, Sequence

from models.database import Transaction
from resolvers.pseudonyms import DOMAIN, Person

_NAME = "'erased-' || {owner}"


def _unless_null(column: str) -> str:
    return f"CASE WHEN {column} IS NOT NULL THEN {_NAME} END"


# By table: the column that says whose versions they are, and what each column with personal data becomes. Null stays
# null, so that a report over the past counts as many users with a name, an external id or a login DN as before.
REPLACED: Mapping[str, tuple[str, Mapping[str, str]]] = {
    "users_history": (
        "row_id",
        {
            "username": _NAME,
            "username_key": _NAME,
            "email": f"{_NAME} || '@{DOMAIN}'",
            "email_key": f"{_NAME} || '@{DOMAIN}'",
            "name": _NAME,
            "name_key": _NAME,
            "first_name": _unless_null("first_name"),
            "first_name_key": _unless_null("first_name_key"),
            "last_name": _unless_null("last_name"),
            "last_name_key": _unless_null("last_name_key"),
            "external_id": _unless_null("external_id"),
            "login_dn": _unless_null("login_dn"),
            "login_dn_key": _unless_null("login_dn_key"),
        },
    ),
    "user_aliases_history": ("user_id", {"value": _NAME, "value_key": _NAME}),
    "user_external_ids_history": ("user_id", {"value": _NAME}),
    "api_keys_history": ("user_id", {"name": _NAME, "prefix": "''"}),
}
# Values that are personal only where nobody else has, or ever had, the same: a label of many identifies nobody, and
# reports over the past count by it. By table, the columns that make a value, and those that are replaced.
REPLACED_IF_UNIQUE: Mapping[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "user_tags_history": (("value_key",), ("value", "value_key")),
    "user_variables_history": (("name_key", "value"), ("value",)),
}


async def learn_past(tx: Transaction, people: Mapping[int, Person]) -> dict[int, int]:
    """Add to each person what their versions say of them. Returns the latest role id of each who has versions."""
    ids = list(people)
    among = tx.dialect.among("row_id", "$1", "bigint")
    rows = await tx.rows(
        "SELECT row_id, role_id, username, username_key, email, email_key, external_id, login_dn, login_dn_key"
        f" FROM users_history WHERE {among} ORDER BY row_id, valid_from",
        ids,
    )
    for row in rows:
        people[row[0]].learn(row[2:])
    of_users = tx.dialect.among("user_id", "$1", "bigint")
    aliases = await tx.rows(f"SELECT user_id, value, value_key FROM user_aliases_history WHERE {of_users}", ids)
    external_ids = await tx.rows(f"SELECT user_id, value FROM user_external_ids_history WHERE {of_users}", ids)
    for row in [*aliases, *external_ids]:
        people[row[0]].learn(row[1:])
    return {row[0]: row[1] for row in rows}


async def erase_history(tx: Transaction, ids: Sequence[int]) -> dict[str, dict[int, int]]:
    """Replace the personal data of all versions of these users. Returns the replaced rows by table and user.

    The versions are those that were there before: whoever deletes a user does so first.
    """
    counts: dict[str, dict[int, int]] = {}
    for table, (owner, columns) in REPLACED.items():
        changes = ", ".join(f"{name} = {sql.format(owner=owner)}" for name, sql in columns.items())
        among = tx.dialect.among(owner, "$1", "bigint")
        first = next(iter(columns))
        differs = f"{first} <> {_NAME.format(owner=owner)}"
        rows = await tx.rows(f"UPDATE {table} SET {changes} WHERE {among} AND {differs} RETURNING {owner}", list(ids))
        counts[table] = _counted(rows)
    for table, (value, replaced) in REPLACED_IF_UNIQUE.items():
        counts[table] = _counted(await tx.rows(*_replace_unique(tx, table, value, replaced, ids)))
    return counts


def _replace_unique(
    tx: Transaction, table: str, value: Sequence[str], replaced: Sequence[str], ids: Sequence[int]
) -> tuple[str, list[int]]:
    name = _NAME.format(owner="user_id")
    changes = ", ".join(f"{column} = {name}" for column in replaced)
    same = " AND ".join(f"o.{column} = {table}.{column}" for column in value)
    shared = f"SELECT 1 FROM {table} o WHERE {same} AND o.user_id <> {table}.user_id"
    among = tx.dialect.among("user_id", "$1", "bigint")
    differs = f"{replaced[0]} <> {name}"
    sql = f"UPDATE {table} SET {changes} WHERE {among} AND {differs} AND NOT EXISTS ({shared}) RETURNING user_id"
    return sql, list(ids)


def _counted(rows: Sequence[Sequence[int]]) -> dict[int, int]:
    counts: dict[int, int] = {}
    for row in rows:
        counts[row[0]] = counts.get(row[0], 0) + 1
    return counts
