"""What Tortoise's operations do not say: checks, partial and ordered indexes, an audit log that only grows."""

from tortoise import migrations
from tortoise.migrations import operations as ops

ONE_ROOT = "CREATE UNIQUE INDEX organization_root ON organizations ((parent_id IS NULL)) WHERE parent_id IS NULL"
ONE_NAME = "CREATE UNIQUE INDEX organization_name ON organizations (parent_id, name_key)"
ONE_LOGIN_DN = "CREATE UNIQUE INDEX user_login_dn_key ON users (ldap_provider_id, login_dn_key)"
ONE_PENDING = "CREATE UNIQUE INDEX invitation_pending ON invitations (user_id) WHERE state = 'PENDING'"

# Each order of a list is one index, read forwards or backwards: nulls come first going up on both databases.
LISTS = [
    ("users", "name_key"),
    ("users", "created_at"),
    ("users", "updated_at"),
    ("users", "last_login_at"),
    ("users", "last_api_request_at"),
    ("users", "state"),
    ("users", "role_id"),
    ("users", "provider_id"),
    ("users", "ldap_provider_id"),
    ("users", "created_by_id"),
    ("users", "updated_by_id"),
    ("organizations", "name_key"),
    ("invitations", "user_id"),
    ("invitations", "created_at"),
    ("invitations", "expires_at"),
    ("letters", "user_id"),
    ("letters", "next_attempt_at"),
    ("api_keys", "created_at"),
]


CHECKED = ("IdentityProvider", "Invitation", "Letter", "Organization", "Role", "User")


async def add_checks(apps, editor):
    """CreateModel knows the checks of a model but leaves them out of its CREATE TABLE."""
    for name in CHECKED:
        model = apps.get_model("usergraph", name)
        if editor.DIALECT == "sqlite":
            await editor._remake_table(model)
            continue
        for check in model._meta.constraints:
            await editor.add_constraint(model, check)


async def drop_checks(apps, editor):
    """SQLite keeps them until the table goes: it has no way to drop a check."""
    if editor.DIALECT == "sqlite":
        return
    for name in CHECKED:
        model = apps.get_model("usergraph", name)
        for check in model._meta.constraints:
            await editor.remove_constraint(model, check)


async def create_list_indexes(apps, editor):
    nulls = " NULLS FIRST" if editor.DIALECT == "postgres" else ""
    for table, column in LISTS:
        await editor._run_sql(f"CREATE INDEX {table}_{column}_id ON {table} ({column}{nulls}, id)")


async def drop_list_indexes(apps, editor):
    for table, column in LISTS:
        await editor._run_sql(f"DROP INDEX {table}_{column}_id")


async def seal_audit(apps, editor):
    if editor.DIALECT == "postgres":
        await editor._run_sql(
            "CREATE FUNCTION audit_only_grows() RETURNS trigger LANGUAGE plpgsql AS "
            "$$ BEGIN RAISE EXCEPTION 'audit events are never changed'; END $$"
        )
        await editor._run_sql(
            "CREATE TRIGGER audit_sealed BEFORE UPDATE OR DELETE ON audit_events "
            "FOR EACH ROW EXECUTE FUNCTION audit_only_grows()"
        )
        await editor._run_sql(
            "CREATE TRIGGER audit_kept BEFORE TRUNCATE ON audit_events "
            "FOR EACH STATEMENT EXECUTE FUNCTION audit_only_grows()"
        )
        return
    for change in ("UPDATE", "DELETE"):
        await editor.client.execute_query(
            f"CREATE TRIGGER audit_sealed_{change.lower()} BEFORE {change} ON audit_events "
            "BEGIN SELECT RAISE(ABORT, 'audit events are never changed'); END"
        )
    # INSERT OR REPLACE deletes without firing the trigger above.
    await editor.client.execute_query(
        "CREATE TRIGGER audit_sealed_insert BEFORE INSERT ON audit_events "
        "WHEN EXISTS (SELECT 1 FROM audit_events WHERE id = NEW.id) "
        "BEGIN SELECT RAISE(ABORT, 'audit events are never changed'); END"
    )


async def unseal_audit(apps, editor):
    if editor.DIALECT == "postgres":
        await editor._run_sql("DROP TRIGGER audit_sealed ON audit_events")
        await editor._run_sql("DROP TRIGGER audit_kept ON audit_events")
        await editor._run_sql("DROP FUNCTION audit_only_grows")
        return
    for change in ("UPDATE", "DELETE", "INSERT"):
        await editor.client.execute_query(f"DROP TRIGGER audit_sealed_{change.lower()}")


class Migration(migrations.Migration):
    dependencies = [("usergraph", "0001_initial")]

    operations = [
        ops.RunPython(add_checks, drop_checks),
        ops.RunSQL(
            [ONE_ROOT, ONE_NAME, ONE_LOGIN_DN, ONE_PENDING],
            [
                "DROP INDEX organization_root",
                "DROP INDEX organization_name",
                "DROP INDEX user_login_dn_key",
                "DROP INDEX invitation_pending",
            ],
        ),
        ops.RunPython(create_list_indexes, drop_list_indexes),
        ops.RunPython(seal_audit, unseal_audit),
    ]
