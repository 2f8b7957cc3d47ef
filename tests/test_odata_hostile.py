"""The feed under hostile input: refused clearly, nothing stored, the next request as good as ever."""

import time
from typing import Any

import pytest

from tests.odata import get, ids, refused
from tests.service import Service, key_of

INJECTIONS = (
    "' or '1'='1",
    "'; DROP TABLE users; --",
    "x' UNION SELECT password_hash FROM users --",
    "%' OR 1=1 --",
    "\\'; --",
    '") { id } users(where: {',
    '"}}) { nodes { email } }',
    "${jndi:ldap://x}",
    "{{7*7}}",
    "$1",
    "{t}.id",
)


async def test_what_looks_like_sql_or_graphql_is_only_a_text(service: Service) -> None:
    before = await service.snapshot()
    for text in INJECTIONS:
        quoted = text.replace("'", "''")
        assert await ids(service, "Users", filter=f"name eq '{quoted}'") == []
        assert await ids(service, "Users", filter=f"contains(name,'{' '.join(quoted.split())}')") == []
        assert await ids(service, "Users", filter=f"tags/any(t: t eq '{quoted}')") == []
        assert (await get(service, "Users", filter=f"name eq '{text}'")).status_code in (200, 400)
        assert (await get(service, "Users", orderby=text)).status_code in (400, 501)
        assert (await get(service, "Users", select=text)).status_code in (400, 501)
        assert (await get(service, "Users", expand=text)).status_code in (400, 501)
        assert (await get(service, "Users", search=text)).status_code in (200, 501)
        assert (await get(service, f"Users('{quoted}')")).status_code in (400, 404)
        assert (await get(service, f"Users({text})")).status_code in (400, 404)
    assert await service.snapshot() == before


async def test_a_text_in_quotes_finds_itself(service: Service) -> None:
    await service.data(
        'mutation { updateUser(input: {id: "user_8", name: "O\'Neil \\" {x} $1 %"}) { errors { code } } }'
    )
    assert await ids(service, "Users", filter="name eq 'O''Neil \" {x} $1 %'") == ["user_8"]
    assert await ids(service, "Users", filter="contains(name,'\" {x} $1 %')") == ["user_8"]
    assert await ids(service, "Users", filter="contains(name,'''N')") == ["user_8"]
    assert await ids(service, "Users", filter="contains(name,'_Neil')") == []


DEEP = 7_000
HUGE = {
    "parentheses": "(" * DEEP + "isActive" + ")" * (DEEP - 1),
    "open parentheses": "(" * DEEP,
    "negations": "not " * 10_000 + "isActive",
    "a path": "createdBy/" * 5_000 + "name eq 'a'",
    "relations": "createdBy/" * 20 + "name eq 'a'",
    "lambdas": "".join(f"groups/any(g{n}: " for n in range(300)) + "true" + ")" * 300,
    "a text": "name eq '" + "a" * 15_000 + "'",
    "a number": "groupCount eq " + "9" * 10_000,
    "a fraction": "createdAt gt 2026-01-01T00:00:00." + "0" * 10_000 + "Z",
    "alternatives": "tags/any(t: " + " and ".join(f"(t eq 'a' or startswith(t,'{n}'))" for n in range(60)) + ")",
    "a list": "name in (" + ",".join("'a'" for _ in range(3_000)) + ")",
    "operators": " and ".join(["isActive"] * 1_500),
    "quotes": "name eq " + "''" * 7_000,
    "commas": "name in (" + "," * 10_000 + ")",
    "functions": "tolower(" * 2_000 + "name" + ")" * 2_000 + " eq 'a'",
    "sums": "createdAt gt now() " + "add duration'P9999D' " * 700,
}


@pytest.mark.parametrize("what", HUGE)
async def test_what_is_too_much_is_refused_quickly(service: Service, what: str) -> None:
    begun = time.perf_counter()
    status, code, message = await refused(service, "Users", filter=HUGE[what])
    assert time.perf_counter() - begun < 3
    assert status in (400, 414, 501)
    assert code != "INTERNAL"
    assert len(message) < 500
    assert await ids(service, "Users", filter="name eq 'Member'") == ["user_8"]


QUERIES = (
    *("$filter=%", "$filter=%zz", "$filter=%ff", "$filter=name eq '%00'", "%24filter=%C3", "$filter=%ed%a0%80"),
    *("$select=%00", "$top=%F0", "$filter", "$filter=", "$expand=(", "$expand=)))", "$expand=groups(((("),
    *("$select=" + "," * 5_000, "$orderby=" + "name," * 5_000 + "id", "$expand=" + "groups," * 3_000),
    *("$format=" + "x" * 2_000, "$top=" + "9" * 4_000, "$skip=99999999999"),
)
PATHS = (
    *("Users('user_8", "Users('user_8'')", "Users(('user_8'))", "Users('%00')", "Users('user_8')(1)", "%00", "%ff"),
    *("Users%2F..%2F..%2Fgraphql", "Users('" + "a" * 5_000 + "')", "/".join(["Users"] * 500)),
    *("$metadata/x", "$all", "Users/$all", "💥", "Users('💥')"),
)


async def test_addresses_that_are_none(service: Service) -> None:
    keys = {"x-apikey": key_of("admin")}

    async def ask(address: str) -> Any:
        answer = await service.client.get(address, headers=keys)
        assert answer.status_code in (400, 404, 406, 414, 501), (address, answer.text)
        assert answer.json()["error"]["code"] != "INTERNAL"
        return answer.status_code

    for query in QUERIES:
        assert await ask(f"/odata/Users?{query}") == 400 or "expand" in query or "format" in query, query
    assert await ask("/odata/Users?$filter=" + "a" * 65_000) == 414
    for path in PATHS:
        await ask(f"/odata/{path}")
    assert await ids(service, "Users", filter="name eq 'Member'") == ["user_8"]


async def test_headers_that_are_none(service: Service) -> None:
    for name, text in (
        ("accept", "x" * 5_000),
        ("accept", ";;;q=,,"),
        ("prefer", "odata.maxpagesize=" + "9" * 1_000),
        ("prefer", "odata.maxpagesize=-1"),
        ("odata-maxversion", "9" * 1_000),
        ("odata-maxversion", "4.0.0.0"),
        ("host", 'evil"</script>'),
    ):
        answer = await get(service, "Users", headers={name: text})
        assert answer.status_code in (200, 400, 406), (name, text[:20])
        assert answer.headers["content-type"].startswith("application/json")


async def test_a_database_that_does_not_answer_is_said_to_be_away(service_with: Any) -> None:
    """All of its connections are taken."""
    async with service_with(database_pool=1, database_wait=1) as service:
        assert len(await ids(service, "Users")) == 9
        async with service.database.reading():
            answer = await get(service, "Groups")
            assert (answer.status_code, answer.headers["retry-after"]) == (503, "1")
            assert answer.json()["error"]["code"] == "SERVICE_UNAVAILABLE"
        assert len(await ids(service, "Users")) == 9
