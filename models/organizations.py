"""Organizations, a tree whose root is the platform, with their members."""

from tortoise import fields
from tortoise.migrations.constraints import CheckConstraint

from models.base import LABEL, KeyField, Row, parent


class Organization(Row):
    name = KeyField(max_length=LABEL)
    name_key = KeyField(max_length=LABEL)
    parent = parent("Organization", null=True)
    created_at = fields.DatetimeField()
    updated_at = fields.DatetimeField()

    class Meta:
        table = "organizations"
        constraints = (CheckConstraint(check="parent_id IS NULL OR parent_id <> id", name="organization_parent"),)


class OrganizationMember(Row):
    """A membership. Its role, if any, holds only in this organization and below."""

    organization = parent("Organization", on_delete=fields.CASCADE)
    user = parent("User", on_delete=fields.CASCADE)
    role = parent("Role", null=True)
    created_at = fields.DatetimeField()

    class Meta:
        table = "organization_members"
        unique_together = (("user_id", "organization_id"),)
        indexes = (("organization_id", "user_id"),)
