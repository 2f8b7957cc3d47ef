"""Settings of SAML providers: checked, kept, and what is to be said about them."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from typing import Any
from urllib.parse import urlsplit

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from models.errors import Invalid, Required
from models.values import now
from resolvers.connectors.ldap_server import Step
from resolvers.connectors.saml_metadata import certificate, described, pem, refuse_weak
from resolvers.connectors.saml_xml import SamlFault

MOST_CERTIFICATES = 10
MOST_URL = 1_000
MOST_CONTEXTS = 20
MOST_SKEW = 300
DEFAULT_SKEW = 60
LOOPBACK = ("127.0.0.1", "localhost", "::1")
# What identity providers call a sign-in with two factors: the profile of REFEDS, Entra ID, and SAML's own classes.
SECOND_FACTOR = (
    "https://refeds.org/profile/mfa",
    "http://schemas.microsoft.com/claims/multipleauthn",
    "urn:oasis:names:tc:SAML:2.0:ac:classes:MobileTwoFactorContract",
    "urn:oasis:names:tc:SAML:2.0:ac:classes:TimeSyncToken",
    "urn:oasis:names:tc:SAML:2.0:ac:classes:SmartcardPKI",
)


class NameIdMatches(StrEnum):
    """By what a user of the provider who has no name id yet is known at their first sign-in."""

    NONE = "NONE"
    USERNAME = "USERNAME"
    EMAIL = "EMAIL"
    EXTERNAL_ID = "EXTERNAL_ID"


class NameIdFormat(StrEnum):
    """What kind of name id is asked of the identity provider."""

    UNSPECIFIED = "UNSPECIFIED"
    PERSISTENT = "PERSISTENT"
    EMAIL = "EMAIL"

    @property
    def urn(self) -> str:
        return {
            NameIdFormat.UNSPECIFIED: "urn:oasis:names:tc:SAML:1.1:nameid-format:unspecified",
            NameIdFormat.PERSISTENT: "urn:oasis:names:tc:SAML:2.0:nameid-format:persistent",
            NameIdFormat.EMAIL: "urn:oasis:names:tc:SAML:1.1:nameid-format:emailAddress",
        }[self]


@dataclass(frozen=True)
class SamlServer:
    """A configured identity provider. `certificates` in PEM; `signing_key` is secret, and not in the repr."""

    entity_id: str
    sso_url: str
    certificates: tuple[str, ...]
    name_id_format: NameIdFormat
    name_id_matches: NameIdMatches
    second_factor_contexts: frozenset[str]
    skew: timedelta
    signing_certificate: str | None
    signing_key: str | None

    def __repr__(self) -> str:
        return f"SamlServer({self.entity_id!r})"


FIELDS = {
    "entity_id": "entityId",
    "sso_url": "ssoUrl",
    "certificates": "certificates",
    "name_id_format": "nameIdFormat",
    "name_id_matches": "nameIdMatches",
    "second_factor_contexts": "secondFactorContexts",
    "clock_skew_seconds": "clockSkewSeconds",
    "signing_certificate": "signingCertificate",
}


def checked(
    given: Mapping[str, Any],
    *path: str | int,
    before: Mapping[str, Any] | None = None,
    secrets: Mapping[str, str] | None = None,
) -> tuple[dict[str, Any], dict[str, str]]:
    """What may be read back, by its GraphQL names, and secrets (`signingKey`): all of both.

    What is absent stays as it was `before`, what is null becomes its default. Raises Invalid and Required.
    """
    all_of_it = {name: (before or {}).get(field) for name, field in FIELDS.items()}
    all_of_it |= {"signing_key": (secrets or {}).get("signingKey"), **_described(given, *path), **given}
    certificates = _certificates(all_of_it["certificates"] or (), *path, "certificates")
    if not certificates:
        raise Required(*path, "certificates", what="A certificate of the identity provider, or its metadata,")
    if given.get("signing_key") is not None and all_of_it["signing_certificate"] is None:
        raise Required(*path, "signingCertificate", what="The certificate of signingKey")
    own, key = _signing(all_of_it["signing_certificate"], all_of_it["signing_key"], *path)
    contexts = all_of_it["second_factor_contexts"]
    settings = {
        "entityId": _text(all_of_it["entity_id"], "The identity provider's entityId", *path, "entityId"),
        "ssoUrl": _address(all_of_it["sso_url"], *path, "ssoUrl"),
        "certificates": certificates,
        "nameIdFormat": all_of_it["name_id_format"] or NameIdFormat.UNSPECIFIED.value,
        "nameIdMatches": all_of_it["name_id_matches"] or NameIdMatches.NONE.value,
        "secondFactorContexts": list(SECOND_FACTOR) if contexts is None else _contexts(contexts, *path),
        "clockSkewSeconds": _skew(all_of_it["clock_skew_seconds"], *path, "clockSkewSeconds"),
        "signingCertificate": own,
    }
    return settings, ({} if key is None else {"signingKey": key})


def _described(given: Mapping[str, Any], *path: str | int) -> dict[str, Any]:
    """The identity provider as its metadata describes it, if that is given."""
    if given.get("metadata") is None:
        return {}
    try:
        found = described(given["metadata"], given.get("entity_id"))
    except SamlFault as fault:
        raise Invalid(*path, "metadata", reason=str(fault)) from fault
    return {"entity_id": found.entity_id, "sso_url": found.sso_url, "certificates": found.certificates}


def _text(given: str | None, what: str, *path: str | int) -> str:
    kept = (given or "").strip()
    if not kept:
        raise Required(*path, what=what)
    if len(kept) > MOST_URL or not kept.isprintable():
        raise Invalid(*path, reason=f"{what} is one line of at most {MOST_URL:,} characters.", limit=MOST_URL)
    return kept


def _address(given: str | None, *path: str | int) -> str:
    kept = _text(given, "The address to sign in at (ssoUrl)", *path)
    reason = "ssoUrl is an address that begins with https://; http:// is for this machine only."
    try:
        parts = urlsplit(kept)
        is_safe = parts.scheme == "https" or (parts.scheme == "http" and parts.hostname in LOOPBACK)
        is_plain = kept.isascii() and " " not in kept and not parts.fragment and parts.username is None
    except ValueError as error:
        raise Invalid(*path, reason=reason) from error
    if not parts.hostname or not is_safe or not is_plain:
        raise Invalid(*path, reason=reason)
    return kept


def _certificates(given: Any, *path: str | int) -> list[str]:
    if len(given) > MOST_CERTIFICATES:
        raise Invalid(*path, reason=f"At most {MOST_CERTIFICATES} certificates: the present one and the next are two.")
    return list(dict.fromkeys(_certificate(each, *path, index) for index, each in enumerate(given)))


def _certificate(given: str, *path: str | int) -> str:
    try:
        return pem(certificate(given))
    except SamlFault as fault:
        raise Invalid(*path, reason=str(fault)) from fault


def _contexts(given: Any, *path: str | int) -> list[str]:
    place = (*path, "secondFactorContexts")
    if len(given) > MOST_CONTEXTS:
        raise Invalid(*place, reason=f"At most {MOST_CONTEXTS} contexts.")
    return [_text(each, "The context", *place, index) for index, each in enumerate(given)]


def _skew(given: int | None, *path: str | int) -> int:
    if given is None:
        return DEFAULT_SKEW
    if not 0 <= given <= MOST_SKEW:
        raise Invalid(*path, reason=f"clockSkewSeconds is 0 to {MOST_SKEW}.")
    return given


def _signing(text: str | None, key: str | None, *path: str | int) -> tuple[str | None, str | None]:
    """Our own certificate and key, that sign requests: both or neither."""
    if text is None:
        return None, None
    own = _certificate(text, *path, "signingCertificate")
    if key is None:
        raise Required(*path, "signingKey", what="The key of signingCertificate")
    reason = "signingKey is a private key in PEM, without a pass phrase, that belongs to signingCertificate."
    try:
        public = load_pem_private_key(key.encode("ascii"), password=None).public_key()
        refuse_weak(public)
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise Invalid(*path, "signingKey", reason=reason) from error
    except SamlFault as fault:
        raise Invalid(*path, "signingKey", reason=str(fault)) from fault
    if public != certificate(own).public_key():
        raise Invalid(*path, "signingKey", reason=reason)
    return own, key


def server(settings: Mapping[str, Any], secrets: Mapping[str, str]) -> SamlServer:
    """The identity provider that `checked` settings describe."""
    return SamlServer(
        entity_id=settings["entityId"],
        sso_url=settings["ssoUrl"],
        certificates=tuple(settings["certificates"]),
        name_id_format=NameIdFormat(settings["nameIdFormat"]),
        name_id_matches=NameIdMatches(settings["nameIdMatches"]),
        second_factor_contexts=frozenset(settings["secondFactorContexts"]),
        skew=timedelta(seconds=settings["clockSkewSeconds"]),
        signing_certificate=settings["signingCertificate"],
        signing_key=secrets.get("signingKey"),
    )


def check(settings: Mapping[str, Any]) -> list[Step]:
    """What can be said without the identity provider, which answers browsers only: the times of certificates.

    A certificate is pinned, so one that has expired still verifies: replacing it is the administrator's to decide.
    """
    theirs = settings["certificates"]
    steps = [_step_of(f"certificate {number}", each) for number, each in enumerate(theirs, 1)]
    own = settings["signingCertificate"]
    return [*steps, _step_of("signing certificate", own)] if own else steps


def _step_of(name: str, text: str) -> Step:
    found, moment = certificate(text), now()
    if found.not_valid_after_utc <= moment:
        return Step(name, False, f"Expired on {found.not_valid_after_utc:%Y-%m-%d}. Replace it by the next one.")
    if found.not_valid_before_utc > moment:
        return Step(name, False, f"Begins on {found.not_valid_before_utc:%Y-%m-%d}.")
    return Step(name, True, f"Holds until {found.not_valid_after_utc:%Y-%m-%d}.")
