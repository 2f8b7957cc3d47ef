"""Reading an LDAP directory into a job: whole, or what changed since the last time."""

import re
from collections.abc import Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

from models.database import Connection, Database, Transaction
from models.directories import JobKind, JobState
from models.errors import Invalid, ProviderNotConfigured
from models.secrets import Sealer
from models.values import now
from resolvers.changes import Change
from resolvers.connectors.ldap import Entry, LdapServer, LdapUnavailable, pages, tells_since
from resolvers.connectors.ldap_account_state import UnknownState, is_disabled
from resolvers.directories_entries import with_stored_ids
from resolvers.directories_failures import ENDED_WELL, has_new_failures
from resolvers.directories_rules import options_of
from resolvers.directories_start import begin, require
from resolvers.directories_store import COLUMNS, Job, Staged, Stopped, job_of, keep, stage, staged
from resolvers.entry_ids import entry_id
from resolvers.ldap_mappings import mapped
from resolvers.ldap_settings import all_values, as_user, opened_settings, server_of
from resolvers.references import Roles, names_of, number_or_none, providers, roles

UNREADABLE = "The value of {name} cannot be read, so nobody knows whether the account is enabled. Correct it there."
TIME = re.compile(r"[0-9]{14}(\.[0-9]+)?Z")
MARGIN = timedelta(seconds=2)  # what a time in whole seconds leaves out
MAPPED = ("groupIds", "organizationIds")
CLEARED_AT_ONCE = 5_000
GONE = "The directory did not answer: {reason} Nothing was changed."
BROKEN = "The directory stopped answering after {count} entries, so what was read is cut short: {reason}"


async def sync_directory(
    change: Change,
    *,
    provider: str,
    missing: str | None = None,
    is_full: bool | None = None,
    dry_run: bool | None = None,
    **given: Any,
) -> dict[str, Any]:
    """The job's number under `job`."""
    missing = missing or "DEACTIVATE"
    require(change.viewer, missing)
    found = (await providers(change.tx)).find(provider, "provider")
    if found.kind != "LDAP":
        raise Invalid("provider", reason=f"{found.name} is no LDAP provider. Only LDAP directories are read.")
    options = {
        **options_of(missing=missing, **given),
        "is_full": is_full is not False,
        "step": "READ",
    }
    source = f"provider_{found.id}"
    job = await begin(change, JobKind.SYNC, source, options, is_dry_run=bool(dry_run), provider_id=found.id)
    return {"job": job.id, "errors": []}


async def read(database: Database, sealer: Sealer, job: Job, owner: str) -> None:
    """All entries as rows of the job, page by page; begun anew where it stopped. Raises Stopped and LeaseLost."""
    begun = now()
    async with database.reading() as connection:
        try:
            server = await server_of(connection, sealer, job.provider_id or 0)
        except ProviderNotConfigured as refusal:
            raise Stopped(JobState.FAILED, refusal.message) from refusal
        known = await _reading(connection, server, job)
        since = None if job.is_full else await _since(connection, job)
    await _clear(database, job)
    job.total, job.done, latest = None, 0, ""
    try:
        if since is not None and not await tells_since(server, since):
            since = None
        job.options |= {"is_whole": since is None, "watermark": since}
        async with aclosing(pages(server, since=since)) as found:
            async for page in found:
                latest = max([latest, *(_changed(server, entry) for entry in page)])
                await database.transaction(partial(_add, job, owner, known, page, begun))
                job.done += len(page)
    except LdapUnavailable as error:
        if job.done:
            raise Stopped(JobState.REFUSED, BROKEN.format(count=job.done, reason=error.message)) from error
        raise Stopped(JobState.FAILED, GONE.format(reason=error.message)) from error
    if latest:
        job.options["watermark"] = _earlier(latest, now() - begun + MARGIN)
    job.total = job.done
    job.begin("PLAN")
    await database.transaction(lambda tx: keep(tx, job, owner))


async def _add(job: Job, owner: str, known: "Reading", page: Sequence[Entry], begun: datetime, tx: Transaction) -> None:
    await keep(tx, job, owner)
    entries = await with_stored_ids(tx, known.server, job, page)
    rows = [_staged(known, entry, job.done + place, begun) for place, entry in enumerate(entries)]
    await stage(tx, job.id, job.done, rows)


async def _clear(database: Database, job: Job) -> None:
    """What a process that stopped while reading has left: no page can be asked for again by another connection."""
    some = f"SELECT id FROM directory_job_rows WHERE job_id = $1 LIMIT {CLEARED_AT_ONCE}"
    sql = f"DELETE FROM directory_job_rows WHERE id IN ({some}) RETURNING 1"
    while await database.transaction(lambda tx: tx.rows(sql, job.id)):
        pass


@dataclass(frozen=True)
class Reading:
    """What a provider's settings make of its entries, with what is still there of groups and organizations."""

    server: LdapServer
    settings: Mapping[str, Any]
    ceiling: int | None
    roles: Roles
    groups: frozenset[int]
    organizations: frozenset[int]


async def _reading(connection: Connection, server: LdapServer, job: Job) -> Reading:
    sql = "SELECT settings, ceiling_weight FROM identity_providers WHERE id = $1"
    row = await connection.one(sql, job.provider_id)
    settings = opened_settings(row[0]) or {} if row is not None else {}
    rules = settings.get("groupMappings") or ()
    ids = {name: {number_or_none(each) or 0 for rule in rules for each in rule[name]} for name in MAPPED}
    groups = frozenset(await names_of(connection, "groups", ids["groupIds"]))
    organizations = frozenset(await names_of(connection, "organizations", ids["organizationIds"]))
    job.options |= {
        "managed_roles": sorted({rule["roleId"] for rule in rules if rule["roleId"] is not None}),
        "managed_groups": sorted(groups),
        "managed_organizations": sorted(organizations),
    }
    ceiling = row[1] if row is not None else None
    return Reading(server, settings, ceiling, await roles(connection), groups, organizations)


async def _since(connection: Connection, job: Job) -> str | None:
    """From when on to read, or None for everything: no run has ended well yet, or the settings have changed since.

    What failed is to be read again, but once: entries that failed as they did the time before are left to full runs.
    """
    row = await connection.one(
        f"SELECT {COLUMNS} FROM directory_jobs j WHERE {ENDED_WELL} ORDER BY id DESC LIMIT 1", job.source
    )
    last = None if row is None else job_of(row)
    if last is None or await has_new_failures(connection, last):
        return None
    return last.options.get("watermark")


def _changed(server: LdapServer, entry: Entry) -> str:
    """When an entry last changed, by its server's clock and as it writes generalized time; empty where it does not."""
    shown = (entry.first(attribute) or "" for attribute in server.change_times)
    return max((each for each in shown if TIME.fullmatch(each)), default="")


def _earlier(latest: str, by: timedelta) -> str:
    """Before anything was read: no entry is newer than the end of the reading, on whatever clock.

    With a fraction where the server writes one: Active Directory has it so in filters too.
    """
    moment = datetime.strptime(latest[:14], "%Y%m%d%H%M%S").replace(tzinfo=UTC)
    return (moment - by).strftime("%Y%m%d%H%M%S") + (".0Z" if "." in latest else "Z")


# What a user may be without: where the entry has no such attribute any more, it is cleared here.
CLEARED = ("first_name", "last_name")


def _staged(known: Reading, entry: Entry, position: int, moment: datetime) -> Staged:
    user = {**dict.fromkeys(CLEARED), **as_user(known.server, entry), **all_values(known.server, entry)}
    given = mapped(known.settings, entry, known.roles, known.ceiling)
    if given.role_id is not None:
        user["role"] = {"id": f"role_{given.role_id}"}
    user["group_ids"] = [f"group_{each}" for each in given.group_ids if each in known.groups]
    user["organization_ids"] = [
        f"organization_{each}" for each in given.organization_ids if each in known.organizations
    ]
    user["entry_id"] = entry_id(known.server, entry)
    key = user.get("external_id") or entry.dn
    label = user.get("email") or user.get("username") or entry.dn
    try:
        if is_disabled(entry, moment):
            user["is_active"] = False
    except UnknownState as error:
        refusal = Invalid("users", position, error.attribute, reason=UNREADABLE.format(name=error.attribute))
        return replace(staged(user, key, label, "users", position), refusal=refusal)
    return staged(user, key, label, "users", position)
