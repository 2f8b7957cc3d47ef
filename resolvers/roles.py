"""Roles as they are read."""

from resolvers.filters import Flag, Identity, Number, Text
from resolvers.sources import Column, Kind, Relation, Source, everything

SOURCE: Source = Source(
    type_name="Role",
    table="roles",
    prefix="role",
    columns={
        "id": Column("{t}.id", Kind.ID, prefix="role"),
        "name": Column("{t}.name"),
        "weight": Column("{t}.weight", Kind.NUMBER),
        "permissions": Column("{t}.rights", Kind.JSON),
        "requiresSecondFactor": Column("{t}.requires_second_factor", Kind.FLAG),
        "isBuiltIn": Column("{t}.is_built_in", Kind.FLAG),
        "createdAt": Column("{t}.created_at", Kind.INSTANT),
        "updatedAt": Column("{t}.updated_at", Kind.INSTANT),
    },
    visible=everything,
    is_small=True,
    unique=frozenset({"id", "name"}),
    orders={"WEIGHT": "weight"},
    default_order=(("WEIGHT", True),),
    filters={
        "id": Identity("role"),
        "name": Text("(SELECT n.name_key FROM role_names n WHERE n.role_id = {t}.id AND NOT n.is_synonym)"),
        "weight": Number("{t}.weight"),
        "isBuiltIn": Flag("{t}.is_built_in"),
        "requiresSecondFactor": Flag("{t}.requires_second_factor"),
    },
)

SYNONYMS = Relation(lambda: _SYNONYMS, "t.role_id", few=True)
_SYNONYMS: Source = Source(
    type_name="RoleName",
    table="(SELECT * FROM role_names WHERE is_synonym)",
    prefix="",
    columns={"id": Column("{t}.id", Kind.ID), "value": Column("{t}.name")},
    visible=everything,
)
