"""First and last names in their normal form, so that they are found and ordered whatever their case."""

from tortoise import migrations
from tortoise.migrations import operations as ops

from models.base import KeyField
from models.values import key

BATCH = 10_000


async def fill(apps, editor):
    """Batches by id, so that memory stays bounded in a large directory."""
    first, second, third = ("?1", "?2", "?3") if editor.DIALECT == "sqlite" else ("$1", "$2", "$3")
    read = f"SELECT id, first_name, last_name FROM users WHERE id > {first} ORDER BY id LIMIT {BATCH}"
    write = f"UPDATE users SET first_name_key = {second}, last_name_key = {third} WHERE id = {first}"
    last = 0
    while rows := await editor.client.execute_query_dict(read, [last]):
        await editor.client.execute_many(write, [_keys(**row) for row in rows])
        last = rows[-1]["id"]


def _keys(id, first_name, last_name):
    return [id, first_name and key(first_name), last_name and key(last_name)]


async def create_indexes(apps, editor):
    nulls = " NULLS FIRST" if editor.DIALECT == "postgres" else ""
    for column in ("first_name_key", "last_name_key", "external_id"):
        await editor._run_sql(f"CREATE INDEX users_{column}_id ON users ({column}{nulls}, id)")


async def drop_indexes(apps, editor):
    for column in ("first_name_key", "last_name_key", "external_id"):
        await editor._run_sql(f"DROP INDEX users_{column}_id")


async def keep(apps, editor):
    """The columns go with their keys."""


class Migration(migrations.Migration):
    dependencies = [("usergraph", "0002_indexes")]

    operations = [
        ops.AddField("User", "first_name_key", KeyField(null=True, max_length=255)),
        ops.AddField("User", "last_name_key", KeyField(null=True, max_length=255)),
        ops.RunPython(fill, keep),
        ops.RunPython(create_indexes, drop_indexes),
    ]
