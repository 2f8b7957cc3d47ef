"""External ids belong to a source: the one column of users becomes a table of user, source and id.

Ids that a synchronization or a reconciliation wrote go to its source, all others to the source `api`.
"""

from tortoise import fields, migrations
from tortoise.fields.base import OnDelete
from tortoise.migrations import operations as ops

from models.base import KeyField
from models.operations import Together
from models.versions import Recorded, filled, installed, removed

RECORDED = Recorded("user_external_ids", ("user_id", "source", "value"), owner="user_id")
ADD = "INSERT INTO user_external_ids (user_id, source, value)"
ABSENT = (
    "NOT EXISTS (SELECT 1 FROM user_external_ids x WHERE x.user_id = {user} AND x.source = {source})"
    " AND NOT EXISTS (SELECT 1 FROM user_external_ids x WHERE x.source = {source} AND x.value = {value})"
)
IDS = (
    # The job that wrote the id remembers the user by it.
    f"{ADD} SELECT e.user_id, e.source, e.entry_key FROM directory_entries e JOIN users u ON u.id = e.user_id"
    " WHERE e.entry_key = u.external_id",
    # Sign-in may have stored the entry's id before any job did. An id without a job of its provider is not the API's.
    f"{ADD} SELECT u.id, 'provider_' || u.ldap_provider_id, u.external_id FROM users u"
    " WHERE u.ldap_provider_id IS NOT NULL"
    " AND substr(u.entry_id, length(u.entry_id) - length(u.external_id)) = ':' || u.external_id AND "
    + ABSENT.format(user="u.id", source="'provider_' || u.ldap_provider_id", value="u.external_id"),
    # Another source has written over the id, but the job still remembers it. A DN or an address is no id.
    f"{ADD} SELECT e.user_id, e.source, e.entry_key FROM directory_entries e WHERE length(e.entry_key) <= 255"
    " AND e.entry_key NOT LIKE CASE WHEN e.source LIKE 'provider!_%' ESCAPE '!' THEN '%=%' ELSE '%@%' END AND "
    + ABSENT.format(user="e.user_id", source="e.source", value="e.entry_key"),
    f"{ADD} SELECT u.id, 'api', u.external_id FROM users u WHERE u.external_id IS NOT NULL"
    " AND NOT EXISTS (SELECT 1 FROM user_external_ids x WHERE x.user_id = u.id AND x.value = u.external_id)",
    "UPDATE users SET external_id = NULL WHERE external_id IS NOT NULL"
    " AND NOT EXISTS (SELECT 1 FROM user_external_ids x WHERE x.user_id = users.id AND x.source = 'api')",
)
# Since when the column has held the id, else as long as there is the user.
SINCE = (
    "(SELECT coalesce((SELECT MIN(h.valid_from) FROM users_history h WHERE h.row_id = t.user_id"
    " AND h.external_id = t.value), u.created_at) FROM users u WHERE u.id = t.user_id)"
)


async def fill(apps, editor):
    for statement in IDS:
        await editor.client.execute_query(statement)
    await editor.client.execute_query(filled(RECORDED, SINCE))
    key = f"{RECORDED.key}, valid_from" + (", valid_to" if editor.DIALECT == "sqlite" else "")
    await editor.client.execute_query(f"CREATE INDEX {RECORDED.versions}_row ON {RECORDED.versions} ({key})")
    for statement in installed(RECORDED, editor.DIALECT):
        await editor.client.execute_query(statement)


async def empty(apps, editor):
    """One id of each user goes back into the column, unless two users would have the same."""
    for statement in removed(RECORDED, editor.DIALECT):
        await editor.client.execute_query(statement)
    once = "SELECT value FROM user_external_ids GROUP BY value HAVING COUNT(*) = 1"
    await editor.client.execute_query(
        "UPDATE users SET external_id = (SELECT MIN(x.value) FROM user_external_ids x WHERE x.user_id = users.id"
        f" AND x.value IN ({once})) WHERE external_id IS NULL"
        f" AND id IN (SELECT user_id FROM user_external_ids WHERE value IN ({once}))"
    )


class Migration(migrations.Migration):
    dependencies = [("usergraph", "0010_erasure")]

    operations = [
        Together(
            ops.CreateModel(
                name="UserExternalId",
                fields=[
                    ("id", fields.BigIntField(generated=True, primary_key=True, unique=True, db_index=True)),
                    (
                        "user",
                        fields.ForeignKeyField(
                            "usergraph.User",
                            source_field="user_id",
                            db_constraint=True,
                            to_field="id",
                            related_name=False,
                            on_delete=OnDelete.CASCADE,
                        ),
                    ),
                    ("source", KeyField(max_length=255)),
                    ("value", KeyField(max_length=255)),
                ],
                options={
                    "table": "user_external_ids",
                    "app": "usergraph",
                    "unique_together": (("source", "value"), ("user_id", "source")),
                    "pk_attr": "id",
                    "table_description": "The id that a source system has for a user. A user has one id per source, and a source uses an id once.",  # noqa: E501
                },
                bases=["Row"],
            ),
            ops.CreateModel(
                name="UserExternalIdVersion",
                fields=[
                    ("id", fields.BigIntField(generated=True, primary_key=True, unique=True, db_index=True)),
                    ("row_id", fields.BigIntField()),
                    ("valid_from", fields.DatetimeField(auto_now=False, auto_now_add=False)),
                    ("valid_to", fields.DatetimeField(null=True, auto_now=False, auto_now_add=False)),
                    ("user_id", fields.BigIntField()),
                    ("source", KeyField(max_length=255)),
                    ("value", KeyField(max_length=255)),
                ],
                options={"table": "user_external_ids_history", "app": "usergraph", "pk_attr": "id"},
                bases=["Version"],
            ),
        ),
        ops.RunPython(fill, empty),
    ]
