"""Sizes of requests: bodies by who sends them and what for, values counted before they are coerced, few errors."""

import json
from collections.abc import Callable
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from graph import schema
from graph.input_limits import ValueEstimate, bulk_mutations, count_values
from tests.saved_reports import saved
from tests.service import Service, beyond_who_asks, key_of

USERS = "query($w: UserWhere) { users(where: $w) { totalCount } }"
UPSERT = "mutation($u: [UpsertUserInput!]!) { upsertUsers(input: {users: $u, dryRun: true}) { errors { code } } }"
SIGN_IN = "mutation($i: SignInInput!) { signIn(input: $i) { errors { code } } }"
MAKE = 'mutation($n: String!) { createGroup(input: {name: "Made", description: $n}) { errors { code } } }'


def nested(levels: int) -> Any:
    value: Any = 1
    for _ in range(levels):
        value = [value]
    return value


async def refusal(service: Service, body: Any, who: str | None = "admin", **headers: str) -> tuple[int, Any]:
    """Status and extensions of the only error; the whole answer is short and holds nothing of what was sent."""
    accept = {"accept": "application/graphql-response+json"}
    answer = await service.post(body, who=who, headers={**accept, **headers})
    assert len(answer.content) < 5_000
    assert "Zebra" not in answer.text
    (error,) = answer.json()["errors"]
    return answer.status_code, error["extensions"]


# --- conditions: every node counts ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "where",
    [
        {"and": [{}] * 100},
        {"or": [{"and": []}] * 100},
        {"not": {"or": [{}] * 99}},
        {"and": [{"groups": {"some": {}}}] * 51},
        {"or": [{"createdBy": {}}] * 100},
        {"createdBy": {"or": [{}] * 100}},
        {"and": [{"username": {}}] * 100},
    ],
    ids=lambda where: str(where)[:30],
)
async def test_users_where_rejects_more_than_100_empty_conditions(service: Service, where: dict[str, Any]) -> None:
    with service.statements() as statements:
        body = await service.ask(USERS, {"w": where})
    assert body["errors"][0]["message"] == "A where takes at most 100 conditions."
    assert body["errors"][0]["extensions"] == {"code": "INVALID", "argument": ["where"]}
    assert beyond_who_asks(statements) == []


async def test_users_where_with_99_empty_conditions_is_served(service: Service) -> None:
    count = await service.scalar("SELECT COUNT(*) FROM users")
    assert await service.data(USERS, {"w": {"and": [{}] * 99}}) == {"users": {"totalCount": count}}


async def test_measures_of_a_report_reject_more_than_100_empty_conditions_together(service: Service) -> None:
    query = "query($m: [UserMeasure!]) { userReport(measures: $m) { total } }"
    measures = [{"measure": "COUNT", "as": f"m{n}", "where": {"or": [{}] * 33}} for n in range(3)]
    with service.statements() as statements:
        body = await service.ask(query, {"m": measures})
    assert [error["extensions"]["argument"] for error in body["errors"]] == [["measures", 2, "where"]]
    assert beyond_who_asks(statements) == []


# --- bodies --------------------------------------------------------------------------------------------------------


async def test_a_body_of_a_stranger_has_at_most_64_kilobytes(service: Service) -> None:
    def body(size: int) -> dict[str, Any]:
        return {"query": SIGN_IN, "variables": {"i": {"username": "Zebra", "password": "z" * size}}}

    too_large = (413, {"code": "BODY_TOO_LARGE", "limit": 64_000})
    assert await refusal(service, body(64_000), None) == too_large
    # Nothing is read where the length says enough, and a cookie that opens nothing opens no larger body.
    content = json.dumps(body(1)).encode()
    headers = {"content-type": "application/json", "content-length": "64001"}
    answer = await service.client.post("/graphql", content=content, headers=headers)
    assert (answer.status_code, answer.json()["errors"][0]["extensions"]["code"]) == (413, "BODY_TOO_LARGE")
    cookie = {"cookie": "usergraph_session=ug_session_none", "sec-fetch-site": "same-origin"}
    assert await refusal(service, body(64_000), None, **cookie) == too_large
    assert await refusal(service, body(64_000), None, **{"x-apikey": "wrong"}) == (401, {"code": "UNAUTHENTICATED"})
    taken = await service.data(SIGN_IN, body(60_000)["variables"], who=None)
    assert [error["code"] for error in taken["signIn"]["errors"]] == ["INVALID_CREDENTIALS"]


async def test_a_body_of_a_query_has_at_most_a_megabyte(service: Service) -> None:
    too_large = (413, {"code": "QUERY_TOO_LARGE", "limit": 1_000_000})
    for who in ("admin", "normal"):
        with service.statements() as statements:
            query = {"query": USERS, "variables": {"w": {"name": {"in": ["Zebra" * 100_000] * 2}}}}
            assert await refusal(service, query, who) == too_large
            small = {"query": MAKE, "variables": {"n": "Zebra" * 200_000}}
            assert await refusal(service, small, who) == too_large
            aside = {"query": "{ me { id } }", "variables": {}, "unknown": "Zebra" * 200_000}
            assert await refusal(service, aside, who) == too_large
        assert beyond_who_asks(statements) == []
    rows = [{"email": "long@usergraph.test", "name": "x" * 2_000_000}]
    results = UPSERT.replace("errors {", "results { errors { code path } } errors {")
    row = {"errors": [{"code": "INVALID", "path": ["users", "0", "name"]}]}
    assert (await service.data(results, {"u": rows}))["upsertUsers"]["results"] == [row]


async def test_sizes_of_bodies_have_settings(service_with: Callable[..., Any]) -> None:
    async with service_with(max_body=9_000, max_query_body=5_000, max_stranger_body=1_000) as service:
        found = []
        for size, who in ((1_000, None), (5_000, "admin"), (9_000, "admin")):
            found.append(await refusal(service, {"query": "{ me { id } }", "aside": "x" * size}, who))
        assert found == [
            (413, {"code": "BODY_TOO_LARGE", "limit": 1_000}),
            (413, {"code": "QUERY_TOO_LARGE", "limit": 5_000}),
            (413, {"code": "BODY_TOO_LARGE", "limit": 9_000}),
        ]


# --- values --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("variables", "code"),
    [
        ({"w": {"name": {"in": ["Zebra"] * 5_000}}}, "TOO_MANY_VALUES"),
        ({"w": {"and": [{}] * 5_000}}, "TOO_MANY_VALUES"),
        ({"w": {"and": [[]] * 5_000}}, "TOO_MANY_VALUES"),
        ({"w": {"and": [{"Zebra": {}}] * 2_500}}, "TOO_MANY_VALUES"),
        ({"w": {f"Zebra{n}": 1 for n in range(1_001)}}, "TOO_MANY_KEYS"),
        ({f"Zebra{n}": 1 for n in range(5_001)}, "TOO_MANY_VALUES"),
        ({"w": {}, "undeclared": ["Zebra"] * 5_000}, "TOO_MANY_VALUES"),
        ({"w": nested(51)}, "TOO_DEEP"),
        ({"w": nested(900)}, "TOO_DEEP"),
    ],
    ids=lambda each: str(each)[:40] if isinstance(each, dict) else each,
)
async def test_variables_beyond_a_limit_are_refused_before_they_are_coerced(
    service: Service, monkeypatch: pytest.MonkeyPatch, variables: dict[str, Any], code: str
) -> None:
    def coerced(*_: Any) -> Any:
        raise AssertionError("coerced")

    monkeypatch.setattr(service.app.state.engine.variables, "coerced", coerced)
    status, extensions = await refusal(service, {"query": USERS, "variables": variables})
    assert (status, extensions["code"]) == (400, code)


async def test_literals_of_a_document_count_like_variables(service_with: Callable[..., Any]) -> None:
    async with service_with(max_values=100) as service:
        literals = "[" + "{} " * 60 + "]"
        query = f"query($w: [UserWhere!]) {{ a: users(where: {{and: {literals}}}) {{ totalCount }}"
        query += " b: users(where: {and: $w}) { totalCount } }"
        assert await service.codes(query, {"w": [{}] * 30}) == []
        assert await service.codes(query, {"w": [{}] * 40}) == ["TOO_MANY_VALUES"]
        for place in (
            "{ users(where: {and: [%s]}) { totalCount } }",
            "query($w: UserWhere = {and: [%s]}) { users(where: $w) { totalCount } }",
            "{ me { ...F } } fragment F on User { groups(where: {and: [%s]}) { totalCount } }",
            "{ me @include(if: [%s]) { id } }",
        ):
            assert await service.codes(place % ("{} " * 101)) == ["TOO_MANY_VALUES"], place
        deep = "{not: " * 60 + "{}" + "}" * 60
        assert await service.codes(f"{{ users(where: {deep}) {{ totalCount }} }}") == ["TOO_DEEP"]


async def test_a_bulk_mutation_takes_more_values_than_a_query(service_with: Callable[..., Any]) -> None:
    async with service_with(max_values=100, max_bulk_values=1_000) as service:

        def rows(count: int) -> list[dict[str, Any]]:
            return [{"email": f"made{n}@usergraph.test"} for n in range(count)]

        assert await service.data(UPSERT, {"u": rows(400)}) == {"upsertUsers": {"errors": []}}
        assert await service.codes(UPSERT, {"u": rows(500)}) == ["TOO_MANY_VALUES"]
        assert await service.codes(USERS, {"w": {"and": rows(60)}}) == ["TOO_MANY_VALUES"]
        # A mutation of one thing is no bulk mutation, nor is a stranger's.
        update = 'mutation($t: [String!]) { updateUser(input: {id: "user_2", tags: $t}) { errors { code } } }'
        assert await service.codes(update, {"t": ["a"] * 100}) == ["TOO_MANY_VALUES"]
        accept = "mutation($i: AcceptInvitationInput!) { acceptInvitation(input: $i) { errors { code } } }"
        assert await service.codes(accept, {"i": {"x": ["a"] * 100}}, who=None) == ["TOO_MANY_VALUES"]


async def test_values_count_by_every_other_door(service_with: Callable[..., Any]) -> None:
    """By GET, as an export, and as a saved report by its name and by its URL."""
    async with service_with(max_values=100) as service:
        names = "query Named($n: [String!]) { users(where: {name: {in: $n}}) { nodes { name } } }"
        await saved(service, "named", document=names)
        headers = {"x-apikey": key_of("admin")}
        values = json.dumps(["x"] * 101)
        client = service.client
        answers = [
            await client.get("/graphql", params={"query": names, "variables": f'{{"n": {values}}}'}, headers=headers),
            await client.get("/reports/named", params={"n": values}, headers=headers),
            await client.get("/reports/named", params={"n": values, "format": "csv"}, headers=headers),
            await client.post(
                "/graphql?format=csv", json={"query": names, "variables": {"n": ["x"] * 101}}, headers=headers
            ),
            await client.post(
                "/graphql", json={"documentId": "named", "variables": {"n": ["x"] * 101}}, headers=headers
            ),
        ]
        found = [answer.json()["errors"][0]["extensions"]["code"] for answer in answers]
        assert found == ["TOO_MANY_VALUES"] * 5


JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=50,
)


def count_by_recursion(value: Any) -> int:
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return 1 + sum(count_by_recursion(each) for each in inner)


@given(value=JSON_VALUES, size=st.integers(1, 20))
def test_the_count_of_values_and_its_estimate_agree_however_a_body_is_cut(value: Any, size: int) -> None:
    body = orjson.dumps(value)
    estimate = ValueEstimate()
    for first in range(0, len(body), size):
        estimate.add(body[first : first + size])
    count = count_values(value, 10_000)
    assert count == count_by_recursion(value)
    assert count - 1 <= estimate.count <= 2 * count


def test_bulk_mutations_are_those_that_take_rows_or_ids() -> None:
    found = bulk_mutations(schema.built())
    assert {"upsertUsers", "inviteUsers", "reconcileUsers", "deleteUsers", "addGroupMembers"} <= found
    assert found.isdisjoint({"createUser", "updateUser", "createRole", "createSavedReport", "signIn", "createApiKey"})


# --- errors and the event loop -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "variables",
    [
        {"w": {"name": {"eq": {"Zebra": "Zebra" * 10_000}}}},
        {"w": {"name": {"eq": ["Zebra" * 10_000]}}},
        {"w": {"Zebra" * 10_000: 1}},
        {"w": ["Zebra" * 10_000] * 15},
        {"w": {"createdAt": {"gte": "Zebra" * 10_000}}},
        {"w": {"id": {"eq": {"Zebra": 1}}}},
        {"w": {"state": {"eq": "Zebra" * 10_000}}},
    ],
    ids=lambda variables: str(variables)[:40],
)
async def test_an_error_of_a_variable_never_holds_the_value(service: Service, variables: dict[str, Any]) -> None:
    answer = await service.post({"query": USERS, "variables": variables})
    assert len(answer.content) < 20_000
    assert "Zebra" not in answer.text
    assert 1 <= len(answer.json()["errors"]) <= 21


async def test_what_is_long_is_computed_in_a_thread_and_what_is_short_is_not(service: Service) -> None:
    offload = service.app.state.engine.offload
    await service.data("{ me { id } }")
    await service.data(USERS, {"w": {"name": {"in": ["x"] * 100}}})
    assert offload.count == 0
    rows = [{"email": f"made{n}@usergraph.test", "name": "x" * 50} for n in range(2_000)]
    await service.data(UPSERT, {"u": rows})
    # Parsing the body, counting, coercing and reading its values.
    assert offload.count == 4
    await service.data("{ me { id } } #" + "x" * 5_000)
    assert offload.count == 5
