"""The rows of a job as rows of an upsert: whom they mean, what a source may not do to them, and what they come to."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from models.directories import DirectoryAction, JobKind
from models.errors import Duplicate, Refusal, RoleAboveCeiling, Taken, WrongState
from models.users import UserState
from models.values import camel, email_spelling, login_dn, spelling
from resolvers import entry_ids, store_users
from resolvers.changes import Change
from resolvers.directories_entries import deactivated_by
from resolvers.directories_found import found
from resolvers.directories_store import Job, JobRow
from resolvers.drafts import Draft, row_name
from resolvers.match_keys import LOGIN_DN
from resolvers.references import Roles, is_deactivated, number_or_none, roles
from resolvers.upsert_users import Planned, plan
from resolvers.user_details import LEAVABLE

REPLACED = (
    " It is that of user_{number}, who was another entry, by its own id. If that was somebody else, convert or delete"
    " user_{number}; if it is the same person, convert them to local and back. Then run this again."
)
NORMAL_FORMS = {"email": email_spelling, "username": spelling}  # names are compared as they are written
# What mappings give, and where the options of a job and its rows say so.
GIVEN = {"groups": ("managed_groups", "group_ids"), "organizations": ("managed_organizations", "organization_ids")}


@dataclass(frozen=True)
class Limits:
    """What a directory gives at most; None for a reconciliation, which is as free as who started it."""

    roles: Roles
    ceiling: int | None = None  # of a directory whose mappings give roles
    server_number: int | None = None
    provider: str | None = None

    def refusal(self, weight: int, name: str, *path: str | int) -> Refusal | None:
        if self.ceiling is None or weight <= self.ceiling:
            return None
        return RoleAboveCeiling(*path, name=name, weight=weight, ceiling=self.ceiling)


async def limits_of(change: Change, job: Job) -> Limits:
    known = await roles(change.tx)
    if job.kind != JobKind.SYNC:
        return Limits(known)
    sql = "SELECT ceiling_weight, server_number, name FROM identity_providers WHERE id = $1"
    row = await change.tx.one(sql, job.provider_id)
    assert row is not None
    return Limits(known, *row)


async def drafted(change: Change, job: Job, rows: Sequence[JobRow], limits: Limits) -> Planned:
    """What rows with a `wanted` come to, checked as upsertUsers checks them and by the rules of their source."""
    known = await found(change.tx, job, rows)
    users = [_upsert_row(job, row, known.users, limits) for row in rows]
    making = bool(job.options.get("create_missing_groups"))

    async def settle(drafts: Sequence[Draft]) -> None:
        await _settle(change, job, rows, drafts, limits)

    directory = job.provider_id if job.kind == JobKind.SYNC else None
    made = await plan(
        change, users, source=job.source, create_missing_groups=making, matched=settle, directory=directory
    )
    for row, draft in zip(rows, made.drafts, strict=True):
        _explain(draft, known.replaced.get(row.entry_key))
    return made


def _explain(draft: Draft, owner: int | None) -> None:
    """Where a DN has passed to another entry, the directory deleted somebody and gave it away again."""
    for refusal in draft.refusals:
        if owner is not None and isinstance(refusal, Taken) and refusal.path[-1] == "loginDn":
            refusal.message += REPLACED.format(number=owner)


def _upsert_row(job: Job, row: JobRow, matched: Mapping[str, int], limits: Limits) -> dict[str, Any]:
    wanted = {name: value for name, value in (row.wanted or {}).items() if name != "values"}
    dn, entry_id = wanted.pop("login_dn", None), entry_ids.to_keep(wanted.pop("entry_id", None) or "")
    given = {**wanted, "place": row_name(row.position)}
    if job.kind == JobKind.SYNC:
        ldap = {"server_number": limits.server_number, "login_dn": dn, "entry_id": entry_id}
        given["authentication"] = {"ldap": ldap}
        given["user_id"] = matched.get(row.entry_key)
    elif row.entry_key in matched:
        given["user_id"] = matched[row.entry_key]
    return given


async def _settle(change: Change, job: Job, rows: Sequence[JobRow], drafts: Sequence[Draft], limits: Limits) -> None:
    await _refuse_repeated(change, job, rows, drafts)
    back = await deactivated_by(change.tx, job, [draft.user_id for draft in drafts if draft.user_id is not None])
    await _take_memberships_back(change, job, drafts)
    for row, draft in zip(rows, drafts, strict=True):
        if draft.target is not None:
            _keep_stored_values(draft, (row.wanted or {}).get("values") or {})
    for draft in drafts:
        if draft.target is not None:
            _keep_deactivated(draft, back)
            if job.kind == JobKind.SYNC:
                _provision(job, draft, limits)
                _take_role_back(job, draft, change.settings.default_role)
        if job.kind == JobKind.SYNC:
            _below_ceiling(draft, limits, change.settings.default_role)


async def _refuse_repeated(change: Change, job: Job, rows: Sequence[JobRow], drafts: Sequence[Draft]) -> None:
    """A user stands in a source once, however far apart two rows of theirs are; the later one is refused."""
    tx = change.tx
    by_key = tx.dialect.among("entry_key", "$2", "text")
    found = await tx.rows(
        f"SELECT entry_key, MIN(position) FROM directory_job_rows WHERE job_id = $1 AND {by_key} GROUP BY entry_key",
        job.id,
        [row.entry_key for row in rows],
    )
    keys = {row[0]: row[1] for row in found}
    by_user = tx.dialect.among("user_id", "$2", "bigint")
    # By the index of users alone: that of positions would lead through all earlier rows of the job.
    sql = f"SELECT user_id, MIN(position) FROM directory_job_rows WHERE job_id + 0 = $1 AND {by_user} GROUP BY user_id"
    ids = [draft.user_id for draft in drafts if draft.user_id is not None]
    users = {row[0]: row[1] for row in await tx.rows(sql, job.id, ids)}
    for row, draft in zip(rows, drafts, strict=True):
        before = min(keys[row.entry_key], users.get(draft.user_id or 0, row.position))
        if before < row.position and not any(isinstance(each, Duplicate) for each in draft.refusals):
            draft.refusals.append(Duplicate(*draft.path, what="This user", first=row_name(before)))


def _keep_deactivated(draft: Draft, back: set[int]) -> None:
    """Nobody comes back whom a person has deactivated; whom a job of this source has, does."""
    assert draft.target is not None
    if draft.target["state"] != UserState.DEACTIVATED:
        return
    left = is_deactivated(draft.given.get("role")) or draft.given.get("is_active") is False
    draft.given = {**draft.given, "is_active": draft.target.id in back and not left}


def _keep_stored_values(draft: Draft, values: Mapping[str, Sequence[str]]) -> None:
    """Of several values in no order, the one that is stored stays as long as the entry has it."""
    target = draft.target
    assert target is not None
    for name, current in values.items():
        stored, column = target[name], f"{name}_key"
        normal = NORMAL_FORMS.get(name, str)
        if stored is None or normal(stored) not in map(normal, current):
            continue
        draft.refusals = [each for each in draft.refusals if each.path[-1:] != (camel(name),)]
        draft.columns |= {name: stored, column: target[column]}


def _provision(job: Job, draft: Draft, limits: Limits) -> None:
    """The DN follows the directory; who authenticates stays as it is. A role above the ceiling is not its matter.

    Who was invited through the directory is provisioned by it from now on.
    """
    target = draft.target
    assert target is not None
    if target["ldap_provider_id"] is None and target["provider_id"] == job.provider_id:
        draft.change("provisioned_by", None, limits.provider)
    elif target["ldap_provider_id"] != job.provider_id:
        reason = "This user was converted, and no longer comes from this directory. Leave the entry out by its filter."
        draft.refusals.append(WrongState(*draft.path, reason=reason))
        return
    ldap = draft.given["authentication"]["ldap"]
    named = draft.attempt(lambda: login_dn(ldap["login_dn"] or "", *draft.path, "loginDn"))
    if named is not None and target["login_dn_key"] is not None:
        is_same_entry = ldap["entry_id"] is not None and ldap["entry_id"] == target["entry_id"]
        if is_same_entry or named[1] == target["login_dn_key"]:
            draft.agreed.add(LOGIN_DN)
    if named is not None and named != (target["login_dn"], target["login_dn_key"]):
        draft.columns["login_dn"], draft.columns["login_dn_key"] = named
        draft.columns["ldap_provider_id"] = job.provider_id
        draft.columns["entry_id"] = ldap["entry_id"] or target["entry_id"]
        draft.change("login_dn", target["login_dn"], named[0])


def _take_role_back(job: Job, draft: Draft, default: str) -> None:
    """Whose groups give no role any more loses one that groups give."""
    assert draft.target is not None
    if draft.given.get("role") is None and draft.target["role_id"] in job.options.get("managed_roles", ()):
        draft.given = {**draft.given, "role": {"name": default}}


async def _take_memberships_back(change: Change, job: Job, drafts: Sequence[Draft]) -> None:
    """Whose groups in the directory no longer map to a group or organization here leaves it; no mapping, no matter."""
    tx = change.tx
    those = {draft.user_id: draft for draft in drafts if draft.user_id is not None}
    for name, (table, column) in LEAVABLE.items():
        option, given = GIVEN[name]
        managed = job.options.get(option)
        if not managed or not those:
            continue
        of_users, among = tx.dialect.among("user_id", "$1", "bigint"), tx.dialect.among(column, "$2", "bigint")
        sql = f"SELECT user_id, {column} FROM {table} WHERE {of_users} AND {among} ORDER BY id"
        for user_id, each in await tx.rows(sql, list(those), managed):
            draft = those[user_id]
            if each not in map(number_or_none, draft.given.get(given) or ()):
                draft.left.setdefault(name, []).append(each)


def _below_ceiling(draft: Draft, limits: Limits, default: str) -> None:
    if draft.target is not None and limits.refusal(draft.target.role.weight, draft.target.role.name) is not None:
        draft.given = {name: value for name, value in draft.given.items() if name != "role"}
        return
    role = draft.given.get("role")
    if role is None and draft.target is None:
        role = {"name": default}
    if role is None or is_deactivated(role):
        return
    found = draft.attempt(lambda: limits.roles.find(role, *draft.path, "role"))
    refusal = limits.refusal(found.weight, found.name, *draft.path, "role") if found is not None else None
    if refusal is not None:
        draft.refusals.append(refusal)


def action_of(draft: Draft, state: str) -> DirectoryAction:
    if not draft.is_good:
        return DirectoryAction.FAILED
    if draft.target is None:
        return DirectoryAction.CREATE
    before = draft.target["state"]
    if state != before and UserState.DEACTIVATED in (state, before):
        return DirectoryAction.DEACTIVATE if state == UserState.DEACTIVATED else DirectoryAction.REACTIVATE
    return DirectoryAction.UPDATE if draft.changed else DirectoryAction.UNCHANGED


def announce(change: Change, draft: Draft, planned: Planned) -> None:
    """Name what a new user would have, as storing them does."""
    draft.columns = store_users.new_columns(change, draft, planned.states[draft.index])
    store_users.announce(draft, planned.placing.roles)
    store_users.describe(draft, planned.placing)


def differences(draft: Draft) -> list[dict[str, Any]]:
    if not draft.is_good:
        return []
    return [
        {"field": camel(name), "before": before, "after": after}
        for name, (before, after) in draft.changes.items()
        if before != after
    ]
