"""What becomes of a SAML response: the request it answers is used up, its user found or joined, a session opened."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from models import bulk
from models.errors import Refusal, Unauthenticated
from models.saml import SamlAssertion
from models.users import User, UserState
from resolvers import audit
from resolvers.activate_users import end_keys
from resolvers.audit import Action, Event, Subject
from resolvers.change_invitations import accept
from resolvers.changes import Change
from resolvers.connectors.saml import Assertion
from resolvers.convert_users import convert_users
from resolvers.drafts import Draft
from resolvers.name_ids import COLUMN
from resolvers.policy import Viewer
from resolvers.saml import Purpose, Refused, Through, digest, holders, through
from resolvers.sessions import Opened, open_session
from resolvers.viewers import DEMANDS_FACTOR, as_of_now, as_time

NOT_BEGUN = "This sign-in was not begun in this browser, took too long, or was used already. Begin again."
NOBODY_HERE = "You are known to the identity provider, but may not sign in here. Ask an administrator."
SECOND_FACTOR = f"SELECT {DEMANDS_FACTOR} FROM users u JOIN roles r ON r.id = u.role_id WHERE u.id = $1"


@dataclass(frozen=True)
class Arrived:
    """A session, and where its browser wanted to go."""

    session: Opened
    return_to: str


async def finish(change: Change, prefix: str, verified: Through, assertion: Assertion, browser: str) -> Arrived:
    """Sign in who a verified assertion names, all in this transaction. Raises Refused, and then nothing is stored.

    `verified` is the provider as it was when the signature was checked.
    """
    if await through(change.tx, change.sealer, change.settings, prefix) != verified:
        raise Refused(NOT_BEGUN, "the provider's settings changed while the response was checked")
    request = await _use_request(change, verified, digest(assertion.in_response_to, browser))
    await _use_assertion(change, verified, assertion)
    user_id = await _user(change, verified, request, assertion.name_id)
    await _check_second_factor(change, verified, user_id, assertion)
    opened = await open_session(change, user_id, address=change.caller.address, user_agent=change.caller.user_agent)
    return Arrived(await _shortened(change, opened, assertion.session_until), request["return_to"])


async def _use_request(change: Change, found: Through, request_digest: str) -> dict[str, Any]:
    """The request that is answered, once: the statement that finds it uses it up."""
    rows = await change.tx.rows(
        "UPDATE saml_requests SET used_at = $1 WHERE request_digest = $2 AND provider_id = $3 AND used_at IS NULL"
        " AND expires_at > $1 RETURNING user_id, session_id, purpose, return_to",
        change.moment,
        request_digest,
        found.id,
    )
    if not rows:
        raise Refused(NOT_BEGUN, "it answers no open request of this browser")
    return dict(zip(("user_id", "session_id", "purpose", "return_to"), rows[0], strict=True))


async def _use_assertion(change: Change, found: Through, assertion: Assertion) -> None:
    await change.tx.rows("DELETE FROM saml_assertions WHERE expires_at <= $1", change.moment)
    own = digest(assertion.id)
    known = "SELECT 1 FROM saml_assertions WHERE provider_id = $1 AND assertion_digest = $2"
    if await change.tx.scalar(known, found.id, own) is not None:
        raise Refused(NOT_BEGUN, "the assertion was used before")
    row = {"provider_id": found.id, "assertion_digest": own, "expires_at": assertion.expires_at}
    await bulk.insert(change.tx, SamlAssertion, [row])


async def _user(change: Change, found: Through, request: Mapping[str, Any], name_id: str) -> int:
    if request["purpose"] == Purpose.INVITATION:
        return await _invited(change, found, request["user_id"], name_id)
    if request["purpose"] == Purpose.LINK:
        return await _linked(change, found, request, name_id)
    return await _known(change, found, name_id)


async def _known(change: Change, found: Through, name_id: str) -> int:
    """By the provider's own name id; else, where its settings say so, a user of this very provider who has none yet."""
    row = await change.tx.one("SELECT id, state FROM users WHERE provider_id = $1 AND name_id = $2", found.id, name_id)
    if row is not None:
        if row[1] != UserState.ACTIVE:
            raise Refused(NOBODY_HERE, f"user_{row[0]} is {row[1]}")
        return int(row[0])
    column = COLUMN.get(found.server.name_id_matches)
    if column is None:
        raise Refused(NOBODY_HERE, "nobody has this name id")
    row = await change.tx.one(
        f"SELECT id FROM users WHERE provider_id = $1 AND name_id IS NULL AND state = 'ACTIVE' AND {column} = $2",
        found.id,
        name_id,
    )
    if row is None:
        raise Refused(NOBODY_HERE, f"nobody has this name id, or this {column} and no name id yet")
    await _keep_name_id(change, found, row[0], name_id, ends_keys=True)
    return int(row[0])


async def _keep_name_id(change: Change, found: Through, user_id: int, name_id: str, *, ends_keys: bool = False) -> None:
    """Join a user to a name id for good. Raises Refused where the user has another, or somebody else this one.

    `ends_keys`: the identity provider says who answers for the account from now on, and not its user.
    """
    known = await change.tx.scalar("SELECT name_id FROM users WHERE id = $1", user_id)
    if known not in (None, name_id):
        raise Refused(NOBODY_HERE, "the user has another name id")
    if (await holders(change.tx, found.id, [name_id])).get(name_id, user_id) != user_id:
        raise Refused(NOBODY_HERE, "somebody else has this name id")
    row = await change.tx.one("SELECT username, version FROM users WHERE id = $1", user_id)
    assert row is not None
    stamps = {"updated_at": change.moment, "updated_by_id": user_id, "version": row[1] + 1}
    await bulk.update(change.tx, User, [{"id": user_id, "name_id": name_id, **stamps}])
    actor = Viewer(user_id=user_id, username=row[0], request_id=change.viewer.request_id)
    draft = Draft(0, {}, user_id=user_id, changes={"name_id": (None, name_id)})
    if ends_keys:
        await end_keys(change, [draft])
    event = Event(Action.UPDATED, Subject.USER, user_id, row[0], draft.changes)
    await audit.record(change.tx, actor, change.moment, [event])


async def _invited(change: Change, found: Through, user_id: int, name_id: str) -> int:
    """The invited user, whom the request remembers: the invitation may have been taken back meanwhile."""
    provider_id = await change.tx.scalar("SELECT provider_id FROM users WHERE id = $1", user_id)
    if provider_id != found.id:
        raise Refused(NOBODY_HERE, "the invited user signs in elsewhere now")
    try:
        await accept(change, "i.user_id", user_id)
    except Refusal as refusal:
        raise Refused(refusal.message, f"the invitation was refused: {refusal.code}") from refusal
    await _keep_name_id(change, found, user_id, name_id)
    return user_id


async def _linked(change: Change, found: Through, request: Mapping[str, Any], name_id: str) -> int:
    """Convert who began this to the provider, as convertUsers would; they must not have been signed out meanwhile."""
    viewer = await _who_began(change, request)
    user_id = int(request["user_id"])
    row = await change.tx.one("SELECT provider_id, name_id FROM users WHERE id = $1", user_id)
    assert row is not None
    if row[0] == found.id and row[1] is not None:
        raise Refused("Your account is joined to this provider already.", "the user has a name id already")
    if row[0] != found.id:
        await _convert(change, viewer, found)
    await _keep_name_id(change, found, user_id, name_id)
    return user_id


async def _who_began(change: Change, request: Mapping[str, Any]) -> Viewer:
    """By the very session that began the link, if that would still open anything. Raises Refused.

    Another session of the same user shows nothing: it may be in somebody else's browser.
    """
    refused = Refused(NOT_BEGUN, "the session that began the link is over")
    used = await change.tx.scalar(
        "SELECT COALESCE(last_used_at, created_at) FROM sessions WHERE id = $1 AND user_id = $2",
        request["session_id"],
        request["user_id"],
    )
    if used is None or as_time(used) < change.moment - timedelta(minutes=change.settings.session_idle_minutes):
        raise refused
    try:
        viewer = await as_of_now(change.tx, replace(change.viewer, session_id=request["session_id"]))
    except Unauthenticated as error:
        raise refused from error
    if viewer.must_enroll:
        raise refused
    return viewer


async def _convert(change: Change, viewer: Viewer, found: Through) -> None:
    to = {"saml": {"identity_provider_id": f"provider_{found.id}"}}
    before, change.viewer = change.viewer, viewer
    try:
        conversions = [{"id": f"user_{viewer.user_id}", "to": to}]
        answer = await convert_users(change, conversions=conversions, is_proved=True)
    except Refusal as refusal:
        raise Refused(refusal.message, f"the conversion was refused: {refusal.code}") from refusal
    finally:
        change.viewer = before
    refused = [error for row in answer["results"] for error in row["errors"]]
    if refused:
        raise Refused(refused[0]["message"], f"the conversion was refused: {refused[0]['code']}")


async def _check_second_factor(change: Change, found: Through, user_id: int, assertion: Assertion) -> None:
    """Where a role asks for a second factor, the provider must say that it asked for one."""
    if await change.tx.scalar(SECOND_FACTOR, user_id) and not assertion.contexts & found.server.second_factor_contexts:
        sentence = f"Your role asks for a second factor, and {found.name} did not say that it asked you for one."
        raise Refused(sentence, "the role demands a second factor, and the context of the sign-in is another")


async def _shortened(change: Change, opened: Opened, until: datetime | None) -> Opened:
    """A session never outlasts the one at the identity provider, where that has an end."""
    if until is None or until >= opened.expires_at:
        return opened
    await change.tx.rows("UPDATE sessions SET expires_at = $2 WHERE id = $1", opened.id, until)
    return Opened(opened.id, opened.token, until)
