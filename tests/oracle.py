"""Users with known attributes, and the answer to any `where` over them worked out in plain Python."""

import random
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from models import bulk
from models.api_keys import ApiKey
from models.database import Transaction
from models.groups import GroupMember
from models.organizations import OrganizationMember
from models.users import User, UserAlias, UserTag, UserVariable
from models.values import key

START = datetime(2023, 5, 1, 8, 0, 0, tzinfo=UTC)
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
    groups: list[int] = field(default_factory=list)
    organizations: list[int] = field(default_factory=list)
    has_key: bool = False
    id: int = 0


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
            "first_name": (f"Ext-{n}", f"ext_{n}%", None)[n % 3],
            "last_name": (None, f"Ext-{n}", f"ext_{n}%")[n % 3],
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
        made.append(
            Person(
                row,
                tags=dice.sample(["North", "S\u00fcd", "vip", "VIP 100%"], dice.randint(0, 3)),
                aliases=[f"AE-{n}", f"jo_{n}"][: dice.randint(0, 2)],
                variables={
                    k: dice.choice(["Low", "low", "High_9"])
                    for k in dice.sample(["Tier", "Cost centre"], 2 - n % 3 % 2)
                },
                groups=dice.sample([1, 2], dice.randint(0, 2)),
                organizations=dice.sample([1, 2, 3, 4, 5], dice.randint(0, 2)),
                has_key=dice.random() < 0.4,
            )
        )
    return made


async def store(tx: Transaction, made: list[Person]) -> None:
    rows = await bulk.insert(tx, User, [person.row for person in made], returning=("id", "email_key"))
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
        (GroupMember, [{"group_id": g, "user_id": p.id, **at} for p in made for g in p.groups]),
        (
            OrganizationMember,
            [{"organization_id": o, "user_id": p.id, "role_id": None, **at} for p in made for o in p.organizations],
        ),
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
    await bulk.insert(tx, ApiKey, keys)


# The oracle: for each field of UserWhere, whether a person meets what is given.

Test = Callable[[Any, Any], bool]


def text(value: str | None, given: dict[str, Any], normal: Callable[[str], str] = key) -> bool:
    own = None if value is None else normal(value)
    tests: dict[str, Test] = {
        "eq": lambda mine, wanted: mine == normal(wanted),
        "ne": lambda mine, wanted: mine != normal(wanted),
        "in": lambda mine, wanted: mine in [normal(each) for each in wanted],
        "notIn": lambda mine, wanted: mine not in [normal(each) for each in wanted],
        "contains": lambda mine, wanted: mine is not None and normal(wanted) in mine,
        "startsWith": lambda mine, wanted: mine is not None and mine.startswith(normal(wanted)),
        "endsWith": lambda mine, wanted: mine is not None and mine.endswith(normal(wanted)),
        "isNull": lambda mine, wanted: (mine is None) is wanted,
    }
    return all(tests[name](own, wanted) for name, wanted in given.items())


def exactly(value: str | None, given: dict[str, Any]) -> bool:
    return text(value, given, str.strip)


def plain(value: Any, given: dict[str, Any]) -> bool:
    """Choices, flags, numbers and moments; an absent value meets no comparison but `ne` and `isNull`."""
    tests: dict[str, Test] = {
        "eq": lambda mine, wanted: mine == wanted,
        "ne": lambda mine, wanted: mine != wanted,
        "in": lambda mine, wanted: mine in wanted,
        "notIn": lambda mine, wanted: mine not in wanted,
        "gt": lambda mine, wanted: mine is not None and mine > wanted,
        "gte": lambda mine, wanted: mine is not None and mine >= wanted,
        "lt": lambda mine, wanted: mine is not None and mine < wanted,
        "lte": lambda mine, wanted: mine is not None and mine <= wanted,
        "isNull": lambda mine, wanted: (mine is None) is wanted,
    }
    tests |= {"before": tests["lt"], "after": tests["gt"], "notBefore": tests["gte"], "notAfter": tests["lte"]}
    return all(tests[name](value, wanted) for name, wanted in given.items())


def moment(value: datetime | None, given: dict[str, Any]) -> bool:
    return plain(value, {k: v if k == "isNull" else datetime.fromisoformat(v) for k, v in given.items()})


def some(values: list[Any], given: dict[str, Any], test: Test) -> bool:
    found = [any(test(value, wanted) for value in values) is (way == "some") for way, wanted in given.items()]
    return all(found)


def joined(value: Any, where: dict[str, Any], fields: dict[str, Test]) -> bool:
    """and, or, not, and every field given."""
    for name, given in where.items():
        if name == "and":
            good = all(joined(value, each, fields) for each in given)
        elif name == "or":
            good = any(joined(value, each, fields) for each in given)
        elif name == "not":
            good = not joined(value, given, fields)
        else:
            good = fields[name](value, given)
        if not good:
            return False
    return True


def within(number: int | None, wanted: str) -> bool:
    while number is not None and f"organization_{number}" != wanted:
        number = PARENTS[number]
    return number is not None


def organization_id(number: int, given: dict[str, Any]) -> bool:
    rest = {name: wanted for name, wanted in given.items() if name != "within"}
    return plain(f"organization_{number}", rest) and ("within" not in given or within(number, given["within"]))


ROLE: dict[str, Test] = {
    "id": lambda n, given: plain(f"role_{n}", given),
    "name": lambda n, given: text(ROLES[n][0], given),
    "weight": lambda n, given: plain(ROLES[n][1], given),
    "isBuiltIn": lambda n, given: plain(True, given),
}
PROVIDER: dict[str, Test] = {
    "id": lambda n, given: plain(f"provider_{n}", given),
    "name": lambda n, given: text(PROVIDERS[n][0], given),
    "prefix": lambda n, given: text(PROVIDERS[n][1], given),
    "kind": lambda n, given: plain(PROVIDERS[n][2], given),
    "isEnabled": lambda n, given: plain(PROVIDERS[n][3], given),
    "serverNumber": lambda n, given: plain(PROVIDERS[n][4], given),
}
ORGANIZATION: dict[str, Test] = {
    "id": organization_id,
    "name": lambda n, given: text(ORGANIZATIONS[n], given),
    "parent": lambda n, given: PARENTS[n] is not None and joined(PARENTS[n], given, ORGANIZATION),
}
GROUP: dict[str, Test] = {
    "id": lambda n, given: plain(f"group_{n}", given),
    "name": lambda n, given: text(GROUPS[n], given),
}
VARIABLE: dict[str, Test] = {"name": lambda v, given: text(v[0], given), "value": lambda v, given: exactly(v[1], given)}
BY = {1: "admin", 2: "it", 3: "pm"}
WHO: dict[str, Test] = {
    "id": lambda n, given: plain(f"user_{n}", given),
    "username": lambda n, given: text(BY[n], given),
}


def accessibility(p: Person) -> str:
    provider = p.row["provider_id"]
    if p.row["state"] != "ACTIVE":
        return "NONE"
    if provider is None:
        return "API_ONLY"
    if PROVIDERS[provider][3] and (provider != 1 or p.row["password_hash"]):
        return "INTERACTIVE"
    return "API_ONLY" if p.has_key else "NONE"


def related(column: str, fields: dict[str, Test]) -> Test:
    return lambda p, given: p.row[column] is not None and joined(p.row[column], given, fields)


def server_number(p: Person) -> int | None:
    ldap = p.row["ldap_provider_id"]
    return None if ldap is None else PROVIDERS[ldap][4]


USER: dict[str, Test] = {
    "id": lambda p, given: plain(f"user_{p.id}", given),
    "username": lambda p, given: text(p.row["username"], given),
    "email": lambda p, given: text(p.row["email"], given),
    "name": lambda p, given: text(p.row["name"], given),
    "externalId": lambda p, given: exactly(p.row["external_id"], given),
    "firstName": lambda p, given: exactly(p.row["first_name"], given),
    "lastName": lambda p, given: exactly(p.row["last_name"], given),
    "loginDn": lambda p, given: text(p.row["login_dn"], given),
    "ldapServerNumber": lambda p, given: plain(server_number(p), given),
    "groupCount": lambda p, given: plain(len(p.groups), given),
    "version": lambda p, given: plain(p.row["version"], given),
    "state": lambda p, given: plain(p.row["state"], given),
    "accessibility": lambda p, given: plain(accessibility(p), given),
    "isActive": lambda p, given: plain(p.row["state"] == "ACTIVE", given),
    "isLdap": lambda p, given: plain(p.row["ldap_provider_id"] is not None, given),
    "isSaml": lambda p, given: plain(p.row["provider_id"] == 4, given),
    "isApiOnly": lambda p, given: plain(p.row["provider_id"] is None, given),
    "is2faEnabled": lambda p, given: plain(p.row["totp_enabled_at"] is not None, given),
    "hasValidPassword": lambda p, given: plain(p.row["provider_id"] == 1 and p.row["password_hash"] is not None, given),
    "canCreateProjectsInRoot": lambda p, given: plain(p.row["can_create_projects_in_root"], given),
    "lastLoginAt": lambda p, given: moment(p.row["last_login_at"], given),
    "lastApiRequestAt": lambda p, given: moment(p.row["last_api_request_at"], given),
    "createdAt": lambda p, given: moment(p.row["created_at"], given),
    "updatedAt": lambda p, given: moment(p.row["updated_at"], given),
    "role": related("role_id", ROLE),
    "identityProvider": related("provider_id", PROVIDER),
    "createdBy": related("created_by_id", WHO),
    "updatedBy": related("updated_by_id", WHO),
    "groups": lambda p, given: some(p.groups, given, lambda n, where: joined(n, where, GROUP)),
    "organizations": lambda p, given: some(p.organizations, given, lambda n, where: joined(n, where, ORGANIZATION)),
    "tags": lambda p, given: some(p.tags, given, text),
    "aliases": lambda p, given: some(p.aliases, given, text),
    "variables": lambda p, given: some(list(p.variables.items()), given, lambda v, where: joined(v, where, VARIABLE)),
}
