"""Users with their tags, aliases and variables."""

from enum import StrEnum

from tortoise import fields
from tortoise.migrations.constraints import CheckConstraint

from models.base import EMAIL, LABEL, LONG, WORD, KeyField, Row, parent


class UserState(StrEnum):
    INVITED = "INVITED"
    ACTIVE = "ACTIVE"
    DEACTIVATED = "DEACTIVATED"


class User(Row):
    """A person or program. `provider` authenticates (none: API keys only), `ldap_provider` provisions."""

    username = KeyField(max_length=LABEL)
    username_key = KeyField(max_length=LABEL, unique=True)
    email = KeyField(max_length=EMAIL)
    email_key = KeyField(max_length=EMAIL, unique=True)
    name = KeyField(max_length=LABEL)
    name_key = KeyField(max_length=LABEL)
    first_name = KeyField(max_length=LABEL, null=True)
    first_name_key = KeyField(max_length=LABEL, null=True)
    last_name = KeyField(max_length=LABEL, null=True)
    last_name_key = KeyField(max_length=LABEL, null=True)
    external_id = KeyField(max_length=LABEL, null=True, unique=True)  # the one of the source `api`, repeated to sort by
    state = KeyField(max_length=WORD)
    role = parent("Role")
    provider = parent("IdentityProvider", null=True)
    ldap_provider = parent("IdentityProvider", null=True)
    login_dn = KeyField(max_length=LONG, null=True)
    login_dn_key = KeyField(max_length=LONG, null=True)
    name_id = KeyField(max_length=LONG, null=True)  # by which a SAML provider knows them
    entry_id = KeyField(max_length=LONG, null=True)  # resolvers/entry_ids.py: which entry of a directory they are
    password_hash = fields.TextField(null=True)
    totp_secret = fields.TextField(null=True)  # sealed
    totp_pending = fields.TextField(null=True)  # sealed; the secret of an enrolment that no code has confirmed
    totp_enabled_at = fields.DatetimeField(null=True)
    totp_last_step = fields.BigIntField(null=True)  # of 30 seconds; no code is taken twice
    can_create_projects_in_root = fields.BooleanField(default=False)
    last_login_at = fields.DatetimeField(null=True)
    last_api_request_at = fields.DatetimeField(null=True)
    created_at = fields.DatetimeField()
    created_by = parent("User", null=True, on_delete=fields.SET_NULL)
    updated_at = fields.DatetimeField()
    updated_by = parent("User", null=True, on_delete=fields.SET_NULL)
    version = fields.IntField(default=1)
    search_key = fields.TextField(default="", db_default="")  # models/values.py: search_key()
    match_key_limits = fields.TextField(null=True)  # resolvers/match_keys.py: who could grant what and set which key

    class Meta:
        table = "users"
        constraints = (
            CheckConstraint(check="state IN ('INVITED', 'ACTIVE', 'DEACTIVATED')", name="user_state"),
            CheckConstraint(
                check="(ldap_provider_id IS NULL) = (login_dn IS NULL) AND (login_dn IS NULL) = (login_dn_key IS NULL)",
                name="user_login_dn",
            ),
            CheckConstraint(check="(totp_enabled_at IS NULL) OR (totp_secret IS NOT NULL)", name="user_totp"),
        )


class UserTag(Row):
    user = parent("User", on_delete=fields.CASCADE)
    value = KeyField(max_length=LABEL)
    value_key = KeyField(max_length=LABEL)

    class Meta:
        table = "user_tags"
        unique_together = (("user_id", "value_key"),)
        indexes = (("value_key",),)


class UserAlias(Row):
    """A name by which other systems know a user: one alias, one user."""

    user = parent("User", on_delete=fields.CASCADE)
    value = KeyField(max_length=LABEL)
    value_key = KeyField(max_length=LABEL, unique=True)

    class Meta:
        table = "user_aliases"
        indexes = (("user_id",),)


class UserExternalId(Row):
    """The id that a source system has for a user. A user has one id per source, and a source uses an id once."""

    user = parent("User", on_delete=fields.CASCADE)
    source = KeyField(max_length=LABEL)
    value = KeyField(max_length=LABEL)

    class Meta:
        table = "user_external_ids"
        unique_together = (("source", "value"), ("user_id", "source"))


class UserVariable(Row):
    user = parent("User", on_delete=fields.CASCADE)
    name = KeyField(max_length=LABEL)
    name_key = KeyField(max_length=LABEL)
    value = KeyField(max_length=LONG)

    class Meta:
        table = "user_variables"
        unique_together = (("user_id", "name_key"),)
        indexes = (("name_key",),)


class PreviousIdentity(Row):
    """How a user signed in before a conversion, so that it can be taken back."""

    user = parent("User", on_delete=fields.CASCADE)
    provider = parent("IdentityProvider", null=True)
    ldap_provider = parent("IdentityProvider", null=True)
    login_dn = KeyField(max_length=LONG, null=True)
    name_id = KeyField(max_length=LONG, null=True)
    entry_id = KeyField(max_length=LONG, null=True)
    password_hash = fields.TextField(null=True)
    created_at = fields.DatetimeField()
    reverted_at = fields.DatetimeField(null=True)

    class Meta:
        table = "previous_identities"
        indexes = (("user_id",),)
