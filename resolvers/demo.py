"""A believable directory for trying things out: the same at every run, in any size."""

import random
import unicodedata
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from models import bulk
from models.database import Transaction
from models.groups import Group, GroupMember
from models.invitations import Invitation
from models.organizations import Organization, OrganizationMember
from models.providers import IdentityProvider
from models.users import User, UserAlias, UserTag, UserVariable
from models.values import key, login_dn
from resolvers import tokens
from resolvers.audit import Action, Event, Subject, record
from resolvers.policy import NOBODY, ROOT_PROJECT_ROLES

NOW = datetime(2026, 6, 1, 9, 30, tzinfo=UTC)  # fixed, so that every run makes the same directory
CHUNK = 5_000

FIRST = (
    "Ada Alan Amina Anders Ayşe Beatriz Björn Carlos Chiara Chidi Claire Daniel Diego Elena Emeka Emma Fatima Felix "
    "Freya Giulia Grace Hana Hugo Ines Ivan Jamal Jana Jonas Julia Kaito Karin Kofi Lars Leila Lena Liam Lucía Maja "
    "Malik Marek Maria Mateo Mei Mira Nadia Nils Noor Olga Omar Paula Pedro Priya Rafael Ravi Rosa Samir Sara Sofia "
    "Søren Tariq Thandi Theo Tomás Valentina Viktor Wei Yara Yuki Zeynep Željko"
).split()
LAST = (
    "Abebe Adler Almeida Andersen Aydın Bakker Barbosa Becker Berg Bianchi Brandt Castillo Chen Costa Dahl Diallo "
    "Dubois Eriksen Farah Ferrari Fischer Fontaine García Gupta Haddad Hansen Hoffmann Horváth Ibrahim Ito Jansen "
    "Jovanović Kaya Keller Khan Kim Kowalski Larsen Lehmann Lindqvist López Marković Mensah Meyer Moreau Müller "
    "Nakamura Nguyen Novák Nowak Okafor Olsen Patel Pereira Petrov Rahman Rossi Ruiz Sato Schmidt Silva Singh Smith "
    "Sørensen Svensson Tanaka Torres Virtanen Wagner Weber Wood Yamada Yılmaz Zhang Zimmermann"
).split()
COMPANIES = ("Northwind Energy", "Blue Harbour Logistics", "Meridian Health", "Cobalt Robotics", "Juniper Foods")
REGIONS = ("Americas", "Europe", "Asia Pacific")
DEPARTMENTS = ("Finance", "Operations", "Sales", "Engineering")
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
TAGS = ("AE|SouthEast", "AE|NorthWest", "contractor", "plan-2026", "remote", "works-council", "trainer", "night-shift")
ROLES = ("Admin", "IT", "Project manager", "Normal user", "Read only")
ROLE_SHARES = (1, 5, 12, 66, 16)
STATES = ("ACTIVE", "INVITED", "DEACTIVATED")


@dataclass(frozen=True)
class Furniture:
    """What the people hang on: ids by name."""

    roles: Mapping[str, int]
    providers: Mapping[str, int]
    organizations: Sequence[int]
    groups: Sequence[int]
    admin: int


async def furnish(tx: Transaction) -> Furniture:
    """Providers of every kind, a tree of organizations and groups. The built-ins and the administrator are there."""
    stamps = {"created_at": NOW - timedelta(days=900), "updated_at": NOW - timedelta(days=900)}
    providers = [
        ("Head office directory", "ldap1", "LDAP", True, 1),
        ("Plant directory", "ldap2", "LDAP", True, 2),
        ("Retired directory", "ldap9", "LDAP", False, 9),
        ("Company single sign-on", "sso", "SAML", True, None),
    ]
    names = ("name", "prefix", "kind", "is_enabled", "server_number")
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
    )


async def _organizations(tx: Transaction, stamps: Mapping[str, Any]) -> list[int]:
    """Companies below the platform, regions below them, departments below these; the ids of all but the root."""
    parents = [await tx.scalar("SELECT id FROM organizations WHERE parent_id IS NULL")]
    every: list[int] = []
    for level in (COMPANIES, REGIONS, DEPARTMENTS):
        rows = [{"name": n, "name_key": key(n), "parent_id": p, **stamps} for p in parents for n in level]
        parents = sorted(row[0] for row in await bulk.insert(tx, Organization, rows))
        every += parents
    return every


async def people(
    tx: Transaction, furniture: Furniture, count: int, start: int, dice: random.Random, names: dict[str, int]
) -> Sequence[Mapping[str, Any]]:
    """`count` users, from number `start` on, with all that hangs on them: a statement a table.

    `names` counts the usernames given so far, so that only namesakes carry a number.
    """
    rows = [_person(furniture, start + i, dice, names) for i in range(count)]
    ids = {r[1]: r[0] for r in await bulk.insert(tx, User, [r["user"] for r in rows], returning=("id", "username"))}
    for row in rows:
        row["id"] = ids[row["user"]["username"]]
    await _attach(tx, furniture, rows, dice)
    await _invite(tx, furniture, rows)
    made = [(row["id"], row["user"]["username"]) for row in rows]
    events = [Event(Action.CREATED, Subject.USER, number, name, {"username": (None, name)}) for number, name in made]
    await record(tx, NOBODY, NOW - timedelta(days=1), events)
    return rows


def _person(furniture: Furniture, number: int, dice: random.Random, names: dict[str, int]) -> dict[str, Any]:
    first, last = dice.choice(FIRST), dice.choice(LAST)
    role = dice.choices(ROLES, ROLE_SHARES)[0]
    state = dice.choices(STATES, (86, 6, 8))[0]
    company = dice.randrange(len(COMPANIES))
    domain = f"{COMPANIES[company].split()[0].lower()}.example"
    base = f"{_ascii(first)}.{_ascii(last)}"
    names[base] = names.get(base, 0) + 1
    username = base if names[base] == 1 else f"{base}{names[base]}"
    created = NOW - timedelta(days=dice.randrange(1, 900), seconds=dice.randrange(86_400))
    used = _since(created, dice) if state != "INVITED" else None
    user = {
        "username": username,
        "username_key": key(username),
        "email": f"{username}@{domain}",
        "email_key": key(f"{username}@{domain}"),
        "name": f"{first} {last}",
        "name_key": key(f"{first} {last}"),
        "first_name": first,
        "first_name_key": key(first),
        "last_name": last,
        "last_name_key": key(last),
        "external_id": f"hr-{100_000 + number}" if dice.random() < 0.7 else None,
        "state": state,
        "role_id": furniture.roles[role],
        **_sign_in(furniture, username, state, dice),
        "can_create_projects_in_root": role in ROOT_PROJECT_ROLES and dice.random() < 0.5,
        "last_login_at": used if dice.random() < 0.9 else None,
        "last_api_request_at": used if dice.random() < 0.15 else None,
        "created_at": created,
        "created_by_id": furniture.admin,
        "updated_at": created,
        "updated_by_id": furniture.admin,
        "version": 1,
    }
    return {"user": user, "company": company, "number": number}


def _ascii(name: str) -> str:
    """`zeljko` for Željko: letters without their marks."""
    plain = unicodedata.normalize("NFKD", key(name).translate(str.maketrans("øı", "oi")))
    return "".join(c for c in plain if c.isascii() and c.isalnum())


def _since(created: datetime, dice: random.Random) -> datetime:
    """Most were here lately, some not for months."""
    days = (NOW - created).days
    return NOW - timedelta(days=min(days, int(dice.expovariate(1 / 40))), seconds=dice.randrange(86_400))


def _sign_in(furniture: Furniture, username: str, state: str, dice: random.Random) -> dict[str, Any]:
    way = dice.choices(("local", "ldap1", "ldap2", "sso", "both", "api"), (40, 25, 10, 15, 7, 3))[0]
    ids = furniture.providers
    factor = dice.random() < 0.3
    nothing: dict[str, Any] = {
        "ldap_provider_id": None,
        "login_dn": None,
        "login_dn_key": None,
        "password_hash": None,
        "totp_secret": "sealed away" if factor else None,
        "totp_enabled_at": NOW - timedelta(days=30) if factor else None,
    }
    if way == "api":
        return {**nothing, "provider_id": None}
    if way in ("local", "sso"):
        # An argon2id hash of a random password that nobody knows: the account looks real and cannot be entered.
        hashed = UNKNOWN if way == "local" and state == "ACTIVE" else None
        return {**nothing, "provider_id": ids[way], "password_hash": hashed}
    dn = f"uid={username},ou=people,dc=example,dc=com"
    ldap = ids["ldap1"] if way == "both" else ids[way]
    provider = ids["sso"] if way == "both" else ldap
    return {
        **nothing,
        "provider_id": provider,
        "ldap_provider_id": ldap,
        "login_dn": dn,
        "login_dn_key": login_dn(dn)[1],
    }


UNKNOWN = "$argon2id$v=19$m=19456,t=2,p=1$" + "bm9ib2R5IGtub3dz$" + "c2VjcmV0IHRoYXQgbm9ib2R5IGtub3dzIGF0IGFsbCEh"


async def _attach(
    tx: Transaction, furniture: Furniture, rows: Sequence[Mapping[str, Any]], dice: random.Random
) -> None:
    moment = {"created_at": NOW - timedelta(days=1)}
    tags, aliases, variables, groups, members = [], [], [], [], []
    for row in rows:
        user_id, number = row["id"], row["number"]
        for tag in sorted({part for text in dice.sample(TAGS, dice.randrange(3)) for part in text.split("|")}):
            tags.append({"user_id": user_id, "value": tag, "value_key": key(tag)})
        if dice.random() < 0.4:
            aliases.append({"user_id": user_id, "value": f"ID-{10_000 + number}", "value_key": f"id-{10_000 + number}"})
        if dice.random() < 0.5:
            cost = {"name": "costCentre", "name_key": "costcentre", "value": f"CC-{dice.randrange(100, 999)}"}
            variables.append({"user_id": user_id, **cost})
        for group in dice.sample(list(furniture.groups), dice.choices((0, 1, 2, 3), (2, 5, 2, 1))[0]):
            groups.append({"group_id": group, "user_id": user_id, **moment})
        for organization in sorted(_places(furniture, row["company"], dice)):
            members.append({"organization_id": organization, "user_id": user_id, "role_id": None, **moment})
    await bulk.insert(tx, UserTag, tags)
    await bulk.insert(tx, UserAlias, aliases)
    await bulk.insert(tx, UserVariable, variables)
    await bulk.insert(tx, GroupMember, groups)
    await bulk.insert(tx, OrganizationMember, members)


def _places(furniture: Furniture, company: int, dice: random.Random) -> set[int]:
    """A company, and often one of its regions and departments."""
    companies, regions = len(COMPANIES), len(COMPANIES) * len(REGIONS)
    region = company * len(REGIONS) + dice.randrange(len(REGIONS))
    department = region * len(DEPARTMENTS) + dice.randrange(len(DEPARTMENTS))
    places = {furniture.organizations[company]}
    if dice.random() < 0.8:
        places.add(furniture.organizations[companies + region])
    if dice.random() < 0.6:
        places.add(furniture.organizations[companies + regions + department])
    return places


async def _invite(tx: Transaction, furniture: Furniture, rows: Sequence[Mapping[str, Any]]) -> None:
    invited = [row for row in rows if row["user"]["state"] == "INVITED"]
    await bulk.insert(
        tx,
        Invitation,
        [
            {
                "user_id": row["id"],
                "token_digest": tokens.digest(tokens.Purpose.INVITATION, f"never handed out {row['number']}"),
                "state": "PENDING",
                "sent_count": 1,
                "expires_at": row["user"]["created_at"] + timedelta(days=7),
                "created_at": row["user"]["created_at"],
                "created_by_id": furniture.admin,
            }
            for row in invited
        ],
    )


def chunks(count: int) -> Iterator[tuple[int, int]]:
    """(start, size) of the batches in which many people are made."""
    for start in range(0, count, CHUNK):
        yield start, min(CHUNK, count - start)


Progress = Callable[[int], object]


async def fill(transaction: Callable[[Any], Any], count: int, progress: Progress = lambda _: None) -> None:
    """Fill a directory that has only its administrator. `transaction` is the database's."""
    dice = random.Random(20260601)  # noqa: S311  (the same people at every run)
    furniture = await transaction(furnish)
    names: dict[str, int] = {}
    for start, size in chunks(count):
        await transaction(lambda tx, s=start, n=size: people(tx, furniture, n, s, dice, names))
        progress(size)
