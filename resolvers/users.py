"""Users as they are read: their columns, orders, filters, and which rows a viewer sees."""

from models.dn import dn_key, dn_part
from resolvers import api_keys, groups, invitations, organizations, providers, roles, user_search
from resolvers.conditions import One, Some, SomeRow, SomeText
from resolvers.filters import Choice, Flag, Identity, Instant, Number, Text, email_text, exact
from resolvers.policy import Right
from resolvers.sources import Column, Kind, Relation, Source, Sql, everything, subtree, visible_memberships

KIND_OF = "(SELECT p.kind FROM identity_providers p WHERE p.id = {t}.provider_id)"
IS_SAML = "({t}.provider_id IS NOT NULL AND " + KIND_OF + " = 'SAML')"
IS_OPEN_HERE = "(SELECT p.kind = 'LOCAL' AND p.is_enabled FROM identity_providers p WHERE p.id = {t}.provider_id)"
HAS_PASSWORD = (
    "({t}.state = 'ACTIVE' AND {t}.password_hash IS NOT NULL AND {t}.provider_id IS NOT NULL AND " + IS_OPEN_HERE + ")"
)
PROVIDER_ENABLED = "(SELECT p.is_enabled FROM identity_providers p WHERE p.id = {t}.provider_id)"
GROUP_COUNT = "(SELECT COUNT(*) FROM group_members m WHERE m.user_id = {t}.id)"
USABLE_KEY = (
    "EXISTS (SELECT 1 FROM api_keys k WHERE k.user_id = {t}.id AND k.revoked_at IS NULL"
    " AND (k.expires_at IS NULL OR k.expires_at > CURRENT_TIMESTAMP))"
)
ACCESSIBILITY = (
    "CASE WHEN {t}.state <> 'ACTIVE' THEN 'NONE'"
    " WHEN {t}.provider_id IS NULL THEN 'API_ONLY'"
    f" WHEN {PROVIDER_ENABLED} AND ({KIND_OF} <> 'LOCAL' OR {{t}}.password_hash IS NOT NULL) THEN 'INTERACTIVE'"
    f" WHEN {USABLE_KEY} THEN 'API_ONLY' ELSE 'NONE' END"
)


def visible(sql: Sql, alias: str) -> str | None:
    """All, where the role reads or lists users; an administrator of organizations sees theirs; others themselves."""
    return visible_through(sql, f"{alias}.id", Right.READ_USERS, Right.LIST_USERS)


def visible_through(sql: Sql, column: str, right: Right, listing: Right | None = None) -> str | None:
    """The condition that `column` is a user over whom the viewer holds `right`, or is the viewer."""
    viewer = sql.viewer
    if right in viewer.rights:
        return None
    administered = viewer.organizations_with(right)
    if not administered and listing is not None and listing in viewer.rights:
        return None
    own = sql.place(viewer.user_id or 0)
    if administered:
        # One set: a database looks through a whole table for what is equal to this or within that.
        members = (
            f"SELECT m.user_id FROM organization_members m WHERE m.organization_id IN ({subtree(sql, administered)})"
        )
        return f"{column} IN (SELECT CAST({own} AS bigint) UNION ALL {members})"
    return f"{column} = {own}"


COLUMNS = {
    "id": Column("{t}.id", Kind.ID, prefix="user"),
    "username": Column("{t}.username"),
    "email": Column("{t}.email"),
    "name": Column("{t}.name"),
    "firstName": Column("{t}.first_name", nullable=True),
    "lastName": Column("{t}.last_name", nullable=True),
    "externalId": Column("{t}.external_id", nullable=True),
    "state": Column("{t}.state"),
    "accessibility": Column(ACCESSIBILITY),
    "isActive": Column("({t}.state = 'ACTIVE')", Kind.FLAG),
    "isLdap": Column("({t}.ldap_provider_id IS NOT NULL)", Kind.FLAG),
    "isSaml": Column(IS_SAML, Kind.FLAG),
    "isApiOnly": Column("({t}.provider_id IS NULL)", Kind.FLAG),
    "is2faEnabled": Column("({t}.totp_enabled_at IS NOT NULL)", Kind.FLAG),
    "hasValidPassword": Column(HAS_PASSWORD, Kind.FLAG),
    "canCreateProjectsInRoot": Column("{t}.can_create_projects_in_root", Kind.FLAG),
    "ldapServerNumber": Column(
        "(SELECT p.server_number FROM identity_providers p WHERE p.id = {t}.ldap_provider_id)",
        Kind.NUMBER,
        nullable=True,
    ),
    "loginDn": Column("{t}.login_dn", nullable=True),
    "lastLoginAt": Column("{t}.last_login_at", Kind.INSTANT, nullable=True),
    "lastApiRequestAt": Column("{t}.last_api_request_at", Kind.INSTANT, nullable=True),
    "createdAt": Column("{t}.created_at", Kind.INSTANT),
    "updatedAt": Column("{t}.updated_at", Kind.INSTANT),
    "version": Column("{t}.version", Kind.NUMBER),
    "roleId": Column("{t}.role_id", Kind.NUMBER),
    "providerId": Column("{t}.provider_id", Kind.NUMBER, nullable=True),
    "ldapProviderId": Column("{t}.ldap_provider_id", Kind.NUMBER, nullable=True),
    "createdById": Column("{t}.created_by_id", Kind.NUMBER, nullable=True),
    "updatedById": Column("{t}.updated_by_id", Kind.NUMBER, nullable=True),
    "usernameKey": Column("{t}.username_key"),
    "emailKey": Column("{t}.email_key"),
    "nameKey": Column("{t}.name_key"),
    "firstNameKey": Column("{t}.first_name_key", nullable=True),
    "lastNameKey": Column("{t}.last_name_key", nullable=True),
    "roleWeight": Column("(SELECT r.weight FROM roles r WHERE r.id = {t}.role_id)", Kind.NUMBER),
    "groupCount": Column(GROUP_COUNT, Kind.NUMBER),
}

ORDERS = {
    "ID": "id",
    "USERNAME": "usernameKey",
    "EMAIL": "emailKey",
    "NAME": "nameKey",
    "FIRST_NAME": "firstNameKey",
    "LAST_NAME": "lastNameKey",
    "EXTERNAL_ID": "externalId",
    "ROLE": "roleWeight",
    "GROUP_COUNT": "groupCount",
    "STATE": "state",
    "LAST_LOGIN_AT": "lastLoginAt",
    "LAST_API_REQUEST_AT": "lastApiRequestAt",
    "CREATED_AT": "createdAt",
    "UPDATED_AT": "updatedAt",
}


def _exactly(column: str) -> Text:
    return Text(column, normal=exact, part=exact)


FILTERS = {
    "id": Identity("user"),
    "username": Text("{t}.username_key"),
    "email": email_text("{t}.email_key"),
    "name": Text("{t}.name_key"),
    "firstName": Text("{t}.first_name_key"),
    "lastName": Text("{t}.last_name_key"),
    "loginDn": Text("{t}.login_dn_key", normal=dn_key, part=dn_part),
    "ldapServerNumber": Number(COLUMNS["ldapServerNumber"].sql),
    "groupCount": Number(GROUP_COUNT),
    "version": Number("{t}.version"),
    "externalId": _exactly("{t}.external_id"),
    "state": Choice("{t}.state", "UserStateFilter"),
    "accessibility": Choice(f"({ACCESSIBILITY})", "AccessibilityFilter"),
    "isActive": Flag("{t}.state = 'ACTIVE'"),
    "isLdap": Flag("{t}.ldap_provider_id IS NOT NULL"),
    "isSaml": Flag(IS_SAML),
    "isApiOnly": Flag("{t}.provider_id IS NULL"),
    "is2faEnabled": Flag("{t}.totp_enabled_at IS NOT NULL"),
    "hasValidPassword": Flag(HAS_PASSWORD),
    "canCreateProjectsInRoot": Flag("{t}.can_create_projects_in_root"),
    "lastLoginAt": Instant("{t}.last_login_at"),
    "lastApiRequestAt": Instant("{t}.last_api_request_at"),
    "createdAt": Instant("{t}.created_at"),
    "updatedAt": Instant("{t}.updated_at"),
    "role": One("{t}.role_id", lambda: roles.SOURCE),
    "identityProvider": One("{t}.provider_id", lambda: providers.SOURCE),
    "createdBy": One("{t}.created_by_id", lambda: SOURCE),
    "updatedBy": One("{t}.updated_by_id", lambda: SOURCE),
    "groups": Some("m{i}.user_id", lambda: groups.SOURCE, "JOIN group_members m{i} ON m{i}.group_id = {i}.id"),
    "organizations": Some(
        "m{i}.user_id",
        lambda: organizations.SOURCE,
        "JOIN organization_members m{i} ON m{i}.organization_id = {i}.id",
        visible=visible_memberships,
    ),
    "memberships": Some("{i}.user_id", lambda: organizations.MEMBERS),
    "invitations": Some("{i}.user_id", lambda: invitations.SOURCE),
    "apiKeys": Some("{i}.user_id", lambda: api_keys.SOURCE),
    "tags": SomeText("user_tags"),
    "aliases": SomeText("user_aliases"),
    "variables": SomeRow(
        "user_variables", {"name": Text("{t}.name_key"), "value": _exactly("{t}.value")}, "VariableListFilter"
    ),
    "externalIds": SomeRow(
        "user_external_ids", {"source": _exactly("{t}.source"), "value": _exactly("{t}.value")}, "ExternalIdListFilter"
    ),
}

SOURCE: Source = Source(
    type_name="User",
    table="users",
    prefix="user",
    columns=COLUMNS,
    visible=visible,
    orders=ORDERS,
    filters=FILTERS,
    search=user_search.search,
    hits_first=user_search.hits_first,
    unindexed=frozenset({"ROLE", "GROUP_COUNT"}),
    shared=frozenset({"STATE", "FIRST_NAME", "LAST_NAME", "EXTERNAL_ID", "LAST_LOGIN_AT", "LAST_API_REQUEST_AT"}),
    unique=frozenset({"id", "username", "email", "externalId"}),
    indexed=frozenset(
        {
            "id",
            "username",
            "email",
            "name",
            "firstName",
            "lastName",
            "externalId",
            "state",
            "role",
            "identityProvider",
            "createdBy",
            "updatedBy",
            "createdAt",
            "updatedAt",
            "lastLoginAt",
            "lastApiRequestAt",
        }
    ),
)


def _value_source(type_name: str, table: str, columns: dict[str, Column], first: str) -> Source:
    return Source(
        type_name=type_name,
        table=table,
        prefix="",
        columns={"id": Column("{t}.id", Kind.ID), first: Column(f"{{t}}.{first}"), **columns},
        visible=everything,
        orders={"KEY": first},
        default_order=(("KEY", False),),
    )


_VALUE = {"value": Column("{t}.value")}
TAGS = Relation(lambda: _TAGS, "t.user_id", few=True)
ALIASES = Relation(lambda: _ALIASES, "t.user_id", few=True)
EXTERNAL_IDS = Relation(lambda: _EXTERNAL_IDS, "t.user_id", few=True)
VARIABLES = Relation(lambda: _VARIABLES, "t.user_id", few=True)
_TAGS: Source = _value_source("UserTag", "user_tags", _VALUE, "value_key")
_ALIASES: Source = _value_source("UserAlias", "user_aliases", _VALUE, "value_key")
_VARIABLES: Source = _value_source("UserVariable", "user_variables", {"name": Column("{t}.name"), **_VALUE}, "name_key")
_EXTERNAL_IDS: Source = _value_source("UserExternalId", "user_external_ids", _VALUE, "source")

OF_ROLE = Relation(lambda: SOURCE, "t.role_id")
OF_PROVIDER = Relation(lambda: SOURCE, "t.provider_id")
OF_GROUP = Relation(lambda: SOURCE, "m.group_id", "JOIN group_members m ON m.user_id = t.id")
OF_ORGANIZATION = Relation(
    lambda: SOURCE,
    "m.organization_id",
    "JOIN organization_members m ON m.user_id = t.id",
    visible=visible_memberships,
)
