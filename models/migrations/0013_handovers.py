"""Handovers: for each row of a job, the users who have values that it needs, so that such rows are applied together."""

from importlib import import_module

from orjson import loads
from tortoise import fields, migrations
from tortoise.fields.data import JSON_DUMPS

AddColumn = import_module("models.migrations.0006_identity").AddColumn


class Migration(migrations.Migration):
    dependencies = [("usergraph", "0012_login_dns")]

    operations = [
        AddColumn("DirectoryJobRow", "waits_for", fields.JSONField(null=True, encoder=JSON_DUMPS, decoder=loads)),
    ]
