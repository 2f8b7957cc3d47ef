"""API keys: digests of secrets that were shown once."""

from tortoise import fields

from models.base import DIGEST, LABEL, WORD, KeyField, Row, parent


class ApiKey(Row):
    user = parent("User", on_delete=fields.CASCADE)
    name = KeyField(max_length=LABEL)
    prefix = KeyField(max_length=WORD)
    digest = KeyField(max_length=DIGEST, unique=True)
    rights: fields.Field[list[str] | None] = fields.JSONField(null=True)
    expires_at = fields.DatetimeField(null=True)
    revoked_at = fields.DatetimeField(null=True)
    last_used_at = fields.DatetimeField(null=True)
    created_at = fields.DatetimeField()
    created_by = parent("User", null=True, on_delete=fields.SET_NULL)

    class Meta:
        table = "api_keys"
        indexes = (("user_id",),)
