"""The right to erase users, for the built-in administrators, and an audit log that lets erasure and retention in."""

from orjson import dumps, loads
from tortoise import migrations
from tortoise.migrations import operations as ops

from models.audit_guard import REFUSAL, TABLE, guards

RIGHT = "ERASE_USERS"


async def _change(editor, rights_after):
    client = editor.client
    cast = "" if editor.DIALECT == "sqlite" else "::text"
    named = f"SELECT id, rights{cast} AS rights FROM roles WHERE is_built_in AND name = 'Admin'"
    _, rows = await client.execute_query(named)
    for row in rows:
        rights = dumps(sorted(rights_after(set(loads(row["rights"]))))).decode()
        await client.execute_query(f"UPDATE roles SET rights = '{rights}' WHERE id = {int(row['id'])}")


async def grant(apps, editor):
    await _change(editor, lambda rights: rights | {RIGHT})


async def withdraw(apps, editor):
    await _change(editor, lambda rights: rights - {RIGHT})


async def guard(apps, editor):
    for statement in guards(editor.DIALECT):
        await editor.client.execute_query(statement)


async def seal(apps, editor):
    run = editor.client.execute_query
    if editor.DIALECT == "postgres":
        body = f"$$ BEGIN RAISE EXCEPTION '{REFUSAL}'; END $$"
        await run(f"CREATE OR REPLACE FUNCTION audit_only_grows() RETURNS trigger LANGUAGE plpgsql AS {body}")
        return
    for change in ("UPDATE", "DELETE"):
        name = f"audit_sealed_{change.lower()}"
        await run(f"DROP TRIGGER {name}")
        refuse = f"BEGIN SELECT RAISE(ABORT, '{REFUSAL}'); END"
        await run(f"CREATE TRIGGER {name} BEFORE {change} ON audit_events {refuse}")
    await run(f"DROP TABLE {TABLE}")


class Migration(migrations.Migration):
    dependencies = [("usergraph", "0009_moments")]

    operations = [ops.RunPython(grant, withdraw), ops.RunPython(guard, seal)]
