"""Links that open nothing any more: sent to an address that has changed, or made before a source raised the role."""

from collections import Counter
from collections.abc import Sequence

from models import bulk
from models.invitations import Invitation
from models.letters import LetterKind
from models.values import is_same_email
from resolvers import letters, tokens
from resolvers.activate_users import drop_letters
from resolvers.audit import Action, Event, Subject
from resolvers.changes import Change
from resolvers.drafts import Draft
from resolvers.turns import in_turns


async def follow(change: Change, drafts: Sequence[Draft]) -> None:
    """Close open resets, and send open invitations to the new address with a new token, for as long as they had.

    Another spelling of the same address changes nothing. A role that a source raises counts as a change of address:
    whoever made a link for the user may not be able to grant it.
    """
    raised = await _raised(change, drafts)
    moved = [draft for draft in drafts if draft.user_id in raised or _has_moved(draft)]
    if not moved:
        return
    ids = [draft.user_id for draft in moved if draft.user_id is not None]
    await drop_letters(change, ids)
    await _close_resets(change, moved, ids)
    await _readdress(change, {draft.user_id: draft for draft in moved if draft.user_id is not None}, ids)


async def _raised(change: Change, drafts: Sequence[Draft]) -> set[int]:
    """Whose role a source raises, where a link opens the account: an LDAP server asks for its own password anyhow."""
    raised = [draft for draft in drafts if draft.is_raised and draft.target is not None]
    if not raised:
        return set()
    ldap = {row[0] for row in await change.tx.rows("SELECT id FROM identity_providers WHERE kind = 'LDAP'")}
    providers = {d.target.id: d.columns.get("provider_id", d.target["provider_id"]) for d in raised if d.target}
    return {user_id for user_id, provider_id in providers.items() if provider_id not in ldap}


def _has_moved(draft: Draft) -> bool:
    if draft.target is None or "email" not in draft.columns:
        return False
    is_alike = draft.columns["email_key"] == draft.target["email_key"]
    return not (is_alike and is_same_email(draft.columns["email"], draft.target["email"]))


async def _close_resets(change: Change, moved: Sequence[Draft], ids: Sequence[int]) -> None:
    """How many were open stands with the new address in the audit log."""
    among = change.tx.dialect.among("user_id", "$1", "bigint")
    rows = await change.tx.rows(
        f"UPDATE password_resets SET closed_at = $2 WHERE {among} AND closed_at IS NULL AND expires_at > $2"
        " RETURNING user_id",
        list(ids),
        change.moment,
    )
    closed = Counter(row[0] for row in rows)
    for draft in moved:
        draft.changes["open_resets"] = (closed[draft.user_id], 0)


async def turn_back(change: Change, ids: Sequence[int]) -> None:
    """Who came with an old link to a SAML provider is on their way with it still."""
    among = change.tx.dialect.among("user_id", "$1", "bigint")
    await change.tx.rows(f"DELETE FROM saml_requests WHERE {among} AND purpose = 'INVITATION'", list(ids))


async def _readdress(change: Change, moved: dict[int, Draft], ids: Sequence[int]) -> None:
    among = change.tx.dialect.among("user_id", "$1", "bigint")
    found = await change.tx.rows(
        f"SELECT id, user_id, sent_count FROM invitations WHERE {among} AND state = 'PENDING' AND expires_at > $2",
        list(ids),
        change.moment,
    )
    if not found:
        return
    rows, posts, events = [], [], []
    async for invitation_id, user_id, sent_count in in_turns(found):
        draft, token = moved[user_id], tokens.make(tokens.Purpose.INVITATION)
        digest = tokens.digest(tokens.Purpose.INVITATION, token)
        rows.append({"id": invitation_id, "token_digest": digest, "sent_count": sent_count + 1})
        link = letters.link(change, "invitation", token)
        email = draft.columns.get("email") or (draft.target["email"] if draft.target else "")
        posts.append(letters.Post(LetterKind.INVITATION, user_id, email, link, invitation_id))
        label = draft.columns.get("username") or (draft.target["username"] if draft.target else "")
        changes = {"invitation": (None, f"invitation_{invitation_id}")}
        events.append(Event(Action.INVITATION_RESENT, Subject.USER, user_id, label, changes))
    await bulk.update(change.tx, Invitation, rows)
    await turn_back(change, list(moved))
    await letters.post(change, posts)
    await change.record(events)
