"""Identity: what sign-in, second factors, SAML, mail and directories keep."""

from orjson import loads
from tortoise import fields, migrations
from tortoise.fields.base import OnDelete
from tortoise.fields.data import JSON_DUMPS
from tortoise.indexes import Index
from tortoise.migrations import operations as ops
from tortoise.migrations.constraints import CheckConstraint

from models.base import KeyField
from models.operations import Together

INDEXES = {
    "user_name_id": "UNIQUE INDEX user_name_id ON users (provider_id, name_id)",
    "user_entry_id": "INDEX user_entry_id ON users (entry_id)",
    "letters_invitation": "INDEX letters_invitation ON letters (invitation_id, id)",
    "directory_jobs_state": "INDEX directory_jobs_state ON directory_jobs (state, id)",
    "sessions_expires_at": "INDEX sessions_expires_at ON sessions (expires_at)",
}


class AddColumn(ops.AddField):
    """Tortoise takes a column away from SQLite by making the table anew, which would lose its indexes and triggers."""

    async def database_backward(self, app_label, old_state, new_state, state_editor=None):
        if state_editor is not None and state_editor.DIALECT == "sqlite":
            table = old_state.apps.get_model(app_label, self.model_name)._meta.db_table
            await state_editor.client.execute_query(f"ALTER TABLE {table} DROP COLUMN {self.name}")
            return
        await super().database_backward(app_label, old_state, new_state, state_editor)


async def add_checks(apps, editor):
    """CreateModel knows the checks of a model but leaves them out of its CREATE TABLE."""
    model = apps.get_model("usergraph", "DirectoryJob")
    if editor.DIALECT == "sqlite":
        await editor._remake_table(model)
        return
    for check in model._meta.constraints:
        await editor.add_constraint(model, check)


async def keep(apps, editor):
    """The checks go with their table."""


class Migration(migrations.Migration):
    dependencies = [('usergraph', '0005_orders')]

    operations = [
        Together(
            ops.CreateModel(
                name='DirectoryEntry',
                fields=[
                    ('id', fields.BigIntField(generated=True, primary_key=True, unique=True, db_index=True)),
                    ('source', KeyField(max_length=255)),
                    ('entry_key', KeyField(max_length=1024)),
                    ('user', fields.ForeignKeyField('usergraph.User', source_field='user_id', db_constraint=True, to_field='id', related_name=False, on_delete=OnDelete.CASCADE)),
                    ('absences', fields.IntField(default=0)),
                    ('last_seen_at', fields.DatetimeField(auto_now=False, auto_now_add=False)),
                    ('deactivated_at', fields.DatetimeField(null=True, auto_now=False, auto_now_add=False)),
                ],
                options={'table': 'directory_entries', 'app': 'usergraph', 'unique_together': (('source', 'entry_key'), ('source', 'user_id')), 'indexes': [Index(fields=['user_id'])], 'pk_attr': 'id', 'table_description': 'A user as a source knows them, and how often in a row it did not name them.'},
                bases=['Row'],
            ),
            ops.CreateModel(
                name='DirectoryJob',
                fields=[
                    ('id', fields.BigIntField(generated=True, primary_key=True, unique=True, db_index=True)),
                    ('kind', KeyField(max_length=32)),
                    ('state', KeyField(max_length=32)),
                    ('provider', fields.ForeignKeyField('usergraph.IdentityProvider', source_field='provider_id', null=True, db_constraint=True, to_field='id', related_name=False, on_delete=OnDelete.SET_NULL)),
                    ('source', KeyField(max_length=255)),
                    ('is_dry_run', fields.BooleanField()),
                    ('options', fields.JSONField(encoder=JSON_DUMPS, decoder=loads)),
                    ('done', fields.IntField(default=0)),
                    ('total', fields.IntField(null=True)),
                    ('counts', fields.JSONField(encoder=JSON_DUMPS, decoder=loads)),
                    ('error', fields.TextField(null=True, unique=False)),
                    ('lease_owner', KeyField(null=True, max_length=64)),
                    ('lease_until', fields.DatetimeField(null=True, auto_now=False, auto_now_add=False)),
                    ('created_at', fields.DatetimeField(auto_now=False, auto_now_add=False)),
                    ('created_by', fields.ForeignKeyField('usergraph.User', source_field='created_by_id', null=True, db_constraint=True, to_field='id', related_name=False, on_delete=OnDelete.SET_NULL)),
                    ('started_at', fields.DatetimeField(null=True, auto_now=False, auto_now_add=False)),
                    ('finished_at', fields.DatetimeField(null=True, auto_now=False, auto_now_add=False)),
                ],
                options={'table': 'directory_jobs', 'app': 'usergraph', 'constraints': [CheckConstraint(check="kind IN ('SYNC', 'RECONCILE')", name='job_kind'), CheckConstraint(check="state IN ('COLLECTING', 'QUEUED', 'RUNNING', 'DONE', 'REFUSED', 'FAILED')", name='job_state')], 'pk_attr': 'id', 'table_description': 'A run over a whole source. `lease_until` passes to another process when the one that runs it stops.'},
                bases=['Row'],
            ),
            ops.CreateModel(
                name='DirectoryJobRow',
                fields=[
                    ('id', fields.BigIntField(generated=True, primary_key=True, unique=True, db_index=True)),
                    ('job', fields.ForeignKeyField('usergraph.DirectoryJob', source_field='job_id', db_constraint=True, to_field='id', related_name=False, on_delete=OnDelete.CASCADE)),
                    ('position', fields.IntField()),
                    ('entry_key', KeyField(max_length=1024)),
                    ('label', KeyField(max_length=255)),
                    ('user', fields.ForeignKeyField('usergraph.User', source_field='user_id', null=True, db_constraint=True, to_field='id', related_name=False, on_delete=OnDelete.SET_NULL)),
                    ('action', KeyField(null=True, max_length=32)),
                    ('wanted', fields.JSONField(null=True, encoder=JSON_DUMPS, decoder=loads)),
                    ('changes', fields.JSONField(null=True, encoder=JSON_DUMPS, decoder=loads)),
                    ('errors', fields.JSONField(null=True, encoder=JSON_DUMPS, decoder=loads)),
                    ('applied_at', fields.DatetimeField(null=True, auto_now=False, auto_now_add=False)),
                ],
                options={'table': 'directory_job_rows', 'app': 'usergraph', 'unique_together': (('job_id', 'position'),), 'indexes': [Index(fields=['user_id']), Index(fields=['job_id', 'entry_key'])], 'pk_attr': 'id', 'table_description': 'One user of a job: what the source says, what is to be done, and what became of it.'},
                bases=['Row'],
            ),
            ops.CreateModel(
                name='RecoveryCode',
                fields=[
                    ('id', fields.BigIntField(generated=True, primary_key=True, unique=True, db_index=True)),
                    ('user', fields.ForeignKeyField('usergraph.User', source_field='user_id', db_constraint=True, to_field='id', related_name=False, on_delete=OnDelete.CASCADE)),
                    ('code_digest', KeyField(max_length=64)),
                    ('created_at', fields.DatetimeField(auto_now=False, auto_now_add=False)),
                    ('used_at', fields.DatetimeField(null=True, auto_now=False, auto_now_add=False)),
                ],
                options={'table': 'recovery_codes', 'app': 'usergraph', 'unique_together': (('user_id', 'code_digest'),), 'pk_attr': 'id', 'table_description': 'Stands in for the second factor, once.'},
                bases=['Row'],
            ),
            ops.CreateModel(
                name='SamlAssertion',
                fields=[
                    ('id', fields.BigIntField(generated=True, primary_key=True, unique=True, db_index=True)),
                    ('provider', fields.ForeignKeyField('usergraph.IdentityProvider', source_field='provider_id', db_constraint=True, to_field='id', related_name=False, on_delete=OnDelete.CASCADE)),
                    ('assertion_digest', KeyField(max_length=64)),
                    ('expires_at', fields.DatetimeField(auto_now=False, auto_now_add=False)),
                ],
                options={'table': 'saml_assertions', 'app': 'usergraph', 'unique_together': (('provider_id', 'assertion_digest'),), 'indexes': [Index(fields=['expires_at'])], 'pk_attr': 'id', 'table_description': 'An assertion that was accepted: kept until its own time is over.'},
                bases=['Row'],
            ),
            ops.CreateModel(
                name='SamlRequest',
                fields=[
                    ('id', fields.BigIntField(generated=True, primary_key=True, unique=True, db_index=True)),
                    ('provider', fields.ForeignKeyField('usergraph.IdentityProvider', source_field='provider_id', db_constraint=True, to_field='id', related_name=False, on_delete=OnDelete.CASCADE)),
                    ('user', fields.ForeignKeyField('usergraph.User', source_field='user_id', null=True, db_constraint=True, to_field='id', related_name=False, on_delete=OnDelete.CASCADE)),
                    ('session', fields.ForeignKeyField('usergraph.Session', source_field='session_id', null=True, db_constraint=True, to_field='id', related_name=False, on_delete=OnDelete.CASCADE)),
                    ('purpose', KeyField(max_length=32)),
                    ('request_digest', KeyField(unique=True, max_length=64)),
                    ('return_to', KeyField(max_length=1024)),
                    ('created_at', fields.DatetimeField(auto_now=False, auto_now_add=False)),
                    ('expires_at', fields.DatetimeField(auto_now=False, auto_now_add=False)),
                    ('used_at', fields.DatetimeField(null=True, auto_now=False, auto_now_add=False)),
                ],
                options={'table': 'saml_requests', 'app': 'usergraph', 'indexes': [Index(fields=['expires_at'])], 'pk_attr': 'id', 'table_description': 'An authentication request that waits for its response, and who joins an identity by it, if anybody.'},
                bases=['Row'],
            ),
            ops.CreateModel(
                name='SignInFailure',
                fields=[
                    ('id', fields.BigIntField(generated=True, primary_key=True, unique=True, db_index=True)),
                    ('subject_digest', KeyField(unique=True, max_length=64)),
                    ('count', fields.IntField()),
                    ('last_at', fields.DatetimeField(auto_now=False, auto_now_add=False)),
                    ('blocked_until', fields.DatetimeField(null=True, auto_now=False, auto_now_add=False)),
                ],
                options={'table': 'sign_in_failures', 'app': 'usergraph', 'indexes': [Index(fields=['last_at'])], 'pk_attr': 'id', 'table_description': 'Failed sign-ins in a row, by account or by address: its digest, so that the table lists no names.'},
                bases=['Row'],
            ),
            AddColumn("IdentityProvider", "ceiling_weight", fields.SmallIntField(null=True)),
            AddColumn("IdentityProvider", "secrets", fields.TextField(null=True, unique=False)),
            AddColumn("IdentityProvider", "settings", fields.JSONField(null=True, encoder=JSON_DUMPS, decoder=loads)),
            AddColumn("Letter", "claimed_until", fields.DatetimeField(null=True, auto_now=False, auto_now_add=False)),
            AddColumn("Letter", "message_id", KeyField(null=True, max_length=255)),
            AddColumn("PreviousIdentity", "entry_id", KeyField(null=True, max_length=1024)),
            AddColumn("PreviousIdentity", "name_id", KeyField(null=True, max_length=1024)),
            AddColumn("Role", "requires_second_factor", fields.BooleanField(default=False, db_default=False)),
            AddColumn("Session", "address", KeyField(null=True, max_length=255)),
            AddColumn("Session", "last_used_at", fields.DatetimeField(null=True, auto_now=False, auto_now_add=False)),
            AddColumn("Session", "user_agent", KeyField(null=True, max_length=255)),
            AddColumn("User", "entry_id", KeyField(null=True, max_length=1024)),
            AddColumn("User", "name_id", KeyField(null=True, max_length=1024)),
            AddColumn("User", "totp_pending", fields.TextField(null=True, unique=False)),
            AddColumn("User", "totp_last_step", fields.BigIntField(null=True)),
        ),
        ops.RunPython(add_checks, keep),
        ops.RunSQL(
            [f"CREATE {index}" for index in INDEXES.values()],
            [f"DROP INDEX {name}" for name in INDEXES],
        ),
    ]
