"""Hostile bodies: each is refused with a typed error, stores nothing, and leaves the next request as it was."""

import asyncio
import gzip
import json
import time
from collections.abc import AsyncIterator, Callable
from typing import Any

import httpx

from tests.service import Service, codes, key_of

GRAPHQL = "application/graphql-response+json"
HEADERS = {"x-apikey": key_of("admin"), "content-type": "application/json", "accept": GRAPHQL}
# Most bodies carry a mutation that would store a group if they were taken for what they nearly are.
MAKE = "mutation($name: String!) { createGroup(input: {name: $name}) { group { name } errors { code } } }"
GOOD = json.dumps({"query": MAKE, "variables": {"name": "Made"}})
LITERAL = 'mutation { createGroup(input: {name: "Made%s"}) { group { name } errors { code } } }'
DEEP = 100_000
HANG = 10.0  # seconds of this process's own time: far above what any of these takes, far below a hang


def with_variable(text: str) -> str:
    """The good body with another variable, given as JSON text, beside the name."""
    return GOOD.replace('"name": "Made"', f'"name": "Made", "more": {text}')


def around(query: str) -> bytes:
    return json.dumps({"query": query}).encode()


# Not JSON in UTF-8, or not the one object that a request is.
NOT_A_REQUEST: dict[str, bytes] = {
    "nothing": b"",
    "blanks": b" \n\t ",
    "null": b"null",
    "true": b"true",
    "a number": b"1",
    "a text": b'"x"',
    "an empty list": b"[]",
    "an empty object": b"{}",
    "a batch of 1,000": b"[" + b",".join([GOOD.encode()] * 1_000) + b"]",
    "truncated": GOOD[:-2].encode(),
    "truncated in a text": GOOD[:20].encode(),
    "something behind it": GOOD.encode() + b"{}",
    "single quotes": GOOD.replace('"', "'").encode(),
    "a comment": b"/**/" + GOOD.encode(),
    "a form": b"query=%7Bme%7Bid%7D%7D",
    "a multipart form": b'--x\r\ncontent-disposition: form-data; name="operations"\r\n\r\n'
    + GOOD.encode()
    + b"\r\n--x--\r\n",
    "bad UTF-8": GOOD.encode().replace(b"Made", b"M\xff\xfeade"),
    "overlong UTF-8": GOOD.encode().replace(b"Made", b"M\xc0\xafade"),
    "a surrogate in UTF-8": GOOD.encode().replace(b"Made", b"M\xed\xa0\x80ade"),
    "Latin-1": GOOD.replace("Made", "Mäde").encode("latin-1"),
    "UTF-16 with its mark": GOOD.encode("utf-16"),
    "UTF-16 without": GOOD.encode("utf-16-le"),
    "UTF-32": GOOD.encode("utf-32"),
    "a byte order mark": b"\xef\xbb\xbf" + GOOD.encode(),
    "a raw NUL": GOOD.encode().replace(b"Made", b"Ma\x00de"),
    "a raw line feed in a text": GOOD.encode().replace(b"Made", b"Ma\nde"),
    "packed": gzip.compress(GOOD.encode()),
    "lists 100,000 deep": with_variable("[" * DEEP + "]" * DEEP).encode(),
    "objects 100,000 deep": with_variable('{"a":' * DEEP + "1" + "}" * DEEP).encode(),
    "lists never closed": with_variable("[" * DEEP).encode(),
    "a number of 5,000 digits": with_variable("9" * 5_000).encode(),
    "a number of a million digits": with_variable("9" * 1_000_000).encode(),
    "NaN": with_variable("NaN").encode(),
    "Infinity": with_variable("-Infinity").encode(),
    "1e999": with_variable("1e999").encode(),
    "leading zeros": with_variable("007").encode(),
    "a lone high surrogate": with_variable(r'"\ud800"').encode(),
    "a lone low surrogate": with_variable(r'"\udc00x"').encode(),
    "surrogates the wrong way round": with_variable(r'"\udc00\ud800"').encode(),
    "a lone surrogate in a name": with_variable(r'{"\ud800": 1}').encode(),
    "a lone surrogate in the query": GOOD.replace("mutation", r"#\ud800\nmutation").encode(),
    "NUL in a variable": GOOD.replace("Made", r"Ma\u0000de").encode(),
    "NUL in a nested variable": with_variable(r'[{"a": ["\u0000"]}]').encode(),
    "NUL in a variable's name": with_variable(r'{"\u0000": 1}').encode(),
    "NUL in the query": GOOD.replace("mutation", r"#\u0000\nmutation").encode(),
    "NUL in a text of the query": around(LITERAL % r"\u0000"),
    "NUL in braces in a text of the query": around(LITERAL % r"\u{0}"),
    "NUL in long braces in a text of the query": around(LITERAL % r"\u{0000}"),
    "NUL raw in a text of the query": around(LITERAL % "\x00"),
    "a query that is none": b'{"query": 1}',
    "a query that is null": b'{"query": null}',
    "a list of queries": b'{"query": ["{me{id}}"]}',
    "variables that are a list": GOOD.replace('{"name": "Made"}', '["Made"]').encode(),
    "variables that are a text": GOOD.replace('{"name": "Made"}', r'"{\"name\": \"Made\"}"').encode(),
    "an operation name that is a number": GOOD.replace("{", '{"operationName": 1, ', 1).encode(),
    "extensions that are a text": GOOD.replace("{", '{"extensions": "x", ', 1).encode(),
    "a persisted query": b'{"extensions": {"persistedQuery": {"version": 1, "sha256Hash": "00"}}}',
}


async def is_well(service: Service) -> None:
    """The next request is a normal one."""
    assert await service.data("{ me { username } }") == {"me": {"username": "admin"}}


async def send(service: Service, content: Any, **headers: str) -> tuple[int, str]:
    """The status and code of a body that is refused as a whole; it may not take long, nor be repeated to the sender."""
    begun = time.process_time()
    answer = await service.client.post("/graphql", content=content, headers={**HEADERS, **headers})
    assert time.process_time() - begun < HANG
    assert len(answer.content) < 10_000
    assert answer.headers["content-type"] == f"{GRAPHQL}; charset=utf-8"
    return answer.status_code, code_of(answer)


def code_of(answer: httpx.Response) -> str:
    body = answer.json()
    if set(body) != {"errors"}:
        return f"executed: {str(body)[:200]}"
    assert all(isinstance(error["message"], str) and error["message"] for error in body["errors"])
    found: str = body["errors"][0]["extensions"]["code"]
    return found


async def test_what_is_not_a_request_is_400(service: Service) -> None:
    before = await service.snapshot()
    found = {}
    for name, body in NOT_A_REQUEST.items():
        found[name] = await send(service, body)
        await is_well(service)
    codes_of = {"a persisted query": "PERSISTED_QUERY_NOT_SUPPORTED"}
    assert found == {name: (400, codes_of.get(name, "BAD_REQUEST")) for name in NOT_A_REQUEST}
    assert await service.snapshot() == before


async def test_bad_escapes_in_a_query_are_syntax_errors(service: Service) -> None:
    before = await service.snapshot()
    escapes = (r"\ud800", r"\u{d800}", r"\udc00\ud83d", r"\u{110000}", r"\u{}", r"\u{zz}", r"\x00", r"\u00")
    found = {escape: await send(service, around(LITERAL % escape)) for escape in escapes}
    assert found == dict.fromkeys(escapes, (400, "GRAPHQL_PARSE_FAILED"))
    assert await service.snapshot() == before


async def test_nul_is_refused_in_every_place_a_text_can_stand(service: Service) -> None:
    before = await service.snapshot()
    queries = {
        "filter": '{ users(where: {name: {eq: "a%s"}}) { totalCount } }',
        "list": '{ users(where: {name: {in: ["a%s"]}}) { totalCount } }',
        "search": '{ users(search: "a%s") { totalCount } }',
        "cursor": '{ users(after: "a%s") { totalCount } }',
        "id": '{ node(id: "user_1%s") { id } }',
        "key": '{ user(by: {email: "a%s"}) { id } }',
        "tag": '{ users(where: {tags: {some: {eq: "%s"}}}) { totalCount } }',
        "time": '{ users(where: {createdAt: {after: "2020-01-01T00:00:00Z%s"}}) { totalCount } }',
        "token": 'mutation { acceptInvitation(input: {token: "%s"}) { errors { code } } }',
        "password": 'mutation { resetPassword(input: {token: "x", newPassword: "%s"}) { errors { code } } }',
        "idempotency key": 'mutation { createGroup(input: {name: "Made", idempotencyKey: "%s"}) { errors { code } } }',
        "block text": '{ users(where: {name: {eq: """a%s"""}}) { totalCount } }',
    }
    found = {}
    for name, query in queries.items():
        # In a block text an escape is no escape: there only the raw character is a NUL.
        for written in ("\x00",) if name == "block text" else (r"\u0000", r"\u{0}", r"\u{0000}", "\x00"):
            found[name, written] = await send(service, around(query % written))
    assert found == dict.fromkeys(found, (400, "BAD_REQUEST"))
    assert await service.snapshot() == before
    await is_well(service)


async def test_an_escaped_backslash_before_u0000_is_a_text_like_any_other(service: Service) -> None:
    query = r'{ user(by: {email: "\\u0000"}) { id } }'
    assert await service.data(query) == {"user": None}


async def test_of_two_equal_names_the_last_counts_as_in_every_browser(service: Service) -> None:
    body = b'{"query": "{ nothing }", "query": "{ me { id } }", "variables": 1, "variables": {}}'
    answer = await service.client.post("/graphql", content=body, headers=HEADERS)
    assert (answer.status_code, answer.json()["data"]) == (200, {"me": {"id": "user_1"}})


async def test_what_does_not_belong_to_a_request_is_ignored(service: Service) -> None:
    body = {"query": "{ me { id } }", "id": 7, "doc_id": "x", "variables": {"unknown": [None]}, "extensions": {"a": 1}}
    answer = await service.client.post("/graphql", json=body, headers=HEADERS)
    assert (answer.status_code, answer.json()["data"]) == (200, {"me": {"id": "user_1"}})


async def test_a_body_over_the_limit_is_413_however_it_comes(service_with: Callable[..., Any]) -> None:
    async with service_with(max_body=2_000) as service:
        before = await service.snapshot()
        full = GOOD.encode() + b" " * (2_000 - len(GOOD))

        async def streamed(parts: int) -> AsyncIterator[bytes]:
            yield GOOD.encode()
            for _ in range(parts):
                yield b" " * 100

        for content, headers in (
            (full + b" ", {}),
            (streamed(20), {}),
            (streamed(1_000_000), {}),
            (GOOD.encode(), {"content-length": "2001"}),
            (GOOD.encode(), {"content-length": "9" * 100}),
        ):
            assert await send(service, content, **headers) == (413, "BODY_TOO_LARGE")
            await is_well(service)
        assert await service.snapshot() == before
        taken = await service.client.post("/graphql", content=full, headers=HEADERS)
        assert taken.json()["data"]["createGroup"] == {"group": {"name": "Made"}, "errors": []}


async def test_a_bomb_is_not_unpacked(service: Service) -> None:
    bomb = gzip.compress(b" " * 50_000_000 + GOOD.encode())
    for encoding in ("gzip", "deflate", "br", "zstd", "gzip, gzip"):
        assert await send(service, bomb, **{"content-encoding": encoding}) == (415, "UNSUPPORTED_MEDIA_TYPE")
    assert await send(service, bomb) == (400, "BAD_REQUEST")
    await is_well(service)


BIG = 8_000_000
BIG_QUERIES = {
    "a comment": "{ me { id } } #" + "x" * BIG,
    "blanks": "{ me {" + " " * BIG + "id } }",
    "commas": "{ me {" + "," * BIG + "id } }",
    "a name": "{ " + "x" * BIG + " }",
    "an operation's name": "query " + "x" * BIG + " { me { id } }",
    "a text": '{ user(by: {email: "' + "x" * BIG + '"}) { id } }',
    "a block text": '{ user(by: {email: """' + " x" * (BIG // 2) + '"""}) { id } }',
    "a number": "{ users(first: " + "1" * BIG + ") { totalCount } }",
    "fields": "{ " + "x " * (BIG // 2) + "}",
    "braces": "{" * BIG,
}


async def test_a_query_of_8_megabytes_is_refused_without_being_read(service: Service) -> None:
    found = {}
    for name, query in BIG_QUERIES.items():
        found[name] = await send(service, around(query))
        await is_well(service)
    assert found == dict.fromkeys(BIG_QUERIES, (413, "QUERY_TOO_LARGE"))


async def test_a_text_of_a_megabyte_in_a_variable_is_too_long_for_what_it_is_meant_for(service: Service) -> None:
    before = await service.snapshot()
    text = "x" * 999_000
    made = await service.data(MAKE, {"name": text})
    assert (made["createGroup"]["group"], codes(made["createGroup"]["errors"])) == (None, ["INVALID"])
    change = "mutation($i: UpdateUserInput!) { updateUser(input: $i) { changedFields errors { code path } } }"
    for field in ("name", "username", "email", "firstName", "externalId", "loginDn"):
        data = await service.data(change, {"i": {"id": "user_2", field: text}})
        assert data["updateUser"]["changedFields"] == []
        assert len(data["updateUser"]["errors"]) == 1, field
        assert len(json.dumps(data)) < 10_000
    assert await service.data("query($e: String) { user(by: {email: $e}) { id } }", {"e": text}) == {"user": None}
    where = "query($w: UserWhere) { users(where: $w) { totalCount } }"
    for operator in ("eq", "contains", "startsWith"):
        assert await service.codes(where, {"w": {"name": {operator: text}}}) == ["INVALID"]
    assert await service.codes("query($s: String) { users(search: $s) { totalCount } }", {"s": text}) == ["INVALID"]
    assert await service.snapshot() == before


async def test_a_list_of_a_million_is_refused(service: Service) -> None:
    before = await service.snapshot()
    million = 1_000_000
    begun = time.process_time()
    nodes = "query($ids: [ID!]!) { nodes(ids: $ids) { id } }"
    assert await service.codes(nodes, {"ids": ["user_1"] * 200_000}) == ["QUERY_TOO_LARGE"]
    assert await service.codes(nodes, {"ids": ["user_1"] * 5_000}) == ["TOO_MANY_VALUES"]
    assert await service.codes(nodes, {"ids": ["user_1"] * 1_001}) == ["INVALID"]
    wrong = await service.codes(nodes, {"ids": [{}] * 4_000})
    assert wrong == ["BAD_USER_INPUT"] * 20 + ["TOO_MANY_ERRORS"]
    end = "mutation($ids: [ID!]!) { deactivateUsers(input: {ids: $ids}) { results { index } errors { code } } }"
    assert await service.codes(end, {"ids": [""] * 2 * million}) == ["TOO_MANY_VALUES"]
    assert await service.codes(end, {"ids": ["user_2"] * 100_001}) == ["LIST_TOO_LONG"]
    ended = (await service.data(end, {"ids": ["user_2"] * 100_000}))["deactivateUsers"]
    assert codes(ended["errors"]) == ["TOO_MANY"]
    assert len(ended["results"]) == 10_000, "one for each row that a call may have"
    assert time.process_time() - begun < 3 * HANG
    assert await service.snapshot() == before


async def test_headers_of_60_kilobytes_and_long_addresses_change_nothing(service: Service) -> None:
    long = "x" * 60_000
    for name in ("cookie", "user-agent", "x-forwarded-for", "x-request-id", "origin"):
        answer = await service.client.post("/graphql", json={"query": "{ me { id } }"}, headers={**HEADERS, name: long})
        assert (answer.status_code, answer.json()["data"]) == (200, {"me": {"id": "user_1"}})
    assert await send(service, around("{ me { id } }"), **{"x-apikey": long}) == (401, "UNAUTHENTICATED")
    address = await service.client.get("/graphql", params={"query": "{me{id}}#" + "x" * 64_500}, headers=HEADERS)
    assert (address.status_code, code_of(address)) == (400, "BAD_REQUEST")
    await is_well(service)


async def test_many_hostile_bodies_at_once_do_not_disturb_a_good_one(service: Service) -> None:
    bodies = list(NOT_A_REQUEST.values())
    answers = await asyncio.gather(*(send(service, body) for body in bodies), *(is_well(service) for _ in bodies))
    assert set(answers) == {(400, "BAD_REQUEST"), (400, "PERSISTED_QUERY_NOT_SUPPORTED"), None}
