"""Directories that are kept equal: jobs, what each does to whom, and who stood in which source when."""

from enum import StrEnum
from typing import Any

from tortoise import fields
from tortoise.migrations.constraints import CheckConstraint

from models.base import DIGEST, LABEL, LONG, WORD, KeyField, Row, parent


class JobKind(StrEnum):
    SYNC = "SYNC"
    RECONCILE = "RECONCILE"


class JobState(StrEnum):
    COLLECTING = "COLLECTING"
    QUEUED = "QUEUED"
    RUNNING = "RUNNING"
    DONE = "DONE"
    REFUSED = "REFUSED"
    FAILED = "FAILED"


class DirectoryAction(StrEnum):
    """What a job does, or would do, to one user."""

    CREATE = "CREATE"
    UPDATE = "UPDATE"
    REACTIVATE = "REACTIVATE"
    DEACTIVATE = "DEACTIVATE"
    UNCHANGED = "UNCHANGED"
    ABSENT = "ABSENT"
    FAILED = "FAILED"


class DirectoryJob(Row):
    """A run over a whole source. `lease_until` passes to another process when the one that runs it stops."""

    kind = KeyField(max_length=WORD)
    state = KeyField(max_length=WORD)
    provider = parent("IdentityProvider", null=True, on_delete=fields.SET_NULL)
    source = KeyField(max_length=LABEL)
    is_dry_run = fields.BooleanField()
    options: fields.Field[dict[str, Any]] = fields.JSONField()
    done = fields.IntField(default=0)
    total = fields.IntField(null=True)
    counts: fields.Field[dict[str, Any]] = fields.JSONField()
    error = fields.TextField(null=True)
    lease_owner = KeyField(max_length=DIGEST, null=True)
    lease_until = fields.DatetimeField(null=True)
    created_at = fields.DatetimeField()
    created_by = parent("User", null=True, on_delete=fields.SET_NULL)
    started_at = fields.DatetimeField(null=True)
    finished_at = fields.DatetimeField(null=True)

    class Meta:
        table = "directory_jobs"
        constraints = (
            CheckConstraint(check="kind IN ('SYNC', 'RECONCILE')", name="job_kind"),
            CheckConstraint(
                check="state IN ('COLLECTING', 'QUEUED', 'RUNNING', 'DONE', 'REFUSED', 'FAILED')", name="job_state"
            ),
        )


class DirectoryJobRow(Row):
    """One user of a job: what the source says, what is to be done, and what became of it."""

    job = parent("DirectoryJob", on_delete=fields.CASCADE)
    position = fields.IntField()
    entry_key = KeyField(max_length=LONG)
    label = KeyField(max_length=LABEL)
    user = parent("User", null=True, on_delete=fields.SET_NULL)
    action = KeyField(max_length=WORD, null=True)
    wanted: fields.Field[dict[str, Any] | None] = fields.JSONField(null=True)
    changes: fields.Field[list[Any] | None] = fields.JSONField(null=True)
    errors: fields.Field[list[Any] | None] = fields.JSONField(null=True)
    applied_at = fields.DatetimeField(null=True)
    waits_for: fields.Field[list[Any] | None] = fields.JSONField(null=True)  # ids of users who have values it needs

    class Meta:
        table = "directory_job_rows"
        unique_together = (("job_id", "position"),)
        indexes = (("user_id",), ("job_id", "entry_key"))


class DirectoryEntry(Row):
    """A user as a source knows them, and how often in a row it did not name them."""

    source = KeyField(max_length=LABEL)
    entry_key = KeyField(max_length=LONG)
    user = parent("User", on_delete=fields.CASCADE)
    absences = fields.IntField(default=0)
    last_seen_at = fields.DatetimeField()
    deactivated_at = fields.DatetimeField(null=True)  # by a job of this source, which may then bring them back

    class Meta:
        table = "directory_entries"
        unique_together = (("source", "entry_key"), ("source", "user_id"))
        indexes = (("user_id",),)
