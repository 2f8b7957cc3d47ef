"""Identity providers: where a user proves who they are."""

from enum import StrEnum
from typing import Any

from tortoise import fields
from tortoise.migrations.constraints import CheckConstraint

from models.base import LABEL, WORD, KeyField, Row


class ProviderKind(StrEnum):
    LOCAL = "LOCAL"
    LDAP = "LDAP"
    SAML = "SAML"


class IdentityProvider(Row):
    name = KeyField(max_length=LABEL)
    name_key = KeyField(max_length=LABEL, unique=True)
    prefix = KeyField(max_length=WORD, unique=True)
    kind = KeyField(max_length=WORD)
    is_enabled = fields.BooleanField(default=True)
    server_number = fields.SmallIntField(null=True, unique=True)
    ceiling_weight = fields.SmallIntField(null=True)  # the heaviest role that its mapping may give
    settings: fields.Field[dict[str, Any]] = fields.JSONField(null=True)  # what may be read back
    secrets = fields.TextField(null=True)  # a sealed JSON object, by name; never read back
    created_at = fields.DatetimeField()
    updated_at = fields.DatetimeField()

    class Meta:
        table = "identity_providers"
        constraints = (
            CheckConstraint(check="kind IN ('LOCAL', 'LDAP', 'SAML')", name="provider_kind"),
            CheckConstraint(
                check="(kind = 'LDAP' AND server_number IS NOT NULL AND server_number BETWEEN 1 AND 9)"
                " OR (kind <> 'LDAP' AND server_number IS NULL)",
                name="provider_server_number",
            ),
        )
