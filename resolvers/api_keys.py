"""API keys as they are read; their secrets cannot be."""

from resolvers import users
from resolvers.conditions import One
from resolvers.filters import Flag, Identity, Instant, Text
from resolvers.policy import Right
from resolvers.sources import Column, Kind, Relation, Source, Sql

IS_VALID = "({t}.revoked_at IS NULL AND ({t}.expires_at IS NULL OR {t}.expires_at > CURRENT_TIMESTAMP))"


def visible(sql: Sql, alias: str) -> str | None:
    return users.visible_through(sql, f"{alias}.user_id", Right.MANAGE_API_KEYS)


SOURCE: Source = Source(
    type_name="ApiKey",
    table="api_keys",
    prefix="key",
    columns={
        "id": Column("{t}.id", Kind.ID, prefix="key"),
        "name": Column("{t}.name"),
        "prefix": Column("{t}.prefix"),
        "permissions": Column("{t}.rights", Kind.JSON, nullable=True),
        "isValid": Column(IS_VALID, Kind.FLAG),
        "expiresAt": Column("{t}.expires_at", Kind.INSTANT, nullable=True),
        "revokedAt": Column("{t}.revoked_at", Kind.INSTANT, nullable=True),
        "lastUsedAt": Column("{t}.last_used_at", Kind.INSTANT, nullable=True),
        "createdAt": Column("{t}.created_at", Kind.INSTANT),
        "userId": Column("{t}.user_id", Kind.NUMBER),
        "createdById": Column("{t}.created_by_id", Kind.NUMBER, nullable=True),
    },
    visible=visible,
    indexed=frozenset({"id", "user", "createdAt"}),
    unindexed=frozenset({"LAST_USED_AT"}),
    orders={"ID": "id", "CREATED_AT": "createdAt", "LAST_USED_AT": "lastUsedAt"},
    default_order=(("CREATED_AT", True),),
    filters={
        "id": Identity("key"),
        "name": Text("lower({t}.name)"),
        "isValid": Flag(IS_VALID),
        "expiresAt": Instant("{t}.expires_at"),
        "lastUsedAt": Instant("{t}.last_used_at"),
        "createdAt": Instant("{t}.created_at"),
        "user": One("{t}.user_id", lambda: users.SOURCE),
    },
)
OF_USER = Relation(lambda: SOURCE, "t.user_id", few=True)
