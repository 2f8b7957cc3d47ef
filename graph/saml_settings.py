"""Settings of SAML providers in the schema."""

from typing import Any

import strawberry

from graph.fields import plain
from graph.inputs import described
from graph.payloads import given
from resolvers.saml_settings import NameIdFormat, NameIdMatches

SamlNameIdMatchesEnum: Any = described(
    NameIdMatches,
    "SamlNameIdMatches",
    "By what a user of the provider who has no name id yet is known at their first sign-in.",
    {
        "NONE": "By nothing: they are joined by an invitation or a conversion.",
        "USERNAME": "Their username is the name id, letter by letter.",
        "EMAIL": "Their email is the name id, letter by letter.",
        "EXTERNAL_ID": "Their external id of the source `api` is the name id, letter by letter.",
    },
)
SamlNameIdFormatEnum: Any = described(
    NameIdFormat,
    "SamlNameIdFormat",
    "What kind of name id is asked of the identity provider.",
    {
        "UNSPECIFIED": "Whatever it is set to send.",
        "PERSISTENT": "One that stays the same for ever and says nothing else.",
        "EMAIL": "The email address.",
    },
)


@strawberry.input(
    description="How a SAML provider is reached: by its metadata, or by entityId, ssoUrl and certificates. "
    "What is absent stays as it was."
)
class SamlSettingsInput:
    metadata: str | None = given("The identity provider's metadata, as XML text.")
    entity_id: str | None = given("Its entityId; with metadata of several, which one.")
    sso_url: str | None = given("Where it takes requests by HTTP-Redirect; https, or http on this machine.")
    certificates: list[str] | None = given("With what it signs, in PEM; two while one takes over from the other.")
    name_id_format: SamlNameIdFormatEnum | None = given("What name id to ask for; UNSPECIFIED if not said.")
    name_id_matches: SamlNameIdMatchesEnum | None = given("How users without one get their name id; NONE if not said.")
    second_factor_contexts: list[str] | None = given(
        "Authentication contexts that count as a second factor; those of REFEDS, Entra ID and SAML if not said."
    )
    clock_skew_seconds: int | None = given("How far its clock may be off, 0 to 300; 60 if not said.")
    signing_certificate: str | None = given("Our own certificate, in PEM, if requests are to be signed.")
    signing_key: str | None = given("Its private key, in PEM. Kept sealed, and never read back.")


@strawberry.type(description="How a SAML provider is reached; its secrets are never read back.")
class SamlSettings:
    entity_id: str = plain("The identity provider's entityId.")
    sso_url: str = plain("Where it takes requests.")
    certificates: list[str] = plain("With what it signs, in PEM.")
    name_id_format: SamlNameIdFormatEnum = plain("What name id is asked for.")
    name_id_matches: SamlNameIdMatchesEnum = plain("How users without a name id get theirs.")
    second_factor_contexts: list[str] = plain("Authentication contexts that count as a second factor.")
    clock_skew_seconds: int = plain("How far its clock may be off.")
    signing_certificate: str | None = plain("Our own certificate, if requests are signed.")
