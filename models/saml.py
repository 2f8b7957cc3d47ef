"""What a SAML sign-in leaves between its steps, and what keeps a response from being used twice."""

from tortoise import fields

from models.base import DIGEST, LONG, WORD, KeyField, Row, parent


class SamlRequest(Row):
    """An authentication request that waits for its response, and who joins an identity by it, if anybody."""

    provider = parent("IdentityProvider", on_delete=fields.CASCADE)
    user = parent("User", null=True, on_delete=fields.CASCADE)
    session = parent("Session", null=True, on_delete=fields.CASCADE)  # that began to join one's own account
    purpose = KeyField(max_length=WORD)
    request_digest = KeyField(max_length=DIGEST, unique=True)
    return_to = KeyField(max_length=LONG)
    created_at = fields.DatetimeField()
    expires_at = fields.DatetimeField()
    used_at = fields.DatetimeField(null=True)

    class Meta:
        table = "saml_requests"
        indexes = (("expires_at",),)


class SamlAssertion(Row):
    """An assertion that was accepted: kept until its own time is over."""

    provider = parent("IdentityProvider", on_delete=fields.CASCADE)
    assertion_digest = KeyField(max_length=DIGEST)
    expires_at = fields.DatetimeField()

    class Meta:
        table = "saml_assertions"
        unique_together = (("provider_id", "assertion_digest"),)
        indexes = (("expires_at",),)
