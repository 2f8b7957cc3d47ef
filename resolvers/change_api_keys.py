"""Making and revoking API keys (E1, E2)."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from models import bulk
from models.api_keys import ApiKey
from models.errors import Invalid, NotFound, WrongState
from models.users import UserState
from models.values import clean, rfc3339
from resolvers import references, targets, tokens
from resolvers.audit import Action, Event, Subject
from resolvers.change_invitations import refuse_repeated
from resolvers.changes import Change, number
from resolvers.drafts import Draft
from resolvers.outcomes import accepted, payload, result
from resolvers.policy import Right, require_rights_held

MOST_KEYS = 100


async def create_api_key(
    change: Change,
    *,
    name: str,
    user_id: str | None = None,
    permissions: Sequence[str] | None = None,
    expires_at: datetime | None = None,
) -> dict[str, Any]:
    """The key's id under `apiKey` and, this once, its `secret`. No key is wider than the one it was made with."""
    viewer = change.viewer
    owner = number("user", "user", user_id, "userId") if user_id is not None else viewer.user_id or 0
    viewer.require_self_or(Right.MANAGE_API_KEYS, [owner], "userId")
    roles = await references.roles(change.tx)
    target = (await targets.find(change.tx, roles, [owner])).get(owner)
    if target is None:
        raise NotFound("userId", what="user", key=user_id)
    where = await targets.scope(change, Right.MANAGE_API_KEYS)
    targets.require_manageable(change, target, where, "userId")
    if target["state"] != UserState.ACTIVE:
        raise WrongState("userId", reason=f"This user is {target['state'].lower()}. Only active users hold keys.")
    expires_at = _expiry(change, expires_at)
    rights = _rights(change, target, permissions, where)
    kept = clean(name, "name", what="The key's name")
    await _bounded(change, owner)
    secret = tokens.make(tokens.Purpose.API_KEY)
    row = {
        "user_id": owner,
        "name": kept,
        "prefix": secret[:8],
        "digest": tokens.digest(tokens.Purpose.API_KEY, secret),
        "rights": rights,
        "expires_at": expires_at,
        "created_at": change.moment,
        "created_by_id": viewer.user_id,
    }
    key_id = (await bulk.insert(change.tx, ApiKey, [row]))[0][0]
    changes: dict[str, tuple[Any, Any]] = {"key": (None, f"key_{key_id}"), "name": (None, kept)}
    if rights is not None:
        changes["permissions"] = (None, rights)
    await change.record([Event(Action.KEY_CREATED, Subject.USER, owner, target["username"], changes)])
    return {"apiKey": key_id, "secret": None if change.dry_run else secret, "errors": []}


def _expiry(change: Change, asked: datetime | None) -> datetime | None:
    """A key made with an expiring key expires no later."""
    own = change.viewer.key_expires_at
    if asked is not None and asked <= change.moment:
        raise Invalid("expiresAt", reason="expiresAt lies in the past.")
    if own is not None and asked is not None and asked > own:
        raise Invalid("expiresAt", reason=f"The key you came with expires at {rfc3339(own)}, before this one would.")
    return asked or own


def _rights(
    change: Change, target: targets.Target, asked: Sequence[str] | None, where: targets.Scope
) -> list[str] | None:
    """The rights to narrow the key to, None for all of its owner's, which then grow and shrink with the owner's.

    Whatever the key will give, everywhere or in one organization, its maker holds there.
    """
    viewer, path = change.viewer, "permissions"
    if asked is None and target.id == viewer.user_id:
        return sorted(viewer.somewhere) if viewer.key_is_narrow else None
    narrow = None if asked is None else frozenset(Right(each) for each in asked)
    if narrow is not None:
        owned = target.role.rights.union(*(role.rights for _, role in target.grants))
        require_rights_held(owned, narrow, path)
    targets.require_no_wider(where, target, path, narrow=narrow)
    return None if narrow is None else sorted(narrow)


async def _bounded(change: Change, owner: int) -> None:
    count = await change.tx.scalar("SELECT COUNT(*) FROM api_keys WHERE user_id = $1 AND revoked_at IS NULL", owner)
    if count >= MOST_KEYS:
        raise Invalid("userId", reason=f"This user holds {MOST_KEYS} keys. Revoke some first.")


async def revoke_api_keys(change: Change, *, ids: Sequence[str], error_policy: str | None = None) -> dict[str, Any]:
    """The keys stop working at once. Everybody may revoke their own."""
    change.viewer.require(Right.USE_SELF_SERVICE)
    change.bounded(ids, "ids", "ids")
    drafts = [Draft(index, {"ref": typed}, ("ids", index)) for index, typed in enumerate(ids)]
    numbers = {d.index: d.attempt(lambda d=d: number("API key", "key", d.given["ref"], *d.path)) for d in drafts}
    among = change.tx.dialect.among("id", "$1", "bigint")
    wanted = [each for each in numbers.values() if each is not None]
    found = {
        r[0]: r for r in await change.tx.rows(f"SELECT id, user_id, revoked_at FROM api_keys WHERE {among}", wanted)
    }
    roles = await references.roles(change.tx)
    owners = await targets.find(change.tx, roles, [row[1] for row in found.values()])
    where = await targets.scope(change, Right.MANAGE_API_KEYS)
    seen: dict[int, int] = {}
    for draft in drafts:
        each = numbers[draft.index]
        if each is not None:
            draft.attempt(refuse_repeated, draft, seen.setdefault(each, draft.index), "This key")
            draft.attempt(_check, change, draft, found.get(each), owners, where)
    good = accepted(change, drafts, error_policy)
    changed = [draft for draft in good if draft.columns["revoked_at"] is None]
    rows = [{"id": draft.columns["id"], "revoked_at": change.moment} for draft in changed]
    await bulk.update(change.tx, ApiKey, rows)
    await change.record([_revoked(draft) for draft in changed])
    return payload(
        [
            {
                **result(d, "UPDATED" if d in changed else "UNCHANGED"),
                "apiKey": d.columns.get("id") if d.is_good else None,
            }
            for d in drafts
        ]
    )


def _check(change: Change, draft: Draft, row: Any, owners: Mapping[int, targets.Target], where: targets.Scope) -> None:
    if row is None or (row[1] != change.viewer.user_id and not change.viewer.can(Right.MANAGE_API_KEYS)):
        raise _unknown(draft)
    draft.target, draft.user_id = owners[row[1]], row[1]
    unseen, seen_by = _unknown(draft), Right.MANAGE_API_KEYS
    targets.require_manageable(change, owners[row[1]], where, *draft.path, unseen=unseen, seen_by=seen_by)
    draft.columns = {"id": row[0], "revoked_at": row[2]}


def _unknown(draft: Draft) -> NotFound:
    return NotFound(*draft.path, what="API key", key=draft.given["ref"])


def _revoked(draft: Draft) -> Event:
    assert draft.target is not None
    changes = {"key": (draft.given["ref"], None)}
    return Event(Action.KEY_REVOKED, Subject.USER, draft.target.id, draft.target["username"], changes)
