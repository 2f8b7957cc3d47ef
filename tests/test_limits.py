"""Limits of a document, a page and a query's cost: each with its own code and setting, each before any work."""

import itertools
import time
from collections.abc import Callable
from typing import Any

import pytest

from tests.service import Service, beyond_who_asks

GRAPHQL = {"accept": "application/graphql-response+json"}
HANG = 10.0  # seconds of this process's own time: far above what any of these takes, far below a hang


def many(count: int, text: str, glue: str = " ") -> str:
    """The text as often, with `#` for the number."""
    return glue.join(text.replace("#", str(number)) for number in range(count))


def nested(levels: int, opening: str, inside: str, closing: str = "}") -> str:
    return opening * levels + inside + closing * levels


def doubling(inside: str = "...F@ ...F@") -> str:
    """60 fragments, each spreading the next twice: 2^60 fields from a few hundred bytes."""
    chain = " ".join(f"fragment F{n} on User {{ {inside.replace('@', str(n + 1))} }}" for n in range(60))
    return f"{{ me {{ ...F0 }} }} {chain} fragment F60 on User {{ id }}"


# By name: the document and the code it is refused with.
HOSTILE: dict[str, tuple[str, str]] = {
    "20,000 levels": (f"{{ {nested(20_000, 'a {', 'b')} }}", "TOO_DEEP"),
    "5,000 levels": (f"{{ {nested(5_000, 'a{', 'b')} }}", "TOO_DEEP"),
    "20,000 braces never closed": ("{" * 20_000, "GRAPHQL_PARSE_FAILED"),
    "300 inline fragments in each other": (f"{{ {nested(300, '... {', 'me { id }')} }}", "TOO_DEEP"),
    "lists 2,000 deep": (f"{{ nodes(ids: {nested(2_000, '[', '1', ']')}) {{ id }} }}", "TOO_DEEP"),
    "objects 2,000 deep": (f"{{ users(where: {nested(2_000, '{not: ', '{}')}) {{ totalCount }} }}", "TOO_DEEP"),
    "a type 2,000 deep": (f"query($a: {nested(2_000, '[', 'Int', ']')}) {{ me {{ id }} }}", "TOO_DEEP"),
    "1,000 aliases": (f"{{ {many(1_000, 'a#: me { id }')} }}", "TOO_MANY_ALIASES"),
    "1,000 aliases in a fragment": (
        f"{{ me {{ ...F }} }} fragment F on User {{ {many(1_000, 'a#: id')} }}",
        "TOO_MANY_ALIASES",
    ),
    "20,000 aliases": (f"{{ {many(20_000, 'a#: me { id }')} }}", "TOO_MANY_TOKENS"),
    "20,000 equal fields": (f"{{ me {{ {many(20_000, 'id')} }} }}", "TOO_MANY_TOKENS"),
    "4,000 equal fields": (f"{{ me {{ {many(4_000, 'id')} }} }}", "TOO_MANY_FIELDS"),
    "4,000 equal objects": (f"{{ me {{ {many(2_000, 'role { id }')} }} }}", "TOO_MANY_FIELDS"),
    "10,000 directives": (f"{{ me {many(10_000, '@include(if: true)')} {{ id }} }}", "TOO_MANY_TOKENS"),
    "2,000 directives": (f"{{ me {many(2_000, '@include(if: true)')} {{ id }} }}", "TOO_MANY_DIRECTIVES"),
    "2,000 directives of an operation": (f"query {many(2_000, '@a')} {{ me {{ id }} }}", "GRAPHQL_VALIDATION_FAILED"),
    "2,000 directives of a variable": (
        f"query($a: Int {many(2_000, '@a')}) {{ me {{ id }} }}",
        "GRAPHQL_VALIDATION_FAILED",
    ),
    "2,000 directives of a fragment": (
        f"{{ me {{ ...F }} }} fragment F on User {many(2_000, '@a')} {{ id }}",
        "GRAPHQL_VALIDATION_FAILED",
    ),
    "fragments doubling 60 times": (doubling(), "TOO_MANY_FIELDS"),
    "fragments doubling 60 times in depth": (doubling("...F@ createdBy { ...F@ }"), "TOO_DEEP"),
    "a fragment in itself": ("{ me { ...A } } fragment A on User { id ...A }", "GRAPHQL_VALIDATION_FAILED"),
    "a fragment in itself deeper": (
        "{ me { ...A } } fragment A on User { id createdBy { ...A } }",
        "GRAPHQL_VALIDATION_FAILED",
    ),
    "fragments in a ring": (
        f"{{ me {{ ...F0 }} }} {many(99, 'fragment F# on User { ...G# } fragment G# on User { ...F0 }')}",
        "GRAPHQL_VALIDATION_FAILED",
    ),
    "a ring of roots": (
        "{ ...A } fragment A on Query { ...B } fragment B on Query { ...A }",
        "GRAPHQL_VALIDATION_FAILED",
    ),
    "an unknown fragment": ("{ ...Nowhere }", "GRAPHQL_VALIDATION_FAILED"),
    "3,000 fields that overlap": (f"{{ me {{ {many(1_500, 'x: id x: name')} }} }}", "TOO_MANY_ALIASES"),
    "1,000 fields that overlap by arguments": (
        f"{{ me {{ {many(1_000, 'groups(first: #) { totalCount }')} }} }}",
        "GRAPHQL_VALIDATION_FAILED",
    ),
    "3,000 fields that overlap where nothing is spread": (
        f"{{ me {{ id }} }} fragment F on User {{ {many(1_500, 'x: id x: name')} }}",
        "GRAPHQL_VALIDATION_FAILED",
    ),
    "20,000 unused variables": (f"query({many(20_000, '$v#: Int')}) {{ me {{ id }} }}", "TOO_MANY_TOKENS"),
    "4,000 unused variables": (f"query({many(4_000, '$v#: Int')}) {{ me {{ id }} }}", "TOO_MANY_VARIABLES"),
    "5,000 operations": (many(5_000, "query Q# { me { id } }"), "TOO_MANY_TOKENS"),
    "1,000 operations": (many(1_000, "query Q# { me { id } }"), "TOO_MANY_OPERATIONS"),
    "1,000 fragments": ("{ me { id } } " + many(1_000, "fragment F# on User { id }"), "TOO_MANY_FRAGMENTS"),
    "1,000 type definitions": ("{ me { id } } " + many(1_000, "scalar S#"), "TOO_MANY_FRAGMENTS"),
    "10,000 unknown fields": (f"{{ {many(10_000, 'x#')} }}", "TOO_MANY_FIELDS"),
    "21 root fields": (f"{{ {many(21, 'me { id }')} }}", "TOO_MANY_ROOT_FIELDS"),
    "21 root fields in fragments": (
        f"{{ ...F ...F ...F }} fragment F on Query {{ {many(7, 'me { id }')} }}",
        "TOO_MANY_ROOT_FIELDS",
    ),
    "21 mutations": (
        "mutation { " + many(21, 'm#: createGroup(input: {name: "Made #"}) { group { id } }') + " }",
        "TOO_MANY_ROOT_FIELDS",
    ),
}


async def refusal(service: Service, query: str, variables: dict[str, Any] | None = None) -> tuple[int, list[str]]:
    begun = time.process_time()
    answer = await service.post({"query": query, "variables": variables}, headers=GRAPHQL)
    assert time.process_time() - begun < HANG, query[:100]
    assert len(answer.content) < 20_000, query[:100]
    return answer.status_code, [error["extensions"]["code"] for error in answer.json().get("errors", [])]


async def test_a_hostile_document_is_refused_by_name_before_any_work(service: Service) -> None:
    """Before any database, which is why each of them tries every other one."""
    before = await service.snapshot()
    found = {}
    tried = dict(list(HOSTILE.items())[service.database.dialect.name == "postgres" :: 2])
    for name, (query, _) in tried.items():
        with service.statements() as statements:
            status, codes = await refusal(service, query)
        found[name] = (status, codes[0] if codes else None)
        assert beyond_who_asks(statements) == [], name
        assert await service.data("{ me { username } }") == {"me": {"username": "admin"}}
    assert found == {name: (400, code) for name, (_, code) in tried.items()}
    assert await service.snapshot() == before


async def test_a_document_at_its_limits_is_served(service: Service) -> None:
    depth = nested(13, "createdBy { ", "id", " }")
    assert (await refusal(service, f"{{ me {{ {depth} }} }}")) == (200, [])
    assert (await refusal(service, f"{{ me {{ createdBy {{ {depth} }} }} }}")) == (400, ["TOO_DEEP"])
    assert (await service.data(f"{{ me {{ {many(50, 'a#: id')} }} }}"))["me"] == {f"a{n}": "user_1" for n in range(50)}
    assert (await refusal(service, f"{{ me {{ {many(51, 'a#: id')} }} }}")) == (400, ["TOO_MANY_ALIASES"])
    assert (await service.data(f"{{ {many(20, 'a#: __typename')} }}")) == {f"a{n}": "Query" for n in range(20)}
    assert (await refusal(service, many(50, "query Q# { me { id } }"))) == (400, ["BAD_OPERATION_NAME"])
    # Thirty fields of a user in a fragment of the root are one root field.
    fields = (
        "id username email name firstName lastName state isActive isLdap isSaml isApiOnly version createdAt updatedAt"
    )
    wide = await service.data(
        f"{{ ...F }} fragment F on Query {{ me {{ {fields} {fields} }} viewer {{ permissions }} }}"
    )
    assert list(wide["me"]) == fields.split()


@pytest.mark.parametrize(
    ("query", "variables"),
    [
        (f"{{ me {{ {many(2_000, 'x#')} }} }}", {}),
        (f"{{ me({many(2_000, 'x#: 1')}) {{ id }} }}", {}),
        (f"query({many(150, '$v#: Int')}) {{ me {{ id }} }}", {}),
        (f"{{ users(where: {{ {many(900, 'x#: 1')} }}) {{ totalCount }} }}", {}),
        ("query($w: UserWhere) { users(where: $w) { totalCount } }", {"w": {f"x{n}": 1 for n in range(900)}}),
        ("query($i: [ID!]!) { nodes(ids: $i) { id } }", {"i": [[]] * 4_000}),
    ],
    ids=["fields", "arguments", "variables", "input fields", "input fields of a variable", "items of a variable"],
)
async def test_a_list_of_many_errors_is_cut(service: Service, query: str, variables: dict[str, Any]) -> None:
    status, codes = await refusal(service, query, variables)
    kind = "BAD_USER_INPUT" if "$w" in query or "$i" in query else "GRAPHQL_VALIDATION_FAILED"
    assert (status, codes) == (400, [kind] * 20 + ["TOO_MANY_ERRORS"])


async def test_each_limit_has_a_setting(service_with: Callable[..., Any]) -> None:
    cases: list[tuple[dict[str, int], str, str]] = [
        ({"max_tokens": 100}, f"{{ me {{ {many(100, 'id')} }} }}", "TOO_MANY_TOKENS"),
        ({"max_depth": 3}, "{ me { createdBy { createdBy { id } } } }", "TOO_DEEP"),
        ({"max_aliases": 0}, "{ a: me { id } }", "TOO_MANY_ALIASES"),
        ({"max_root_fields": 1}, "{ me { id } viewer { permissions } }", "TOO_MANY_ROOT_FIELDS"),
        ({"max_page": 5}, "{ users(first: 6) { nodes { id } } }", "PAGE_TOO_LARGE"),
        ({"max_cost": 100}, "{ users(first: 101) { nodes { id } } }", "TOO_COSTLY"),
    ]
    found = []
    for settings, query, _ in cases:
        async with service_with(**settings) as service:
            body = await service.ask(query)
            (error,) = body["errors"]
            assert str(next(iter(settings.values()))) in error["message"]
            found.append((error["extensions"]["code"], error["extensions"].get("limit")))
            assert await service.data("{ me { id } }") == {"me": {"id": "user_1"}}
    assert found == [(code, next(iter(settings.values()))) for settings, _, code in cases]


async def test_a_page_takes_a_number_from_0_to_the_largest(service: Service) -> None:
    query = "query($n: Int, $m: Int) { users(first: $n, last: $m) { nodes { id } } }"
    everybody = [{"id": f"user_{number}"} for number in range(1, 10)]
    for given in ({}, {"n": None}, {"n": None, "m": None}, {"n": 1_000}, {"m": 1_000}, {"n": 9.0}):
        assert await service.data(query, given) == {"users": {"nodes": everybody}}, given
    for given in ({"n": 0}, {"m": 0}):
        assert await service.data(query, given) == {"users": {"nodes": []}}
    for given in ({"n": -1}, {"m": -(2**31)}, {"n": 1, "m": 1}, {"n": 0, "m": 0}):
        assert await service.codes(query, given) == ["INVALID"], given
    for given in ({"n": 1_001}, {"m": 1_001}):
        assert await service.codes(query, given) == ["PAGE_TOO_LARGE"], given
    for given in ({"n": 10**9}, {"m": 2**31 - 1}):
        assert await service.codes(query, given) == ["TOO_COSTLY"], given
    numbers: list[Any] = [2**31, 2**63, 2**64, 1e300, 1.5, "1", True, [1, 2], {}]
    for number in numbers:
        assert await service.codes(query, {"n": number}) == ["BAD_USER_INPUT"], number
    for literal in ("2147483648", "9" * 5_000, "1.0", "1e999", '"1"', "FIRST", "{}"):
        codes = await service.codes(f"{{ users(first: {literal}) {{ nodes {{ id }} }} }}")
        assert codes == ["GRAPHQL_VALIDATION_FAILED"], literal
    assert await service.data("{ users(first: null) { nodes { id } } }") == {"users": {"nodes": everybody}}


THREE = "users(first: %s) { nodes { groups(first: %s) { nodes { users(first: %s) { nodes { id } } } } } }"


async def test_the_cost_is_told_and_bounded_however_the_sizes_are_written(service: Service) -> None:
    answer = await service.ask("{ " + THREE % (10, 10, 10) + " }")
    assert answer["extensions"] == {"cost": {"rows": 10 + 10 * (10 + 10 * 10), "limit": 250_000}}
    defaults = await service.ask("{ users { nodes { id } } }")
    assert defaults["extensions"]["cost"]["rows"] == 50
    spread = await service.ask("{ me { ...F } } fragment F on User { role { ...R } } fragment R on Role { id }")
    assert spread["extensions"]["cost"]["rows"] == 2
    counted = await service.ask("{ users { totalCount } }")
    assert counted["extensions"]["cost"]["rows"] == 1
    changed = await service.ask('mutation { createGroup(input: {name: "Made"}) { group { id } } }')
    assert changed["extensions"]["cost"] == {"rows": 2, "limit": 250_000}
    ways: list[tuple[str, dict[str, Any]]] = [
        ("{ " + THREE % (100, 100, 100) + " }", {}),
        ("query($n: Int) { " + THREE % ("$n", "$n", "$n") + " }", {"n": 100}),
        ("query($n: Int) { " + THREE % ("$n", "$n", "$n") + " }", {"n": 100.0}),
        ("query($n: Int = 100) { " + THREE % ("$n", "$n", "$n") + " }", {}),
        ("query($n: Int! = 100) { " + THREE % ("$n", "$n", "$n") + " }", {}),
        ("query($n: Int) { " + THREE.replace("first: %s", "first: null, last: $n") + " }", {"n": 100}),
        ("query($n: Int, $m: Int) { " + THREE.replace("first: %s", "first: $m, last: $n") + " }", {"n": 100}),
        ("{ ...F } fragment F on Query { " + THREE % (100, 100, 100) + " }", {}),
        ("{ ... @include(if: true) { " + THREE % (100, 100, 100) + " } }", {}),
        ("{ " + THREE.replace("first", "last") % (100, 100, 100) + " }", {}),
        ("{ " + THREE.replace("nodes", "edges { node").replace("} }", "} } }") % (100, 100, 100) + " }", {}),
    ]
    for query, variables in ways:
        with service.statements() as statements:
            body = await service.ask(query, variables)
        assert beyond_who_asks(statements) == [], query
        (error,) = body["errors"]
        assert error["extensions"] == {"code": "TOO_COSTLY", "cost": 1_010_100, "limit": 250_000}, query


async def test_a_where_of_any_size_is_served_or_refused_alike_on_every_database(service: Service) -> None:
    query = "query($w: UserWhere) { users(where: $w) { totalCount } }"

    def around(times: int, field: str) -> dict[str, Any]:
        where: dict[str, Any] = {"username": {"eq": "admin"}}
        for _ in range(times):
            where = {field: [where] if field in ("and", "or") else where}
        return where

    # The administrator made everybody but themselves.
    served = {("not", 4): 1, ("not", 5): 8, ("and", 6): 1, ("or", 6): 1, ("createdBy", 1): 8, ("updatedBy", 2): 0}
    for (field, times), count in served.items():
        assert await service.data(query, {"w": around(times, field)}) == {"users": {"totalCount": count}}, field
    for field, who in itertools.product(("not", "and", "or", "createdBy"), ("admin", "orgadmin")):
        for times in (1, 2, 3, 4, 5, 6, 8, 10, 12, 14, 20, 60, 150):
            body = await service.ask(query, {"w": around(times, field)}, who=who)
            refused = [error["extensions"]["code"] for error in body.get("errors", [])]
            assert refused in ([], ["INVALID"], ["BAD_USER_INPUT"], ["TOO_DEEP"]), (field, who, times, refused)
            assert (refused == []) if times < 4 else (refused or times < 20), (field, who, times, refused)
        assert await service.codes(query, {"w": around(400, field)}) == ["TOO_DEEP"]
    either = {"or": [{"username": {"eq": name}} for name in ("admin", "robot")] * 33}
    assert await service.data(query, {"w": either}) == {"users": {"totalCount": 2}}
    assert await service.codes(query, {"w": {"or": [{"username": {"eq": "admin"}}] * 1_500}}) == ["INVALID"]
    assert await service.data(query, {"w": {"username": {"in": ["admin"] * 4_990}}}) == {"users": {"totalCount": 1}}
    assert await service.data(query, {"w": {"id": {"in": ["user_1", "", "x", "user_"] * 1_240}}}) == {
        "users": {"totalCount": 1}
    }
