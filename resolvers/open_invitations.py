"""Invitations as their token's holder reads them, before there is anything to sign in with."""

from collections.abc import Mapping
from typing import Any

from models.database import Statement, Steps
from models.dialects import Dialect
from resolvers import tokens
from resolvers.sources import Column, Kind, Relation, Source, Sql, everything


def _user(what: str) -> str:
    return f"(SELECT u.{what} FROM users u WHERE u.id = {{t}}.user_id)"


def _provider(what: str) -> str:
    joined = "identity_providers p JOIN users u ON u.provider_id = p.id"
    return f"(SELECT p.{what} FROM {joined} WHERE u.id = {{t}}.user_id)"


def visible(sql: Sql, alias: str) -> str:
    """Whoever holds the token; what is over reads as unknown, as the mutation that accepts it says too."""
    invited = f"EXISTS (SELECT 1 FROM users u WHERE u.id = {alias}.user_id AND u.state = 'INVITED')"
    return f"{alias}.state = 'PENDING' AND {alias}.expires_at > CURRENT_TIMESTAMP AND {invited}"


SOURCE: Source = Source(
    type_name="OpenInvitation",
    table="invitations",
    prefix="invitation",
    columns={
        "id": Column("{t}.id", Kind.ID, prefix="invitation"),
        "name": Column(_user("name"), nullable=True),
        "username": Column(_user("username")),
        "platform": Column("(SELECT o.name FROM organizations o WHERE o.parent_id IS NULL)"),
        "invitedBy": Column("(SELECT b.name FROM users b WHERE b.id = {t}.created_by_id)", nullable=True),
        "providerKind": Column(_provider("kind"), nullable=True),
        "providerName": Column(_provider("name"), nullable=True),
        "providerPrefix": Column(_provider("prefix"), nullable=True),
        "expiresAt": Column("{t}.expires_at", Kind.INSTANT),
    },
    visible=visible,
)


# Where the invited user belongs already: the holder of the token may know the names of these organizations, no more.
_ORGANIZATIONS: Source = Source(
    type_name="OpenInvitationOrganization",
    table="organizations",
    prefix="organization",
    columns={
        "id": Column("{t}.id", Kind.ID, prefix="organization"),
        "value": Column("{t}.name"),
        "normal": Column("{t}.name_key"),
    },
    visible=everything,
    orders={"NORMAL": "normal"},
    default_order=(("NORMAL", False),),
)
ORGANIZATIONS = Relation(
    lambda: _ORGANIZATIONS,
    "i.id",
    "JOIN organization_members m ON m.organization_id = t.id JOIN invitations i ON i.user_id = m.user_id",
    few=True,
)


def ids_by_token(dialect: Dialect, given: Mapping[str, Any]) -> Steps[list[int | None]]:
    """By the token's digest, which an index holds: how long it takes tells nothing about other tokens."""
    digest = tokens.digest(tokens.Purpose.INVITATION, given["token"])
    rows = yield Statement("SELECT id FROM invitations WHERE token_digest = $1", [digest])
    return [rows[0][0] if rows else None]
