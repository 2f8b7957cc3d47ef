"""What a search for users looks into as one text, and an index of its trigrams."""

import logging

from tortoise import fields, migrations
from tortoise.migrations import operations as ops

from models.values import search_key

BATCH = 10_000
ALIASES = "SELECT user_id, value_key FROM user_aliases WHERE user_id > {} AND user_id <= {}"

# A role that may not create the extension goes on without it: one that may has only to be asked.
EXTENSION = """DO $$ BEGIN CREATE EXTENSION IF NOT EXISTS pg_trgm;
EXCEPTION WHEN insufficient_privilege OR undefined_file OR feature_not_supported THEN NULL; END $$"""
SCHEMA = """SELECT n.nspname AS name FROM pg_extension e JOIN pg_namespace n ON n.oid = e.extnamespace
WHERE e.extname = 'pg_trgm'"""
INDEX = "CREATE INDEX users_search ON users USING gin (search_key {}gin_trgm_ops)"

# The text itself stays in users. Case and marks are told apart, because normal forms tell them apart.
TABLE = """CREATE VIRTUAL TABLE user_search USING fts5(search_key, content = 'users', content_rowid = 'id',
tokenize = 'trigram case_sensitive 1', columnsize = 0)"""
ADD = "INSERT INTO user_search (rowid, search_key) VALUES (NEW.id, NEW.search_key);"
TAKE = "INSERT INTO user_search (user_search, rowid, search_key) VALUES ('delete', OLD.id, OLD.search_key);"
TRIGGERS = (
    f"CREATE TRIGGER user_search_insert AFTER INSERT ON users BEGIN {ADD} END",
    f"CREATE TRIGGER user_search_delete AFTER DELETE ON users BEGIN {TAKE} END",
    "CREATE TRIGGER user_search_update AFTER UPDATE OF search_key ON users"
    f" WHEN OLD.search_key <> NEW.search_key BEGIN {TAKE} {ADD} END",
)


async def fill(apps, editor):
    """Batches by id, so that memory stays bounded in a large directory."""
    first, second = ("?1", "?2") if editor.DIALECT == "sqlite" else ("$1", "$2")
    columns = "id, name_key, username_key, email_key"
    read = f"SELECT {columns} FROM users WHERE id > {first} ORDER BY id LIMIT {BATCH}"
    write = f"UPDATE users SET search_key = {second} WHERE id = {first}"
    last = 0
    while rows := await editor.client.execute_query_dict(read, [last]):
        before, last = last, rows[-1]["id"]
        aliases = {}
        for alias in await editor.client.execute_query_dict(ALIASES.format(first, second), [before, last]):
            aliases.setdefault(alias["user_id"], []).append(alias["value_key"])
        await editor.client.execute_many(write, [_key(row, aliases.get(row["id"], ())) for row in rows])


def _key(row, aliases):
    return [row["id"], search_key(row["name_key"], row["username_key"], row["email_key"], aliases)]


async def create_index(apps, editor):
    if editor.DIALECT == "sqlite":
        for statement in (TABLE, "INSERT INTO user_search (user_search) VALUES ('rebuild')", *TRIGGERS):
            await editor.client.execute_query(statement)
        return
    await editor._run_sql(EXTENSION)
    found = await editor.client.execute_query_dict(SCHEMA)
    if found:
        name = found[0]["name"].replace('"', '""')
        await editor._run_sql(INDEX.format(f'"{name}".'))
        return
    logging.getLogger("usergraph.migrate").warning(
        "Searching users works, but row by row: the extension pg_trgm is missing and this role may not create it."
        " Have an administrator of the database run: CREATE EXTENSION pg_trgm; %s;",
        INDEX.format(""),
    )


async def drop_index(apps, editor):
    if editor.DIALECT != "sqlite":
        await editor._run_sql("DROP INDEX IF EXISTS users_search")
        return
    for change in ("insert", "delete", "update"):
        await editor.client.execute_query(f"DROP TRIGGER user_search_{change}")
    await editor.client.execute_query("DROP TABLE user_search")


async def keep(apps, editor):
    """The column goes with its content."""


class AddColumn(ops.AddField):
    """Tortoise takes a column away from SQLite by making the table anew, which would lose the indexes of 0002."""

    async def database_backward(self, app_label, old_state, new_state, state_editor=None):
        if state_editor is not None and state_editor.DIALECT == "sqlite":
            await state_editor.client.execute_query("ALTER TABLE users DROP COLUMN search_key")
            return
        await super().database_backward(app_label, old_state, new_state, state_editor)


class Migration(migrations.Migration):
    dependencies = [("usergraph", "0003_name_keys")]

    operations = [
        AddColumn("User", "search_key", fields.TextField(default="", db_default="", unique=False)),
        ops.RunPython(fill, keep),
        ops.RunPython(create_index, drop_index),
    ]
