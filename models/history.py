"""What was true of the directory, and from when until when: filled by triggers alone (models/versions.py)."""

from tortoise import fields

from models.base import EMAIL, LABEL, LONG, WORD, KeyField, Row


class Version(Row):
    """What a row was from `valid_from` until before `valid_to`, or still is. It outlives the row, so it has no keys.

    What is not kept: secrets and digests, and when something was last used.
    """

    row_id = fields.BigIntField()
    valid_from = fields.DatetimeField()
    valid_to = fields.DatetimeField(null=True)

    class Meta:
        abstract = True


class UserVersion(Version):
    username = KeyField(max_length=LABEL)
    username_key = KeyField(max_length=LABEL)
    email = KeyField(max_length=EMAIL)
    email_key = KeyField(max_length=EMAIL)
    name = KeyField(max_length=LABEL)
    name_key = KeyField(max_length=LABEL)
    first_name = KeyField(max_length=LABEL, null=True)
    first_name_key = KeyField(max_length=LABEL, null=True)
    last_name = KeyField(max_length=LABEL, null=True)
    last_name_key = KeyField(max_length=LABEL, null=True)
    external_id = KeyField(max_length=LABEL, null=True)
    state = KeyField(max_length=WORD)
    role_id = fields.BigIntField()
    provider_id = fields.BigIntField(null=True)
    ldap_provider_id = fields.BigIntField(null=True)
    login_dn = KeyField(max_length=LONG, null=True)
    login_dn_key = KeyField(max_length=LONG, null=True)
    has_password = fields.BooleanField()  # whether there is a hash, never the hash
    totp_enabled_at = fields.DatetimeField(null=True)
    can_create_projects_in_root = fields.BooleanField()
    created_at = fields.DatetimeField()
    created_by_id = fields.BigIntField(null=True)
    updated_at = fields.DatetimeField()
    updated_by_id = fields.BigIntField(null=True)
    version = fields.IntField()

    class Meta:
        table = "users_history"


class UserTagVersion(Version):
    user_id = fields.BigIntField()
    value = KeyField(max_length=LABEL)
    value_key = KeyField(max_length=LABEL)

    class Meta:
        table = "user_tags_history"


class UserAliasVersion(Version):
    user_id = fields.BigIntField()
    value = KeyField(max_length=LABEL)
    value_key = KeyField(max_length=LABEL)

    class Meta:
        table = "user_aliases_history"


class UserExternalIdVersion(Version):
    user_id = fields.BigIntField()
    source = KeyField(max_length=LABEL)
    value = KeyField(max_length=LABEL)

    class Meta:
        table = "user_external_ids_history"


class UserVariableVersion(Version):
    user_id = fields.BigIntField()
    name = KeyField(max_length=LABEL)
    name_key = KeyField(max_length=LABEL)
    value = KeyField(max_length=LONG)

    class Meta:
        table = "user_variables_history"


class GroupVersion(Version):
    name = KeyField(max_length=LABEL)
    name_key = KeyField(max_length=LABEL)
    description = KeyField(max_length=LONG, null=True)
    created_at = fields.DatetimeField()
    updated_at = fields.DatetimeField()

    class Meta:
        table = "groups_history"


class GroupMemberVersion(Version):
    group_id = fields.BigIntField()
    user_id = fields.BigIntField()
    created_at = fields.DatetimeField()

    class Meta:
        table = "group_members_history"


class OrganizationVersion(Version):
    name = KeyField(max_length=LABEL)
    name_key = KeyField(max_length=LABEL)
    parent_id = fields.BigIntField(null=True)
    created_at = fields.DatetimeField()
    updated_at = fields.DatetimeField()

    class Meta:
        table = "organizations_history"


class OrganizationMemberVersion(Version):
    organization_id = fields.BigIntField()
    user_id = fields.BigIntField()
    role_id = fields.BigIntField(null=True)
    created_at = fields.DatetimeField()

    class Meta:
        table = "organization_members_history"


class RoleVersion(Version):
    name = KeyField(max_length=LABEL)
    weight = fields.SmallIntField()
    rights: fields.Field[list[str]] = fields.JSONField()
    requires_second_factor = fields.BooleanField()
    is_built_in = fields.BooleanField()
    created_at = fields.DatetimeField()
    updated_at = fields.DatetimeField()

    class Meta:
        table = "roles_history"


class RoleNameVersion(Version):
    role_id = fields.BigIntField()
    name = KeyField(max_length=LABEL)
    name_key = KeyField(max_length=LABEL)
    is_synonym = fields.BooleanField()

    class Meta:
        table = "role_names_history"


class IdentityProviderVersion(Version):
    name = KeyField(max_length=LABEL)
    name_key = KeyField(max_length=LABEL)
    prefix = KeyField(max_length=WORD)
    kind = KeyField(max_length=WORD)
    is_enabled = fields.BooleanField()
    server_number = fields.SmallIntField(null=True)
    ceiling_weight = fields.SmallIntField(null=True)
    created_at = fields.DatetimeField()
    updated_at = fields.DatetimeField()

    class Meta:
        table = "identity_providers_history"


class ApiKeyVersion(Version):
    user_id = fields.BigIntField()
    name = KeyField(max_length=LABEL)
    prefix = KeyField(max_length=WORD)
    rights: fields.Field[list[str] | None] = fields.JSONField(null=True)
    expires_at = fields.DatetimeField(null=True)
    revoked_at = fields.DatetimeField(null=True)
    created_at = fields.DatetimeField()
    created_by_id = fields.BigIntField(null=True)

    class Meta:
        table = "api_keys_history"


# What is recorded, by the table that it is recorded of.
VERSIONS: dict[str, type[Version]] = {
    model._meta.db_table.removesuffix("_history"): model for model in Version.__subclasses__()
}
