"""History: what every row of the directory was, and from when until when, recorded by triggers from now on."""

from orjson import loads
from tortoise import fields, migrations
from tortoise.fields.data import JSON_DUMPS
from tortoise.migrations import operations as ops

from models.base import KeyField
from models.operations import Together
from models.versions import Recorded, filled, installed, removed


def version():
    return [
        ("id", fields.BigIntField(generated=True, primary_key=True, unique=True, db_index=True)),
        ("row_id", fields.BigIntField()),
        ("valid_from", fields.DatetimeField(auto_now=False, auto_now_add=False)),
        ("valid_to", fields.DatetimeField(null=True, auto_now=False, auto_now_add=False)),
    ]


USERS = (
    "username", "username_key", "email", "email_key", "name", "name_key", "first_name", "first_name_key", "last_name",
    "last_name_key", "external_id", "state", "role_id", "provider_id", "ldap_provider_id", "login_dn", "login_dn_key",
    "has_password", "totp_enabled_at", "can_create_projects_in_root", "created_at", "created_by_id", "updated_at",
    "updated_by_id", "version",
)  # fmt: skip
RIGHTS = ("name", "weight", "rights", "requires_second_factor", "is_built_in", "created_at", "updated_at")
PROVIDERS = (
    "name", "name_key", "prefix", "kind", "is_enabled", "server_number", "ceiling_weight", "created_at", "updated_at",
)  # fmt: skip
KEYS = ("user_id", "name", "prefix", "rights", "expires_at", "revoked_at", "created_at", "created_by_id")
TEXTS = ("user_id", "value", "value_key")
BOTH = {"born": "created_at", "moved": "updated_at"}
OF_USER = {"owner": "user_id"}
PASSWORD = {"has_password": ("password_hash", "({row}.password_hash IS NOT NULL)")}

RECORDED = (
    Recorded("roles", RIGHTS, **BOTH),
    Recorded("role_names", ("role_id", "name", "name_key", "is_synonym"), owner="role_id"),
    Recorded("identity_providers", PROVIDERS, **BOTH),
    Recorded("users", USERS, PASSWORD, **BOTH),
    Recorded("user_tags", TEXTS, **OF_USER),
    Recorded("user_aliases", TEXTS, **OF_USER),
    Recorded("user_variables", ("user_id", "name", "name_key", "value"), **OF_USER),
    Recorded("groups", ("name", "name_key", "description", "created_at", "updated_at"), **BOTH),
    Recorded("group_members", ("group_id", "user_id", "created_at"), born="created_at", **OF_USER),
    Recorded("organizations", ("name", "name_key", "parent_id", "created_at", "updated_at"), **BOTH),
    Recorded(
        "organization_members", ("organization_id", "user_id", "role_id", "created_at"), born="created_at", **OF_USER
    ),
    Recorded("api_keys", KEYS, born="created_at", **OF_USER),
)
# By which else the past is looked up, beside the row or its owner.
OTHERS = (("group_members", "group_id"), ("organization_members", "organization_id"))


def _since(of, dialect):
    """As old as the row says, or what it hangs on; what no user could be read without as old as the first user."""
    since = "t.created_at"
    if of.born is None:
        parent = "users" if of.owner == "user_id" else "roles"
        since = f"(SELECT p.created_at FROM {parent} p WHERE p.id = t.{of.owner})"
    if of.table in ("roles", "role_names", "identity_providers"):
        least = "min" if dialect == "sqlite" else "LEAST"
        since = f"{least}({since}, coalesce((SELECT MIN(u.created_at) FROM users u), {since}))"
    return since


async def record(apps, editor):
    for each in RECORDED:
        await editor.client.execute_query(filled(each, _since(each, editor.DIALECT)))
        key = f"{each.key}, valid_from" + (", valid_to" if editor.DIALECT == "sqlite" else "")
        await editor.client.execute_query(f"CREATE INDEX {each.versions}_row ON {each.versions} ({key})")
        for statement in installed(each, editor.DIALECT):
            await editor.client.execute_query(statement)
    for table, column in OTHERS:
        name = f"{table}_history"
        await editor.client.execute_query(f"CREATE INDEX {name}_{column} ON {name} ({column}, user_id)")


async def forget(apps, editor):
    for each in RECORDED:
        for statement in removed(each, editor.DIALECT):
            await editor.client.execute_query(statement)


class Migration(migrations.Migration):
    dependencies = [("usergraph", "0006_identity")]

    operations = [
        Together(
            ops.CreateModel(
                name="UserVersion",
                fields=[
                    *version(),
                    ("username", KeyField(max_length=255)),
                    ("username_key", KeyField(max_length=255)),
                    ("email", KeyField(max_length=320)),
                    ("email_key", KeyField(max_length=320)),
                    ("name", KeyField(max_length=255)),
                    ("name_key", KeyField(max_length=255)),
                    ("first_name", KeyField(null=True, max_length=255)),
                    ("first_name_key", KeyField(null=True, max_length=255)),
                    ("last_name", KeyField(null=True, max_length=255)),
                    ("last_name_key", KeyField(null=True, max_length=255)),
                    ("external_id", KeyField(null=True, max_length=255)),
                    ("state", KeyField(max_length=32)),
                    ("role_id", fields.BigIntField()),
                    ("provider_id", fields.BigIntField(null=True)),
                    ("ldap_provider_id", fields.BigIntField(null=True)),
                    ("login_dn", KeyField(null=True, max_length=1024)),
                    ("login_dn_key", KeyField(null=True, max_length=1024)),
                    ("has_password", fields.BooleanField()),
                    ("totp_enabled_at", fields.DatetimeField(null=True, auto_now=False, auto_now_add=False)),
                    ("can_create_projects_in_root", fields.BooleanField()),
                    ("created_at", fields.DatetimeField(auto_now=False, auto_now_add=False)),
                    ("created_by_id", fields.BigIntField(null=True)),
                    ("updated_at", fields.DatetimeField(auto_now=False, auto_now_add=False)),
                    ("updated_by_id", fields.BigIntField(null=True)),
                    ("version", fields.IntField()),
                ],
                options={"table": "users_history", "app": "usergraph", "pk_attr": "id"},
                bases=["Version"],
            ),
            ops.CreateModel(
                name="UserTagVersion",
                fields=[
                    *version(),
                    ("user_id", fields.BigIntField()),
                    ("value", KeyField(max_length=255)),
                    ("value_key", KeyField(max_length=255)),
                ],
                options={"table": "user_tags_history", "app": "usergraph", "pk_attr": "id"},
                bases=["Version"],
            ),
            ops.CreateModel(
                name="UserAliasVersion",
                fields=[
                    *version(),
                    ("user_id", fields.BigIntField()),
                    ("value", KeyField(max_length=255)),
                    ("value_key", KeyField(max_length=255)),
                ],
                options={"table": "user_aliases_history", "app": "usergraph", "pk_attr": "id"},
                bases=["Version"],
            ),
            ops.CreateModel(
                name="UserVariableVersion",
                fields=[
                    *version(),
                    ("user_id", fields.BigIntField()),
                    ("name", KeyField(max_length=255)),
                    ("name_key", KeyField(max_length=255)),
                    ("value", KeyField(max_length=1024)),
                ],
                options={"table": "user_variables_history", "app": "usergraph", "pk_attr": "id"},
                bases=["Version"],
            ),
            ops.CreateModel(
                name="GroupVersion",
                fields=[
                    *version(),
                    ("name", KeyField(max_length=255)),
                    ("name_key", KeyField(max_length=255)),
                    ("description", KeyField(null=True, max_length=1024)),
                    ("created_at", fields.DatetimeField(auto_now=False, auto_now_add=False)),
                    ("updated_at", fields.DatetimeField(auto_now=False, auto_now_add=False)),
                ],
                options={"table": "groups_history", "app": "usergraph", "pk_attr": "id"},
                bases=["Version"],
            ),
            ops.CreateModel(
                name="GroupMemberVersion",
                fields=[
                    *version(),
                    ("group_id", fields.BigIntField()),
                    ("user_id", fields.BigIntField()),
                    ("created_at", fields.DatetimeField(auto_now=False, auto_now_add=False)),
                ],
                options={"table": "group_members_history", "app": "usergraph", "pk_attr": "id"},
                bases=["Version"],
            ),
            ops.CreateModel(
                name="OrganizationVersion",
                fields=[
                    *version(),
                    ("name", KeyField(max_length=255)),
                    ("name_key", KeyField(max_length=255)),
                    ("parent_id", fields.BigIntField(null=True)),
                    ("created_at", fields.DatetimeField(auto_now=False, auto_now_add=False)),
                    ("updated_at", fields.DatetimeField(auto_now=False, auto_now_add=False)),
                ],
                options={"table": "organizations_history", "app": "usergraph", "pk_attr": "id"},
                bases=["Version"],
            ),
            ops.CreateModel(
                name="OrganizationMemberVersion",
                fields=[
                    *version(),
                    ("organization_id", fields.BigIntField()),
                    ("user_id", fields.BigIntField()),
                    ("role_id", fields.BigIntField(null=True)),
                    ("created_at", fields.DatetimeField(auto_now=False, auto_now_add=False)),
                ],
                options={"table": "organization_members_history", "app": "usergraph", "pk_attr": "id"},
                bases=["Version"],
            ),
            ops.CreateModel(
                name="RoleVersion",
                fields=[
                    *version(),
                    ("name", KeyField(max_length=255)),
                    ("weight", fields.SmallIntField()),
                    ("rights", fields.JSONField(encoder=JSON_DUMPS, decoder=loads)),
                    ("requires_second_factor", fields.BooleanField()),
                    ("is_built_in", fields.BooleanField()),
                    ("created_at", fields.DatetimeField(auto_now=False, auto_now_add=False)),
                    ("updated_at", fields.DatetimeField(auto_now=False, auto_now_add=False)),
                ],
                options={"table": "roles_history", "app": "usergraph", "pk_attr": "id"},
                bases=["Version"],
            ),
            ops.CreateModel(
                name="RoleNameVersion",
                fields=[
                    *version(),
                    ("role_id", fields.BigIntField()),
                    ("name", KeyField(max_length=255)),
                    ("name_key", KeyField(max_length=255)),
                    ("is_synonym", fields.BooleanField()),
                ],
                options={"table": "role_names_history", "app": "usergraph", "pk_attr": "id"},
                bases=["Version"],
            ),
            ops.CreateModel(
                name="IdentityProviderVersion",
                fields=[
                    *version(),
                    ("name", KeyField(max_length=255)),
                    ("name_key", KeyField(max_length=255)),
                    ("prefix", KeyField(max_length=32)),
                    ("kind", KeyField(max_length=32)),
                    ("is_enabled", fields.BooleanField()),
                    ("server_number", fields.SmallIntField(null=True)),
                    ("ceiling_weight", fields.SmallIntField(null=True)),
                    ("created_at", fields.DatetimeField(auto_now=False, auto_now_add=False)),
                    ("updated_at", fields.DatetimeField(auto_now=False, auto_now_add=False)),
                ],
                options={"table": "identity_providers_history", "app": "usergraph", "pk_attr": "id"},
                bases=["Version"],
            ),
            ops.CreateModel(
                name="ApiKeyVersion",
                fields=[
                    *version(),
                    ("user_id", fields.BigIntField()),
                    ("name", KeyField(max_length=255)),
                    ("prefix", KeyField(max_length=32)),
                    ("rights", fields.JSONField(null=True, encoder=JSON_DUMPS, decoder=loads)),
                    ("expires_at", fields.DatetimeField(null=True, auto_now=False, auto_now_add=False)),
                    ("revoked_at", fields.DatetimeField(null=True, auto_now=False, auto_now_add=False)),
                    ("created_at", fields.DatetimeField(auto_now=False, auto_now_add=False)),
                    ("created_by_id", fields.BigIntField(null=True)),
                ],
                options={"table": "api_keys_history", "app": "usergraph", "pk_attr": "id"},
                bases=["Version"],
            ),
        ),
        ops.RunPython(record, forget),
    ]
