"""Roles: what a user may do, and how heavy that is."""

from tortoise import fields
from tortoise.migrations.constraints import CheckConstraint

from models.base import LABEL, KeyField, Row, parent


class Role(Row):
    name = KeyField(max_length=LABEL)
    weight = fields.SmallIntField()
    rights: fields.Field[list[str]] = fields.JSONField()
    requires_second_factor = fields.BooleanField(default=False, db_default=False)
    is_built_in = fields.BooleanField(default=False)
    created_at = fields.DatetimeField()
    updated_at = fields.DatetimeField()

    class Meta:
        table = "roles"
        constraints = (CheckConstraint(check="weight BETWEEN 1 AND 100", name="role_weight"),)


class RoleName(Row):
    """A role's name and its synonyms by normal form: one table, so no synonym can hide the name of another role."""

    role = parent("Role", on_delete=fields.CASCADE)
    name = KeyField(max_length=LABEL)
    name_key = KeyField(max_length=LABEL, unique=True)
    is_synonym = fields.BooleanField()

    class Meta:
        table = "role_names"
        indexes = (("role_id",),)
