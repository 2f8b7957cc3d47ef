"""Indexes of columns that are never null, in PostgreSQL's own order: a list ordered by one asks for that."""

from tortoise import migrations
from tortoise.migrations import operations as ops

NEVER_NULL = [
    ("users", "name_key"),
    ("users", "created_at"),
    ("users", "updated_at"),
    ("users", "state"),
    ("users", "role_id"),
    ("organizations", "name_key"),
    ("invitations", "user_id"),
    ("invitations", "created_at"),
    ("invitations", "expires_at"),
    ("letters", "user_id"),
    ("api_keys", "created_at"),
]


async def order(apps, editor):
    await _make_anew(editor, "")


async def order_as_before(apps, editor):
    await _make_anew(editor, " NULLS FIRST")


async def _make_anew(editor, nulls):
    if editor.DIALECT == "sqlite":
        return  # nulls come first there, so both are one order
    for table, column in NEVER_NULL:
        await editor._run_sql(f"DROP INDEX {table}_{column}_id")
        await editor._run_sql(f"CREATE INDEX {table}_{column}_id ON {table} ({column}{nulls}, id)")


class Migration(migrations.Migration):
    dependencies = [("usergraph", "0004_search")]

    operations = [ops.RunPython(order, order_as_before)]
