"""Login DNs in the normal form of RFC 4514: two spellings of one entry are one key, in history too.

Two users of one provider who are one entry by this form both stay. The one who uses it keeps the form: active before
others, then who signed in last, then who is older. The key of the other begins with their id, which no DN does. So
they stay as they are until somebody converts or deactivates one of them, and the log names both.
"""

import logging

from tortoise import migrations
from tortoise.migrations import operations as ops

from models.base import LONG
from models.dn import dn_key

log = logging.getLogger("usergraph.migrate")

BATCH = 10_000
MOST_NAMED = 100
TWO = (
    "%s have one entry as their login DN, %s. user_%d keeps it. Both can sign in as before. Convert or deactivate the"
    " one that is not that person (find them by: users(where: {loginDn: {startsWith: \"user_\"}}))."
)
INDEX = "CREATE UNIQUE INDEX user_login_dn_key ON users (ldap_provider_id, login_dn_key)"
TRIGGERS = "SELECT name, sql FROM sqlite_master WHERE type = 'trigger' AND tbl_name = 'users'"
SHARED = """
SELECT u.id AS id, u.login_dn_key AS login_dn_key, u.ldap_provider_id AS provider FROM users u JOIN (
    SELECT ldap_provider_id, login_dn_key FROM users WHERE login_dn_key IS NOT NULL
    GROUP BY ldap_provider_id, login_dn_key HAVING COUNT(*) > 1) two
ON two.ldap_provider_id = u.ldap_provider_id AND two.login_dn_key = u.login_dn_key
ORDER BY u.ldap_provider_id, u.login_dn_key, CASE WHEN u.state = 'ACTIVE' THEN 0 ELSE 1 END,
    CASE WHEN u.last_login_at IS NULL THEN 1 ELSE 0 END, u.last_login_at DESC, u.id
"""


async def renew(apps, editor):
    """It is no change that anybody made, so the triggers of history rest meanwhile."""
    run = editor.client.execute_query
    triggers = await _without_triggers(editor)
    await run("DROP INDEX IF EXISTS user_login_dn_key")
    for table in ("users", "users_history"):
        await _renew(editor, table)
    await _part(editor)
    await run(INDEX)
    for statement in triggers:
        await run(statement)


async def _without_triggers(editor):
    """Switches the triggers of users off. Returns the statements that switch them on again."""
    if editor.DIALECT == "postgres":
        await editor.client.execute_query("ALTER TABLE users DISABLE TRIGGER USER")
        return ["ALTER TABLE users ENABLE TRIGGER USER"]
    found = await editor.client.execute_query_dict(TRIGGERS)
    for each in found:
        await editor.client.execute_query(f"DROP TRIGGER {each['name']}")
    return [each["sql"] for each in found]


async def _renew(editor, table):
    """Batches by id, so that memory stays bounded in a large directory."""
    first, second = _places(editor)
    read = (
        f"SELECT id, login_dn, login_dn_key FROM {table} WHERE id > {first} AND login_dn IS NOT NULL"
        f" ORDER BY id LIMIT {BATCH}"
    )
    write = f"UPDATE {table} SET login_dn_key = {second} WHERE id = {first}"
    last = 0
    while rows := await editor.client.execute_query_dict(read, [last]):
        last = rows[-1]["id"]
        keys = [(row["id"], dn_key(row["login_dn"])[:LONG], row["login_dn_key"]) for row in rows]
        if changed := [[number, after] for number, after, before in keys if after != before]:
            await editor.client.execute_many(write, changed)


async def _part(editor):
    first, second = _places(editor)
    entries = {}
    for row in await editor.client.execute_query_dict(SHARED):
        entries.setdefault((row["provider"], row["login_dn_key"]), []).append(row["id"])
    others = [[number, f"user_{number}: {dn}"[:LONG]] for (_, dn), ids in entries.items() for number in ids[1:]]
    if not others:
        return
    await editor.client.execute_many(f"UPDATE users SET login_dn_key = {second} WHERE id = {first}", others)
    await editor.client.execute_many(
        f"UPDATE users_history SET login_dn_key = {second} WHERE row_id = {first} AND valid_to IS NULL", others
    )
    for (_, dn), ids in list(entries.items())[:MOST_NAMED]:
        log.warning(TWO, " and ".join(f"user_{number}" for number in sorted(ids)), dn, ids[0])
    if len(entries) > MOST_NAMED:
        log.warning("%d more login DNs belong to several users", len(entries) - MOST_NAMED)


def _places(editor):
    return ("?1", "?2") if editor.DIALECT == "sqlite" else ("$1", "$2")


async def keep(apps, editor):
    """An older program compares by its own form, and finds most of these alike."""


class Migration(migrations.Migration):
    dependencies = [("usergraph", "0011_match_keys")]

    operations = [ops.RunPython(renew, keep)]
