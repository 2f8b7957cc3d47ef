"""Signing in through a real identity provider, simplesamlphp, with what a browser does in between."""

import re
from collections.abc import AsyncIterator, Callable
from html import unescape
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest

from tests.calls import change
from tests.conftest import IN_CI
from tests.saml_responses import PUBLIC, pair, saml_user
from tests.service import Service
from tests.simplesamlphp import ENTITY, PASSWORD, USER, Simplesamlphp, is_here

FIELD = re.compile(r'<input type="hidden" name="([^"]+)" value="([^"]*)"')
ACTION = re.compile(r'<form[^>]* action="([^"]*)"')
METADATA = """<md:EntityDescriptor xmlns:md="urn:oasis:names:tc:SAML:2.0:metadata" entityID="%s">
<md:IDPSSODescriptor protocolSupportEnumeration="urn:oasis:names:tc:SAML:2.0:protocol">
<md:SingleSignOnService Binding="urn:oasis:names:tc:SAML:2.0:bindings:HTTP-Redirect" Location="https://x.test/"/>
</md:IDPSSODescriptor></md:EntityDescriptor>"""


@pytest.fixture
async def identity_provider(service: Service, tmp_path: Path) -> AsyncIterator[Callable[..., Any]]:
    """Start one that knows our metadata, and make it known to the service by its own."""
    if not is_here():
        if IN_CI:
            pytest.fail("simplesamlphp and php are needed in CI")
        pytest.skip("there is no simplesamlphp on this machine")
    started: list[Simplesamlphp] = []

    async def start(own: dict[str, str] | None = None, **switches: bool) -> Simplesamlphp:
        # Our metadata says where responses go, and needs no more of the provider than that it is configured.
        known = {"metadata": METADATA % ENTITY, "certificates": [pair("idp")[1]], **(own or {})}
        assert (await change(service, "updateIdentityProvider", {"id": "provider_4", "saml": known}))["errors"] == []
        ours = (await service.client.get("/saml/sso/metadata")).content
        started.append(Simplesamlphp(tmp_path, ours, **switches))
        theirs = {"metadata": started[0].metadata, **(own or {})}
        assert (await change(service, "updateIdentityProvider", {"id": "provider_4", "saml": theirs}))["errors"] == []
        return started[0]

    yield start
    for each in started:
        each.stop()


async def through_the_provider(address: str, password: str = PASSWORD) -> tuple[str, dict[str, str]]:
    """What the browser is told to post, and where, once its user has signed in at the identity provider."""
    async with httpx.AsyncClient(follow_redirects=True, timeout=30) as browser:
        page = await browser.get(address)
        assert page.status_code == 200, page.text
        form = {"username": USER, "password": password, **_fields(page.text)}
        action = ACTION.search(page.text)
        assert action is not None, page.text
        target = page.url.join(unescape(action[1]))
        page = await browser.post(target, data=form)
        action = ACTION.search(page.text)
        assert action is not None, page.text
        return unescape(action[1]), _fields(page.text)


def _fields(page: str) -> dict[str, str]:
    return {name: unescape(value) for name, value in FIELD.findall(page)}


async def sign_in(service: Service) -> httpx.Response:
    begun = await service.client.get("/saml/sso/login", params={"returnTo": "/reports"})
    assert begun.status_code == 302
    target, form = await through_the_provider(begun.headers["location"])
    assert target == f"{PUBLIC}/saml/sso/acs"
    headers = {"origin": "http://127.0.0.1", "sec-fetch-site": "cross-site"}
    return await service.client.post(urlsplit(target).path, data=form, headers=headers)


@pytest.mark.parametrize("what", ["response", "assertion", "both"])
async def test_a_user_signs_in(service: Service, identity_provider: Callable[..., Any], what: str) -> None:
    await identity_provider(sign_response=what != "assertion", sign_assertion=what != "response")
    await saml_user(service, "normal", name_id=USER)
    answer = await sign_in(service)
    assert (answer.status_code, answer.headers["location"]) == (303, "/reports"), answer.text
    query = {"query": "{ me { username } }"}
    told = await service.client.post("/graphql", json=query, headers={"sec-fetch-site": "same-origin"})
    assert told.json()["data"] == {"me": {"username": "normal"}}


async def test_a_signed_request(service: Service, identity_provider: Callable[..., Any]) -> None:
    """The identity provider refuses requests that are not signed by the certificate of our metadata."""
    key, certificate = pair("own")
    own = {"signingKey": key, "signingCertificate": certificate}
    running = await identity_provider(own, validate=True)
    await saml_user(service, "normal", name_id=USER)
    assert (await sign_in(service)).status_code == 303
    # Without the key, the request has no signature: proof that the provider looks at it.
    given = {"id": "provider_4", "saml": {"metadata": running.metadata, "signingCertificate": None}}
    assert (await change(service, "updateIdentityProvider", given))["errors"] == []
    begun = await service.client.get("/saml/sso/login")
    async with httpx.AsyncClient(follow_redirects=True, timeout=30) as browser:
        page = await browser.get(begun.headers["location"])
    assert 'name="username"' not in page.text
    assert "no signature" in page.text, page.text


async def test_somebody_unknown_here(service: Service, identity_provider: Callable[..., Any]) -> None:
    await identity_provider()
    answer = await sign_in(service)
    assert answer.status_code == 403
    assert "You are known to the identity provider, but may not sign in here." in answer.text
    assert await service.rows("SELECT id FROM sessions") == []
