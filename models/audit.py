"""Audit events and the stored answers of repeated calls: what happened, and what was said."""

from typing import Any

from tortoise import fields

from models.base import DIGEST, LABEL, WORD, KeyField, Row, parent


class AuditEvent(Row):
    """One change to one subject. It names actor and subject by number, without a key: it outlives both."""

    created_at = fields.DatetimeField()
    actor_id = fields.BigIntField(null=True)
    actor_username = KeyField(max_length=LABEL, null=True)
    api_key_id = fields.BigIntField(null=True)
    action = KeyField(max_length=WORD)
    subject_type = KeyField(max_length=WORD)
    subject_id = fields.BigIntField()
    subject_label = KeyField(max_length=LABEL)
    changes: fields.Field[dict[str, Any]] = fields.JSONField()
    request_id = KeyField(max_length=DIGEST, null=True)

    class Meta:
        table = "audit_events"
        indexes = (("subject_type", "subject_id"), ("actor_id",), ("action",), ("created_at",))


class StoredAnswer(Row):
    """The first answer to an idempotency key, sealed because it may hold a secret that is shown once."""

    actor = parent("User", on_delete=fields.CASCADE)
    key_digest = KeyField(max_length=DIGEST)
    fingerprint = KeyField(max_length=DIGEST)
    answer = fields.TextField()
    created_at = fields.DatetimeField()

    class Meta:
        table = "stored_answers"
        unique_together = (("actor_id", "key_digest"),)
        indexes = (("created_at",),)
