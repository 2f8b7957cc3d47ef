"""Cursors: paging gives every row once in one order on every database, and takes no cursor but its own."""

import base64
import json
from typing import Any

import pytest

from tests.service import Service

PAGE = "{ pageInfo { hasNextPage hasPreviousPage startCursor endCursor } totalCount edges { cursor node { id } } }"
USERS = (
    "query($first: Int, $after: String, $last: Int, $before: String, $order: [UserOrder!], $where: UserWhere) {"
    " users(first: $first, after: $after, last: $last, before: $before, orderBy: $order, where: $where) " + PAGE + "}"
)


def by(*fields: str) -> list[dict[str, str]]:
    """An order: fields by name, with a minus for downwards."""
    return [{"field": name.lstrip("-"), "direction": "DESC" if name.startswith("-") else "ASC"} for name in fields]


def packed(*values: Any) -> str:
    """Any JSON as a cursor is written."""
    return base64.urlsafe_b64encode(json.dumps(values).encode()).rstrip(b"=").decode()


def unpacked(cursor: str) -> list[Any]:
    found: list[Any] = json.loads(base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
    return found


async def scatter(service: Service) -> None:
    """Ties, absent values and whole seconds among the cast's times, states and names."""
    seconds = {2: "12:00:00", 4: "12:00:00", 6: "12:00:00.000001", 8: "12:00:00.100000", 9: "11:59:59.999999"}
    for number, time in seconds.items():
        moment = f"2024-02-29 {time}+00:00"
        value = f"'{moment}'" if service.dialect == "sqlite" else f"timestamptz '{moment}'"
        await service.write(f"UPDATE users SET last_login_at = {value} WHERE id = {number}")
    await service.write("UPDATE users SET name = 'Same', name_key = 'same' WHERE id IN (3, 5, 7)")
    await service.write("UPDATE users SET state = 'DEACTIVATED' WHERE id IN (8, 9)")


async def page(service: Service, **arguments: Any) -> dict[str, Any]:
    found: dict[str, Any] = (await service.data(USERS, arguments))["users"]
    return found


def ids(found: dict[str, Any]) -> list[int]:
    return [int(edge["node"]["id"].removeprefix("user_")) for edge in found["edges"]]


async def walk(service: Service, order: list[dict[str, str]], size: int, *, backwards: bool) -> list[int]:
    """All ids, page by page; each page is checked against what a whole list would say of it."""
    seen: list[int] = []
    cursor = None
    while True:
        names = ("last", "before") if backwards else ("first", "after")
        found = await page(service, order=order, **{names[0]: size, names[1]: cursor})
        info, edges = found["pageInfo"], found["edges"]
        assert found["totalCount"] == 9
        assert (info["startCursor"], info["endCursor"]) == (edges[0]["cursor"], edges[-1]["cursor"])
        assert 0 < len(edges) <= size
        seen = [*ids(found), *seen] if backwards else [*seen, *ids(found)]
        more, cursor = (
            (info["hasPreviousPage"], info["startCursor"]) if backwards else (info["hasNextPage"], info["endCursor"])
        )
        assert more is (len(seen) < 9)
        if not more:
            return seen


# An order and all ids in it: absent values come first going up and last going down.
ORDERS = [
    ((), [1, 2, 3, 4, 5, 6, 7, 8, 9]),
    (("-ID",), [9, 8, 7, 6, 5, 4, 3, 2, 1]),
    (("LAST_LOGIN_AT",), [1, 3, 5, 7, 9, 2, 4, 6, 8]),
    (("-LAST_LOGIN_AT",), [8, 6, 4, 2, 9, 7, 5, 3, 1]),
    (("LAST_LOGIN_AT", "-ID"), [7, 5, 3, 1, 9, 4, 2, 6, 8]),
    (("-LAST_LOGIN_AT", "ID"), [8, 6, 2, 4, 9, 1, 3, 5, 7]),
    (("NAME", "ID"), [1, 2, 8, 4, 6, 9, 3, 5, 7]),
    (("-NAME", "ID"), [3, 5, 7, 9, 6, 4, 8, 2, 1]),
    (("STATE", "-LAST_LOGIN_AT", "USERNAME"), [6, 2, 4, 1, 3, 5, 7, 8, 9]),
    (("-STATE", "LAST_LOGIN_AT", "-USERNAME"), [9, 8, 7, 5, 3, 1, 4, 2, 6]),
    (("LAST_API_REQUEST_AT", "-LAST_LOGIN_AT"), None),
    (("CREATED_AT", "UPDATED_AT", "-EMAIL", "NAME", "STATE"), None),
]


async def test_every_row_comes_once_and_in_one_order_on_every_database_and_page_size(service: Service) -> None:
    await scatter(service)
    for names, expected in ORDERS:
        # The administrator's last request is recorded while the test runs, so it takes no part here.
        order = by(*(name for name in names if "API_REQUEST" not in name))
        whole = ids(await page(service, order=order, first=9))
        assert whole == (expected or whole), names
        assert sorted(whole) == list(range(1, 10))
        for size in (1, 2, 4):
            for backwards in (False, True):
                assert await walk(service, order, size, backwards=backwards) == whole, (names, size, backwards)


async def test_a_cursor_stays_good_when_its_row_is_gone_and_new_rows_come(service: Service) -> None:
    await scatter(service)
    order = by("-LAST_LOGIN_AT", "ID")
    first = await page(service, order=order, first=3)
    assert ids(first) == [8, 6, 2]
    data = await service.data(
        'mutation { deleteUsers(input: {ids: "user_2"}) { summary { deleted } errors { code } } }'
    )
    assert data["deleteUsers"] == {"summary": {"deleted": 1}, "errors": []}
    assert ids(await page(service, order=order, first=3, after=first["pageInfo"]["endCursor"])) == [4, 9, 1]
    assert ids(await page(service, order=order, last=3, before=first["pageInfo"]["endCursor"])) == [8, 6]


async def test_after_and_before_together_are_a_window(service: Service) -> None:
    cursors = [edge["cursor"] for edge in (await page(service, first=9))["edges"]]
    between = await page(service, after=cursors[1], before=cursors[6])
    assert ids(between) == [3, 4, 5, 6]
    cut = await page(service, after=cursors[1], before=cursors[6], first=2)
    assert (ids(cut), cut["pageInfo"]["hasNextPage"], cut["pageInfo"]["hasPreviousPage"]) == ([3, 4], True, True)
    tail = await page(service, after=cursors[1], before=cursors[6], last=2)
    assert (ids(tail), tail["pageInfo"]["hasNextPage"], tail["pageInfo"]["hasPreviousPage"]) == ([5, 6], True, True)
    for after, before in ((cursors[6], cursors[1]), (cursors[3], cursors[3]), (cursors[8], None), (None, cursors[0])):
        assert ids(await page(service, after=after, before=before)) == []
    empty = await page(service, where={"name": {"eq": "nobody"}})
    nothing = {"hasNextPage": False, "hasPreviousPage": False, "startCursor": None, "endCursor": None}
    assert empty == {"pageInfo": nothing, "totalCount": 0, "edges": []}


async def refused(service: Service, cursor: str, order: list[dict[str, str]] | None = None) -> list[Any]:
    """What a cursor is answered, as `after` and as `before`."""
    answers = []
    for argument in ("after", "before"):
        body = await service.ask(USERS, {argument: cursor, "order": order})
        answers += [
            (e["extensions"]["code"], e["extensions"]["argument"], e["path"]) for e in body.get("errors", ["?"])
        ]
    return answers


NO = [("INVALID", ["after"], ["users"]), ("INVALID", ["before"], ["users"])]


async def test_garbage_is_no_cursor(service: Service) -> None:
    good = (await page(service, first=1))["pageInfo"]["endCursor"]
    garbage = [
        "",
        " ",
        "a",
        "%",
        "😀",
        "null",
        "MQ",
        "W10",
        "e30",
        "IiI",
        "bnVsbA",
        "=" * 100,
        "A" * 100_000,
        "[" * 5_000,
    ]
    garbage += [good[:-2], good[2:], good.swapcase(), good + good, f"user_{1}", "1", "0", "' OR 1=1 --", "../../etc"]
    garbage += [packed(*"abcdefgh"), packed([[]] * 900), packed({}), base64.b64encode(b"\xff\xfe\x00").decode()]
    for cursor in garbage:
        assert await refused(service, cursor) == NO, cursor[:50]


async def test_another_lists_or_another_orders_cursor_is_refused(service: Service) -> None:
    cursors = await service.data(
        "{ groups(first: 1) { edges { cursor } } organizations(first: 1) { edges { cursor } }"
        " auditEvents(first: 1) { edges { cursor } }"
        " named: users(first: 1, orderBy: {field: NAME}) { edges { cursor } }"
        " down: users(first: 1, orderBy: {field: ID, direction: DESC}) { edges { cursor } }"
        " both: users(first: 1, orderBy: [{field: NAME}, {field: EMAIL}]) { edges { cursor } } }"
    )
    for name, found in cursors.items():
        assert await refused(service, found["edges"][0]["cursor"]) == NO, name
    for order in (by("EMAIL"), by("-NAME"), by("NAME", "-ID"), by("NAME", "EMAIL"), by("ID")):
        assert await refused(service, cursors["named"]["edges"][0]["cursor"], order) == NO, order


@pytest.mark.parametrize("field", ["ID", "NAME", "CREATED_AT", "LAST_LOGIN_AT"])
async def test_a_forged_cursor_is_refused_or_only_a_place_in_the_list(service: Service, field: str) -> None:
    order = by(field)
    edge = (await page(service, order=order, first=1))["edges"][0]
    signature, *values = unpacked(edge["cursor"])
    wrong: list[Any] = [True, 1.5, 2**63, -(2**63) - 1, 10**30, {}, [], [1], "1", None]
    forged = [packed("00000000", *values), packed(None, *values), packed(signature), packed(signature, *values, 1)]
    forged += [packed(signature, *values[:-1], value) for value in wrong]
    if field != "ID":
        foreign: list[Any] = [1, True, {}, [], 1.5, "a\x00b"]
        forged += [packed(signature, value, 1) for value in foreign]
    if field.endswith("_AT"):
        edges = ("0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00", "2024-01-01", "2024-01-01T00:00:00", "now")
        forged += [packed(signature, value, 1) for value in (*edges, "infinity", "x'; DROP TABLE users; --")]
    for cursor in forged:
        assert await refused(service, cursor, order) == NO, unpacked(cursor)
    # A place where no row is answers what lies beyond it, and no more than the list itself would.
    for number in (2**63 - 1, -(2**63)):
        somewhere = ids(await page(service, order=order, after=packed(signature, *values[:-1], number)))
        assert set(somewhere) <= set(range(1, 10))
    if field == "NAME":
        for text in ("", "' OR 1=1 --", "😀", "x" * 10_000, "%", "\\"):
            assert len(ids(await page(service, order=order, after=packed(signature, text, 1)))) in range(10)
    assert await service.scalar("SELECT COUNT(*) FROM users") == 9


async def test_a_cursor_is_checked_even_where_no_row_is_read(service: Service) -> None:
    for query in ('{ users(after: "x") { totalCount } }', '{ users(before: "x") { __typename } }'):
        assert await service.codes(query) == ["INVALID"]
    assert await service.codes('{ groups { nodes { users(after: "x") { nodes { id } } } } }') == ["INVALID"]
    assert await service.data("{ users(after: null, before: null) { totalCount } }") == {"users": {"totalCount": 9}}


async def test_a_forged_cursor_shows_nobody_more_than_their_list(service: Service) -> None:
    signature, _ = unpacked((await page(service, first=1))["pageInfo"]["endCursor"])
    query = "query($c: String) { after: users(after: $c) { nodes { id } } before: users(before: $c) { nodes { id } } }"
    seen = {node["id"] for node in (await service.data("{ users { nodes { id } } }", who="orgadmin"))["users"]["nodes"]}
    assert seen == {"user_6", "user_8"}
    for number in (-1, 0, 5, 7, 2**63 - 1):
        data = await service.data(query, {"c": packed(signature, number)}, who="orgadmin")
        ends = [[node["id"] for node in found["nodes"]] for found in data.values()]
        assert sorted(ends[0] + ends[1]) == ["user_6", "user_8"], number


async def test_rows_and_counts_are_read_only_when_they_are_selected(service: Service) -> None:
    expected = {
        "totalCount": ["COUNT(*)"],
        "nodes { id }": ["ORDER BY"],
        "edges { cursor }": ["ORDER BY"],
        "pageInfo { hasNextPage }": ["ORDER BY"],
        "edges { cursor node { id } } nodes { name } pageInfo { endCursor }": ["ORDER BY"],
        "totalCount nodes { id }": ["ORDER BY", "COUNT(*)"],
        "__typename": [],
    }
    for selected, parts in expected.items():
        with service.statements() as statements:
            await service.data(f"{{ users {{ {selected} }} }}")
        asked = [statement for statement in statements if "FROM users t" in statement]
        assert len(asked) == len(parts), (selected, asked)
        assert sum("COUNT(*)" in statement for statement in asked) == ("totalCount" in selected), selected
        assert sum("ORDER BY" in statement for statement in asked) == ("ORDER BY" in parts), selected
