"""Authentication requests: made, and carried by the address that a browser is sent to."""

import base64
import secrets
import zlib
from collections.abc import Sequence
from datetime import UTC, datetime
from urllib.parse import urlencode

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from lxml import etree

from resolvers.connectors.saml_metadata import POST
from resolvers.connectors.saml_xml import ASSERTION, PROTOCOL, SamlFault, tag

RSA = "http://www.w3.org/2001/04/xmldsig-more#rsa-sha256"
ECDSA = "http://www.w3.org/2001/04/xmldsig-more#ecdsa-sha256"


def new_id() -> str:
    """An XML name of 160 random bits."""
    return f"_{secrets.token_hex(20)}"


def redirect(
    *,
    request_id: str,
    entity_id: str,
    acs_url: str,
    sso_url: str,
    name_id_format: str,
    moment: datetime,
    signing_key: str | None = None,
) -> str:
    """The address at the identity provider that asks it to say who this is (binding HTTP-Redirect)."""
    root = etree.Element(
        tag("samlp", "AuthnRequest"),
        nsmap={"samlp": PROTOCOL, "saml": ASSERTION},
        ID=request_id,
        Version="2.0",
        IssueInstant=moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        Destination=sso_url,
        ProtocolBinding=POST,
        AssertionConsumerServiceURL=acs_url,
    )
    etree.SubElement(root, tag("saml", "Issuer")).text = entity_id
    etree.SubElement(root, tag("samlp", "NameIDPolicy"), Format=name_id_format, AllowCreate="true")
    packer = zlib.compressobj(wbits=-15)
    packed = packer.compress(etree.tostring(root)) + packer.flush()
    pairs = [("SAMLRequest", base64.b64encode(packed).decode("ascii"))]
    query = urlencode(pairs) if signing_key is None else _signed(pairs, signing_key)
    return f"{sso_url}{'&' if '?' in sso_url else '?'}{query}"


def _signed(pairs: Sequence[tuple[str, str]], signing_key: str) -> str:
    """The query with its signature, which covers the text of it, algorithm included."""
    key = load_pem_private_key(signing_key.encode("ascii"), password=None)
    query = urlencode([*pairs, ("SigAlg", RSA if isinstance(key, rsa.RSAPrivateKey) else ECDSA)])
    if isinstance(key, rsa.RSAPrivateKey):
        signature = key.sign(query.encode("ascii"), padding.PKCS1v15(), hashes.SHA256())
    elif isinstance(key, ec.EllipticCurvePrivateKey):
        signature = _joined(key.sign(query.encode("ascii"), ec.ECDSA(hashes.SHA256())), key.key_size)
    else:
        raise SamlFault("Requests are signed by RSA or ECDSA.")
    return f"{query}&{urlencode({'Signature': base64.b64encode(signature).decode('ascii')})}"


def _joined(signature: bytes, bits: int) -> bytes:
    """The two numbers of an ECDSA signature one behind the other, as XML signatures have them (RFC 6931, 2.3.6)."""
    size = (bits + 7) // 8
    return b"".join(number.to_bytes(size, "big") for number in decode_dss_signature(signature))
