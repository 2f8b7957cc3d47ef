"""Match keys: by which a source finds a user, and what whoever set each key could grant.

A source gives roles to the users that its keys name. So a key is as good as its setter: a row that was matched by a key
raises a user's role only if whoever set that key could have granted the role, everywhere. Each user stores, for each
kind of key, a digest of its value and the grant limit of its setter. A value without a matching digest vouches for
nothing, whatever wrote it.
"""

import hashlib
from base64 import urlsafe_b64encode
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

import orjson

from models.database import Connection, Transaction
from models.errors import KeyNotConfirmed
from models.values import API, spelling
from resolvers.changes import Change
from resolvers.drafts import Draft
from resolvers.policy import NO_GRANT, PROVED, GrantLimit, Right
from resolvers.references import RoleRow
from resolvers.targets import Target
from resolvers.viewers import rights_of

EMAIL, LOGIN_DN, EXTERNAL_ID = "email", "login_dn", "external_id:"  # the source follows the colon
FIELDS = {EMAIL: "email", LOGIN_DN: "loginDn", f"{EXTERNAL_ID}{API}": "externalId"}
CALLED = {EMAIL: "email", LOGIN_DN: "login DN", f"{EXTERNAL_ID}{API}": "external id"}
DIGEST_BYTES = 12
Stored = dict[str, tuple[str, int]]  # kind of key to the digest of its value and the id of a grant limit


def values_of(columns: Mapping[str, Any], external_ids: Mapping[str, str | None]) -> dict[str, str]:
    """The match keys of a user, by kind: of columns of `users` and external ids by source."""
    found = {f"{EXTERNAL_ID}{source}": value for source, value in external_ids.items()}
    found[EMAIL] = _address(columns)
    if columns.get("login_dn_key") is not None:
        found[LOGIN_DN] = f"{columns.get('ldap_provider_id')} {columns['login_dn_key']}"
    return {kind: value for kind, value in found.items() if value is not None}


def _address(columns: Mapping[str, Any]) -> str | None:
    """The email as rows are matched by it: a look-alike, which has the same normal form, is another key."""
    if columns.get("email_key") is None:
        return None
    local = columns.get("email", columns["email_key"]).rpartition("@")[0]
    domain = columns["email_key"].rpartition("@")[2]
    return f"{spelling(local)}@{domain}"


def _of_user(target: Target) -> dict[str, str]:
    return values_of(target.columns, target.external_ids)


def _after(draft: Draft) -> dict[str, str]:
    """The keys that a user has once the draft is stored."""
    if draft.target is None:
        return values_of(draft.columns, draft.external_ids)
    columns = {**draft.target.columns, **draft.columns}
    return values_of(columns, {**draft.target.external_ids, **draft.external_ids})


def field_of(kind: str) -> str:
    return FIELDS.get(kind, "externalIds")


def _digest(value: str) -> str:
    made = hashlib.blake2b(value.encode("utf-8", "surrogatepass"), digest_size=DIGEST_BYTES)
    return urlsafe_b64encode(made.digest()).decode()


def _stored(target: Target) -> Stored:
    """What is stored of keys that still have the value it was stored for."""
    text, values = target["match_key_limits"], _of_user(target)
    found: dict[str, list[Any]] = orjson.loads(text) if text else {}
    return {
        kind: (digest, limit)
        for kind, (digest, limit) in found.items()
        if kind in values and _digest(values[kind]) == digest
    }


async def limits_of(connection: Connection, targets: Iterable[Target]) -> dict[int, GrantLimit]:
    """The grant limits that these users' keys refer to, by id: one statement."""
    ids = {limit for target in targets for _, limit in _stored(target).values()}
    if not ids:
        return {}
    among = connection.dialect.among("id", "$1", "bigint")
    rows = await connection.rows(f"SELECT id, weight, rights FROM key_grant_limits WHERE {among}", sorted(ids))
    return {row[0]: GrantLimit(row[1], None if row[2] is None else rights_of(row[2])) for row in rows}


def agreeing(draft: Draft) -> list[str]:
    """The keys by which a matched row and its user agree."""
    assert draft.target is not None
    row, user = values_of(draft.columns, draft.external_ids), _of_user(draft.target)
    return [kind for kind in user if kind in draft.agreed or row.get(kind) == user[kind]]


def inherit(draft: Draft, limits: Mapping[int, GrantLimit], own: GrantLimit) -> None:
    """Note what vouches for a matched row, and that the keys it writes are as good as the best of that."""
    assert draft.target is not None
    stored = _stored(draft.target)
    draft.agreed = set(agreeing(draft))
    draft.vouched = [limits[stored[kind][1]] for kind in sorted(draft.agreed) if kind in stored]
    best = max(draft.vouched, key=_size, default=NO_GRANT)
    draft.key_limit = best.meet(own)


def _size(limit: GrantLimit) -> tuple[int, int]:
    return limit.weight, len(Right) + 1 if limit.rights is None else len(limit.rights)


def require_confirmed(draft: Draft, before: RoleRow, after: RoleRow) -> None:
    """A matched row raises nothing that the setter of its key could not grant. Raises KeyNotConfirmed."""
    target = draft.target
    assert target is not None
    draft.is_raised = after.weight > before.weight or not after.rights <= before.rights
    name = "can_create_projects_in_root"
    if draft.is_raised and not any(limit.covers(after.weight, after.rights) for limit in draft.vouched):
        raise KeyNotConfirmed(*draft.path, "role", **_key_names(draft, target), what=f"the role {after.name}")
    gains_root = draft.columns.get(name) and not target[name]
    if gains_root and not any(limit.covers(0, {Right.UPDATE_USERS}) for limit in draft.vouched):
        what = "canCreateProjectsInRoot"
        raise KeyNotConfirmed(*draft.path, what, **_key_names(draft, target), what=what)


def _key_names(draft: Draft, target: Target) -> dict[str, Any]:
    kinds = sorted(draft.agreed)
    called = " and ".join(CALLED.get(kind) or f"id at {kind.removeprefix(EXTERNAL_ID)}" for kind in kinds)
    called = called or "an earlier row of this source"
    fields = ", ".join(dict.fromkeys(map(field_of, kinds))) or "email or externalId"
    return {"key": called, "number": target.id, "fields": fields}


def with_moved_login_dn(stored: str | None, provider_id: int, before: str, after: str) -> str | None:
    """The column `match_key_limits` once a directory shows a user's own entry at another DN: it is as good as before.

    `before` and `after` are normal forms.
    """
    found: dict[str, list[Any]] = orjson.loads(stored) if stored else {}
    digest, limit = found.get(LOGIN_DN, (None, None))
    if digest == _digest(f"{provider_id} {before}"):
        found[LOGIN_DN] = [_digest(f"{provider_id} {after}"), limit]
    return orjson.dumps(found, option=orjson.OPT_SORT_KEYS).decode() if found else None


async def stamp(change: Change, drafts: Sequence[Draft]) -> None:
    """Put into the drafts what is to be stored about the keys that they write."""
    known = await limits_of(change.tx, [d.target for d in drafts if d.target and d.confirmed])
    plans = [(draft, _planned(change, draft, known)) for draft in drafts]
    ids = await limit_ids(change.tx, {limit for _, (_, new) in plans for limit in new.values()})
    for draft, (kept, new) in plans:
        values = _after(draft)
        made = {**kept, **{kind: (_digest(values[kind]), ids[limit]) for kind, limit in new.items() if limit in ids}}
        text = orjson.dumps(made, option=orjson.OPT_SORT_KEYS).decode() if made else None
        if draft.target is None or text != draft.target["match_key_limits"]:
            draft.columns["match_key_limits"] = text


def _planned(change: Change, draft: Draft, known: Mapping[int, GrantLimit]) -> tuple[Stored, dict[str, GrantLimit]]:
    """What stays as it is stored, and the limits of keys that are written or confirmed."""
    own = draft.key_limit if draft.key_limit is not None else change.viewer.grant_limit
    if draft.target is None:
        return {}, {kind: PROVED if kind in draft.proved else own for kind in _after(draft)}
    before = _of_user(draft.target)
    stored = _stored(draft.target)
    kept: Stored = {}
    new: dict[str, GrantLimit] = {}
    for kind, value in _after(draft).items():
        old = known.get(stored[kind][1], NO_GRANT) if kind in stored else NO_GRANT
        if kind in draft.proved:
            new[kind] = PROVED
        elif before.get(kind) != value or (kind in draft.confirmed and is_more(own, old)):
            new[kind] = own
        elif kind in stored:
            kept[kind] = stored[kind]
    return kept, new


def is_more(limit: GrantLimit, than: GrantLimit) -> bool:
    return limit != than and limit.covers(than.weight, frozenset(Right) if than.rights is None else than.rights)


async def confirm(change: Change, draft: Draft, sent: Mapping[str, str]) -> None:
    """Note which keys, `sent` by an update by id, the user has already, and their fields in the draft's changes.

    Of those only the ones whose setter could grant less than the viewer: all others are confirmed already.
    """
    assert draft.target is not None
    stored, known = _stored(draft.target), await limits_of(change.tx, [draft.target])
    user, own = _of_user(draft.target), change.viewer.grant_limit
    same = [kind for kind, value in sent.items() if user.get(kind) == value]
    limits = {kind: known.get(stored[kind][1], NO_GRANT) if kind in stored else NO_GRANT for kind in same}
    draft.confirmed = {kind for kind in same if is_more(own, limits[kind])}
    if draft.confirmed:
        draft.changes["confirmed_keys"] = (None, sorted(set(map(field_of, draft.confirmed))))


def sent_by(draft: Draft) -> dict[str, str]:
    """The keys that a row names, by kind, before what is so already is taken out of it."""
    columns = draft.columns
    if draft.target is not None and draft.given.get("login_dn") is not None:
        unmoved = {name: draft.target[name] for name in ("ldap_provider_id", "login_dn_key")}
        columns = {**unmoved, **columns}
    return values_of(columns, draft.external_ids)


def text_of(columns: Mapping[str, Any], external_ids: Mapping[str, str | None], limit_id: int) -> str:
    """What is stored of a user whose keys were all set by somebody with this grant limit."""
    made = {kind: (_digest(value), limit_id) for kind, value in values_of(columns, external_ids).items()}
    return orjson.dumps(made, option=orjson.OPT_SORT_KEYS).decode()


async def limit_ids(tx: Transaction, limits: Collection[GrantLimit]) -> dict[GrantLimit, int]:
    """The ids of these grant limits, stored where they are new. What grants nothing has none."""
    digests = {_limit_digest(limit): limit for limit in limits if limit != NO_GRANT}
    if not digests:
        return {}
    found = await _find(tx, digests)
    missing = [(digest, limit) for digest, limit in digests.items() if limit not in found]
    if missing:
        kind = "::jsonb" if tx.dialect.name == "postgres" else ""
        sql = f"INSERT INTO key_grant_limits (weight, rights, digest) VALUES ($1, $2{kind}, $3) ON CONFLICT DO NOTHING"
        for digest, limit in missing:
            rights = None if limit.rights is None else orjson.dumps(sorted(limit.rights)).decode()
            await tx.rows(sql, limit.weight, rights, digest)
        found = await _find(tx, digests)
    return found


async def _find(tx: Transaction, digests: Mapping[str, GrantLimit]) -> dict[GrantLimit, int]:
    among = tx.dialect.among("digest", "$1", "text")
    rows = await tx.rows(f"SELECT digest, id FROM key_grant_limits WHERE {among}", sorted(digests))
    return {digests[row[0]]: row[1] for row in rows}


def _limit_digest(limit: GrantLimit) -> str:
    rights = None if limit.rights is None else sorted(limit.rights)
    return hashlib.sha256(orjson.dumps([limit.weight, rights])).hexdigest()
