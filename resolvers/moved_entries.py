"""Entries that have another DN than before: today's DN of a user who has just proved to be the entry."""

import logging

from models.errors import Refusal
from models.values import login_dn
from resolvers import audit
from resolvers.audit import Action, Event, Subject
from resolvers.changes import Change
from resolvers.entry_ids import is_another, to_keep
from resolvers.match_keys import with_moved_login_dn

log = logging.getLogger("usergraph.sign_in")

MOVED = "the entry of user_%d has another DN than before at provider_%d: signed in by its own id, and the DN is stored"
IN_USE = (
    "the entry of user_%d has another DN than before at provider_%d: signed in by its own id. The DN is not stored,"
    " because user_%d still has it until the next sync"
)
STORE = """
UPDATE users SET login_dn = $2, login_dn_key = $3, match_key_limits = $4, version = version + 1, updated_at = $5
WHERE id = $1
"""


async def store_moved_dn(change: Change, user_id: int, entry_id: str | None, dn: str) -> None:
    """Store the DN at which a user's own entry is now. Only an entry whose id is stored is known to have moved."""
    names = "username, login_dn, login_dn_key, ldap_provider_id, entry_id, match_key_limits"
    row = await change.tx.one(f"SELECT {names} FROM users WHERE id = $1", user_id)
    assert row is not None
    username, before, before_key, provider_id, stored_id, limits = row
    try:
        kept, normal = login_dn(dn, "loginDn")
    except Refusal:
        return  # such as one that is too long to be stored
    if normal == before_key or to_keep(entry_id or "") is None or is_another(stored_id, entry_id or ""):
        return
    owner = await change.tx.scalar(
        "SELECT id FROM users WHERE ldap_provider_id = $1 AND login_dn_key = $2", provider_id, normal
    )
    if owner is not None:
        log.warning(IN_USE, user_id, provider_id, owner)
        return
    limits = with_moved_login_dn(limits, provider_id, before_key, normal)
    await change.tx.rows(STORE, user_id, kept, normal, limits, change.moment)
    changes = {"login_dn": (before, kept)}
    event = Event(Action.UPDATED, Subject.USER, user_id, username, changes)
    await audit.record(change.tx, change.viewer, change.moment, [event])
    if not change.dry_run:
        log.warning(MOVED, user_id, provider_id)
