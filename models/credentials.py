"""What proves who somebody is beside their password: resets, recovery codes, and how often it failed."""

from tortoise import fields

from models.base import DIGEST, KeyField, Row, parent


class PasswordReset(Row):  # a token that sets one password, once
    user = parent("User", on_delete=fields.CASCADE)
    token_digest = KeyField(max_length=DIGEST, unique=True)
    expires_at = fields.DatetimeField()
    created_at = fields.DatetimeField()
    created_by = parent("User", null=True, on_delete=fields.SET_NULL)
    closed_at = fields.DatetimeField(null=True)

    class Meta:
        table = "password_resets"
        indexes = (("user_id",),)


class RecoveryCode(Row):
    """Stands in for the second factor, once."""

    user = parent("User", on_delete=fields.CASCADE)
    code_digest = KeyField(max_length=DIGEST)
    created_at = fields.DatetimeField()
    used_at = fields.DatetimeField(null=True)

    class Meta:
        table = "recovery_codes"
        unique_together = (("user_id", "code_digest"),)


class SignInFailure(Row):
    """Failed sign-ins in a row, by account or by address: its digest, so that the table lists no names."""

    subject_digest = KeyField(max_length=DIGEST, unique=True)
    count = fields.IntField()
    last_at = fields.DatetimeField()
    blocked_until = fields.DatetimeField(null=True)

    class Meta:
        table = "sign_in_failures"
        indexes = (("last_at",),)
