"""Saved reports."""

from orjson import loads
from tortoise import fields, migrations
from tortoise.fields.base import OnDelete
from tortoise.fields.data import JSON_DUMPS
from tortoise.indexes import Index
from tortoise.migrations import operations as ops

from models.base import KeyField
from models.operations import Together


class Migration(migrations.Migration):
    dependencies = [('usergraph', '0007_history')]

    operations = [
        Together(
            ops.CreateModel(
                name='SavedReport',
                fields=[
                    ('id', fields.BigIntField(generated=True, primary_key=True, unique=True, db_index=True)),
                    ('name', KeyField(max_length=255)),
                    ('name_key', KeyField(unique=True, max_length=255)),
                    ('description', KeyField(null=True, max_length=1024)),
                    ('document', fields.TextField(unique=False)),
                    ('variables', fields.JSONField(encoder=JSON_DUMPS, decoder=loads)),
                    ('owner', fields.ForeignKeyField('usergraph.User', source_field='owner_id', null=True, db_constraint=True, to_field='id', related_name=False, on_delete=OnDelete.SET_NULL)),
                    ('is_built_in', fields.BooleanField(default=False)),
                    ('created_at', fields.DatetimeField(auto_now=False, auto_now_add=False)),
                    ('updated_at', fields.DatetimeField(auto_now=False, auto_now_add=False)),
                    ('version', fields.IntField(default=1)),
                ],
                options={'table': 'saved_reports', 'app': 'usergraph', 'indexes': [Index(fields=['owner_id'])], 'pk_attr': 'id', 'table_description': "A GraphQL query with its variables. Built-in ones are everybody's, others stay when their owner is deleted."},
                bases=['Row'],
            ),
            ops.CreateModel(
                name='SavedReportRole',
                fields=[
                    ('id', fields.BigIntField(generated=True, primary_key=True, unique=True, db_index=True)),
                    ('report', fields.ForeignKeyField('usergraph.SavedReport', source_field='report_id', db_constraint=True, to_field='id', related_name=False, on_delete=OnDelete.CASCADE)),
                    ('role', fields.ForeignKeyField('usergraph.Role', source_field='role_id', db_constraint=True, to_field='id', related_name=False, on_delete=OnDelete.CASCADE)),
                ],
                options={'table': 'saved_report_roles', 'app': 'usergraph', 'unique_together': (('report_id', 'role_id'),), 'indexes': [Index(fields=['role_id'])], 'pk_attr': 'id', 'table_description': 'A role whose holders see a report and may run it. It goes with either.'},
                bases=['Row'],
            ),
        ),
    ]
