"""Saved reports: questions kept under a name, and the roles they are shared with."""

from tortoise import fields

from models.base import LABEL, LONG, KeyField, Row, parent


class SavedReport(Row):
    """A GraphQL query with its variables. Built-in ones are everybody's, others stay when their owner is deleted."""

    name = KeyField(max_length=LABEL)
    name_key = KeyField(max_length=LABEL, unique=True)
    description = KeyField(max_length=LONG, null=True)
    document = fields.TextField()
    variables: fields.Field[dict[str, object]] = fields.JSONField()
    owner = parent("User", null=True, on_delete=fields.SET_NULL)
    is_built_in = fields.BooleanField(default=False)
    created_at = fields.DatetimeField()
    updated_at = fields.DatetimeField()
    version = fields.IntField(default=1)

    class Meta:
        table = "saved_reports"
        indexes = (("owner_id",),)


class SavedReportRole(Row):
    """A role whose holders see a report and may run it. It goes with either."""

    report = parent("SavedReport", on_delete=fields.CASCADE)
    role = parent("Role", on_delete=fields.CASCADE)

    class Meta:
        table = "saved_report_roles"
        unique_together = (("report_id", "role_id"),)
        indexes = (("role_id",),)
