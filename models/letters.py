"""The outbox: letters that a committed change owes to somebody."""

from enum import StrEnum

from tortoise import fields
from tortoise.migrations.constraints import CheckConstraint

from models.base import EMAIL, LABEL, WORD, KeyField, Row, parent


class LetterKind(StrEnum):
    INVITATION = "INVITATION"
    PASSWORD_RESET = "PASSWORD_RESET"  # noqa: S105


class LetterState(StrEnum):
    WAITING = "WAITING"
    SENT = "SENT"
    PARKED = "PARKED"


class Letter(Row):
    """`link` is sealed: it holds a token, and is emptied once the letter is sent."""

    kind = KeyField(max_length=WORD)
    state = KeyField(max_length=WORD, default=LetterState.WAITING)
    user = parent("User", on_delete=fields.CASCADE)
    invitation = parent("Invitation", null=True, on_delete=fields.CASCADE)
    to_address = KeyField(max_length=EMAIL)
    link = fields.TextField(null=True)
    attempts = fields.IntField(default=0)
    next_attempt_at = fields.DatetimeField(null=True)
    claimed_until = fields.DatetimeField(null=True)  # while one process hands it over
    message_id = KeyField(max_length=LABEL, null=True)
    sent_at = fields.DatetimeField(null=True)
    error = fields.TextField(null=True)
    created_at = fields.DatetimeField()

    class Meta:
        table = "letters"
        constraints = (CheckConstraint(check="state IN ('WAITING', 'SENT', 'PARKED')", name="letter_state"),)
