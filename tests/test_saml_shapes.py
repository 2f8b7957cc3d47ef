"""Responses of unusual but right shapes, those whose shape is wrong, and our metadata before a provider's are known."""

import copy
import logging
from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Any

import pytest
from lxml import etree
from lxml.etree import _Element as Element

from resolvers.connectors.saml_xml import NAMES, SIGNATURE
from tests.calls import change
from tests.saml_responses import PUBLIC, Idp, begin, pair, part, post, saml_user, stored
from tests.service import Service
from tests.xmlsec import sign_in_place

HOLDER = "urn:oasis:names:tc:SAML:2.0:cm:holder-of-key"
VOUCHES = "urn:oasis:names:tc:SAML:2.0:cm:sender-vouches"
PAST = "2020-01-01T00:00:00Z"
# Beside the bearer of ours: what an assertion for several ways or several recipients has.
OTHERS: dict[str, dict[str, str | None]] = {
    "holder of key": {"Method": HOLDER},
    "sender vouches, without data": {"Method": VOUCHES, "data": None},
    "bearer for another service": {"Recipient": "https://other.example/acs"},
    "bearer that has expired": {"NotOnOrAfter": PAST},
    "bearer of another request": {"InResponseTo": "_other"},
    "bearer of no request": {"InResponseTo": None},
    "bearer without an end": {"NotOnOrAfter": None},
}


def confirmation(root: Element, altered: dict[str, str | None]) -> Element:
    """The confirmation of the response once more, altered."""
    made = copy.deepcopy(part(root, "saml:SubjectConfirmation"))
    data = part(made, "saml:SubjectConfirmationData")
    for name, value in altered.items():
        if name == "data":
            made.remove(data)
        elif name == "Method":
            made.set(name, value or "")
        elif value is None:
            del data.attrib[name]
        else:
            data.set(name, value)
    return made


def confirmed_by(*others: dict[str, str | None], is_last: bool) -> Callable[[Element], None]:
    """More confirmations, before or behind the right one."""

    def alter(root: Element) -> None:
        right = part(root, "saml:SubjectConfirmation")
        for each in [confirmation(root, other) for other in others]:
            right.addprevious(each) if is_last else right.addnext(each)

    return alter


async def signed_in(service: Service, idp: Idp, **more: Any) -> Any:
    return await post(service, idp.response(await begin(service), **more))


@pytest.fixture
async def idp(service: Service) -> Idp:
    made = Idp()
    await made.configure(service)
    await saml_user(service, "normal", name_id="ada")
    return made


async def test_one_confirmation_that_fits_is_enough(service: Service, idp: Idp) -> None:
    for is_last in (True, False):
        for name, other in OTHERS.items():
            answer = await signed_in(service, idp, before=confirmed_by(other, is_last=is_last))
            assert answer.status_code == 303, f"{name}: {answer.text}"
        answer = await signed_in(service, idp, before=confirmed_by(*OTHERS.values(), is_last=is_last))
        assert answer.status_code == 303


def only_wrong(others: Sequence[dict[str, str | None]]) -> Callable[[Element], None]:
    def alter(root: Element) -> None:
        confirmed_by(*others, is_last=True)(root)
        subject = part(root, "saml:Subject")
        subject.remove(subject.findall("saml:SubjectConfirmation", NAMES)[-1])

    return alter


async def test_confirmations_that_fit_only_together_do_not_fit(
    service: Service, idp: Idp, caplog: pytest.LogCaptureFixture
) -> None:
    wrong = list(OTHERS.values())
    cases = [(wrong, "None of 7 confirmations of the subject fits"), ([], "how its subject is confirmed")]
    cases += [([one, other], "None of 2 confirmations") for one, other in pairwise(wrong)]
    for others, says in cases:
        response = idp.response(await begin(service), before=only_wrong(others))
        before = await stored(service)
        caplog.clear()
        with caplog.at_level(logging.WARNING, "usergraph.saml"):
            answer = await post(service, response)
        assert (answer.status_code, says in caplog.text) == (400, True), caplog.text
        assert await stored(service) == before


PREFIXES: list[list[str] | None] = [None, ["saml"], ["#default", "saml", "samlp", "xs"], [], ["saml", "", "samlp"]]


@pytest.mark.parametrize("where", ["saml:Assertion", "samlp:Response"])
@pytest.mark.parametrize("method", PREFIXES)
async def test_inclusive_namespaces_of_a_signature_are_taken(
    service: Service, idp: Idp, where: str, method: list[str] | None
) -> None:
    """As xmlsec1 signs: in the canonicalization of what is signed, of the signature itself, or of both."""
    for transform in PREFIXES:
        answer = await signed_in(service, idp, sign="nothing", after=xmlsec(where, method, transform))
        assert answer.status_code == 303, (transform, answer.text)


def xmlsec(where: str, method: list[str] | None, transform: list[str] | None = None) -> Callable[[Element], bytes]:
    return lambda root: sign_in_place(part(root, where), pair("idp")[0], method=method, transform=transform)


def then(first: Callable[[Element], bytes], alter: Callable[[Element], None]) -> Callable[[Element], bytes]:
    def both(root: Element) -> bytes:
        made = etree.fromstring(first(root))
        alter(made)
        return etree.tostring(made)

    return both


def in_signature(name: str, where: str = "ds:Signature") -> Callable[[Element], None]:
    return lambda root: part(root, where).append(etree.Element(f"{{{SIGNATURE}}}{name}"))


def prefixes_changed(root: Element) -> None:
    part(root, "ds:CanonicalizationMethod")[0].set("PrefixList", "samlp")


async def test_a_wrong_shape_and_a_wrong_signature_are_told_apart(
    service: Service, idp: Idp, caplog: pytest.LogCaptureFixture
) -> None:
    shape, wrong = "not built as XML Signature says", "The signature is not right"
    cases: list[tuple[Callable[[Element], None], str]] = [
        (in_signature("Unknown"), shape),
        (in_signature("Unknown", "ds:CanonicalizationMethod"), shape),
        (in_signature("SignatureValue"), shape),
        (lambda root: part(root, "saml:NameID").set("Format", "x"), wrong),
        (prefixes_changed, wrong),
    ]
    for after, says in cases:
        signed = then(xmlsec("saml:Assertion", ["saml"]), after)
        response = idp.response(await begin(service), sign="nothing", after=signed)
        before = await stored(service)
        caplog.clear()
        with caplog.at_level(logging.WARNING, "usergraph.saml"):
            answer = await post(service, response)
        assert (answer.status_code, says in caplog.text) == (400, True), caplog.text
        assert await stored(service) == before


async def test_our_metadata_are_there_before_the_provider_s(service: Service) -> None:
    """Also while the provider is switched off; what is no SAML provider has none, and nobody signs in yet."""
    given = {"name": "New", "prefix": "new", "kind": "SAML", "isEnabled": False}
    assert (await change(service, "createIdentityProvider", given))["errors"] == []
    for prefix in ("new", "sso"):
        answer = await service.client.get(f"/saml/{prefix}/metadata")
        assert (answer.status_code, answer.headers["content-type"]) == (200, "application/samlmetadata+xml")
        root = etree.fromstring(answer.content)
        base = f"{PUBLIC}/saml/{prefix}"
        assert root.get("entityID") == f"{base}/metadata"
        assert part(root, "md:AssertionConsumerService").get("Location") == f"{base}/acs"
        assert root.findall(".//md:KeyDescriptor", NAMES) == []
        assert (await service.client.get(f"/saml/{prefix}/login")).status_code == 404
    idp = Idp()
    await idp.configure(service, nameIdFormat="PERSISTENT")
    root = etree.fromstring((await service.client.get("/saml/sso/metadata")).content)
    assert part(root, "md:NameIDFormat").text == "urn:oasis:names:tc:SAML:2.0:nameid-format:persistent"
