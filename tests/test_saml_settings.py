"""Settings of SAML providers: metadata read, everything checked, the key sealed and never read back."""

from datetime import timedelta
from typing import Any

import pytest
from lxml import etree

from resolvers.connectors.saml_metadata import described
from resolvers.connectors.saml_xml import MOST_DEPTH, SamlFault, parse
from resolvers.saml_settings import SECOND_FACTOR, check, checked, server
from tests.calls import change
from tests.saml_responses import ENTITY, SSO_URL, Idp, pair
from tests.service import Service
from tests.simplesamlphp import key_and_certificate

SETTINGS = (
    "identityProvider { samlSettings { entityId ssoUrl certificates nameIdFormat nameIdMatches secondFactorContexts"
    " clockSkewSeconds signingCertificate } }"
)
NAMES = 'xmlns:md="urn:oasis:names:tc:SAML:2.0:metadata" xmlns:ds="http://www.w3.org/2000/09/xmldsig#"'


def bare(certificate: str) -> str:
    return "".join(certificate.splitlines()[1:-1])


def metadata(entity: str = ENTITY, url: str = SSO_URL, certificates: tuple[str, ...] = (), binding: str = "") -> str:
    """What an identity provider publishes about itself, another binding and a key for encryption included."""
    keys = "".join(
        f"<md:KeyDescriptor{use}><ds:KeyInfo><ds:X509Data><ds:X509Certificate>\n{bare(each)}\n</ds:X509Certificate>"
        "</ds:X509Data></ds:KeyInfo></md:KeyDescriptor>"
        for each, use in [(each, ' use="signing"') for each in certificates] + [(pair("other")[1], ' use="encryption"')]
    )
    bindings = "urn:oasis:names:tc:SAML:2.0:bindings"
    return (
        f'<md:EntityDescriptor {NAMES} entityID="{entity}"><md:IDPSSODescriptor'
        f' protocolSupportEnumeration="urn:oasis:names:tc:SAML:2.0:protocol">{keys}'
        f'<md:SingleSignOnService Binding="{bindings}:HTTP-POST" Location="https://idp.example.com/post"/>'
        f'<md:SingleSignOnService Binding="{binding or bindings + ":HTTP-Redirect"}" Location="{url}"/>'
        "</md:IDPSSODescriptor></md:EntityDescriptor>"
    )


async def update(service: Service, saml: Any, who: str = "admin") -> dict[str, Any]:
    return await change(service, "updateIdentityProvider", {"id": "provider_4", "saml": saml}, who=who, more=SETTINGS)


async def test_settings_are_read_back_without_secrets(service: Service) -> None:
    key, certificate = pair("own")
    given = Idp().settings(signingKey=key, signingCertificate=certificate, nameIdMatches="EMAIL", clockSkewSeconds=10)
    payload = await update(service, given)
    assert payload["errors"] == []
    assert payload["identityProvider"]["samlSettings"] == {
        "entityId": ENTITY,
        "ssoUrl": SSO_URL,
        "certificates": [pair("idp")[1]],
        "nameIdFormat": "UNSPECIFIED",
        "nameIdMatches": "EMAIL",
        "secondFactorContexts": list(SECOND_FACTOR),
        "clockSkewSeconds": 10,
        "signingCertificate": certificate,
    }
    everything = str(await service.rows("SELECT * FROM identity_providers"))
    everything += str(await service.rows("SELECT * FROM audit_events"))
    assert bare(key)[100:200] not in everything.replace("\\n", "")


async def test_metadata_instead_of_each(service: Service) -> None:
    certificates = (pair("idp")[1], pair("next")[1])
    payload = await update(service, {"metadata": metadata(certificates=certificates)})
    assert payload["errors"] == []
    settings = payload["identityProvider"]["samlSettings"]
    assert (settings["entityId"], settings["ssoUrl"]) == (ENTITY, SSO_URL)
    assert settings["certificates"] == list(certificates)


def test_metadata_of_several() -> None:
    other = metadata("https://other.example", certificates=(pair("other")[1],))
    text = f"<md:EntitiesDescriptor {NAMES}>{metadata(certificates=(pair('idp')[1],))}{other}</md:EntitiesDescriptor>"
    found = described(text, "https://other.example")
    assert (found.entity_id, found.certificates) == ("https://other.example", (pair("other")[1],))
    with pytest.raises(SamlFault, match="describes 2 identity providers"):
        described(text)
    with pytest.raises(SamlFault, match="describes 0 identity providers"):
        described(text, "https://third.example")


ENTITY_BOMB = '<!DOCTYPE x [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;&a;&a;">]>'


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "not well-formed"),
        ("not XML", "not well-formed"),
        (f"{ENTITY_BOMB}{metadata()}", "declares a document type"),
        (f'<!DOCTYPE x [<!ENTITY e SYSTEM "file:///etc/passwd">]>{metadata("&e;")}', "declares a document type"),
        (f'<!DOCTYPE x SYSTEM "http://127.0.0.1:1/x.dtd">{metadata()}', "declares a document type"),
        ("<a>" * (MOST_DEPTH + 1) + "</a>" * (MOST_DEPTH + 1), "nested too deeply"),
        (metadata(binding="urn:oasis:names:tc:SAML:2.0:bindings:SOAP"), "HTTP-Redirect"),
        (metadata().replace("IDPSSODescriptor", "SPSSODescriptor"), "describes 0"),
        (" " * 2_000_001, "more than 2000000 bytes"),
        (metadata(certificates=("\nAAAA\n",)), "not an X.509 certificate"),
        ("<a>\ud800</a>", "not in UTF-8"),
    ],
)
def test_metadata_that_is_not_taken(text: str, says: str) -> None:
    with pytest.raises(SamlFault, match=says):
        described(text)


def wrong(**given: Any) -> dict[str, Any]:
    return {**Idp().settings(), **given}


WEAK = key_and_certificate("weak", bits=1024)[1]
REFUSED = [
    ({"metadata": "x"}, "INVALID", "metadata"),
    (wrong(entityId=" "), "REQUIRED", "entityId"),
    (wrong(entityId="a\nb"), "INVALID", "entityId"),
    (wrong(ssoUrl=None), "REQUIRED", "ssoUrl"),
    (wrong(ssoUrl="http://idp.example.com/sso"), "INVALID", "ssoUrl"),
    (wrong(ssoUrl="javascript:alert(1)"), "INVALID", "ssoUrl"),
    (wrong(ssoUrl="https://u:p@idp.example.com/"), "INVALID", "ssoUrl"),
    (wrong(ssoUrl="https://[x"), "INVALID", "ssoUrl"),
    (wrong(certificates=[]), "REQUIRED", "certificates"),
    (wrong(certificates=["MIIC"]), "INVALID", "certificates 0"),
    (wrong(certificates=[WEAK]), "INVALID", "certificates 0"),
    (wrong(certificates=[pair("own")[0]]), "INVALID", "certificates 0"),
    (wrong(certificates=[pair("idp")[1]] * 11), "INVALID", "certificates"),
    (wrong(clockSkewSeconds=301), "INVALID", "clockSkewSeconds"),
    (wrong(clockSkewSeconds=-1), "INVALID", "clockSkewSeconds"),
    (wrong(secondFactorContexts=["x"] * 21), "INVALID", "secondFactorContexts"),
    (wrong(signingCertificate=pair("own")[1]), "REQUIRED", "signingKey"),
    (wrong(signingKey=pair("own")[0]), "REQUIRED", "signingCertificate"),
    (wrong(signingKey=pair("idp")[0], signingCertificate=pair("own")[1]), "INVALID", "signingKey"),
    (wrong(signingKey="not a key", signingCertificate=pair("own")[1]), "INVALID", "signingKey"),
]


async def test_settings_that_are_refused(service: Service) -> None:
    before = await service.snapshot()
    for given, code, place in REFUSED:
        payload = await update(service, given)
        told = [(error["code"], " ".join(error["path"])) for error in payload["errors"]]
        assert told == [(code, f"saml {place}")], (given, payload["errors"])
        assert "PRIVATE" not in str(payload)
    assert await service.snapshot() == before


def test_what_the_check_says() -> None:
    """Expired certificates still verify, because they are pinned; the check tells of them."""
    key, own = pair("own")
    given = {"entity_id": ENTITY, "sso_url": SSO_URL, "certificates": [pair("expired")[1], pair("idp")[1]]}
    settings, secrets = checked({**given, "signing_certificate": own, "signing_key": key})
    assert secrets == {"signingKey": key}
    steps = check(settings)
    assert [(step.name, step.is_ok) for step in steps] == [
        ("certificate 1", False),
        ("certificate 2", True),
        ("signing certificate", True),
    ]
    assert "Expired on" in steps[0].message
    made = server(settings, secrets)
    assert made.skew == timedelta(seconds=60)
    assert key not in repr(made)


async def test_what_is_absent_stays(service: Service) -> None:
    key, certificate = pair("own")
    full = Idp().settings(signingKey=key, signingCertificate=certificate, nameIdMatches="EMAIL", clockSkewSeconds=10)
    assert (await update(service, full))["errors"] == []
    payload = await update(service, {"nameIdMatches": None, "certificates": [pair("next")[1]]})
    settings = payload["identityProvider"]["samlSettings"]
    assert settings["certificates"] == [pair("next")[1]]
    kept = ("nameIdMatches", "clockSkewSeconds", "signingCertificate", "entityId")
    assert [settings[name] for name in kept] == ["NONE", 10, certificate, ENTITY]
    # The key that is kept does not belong to another certificate.
    payload = await update(service, {"signingCertificate": pair("next")[1]})
    assert [(error["code"], error["path"]) for error in payload["errors"]] == [("INVALID", ["saml", "signingKey"])]
    assert await service.scalar("SELECT secrets FROM identity_providers WHERE id = 4") is not None
    # New metadata brings its own certificates; the rest stays.
    payload = await update(service, {"metadata": metadata(certificates=(pair("idp")[1],)), "signingCertificate": None})
    settings = payload["identityProvider"]["samlSettings"]
    assert settings["certificates"] == [pair("idp")[1]]
    assert [settings[name] for name in kept] == ["NONE", 10, None, ENTITY]
    assert await service.scalar("SELECT secrets FROM identity_providers WHERE id = 4") is None


def test_a_document_that_is_all_right_is_left_as_it_is() -> None:
    """The parser neither drops comments nor fetches anything: what is verified is what was sent."""
    assert etree.tostring(parse(b"<a><!-- x --><b>1</b></a>")) == b"<a><!-- x --><b>1</b></a>"
