"""Inviting many users at once: each becomes a user who is INVITED, with a link that works once (C6, C7)."""

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any

from models import bulk
from models.errors import Taken
from models.invitations import Invitation, InvitationState
from models.letters import LetterKind
from models.users import UserState
from resolvers import (
    existing_users,
    letters,
    outcomes,
    references,
    store_users,
    targets,
    tokens,
    uniqueness,
)
from resolvers.activate_users import end_keys
from resolvers.audit import Action
from resolvers.changes import Change
from resolvers.drafts import Draft, name_by_email, read, refuse_duplicates, require_for_sources
from resolvers.placing import Placing
from resolvers.policy import Right
from resolvers.references import Identity
from resolvers.turns import in_turns
from resolvers.update_users import update
from resolvers.user_details import Details, details_of


async def invite_users(
    change: Change, *, users: Sequence[Mapping[str, Any]], error_policy: str | None = None
) -> dict[str, Any]:
    """A result for each row, with the invitation and, for the viewer to hand over, its link."""
    change.viewer.require(Right.INVITE_USERS)
    change.bounded(users, "users", "users")
    drafts = [Draft(index, row, ("users", index)) for index, row in enumerate(users)]
    async for draft in in_turns(drafts):
        read(draft)
        draft.attempt(require_for_sources, change.viewer, draft)
        store_users.require(draft, "email")
    known = await _find_invited(change, drafts)
    placing = await Placing.load(change, Right.INVITE_USERS, drafts)
    async for draft in in_turns(drafts):
        _place(change, draft, placing)
        if draft.target is not None:
            draft.attempt(targets.require_manageable, change, draft.target, placing.where, *draft.path)
            if draft.is_good:
                _place_again(draft, placing, known[draft.target.id])
    refuse_duplicates(drafts)
    await uniqueness.refuse_taken(change, drafts)
    await _advise(change, drafts)
    good = outcomes.accepted(change, drafts, error_policy)
    again = [draft for draft in good if draft.target is not None]
    new = [draft for draft in good if draft.target is None]
    await end_keys(change, again)
    await store_users.update(change, again)
    await store_users.insert(change, new, {draft.index: UserState.INVITED for draft in new}, placing.roles)
    await store_users.attach(change, good)
    async for draft in in_turns(new):
        store_users.describe(draft, placing)
    await store_users.record(change, good, Action.INVITED)
    issued = await issue(change, good)
    return outcomes.payload(
        [
            outcomes.result(d, "UPDATED" if d.target else "CREATED", invitation=issued.get(d.index))
            async for d in in_turns(drafts)
        ]
    )


async def _find_invited(change: Change, drafts: Sequence[Draft]) -> dict[int, Details]:
    """Find the users who were invited by a row's email before, and whose invitation was revoked."""
    keys = [draft.columns["email_key"] for draft in drafts if draft.columns.get("email_key") is not None]
    if not keys:
        return {}
    among = change.tx.dialect.among("u.email_key", "$1", "text")
    sql = (
        f"SELECT u.email_key, u.id FROM users u WHERE {among} AND u.state = 'INVITED'"
        " AND NOT EXISTS (SELECT 1 FROM invitations i WHERE i.user_id = u.id AND i.state = 'PENDING')"
    )
    found = {row[0]: row[1] for row in await change.tx.rows(sql, keys)}
    if not found:
        return {}
    matched = await targets.find(change.tx, await references.roles(change.tx), list(found.values()))
    for draft in drafts:
        user_id = found.get(draft.columns.get("email_key") or "")
        if user_id is not None:
            draft.matched_by = "EMAIL"
            if existing_users.is_another(draft, matched[user_id]):
                draft.mistaken_for = matched[user_id]
            else:
                draft.target, draft.user_id = matched[user_id], user_id
            draft.matched_by = None
    return await details_of(change.tx, list(found.values()))


def _place_again(draft: Draft, placing: Placing, known: Details) -> None:
    """What the row says counts from now on. Who set other values before is not asked."""
    target, email = draft.target, draft.columns["email"]
    assert target is not None
    if draft.given.get("username") is None:
        draft.columns.pop("username", None)
        draft.columns.pop("username_key", None)
    update(draft, placing, known, target["state"])
    draft.columns["email"], draft.columns["email_key"] = email, target["email_key"]
    before = target["provider_id"]
    if draft.columns["provider_id"] != before:
        names = [
            None if each is None else placing.providers.by_id[each].name
            for each in (before, draft.columns["provider_id"])
        ]
        draft.change("identity_provider", *names)


def _place(change: Change, draft: Draft, placing: Placing) -> None:
    name_by_email(draft)
    role = placing.role(draft, draft.given.get("role"))
    placing.memberships(draft)
    placing.within(draft)
    draft.columns["can_create_projects_in_root"] = placing.project_right(draft, role, change.settings.projects_in_root)
    draft.columns |= Identity(None).columns
    typed = draft.given.get("identity_provider_id")
    path = (*draft.path, "identityProviderId")
    if typed is not None:
        provider = draft.attempt(lambda: placing.providers.find(typed, *path))
    else:
        provider = draft.attempt(lambda: placing.providers.of_kind("LOCAL", *path))
    draft.columns["provider_id"] = provider.id if provider else None
    if provider is not None and provider.kind == "LDAP":
        # The directory's next run takes them for the entry of that address, with what its groups give.
        draft.attempt(placing.require_linkable, provider.id, *path)


async def _advise(change: Change, drafts: Sequence[Draft]) -> None:
    """What to do about an email that is taken; whoever does not see its user is given the usual advice."""
    taken = [
        (draft, refusal)
        for draft in drafts
        for refusal in draft.refusals
        if isinstance(refusal, Taken) and refusal.path[-1] == "email"
    ]
    typed = {str(refusal.values["owner"]) for _, refusal in taken if "owner" in refusal.values}
    among = change.tx.dialect.among("id", "$1", "bigint")
    ids = sorted(int(each.rpartition("_")[2]) for each in typed)
    rows = await change.tx.rows(f"SELECT id, state FROM users WHERE {among}", ids) if ids else []
    states = {f"user_{row[0]}": row[1] for row in rows}
    for draft, refusal in taken:
        state = states.get(str(refusal.values.get("owner")))
        if state == UserState.DEACTIVATED:
            refusal.message += " They are deactivated: use activateUsers."
        elif state != UserState.ACTIVE and draft.mistaken_for is None:
            refusal.message += " If they were invited before, use resendInvitations."


async def issue(change: Change, drafts: Sequence[Draft]) -> dict[int, dict[str, Any]]:
    """Make invitations and letters for new users; what to hand over, by the draft's index."""
    expires = change.moment + timedelta(days=change.settings.invitation_days)
    secrets = {draft.index: tokens.make(tokens.Purpose.INVITATION) async for draft in in_turns(drafts)}
    rows = [
        {
            "user_id": draft.user_id,
            "provider_id": draft.columns["provider_id"] if draft.given.get("identity_provider_id") else None,
            "token_digest": tokens.digest(tokens.Purpose.INVITATION, secrets[draft.index]),
            "state": InvitationState.PENDING,
            "sent_count": 1,
            "expires_at": expires,
            "created_at": change.moment,
            "created_by_id": change.viewer.user_id,
        }
        async for draft in in_turns(drafts)
    ]
    ids = {row[1]: row[0] for row in await bulk.insert(change.tx, Invitation, rows, returning=("id", "user_id"))}
    links = {draft.index: letters.link(change, "invitation", secrets[draft.index]) for draft in drafts}
    await letters.post(
        change,
        [
            letters.Post(LetterKind.INVITATION, d.user_id or 0, d.columns["email"], links[d.index], ids[d.user_id])
            for d in drafts
        ],
    )
    return {draft.index: issued(change, ids[draft.user_id], links[draft.index], expires) for draft in drafts}


async def restore(change: Change, drafts: Sequence[Draft]) -> None:
    """Expired invitations, without link or email, for users who come INVITED out of a file: to be sent again."""
    rows = [
        {
            "user_id": draft.user_id,
            "provider_id": None,
            "token_digest": tokens.digest(tokens.Purpose.INVITATION, tokens.make(tokens.Purpose.INVITATION)),
            "state": InvitationState.PENDING,
            "sent_count": 0,
            "expires_at": change.moment,
            "created_at": change.moment,
            "created_by_id": change.viewer.user_id,
        }
        for draft in drafts
    ]
    await bulk.insert(change.tx, Invitation, rows)


def issued(change: Change, invitation_id: int, link: str, expires: Any) -> dict[str, Any]:
    """An `IssuedInvitation`. A dry run has no link: the token it would hold will never work."""
    return {
        "id": f"invitation_{invitation_id}",
        "link": None if change.dry_run else link,
        "expiresAt": expires,
        "invitation": invitation_id,
    }
