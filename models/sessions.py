"""Sessions: what a sign-in opens and a deactivation ends."""

from tortoise import fields

from models.base import DIGEST, KeyField, Row, parent


class Session(Row):
    user = parent("User", on_delete=fields.CASCADE)
    token_digest = KeyField(max_length=DIGEST, unique=True)
    created_at = fields.DatetimeField()
    expires_at = fields.DatetimeField()
    ended_at = fields.DatetimeField(null=True)

    class Meta:
        table = "sessions"
        indexes = (("user_id",),)
