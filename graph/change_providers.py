"""Making, changing and deleting identity providers in the schema."""

from typing import Any

import strawberry

from graph.fields import mutation, to_one
from graph.inputs import ProviderKindEnum
from graph.ldap_settings import LdapSettingsInput
from graph.payloads import Changing, DeletedPayload, DeleteInput, Payload, given, needed, own_input, own_payload
from graph.providers import IdentityProvider
from graph.saml_settings import SamlSettingsInput
from resolvers import change_providers
from resolvers import providers as providers_read


@strawberry.input(description="A new identity provider.")
class CreateIdentityProviderInput(Changing):
    name: str = needed("Its name.")
    prefix: str = needed("Short name for addresses: lower-case letters, digits and hyphens.")
    kind: ProviderKindEnum = needed("How it proves who somebody is.")
    is_enabled: bool | None = given("Whether it is switched on; yes if not said.")
    server_number: int | None = given("1 to 9; LDAP only, and required there.")
    ceiling_weight: int | None = given("The heaviest role that its group mappings may give; at most your own weight.")
    ldap: LdapSettingsInput | None = given("How the LDAP server is reached and read; LDAP only.")
    saml: SamlSettingsInput | None = given("How the SAML provider is reached; SAML only.")


@strawberry.input(description="What to change of an identity provider.")
class UpdateIdentityProviderInput(Changing):
    id: strawberry.ID = needed("Typed id.")
    name: str | None = given("Its name.")
    prefix: str | None = given("Short name for addresses.")
    is_enabled: bool | None = given("Whether it is switched on.")
    server_number: int | None = given("1 to 9; LDAP only.")
    ceiling_weight: int | None = given("The heaviest role that its group mappings may give; at most your own weight.")
    ldap: LdapSettingsInput | None = given("How the LDAP server is reached and read; LDAP only.")
    saml: SamlSettingsInput | None = given("How the SAML provider is reached; SAML only.")


@strawberry.type(description="The provider, or why not.")
class IdentityProviderPayload(Payload):
    identity_provider: IdentityProvider | None = to_one(
        lambda: providers_read.SOURCE, "identityProvider", "The provider as it is now."
    )


CreateIdentityProviderPayload: Any = own_payload(IdentityProviderPayload, "CreateIdentityProviderPayload")
UpdateIdentityProviderPayload: Any = own_payload(IdentityProviderPayload, "UpdateIdentityProviderPayload")
DeleteIdentityProviderInput: Any = own_input(DeleteInput, "DeleteIdentityProviderInput")
DeleteIdentityProviderPayload: Any = own_payload(DeletedPayload, "DeleteIdentityProviderPayload")


@strawberry.type
class ProviderMutations:
    create_identity_provider: CreateIdentityProviderPayload = mutation(
        change_providers.create_identity_provider,
        CreateIdentityProviderInput,
        "Make an identity provider. Needs MANAGE_PROVIDERS.",
        empty={"identityProvider": None},
    )
    update_identity_provider: UpdateIdentityProviderPayload = mutation(
        change_providers.update_identity_provider,
        UpdateIdentityProviderInput,
        "Change an identity provider. Needs MANAGE_PROVIDERS.",
        empty={"identityProvider": None},
    )
    delete_identity_provider: DeleteIdentityProviderPayload = mutation(
        change_providers.delete_identity_provider,
        DeleteIdentityProviderInput,
        "Delete a provider that nobody uses. Needs MANAGE_PROVIDERS.",
        empty={"deletedId": None},
    )
