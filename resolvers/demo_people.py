"""Who lives in the demo directory: people and what hangs on them, made by dice that fall alike at every run."""

import random
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cache
from itertools import accumulate
from typing import Any

from models.values import API, key, search_key
from resolvers.match_keys import text_of
from resolvers.policy import ROOT_PROJECT_ROLES

MOST_DAYS = 900  # that somebody has been there
INVITED_DAYS = 8  # since the oldest invitation, of which a few have expired

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
TAGS = ("AE|SouthEast", "AE|NorthWest", "contractor", "plan-2026", "remote", "works-council", "trainer", "night-shift")
ROLES = ("Admin", "IT", "Project manager", "Normal user", "Read only")
STATES = ("ACTIVE", "INVITED", "DEACTIVATED")
# Shares out of the lists beside them, summed up once.
ROLE_SHARES = tuple(accumulate((1, 5, 12, 66, 16)))
STATE_SHARES = tuple(accumulate((86, 6, 8)))
WAYS = ("local", "ldap1", "ldap2", "sso", "both", "api")
WAY_SHARES = tuple(accumulate((40, 25, 10, 15, 7, 3)))
GROUP_SHARES = tuple(accumulate((2, 5, 2, 1)))
TAG_PARTS = {text: text.split("|") for text in TAGS}
TAG_KEYS = {part: key(part) for parts in TAG_PARTS.values() for part in parts}
DOMAINS = tuple(f"{company.split()[0].lower()}.example" for company in COMPANIES)
# An argon2id hash of a random password that nobody knows: the account looks real and cannot be entered.
UNKNOWN = "$argon2id$v=19$m=19456,t=2,p=1$" + "bm9ib2R5IGtub3dz$" + "c2VjcmV0IHRoYXQgbm9ib2R5IGtub3dzIGF0IGFsbCEh"

USER_COLUMNS = (
    "id username username_key email email_key name name_key first_name first_name_key last_name last_name_key"
    " external_id state role_id provider_id ldap_provider_id login_dn login_dn_key password_hash totp_secret"
    " totp_enabled_at can_create_projects_in_root last_login_at last_api_request_at created_at created_by_id"
    " updated_at updated_by_id version match_key_limits search_key"
).split()
EXTERNAL_ID = USER_COLUMNS.index("external_id") - 1  # in the values of a person
MATCH_KEYS = {name: USER_COLUMNS.index(name) - 1 for name in ("email_key", "ldap_provider_id", "login_dn_key")}


@dataclass(frozen=True)
class Furniture:
    """What the people refer to: ids by name, and `today`, the day up to which everything happened."""

    roles: Mapping[str, int]
    providers: Mapping[str, int]
    organizations: Sequence[int]
    groups: Sequence[int]
    admin: int
    today: datetime
    key_limit: int


@dataclass(slots=True)
class Person:
    """`names` and `rest` are the columns of `users` between the id and what is searched."""

    number: int
    company: int
    username: str
    name_key: str
    email: str
    state: str
    created: datetime
    values: tuple[Any, ...]


@cache
def _plain(name: str) -> str:
    """`zeljko` for Željko: letters without their marks."""
    plain = unicodedata.normalize("NFKD", key(name).translate(str.maketrans("øı", "oi")))
    return "".join(c for c in plain if c.isascii() and c.isalnum())


_key = cache(key)


def person(furniture: Furniture, number: int, dice: random.Random, names: dict[str, int]) -> Person:
    """`names` counts the usernames given so far, so that only namesakes carry a number.

    Usernames, addresses and login DNs are made of small ASCII letters, so they are their own normal forms.
    """
    first, last = dice.choice(FIRST), dice.choice(LAST)
    role = dice.choices(ROLES, cum_weights=ROLE_SHARES)[0]
    state = dice.choices(STATES, cum_weights=STATE_SHARES)[0]
    company = dice.randrange(len(COMPANIES))
    base = f"{_plain(first)}.{_plain(last)}"
    count = names[base] = names.get(base, 0) + 1
    username = base if count == 1 else f"{base}{count}"
    email = f"{username}@{DOMAINS[company]}"
    days = dice.randrange(1, MOST_DAYS)
    days = days % INVITED_DAYS if state == "INVITED" else days
    created = furniture.today - timedelta(days=days, seconds=dice.randrange(86_400))
    used = _since(furniture.today, created, dice) if state != "INVITED" else None
    first_key, last_key = _key(first), _key(last)
    name_key = f"{first_key} {last_key}"
    values = (
        *(username, username, email, email, f"{first} {last}", name_key, first, first_key, last, last_key),
        f"hr-{100_000 + number}" if dice.random() < 0.7 else None,
        state,
        furniture.roles[role],
        *_sign_in(furniture, username, state, dice),
        role in ROOT_PROJECT_ROLES and dice.random() < 0.5,
        used if dice.random() < 0.9 else None,
        used if dice.random() < 0.15 else None,
        *(created, furniture.admin, created, furniture.admin, 1),
    )
    return Person(number, company, username, name_key, email, state, created, values)


def _since(today: datetime, created: datetime, dice: random.Random) -> datetime:
    """Most were here lately, some not for months."""
    days = (today - created).days
    return today - timedelta(days=min(days, int(dice.expovariate(1 / 40))), seconds=dice.randrange(86_400))


def _sign_in(furniture: Furniture, username: str, state: str, dice: random.Random) -> tuple[Any, ...]:
    """Both providers, login DN and its normal form, password hash, second factor and since when."""
    way = dice.choices(WAYS, cum_weights=WAY_SHARES)[0]
    ids = furniture.providers
    factor = ("sealed away", furniture.today - timedelta(days=30)) if dice.random() < 0.3 else (None, None)
    if way == "api":
        return (None, None, None, None, None, *factor)
    if way in ("local", "sso"):
        hashed = UNKNOWN if way == "local" and state == "ACTIVE" else None
        return (ids[way], None, None, None, hashed, *factor)
    dn = f"uid={username},ou=people,dc=example,dc=com"
    ldap = ids["ldap1"] if way == "both" else ids[way]
    return (ids["sso"] if way == "both" else ldap, ldap, dn, dn, None, *factor)


@dataclass
class Household:
    """The rows of people, table by table."""

    users: list[tuple[Any, ...]]
    tags: list[tuple[int, str, str]]
    aliases: list[tuple[int, str, str]]
    variables: list[tuple[int, str, str, str]]
    external_ids: list[tuple[int, str, str]]
    groups: list[tuple[int, int, datetime]]
    members: list[tuple[int, int, datetime]]


def household(furniture: Furniture, people: Sequence[tuple[int, Person]], dice: random.Random) -> Household:
    """What hangs on people, each beside the id they get."""
    made = Household([], [], [], [], [], [], [])
    groups = list(furniture.groups)
    for user_id, each in people:
        tags = {part for text in dice.sample(TAGS, dice.randrange(3)) for part in TAG_PARTS[text]}
        made.tags += [(user_id, tag, TAG_KEYS[tag]) for tag in sorted(tags)]
        aliases = []
        if dice.random() < 0.4:
            aliases = [f"id-{10_000 + each.number}"]
            made.aliases.append((user_id, aliases[0].upper(), aliases[0]))
        if dice.random() < 0.5:
            made.variables.append((user_id, "costCentre", "costcentre", f"CC-{dice.randrange(100, 999)}"))
        external_ids = {API: each.values[EXTERNAL_ID]} if each.values[EXTERNAL_ID] is not None else {}
        if each.number % 3 == 0:
            external_ids["crm"] = f"C-{each.number:06}"
        made.external_ids += [(user_id, source, value) for source, value in external_ids.items()]
        for group in dice.sample(groups, dice.choices((0, 1, 2, 3), cum_weights=GROUP_SHARES)[0]):
            made.groups.append((group, user_id, each.created))
        made.members += [(place, user_id, each.created) for place in sorted(_places(furniture, each.company, dice))]
        keys = {name: each.values[place] for name, place in MATCH_KEYS.items()}
        limits = text_of(keys, external_ids, furniture.key_limit)
        words = search_key(each.name_key, each.username, each.email, aliases)
        made.users.append((user_id, *each.values, limits, words))
    return made


def _places(furniture: Furniture, company: int, dice: random.Random) -> Iterator[int]:
    """A company, and often one of its regions and departments."""
    companies, regions = len(COMPANIES), len(COMPANIES) * len(REGIONS)
    region = company * len(REGIONS) + dice.randrange(len(REGIONS))
    department = region * len(DEPARTMENTS) + dice.randrange(len(DEPARTMENTS))
    yield furniture.organizations[company]
    if dice.random() < 0.8:
        yield furniture.organizations[companies + region]
    if dice.random() < 0.6:
        yield furniture.organizations[companies + regions + department]
