"""Taking conversions back, the last one first (D6)."""

from collections.abc import Mapping, Sequence
from typing import Any

from models import bulk
from models.errors import WrongState
from models.users import User
from models.values import login_dn
from resolvers import entry_ids, match_keys, references, targets, uniqueness
from resolvers.activate_users import end_keys
from resolvers.audit import Action, Event, Subject
from resolvers.changes import Change
from resolvers.convert_users import describe, find_users, stamps
from resolvers.drafts import Draft, refuse_duplicates
from resolvers.outcomes import accepted, payload, result
from resolvers.references import Identity, Providers
from resolvers.sessions import end_sessions
from resolvers.turns import in_turns


async def revert_conversions(change: Change, *, ids: Sequence[str], error_policy: str | None = None) -> dict[str, Any]:
    """Bring back how these users signed in before their last conversion, the password with it if none is newer."""
    change.bounded(ids, "ids", "ids")
    drafts = [Draft(index, {"id": each, "ref": each}, ("ids", index)) for index, each in enumerate(ids)]
    await find_users(change, drafts, "ids")
    known = await references.providers(change.tx)
    roles = await references.roles(change.tx)
    administrators = await targets.administrators(change.tx, roles, local=True)
    previous = await _last_identities(change, [draft.user_id for draft in drafts if draft.user_id])
    async for draft in in_turns(drafts):
        if draft.is_good:
            draft.attempt(_may_revert, draft, previous, known, administrators)
    refuse_duplicates(drafts)
    await uniqueness.refuse_taken(change, drafts)
    good = accepted(change, drafts, error_policy)
    await _store_reverted(change, good, previous, known)
    return payload([result(draft, "UPDATED") async for draft in in_turns(drafts)])


async def _last_identities(change: Change, ids: Sequence[int]) -> dict[int, Mapping[str, Any]]:
    names = ("id", "user_id", "provider_id", "ldap_provider_id", "login_dn", "name_id", "entry_id", "password_hash")
    among = change.tx.dialect.among("user_id", "$1", "bigint")
    rows = await change.tx.rows(
        f"SELECT {', '.join(names)} FROM previous_identities WHERE {among} AND reverted_at IS NULL ORDER BY id",
        list(ids),
    )
    return {row[1]: dict(zip(names, row, strict=True)) for row in rows}


def _may_revert(
    draft: Draft, previous: Mapping[int, Mapping[str, Any]], known: Providers, administrators: set[int]
) -> None:
    before = previous.get(draft.user_id or 0)
    if before is None:
        raise WrongState(*draft.path, reason="This user has no conversion to take back.")
    provider = known.by_id.get(before["provider_id"])
    if provider is not None:
        known.find(f"provider_{provider.id}", *draft.path)
    if provider is not None and provider.kind != "LOCAL":
        targets.keep_one(administrators, draft.user_id, *draft.path)
    dn = login_dn(before["login_dn"])[1] if before["login_dn"] else None
    names = ("provider_id", "ldap_provider_id", "login_dn", "name_id", "entry_id")
    draft.columns |= Identity(login_dn_key=dn, **{name: before[name] for name in names}).columns
    assert draft.target is not None
    if before["entry_id"] is None and entry_ids.is_named_alike(draft.target.columns, draft.columns):
        draft.columns["entry_id"] = draft.target["entry_id"]  # learned since, of the same entry


async def _store_reverted(
    change: Change, good: Sequence[Draft], previous: Mapping[int, Mapping[str, Any]], known: Providers
) -> None:
    rows, events = [], []
    await match_keys.stamp(change, good)
    await end_keys(change, good)
    async for draft in in_turns(good):
        target, before = draft.target, previous[draft.user_id or 0]
        assert target is not None
        # Converting puts the password away, so that one which is there was set since, or came back from a later
        # conversion: it is the newer one, and stays.
        password = target["password_hash"] or before["password_hash"]
        rows.append({"id": target.id, **draft.columns, "password_hash": password, **stamps(change, target)})
        describe(draft, target, known)
        events.append(Event(Action.CONVERSION_REVERTED, Subject.USER, target.id, target["username"], draft.changes))
    await uniqueness.park(change.tx, good, Identity(None).columns)
    await bulk.update(change.tx, User, rows)
    among = change.tx.dialect.among("id", "$1", "bigint")
    ids = [previous[draft.user_id or 0]["id"] for draft in good]
    await change.tx.rows(f"UPDATE previous_identities SET reverted_at = $2 WHERE {among}", ids, change.moment)
    await end_sessions(change, [draft.user_id for draft in good if draft.user_id])
    await change.record(events)
