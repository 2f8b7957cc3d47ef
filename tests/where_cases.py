"""Conditions for every operator of every field of `UserWhere`."""

from typing import Any

from tests.people import MOMENTS

TIMES = [MOMENTS[0], MOMENTS[1], MOMENTS[5]]
TEXTS: dict[str, list[Any]] = {
    "eq": ["f1.\u00c9", "ANN LEE", "STRASSE", "nobody", "", "e\u0301mile zola"],
    "ne": ["ann lee", "nobody"],
    "in": [["ann lee", "\u00c4RGER", "x"], []],
    "notIn": [["ann lee", "\u00c4RGER", "x"], []],
    "contains": ["100%", "_", "\\", "\u00e9", "O'N", "", "B", "%_"],
    "startsWith": ["F1", "a", "\u5c71", "_"],
    "endsWith": ["LEE", "b", "%"],
    "isNull": [True, False],
}
EXACT: dict[str, list[Any]] = {
    "eq": ["Ext-1", "ext-1", " Ext-7 "],
    "ne": ["Ext-1"],
    "in": [["Ext-1", "Ext-2", "Ext-3", "Ext-4", "ext_5%"]],
    "notIn": [["Ext-1", "Ext-2"]],
    "contains": ["Ext", "ext", "%", "_1"],
    "startsWith": ["Ext-", "ext_", "EXT"],
    "endsWith": ["%", "1"],
    "isNull": [True, False],
}
MOMENT: dict[str, list[Any]] = {
    "eq": TIMES,
    "before": TIMES,
    "after": TIMES,
    "notBefore": TIMES,
    "notAfter": TIMES,
    "isNull": [True, False],
}
NUMBER: dict[str, list[Any]] = {
    "eq": [1, 60, 40_000, -1],
    "ne": [1, 60],
    "gt": [60, 1, 70_000],
    "gte": [60, 1],
    "lt": [60, 2, -70_000],
    "lte": [60, 2],
    "in": [[1, 60, 80], [], [2_000_000_000]],
    "isNull": [True, False],
}
FLAG: dict[str, list[Any]] = {"eq": [True, False]}


def ids(*numbers: int, prefix: str = "user") -> dict[str, list[Any]]:
    one, many = f"{prefix}_{numbers[0]}", [f"{prefix}_{n}" for n in numbers]
    other = [
        "role_1" if prefix != "role" else "user_1",
        "user_",
        f"{prefix}_0x1",
        f"{prefix}_99999999999999999999",
        "%",
    ]
    return {"eq": [one, *other], "ne": [one, *other[:1]], "in": [many, [*many, *other], []], "notIn": [many, other, []]}


def choice(*names: str) -> dict[str, list[Any]]:
    return {"eq": [names[0]], "ne": [names[0]], "in": [list(names[:2]), []], "notIn": [list(names[:2]), []]}


def of(operators: dict[str, list[Any]]) -> list[dict[str, Any]]:
    return [
        {name: v.isoformat() if hasattr(v, "isoformat") else v} for name, values in operators.items() for v in values
    ]


def below(name: str, conditions: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [{name: each} for each in conditions]


ROLE = [
    {},
    *below("id", of(ids(2, 4, prefix="role"))),
    *below("name", of({**TEXTS, "eq": ["IT", "project MANAGER"]})),
    *below("weight", of(NUMBER)),
    *below("isBuiltIn", of(FLAG)),
    *below("requiresSecondFactor", of(FLAG)),
    {"or": [{"name": {"eq": "IT"}}, {"weight": {"lt": 30}}]},
    {"not": {"name": {"eq": "IT"}}},
]
PROVIDER = [
    {},
    *below("id", of(ids(1, 4, prefix="provider"))),
    *below("name", of({**TEXTS, "contains": ["ldap", "LOCAL"]})),
    *below("prefix", of({**TEXTS, "startsWith": ["LDAP", "s"]})),
    *below("kind", of(choice("LDAP", "SAML"))),
    *below("isEnabled", of(FLAG)),
    *below("serverNumber", of(NUMBER)),
    {"not": {"serverNumber": {"gt": 1}}},
]
ORGANIZATION = [
    {},
    *below(
        "id", of({**ids(2, 3, prefix="organization"), "within": ["organization_2", "organization_3", "organization_1"]})
    ),
    *below("id", of({"within": ["organization_9", "user_2", ""]})),
    *below("name", of({**TEXTS, "contains": ["ACME", "east"]})),
    {"parent": {"name": {"eq": "acme"}}},
    {"parent": {"parent": {"id": {"eq": "organization_1"}}}},
    {"not": {"parent": {"id": {"eq": "organization_2"}}}},
    {"id": {"within": "organization_2", "ne": "organization_2"}},
    {"children": {"some": {"name": {"eq": "acme WEST"}}}},
    {"children": {"none": {}}},
    {"users": {"some": {"id": {"eq": "user_8"}}}},
    {"users": {"none": {"username": {"eq": "member"}}}},
    *below("createdAt", of({"before": TIMES[:1], "after": TIMES[:1]})),
]
GROUP = [
    {},
    {"users": {"some": {"username": {"eq": "MEMBER"}}}},
    {"createdAt": {"after": TIMES[0].isoformat()}},
    *below("id", of(ids(1, prefix="group"))),
    *below("name", of({**TEXTS, "contains": ["WORK", "web"]})),
]
WHO = [{}, *below("id", of(ids(1, 3))), *below("username", of({"eq": ["ADMIN", "it"], "ne": ["admin"]}))]
TAG = [{}, *of({**TEXTS, "eq": ["S\u00dcD", "vip"], "contains": ["vip", "%"]})]
VARIABLE = [
    {},
    *below("name", of({**TEXTS, "eq": ["tier", "COST CENTRE"]})),
    *below(
        "value", of({**EXACT, "eq": ["Low", "low", "High_9"], "contains": ["L", "l", "_"], "startsWith": ["h", "H"]})
    ),
    {"name": {"eq": "tier"}, "value": {"eq": "low"}},
]
EXTERNAL_ID = [
    {},
    *below("source", of({**EXACT, "eq": ["api", "hr", "HR"], "startsWith": ["a", "H"]})),
    *below("value", of({**EXACT, "eq": ["Ext-3", "ext-3"], "contains": ["ext", "_"], "startsWith": ["Ext", "p_"]})),
    {"source": {"eq": "hr"}, "value": {"startsWith": "Ext"}},
]
MEMBERSHIP = [
    {},
    *below("id", of(ids(4, 17, prefix="membership"))),
    *below("organization", ORGANIZATION[:4]),
    *below("user", WHO),
    {"role": None},
    *below("role", [{}, {"name": {"eq": "it"}}, {"weight": {"lt": 80}}]),
    *below("createdAt", of(MOMENT)),
]
INVITATION = [
    {},
    *below("id", of(ids(3, prefix="invitation"))),
    *below("user", WHO),
    *below("state", of(choice("EXPIRED", "ACCEPTED"))),
    *below("deliveryState", of(choice("SENT", "NONE"))),
    *below("expiresAt", of(MOMENT)),
    *below("createdAt", of(MOMENT)),
]
KEY = [
    {},
    *below("id", of(ids(9, prefix="key"))),
    *below("user", WHO),
    *below("isValid", of(FLAG)),
    *below("name", of({"eq": ["GOOD"], "contains": ["e"]})),
    *[{name: each} for name in ("expiresAt", "lastUsedAt", "createdAt") for each in of(MOMENT)],
    {"isValid": {"eq": False}, "expiresAt": {"isNull": False}},
]


def listed(conditions: list[dict[str, Any]]) -> list[dict[str, Any]]:
    both = {"some": conditions[1], "none": conditions[2]}
    return [*below("some", conditions), *below("none", conditions), both]


CASES: dict[str, list[dict[str, Any]]] = {
    "id": of(ids(12, 30, 31, 70)),
    "username": of(TEXTS),
    "email": of({**TEXTS, "eq": ["F1@ONE.example.org", "f1@two.EXAMPLE.org"], "endsWith": ["@Two.example.org"]}),
    "name": of(TEXTS),
    "externalId": of(EXACT),
    "firstName": of(TEXTS),
    "lastName": of(TEXTS),
    "loginDn": of({**TEXTS, "contains": ["CN=F1", "%"], "startsWith": ["cn=f2", "x"], "endsWith": ["DC=X"]}),
    "ldapServerNumber": of(NUMBER),
    "groupCount": of(NUMBER),
    "version": of(NUMBER),
    "state": of(choice("ACTIVE", "INVITED")),
    "accessibility": of(choice("INTERACTIVE", "API_ONLY")) + of(choice("NONE")),
    **{name: of(FLAG) for name in ("isActive", "isLdap", "isSaml", "isApiOnly", "is2faEnabled", "hasValidPassword")},
    "canCreateProjectsInRoot": of(FLAG),
    **{name: of(MOMENT) for name in ("lastLoginAt", "lastApiRequestAt", "createdAt", "updatedAt")},
    "role": ROLE,
    "identityProvider": PROVIDER,
    "createdBy": WHO,
    "updatedBy": WHO,
    "groups": listed(GROUP),
    "organizations": listed(ORGANIZATION),
    "memberships": listed(MEMBERSHIP),
    "invitations": listed(INVITATION),
    "apiKeys": listed(KEY),
    "tags": listed(TAG),
    "aliases": listed([{}, *of({**TEXTS, "eq": ["ae-1"], "startsWith": ["JO_", "AE"]})]),
    "externalIds": listed(EXTERNAL_ID),
    "variables": listed(VARIABLE),
}
