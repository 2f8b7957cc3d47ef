"""One moment for all that a transaction changes: the triggers take it from the transaction before the clock."""

from importlib import import_module

from tortoise import migrations
from tortoise.migrations import operations as ops

from models.versions import MOMENT, installed, removed

RECORDED = import_module("models.migrations.0007_history").RECORDED


async def renew(apps, editor):
    if editor.DIALECT == "sqlite":
        await editor.client.execute_query(f"CREATE TABLE IF NOT EXISTS {MOMENT} (at TEXT NOT NULL)")
    for each in RECORDED:
        for statement in (*removed(each, editor.DIALECT), *installed(each, editor.DIALECT)):
            await editor.client.execute_query(statement)


async def keep(apps, editor):
    """Programs before this one tell no moment, and the clock counts."""


class Migration(migrations.Migration):
    dependencies = [("usergraph", "0008_reports")]

    operations = [ops.RunPython(renew, keep)]
