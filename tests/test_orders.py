"""`orderBy` with its pages, and users within a scope: organization, group, role or provider."""

from collections.abc import Callable
from typing import Any

import pytest

from tests.oracle import USER, joined
from tests.people import ROLES, Person, people, store
from tests.service import Service

OURS = {"username": {"startsWith": "F"}}
ORDERED = """query ($orderBy: [UserOrder!], $first: Int, $after: String, $last: Int, $before: String,
  $where: UserWhere) {
  users(orderBy: $orderBy, first: $first, after: $after, last: $last, before: $before, where: $where) {
    totalCount pageInfo { hasNextPage hasPreviousPage startCursor endCursor } edges { cursor node { id } } } }"""
COLUMNS = {
    "USERNAME": "username_key",
    "EMAIL": "email_key",
    "NAME": "name_key",
    "FIRST_NAME": "first_name_key",
    "LAST_NAME": "last_name_key",
    "EXTERNAL_ID": "external_id",
    "STATE": "state",
    "LAST_LOGIN_AT": "last_login_at",
    "LAST_API_REQUEST_AT": "last_api_request_at",
    "CREATED_AT": "created_at",
    "UPDATED_AT": "updated_at",
}
COUNTED: dict[str, Callable[[Person], int]] = {
    "ID": lambda person: person.id,
    "ROLE": lambda person: ROLES[person.row["role_id"]][1],
    "GROUP_COUNT": lambda person: len(person.groups),
}


@pytest.fixture
async def known(service: Service) -> list[Person]:
    made = people()
    await service.database.transaction(lambda tx: store(tx, made))
    return made


def ordered(known: list[Person], steps: list[tuple[str, str]]) -> list[str]:
    """Nulls first going up and last going down; ties by the id in the direction of the last step."""

    def value(person: Person, name: str) -> Any:
        found = COUNTED[name](person) if name in COUNTED else person.row[COLUMNS[name]]
        return (found is not None, found)

    rows = list(known)
    for name, direction in [*reversed([*steps, ("ID", steps[-1][1] if steps else "ASC")])]:
        rows.sort(key=lambda person: value(person, name), reverse=direction == "DESC")
    return [f"user_{person.id}" for person in rows]


async def pages(service: Service, by: list[dict[str, str]], size: int, *, backwards: bool) -> list[str]:
    """All ids, page by page, checking what each page says of itself."""
    found: list[str] = []
    cursor = None
    way, at = ("last", "before") if backwards else ("first", "after")
    while True:
        page = (await service.data(ORDERED, {"orderBy": by, way: size, at: cursor, "where": OURS}))["users"]
        info, edges = page["pageInfo"], page["edges"]
        assert page["totalCount"] == 60
        assert (info["startCursor"], info["endCursor"]) == (edges[0]["cursor"], edges[-1]["cursor"])
        ids = [edge["node"]["id"] for edge in edges]
        found = ids + found if backwards else found + ids
        more = info["hasPreviousPage" if backwards else "hasNextPage"]
        assert more is (len(found) < 60)
        assert info["hasNextPage" if backwards else "hasPreviousPage"] is (cursor is not None)
        if not more:
            return found
        cursor = info["startCursor" if backwards else "endCursor"]


STEPS: list[list[tuple[str, str]]] = [
    [],
    *[[(name, direction)] for name in [*COUNTED, *COLUMNS] for direction in ("ASC", "DESC")],
    [("STATE", "ASC"), ("LAST_LOGIN_AT", "DESC")],
    [("ROLE", "DESC"), ("GROUP_COUNT", "ASC"), ("LAST_NAME", "ASC")],
    [("LAST_LOGIN_AT", "ASC"), ("LAST_API_REQUEST_AT", "DESC"), ("NAME", "ASC")],
    [("NAME", "DESC"), ("STATE", "DESC")],
    [("LAST_API_REQUEST_AT", "DESC"), ("ID", "ASC")],
    [("CREATED_AT", "ASC"), ("CREATED_AT", "DESC")],
]


async def test_every_order_is_the_same_on_every_database_in_one_piece_and_in_pages(
    service: Service, known: list[Person]
) -> None:
    for steps in STEPS:
        by = [{"field": name, "direction": direction} for name, direction in steps]
        expected = ordered(known, steps)
        assert await pages(service, by, 100, backwards=False) == expected, steps
        assert await pages(service, by, 23, backwards=False) == expected, steps
        assert await pages(service, by, 23, backwards=True) == expected, steps


async def test_a_cursor_belongs_to_its_order(service: Service, known: list[Person]) -> None:
    by_name = [{"field": "NAME", "direction": "ASC"}]
    page = (await service.data(ORDERED, {"orderBy": by_name, "first": 2}))["users"]
    cursor = page["pageInfo"]["endCursor"]
    for order in ([{"field": "NAME", "direction": "DESC"}], [{"field": "EMAIL", "direction": "ASC"}], []):
        assert await service.codes(ORDERED, {"orderBy": order, "first": 2, "after": cursor}) == ["INVALID"]
    for forged in ("", "x", "\u00e9", cursor[:-4], cursor + "AAAA", "bnVsbA", "W10", "W1tdXQ"):
        assert await service.codes(ORDERED, {"orderBy": by_name, "first": 2, "after": forged}) == ["INVALID"], forged
    for sizes in ({"first": -1}, {"last": -1}, {"first": 1, "last": 1}):
        assert await service.codes(ORDERED, sizes) == ["INVALID"], sizes
    assert await service.codes(ORDERED, {"orderBy": by_name * 6}) == ["INVALID"]
    nothing = (await service.data(ORDERED, {"first": 0}))["users"]
    assert (nothing["edges"], nothing["totalCount"]) == ([], 69)
    assert nothing["pageInfo"] == {
        "hasNextPage": True,
        "hasPreviousPage": False,
        "startCursor": None,
        "endCursor": None,
    }


async def test_rows_made_and_deleted_between_pages_neither_repeat_nor_hide_others(
    service: Service, known: list[Person]
) -> None:
    """A cursor is a place in the order, not a number of rows to skip."""
    by = [{"field": "LAST_LOGIN_AT", "direction": "DESC"}]
    expected = ordered(known, [("LAST_LOGIN_AT", "DESC")])
    page = (await service.data(ORDERED, {"orderBy": by, "first": 20, "where": OURS}))["users"]
    gone = int(expected[19].removeprefix("user_"))
    await service.write("DELETE FROM users WHERE id = $1", gone)
    after = {"orderBy": by, "first": 100, "after": page["pageInfo"]["endCursor"], "where": OURS}
    rest = (await service.data(ORDERED, after))["users"]
    assert [edge["node"]["id"] for edge in rest["edges"]] == expected[20:]


SCOPED = """query ($id: ID!, $where: UserWhere, $orderBy: [UserOrder!]) { node(id: $id) { __typename
  ... on Organization { userCount users(first: 100, where: $where, orderBy: $orderBy) { totalCount nodes { id } } }
  ... on Group { userCount users(first: 100, where: $where, orderBy: $orderBy) { totalCount nodes { id } } }
  ... on Role { userCount users(first: 100, where: $where, orderBy: $orderBy) { totalCount nodes { id } } }
  ... on IdentityProvider { userCount users(first: 100, where: $where, orderBy: $orderBy) { totalCount nodes { id } } }
} }"""


async def test_users_of_a_scope_are_the_same_from_below_and_by_where(service: Service, known: list[Person]) -> None:
    """A3: an organization (alone or with those below it), a group, a role, a provider."""
    scopes: list[tuple[str, dict[str, Any], str]] = [
        *[
            (f"organization_{n}", {"organizations": {"some": {"id": {"eq": f"organization_{n}"}}}}, "Organization")
            for n in range(1, 6)
        ],
        *[(f"group_{n}", {"groups": {"some": {"id": {"eq": f"group_{n}"}}}}, "Group") for n in (1, 2)],
        *[(f"role_{n}", {"role": {"id": {"eq": f"role_{n}"}}}, "Role") for n in range(1, 6)],
        *[
            (f"provider_{n}", {"identityProvider": {"id": {"eq": f"provider_{n}"}}}, "IdentityProvider")
            for n in range(1, 5)
        ],
    ]
    by = [{"field": "NAME", "direction": "DESC"}]
    for typed, where, type_name in scopes:
        expected = ordered([p for p in known if joined(p, where, USER)], [("NAME", "DESC")])
        node = (await service.data(SCOPED, {"id": typed, "where": OURS, "orderBy": by}))["node"]
        counted = await service.data(
            "query ($where: UserWhere) { users(where: $where) { totalCount } }", {"where": where}
        )
        assert node == {
            "__typename": type_name,
            "userCount": counted["users"]["totalCount"],
            "users": {"totalCount": len(expected), "nodes": [{"id": each} for each in expected]},
        }, typed
        assert expected, f"nobody is in {typed}, so this asked nothing"


async def test_an_organization_is_asked_with_or_without_those_below_it(service: Service, known: list[Person]) -> None:
    below = {
        "organization_1": {1, 2, 3, 4, 5},
        "organization_2": {2, 3, 4},
        "organization_3": {3},
        "organization_9": set(),
    }
    for typed, numbers in below.items():
        where = {"and": [OURS, {"organizations": {"some": {"id": {"within": typed}}}}]}
        answer = (await service.data(ORDERED, {"where": where, "first": 100}))["users"]
        expected = [f"user_{p.id}" for p in known if numbers & set(p.organizations)]
        assert [edge["node"]["id"] for edge in answer["edges"]] == expected, typed
        alone = {"and": [OURS, {"organizations": {"some": {"id": {"eq": typed}}}}]}
        own = (await service.data(ORDERED, {"where": alone, "first": 100}))["users"]
        number = int(typed[-1])
        assert [edge["node"]["id"] for edge in own["edges"]] == [
            f"user_{p.id}" for p in known if number in p.organizations
        ]
