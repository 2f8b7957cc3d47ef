"""Random conditions of a $filter, each with what OData's own rules say of a plain row: true, false, or null."""

import random
from collections.abc import Callable
from datetime import datetime
from typing import Any

from models.values import key
from tests.people import MOMENTS

Row = dict[str, Any]
Truth = bool | None  # None is null, which is neither true nor false
Condition = tuple[str, Callable[[Row], Truth]]

WHOLE = """query ($after: String) { users(first: 1000, after: $after) { nodes {
  id username name firstName lastName externalId state accessibility isActive isSaml is2faEnabled groupCount version
  ldapServerNumber lastLoginAt createdAt tags aliases variables { name value } externalIds { source value }
  role { id name weight isBuiltIn } identityProvider { id name isEnabled serverNumber } createdBy { id name firstName }
  groups { nodes { id name } } memberships { nodes { organization { name } role { name } } }
} } }"""


def at(row: Any, path: str) -> Any:
    for name in path.split("/"):
        row = None if row is None else row[name]
    return row


def normal(path: str, text: Any) -> Any:
    """Texts count by their normal form, but for external ids, and what is no free text."""
    exact = path.split("/")[-1] in ("externalId", "id", "state", "accessibility")
    return text if text is None or exact else key(text)


def quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def moment(text: str | None) -> datetime | None:
    return None if text is None else datetime.fromisoformat(text)


TEXTS = ("username", "name", "firstName", "lastName", "externalId", "role/name", "identityProvider/name")
TEXTS += ("createdBy/name", "createdBy/firstName")
VALUES = (
    "Ann Lee",
    "ÉMILE zola",
    "straße",
    "a_b",
    "Bo\\b",
    "bob O'Neil",
    "Ext-3",
    "ext_4%",
    "Admin",
    "IT",
    "Main LDAP",
)
PARTS = ("a", "b", "_", "%", "\\", "'", "É", "zo", "ext", "Ext", "ss", "", "100%")
NUMBERS = ("groupCount", "version", "ldapServerNumber", "role/weight", "identityProvider/serverNumber")
FLAGS = ("isActive", "isSaml", "is2faEnabled", "role/isBuiltIn", "identityProvider/isEnabled")
CHOICES = {"state": ("ACTIVE", "INVITED", "DEACTIVATED"), "accessibility": ("NONE", "API_ONLY", "INTERACTIVE")}
SIGNS: dict[str, Callable[[Any, Any], bool]] = {
    "lt": lambda a, b: a < b,
    "le": lambda a, b: a <= b,
    "gt": lambda a, b: a > b,
    "ge": lambda a, b: a >= b,
}
FUNCTIONS: dict[str, Callable[[str, str], bool]] = {
    "contains": lambda text, part: part in text,
    "startswith": str.startswith,
    "endswith": str.endswith,
}


def equality(dice: random.Random, path: str, literal: str, value: Any, of: Callable[[Row], Any]) -> Condition:
    if dice.random() < 0.2:
        literal, value = "null", None
    text = f"{literal} {{}} {path}" if dice.random() < 0.2 else f"{path} {{}} {literal}"
    if dice.random() < 0.5:
        return text.format("ne"), lambda row: of(row) != value
    return text.format("eq"), lambda row: of(row) == value


def of_text(dice: random.Random) -> Condition:
    path = dice.choice(TEXTS)
    shown = f"tolower({path})" if path != "externalId" and dice.random() < 0.2 else path
    kind = dice.choice(["equality", "in", *FUNCTIONS])
    if kind == "equality":
        value = dice.choice(VALUES)
        return equality(dice, shown, quoted(value), normal(path, value), lambda row: normal(path, at(row, path)))
    if kind == "in":
        values = dice.sample(VALUES, dice.randint(1, 3))
        wanted = {normal(path, value) for value in values}
        return (
            f"{shown} in ({','.join(map(quoted, values))})",
            lambda row: normal(path, at(row, path)) in wanted,
        )
    part, holds = dice.choice(PARTS), FUNCTIONS[kind]

    def matches(row: Row) -> Truth:
        text = normal(path, at(row, path))
        return None if text is None else holds(text, normal(path, part))

    return f"{kind}({shown},{quoted(part)})", matches


def of_number(dice: random.Random) -> Condition:
    path, value = dice.choice(NUMBERS), dice.choice([-1, 0, 1, 2, 40, 60])
    return ordered(dice, path, str(value), value, lambda row: at(row, path))


def ordered(dice: random.Random, path: str, literal: str, value: Any, of: Callable[[Row], Any]) -> Condition:
    """Nothing is less or more than null, so that is false and not null."""
    if dice.random() < 0.4:
        return equality(dice, path, literal, value, of)
    sign = dice.choice(list(SIGNS))
    return f"{path} {sign} {literal}", lambda row: (found := of(row)) is not None and SIGNS[sign](found, value)


def of_moment(dice: random.Random) -> Condition:
    path, value = dice.choice(["lastLoginAt", "createdAt"]), dice.choice(MOMENTS)
    kind = dice.choice(["moment", "year", "date"])
    if kind == "year":
        year = dice.choice([2022, 2023, 2024, 2026])
        return ordered(dice, f"year({path})", str(year), year, lambda r: (m := moment(r[path])) and m.year)
    if kind == "date":
        day = value.date()
        return ordered(dice, f"date({path})", day.isoformat(), day, lambda r: (m := moment(r[path])) and m.date())
    written = dice.choice([value.isoformat().replace("+00:00", "Z"), value.isoformat()])
    return ordered(dice, path, written, value, lambda row: moment(row[path]))


def of_choice(dice: random.Random) -> Condition:
    path = dice.choice(list(CHOICES))
    value = dice.choice(CHOICES[path])
    if dice.random() < 0.3:
        values = dice.sample(CHOICES[path], 2)
        return f"{path} in ('{values[0]}', '{values[1]}')", lambda row: row[path] in values
    return equality(dice, path, f"'{value}'", value, lambda row: row[path])


def of_flag(dice: random.Random) -> Condition:
    path, value = dice.choice(FLAGS), dice.random() < 0.5
    if dice.random() < 0.5:
        return path, lambda row: at(row, path)
    return equality(dice, path, str(value).lower(), value, lambda row: at(row, path))


def of_relation(dice: random.Random) -> Condition:
    """A relation that leads to one row, there or not."""
    path = dice.choice(["identityProvider", "createdBy", "identityProvider/id", "role/id"])
    return dice.choice([
        (f"{path} eq null", lambda row: at(row, path) is None),
        (f"{path} ne null", lambda row: at(row, path) is not None),
    ])  # fmt: skip


def of_rows(dice: random.Random) -> Condition:
    """any() and all() over related rows."""
    kind, value = dice.choice(["any", "all"]), dice.choice(["web work", "IT works", "Acme", "Other", "IT"])
    combined = any if kind == "any" else all
    if dice.random() < 0.5:
        text = dice.choice([
            ("groups/{0}(g: g/name eq {1})", lambda g: key(g["name"]) == key(value)),
            ("groups/{0}(g: not (g/name eq {1}))", lambda g: key(g["name"]) != key(value)),
            ("groups/{0}(g: startswith(g/name,{1}) or g/id eq 'group_1')",
             lambda g: key(g["name"]).startswith(key(value)) or g["id"] == "group_1"),
        ])  # fmt: skip
        shown, holds = text
        return shown.format(kind, quoted(value)), lambda row: combined(holds(g) for g in row["groups"]["nodes"])
    if dice.random() < 0.2:
        return "groups/any()", lambda row: bool(row["groups"]["nodes"])

    def belongs(m: Row) -> bool:
        return key(m["organization"]["name"]) == key(value) or m["role"] is None

    shown = f"memberships/{kind}(m: m/organization/name eq {quoted(value)} or m/role eq null)"
    return shown, lambda row: combined(map(belongs, row["memberships"]["nodes"]))


def of_list(dice: random.Random) -> Condition:
    """any() and all() over tags and variables."""
    kind = dice.choice(["any", "all"])
    combined = any if kind == "any" else all
    if dice.random() < 0.5:
        value, other = dice.sample(["north", "SÜD", "vip", "none"], 2)
        shown, holds = dice.choice([
            (f"t eq '{value}'", lambda t: t == key(value)),
            (f"t ne '{value}'", lambda t: t != key(value)),
            (f"t in ('{value}','{other}')", lambda t: t in (key(value), key(other))),
            (f"t eq '{value}' or not (t ne '{other}')", lambda t: t in (key(value), key(other))),
        ])  # fmt: skip
        return f"tags/{kind}(t: {shown})", lambda row: combined(holds(key(t)) for t in row["tags"])
    if dice.random() < 0.3:
        return "tags/any(t: startswith(t,'v') and endswith(t,'%'))", lambda row: any(
            key(t).startswith("v") and t.endswith("%") for t in row["tags"]
        )
    if dice.random() < 0.4:
        source, value = dice.choice(["hr", "api", "HR"]), dice.choice(["Ext-1", "Ext-4", "p_2"])
        return (
            f"externalIds/any(v: v/source eq '{source}' and (v/value eq '{value}' or startswith(v/value,'ext')))",
            lambda row: any(
                v["source"] == source and (v["value"] == value or v["value"].startswith("ext"))
                for v in row["externalIds"]
            ),
        )
    name, value = dice.choice(["Tier", "cost centre"]), dice.choice(["Low", "low"])
    return (
        f"variables/any(v: v/name eq '{name}' and v/value eq '{value}')",
        lambda row: any(key(v["name"]) == key(name) and v["value"] == value for v in row["variables"]),
    )


LEAVES = (of_text, of_text, of_number, of_moment, of_choice, of_flag, of_relation, of_rows, of_list)


def expression(dice: random.Random, depth: int) -> Condition:
    if depth == 0 or dice.random() < 0.2:
        return dice.choice(LEAVES)(dice)
    if dice.random() < 0.35:
        text, holds = expression(dice, depth - 1)
        return dice.choice(["not ({})", "not({})"]).format(
            text
        ), lambda row: None if (found := holds(row)) is None else not found
    joint = dice.choice(["and", "or"])
    parts = [expression(dice, depth - 1) for _ in range(2)]
    decisive = joint == "or"

    def holds_both(row: Row) -> Truth:
        found = [holds(row) for _, holds in parts]
        if decisive in found:
            return decisive
        return None if None in found else not decisive

    return f"({parts[0][0]}) {joint} ({parts[1][0]})", holds_both
