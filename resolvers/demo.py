"""A believable directory for trying things out: the same people at every run, in any size, up to the day it is made."""

import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from models import bulk
from models.database import Transaction
from models.groups import Group, GroupMember
from models.invitations import Invitation
from models.organizations import Organization, OrganizationMember
from models.providers import IdentityProvider
from models.users import User, UserAlias, UserExternalId, UserTag, UserVariable
from models.values import key
from resolvers import tokens
from resolvers.audit import Action, Event, Subject, record
from resolvers.demo_people import (
    COMPANIES,
    DEPARTMENTS,
    MOST_DAYS,
    REGIONS,
    USER_COLUMNS,
    Furniture,
    Person,
    household,
    person,
)
from resolvers.match_keys import limit_ids
from resolvers.policy import NOBODY, PROVED

CHUNK = 5_000
GROUPS = (
    "Web work",
    "IT works",
    "Service desk",
    "Release managers",
    "Month-end close",
    "Security champions",
    "Field sales",
    "Data platform",
    "Works council",
    "First responders",
    "Onboarding buddies",
    "Procurement",
)


async def furnish(tx: Transaction) -> Furniture:
    """Providers of every kind, a tree of organizations and groups. The built-ins and the administrator are there."""
    today = tx.moment.replace(hour=0, minute=0, second=0, microsecond=0)
    began = today - timedelta(days=MOST_DAYS)
    stamps = {"created_at": began, "updated_at": began}
    providers = [
        ("Head office directory", "ldap1", "LDAP", True, 1),
        ("Plant directory", "ldap2", "LDAP", True, 2),
        ("Retired directory", "ldap9", "LDAP", False, 9),
        ("Company single sign-on", "sso", "SAML", True, None),
    ]
    names = ("name", "prefix", "kind", "is_enabled", "server_number")
    await _date_back(tx, stamps["created_at"])
    rows = [{**dict(zip(names, row, strict=True)), "name_key": key(row[0]), **stamps} for row in providers]
    found = await bulk.insert(tx, IdentityProvider, rows, returning=("id", "prefix"))
    ids = {row[1]: row[0] for row in found}
    ids["local"] = await tx.scalar("SELECT id FROM identity_providers WHERE prefix = 'local'")
    groups = [{"name": n, "name_key": key(n), "description": f"{n}, across all companies", **stamps} for n in GROUPS]
    return Furniture(
        roles={row[1]: row[0] for row in await tx.rows("SELECT id, name FROM roles")},
        providers=ids,
        organizations=await _organizations(tx, stamps),
        groups=sorted(row[0] for row in await bulk.insert(tx, Group, groups)),
        admin=await tx.scalar("SELECT MIN(id) FROM users"),
        today=today,
        key_limit=(await limit_ids(tx, [PROVED]))[PROVED],
    )


async def _date_back(tx: Transaction, moment: datetime) -> None:
    """What there was before has a past as old as the people's, who could not have been anything without it."""
    for table in ("roles", "role_names", "identity_providers", "organizations", "users"):
        await tx.rows(f"UPDATE {table}_history SET valid_from = $1 WHERE valid_from > $1", moment)


async def _have_had(tx: Transaction, first: int) -> None:
    """Tags, aliases, variables and external ids as long as there were those who have them, from user `first` on."""
    since = "SELECT u.created_at FROM users u WHERE u.id = h.user_id"
    for table in ("user_tags", "user_aliases", "user_variables", "user_external_ids"):
        await tx.rows(f"UPDATE {table}_history AS h SET valid_from = ({since}) WHERE h.user_id >= $1", first)


async def _organizations(tx: Transaction, stamps: Mapping[str, Any]) -> list[int]:
    """Companies below the platform, regions below them, departments below these; the ids of all but the root."""
    parents = [await tx.scalar("SELECT id FROM organizations WHERE parent_id IS NULL")]
    every: list[int] = []
    for level in (COMPANIES, REGIONS, DEPARTMENTS):
        rows = [{"name": n, "name_key": key(n), "parent_id": p, **stamps} for p in parents for n in level]
        parents = sorted(row[0] for row in await bulk.insert(tx, Organization, rows))
        every += parents
    return every


async def settle(
    tx: Transaction, furniture: Furniture, count: int, start: int, dice: random.Random, names: dict[str, int]
) -> None:
    """`count` users, from number `start` on, with all that hangs on them: a statement a table."""
    people = [person(furniture, start + i, dice, names) for i in range(count)]
    known = list(zip(await bulk.reserve(tx, User, count), people, strict=True))
    made = household(furniture, known, dice)
    await bulk.load(tx, User, USER_COLUMNS, made.users)
    await bulk.load(tx, UserTag, ("user_id", "value", "value_key"), made.tags)
    await bulk.load(tx, UserAlias, ("user_id", "value", "value_key"), made.aliases)
    await bulk.load(tx, UserVariable, ("user_id", "name", "name_key", "value"), made.variables)
    await bulk.load(tx, UserExternalId, ("user_id", "source", "value"), made.external_ids)
    await _have_had(tx, known[0][0])
    await bulk.load(tx, GroupMember, ("group_id", "user_id", "created_at"), made.groups)
    await bulk.load(tx, OrganizationMember, ("organization_id", "user_id", "created_at"), made.members)
    await _invite(tx, furniture, [(user_id, each) for user_id, each in known if each.state == "INVITED"])
    events = [
        Event(Action.CREATED, Subject.USER, user_id, each.username, {"username": (None, each.username)})
        for user_id, each in known
    ]
    await record(tx, NOBODY, furniture.today - timedelta(days=1), events)


INVITATION = ("user_id", "token_digest", "state", "sent_count", "expires_at", "created_at", "created_by_id")


async def _invite(tx: Transaction, furniture: Furniture, invited: Sequence[tuple[int, Person]]) -> None:
    rows = []
    for user_id, each in invited:
        digest = tokens.digest(tokens.Purpose.INVITATION, f"never handed out {each.number}")
        expires = each.created + timedelta(days=7)
        rows.append((user_id, digest, "PENDING", 1, expires, each.created, furniture.admin))
    await bulk.load(tx, Invitation, INVITATION, rows)


async def _make_room(tx: Transaction) -> None:
    """Indexes that are written all over are kept in memory by SQLite (64 MB), or each row would fetch their pages."""
    if tx.dialect.name == "sqlite":
        await tx.rows("PRAGMA cache_size = -65536")


async def _examine(tx: Transaction) -> None:
    """Both planners choose by statistics; PostgreSQL's index of trigrams puts away what it has only noted."""
    await tx.rows("ANALYZE")
    if tx.dialect.name == "postgres":
        await tx.rows("SELECT gin_clean_pending_list(oid) FROM pg_class WHERE relname = 'users_search'")


def chunks(count: int) -> Iterator[tuple[int, int]]:
    """(start, size) of the batches in which many people are made."""
    for start in range(0, count, CHUNK):
        yield start, min(CHUNK, count - start)


Progress = Callable[[int], object]


async def fill(transaction: Callable[[Any], Any], count: int, progress: Progress = lambda _: None) -> None:
    """Fill a directory that has only its administrator. `transaction` is the database's."""
    dice = random.Random(20260601)  # noqa: S311  (the same people at every run)
    furniture = await transaction(furnish)
    await transaction(_make_room)
    names: dict[str, int] = {}
    for start, size in chunks(count):
        await transaction(lambda tx, s=start, n=size: settle(tx, furniture, n, s, dice, names))
        progress(size)
    await transaction(_examine)
