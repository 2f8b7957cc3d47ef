"""Invitations as they are read."""

from resolvers import users
from resolvers.conditions import One
from resolvers.filters import Choice, Identity, Instant
from resolvers.policy import Right
from resolvers.sources import Column, Kind, Relation, Source, Sql

STATE = "CASE WHEN {t}.state = 'PENDING' AND {t}.expires_at <= CURRENT_TIMESTAMP THEN 'EXPIRED' ELSE {t}.state END"


def _newest(what: str) -> str:
    return f"(SELECT l.{what} FROM letters l WHERE l.invitation_id = {{t}}.id ORDER BY l.id DESC LIMIT 1)"


DELIVERY = f"COALESCE({_newest('state')}, 'NONE')"


def visible(sql: Sql, alias: str) -> str | None:
    return users.visible_through(sql, f"{alias}.user_id", Right.INVITE_USERS)


SOURCE: Source = Source(
    type_name="Invitation",
    table="invitations",
    prefix="invitation",
    columns={
        "id": Column("{t}.id", Kind.ID, prefix="invitation"),
        "state": Column(STATE),
        "sentCount": Column("{t}.sent_count", Kind.NUMBER),
        "expiresAt": Column("{t}.expires_at", Kind.INSTANT),
        "createdAt": Column("{t}.created_at", Kind.INSTANT),
        "closedAt": Column("{t}.closed_at", Kind.INSTANT, nullable=True),
        "deliveryState": Column(DELIVERY),
        "deliveryAttempts": Column(f"COALESCE({_newest('attempts')}, 0)", Kind.NUMBER),
        "deliveryError": Column(_newest("error"), nullable=True),
        "deliveredAt": Column(_newest("sent_at"), Kind.INSTANT, nullable=True),
        "userId": Column("{t}.user_id", Kind.NUMBER),
        "providerId": Column("{t}.provider_id", Kind.NUMBER, nullable=True),
        "createdById": Column("{t}.created_by_id", Kind.NUMBER, nullable=True),
    },
    visible=visible,
    indexed=frozenset({"id", "user", "createdAt", "expiresAt"}),
    orders={"ID": "id", "CREATED_AT": "createdAt", "EXPIRES_AT": "expiresAt"},
    default_order=(("CREATED_AT", True),),
    filters={
        "id": Identity("invitation"),
        "state": Choice(f"({STATE})", "InvitationStateFilter"),
        "deliveryState": Choice(DELIVERY, "DeliveryStateFilter"),
        "expiresAt": Instant("{t}.expires_at"),
        "createdAt": Instant("{t}.created_at"),
        "user": One("{t}.user_id", lambda: users.SOURCE),
    },
)
OF_USER = Relation(lambda: SOURCE, "t.user_id", few=True)
