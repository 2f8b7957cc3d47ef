"""The answer to any `where` over known users, worked out in plain Python."""

from collections.abc import Callable
from datetime import datetime
from typing import Any

from models.values import key
from tests.people import (
    DELIVERED,
    DEMANDING,
    FAR,
    GROUPS,
    ORGANIZATIONS,
    PARENTS,
    PROVIDERS,
    ROLES,
    START,
    Person,
    held,
)

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
    "requiresSecondFactor": lambda n, given: plain(n == DEMANDING, given),
}
CAST: dict[str, Test] = {  # user 8, asked for by what no stored person has
    "id": lambda n, given: plain(f"user_{n}", given),
    "username": lambda n, given: text("member", given),
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
    "createdAt": lambda n, given: moment(FAR, given),
    "parent": lambda n, given: PARENTS[n] is not None and joined(PARENTS[n], given, ORGANIZATION),
    "children": lambda n, given: some(
        [each for each in PARENTS if PARENTS[each] == n], given, lambda each, where: joined(each, where, ORGANIZATION)
    ),
    "users": lambda n, given: some([8] if n == 3 else [], given, lambda each, where: joined(each, where, CAST)),
}
GROUP: dict[str, Test] = {
    "id": lambda n, given: plain(f"group_{n}", given),
    "name": lambda n, given: text(GROUPS[n], given),
    "createdAt": lambda n, given: moment(FAR, given),
    "users": lambda n, given: some([8] if n == 1 else [], given, lambda each, where: joined(each, where, CAST)),
}
OWNER: dict[str, Test] = {
    "id": lambda p, given: plain(f"user_{p.id}", given),
    "username": lambda p, given: text(p.row["username"], given),
}
# Of each: the person, then the number of the organization, invitation or key.
MEMBERSHIP: dict[str, Test] = {
    "id": lambda m, given: plain(f"membership_{m[0].memberships[m[1]]}", given),
    "user": lambda m, given: joined(m[0], given, OWNER),
    "organization": lambda m, given: joined(m[1], given, ORGANIZATION),
    "role": lambda m, given: held(m[0]) is None if given is None else held(m[0]) is not None and joined(2, given, ROLE),
    "createdAt": lambda m, given: moment(START, given),
}
INVITATION: dict[str, Test] = {
    "id": lambda m, given: plain(f"invitation_{m[1]}", given),
    "user": lambda m, given: joined(m[0], given, OWNER),
    "state": lambda m, given: plain(m[0].invited, given),
    "deliveryState": lambda m, given: plain(DELIVERED.get(m[0].invited, "NONE"), given),
    "expiresAt": lambda m, given: moment(START if m[0].invited == "EXPIRED" else FAR, given),
    "createdAt": lambda m, given: moment(START, given),
}
KEY: dict[str, Test] = {
    "id": lambda m, given: plain(f"key_{m[1]}", given),
    "user": lambda m, given: joined(m[0], given, OWNER),
    "name": lambda m, given: text(m[2], given),
    "isValid": lambda m, given: plain(m[2] == "good", given),
    "expiresAt": lambda m, given: moment(START if m[2] == "expired" else None, given),
    "lastUsedAt": lambda m, given: moment(None, given),
    "createdAt": lambda m, given: moment(START, given),
}
EXTERNAL_ID: dict[str, Test] = {
    "source": lambda v, given: exactly(v[0], given),
    "value": lambda v, given: exactly(v[1], given),
}
VARIABLE: dict[str, Test] = {"name": lambda v, given: text(v[0], given), "value": lambda v, given: exactly(v[1], given)}
BY = {1: "admin", 2: "it", 3: "pm"}
WHO: dict[str, Test] = {
    "id": lambda n, given: plain(f"user_{n}", given),
    "username": lambda n, given: text(BY[n], given),
}


def has_valid_password(p: Person) -> bool:
    is_able = p.row["state"] == "ACTIVE" and p.row["provider_id"] == 1
    return bool(is_able) and p.row["password_hash"] is not None


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
    "firstName": lambda p, given: text(p.row["first_name"], given),
    "lastName": lambda p, given: text(p.row["last_name"], given),
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
    "hasValidPassword": lambda p, given: plain(has_valid_password(p), given),
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
    "memberships": lambda p, given: some(p.organizations, given, lambda n, w: joined((p, n), w, MEMBERSHIP)),
    "invitations": lambda p, given: some(p.invitations, given, lambda n, w: joined((p, n), w, INVITATION)),
    "apiKeys": lambda p, given: some(p.keys, given, lambda each, w: joined((p, *each), w, KEY)),
    "tags": lambda p, given: some(p.tags, given, text),
    "aliases": lambda p, given: some(p.aliases, given, text),
    "externalIds": lambda p, given: some(
        list(p.external_ids.items()), given, lambda v, where: joined(v, where, EXTERNAL_ID)
    ),
    "variables": lambda p, given: some(list(p.variables.items()), given, lambda v, where: joined(v, where, VARIABLE)),
}
