"""Users with known attributes, one of every combination that matters."""

import random
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from models import bulk
from models.api_keys import ApiKey
from models.database import Transaction
from models.groups import GroupMember
from models.invitations import Invitation
from models.letters import Letter
from models.organizations import OrganizationMember
from models.users import User, UserAlias, UserExternalId, UserTag, UserVariable
from models.values import key, search_key

START = datetime(2023, 5, 1, 8, 0, 0, tzinfo=UTC)
FAR = START + timedelta(days=40_000)
MOMENTS = [START + timedelta(days=d, microseconds=m) for d in range(6) for m in (0, 1, 500_000)]
NAMES = [
    "Ann Lee",
    "\u00c9mile Zola",
    "Stra\u00dfe",
    "Zo\u00eb 100%",
    "a_b",
    "axb",
    "Bo\\b",
    "bob O'Neil",
    "\u5c71\u7530",
    "\u00c4rger",
]
ROLES = {1: ("Admin", 100), 2: ("IT", 80), 3: ("Project manager", 60), 4: ("Normal user", 40), 5: ("Read only", 20)}
DEMANDING = 3  # the role that demands a second factor
DELIVERED = {"PENDING": "PARKED", "ACCEPTED": "SENT"}  # the state of the newest letter, by that of the invitation
PROVIDERS = {
    1: ("Local passwords", "local", "LOCAL", True, None),
    2: ("Main LDAP", "ldap1", "LDAP", True, 1),
    3: ("Old LDAP", "ldap2", "LDAP", False, 2),
    4: ("Single sign-on", "sso", "SAML", True, None),
}
PARENTS = {1: None, 2: 1, 3: 2, 4: 2, 5: 1}
ORGANIZATIONS = {1: "Platform", 2: "Acme", 3: "Acme East", 4: "Acme West", 5: "Other"}
GROUPS = {1: "Web work", 2: "IT works"}


@dataclass
class Person:
    """What the test knows of a user it has stored."""

    row: dict[str, Any]
    tags: list[str] = field(default_factory=list)
    aliases: list[str] = field(default_factory=list)
    variables: dict[str, str] = field(default_factory=dict)
    external_ids: dict[str, str] = field(default_factory=dict)
    groups: list[int] = field(default_factory=list)
    organizations: list[int] = field(default_factory=list)
    memberships: dict[int, int] = field(default_factory=dict)  # ids of what makes them belong, by organization
    invited: str | None = None
    has_key: bool = False
    id: int = 0
    keys: list[tuple[int, str]] = field(default_factory=list)
    invitations: list[int] = field(default_factory=list)


def people() -> list[Person]:
    """Sixty users with every combination that matters somewhere among them; the same ones every time."""
    dice, made = random.Random(11), []
    for n in range(60):
        name, provider = NAMES[n % len(NAMES)], dice.choice([None, 1, 1, 1, 2, 3, 4])
        ldap = provider if provider in (2, 3) else 2 if provider == 4 and n % 2 else None
        dn = f"cn=f{n},dc=x" if ldap else None
        totp = dice.random() < 0.3
        row: dict[str, Any] = {
            "username": f"F{n}.{name[0]}",
            "username_key": key(f"F{n}.{name[0]}"),
            "email": f"F{n}@{dice.choice(['one', 'TWO'])}.example.org",
            "name": name,
            "name_key": key(name),
            "external_id": dice.choice([None, f"Ext-{n}", f"ext_{n}%"]),
            "first_name": (NAMES[n % 7], name, None)[n % 3],
            "last_name": (None, NAMES[n % 9], name)[n % 3],
            "state": dice.choice(["INVITED", "ACTIVE", "ACTIVE", "DEACTIVATED"]),
            "role_id": dice.randint(1, 5),
            "provider_id": provider,
            "ldap_provider_id": ldap,
            "login_dn": dn,
            "login_dn_key": dn,
            "password_hash": dice.choice([None, "hash"]),
            "totp_secret": "sealed" if totp else None,
            "totp_enabled_at": START if totp else None,
            "can_create_projects_in_root": dice.random() < 0.5,
            "last_login_at": dice.choice([None, *MOMENTS]),
            "last_api_request_at": dice.choice([None, None, *MOMENTS]),
            "created_at": dice.choice(MOMENTS),
            "created_by_id": dice.choice([None, 1, 2]),
            "updated_at": dice.choice(MOMENTS),
            "updated_by_id": dice.choice([None, 1, 3]),
            "version": (1, 60)[n % 2],
        }
        row["email_key"] = row["email"].lower()
        row |= {f"{each}_key": row[each] and key(row[each]) for each in ("first_name", "last_name")}
        ids = {"api": row["external_id"], "hr": (None, f"Ext-{n + 1}", f"p_{n}")[n % 3]}
        made.append(
            Person(
                row,
                external_ids={source: each for source, each in ids.items() if each is not None},
                tags=dice.sample(["North", "S\u00fcd", "vip", "VIP 100%"], dice.randint(0, 3)),
                aliases=[f"AE-{n}", f"jo_{n}"][: dice.randint(0, 2)],
                variables={
                    k: dice.choice(["Low", "low", "High_9"])
                    for k in dice.sample(["Tier", "Cost centre"], 2 - n % 3 % 2)
                },
                groups=dice.sample([1, 2], dice.randint(0, 2)),
                organizations=dice.sample([1, 2, 3, 4, 5], dice.randint(0, 2)),
                has_key=dice.random() < 0.4,
                invited=(None, "PENDING", "ACCEPTED", "EXPIRED")[n % 4],
            )
        )
    return made


async def store(tx: Transaction, made: list[Person]) -> None:
    rows = await bulk.insert(tx, User, [stored(person) for person in made], returning=("id", "email_key"))
    ids = {row[1]: row[0] for row in rows}
    for person in made:
        person.id = ids[person.row["email_key"]]
    at = {"created_at": START}
    every: list[tuple[Any, list[dict[str, Any]]]] = [
        (UserTag, [{"user_id": p.id, "value": v, "value_key": key(v)} for p in made for v in p.tags]),
        (UserAlias, [{"user_id": p.id, "value": v, "value_key": key(v)} for p in made for v in p.aliases]),
        (
            UserVariable,
            [
                {"user_id": p.id, "name": k, "name_key": key(k), "value": v}
                for p in made
                for k, v in p.variables.items()
            ],
        ),
        (
            UserExternalId,
            [{"user_id": p.id, "source": s, "value": v} for p in made for s, v in p.external_ids.items()],
        ),
        (GroupMember, [{"group_id": g, "user_id": p.id, **at} for p in made for g in p.groups]),
    ]
    for model, values in every:
        await bulk.insert(tx, model, values)
    keys = []
    for p in made:
        kinds = [("good", None)] if p.has_key else [("revoked", START), ("expired", None)]
        for kind, revoked in kinds:
            digest = f"{kind} {p.id}"
            keys.append(
                {
                    "user_id": p.id,
                    "name": kind,
                    "prefix": "x",
                    "digest": digest,
                    "expires_at": START if kind == "expired" else None,
                    "revoked_at": revoked,
                    **at,
                }
            )
    by_id = {p.id: p for p in made}
    joined = [{"organization_id": o, "user_id": p.id, "role_id": held(p), **at} for p in made for o in p.organizations]
    named = ("id", "user_id", "organization_id")
    for number, user, organization in await bulk.insert(tx, OrganizationMember, joined, returning=named):
        by_id[user].memberships[organization] = number
    for number, user, kind in await bulk.insert(tx, ApiKey, keys, returning=("id", "user_id", "name")):
        by_id[user].keys.append((number, kind))
    invitations = [invitation(p) for p in made if p.invited]
    for number, user in await bulk.insert(tx, Invitation, invitations, returning=("id", "user_id")):
        by_id[user].invitations.append(number)
    await bulk.insert(tx, Letter, [letter(p, state) for p in made for state in letter_states(p)])
    await tx.rows("UPDATE roles SET requires_second_factor = true WHERE id = $1", DEMANDING)


def stored(p: Person) -> dict[str, Any]:
    """The row of a person as it stands in `users`."""
    names = [p.row[name] for name in ("name_key", "username_key", "email_key")]
    return {**p.row, "search_key": search_key(*names, map(key, p.aliases))}


def held(p: Person) -> int | None:
    """The role that a person holds in each of their organizations."""
    return 2 if p.id % 2 else None


def letter_states(p: Person) -> list[str]:
    """Of the letters of their invitation, the oldest first."""
    return ["WAITING", DELIVERED[p.invited]] if p.invited in DELIVERED else []


def letter(p: Person, state: str) -> dict[str, Any]:
    return {
        "kind": "INVITATION",
        "state": state,
        "user_id": p.id,
        "invitation_id": p.invitations[0],
        "to_address": p.row["email"],
        "attempts": 1,
        "created_at": START,
    }


def invitation(p: Person) -> dict[str, Any]:
    state = "PENDING" if p.invited == "EXPIRED" else p.invited
    return {
        "user_id": p.id,
        "provider_id": None,
        "token_digest": f"digest {p.id}",
        "state": state,
        "sent_count": 1,
        "expires_at": START if p.invited == "EXPIRED" else FAR,
        "created_at": START,
        "closed_at": None if state == "PENDING" else START,
    }
