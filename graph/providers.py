"""Identity providers in the schema."""

from typing import TYPE_CHECKING, Annotated

import strawberry

from graph.fields import Connection, Node, all_of, connection, count, plain, record
from graph.inputs import DateTime, ProviderKindEnum
from graph.ldap_settings import LdapSettings
from graph.saml_settings import SamlSettings
from resolvers import providers as providers_read
from resolvers import users as users_read

if TYPE_CHECKING:
    from graph.users import User


@strawberry.type(description="Where users prove who they are.")
class IdentityProvider(Node):
    id: strawberry.ID = plain("Typed id, such as `provider_1`.")
    name: str = plain("Name, unique.")
    prefix: str = plain("Short unique name, used in addresses.")
    kind: ProviderKindEnum = plain("Local passwords, an LDAP server, or a SAML identity provider.")
    is_enabled: bool = plain("Whether it is switched on.")
    server_number: int | None = plain("1 to 9 for an LDAP server, null for others.")
    ceiling_weight: int | None = plain("The heaviest role that its group mappings may give.")
    ldap_settings: LdapSettings | None = record("How its LDAP server is reached and read. Needs MANAGE_PROVIDERS.")
    saml_settings: SamlSettings | None = record("How its SAML provider is reached. Needs MANAGE_PROVIDERS.")
    created_at: DateTime = plain("When it was made.")
    updated_at: DateTime = plain("When it last changed.")
    user_count: int = count(lambda: users_read.OF_PROVIDER, "How many users sign in through it, of those you may see.")
    users: Connection[Annotated["User", strawberry.lazy("graph.users")]] = connection(
        users_read.SOURCE, "Who signs in through it.", lambda: users_read.OF_PROVIDER
    )


@strawberry.type
class ProviderQueries:
    identity_providers: list[IdentityProvider] = all_of(providers_read.SOURCE, "All identity providers.")
