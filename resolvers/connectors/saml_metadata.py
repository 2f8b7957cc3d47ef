"""Metadata of SAML: an identity provider's read, our own written."""

from collections.abc import Sequence
from dataclasses import dataclass

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding
from lxml import etree
from lxml.etree import _Element as Element

from resolvers.connectors.saml_xml import METADATA, NAMES, PROTOCOL, SIGNATURE, SamlFault, decoded, parse, tag

REDIRECT = "urn:oasis:names:tc:SAML:2.0:bindings:HTTP-Redirect"
POST = "urn:oasis:names:tc:SAML:2.0:bindings:HTTP-POST"
MOST_METADATA = 2_000_000
MOST_ELEMENTS = 50_000
FEWEST_BITS = 2048


@dataclass(frozen=True)
class Described:
    """An identity provider as its metadata describes it; certificates in PEM."""

    entity_id: str
    sso_url: str
    certificates: tuple[str, ...]


def described(text: str, entity_id: str | None = None) -> Described:
    """The identity provider of a metadata document; `entity_id` says which, where there are several.

    Raises SamlFault.
    """
    root = parse(text.encode("utf-8", "surrogatepass"), most_bytes=MOST_METADATA, most_elements=MOST_ELEMENTS)
    entities = [each for each in root.iter(tag("md", "EntityDescriptor")) if _role(each) is not None]
    if entity_id is not None:
        entities = [each for each in entities if each.get("entityID") == entity_id]
    if len(entities) != 1:
        raise SamlFault(
            f"The metadata describes {len(entities)} identity providers. Name one of those it describes by entityId."
        )
    role = _role(entities[0])
    assert role is not None
    certificates = tuple(dict.fromkeys(_certificates(role)))
    return Described(entities[0].get("entityID") or "", _sso_url(role), certificates)


def _role(entity: Element) -> Element | None:
    return entity.find("md:IDPSSODescriptor", NAMES)


def _sso_url(role: Element) -> str:
    for service in role.findall("md:SingleSignOnService", NAMES):
        if service.get("Binding") == REDIRECT and service.get("Location"):
            return str(service.get("Location"))
    raise SamlFault("The metadata has no SingleSignOnService for the binding HTTP-Redirect.")


def _certificates(role: Element) -> list[str]:
    """Those for signing, or for whatever use."""
    found = []
    for key in role.findall("md:KeyDescriptor", NAMES):
        if key.get("use", "signing") == "signing":
            for each in key.findall("ds:KeyInfo/ds:X509Data/ds:X509Certificate", NAMES):
                found.append(pem(certificate(each.text or "")))
    return found


def certificate(text: str) -> x509.Certificate:
    """A certificate in PEM, or its bare base64. Raises SamlFault; so do keys too weak to be worth a signature."""
    try:
        if "-----BEGIN" in text:
            found = x509.load_pem_x509_certificate(text.encode("ascii"))
        else:
            found = x509.load_der_x509_certificate(decoded(text))
        key = found.public_key()
    except (ValueError, SamlFault) as error:
        raise SamlFault("This is not an X.509 certificate in PEM.") from error
    except Exception as error:  # cryptography's own, for keys of kinds that it does not know
        raise SamlFault("The certificate's key is of a kind that is not supported.") from error
    refuse_weak(key)
    return found


def refuse_weak(key: object) -> None:
    """Raises SamlFault for what is neither RSA of 2,048 bits or more nor ECDSA of 256."""
    if isinstance(key, rsa.RSAPublicKey) and key.key_size >= FEWEST_BITS:
        return
    if isinstance(key, ec.EllipticCurvePublicKey) and key.key_size >= 256:
        return
    raise SamlFault(f"Keys are RSA of {FEWEST_BITS:,} bits or more, or ECDSA of 256 or more.")


def pem(found: x509.Certificate) -> str:
    return found.public_bytes(Encoding.PEM).decode("ascii")


def own_metadata(
    *, entity_id: str, acs_url: str, name_id_format: str | None, certificates: Sequence[str] = ()
) -> bytes:
    """What an identity provider is told of this service; `certificates` sign its requests, if any do."""
    root = etree.Element(tag("md", "EntityDescriptor"), nsmap={"md": METADATA, "ds": SIGNATURE}, entityID=entity_id)
    role = etree.SubElement(
        root,
        tag("md", "SPSSODescriptor"),
        protocolSupportEnumeration=PROTOCOL,
        AuthnRequestsSigned="true" if certificates else "false",
        WantAssertionsSigned="true",
    )
    for each in certificates:
        _describe_key(role, each)
    if name_id_format is not None:
        etree.SubElement(role, tag("md", "NameIDFormat")).text = name_id_format
    etree.SubElement(
        role, tag("md", "AssertionConsumerService"), Binding=POST, Location=acs_url, index="0", isDefault="true"
    )
    return etree.tostring(root, xml_declaration=True, encoding="UTF-8", pretty_print=True)


def _describe_key(role: Element, text: str) -> None:
    key = etree.SubElement(role, tag("md", "KeyDescriptor"), use="signing")
    data = etree.SubElement(etree.SubElement(key, tag("ds", "KeyInfo")), tag("ds", "X509Data"))
    body = "".join(line for line in text.splitlines() if "-----" not in line)
    etree.SubElement(data, tag("ds", "X509Certificate")).text = body
