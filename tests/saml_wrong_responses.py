"""Responses that are wrong in one way each: how they are made, and what the log says about them."""

import copy
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

from lxml import etree
from lxml.etree import _Element as Element

from resolvers.connectors.saml_xml import MOST_BYTES, tag
from tests.saml_responses import new_signature_holder, part, signed, text_of

EVIL = "admin@localhost"


def set_name_id(root: Element, name_id: str = EVIL) -> Element:
    part(root, "saml:NameID").text = name_id
    return root


def evil_copy(inner: Element, new_id: str = "_evil") -> Element:
    """The assertion once more, unsigned and about somebody else."""
    made = copy.deepcopy(inner)
    for signature in made.findall(tag("ds", "Signature")):
        made.remove(signature)
    made.set("ID", new_id)
    return set_name_id(made)


def before_it(root: Element) -> None:
    inner = part(root, "saml:Assertion")
    inner.addprevious(evil_copy(inner))


def after_it(root: Element) -> None:
    inner = part(root, "saml:Assertion")
    inner.addnext(evil_copy(inner))


def around_it(root: Element) -> None:
    inner = part(root, "saml:Assertion")
    evil = evil_copy(inner)
    root.replace(inner, evil)
    evil.append(inner)


def in_its_signature(root: Element) -> None:
    """The signed assertion hidden in an Object of its own signature, which an evil one carries."""
    inner = part(root, "saml:Assertion")
    signature = part(inner, "ds:Signature")
    inner.remove(signature)
    evil = evil_copy(inner)
    root.replace(inner, evil)
    holder = new_signature_holder()
    signature.append(holder)
    holder.append(inner)
    evil.insert(1, signature)


def in_an_extension(root: Element) -> None:
    inner = part(root, "saml:Assertion")
    root.replace(inner, evil_copy(inner))
    extensions = etree.SubElement(root, tag("samlp", "Extensions"))
    extensions.append(inner)


def same_id(root: Element) -> None:
    inner = part(root, "saml:Assertion")
    inner.addprevious(evil_copy(inner, str(inner.get("ID"))))


def response_around_response(root: Element) -> Element:
    """A whole signed response within an evil one, the signature moved up."""
    evil = copy.deepcopy(root)
    evil.set("ID", "_evil_response")
    set_name_id(evil)
    part(evil, "saml:Assertion").set("ID", "_evil")
    signature = part(evil, "ds:Signature")
    signature.append(root)
    return evil


def response_in_object(root: Element) -> Element:
    evil = copy.deepcopy(root)
    evil.set("ID", "_evil_response")
    set_name_id(evil)
    part(evil, "saml:Assertion").set("ID", "_evil")
    holder = new_signature_holder()
    part(evil, "ds:Signature").append(holder)
    holder.append(root)
    return evil


def signature_elsewhere(root: Element) -> None:
    """A right signature of the assertion that stands in the response, where it is about something else."""
    inner = part(root, "saml:Assertion")
    signature = part(inner, "ds:Signature")
    set_name_id(root)
    root.insert(1, signature)


def whole_document(root: Element) -> None:
    part(root, "ds:Reference").set("URI", "")


def more_references(root: Element) -> None:
    info = part(root, "ds:SignedInfo")
    info.append(copy.deepcopy(part(root, "ds:Reference")))


def encrypted(root: Element) -> None:
    root.append(etree.Element(tag("saml", "EncryptedAssertion")))


def second_assertion_signed(root: Element) -> None:
    inner = copy.deepcopy(part(root, "saml:Assertion"))
    part(inner, "ds:Signature").getparent().remove(part(inner, "ds:Signature"))  # type: ignore[union-attr]
    inner.set("ID", "_second")
    root.append(signed(inner, "idp"))


def with_doctype(root: Element) -> bytes:
    return b'<!DOCTYPE x [<!ENTITY who "admin">]>' + etree.tostring(root)


def with_entity(root: Element) -> bytes:
    text = etree.tostring(root).replace(b">ada<", b">&who;<")
    return b'<!DOCTYPE x [<!ENTITY who SYSTEM "file:///etc/passwd">]>' + text


def in_utf16(root: Element) -> bytes:
    return b"\xff\xfe" + (f'<!DOCTYPE x [<!ENTITY w "a">]>{etree.tostring(root).decode()}').encode("utf-16-le")


def too_large(root: Element) -> bytes:
    return etree.tostring(root) + b" " * MOST_BYTES


def too_deep(root: Element) -> bytes:
    return etree.tostring(root).replace(b">ada<", b">" + b"<a>" * 60 + b"ada" + b"</a>" * 60 + b"<")


def without(name: str) -> Callable[[Element], None]:
    def take(root: Element) -> None:
        found = part(root, name)
        parent = found.getparent()
        assert parent is not None
        parent.remove(found)

    return take


def unset(name: str, attribute: str) -> Callable[[Element], None]:
    return lambda root: part(root, name).attrib.pop(attribute) and None


def other_condition(root: Element) -> None:
    etree.SubElement(part(root, "saml:Conditions"), tag("saml", "Condition"))


def other_audience_too(root: Element) -> None:
    conditions = part(root, "saml:Conditions")
    another = copy.deepcopy(part(root, "saml:AudienceRestriction"))
    part(another, "saml:Audience").text = "https://other.example"
    conditions.append(another)


def other_issuer(root: Element) -> None:
    part(part(root, "saml:Assertion"), "saml:Issuer").text = "https://other.example"


def at(**ago: float) -> datetime:
    return datetime.now(UTC) + timedelta(**ago)


DATA = "saml:SubjectConfirmationData"
WRONG: dict[str, dict[str, Any]] = {
    "unsigned": {"says": "is signed", "sign": "nothing"},
    "altered": {"says": "signature is not right", "after": set_name_id},
    "altered where the response is signed": {
        "says": "signature is not right",
        "sign": "response",
        "after": set_name_id,
    },
    "the response altered, both signed": {
        "says": "signature is not right",
        "sign": "both",
        "after": lambda root: root.set("Destination", ""),
    },
    "signed with another key": {"says": "signature is not right", "key": "stranger"},
    "sha1": {"says": "algorithm that is not taken", "sha1": True},
    "wrapped: evil assertion before": {"says": "exactly one assertion", "after": before_it},
    "wrapped: evil assertion after": {"says": "exactly one assertion", "after": after_it},
    "wrapped: evil assertion around": {"says": "exactly one assertion", "after": around_it},
    "wrapped: signed one in its signature": {"says": "exactly one assertion", "after": in_its_signature},
    "wrapped: signed one in an extension": {"says": "exactly one assertion", "after": in_an_extension},
    "wrapped: one id twice": {"says": "exactly one assertion", "after": same_id},
    "wrapped: response in a signature": {
        "says": "response within",
        "sign": "response",
        "after": response_around_response,
    },
    "wrapped: response in an object": {"says": "response within", "sign": "response", "after": response_in_object},
    "signature moved": {"says": "something else than what it stands in", "after": signature_elsewhere},
    "signature of the whole document": {"says": "something else than what it stands in", "after": whole_document},
    "two references": {"says": "2 elements Reference", "after": more_references},
    "two assertions, both signed": {"says": "exactly one assertion", "after": second_assertion_signed},
    "encrypted": {"says": "is encrypted", "after": encrypted},
    "document type": {"says": "declares a document type", "after": with_doctype},
    "external entity": {"says": "declares a document type", "after": with_entity},
    "document type in UTF-16": {"says": "not in UTF-8", "after": in_utf16},
    "too large": {"says": "more than 256000", "after": too_large},
    "too deep": {"says": "too deeply", "after": too_deep},
    "no XML": {"says": "not well-formed", "after": lambda _: b"SAML"},
    "another audience": {"says": "another service", "audience": "https://other.example/metadata"},
    "another audience beside ours": {"says": "another service", "before": other_audience_too},
    "no audience": {"says": "for whom it is", "before": without("saml:AudienceRestriction")},
    "an unknown condition": {"says": "a condition", "before": other_condition},
    "another recipient": {"says": "(Recipient)", "recipient": "https://other.example/acs"},
    "another destination": {"says": "(Destination)", "destination": "https://other.example/acs"},
    "another destination, signed": {
        "says": "(Destination)",
        "sign": "both",
        "destination": "https://other.example/acs",
    },
    "another issuer of the assertion": {"says": "assertion was issued by another", "before": other_issuer},
    "another issuer": {"says": "response was issued by another", "issuer": "https://other.example/metadata"},
    "expired": {"says": "has expired", "until": text_of(at(minutes=-2))},
    "not valid yet": {"says": "not valid yet", "since": text_of(at(hours=3))},
    "issued in the future": {"says": "in the future", "issued": text_of(at(hours=3))},
    "no time": {"says": "cannot be read", "until": "soon"},
    "a time without an offset": {"says": "no offset", "until": "2090-01-01T00:00:00"},
    "a bearer without an end": {"says": "until when", "before": unset(DATA, "NotOnOrAfter")},
    "no recipient": {"says": "(Recipient)", "before": unset(DATA, "Recipient")},
    "no conditions": {"says": "0 elements Conditions", "before": without("saml:Conditions")},
    "no statement": {"says": "AuthnStatement", "before": without("saml:AuthnStatement")},
    "the provider's session is over": {
        "says": "session at the identity provider",
        "session": f' SessionNotOnOrAfter="{text_of(at(minutes=-3))}"',
    },
    "holder of key": {"says": "as a bearer", "method": "holder-of-key"},
    "not a success": {"says": "not Success", "status": "Responder"},
    "not a success, signed": {"says": "not Success", "sign": "both", "status": "AuthnFailed"},
    "unknown request": {"says": "no open request", "request": "_unknown"},
    "no request": {"says": "answers no request", "before": unset("samlp:Response", "InResponseTo")},
    "no request in the assertion": {"says": "different requests", "before": unset(DATA, "InResponseTo")},
    "another version": {
        "says": "not SAML 2.0",
        "before": lambda root: part(root, "saml:Assertion").set("Version", "1.1"),
    },
    "transient name id": {"says": "transient", "format": "urn:oasis:names:tc:SAML:2.0:nameid-format:transient"},
    "name id of nothing": {"says": "is empty", "name_id": " "},
    "too long a name id": {"says": "is empty, or longer", "name_id": "x" * 1025},
    "an element in the name id": {"says": "beside its text", "name_id": "ada<b xmlns=''>.evil</b>"},
    "nobody's name id": {"says": "nobody has this name id", "name_id": "nobody"},
    "the email of an administrator": {"says": "nobody has this name id", "name_id": EVIL},
}
