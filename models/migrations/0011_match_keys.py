"""Match keys: what whoever set a user's keys could grant. Of the keys that are there already, nothing is known."""

from importlib import import_module

from orjson import loads
from tortoise import fields, migrations
from tortoise.fields.data import JSON_DUMPS
from tortoise.migrations import operations as ops

from models.base import KeyField
from models.operations import Together

AddColumn = import_module("models.migrations.0006_identity").AddColumn


class Migration(migrations.Migration):
    dependencies = [('usergraph', '0010_external_ids')]

    operations = [
        Together(
            ops.CreateModel(
                name='KeyGrantLimit',
                fields=[
                    ('id', fields.BigIntField(generated=True, primary_key=True, unique=True, db_index=True)),
                    ('weight', fields.SmallIntField()),
                    ('rights', fields.JSONField(null=True, encoder=JSON_DUMPS, decoder=loads)),
                    ('digest', KeyField(unique=True, max_length=64)),
                ],
                options={'table': 'key_grant_limits', 'app': 'usergraph', 'pk_attr': 'id', 'table_description': 'The heaviest role and the rights that could be granted. Null rights are every right, also a later one.'},
                bases=['Row'],
            ),
            AddColumn('User', 'match_key_limits', fields.TextField(null=True, unique=False)),
        ),
    ]
