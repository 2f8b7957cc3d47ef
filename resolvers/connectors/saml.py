"""Responses of SAML identity providers (Web Browser SSO, binding HTTP-POST): only what was signed is read."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from lxml.etree import _Element as Element

from resolvers.connectors.saml_signatures import signed_assertion
from resolvers.connectors.saml_xml import NAMES, SamlFault, only, parse, plain_text, tag

SUCCESS = "urn:oasis:names:tc:SAML:2.0:status:Success"
BEARER = "urn:oasis:names:tc:SAML:2.0:cm:bearer"
TRANSIENT = "urn:oasis:names:tc:SAML:2.0:nameid-format:transient"
ENTITY = "urn:oasis:names:tc:SAML:2.0:nameid-format:entity"
MOST_NAME_ID = 1024
MOST_ID = 256
MOST_NAMED = 5  # faults that a message repeats
LONGEST = timedelta(hours=24)  # that an accepted assertion is remembered; the request it answers ends long before


@dataclass(frozen=True)
class Expected:
    """What a response must say. `certificates` in PEM; `skew`: how far the other clock may be off."""

    issuer: str
    audience: str
    acs_url: str
    certificates: tuple[str, ...]
    skew: timedelta


@dataclass(frozen=True)
class Assertion:
    """Who somebody is, as an identity provider answers one request of ours. `expires_at` counts the skew in."""

    id: str
    name_id: str
    in_response_to: str
    expires_at: datetime
    contexts: frozenset[str]
    session_until: datetime | None


def assertion_of(text: bytes, expected: Expected, moment: datetime) -> Assertion:
    """The assertion of a response that is signed, meant for us, of now, and an answer. Raises SamlFault."""
    root = parse(text)
    inner, response = signed_assertion(root, expected.certificates)
    # An unsigned envelope can only make things worse for who sends it: nothing of it is kept.
    request_id = _check_response(root if response is None else response, expected, moment)
    _check_issued(inner, expected, moment)
    confirmed_until = _confirmation(inner, request_id, expected, moment)
    until = min(_conditions(inner, expected, moment) or confirmed_until, confirmed_until, moment + LONGEST)
    contexts, session_until = _statements(inner, moment, expected.skew)
    return Assertion(
        id=_bounded(inner.get("ID"), "The assertion's ID"),
        name_id=_name_id(inner),
        in_response_to=_bounded(request_id, "InResponseTo"),
        expires_at=until + expected.skew,
        contexts=contexts,
        session_until=session_until,
    )


def _check_response(response: Element, expected: Expected, moment: datetime) -> str:
    """The request that it answers. Raises SamlFault."""
    _check_version(response)
    status = only(response, "./samlp:Status/samlp:StatusCode").get("Value")
    if status != SUCCESS:
        raise SamlFault("The identity provider did not sign anybody in: its status is not Success.")
    issuer = response.find("./saml:Issuer", NAMES)
    if issuer is not None and plain_text(issuer) != expected.issuer:
        raise SamlFault("The response was issued by another identity provider.")
    destination = response.get("Destination")
    if destination is not None and destination != expected.acs_url:
        raise SamlFault("The response is for another address (Destination).")
    _check_not_future(response.get("IssueInstant"), moment + expected.skew)
    request_id = response.get("InResponseTo")
    if request_id is None:
        raise SamlFault("The response answers no request (InResponseTo): begin at this service.")
    return request_id


def _check_version(element: Element) -> None:
    if element.get("Version") != "2.0":
        raise SamlFault("This is not SAML 2.0.")


def _check_issued(inner: Element, expected: Expected, moment: datetime) -> None:
    _check_version(inner)
    if plain_text(only(inner, "./saml:Issuer")) != expected.issuer:
        raise SamlFault("The assertion was issued by another identity provider.")
    _check_not_future(inner.get("IssueInstant"), moment + expected.skew)


def _check_not_future(text: str | None, latest: datetime) -> None:
    if instant(text) > latest:
        raise SamlFault("It was issued in the future: one of the two clocks is wrong.")


def instant(text: str | None) -> datetime:
    """A time with its offset, which SAML writes in UTC. Raises SamlFault."""
    try:
        found = datetime.fromisoformat(text or "")
    except ValueError as error:
        raise SamlFault("A time is missing or cannot be read.") from error
    if found.tzinfo is None or "T" not in (text or ""):
        raise SamlFault("A time has no offset.")
    try:
        return found.astimezone(UTC)
    except OverflowError as error:
        raise SamlFault("A time cannot be read.") from error


def _window(element: Element, moment: datetime, skew: timedelta) -> datetime | None:
    """The end of an element's time, if it has one. Raises SamlFault outside of it."""
    begin, end = element.get("NotBefore"), element.get("NotOnOrAfter")
    if begin is not None and instant(begin) > moment + skew:
        raise SamlFault("It is not valid yet: one of the two clocks is wrong.")
    if end is None:
        return None
    until = instant(end)
    if until <= moment - skew:
        raise SamlFault("It has expired. Sign in again.")
    return until


def _confirmation(inner: Element, request_id: str, expected: Expected, moment: datetime) -> datetime:
    """Until when the bearer may bring this answer to `request_id`.

    An assertion may name several ways to confirm its subject, of which one is enough (core, 2.4.1). That one has to fit
    in full; what others say is never put together with it.
    """
    faults: list[SamlFault] = []
    for confirmation in inner.findall("./saml:Subject/saml:SubjectConfirmation", NAMES):
        try:
            return _confirmed_until(confirmation, request_id, expected, moment)
        except SamlFault as fault:
            faults.append(fault)
    if not faults:
        raise SamlFault("The assertion does not say how its subject is confirmed (SubjectConfirmation).")
    if len(faults) == 1:
        raise faults[0]
    raise SamlFault(
        f"None of {len(faults)} confirmations of the subject fits: {' '.join(map(str, faults[:MOST_NAMED]))}"
    )


def _confirmed_until(confirmation: Element, request_id: str, expected: Expected, moment: datetime) -> datetime:
    if confirmation.get("Method") != BEARER:
        raise SamlFault("The subject is not confirmed as a bearer.")
    data = only(confirmation, "./saml:SubjectConfirmationData")
    if data.get("Recipient") != expected.acs_url:
        raise SamlFault("The assertion is for another address (Recipient).")
    until = _window(data, moment, expected.skew)
    if until is None:
        raise SamlFault("The assertion does not say until when it may be brought.")
    if data.get("InResponseTo") != request_id:
        raise SamlFault("The response and its assertion answer different requests.")
    return until


def _conditions(inner: Element, expected: Expected, moment: datetime) -> datetime | None:
    conditions = only(inner, "./saml:Conditions")
    known = {tag("saml", name) for name in ("AudienceRestriction", "OneTimeUse", "ProxyRestriction")}
    if {each.tag for each in conditions.iterchildren("*")} - known:
        raise SamlFault("The assertion sets a condition that is not known here.")
    restrictions = conditions.findall("./saml:AudienceRestriction", NAMES)
    if not restrictions:
        raise SamlFault("The assertion does not say for whom it is (Audience).")
    for restriction in restrictions:
        named = [plain_text(each) for each in restriction.findall("./saml:Audience", NAMES)]
        if expected.audience not in named:
            raise SamlFault("The assertion is for another service (Audience).")
    return _window(conditions, moment, expected.skew)


def _statements(inner: Element, moment: datetime, skew: timedelta) -> tuple[frozenset[str], datetime | None]:
    """How they proved who they are, and until when the provider wants them to stay signed in."""
    statements = inner.findall("./saml:AuthnStatement", NAMES)
    if not statements:
        raise SamlFault("The assertion does not say that anybody signed in (AuthnStatement).")
    ends = [instant(each.get("SessionNotOnOrAfter")) for each in statements if each.get("SessionNotOnOrAfter")]
    if ends and min(ends) <= moment - skew:
        raise SamlFault("The session at the identity provider is over. Sign in again.")
    found = [
        plain_text(each)
        for statement in statements
        for each in statement.findall("./saml:AuthnContext/saml:AuthnContextClassRef", NAMES)
    ]
    return frozenset(each for each in found if each), min(ends, default=None)


def _name_id(inner: Element) -> str:
    element = only(inner, "./saml:Subject/saml:NameID")
    if element.get("Format") in (TRANSIENT, ENTITY):
        raise SamlFault("The name id is a transient one, by which nobody is known the next time. Send a lasting one.")
    if len(element):
        raise SamlFault("The name id holds something beside its text.")
    text = element.text or ""
    if not text.strip() or len(text) > MOST_NAME_ID:
        raise SamlFault(f"The name id is empty, or longer than {MOST_NAME_ID:,} characters.")
    return text.strip()


def _bounded(text: str | None, what: str) -> str:
    if not text or len(text) > MOST_ID:
        raise SamlFault(f"{what} is missing or longer than {MOST_ID} characters.")
    return text
