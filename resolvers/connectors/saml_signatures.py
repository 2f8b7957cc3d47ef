"""Signatures of SAML responses: which there may be, and what one of them covers."""

from collections.abc import Sequence
from copy import deepcopy
from dataclasses import replace

from cryptography.exceptions import InvalidSignature
from lxml.etree import DocumentInvalid, LxmlError
from lxml.etree import _Element as Element
from signxml.algorithms import DigestAlgorithm, SignatureMethod
from signxml.exceptions import SignXMLException
from signxml.verifier import SignatureConfiguration, XMLVerifier

from resolvers.connectors.saml_metadata import certificate
from resolvers.connectors.saml_xml import NAMES, SIGNATURE, SamlFault, only, parser, tag

EXCLUSIVE = "http://www.w3.org/2001/10/xml-exc-c14n#"
ENVELOPED = f"{SIGNATURE}enveloped-signature"
INCLUSIVE_NAMESPACES = f"{{{EXCLUSIVE}}}InclusiveNamespaces"
BADLY_BUILT = "A signature is not built as XML Signature says, so it was not verified."
# No sha1, no HMAC (its key would be one that the other side knows too), no DSA.
METHODS = frozenset(
    {
        SignatureMethod.RSA_SHA256,
        SignatureMethod.RSA_SHA384,
        SignatureMethod.RSA_SHA512,
        SignatureMethod.ECDSA_SHA256,
        SignatureMethod.ECDSA_SHA384,
        SignatureMethod.ECDSA_SHA512,
        SignatureMethod.SHA256_RSA_MGF1,
        SignatureMethod.SHA384_RSA_MGF1,
        SignatureMethod.SHA512_RSA_MGF1,
    }
)
DIGESTS = frozenset({DigestAlgorithm.SHA256, DigestAlgorithm.SHA384, DigestAlgorithm.SHA512})
METHOD_NAMES = frozenset(method.value for method in METHODS)
DIGEST_NAMES = frozenset(digest.value for digest in DIGESTS)
CONFIGURATION = SignatureConfiguration(signature_methods=METHODS, digest_algorithms=DIGESTS, expect_references=1)


class _Verifier(XMLVerifier):
    """Tells a signature of a wrong shape from a wrong signature.

    The schema of XML Signature knows no namespace but its own below CanonicalizationMethod, where exclusive
    canonicalization has its InclusiveNamespaces (its section 4): those are left out for the schema, and for it alone.
    """

    def validate_schema(self, signature: Element) -> None:
        checked = deepcopy(signature)
        for method in checked.iter(tag("ds", "CanonicalizationMethod")):
            for parameter in method.findall(INCLUSIVE_NAMESPACES):
                method.remove(parameter)
        try:
            super().validate_schema(checked)  # type: ignore[no-untyped-call]
        except DocumentInvalid as error:
            raise SamlFault(BADLY_BUILT) from error


def signed_assertion(root: Element, certificates: Sequence[str]) -> tuple[Element, Element | None]:
    """The assertion as the signature covers it, parsed anew from the bytes that were signed; and the response likewise,
    where it is what was signed.

    Everything about shape comes first: there is one response, one assertion, directly in it, no id twice, and no
    signature anywhere but directly in the two. Raises SamlFault.
    """
    inner = _shaped(root)
    signatures = list(root.iter(tag("ds", "Signature")))
    if not signatures:
        raise SamlFault("Neither the response nor the assertion is signed.")
    places = {root: "./", inner: f"./{tag('saml', 'Assertion')}/"}
    for signature in signatures:
        parent = signature.getparent()
        if parent is None or parent not in places or len(parent.findall("ds:Signature", NAMES)) != 1:
            raise SamlFault("A signature stands where none may be.")
        _refuse_unusual(signature, parent.get("ID") or "")
    covered = {each.getparent(): _verified(root, places[_parent(each)], certificates) for each in signatures}
    if root in covered:
        return only(_of_kind(covered[root], root), "./saml:Assertion"), covered[root]
    return _of_kind(covered[inner], inner), None


def _parent(signature: Element) -> Element:
    found = signature.getparent()
    assert found is not None
    return found


def _shaped(root: Element) -> Element:
    if root.tag != tag("samlp", "Response"):
        raise SamlFault("This is not a SAML response.")
    if sum(1 for _ in root.iter(tag("samlp", "Response"))) != 1:
        raise SamlFault("There is a response within the response.")
    if any(True for _ in root.iter(tag("saml", "EncryptedAssertion"), tag("saml", "EncryptedID"))):
        raise SamlFault("The assertion is encrypted, which is not supported: turn encryption off for this service.")
    if sum(1 for _ in root.iter(tag("saml", "Assertion"))) != 1:
        raise SamlFault("There must be exactly one assertion.")
    ids = [value for each in root.iter("*") for name, value in each.attrib.items() if _is_id(str(name))]
    if len(ids) != len(set(ids)):
        raise SamlFault("An ID stands twice in the response.")
    return only(root, "./saml:Assertion")


def _is_id(name: str) -> bool:
    return name.rpartition("}")[2].lower() == "id"


def _refuse_unusual(signature: Element, own_id: str) -> None:
    """What SAML allows (core, 5.4) and nothing more: one reference, to the parent, with two known transforms."""
    if [each.tag for each in signature.iterchildren("*") if each.tag == tag("ds", "Object")]:
        raise SamlFault("A signature holds an object.")
    info = only(signature, "./ds:SignedInfo")
    reference = only(info, "./ds:Reference")
    if not own_id or reference.get("URI") != f"#{own_id}":
        raise SamlFault("A signature is about something else than what it stands in.")
    transforms = [each.get("Algorithm") for each in reference.findall("./ds:Transforms/ds:Transform", NAMES)]
    methods = {only(info, "./ds:CanonicalizationMethod").get("Algorithm"), *(set(transforms) - {ENVELOPED})}
    if len(transforms) != 2 or transforms[0] != ENVELOPED or methods - {EXCLUSIVE, f"{EXCLUSIVE}WithComments"}:
        raise SamlFault("A signature uses transforms that SAML does not know.")
    if only(info, "./ds:SignatureMethod").get("Algorithm") not in METHOD_NAMES:
        raise SamlFault("A signature uses an algorithm that is not taken. Use RSA or ECDSA with SHA-256 or stronger.")
    if only(reference, "./ds:DigestMethod").get("Algorithm") not in DIGEST_NAMES:
        raise SamlFault("A signature uses a digest that is not taken. Use SHA-256 or stronger.")


def _verified(root: Element, place: str, certificates: Sequence[str]) -> Element:
    """What the signature at `place` covers, by any of the certificates, each of them pinned: its end is not asked."""
    for text in certificates:
        pinned = certificate(text)
        known = replace(CONFIGURATION, location=place, verification_time=pinned.not_valid_before_utc)
        try:
            found = _Verifier().verify(root, x509_cert=pinned, expect_config=known, id_attribute="ID", parser=parser())
        except (SignXMLException, InvalidSignature, LxmlError, ValueError, TypeError, KeyError, NotImplementedError):
            continue
        result = found[0] if isinstance(found, list) else found
        if result.signed_xml is not None:
            return result.signed_xml
    raise SamlFault("The signature is not right, or not by any of the provider's certificates.")


def _of_kind(signed: Element, wanted: Element) -> Element:
    if signed.tag != wanted.tag or signed.get("ID") != wanted.get("ID"):
        raise SamlFault("A signature is about something else than what it stands in.")
    return signed
