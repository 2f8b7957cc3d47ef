"""Signing in by SAML: the provider it goes through, and the request that it begins with."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

import orjson

from models import bulk
from models.base import LONG
from models.database import Connection
from models.errors import Invalid
from models.saml import SamlRequest
from models.secrets import Sealer
from models.settings import Settings
from models.users import UserState
from models.values import from_json
from resolvers import tokens
from resolvers.changes import Change
from resolvers.connectors import saml_metadata, saml_request
from resolvers.connectors.saml import Expected
from resolvers.policy import Viewer
from resolvers.saml_settings import NameIdFormat, SamlServer, server
from resolvers.viewers import as_time

REQUEST_LASTS = timedelta(minutes=15)
FRESH = timedelta(minutes=15)
AGAIN = "Begin again."


class Purpose(StrEnum):
    """What a response is to bring about."""

    SIGN_IN = "SIGN_IN"
    INVITATION = "INVITATION"  # and so join the invited user to the name id
    LINK = "LINK"  # convert who is signed in to this provider


class Refused(Exception):
    """A no with what the browser is told; `reason` is for the log, and holds nothing of what was sent."""

    def __init__(self, sentence: str, reason: str, status: int = 403) -> None:
        super().__init__(reason)
        self.sentence = sentence
        self.reason = reason
        self.status = status


@dataclass(frozen=True)
class Addresses:
    """Our own, as a provider knows them: of the setting for the public address, never of a request."""

    login: str
    acs: str
    metadata: str


@dataclass(frozen=True)
class Through:
    """A provider that is switched on and configured."""

    id: int
    name: str
    server: SamlServer
    addresses: Addresses

    @property
    def expected(self) -> Expected:
        return Expected(
            issuer=self.server.entity_id,
            audience=self.addresses.metadata,
            acs_url=self.addresses.acs,
            certificates=self.server.certificates,
            skew=self.server.skew,
        )


def addresses(settings: Settings, prefix: str) -> Addresses:
    base = f"{settings.public_url.rstrip('/')}/saml/{prefix}"
    return Addresses(f"{base}/login", f"{base}/acs", f"{base}/metadata")


async def through(connection: Connection, sealer: Sealer, settings: Settings, prefix: str) -> Through:
    """The provider with this prefix. Raises Refused, alike for one that is unknown, switched off or not configured."""
    row = await connection.one(
        "SELECT id, name, kind, is_enabled, settings, secrets FROM identity_providers WHERE prefix = $1", prefix
    )
    stored = None if row is None else _json(row[4])
    if row is None or row[2] != "SAML" or not row[3] or not stored:
        reason = "unknown" if row is None or row[2] != "SAML" else "not configured" if row[3] else "switched off"
        raise Refused("There is no sign-in by SAML at this address.", f"the provider is {reason}", 404)
    opened = sealer.open(row[5]) if row[5] else "{}"
    if opened is None:
        raise Refused("This sign-in does not work at the moment.", "its secrets are sealed by a key that is gone", 503)
    return Through(row[0], row[1], server(stored, orjson.loads(opened)), addresses(settings, prefix))


async def own_metadata(connection: Connection, sealer: Sealer, settings: Settings, prefix: str) -> bytes:
    """Ours for the provider with this prefix, also while it is switched off or its own data are unknown.

    Most identity providers ask for it before they give theirs. Raises Refused where there is no such provider.
    """
    row = await connection.one("SELECT kind, settings, secrets FROM identity_providers WHERE prefix = $1", prefix)
    if row is None or row[0] != "SAML":
        raise Refused("There is no sign-in by SAML at this address.", "the provider is unknown", 404)
    stored, opened = _json(row[1]), sealer.open(row[2]) if row[2] else None
    known = server(stored, orjson.loads(opened or "{}")) if stored else None
    own = addresses(settings, prefix)
    return saml_metadata.own_metadata(
        entity_id=own.metadata,
        acs_url=own.acs,
        name_id_format=(known.name_id_format if known else NameIdFormat.UNSPECIFIED).urn,
        certificates=[known.signing_certificate] if known and known.signing_certificate and known.signing_key else [],
    )


def _json(stored: Any) -> Mapping[str, Any] | None:
    return from_json(stored) or None


def digest(*parts: str) -> str:
    return hashlib.sha256("\x00".join(("saml", *parts)).encode("utf-8", "surrogatepass")).hexdigest()


@dataclass(frozen=True)
class Wanted:
    """What a browser asks for: where to go afterwards, and on whose behalf if not simply to sign in.

    `browser` is a secret that its cookie holds: nobody else's browser can bring the response.
    """

    browser: str
    return_to: str
    invitation: str | None = None
    link: Viewer | None = None


async def begin(change: Change, prefix: str, wanted: Wanted) -> str:
    """Store a request, and tell the address at the provider that carries it. Raises Refused."""
    found = await through(change.tx, change.sealer, change.settings, prefix)
    user_id, purpose = await _on_behalf(change, found, wanted)
    request_id = saml_request.new_id()
    await change.tx.rows("DELETE FROM saml_requests WHERE expires_at <= $1", change.moment)
    row = {
        "provider_id": found.id,
        "user_id": user_id,
        "session_id": wanted.link.session_id if wanted.link else None,
        "purpose": purpose,
        "request_digest": digest(request_id, wanted.browser),
        "return_to": wanted.return_to,
        "created_at": change.moment,
        "expires_at": change.moment + REQUEST_LASTS,
    }
    await bulk.insert(change.tx, SamlRequest, [row])
    return _redirect(found, request_id, change.moment)


def _redirect(found: Through, request_id: str, moment: datetime) -> str:
    return saml_request.redirect(
        request_id=request_id,
        entity_id=found.addresses.metadata,
        acs_url=found.addresses.acs,
        sso_url=found.server.sso_url,
        name_id_format=found.server.name_id_format.urn,
        moment=moment,
        signing_key=found.server.signing_key,
    )


async def _on_behalf(change: Change, found: Through, wanted: Wanted) -> tuple[int | None, Purpose]:
    if wanted.invitation is not None:
        return await _invited(change, found, wanted.invitation), Purpose.INVITATION
    if wanted.link is not None:
        return await _linking(change, wanted.link), Purpose.LINK
    return None, Purpose.SIGN_IN


async def _invited(change: Change, found: Through, token: str) -> int:
    row = await change.tx.one(
        "SELECT u.id, i.expires_at, u.state, u.provider_id FROM invitations i JOIN users u ON u.id = i.user_id"
        " WHERE i.token_digest = $1 AND i.state = 'PENDING'",
        tokens.digest(tokens.Purpose.INVITATION, token),
    )
    if row is None or as_time(row[1]) <= change.moment or row[2] != UserState.INVITED or row[3] != found.id:
        reason = "the invitation is unknown, used, revoked, expired, or for another provider"
        raise Refused("This link is not valid any more. Ask for a new one.", reason)
    return int(row[0])


async def _linking(change: Change, viewer: Viewer) -> int:
    """Who converts themselves has signed in lately: a session that somebody left open gives no lasting way in."""
    began = await change.tx.scalar(
        "SELECT s.created_at FROM sessions s JOIN users u ON u.id = s.user_id"
        " WHERE s.id = $1 AND s.user_id = $2 AND s.ended_at IS NULL AND u.state = 'ACTIVE'",
        viewer.session_id,
        viewer.user_id,
    )
    if began is None or viewer.must_enroll or as_time(began) <= change.moment - FRESH:
        raise Refused("Sign in again first, then join your account.", "no fresh session to link")
    assert viewer.user_id is not None
    return viewer.user_id


def checked_name_id(text: str, *path: str | int) -> str:
    """A name id that somebody types (a conversion's input): compared letter by letter later. Raises Invalid."""
    kept = text.strip()
    if not kept or len(kept) > LONG or not kept.isprintable():
        raise Invalid(*path, reason=f"A name id is one line of at most {LONG:,} characters.", limit=LONG)
    return kept


async def holders(connection: Connection, provider_id: int, name_ids: list[str]) -> dict[str, int]:
    """Which of these name ids somebody has at this provider: name id to user."""
    among = connection.dialect.among("name_id", "$2", "text")
    rows = await connection.rows(
        f"SELECT name_id, id FROM users WHERE provider_id = $1 AND {among}", provider_id, name_ids
    )
    return {row[0]: row[1] for row in rows}
