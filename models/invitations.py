"""Invitations: a token that lets its holder become an active user, once."""

from enum import StrEnum

from tortoise import fields
from tortoise.migrations.constraints import CheckConstraint

from models.base import DIGEST, WORD, KeyField, Row, parent


class InvitationState(StrEnum):
    """What is stored; a pending invitation past its time reads as EXPIRED."""

    PENDING = "PENDING"
    ACCEPTED = "ACCEPTED"
    REVOKED = "REVOKED"


class Invitation(Row):
    user = parent("User", on_delete=fields.CASCADE)
    provider = parent("IdentityProvider", null=True)
    token_digest = KeyField(max_length=DIGEST, unique=True)
    state = KeyField(max_length=WORD)
    sent_count = fields.IntField(default=1)
    expires_at = fields.DatetimeField()
    created_at = fields.DatetimeField()
    created_by = parent("User", null=True, on_delete=fields.SET_NULL)
    closed_at = fields.DatetimeField(null=True)

    class Meta:
        table = "invitations"
        constraints = (
            CheckConstraint(check="state IN ('PENDING', 'ACCEPTED', 'REVOKED')", name="invitation_state"),
            CheckConstraint(check="(state = 'PENDING') = (closed_at IS NULL)", name="invitation_closed"),
        )
