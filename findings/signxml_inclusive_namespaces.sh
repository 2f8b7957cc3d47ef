#!/usr/bin/env bash
# signxml 5.2.0: refuses, by its schema check, the InclusiveNamespaces that exclusive canonicalization puts below
# CanonicalizationMethod, and its signer digests by prefixes that it does not write into the Transform.
#
# Expected: a signature with the parameter of "Exclusive XML Canonicalization" (W3C, section 4) is verified. It is valid
# and made by programs that use xmlsec1 and xmlseclibs.
# Seen: lxml.etree.DocumentInvalid, "No matching global element declaration available, but demanded by the strict
# wildcard", which is no SignXMLException; with validate_schema=False the same signature verifies. And where the prefix
# matters to what is signed, signxml's own signer makes a signature that fails with InvalidDigest.
# Exits 0 while that is so, 1 when it changes.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check signxml==5.2.0 lxml==6.1.3
openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=idp -keyout "$folder/key.pem" -out "$folder/cert.pem" 2>/dev/null
"$folder/venv/bin/python" - "$folder" <<'PYTHON'
import sys
from importlib.metadata import version
from pathlib import Path

from lxml import etree
from signxml import XMLSigner, XMLVerifier
from signxml.algorithms import CanonicalizationMethod
from signxml.exceptions import InvalidDigest

folder = Path(sys.argv[1])
key, certificate = ((folder / name).read_text() for name in ("key.pem", "cert.pem"))
exclusive = CanonicalizationMethod.EXCLUSIVE_XML_CANONICALIZATION_1_0


def verified(prefix: str, **options: bool) -> str:
    root = etree.fromstring('<a:r xmlns:a="urn:a" xmlns:b="urn:b" ID="_1"><b:x/></a:r>')
    signed = XMLSigner(c14n_algorithm=exclusive).sign(
        root, key=key, cert=certificate, reference_uri="#_1", id_attribute="ID", inclusive_ns_prefixes=[prefix]
    )
    text = etree.tostring(signed)
    try:
        XMLVerifier().verify(etree.fromstring(text), x509_cert=certificate, id_attribute="ID", **options)
    except (etree.DocumentInvalid, InvalidDigest) as error:
        return type(error).__name__
    return "verified"


seen = [verified("a"), verified("a", validate_schema=False), verified("b", validate_schema=False)]
print(f"signxml {version('signxml')}: with the schema {seen[0]}, without {seen[1]}; where the prefix matters {seen[2]}")
sys.exit(0 if seen == ["DocumentInvalid", "verified", "InvalidDigest"] else 1)
PYTHON
