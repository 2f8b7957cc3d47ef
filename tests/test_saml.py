"""Signing in by SAML: the request, the response, the session, and what a browser is sent where."""

import base64
import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from cryptography.x509 import load_pem_x509_certificate

from models.values import now
from resolvers.connectors.saml_xml import NAMES, parse
from tests.saml_responses import PUBLIC, SSO_URL, Idp, begin, pair, post, request_in, saml_user, stored, text_of
from tests.service import Service, changed


async def me(service: Service) -> str | None:
    """Who the browser's session belongs to."""
    query = {"query": "{ me { username } }"}
    answer = (await service.client.post("/graphql", json=query, headers={"sec-fetch-site": "same-origin"})).json()
    found: str | None = answer.get("data") and answer["data"]["me"] and answer["data"]["me"]["username"]
    return found


async def test_a_login_asks_the_identity_provider(service: Service) -> None:
    await Idp().configure(service)
    answer = await service.client.get("/saml/sso/login", headers={"host": "evil.example"})
    assert (answer.status_code, answer.headers["cache-control"]) == (302, "no-store")
    address = answer.headers["location"]
    assert address.startswith(f"{SSO_URL}?SAMLRequest=")
    assert set(parse_qs(urlsplit(address).query)) == {"SAMLRequest"}
    request = request_in(address)
    assert request.get("AssertionConsumerServiceURL") == f"{PUBLIC}/saml/sso/acs"
    assert request.get("Destination") == SSO_URL
    assert request.findtext("saml:Issuer", namespaces=NAMES) == f"{PUBLIC}/saml/sso/metadata"
    assert re.fullmatch(r"usergraph_saml=[\w-]{43}; HttpOnly; Max-Age=900; Path=/", answer.headers["set-cookie"])
    rows = await service.rows("SELECT provider_id, user_id, purpose, return_to, used_at FROM saml_requests")
    assert rows == [(4, None, "SIGN_IN", "/", None)]
    assert str(request.get("ID")) not in str(await service.rows("SELECT * FROM saml_requests"))


async def test_requests_differ(service: Service) -> None:
    await Idp().configure(service)
    assert await begin(service) != await begin(service)


async def test_a_request_is_signed_by_an_elliptic_curve(service: Service) -> None:
    key, certificate = pair("curve")
    await Idp().configure(service, signingKey=key, signingCertificate=certificate)
    address = (await service.client.get("/saml/sso/login")).headers["location"]
    query, _, signature = urlsplit(address).query.partition("&Signature=")
    assert parse_qs(query)["SigAlg"] == ["http://www.w3.org/2001/04/xmldsig-more#ecdsa-sha256"]
    public = load_pem_x509_certificate(certificate.encode()).public_key()
    assert isinstance(public, ec.EllipticCurvePublicKey)
    # XML signatures write the two numbers one behind the other.
    raw = base64.b64decode(unquote(signature))
    encoded = encode_dss_signature(int.from_bytes(raw[:32]), int.from_bytes(raw[32:]))
    public.verify(encoded, query.encode(), ec.ECDSA(hashes.SHA256()))


async def test_a_request_is_signed_where_there_is_a_key(service: Service) -> None:
    key, certificate = pair("own")
    await Idp().configure(service, signingKey=key, signingCertificate=certificate)
    address = (await service.client.get("/saml/sso/login")).headers["location"]
    query, _, signature = urlsplit(address).query.partition("&Signature=")
    assert [pair.split("=")[0] for pair in query.split("&")] == ["SAMLRequest", "SigAlg"]
    public = load_pem_x509_certificate(certificate.encode()).public_key()
    assert isinstance(public, rsa.RSAPublicKey)
    public.verify(base64.b64decode(unquote(signature)), query.encode(), padding.PKCS1v15(), hashes.SHA256())
    assert key not in str(await service.rows("SELECT * FROM identity_providers"))
    assert "PRIVATE" not in str(await service.rows("SELECT changes FROM audit_events"))


@pytest.mark.parametrize("sign", ["assertion", "response", "both"])
async def test_a_response_opens_a_session(service: Service, sign: str) -> None:
    idp = Idp()
    await idp.configure(service)
    user = await saml_user(service, "normal", name_id="ada")
    request = await begin(service, return_to="/reports?page=2")
    answer = await post(service, idp.response(request, sign=sign), RelayState="https://evil.example/")
    assert (answer.status_code, answer.headers["location"]) == (303, "/reports?page=2"), answer.text
    cookie = answer.headers["set-cookie"]
    assert re.fullmatch(r"usergraph_session=ugs_[\w-]{43}; HttpOnly; Max-Age=\d+; Path=/; SameSite=lax", cookie)
    assert await me(service) == "normal"
    assert await changed(service, f"user_{user}") == ["SIGNED_IN"]
    assert await service.scalar("SELECT last_login_at FROM users WHERE id = $1", user) is not None
    assert len(await service.rows("SELECT id FROM sessions WHERE user_id = $1 AND ended_at IS NULL", user)) == 1
    assert await service.scalar("SELECT used_at FROM saml_requests") is not None
    assert len(await service.rows("SELECT id FROM saml_assertions")) == 1


@pytest.mark.parametrize("key", ["next", "curve", "expired"])
async def test_certificates_take_over_from_each_other(service: Service, key: str) -> None:
    """A response is good by any of them: the next one, one of an elliptic curve, one that is past its time (pinned)."""
    idp = Idp()
    await idp.configure(service, certificates=[idp.certificate, pair(key)[1]])
    await saml_user(service, "normal", name_id="ada")
    for name in (key, "idp"):
        assert (await post(service, idp.response(await begin(service), sign="both", key=name))).status_code == 303


async def test_cookies_over_https(service_with: Callable[..., Any]) -> None:
    async with service_with(public_url="https://users.example.com") as service:
        idp = Idp()
        await idp.configure(service)
        await saml_user(service, "normal", name_id="ada")
        begun = await service.client.get("/saml/sso/login")
        assert begun.headers["set-cookie"].startswith("__Host-")
        assert begun.headers["set-cookie"].endswith("HttpOnly; Max-Age=900; Path=/; SameSite=none; Secure")
        base = "https://users.example.com/saml/sso"
        ours = {"destination": f"{base}/acs", "recipient": f"{base}/acs", "audience": f"{base}/metadata"}
        response = idp.response(str(request_in(begun.headers["location"]).get("ID")), **ours)
        browser = begun.headers["set-cookie"].split(";")[0]
        answer = await service.client.post(
            "/saml/sso/acs", data={"SAMLResponse": response}, headers={"cookie": browser}
        )
        assert answer.status_code == 303, answer.text
        assert answer.headers["set-cookie"].startswith("__Host-usergraph_session=ugs_")
        assert answer.headers["set-cookie"].endswith("Path=/; SameSite=lax; Secure")


ELSEWHERE = (
    "https://evil.example/",
    "//evil.example/",
    "/\\evil.example/",
    "\\\\evil.example",
    "/a\\b",
    "/\t/evil.example",
    "/%0d%0aSet-Cookie:x".replace("%0d%0a", "\r\n"),
    "javascript:alert(1)",
    "evil.example",
    "",
    "/" + "x" * 2_000,
    "/ü",
)


async def test_a_sign_in_never_leads_to_another_site(service: Service) -> None:
    idp = Idp()
    await idp.configure(service)
    await saml_user(service, "normal", name_id="ada")
    for target in ELSEWHERE:
        request = await begin(service, return_to=target)
        answer = await post(service, idp.response(request))
        assert (answer.status_code, answer.headers["location"]) == (303, "/"), target


async def test_a_session_ends_with_the_one_at_the_identity_provider(service: Service) -> None:
    idp = Idp()
    await idp.configure(service)
    await saml_user(service, "normal", name_id="ada")
    until = text_of(datetime.now(UTC) + timedelta(minutes=10))
    answer = await post(service, idp.response(await begin(service), session=f' SessionNotOnOrAfter="{until}"'))
    assert answer.status_code == 303
    ends = await service.scalar("SELECT expires_at FROM sessions")
    ends = ends if isinstance(ends, datetime) else datetime.fromisoformat(ends)
    assert timedelta(minutes=9) < ends - now() <= timedelta(minutes=10)


async def test_our_metadata(service: Service) -> None:
    key, certificate = pair("own")
    await Idp().configure(service, signingKey=key, signingCertificate=certificate, nameIdFormat="PERSISTENT")
    answer = await service.client.get("/saml/sso/metadata")
    assert answer.headers["content-type"] == "application/samlmetadata+xml"
    root = parse(answer.content)
    assert root.get("entityID") == f"{PUBLIC}/saml/sso/metadata"
    role = root.find("md:SPSSODescriptor", NAMES)
    assert role is not None
    assert (role.get("AuthnRequestsSigned"), role.get("WantAssertionsSigned")) == ("true", "true")
    assert role.findtext("md:NameIDFormat", namespaces=NAMES) == "urn:oasis:names:tc:SAML:2.0:nameid-format:persistent"
    service_at = role.find("md:AssertionConsumerService", NAMES)
    assert service_at is not None
    assert service_at.get("Location") == f"{PUBLIC}/saml/sso/acs"
    text = role.findtext("md:KeyDescriptor/ds:KeyInfo/ds:X509Data/ds:X509Certificate", namespaces=NAMES)
    assert text == "".join(certificate.splitlines()[1:-1])


@pytest.mark.parametrize("prefix", ["sso", "ldap1", "local", "nothing"])
async def test_there_is_nothing_where_no_saml_provider_is_configured(service: Service, prefix: str) -> None:
    for page in ("login", "metadata") if prefix != "sso" else ("login",):
        answer = await service.client.get(f"/saml/{prefix}/{page}")
        assert answer.status_code == 404
        assert "There is no sign-in by SAML at this address." in answer.text
    assert (await post(service, "x", prefix)).status_code == 404
    assert await service.rows("SELECT id FROM saml_requests") == []


async def test_a_provider_that_is_switched_off(service: Service) -> None:
    await Idp().configure(service)
    await service.write("UPDATE identity_providers SET is_enabled = false WHERE id = 4")
    assert (await service.client.get("/saml/sso/login")).status_code == 404


async def test_a_provider_switched_off_in_mid_flow(service: Service) -> None:
    idp = Idp()
    await idp.configure(service)
    await saml_user(service, "normal", name_id="ada")
    response = idp.response(await begin(service))
    await service.write("UPDATE identity_providers SET is_enabled = false WHERE id = 4")
    before = await stored(service)
    assert (await post(service, response)).status_code == 404
    assert await stored(service) == before


async def test_old_rows_go_in_passing(service: Service) -> None:
    idp = Idp()
    await idp.configure(service)
    await saml_user(service, "normal", name_id="ada")
    assert (await post(service, idp.response(await begin(service)))).status_code == 303
    past = now() - timedelta(hours=1)
    await service.write("UPDATE saml_requests SET expires_at = $1", past)
    await service.write("UPDATE saml_assertions SET expires_at = $1", past)
    assert (await post(service, idp.response(await begin(service)))).status_code == 303
    assert len(await service.rows("SELECT id FROM saml_requests")) == 1
    assert len(await service.rows("SELECT id FROM saml_assertions")) == 1
