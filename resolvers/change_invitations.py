"""What happens to invitations afterwards: accepted, sent again, revoked (C7)."""

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any

from models import bulk
from models.database import Connection
from models.errors import Duplicate, InvalidToken, NotFound, Required, WrongState
from models.invitations import Invitation, InvitationState
from models.letters import LetterKind
from models.users import User, UserState
from models.values import clean, key, search_key
from resolvers import audit, letters, references, targets, tokens
from resolvers.activate_users import drop_letters
from resolvers.audit import Action, Event, Subject
from resolvers.changed_addresses import turn_back
from resolvers.changes import Before, Change, number
from resolvers.drafts import Draft, row_name
from resolvers.invite_users import issued
from resolvers.ldap_settings import opened_settings
from resolvers.outcomes import accepted, payload, result
from resolvers.policy import Right, Viewer
from resolvers.strength import check_password
from resolvers.turns import in_turns
from resolvers.viewers import as_time

ADVICE = {
    UserState.INVITED: " Use inviteUsers with their email to invite them again.",
    UserState.DEACTIVATED: " Its user is deactivated: use activateUsers.",
}


async def prepare_acceptance(before: Before, given: dict[str, Any]) -> None:
    password = given.pop("password", None)
    if password is None:
        return
    async with before.database.reading() as connection:
        about = await about_token(connection, "invitations", tokens.digest(tokens.Purpose.INVITATION, given["token"]))
    if not about:
        raise InvalidToken("token")  # before a stranger makes anything slow happen
    await check_password(before, password, "password", about=about)
    given["password_hash"] = await before.hash(password)


async def about_token(connection: Connection, table: str, digest: str) -> tuple[str, ...]:
    """The names of the user a token was made for, which are no passwords; none for an unknown token."""
    row = await connection.one(
        f"SELECT u.username, u.email, u.name FROM {table} t JOIN users u ON u.id = t.user_id WHERE t.token_digest = $1",
        digest,
    )
    return tuple(row or ())


async def accept_invitation(
    change: Change, *, token: str, password_hash: str | None = None, name: str | None = None
) -> dict[str, Any]:
    """The user of a pending invitation becomes active. The token is the only right this needs, and works once.

    Not at a SAML provider that is set up: there, who comes shows who they are first (resolvers/sign_in_saml.py).
    """
    digest = tokens.digest(tokens.Purpose.INVITATION, token)
    elsewhere = await change.tx.one(
        "SELECT p.name, p.prefix, p.settings, i.expires_at FROM invitations i JOIN users u ON u.id = i.user_id"
        " JOIN identity_providers p ON p.id = u.provider_id WHERE i.token_digest = $1 AND i.state = 'PENDING'"
        " AND u.state = 'INVITED' AND p.kind = 'SAML'",
        digest,
    )
    if elsewhere is not None and opened_settings(elsewhere[2]) and as_time(elsewhere[3]) > change.moment:
        reason = f"Join through {elsewhere[0]}: open your link in a browser, and it sends you there"
        raise WrongState("token", reason=f"{reason} (/saml/{elsewhere[1]}/login with the invitation).")
    return await accept(change, "i.token_digest", digest, password_hash=password_hash, name=name)


async def accept(
    change: Change, column: str, value: str | int, *, password_hash: str | None = None, name: str | None = None
) -> dict[str, Any]:
    """Accept the pending invitation found by a column: its token, or its user, who has proved who they are."""
    row = await change.tx.one(
        "SELECT i.id, i.user_id, i.expires_at, u.username, p.kind, u.version, u.state FROM invitations i"
        " JOIN users u ON u.id = i.user_id LEFT JOIN identity_providers p ON p.id = u.provider_id"
        f" WHERE {column} = $1 AND i.state = 'PENDING'",
        value,
    )
    if row is None or as_time(row[2]) <= change.moment or row[6] != UserState.INVITED:
        raise InvalidToken("token")
    if row[4] == "LOCAL" and password_hash is None:
        raise Required("password", what="A password")
    columns: dict[str, Any] = {"state": UserState.ACTIVE}
    if row[4] == "LOCAL":
        columns["password_hash"] = password_hash
    if name is not None:
        columns["name"] = clean(name, "name", what="The name")
        columns["name_key"] = key(columns["name"])
        columns["search_key"] = await _search_key(change, row[1], columns["name_key"])
    stamps = {"updated_at": change.moment, "updated_by_id": row[1], "version": row[5] + 1}
    await bulk.update(change.tx, User, [{"id": row[1], **columns, **stamps}])
    await _close(change, [row[0]], InvitationState.ACCEPTED)
    await drop_letters(change, [row[1]])
    change.reader = Viewer(user_id=row[1], username=row[3], request_id=change.viewer.request_id)
    event = Event(Action.INVITATION_ACCEPTED, Subject.USER, row[1], row[3], {"state": ("INVITED", "ACTIVE")})
    await audit.record(change.tx, change.reader, change.moment, [event])
    return {"user": row[1], "errors": []}


async def _search_key(change: Change, user_id: int, name_key: str) -> str:
    aliases = await change.tx.rows("SELECT value_key FROM user_aliases WHERE user_id = $1", user_id)
    names = await change.tx.rows("SELECT username_key, email_key FROM users WHERE id = $1", user_id)
    return search_key(name_key, names[0][0], names[0][1], [row[0] for row in aliases])


async def _close(change: Change, ids: Sequence[int], state: InvitationState) -> None:
    rows = [{"id": each, "state": state, "closed_at": change.moment} for each in ids]
    await bulk.update(change.tx, Invitation, rows)


async def _pending(change: Change, ids: Sequence[str]) -> list[Draft]:
    """A draft for each invitation id, refused where it is none that the viewer may touch, or not pending."""
    change.bounded(ids, "ids", "ids")
    drafts = [Draft(index, {"ref": typed}, ("ids", index)) for index, typed in enumerate(ids)]
    numbers = {
        d.index: d.attempt(lambda d=d: number("invitation", "invitation", d.given["ref"], *d.path)) for d in drafts
    }
    names = ("id", "user_id", "state", "sent_count")
    among = change.tx.dialect.among("id", "$1", "bigint")
    wanted = [each for each in numbers.values() if each is not None]
    rows = await change.tx.rows(f"SELECT {', '.join(names)} FROM invitations WHERE {among}", wanted)
    found = {row[0]: dict(zip(names, row, strict=True)) for row in rows}
    roles = await references.roles(change.tx)
    owners = await targets.find(change.tx, roles, [each["user_id"] for each in found.values()])
    where = await targets.scope(change, Right.INVITE_USERS)
    seen: dict[int, int] = {}
    for draft in drafts:
        each = numbers[draft.index]
        if each is not None:
            draft.attempt(refuse_repeated, draft, seen.setdefault(each, draft.index), "This invitation")
            draft.attempt(_check, change, draft, found.get(each), owners, where)
    return drafts


def refuse_repeated(draft: Draft, first: int, what: str) -> None:
    if first != draft.index:
        raise Duplicate(*draft.path, what=what, first=row_name(first))


def _check(
    change: Change,
    draft: Draft,
    row: Mapping[str, Any] | None,
    owners: Mapping[int, targets.Target],
    where: targets.Scope,
) -> None:
    unknown = NotFound(*draft.path, what="invitation", key=draft.given["ref"])
    if row is None:
        raise unknown
    draft.target, draft.user_id = owners[row["user_id"]], row["user_id"]
    targets.require_manageable(change, draft.target, where, *draft.path, unseen=unknown, seen_by=Right.INVITE_USERS)
    if row["state"] != InvitationState.PENDING:
        advice = ADVICE.get(draft.target["state"], "") if row["state"] == InvitationState.REVOKED else ""
        raise WrongState(*draft.path, reason=f"This invitation is {row['state'].lower()} already.{advice}")
    draft.columns = dict(row)


async def resend_invitations(change: Change, *, ids: Sequence[str], error_policy: str | None = None) -> dict[str, Any]:
    """New links, new time, new letters; the old links stop working."""
    change.viewer.require(Right.INVITE_USERS)
    drafts = await _pending(change, ids)
    good = accepted(change, drafts, error_policy)
    expires = change.moment + timedelta(days=change.settings.invitation_days)
    secrets = {draft.index: tokens.make(tokens.Purpose.INVITATION) for draft in good}
    rows = [
        {
            "id": draft.columns["id"],
            "token_digest": tokens.digest(tokens.Purpose.INVITATION, secrets[draft.index]),
            "sent_count": draft.columns["sent_count"] + 1,
            "expires_at": expires,
        }
        for draft in good
    ]
    await bulk.update(change.tx, Invitation, rows)
    await _end_links(change, good)
    links = {draft.index: letters.link(change, "invitation", secrets[draft.index]) for draft in good}
    posts = []
    for draft in good:
        assert draft.target is not None
        address = draft.target["email"]
        kind = LetterKind.INVITATION
        posts.append(letters.Post(kind, draft.target.id, address, links[draft.index], draft.columns["id"]))
    await letters.post(change, posts)
    await _record(change, good, Action.INVITATION_RESENT)
    given = {d.index: issued(change, d.columns["id"], links[d.index], expires) for d in good}
    return payload([result(draft, "UPDATED", invitation=given.get(draft.index)) async for draft in in_turns(drafts)])


async def revoke_invitations(change: Change, *, ids: Sequence[str], error_policy: str | None = None) -> dict[str, Any]:
    """The links stop working at once; the users stay, INVITED, to be invited again or deleted."""
    change.viewer.require(Right.INVITE_USERS)
    drafts = await _pending(change, ids)
    good = accepted(change, drafts, error_policy)
    await _close(change, [draft.columns["id"] for draft in good], InvitationState.REVOKED)
    await _end_links(change, good)
    await _record(change, good, Action.INVITATION_REVOKED)
    return payload([result(draft, "UPDATED", invitation=_revoked(draft)) async for draft in in_turns(drafts)])


async def _end_links(change: Change, good: Sequence[Draft]) -> None:
    ids = [draft.user_id for draft in good if draft.user_id]
    await drop_letters(change, ids)
    await turn_back(change, ids)


def _revoked(draft: Draft) -> dict[str, Any]:
    return {"id": draft.given["ref"], "link": None, "expiresAt": None, "invitation": draft.columns.get("id")}


async def _record(change: Change, good: Sequence[Draft], action: Action) -> None:
    events = []
    for draft in good:
        assert draft.target is not None
        changes = {"invitation": (None, draft.given["ref"])}
        events.append(Event(action, Subject.USER, draft.target.id, draft.target["username"], changes))
    await change.record(events)
