"""testIdentityProvider in the schema."""

import strawberry

from graph.change_providers import IdentityProviderPayload
from graph.fields import mutation, plain, record
from graph.payloads import Changing, given, needed
from resolvers import probe_providers


@strawberry.input(description="Which provider to try out.")
class TestIdentityProviderInput(Changing):
    id: strawberry.ID = needed("Typed id; it need not be switched on.")
    username: str | None = given("LDAP: somebody to look for, to see what is found of them.")


@strawberry.type(description="One thing that was tried.")
class ProviderTestStep:
    name: str = plain(
        "What: settings; resolve, connect, tls, bind, base, user and groups for LDAP; certificates for SAML."
    )
    is_ok: bool = plain("Whether it works.")
    message: str = plain("What was found, or what is wrong and what to do.")


@strawberry.type(description="What works, in the order it was tried; what follows a failure is not tried.")
class TestIdentityProviderPayload(IdentityProviderPayload):
    is_ok: bool = plain("Whether every step works.")
    steps: list[ProviderTestStep] = record("One for each thing that was tried.", many=True)


@strawberry.type
class ProbeProviderMutations:
    test_identity_provider: TestIdentityProviderPayload = mutation(
        probe_providers.probe_provider,
        TestIdentityProviderInput,
        "Try an identity provider out, step by step; nothing is changed. Needs MANAGE_PROVIDERS.",
        empty={"identityProvider": None, "isOk": False, "steps": []},
        prepare=probe_providers.prepare_probe,
    )
