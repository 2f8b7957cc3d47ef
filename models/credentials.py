"""Password resets: a token that sets one password, once."""

from tortoise import fields

from models.base import DIGEST, KeyField, Row, parent


class PasswordReset(Row):
    user = parent("User", on_delete=fields.CASCADE)
    token_digest = KeyField(max_length=DIGEST, unique=True)
    expires_at = fields.DatetimeField()
    created_at = fields.DatetimeField()
    created_by = parent("User", null=True, on_delete=fields.SET_NULL)
    closed_at = fields.DatetimeField(null=True)

    class Meta:
        table = "password_resets"
        indexes = (("user_id",),)
