"""Invitations in the schema."""

from typing import TYPE_CHECKING, Annotated

import strawberry

from graph.fields import Connection, Node, argument, connection, lookup, plain, to_one, values
from graph.inputs import DateTime, DeliveryState, InvitationStatus, ProviderKindEnum
from resolvers import invitations as invitations_read
from resolvers import open_invitations
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
    delivery_state: DeliveryState = plain("What became of its newest letter.")
    delivery_attempts: int = plain("How often the mail server was asked to take that letter.")
    delivery_error: str | None = plain("Why it waits or was refused, in the mail server's words.")
    delivered_at: DateTime | None = plain("When the mail server took it.")
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


@strawberry.type(description="What the holder of an invitation's token may know of it.")
class OpenInvitation:
    name: str | None = plain("What the invited user is called.")
    username: str = plain("What they will sign in with.")
    platform: str = plain("Where they are invited to: the name of the root organization.")
    organizations: list[str] = values(
        lambda: open_invitations.ORGANIZATIONS, "The names of the organizations that they will belong to."
    )
    invited_by: str | None = plain("The name of who invited them.")
    provider_kind: ProviderKindEnum | None = plain("How they will sign in: LOCAL needs a password of their choice.")
    provider_name: str | None = plain("The name of their identity provider.")
    provider_prefix: str | None = plain("Its prefix, which stands in the address where SAML begins.")
    expires_at: DateTime = plain("When the link stops working.")


@strawberry.type
class InvitationQueries:
    invitation_by_token: OpenInvitation | None = lookup(
        lambda: open_invitations.SOURCE,
        "A pending invitation by its token; null where the link no longer works. Needs no key.",
        argument("token", str, "What stands behind `#` in the link."),
        ids=open_invitations.ids_by_token,
    )
    invitations: Connection[Invitation] = connection(invitations_read.SOURCE, "Invitations, newest first.")
