"""Confirming the match keys of all users as they are: for a directory whose keys were set before that was recorded."""

from models import bulk
from models.database import Transaction
from models.users import User
from resolvers import match_keys
from resolvers.audit import Action, Event, Subject, record
from resolvers.policy import NOBODY, PROVED

COLUMNS = ("id", "username", "email", "email_key", "ldap_provider_id", "login_dn_key", "match_key_limits")


async def confirm_all(tx: Transaction) -> int:
    """Let the email, external id and login DN of every user vouch for every role; how many users that changed."""
    limit = (await match_keys.limit_ids(tx, [PROVED]))[PROVED]
    external_ids: dict[int, dict[str, str]] = {}
    for row in await tx.rows("SELECT user_id, source, value FROM user_external_ids"):
        external_ids.setdefault(row[0], {})[row[1]] = row[2]
    rows, events = [], []
    for row in await tx.rows(f"SELECT {', '.join(COLUMNS)} FROM users ORDER BY id"):
        columns = dict(zip(COLUMNS, row, strict=True))
        own_ids = external_ids.get(columns["id"], {})
        text = match_keys.text_of(columns, own_ids, limit)
        if text != columns["match_key_limits"]:
            rows.append({"id": columns["id"], "match_key_limits": text})
            fields = sorted(set(map(match_keys.field_of, match_keys.values_of(columns, own_ids))))
            changes = {"confirmed_keys": (None, fields)}
            events.append(Event(Action.UPDATED, Subject.USER, columns["id"], columns["username"], changes))
    await bulk.update(tx, User, rows)
    await record(tx, NOBODY, tx.moment, events)
    return len(rows)
