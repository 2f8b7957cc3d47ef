"""Sessions: what a sign-in opens and a deactivation ends."""

from tortoise import fields

from models.base import DIGEST, LABEL, KeyField, Row, parent


class Session(Row):
    user = parent("User", on_delete=fields.CASCADE)
    token_digest = KeyField(max_length=DIGEST, unique=True)
    address = KeyField(max_length=LABEL, null=True)
    user_agent = KeyField(max_length=LABEL, null=True)
    created_at = fields.DatetimeField()
    expires_at = fields.DatetimeField()
    last_used_at = fields.DatetimeField(null=True)
    ended_at = fields.DatetimeField(null=True)

    class Meta:
        table = "sessions"
        indexes = (("user_id",),)
