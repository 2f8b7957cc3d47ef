"""Signs XML as xmlsec1 does, the library of many SAML programs: where the element stands, with the parameters given."""

import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path

from lxml import etree
from lxml.etree import _Element as Element

EXCLUSIVE = "http://www.w3.org/2001/10/xml-exc-c14n#"
_TEMPLATE = """\
<ds:Signature xmlns:ds="http://www.w3.org/2000/09/xmldsig#"><ds:SignedInfo>
<ds:CanonicalizationMethod Algorithm="{exclusive}">{ours}</ds:CanonicalizationMethod>
<ds:SignatureMethod Algorithm="http://www.w3.org/2001/04/xmldsig-more#rsa-sha256"/>
<ds:Reference URI="#{id}"><ds:Transforms>
<ds:Transform Algorithm="http://www.w3.org/2000/09/xmldsig#enveloped-signature"/>
<ds:Transform Algorithm="{exclusive}">{theirs}</ds:Transform></ds:Transforms>
<ds:DigestMethod Algorithm="http://www.w3.org/2001/04/xmlenc#sha256"/><ds:DigestValue/></ds:Reference></ds:SignedInfo>
<ds:SignatureValue/></ds:Signature>"""
KINDS = ("protocol:Response", "assertion:Assertion")


def _parameter(prefixes: Sequence[str] | None) -> str:
    if prefixes is None:
        return ""
    return f'<ec:InclusiveNamespaces xmlns:ec="{EXCLUSIVE}" PrefixList="{" ".join(prefixes)}"/>'


def sign_in_place(
    element: Element, key: str, *, method: Sequence[str] | None = None, transform: Sequence[str] | None = None
) -> bytes:
    """The document with `element` signed, behind its issuer. The lists are InclusiveNamespaces; None is without."""
    parts = {"exclusive": EXCLUSIVE, "id": element.get("ID"), "ours": _parameter(method)}
    element.insert(1, etree.fromstring(_TEMPLATE.format(**parts, theirs=_parameter(transform))))
    with tempfile.TemporaryDirectory() as folder:
        document, pem = Path(folder, "document.xml"), Path(folder, "key.pem")
        document.write_bytes(etree.tostring(element.getroottree()))
        pem.write_text(key)
        ids = [text for kind in KINDS for text in ("--id-attr:ID", f"urn:oasis:names:tc:SAML:2.0:{kind}")]
        command = ["xmlsec1", "--sign", "--privkey-pem", str(pem), *ids, str(document)]
        return subprocess.run(command, capture_output=True, check=True, timeout=30).stdout
