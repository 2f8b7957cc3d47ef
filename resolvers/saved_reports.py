"""Saved reports as they are read: one's own, those shared with one's roles, the built-in ones."""

from collections.abc import Mapping
from typing import Any

from models.database import Statement, Steps
from models.dialects import Dialect
from models.values import key
from resolvers import roles, users
from resolvers.conditions import One, Some
from resolvers.filters import Flag, Identity, Instant, Text
from resolvers.policy import Right
from resolvers.sources import Column, Kind, Relation, Source, Sql


def visible(sql: Sql, alias: str) -> str | None:
    """All for who manages roles, with which reports are shared. A role held in an organization alone counts too."""
    if Right.MANAGE_ROLES in sql.viewer.rights:
        return None
    who, role = sql.place(sql.viewer.user_id or 0), sql.place(sql.viewer.role_id or 0)
    shared = (
        f"SELECT s.report_id FROM saved_report_roles s WHERE s.role_id = {role}"
        f" OR s.role_id IN (SELECT m.role_id FROM organization_members m WHERE m.user_id = {who})"
    )
    return f"({alias}.is_built_in OR {alias}.owner_id = {who} OR {alias}.id IN ({shared}))"


SOURCE: Source = Source(
    type_name="SavedReport",
    table="saved_reports",
    prefix="report",
    columns={
        "id": Column("{t}.id", Kind.ID, prefix="report"),
        "name": Column("{t}.name"),
        "nameKey": Column("{t}.name_key"),
        "description": Column("{t}.description", nullable=True),
        "document": Column("{t}.document"),
        "variables": Column("{t}.variables", Kind.JSON),
        "isBuiltIn": Column("{t}.is_built_in", Kind.FLAG),
        "url": Column("('/reports/' || {t}.name)"),
        "version": Column("{t}.version", Kind.NUMBER),
        "createdAt": Column("{t}.created_at", Kind.INSTANT),
        "updatedAt": Column("{t}.updated_at", Kind.INSTANT),
        "ownerId": Column("{t}.owner_id", Kind.NUMBER, nullable=True),
    },
    visible=visible,
    orders={"ID": "id", "NAME": "nameKey", "CREATED_AT": "createdAt", "UPDATED_AT": "updatedAt"},
    default_order=(("NAME", False),),
    indexed=frozenset({"id", "name", "owner"}),
    unindexed=frozenset({"CREATED_AT", "UPDATED_AT"}),
    unique=frozenset({"id", "name"}),
    filters={
        "id": Identity("report"),
        "name": Text("{t}.name_key"),
        "isBuiltIn": Flag("{t}.is_built_in"),
        "createdAt": Instant("{t}.created_at"),
        "updatedAt": Instant("{t}.updated_at"),
        "owner": One("{t}.owner_id", lambda: users.SOURCE),
        "sharedWith": Some(
            "s{i}.report_id", lambda: roles.SOURCE, "JOIN saved_report_roles s{i} ON s{i}.role_id = {i}.id"
        ),
    },
)
SHARED_WITH = Relation(lambda: roles.SOURCE, "s.report_id", "JOIN saved_report_roles s ON s.role_id = t.id", few=True)


def ids_by_name(dialect: Dialect, given: Mapping[str, Any]) -> Steps[list[int | None]]:
    """In any case, as it may be typed in a URL."""
    rows = yield Statement("SELECT id FROM saved_reports WHERE name_key = $1", [key(given["name"])])
    return [rows[0][0] if rows else None]
