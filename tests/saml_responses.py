"""A SAML identity provider that tests make responses with: right ones, and every kind of wrong one."""

import base64
import copy
import zlib
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
from lxml import etree
from lxml.etree import _Element as Element
from signxml import XMLSigner
from signxml.algorithms import CanonicalizationMethod, DigestAlgorithm, SignatureMethod

from resolvers.connectors.saml_xml import NAMES, SIGNATURE, tag
from tests.calls import change
from tests.service import Service
from tests.simplesamlphp import key_and_certificate

PUBLIC = "http://127.0.0.1:8000"
SSO_URL = "https://idp.example.com/sso"
ENTITY = "https://idp.example.com/metadata"
PASSWORD_CONTEXT = "urn:oasis:names:tc:SAML:2.0:ac:classes:PasswordProtectedTransport"
MFA_CONTEXT = "https://refeds.org/profile/mfa"

_TEMPLATE = """\
<samlp:Response xmlns:samlp="urn:oasis:names:tc:SAML:2.0:protocol" xmlns:saml="urn:oasis:names:tc:SAML:2.0:assertion"
 ID="_response{number}" Version="2.0" IssueInstant="{issued}" Destination="{destination}" InResponseTo="{request}">
<saml:Issuer>{issuer}</saml:Issuer>
<samlp:Status><samlp:StatusCode Value="urn:oasis:names:tc:SAML:2.0:status:{status}"/></samlp:Status>
<saml:Assertion ID="_assertion{number}" Version="2.0" IssueInstant="{issued}"><saml:Issuer>{issuer}</saml:Issuer>
<saml:Subject><saml:NameID Format="{format}">{name_id}</saml:NameID>
<saml:SubjectConfirmation Method="urn:oasis:names:tc:SAML:2.0:cm:{method}">
<saml:SubjectConfirmationData NotOnOrAfter="{until}" Recipient="{recipient}" InResponseTo="{request}"/>
</saml:SubjectConfirmation></saml:Subject>
<saml:Conditions NotBefore="{since}" NotOnOrAfter="{until}">
<saml:AudienceRestriction><saml:Audience>{audience}</saml:Audience></saml:AudienceRestriction></saml:Conditions>
<saml:AuthnStatement AuthnInstant="{issued}"{session}><saml:AuthnContext>
<saml:AuthnContextClassRef>{context}</saml:AuthnContextClassRef></saml:AuthnContext></saml:AuthnStatement>
<saml:AttributeStatement><saml:Attribute Name="mail"><saml:AttributeValue>admin@localhost</saml:AttributeValue>
</saml:Attribute></saml:AttributeStatement>
</saml:Assertion></samlp:Response>"""


class OldSigner(XMLSigner):  # type: ignore[misc]
    """Signs with sha1 too, as identity providers of ten years ago did."""

    def check_deprecated_methods(self) -> None:
        pass


@cache
def pair(name: str) -> tuple[str, str]:
    """A key and its certificate, made once a process; `curve` is an elliptic one, `expired` has expired."""
    return key_and_certificate(name, bits=0 if name == "curve" else 2048, days=-1 if name == "expired" else 30)


@dataclass
class Idp:
    """What an identity provider says, and with which key it signs."""

    name: str = "idp"
    entity_id: str = ENTITY
    prefix: str = "sso"
    provider: str = "provider_4"
    numbers: int = field(default=0)

    @property
    def certificate(self) -> str:
        return pair(self.name)[1]

    def settings(self, **more: Any) -> dict[str, Any]:
        return {"entityId": self.entity_id, "ssoUrl": SSO_URL, "certificates": [self.certificate], **more}

    async def configure(self, service: Service, **more: Any) -> None:
        given = {"id": self.provider, "saml": self.settings(**more)}
        assert (await change(service, "updateIdentityProvider", given))["errors"] == []

    def values(self, request: str, **altered: Any) -> dict[str, str]:
        self.numbers += 1
        moment = altered.pop("moment", datetime.now(UTC))
        base = f"{PUBLIC}/saml/{self.prefix}"
        values = {
            "number": f"{self.name}{self.numbers}",
            "issued": text_of(moment),
            "since": text_of(moment - timedelta(seconds=30)),
            "until": text_of(moment + timedelta(minutes=5)),
            "destination": f"{base}/acs",
            "recipient": f"{base}/acs",
            "audience": f"{base}/metadata",
            "request": request,
            "issuer": self.entity_id,
            "status": "Success",
            "method": "bearer",
            "format": "urn:oasis:names:tc:SAML:1.1:nameid-format:unspecified",
            "name_id": "ada",
            "context": PASSWORD_CONTEXT,
            "session": "",
        }
        return {**values, **altered}

    def response(
        self,
        request: str,
        *,
        sign: str = "assertion",
        key: str | None = None,
        sha1: bool = False,
        before: Callable[[Element], None] | None = None,
        after: Callable[[Element], Any] | None = None,
        **altered: Any,
    ) -> str:
        """A response in base64. `sign`: assertion, response, both or nothing; `before` and `after` signing it may be
        altered, where `after` can answer another root, or bytes."""
        root = etree.fromstring(_TEMPLATE.format(**self.values(request, **altered)))
        if before is not None:
            before(root)
        if sign in ("assertion", "both"):
            inner = root.find("saml:Assertion", NAMES)
            assert inner is not None
            root.replace(inner, signed(inner, key or self.name, sha1))
        if sign in ("response", "both"):
            root = signed(root, key or self.name, sha1)
        made = after(root) if after is not None else None
        sent = made if isinstance(made, bytes) else etree.tostring(root if made is None else made)
        return base64.b64encode(sent).decode()


def signed(element: Element, key: str, sha1: bool = False) -> Element:
    alone = etree.fromstring(etree.tostring(copy.deepcopy(element), with_tail=False))
    rsa = SignatureMethod.RSA_SHA1 if sha1 else SignatureMethod.RSA_SHA256
    signer = (OldSigner if sha1 else XMLSigner)(
        signature_algorithm=SignatureMethod.ECDSA_SHA256 if key == "curve" else rsa,
        digest_algorithm=DigestAlgorithm.SHA1 if sha1 else DigestAlgorithm.SHA256,
        c14n_algorithm=CanonicalizationMethod.EXCLUSIVE_XML_CANONICALIZATION_1_0,
    )
    private, certificate = pair(key)
    result = signer.sign(alone, key=private, cert=certificate, reference_uri=f"#{element.get('ID')}", id_attribute="ID")
    found: Element = result
    return found


def text_of(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def part(root: Element, name: str) -> Element:
    """The first element of a prefixed name, the root included."""
    prefix, _, local = name.partition(":")
    return next(root.iter(tag(prefix, local)))


def new_signature_holder() -> Element:
    return etree.Element(f"{{{SIGNATURE}}}Object")


def request_in(address: str) -> Element:
    """The AuthnRequest that an address of the binding HTTP-Redirect carries."""
    packed = parse_qs(urlsplit(address).query)["SAMLRequest"][0]
    return etree.fromstring(zlib.decompress(base64.b64decode(packed), wbits=-15))


async def begin(service: Service, prefix: str = "sso", return_to: str | None = None) -> str:
    """Go to the login page as a browser would; the id of the request that it makes."""
    params = {} if return_to is None else {"returnTo": return_to}
    answer = await service.client.get(f"/saml/{prefix}/login", params=params)
    assert answer.status_code == 302, answer.text
    return str(request_in(answer.headers["location"]).get("ID"))


async def begin_by_form(service: Service, form: dict[str, str], prefix: str = "sso") -> httpx.Response:
    """Send a form of one of our own pages."""
    headers = {"sec-fetch-site": "same-origin"}
    return await service.client.post(f"/saml/{prefix}/login", data=form, headers=headers)


async def post(service: Service, response: str, prefix: str = "sso", **more: str) -> httpx.Response:
    """Bring a response as the form of the identity provider's page does."""
    form = {"SAMLResponse": response, **more}
    headers = {"origin": "https://idp.example.com", "sec-fetch-site": "cross-site"}
    return await service.client.post(f"/saml/{prefix}/acs", data=form, headers=headers)


async def saml_user(service: Service, username: str, *, provider: int = 4, name_id: str | None = None) -> int:
    """Make a member of the cast a user of a SAML provider behind the service's back."""
    await service.write(
        f"UPDATE users SET provider_id = {provider}, name_id = $1, password_hash = NULL WHERE username_key = $2",
        name_id,
        username,
    )
    return int(await service.scalar("SELECT id FROM users WHERE username_key = $1", username))


async def stored(service: Service) -> dict[str, Any]:
    """What a refused response must leave as it was."""
    return {
        "sessions": await service.rows("SELECT * FROM sessions ORDER BY id"),
        "name ids": await service.rows("SELECT id, provider_id, name_id, state, version FROM users ORDER BY id"),
        "assertions": await service.rows("SELECT * FROM saml_assertions ORDER BY id"),
        "requests": await service.rows("SELECT id, used_at FROM saml_requests ORDER BY id"),
        "events": await service.rows("SELECT id FROM audit_events ORDER BY id"),
    }
