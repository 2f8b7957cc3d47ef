"""Groups (teams) with their members."""

from tortoise import fields

from models.base import LABEL, LONG, KeyField, Row, parent


class Group(Row):
    name = KeyField(max_length=LABEL)
    name_key = KeyField(max_length=LABEL, unique=True)
    description = KeyField(max_length=LONG, null=True)
    created_at = fields.DatetimeField()
    updated_at = fields.DatetimeField()

    class Meta:
        table = "groups"


class GroupMember(Row):
    group = parent("Group", on_delete=fields.CASCADE)
    user = parent("User", on_delete=fields.CASCADE)
    created_at = fields.DatetimeField()

    class Meta:
        table = "group_members"
        unique_together = (("user_id", "group_id"),)
        indexes = (("group_id", "user_id"),)
