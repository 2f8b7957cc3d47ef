"""XML of SAML: parsed within bounds, without entities, and named."""

import base64
import binascii
import re

from lxml import etree
from lxml.etree import _Element as Element

PROTOCOL = "urn:oasis:names:tc:SAML:2.0:protocol"
ASSERTION = "urn:oasis:names:tc:SAML:2.0:assertion"
METADATA = "urn:oasis:names:tc:SAML:2.0:metadata"
SIGNATURE = "http://www.w3.org/2000/09/xmldsig#"
NAMES = {"samlp": PROTOCOL, "saml": ASSERTION, "md": METADATA, "ds": SIGNATURE}
MOST_BYTES = 256_000
MOST_DEPTH = 40
MOST_ELEMENTS = 5_000

_SPACE = re.compile(rb"[ \t\r\n]+")


class SamlFault(Exception):
    """Why a document is not taken: a sentence that repeats nothing of what stands in it."""


def tag(prefix: str, name: str) -> str:
    return f"{{{NAMES[prefix]}}}{name}"


def parser() -> etree.XMLParser:
    """Of UTF-8 whatever a document claims, so that what was searched below is what is parsed."""
    return etree.XMLParser(
        encoding="utf-8", resolve_entities=False, load_dtd=False, no_network=True, huge_tree=False, dtd_validation=False
    )


def parse(text: bytes, *, most_bytes: int = MOST_BYTES, most_elements: int = MOST_ELEMENTS) -> Element:
    """The root of a document. Raises SamlFault for one that is too large or too deep, or declares anything."""
    if len(text) > most_bytes:
        raise SamlFault(f"The XML has more than {most_bytes} bytes.")
    try:
        text.decode("utf-8")
    except UnicodeDecodeError as error:
        raise SamlFault("The XML is not in UTF-8.") from error
    if b"<!DOCTYPE" in text or b"<!ENTITY" in text:
        raise SamlFault("The XML declares a document type or entities, which are not taken.")
    try:
        root = etree.fromstring(text, parser())
    except (etree.XMLSyntaxError, ValueError) as error:
        raise SamlFault("This is not well-formed XML.") from error
    if root.getroottree().docinfo.doctype or any(True for _ in root.iter(etree.Entity)):
        raise SamlFault("The XML declares a document type or entities, which are not taken.")
    _bound(root, most_elements)
    return root


def _bound(root: Element, most_elements: int) -> None:
    depth = count = 0
    for event, _ in etree.iterwalk(root, events=("start", "end")):
        depth += 1 if event == "start" else -1
        count += event == "start"
        if depth > MOST_DEPTH or count > most_elements:
            raise SamlFault("The XML is nested too deeply or has too many elements.")


def decoded(text: str | bytes) -> bytes:
    """Base64 with whatever line breaks. Raises SamlFault."""
    try:
        raw = text.encode("ascii") if isinstance(text, str) else text
        return base64.b64decode(_SPACE.sub(b"", raw), validate=True)
    except (UnicodeEncodeError, binascii.Error) as error:
        raise SamlFault("This is not base64.") from error


def plain_text(element: Element | None) -> str | None:
    """What stands in an element that may hold text and nothing else. Raises SamlFault.

    A comment would cut the text in two, and a reader that takes the first piece takes somebody else's name.
    """
    if element is None:
        return None
    if len(element):
        raise SamlFault("An element that holds a text holds something beside it.")
    return (element.text or "").strip()


def only(parent: Element, path: str) -> Element:
    """The one element at a path of prefixed names. Raises SamlFault."""
    found = parent.findall(path, NAMES)
    if len(found) != 1:
        raise SamlFault(f"There are {len(found)} elements {path.rpartition(':')[2]} where there must be one.")
    return found[0]
