"""Invitations in the schema."""

from typing import TYPE_CHECKING, Annotated

import strawberry

from graph.fields import Connection, Node, connection, plain, to_one
from graph.inputs import DateTime, InvitationStatus
from resolvers import invitations as invitations_read
from resolvers import providers as providers_read
from resolvers import users as users_read

if TYPE_CHECKING:
    from graph.providers import IdentityProvider
    from graph.users import User

lazy = strawberry.lazy


@strawberry.type(description="A link that makes its holder an active user, once.")
class Invitation(Node):
    id: strawberry.ID = plain("Typed id, such as `invitation_5`.")
    state: InvitationStatus = plain("Where it stands.")
    sent_count: int = plain("How often its letter was put in the outbox.")
    expires_at: DateTime = plain("When the link stops working.")
    created_at: DateTime = plain("When it was made.")
    closed_at: DateTime | None = plain("When it was accepted or revoked.")
    user: Annotated["User", lazy("graph.users")] | None = to_one(lambda: users_read.SOURCE, "userId", "Who is invited.")
    identity_provider: Annotated["IdentityProvider", lazy("graph.providers")] | None = to_one(
        lambda: providers_read.SOURCE, "providerId", "The provider they must come through, if any."
    )
    created_by: Annotated["User", lazy("graph.users")] | None = to_one(
        lambda: users_read.SOURCE, "createdById", "Who invited them."
    )


@strawberry.type
class InvitationQueries:
    invitations: Connection[Invitation] = connection(invitations_read.SOURCE, "Invitations, newest first.")
