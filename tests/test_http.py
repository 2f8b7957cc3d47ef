"""GraphQL over HTTP: methods, media types, status codes, keys, headers and the addresses beside it."""

import gzip
import json
from typing import Any

import httpx

from tests.service import Service, key_of

JSON = "application/json"
GRAPHQL = "application/graphql-response+json"
BROWSER = "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,*/*;q=0.8"
ME = {"query": "{ me { id } }"}
MADE = 'mutation Make { createGroup(input: {name: "Made"}) { group { name } errors { code } } }'
MINE = {"data": {"me": {"id": "user_1"}}, "extensions": {"cost": {"rows": 1, "limit": 250_000}}}
SECURITY = {"x-content-type-options": "nosniff", "referrer-policy": "no-referrer", "x-frame-options": "DENY"}


def code(answer: httpx.Response) -> str:
    """The code of the only error of an answer that was refused as a whole."""
    body = answer.json()
    assert set(body) == {"errors"}
    assert len(body["errors"]) == 1
    found: str = body["errors"][0]["extensions"]["code"]
    return found


async def get(service: Service, who: str | None = "admin", accept: str = JSON, **parameters: str) -> httpx.Response:
    keys = {"x-apikey": key_of(who)} if who else {}
    return await service.client.get("/graphql", params=parameters, headers={**keys, "accept": accept})


async def test_a_query_answers_by_post_and_by_get_without_a_redirect(service: Service) -> None:
    headers = {"x-apikey": key_of("admin")}
    for answer in (
        await service.client.post("/graphql", json=ME, headers=headers),
        await service.client.post("/graphql/", json=ME, headers=headers),
        await service.client.get("/graphql", params=ME, headers=headers),
        await service.client.get("/graphql/", params=ME, headers=headers),
    ):
        assert (answer.status_code, answer.json()) == (200, MINE)
        assert answer.headers["content-type"] == f"{JSON}; charset=utf-8"


# Accept headers, by the media type they are answered in.
ACCEPTED = {
    None: JSON,
    "": JSON,
    "*/*": JSON,
    "application/*": JSON,
    JSON: JSON,
    JSON.upper(): JSON,
    f"{JSON};charset=utf-8": JSON,
    GRAPHQL: GRAPHQL,
    f"{GRAPHQL}; charset=utf-8": GRAPHQL,
    f"{GRAPHQL}, {JSON};q=0.9": GRAPHQL,
    f"{JSON}, {GRAPHQL}": GRAPHQL,
    f"text/event-stream, multipart/mixed, {JSON}": JSON,
    f"{GRAPHQL};q=0.5, {JSON}": JSON,
    f"{GRAPHQL};q=0, {JSON}": JSON,
    "text/html": None,
    "image/*, text/*": None,
    "application/graphql+json": None,
    "*/*;q=0": None,
    f"{JSON};q=0": None,
}


async def test_the_accept_header_chooses_the_media_type(service: Service) -> None:
    found: dict[str | None, str | None] = {}
    for accept in ACCEPTED:
        request = service.client.build_request("POST", "/graphql", json=ME, headers={"x-apikey": key_of("admin")})
        del request.headers["accept"]
        if accept is not None:
            request.headers["accept"] = accept
        answer = await service.client.send(request)
        assert "accept" in answer.headers["vary"]
        media, _, charset = answer.headers["content-type"].partition("; ")
        assert charset == "charset=utf-8"
        if answer.status_code == 406:
            assert (media, code(answer)) == (JSON, "NOT_ACCEPTABLE")
        else:
            assert (answer.status_code, answer.json()) == (200, MINE)
        found[accept] = None if answer.status_code == 406 else media
    assert found == ACCEPTED


# What is asked, as whom, its error's code, the status in the newer media type, the status in plain JSON.
REFUSED: list[tuple[dict[str, Any], str | None, str, int, int]] = [
    ({}, "admin", "BAD_REQUEST", 400, 400),
    ({"query": "  "}, "admin", "BAD_REQUEST", 400, 400),
    ({"query": 7}, "admin", "BAD_REQUEST", 400, 400),
    ({"query": "{me{id}}", "variables": [1]}, "admin", "BAD_REQUEST", 400, 400),
    ({"query": "{me{id}}", "operationName": 1}, "admin", "BAD_REQUEST", 400, 400),
    ({"query": "{me{id}}", "extensions": []}, "admin", "BAD_REQUEST", 400, 400),
    ({"query": "{me{id}}", "extensions": "x"}, "admin", "BAD_REQUEST", 400, 400),
    ({"query": "{"}, "admin", "GRAPHQL_PARSE_FAILED", 400, 200),
    ({"query": "{}"}, "admin", "GRAPHQL_PARSE_FAILED", 400, 200),
    ({"query": "{ nothing }"}, "admin", "GRAPHQL_VALIDATION_FAILED", 400, 200),
    ({"query": "subscription { me { id } }"}, "admin", "GRAPHQL_VALIDATION_FAILED", 400, 200),
    ({"query": "type A { b: Int }"}, "admin", "GRAPHQL_VALIDATION_FAILED", 400, 200),
    ({"query": "query($n: Int!) { users(first: $n) { totalCount } }"}, "admin", "BAD_USER_INPUT", 400, 200),
    ({"query": "query A { me { id } } query B { me { id } }"}, "admin", "BAD_OPERATION_NAME", 400, 200),
    ({"query": "query A { me { id } }", "operationName": "B"}, "admin", "BAD_OPERATION_NAME", 400, 200),
    ({"query": "{ users(first: 1000000) { nodes { id } } }"}, "admin", "TOO_COSTLY", 400, 200),
    (ME, None, "UNAUTHENTICATED", 401, 401),
]


async def test_a_request_that_was_never_executed_has_no_data_and_a_status_of_its_own(service: Service) -> None:
    found = []
    for body, who, *_ in REFUSED:
        seen = []
        for accept in (GRAPHQL, JSON):
            answer = await service.post(body, who=who, headers={"accept": accept})
            assert answer.headers["content-type"] == f"{accept}; charset=utf-8"
            assert "data" not in answer.json() or answer.status_code == 200, body
            seen.append(
                (
                    answer.json()["errors"][0]["extensions"]["code"] if "errors" in answer.json() else None,
                    answer.status_code,
                )
            )
        found.append((body, who, *seen))
    assert found == [(body, who, (name, newer), (name, plain)) for body, who, name, newer, plain in REFUSED]


async def test_an_executed_request_is_200_even_with_errors(service: Service) -> None:
    for accept in (GRAPHQL, JSON):
        answer = await service.post(
            {"query": "{ users { nodes { email } } }"}, who="normal", headers={"accept": accept}
        )
        assert answer.status_code == 200
        body = answer.json()
        assert body["data"] is None
        assert [(e["extensions"]["code"], e["extensions"]["fields"]) for e in body["errors"]] == [
            ("FORBIDDEN", ["User.email"])
        ]


async def test_get_takes_variables_and_the_operation_name_but_no_mutation(service: Service) -> None:
    two = "query A($n: Int) { users(first: $n) { nodes { id } } } " + MADE
    answer = await get(service, query=two, operationName="A", variables=json.dumps({"n": 1}), extensions="{}")
    assert (answer.status_code, answer.json()["data"]) == (200, {"users": {"nodes": [{"id": "user_1"}]}})
    before = await service.snapshot()
    for accept in (JSON, GRAPHQL):
        for parameters in ({"query": MADE}, {"query": two, "operationName": "Make"}):
            answer = await get(service, accept=accept, **parameters)
            assert (answer.status_code, code(answer)) == (405, "METHOD_NOT_ALLOWED")
            assert answer.headers["allow"] == "POST"
    for parameters in (
        {},
        {"query": ""},
        {"query": "{me{id}}", "variables": "[]"},
        {"query": "{me{id}}", "variables": "{"},
        {"query": "{me{id}}", "extensions": "1"},
    ):
        answer = await get(service, **parameters)
        assert (answer.status_code, code(answer)) == (400, "BAD_REQUEST")
    assert await service.snapshot() == before


async def test_other_methods_are_405_and_say_what_is_allowed(service: Service) -> None:
    headers = {"x-apikey": key_of("admin"), "content-type": JSON}
    for method in ("PUT", "PATCH", "DELETE", "OPTIONS"):
        answer = await service.client.request(method, "/graphql", content=json.dumps({"query": MADE}), headers=headers)
        assert (answer.status_code, code(answer)) == (405, "METHOD_NOT_ALLOWED"), method
        assert answer.headers["allow"] == "GET, HEAD, POST"
    assert await service.scalar("SELECT COUNT(*) FROM groups WHERE name = 'Made'") == 0


# Content types and encodings: what another site's page can send without asking, and what is packed.
UNSUPPORTED = [
    (None, None),
    ("text/plain", None),
    ("application/x-www-form-urlencoded", None),
    ("multipart/form-data; boundary=x", None),
    ("application/graphql", None),
    (GRAPHQL, None),
    (f"{JSON}, text/plain", None),
    (f"{JSON}; charset=utf-16", None),
    (f"{JSON}; charset=iso-8859-1", None),
    (JSON, "gzip"),
    (JSON, "br"),
    (JSON, "gzip, identity"),
]


async def test_what_is_not_plain_json_is_415(service: Service) -> None:
    body = json.dumps({"query": MADE}).encode()
    for content_type, encoding in UNSUPPORTED:
        headers = {"x-apikey": key_of("admin"), "cookie": "session=1", "origin": "https://elsewhere.test"}
        headers |= {"content-type": content_type} if content_type else {}
        headers |= {"content-encoding": encoding} if encoding else {}
        packed = gzip.compress(body) if encoding and "gzip" in encoding else body
        answer = await service.client.post("/graphql", content=packed, headers=headers)
        assert (answer.status_code, code(answer)) == (415, "UNSUPPORTED_MEDIA_TYPE"), headers
        assert "access-control-allow-origin" not in answer.headers
    assert await service.scalar("SELECT COUNT(*) FROM groups WHERE name = 'Made'") == 0


async def test_json_is_taken_however_it_is_spelled(service: Service) -> None:
    for content_type in (JSON, "Application/JSON", f"{JSON}; charset=utf-8", f'{JSON};charset="UTF-8"'):
        headers = {"x-apikey": key_of("admin"), "content-type": content_type, "content-encoding": "identity"}
        answer = await service.client.post("/graphql", content=json.dumps(ME), headers=headers)
        assert (answer.status_code, answer.json()) == (200, MINE)


async def test_a_key_comes_in_a_header_and_never_in_the_address(service: Service) -> None:
    key = key_of("admin")
    good = [
        {"x-apikey": key},
        {"authorization": f"Bearer {key}"},
        {"authorization": f"bearer  {key} "},
        {"x-apikey": key, "authorization": "Basic dXNlcjpwYXNz"},
    ]
    for headers in good:
        assert (await service.client.post("/graphql", json=ME, headers=headers)).json() == MINE
    bad = [
        {},
        {"x-apikey": ""},
        {"x-apikey": "ug_nobody_has_this_key"},
        {"x-apikey": f"{key} {key}"},
        {"x-apikey": "x" * 60_000},
        {"authorization": key},
        {"authorization": f"Basic {key}"},
        {"authorization": "Bearer"},
        {"authorization": "Bearer ug_nobody_has_this_key"},
        {"cookie": f"x-apikey={key}; apiKey={key}; session={key}"},
    ]
    answers = [await service.client.post("/graphql", json=ME, headers=headers) for headers in bad]
    names = ("apiKey", "apikey", "api_key", "X-ApiKey", "key", "token", "access_token", "authorization")
    in_address = dict.fromkeys(names, key)
    answers.append(await get(service, None, **ME, **in_address))
    answers.append(await service.client.post("/graphql", json={**ME, **in_address}, params=in_address))
    assert {(answer.status_code, code(answer)) for answer in answers} == {(401, "UNAUTHENTICATED")}
    assert len({answer.content for answer in answers}) == 1, "one message, whatever is wrong"


async def test_every_answer_carries_security_headers_once_and_graphql_a_request_id(service: Service) -> None:
    seen = set()
    requests = [
        ("POST", "/graphql", ME),
        ("POST", "/graphql", {"query": "{"}),
        ("GET", "/graphql?query={me{id}}", None),
        ("PUT", "/graphql", None),
        ("GET", "/healthz", None),
        ("GET", "/readyz", None),
        ("GET", "/nothing-here", None),
        ("GET", "/", None),
    ]
    for method, path, body in requests:
        answer = await service.client.request(method, path, json=body, headers={"x-apikey": key_of("admin")})
        for name, value in SECURITY.items():
            assert answer.headers.get_list(name) == [value], (method, path, name)
        assert "server" not in answer.headers
        if path.startswith("/graphql"):
            assert answer.headers["cache-control"] == "no-store"
            assert {"accept", "x-apikey", "authorization"} <= set(answer.headers["vary"].split(", "))
            assert len(answer.headers["x-request-id"]) == 16
            assert answer.headers["x-request-id"] not in seen
            seen.add(answer.headers["x-request-id"])


async def test_the_request_id_is_ours_and_stands_in_the_audit(service: Service) -> None:
    answer = await service.post({"query": MADE}, headers={"x-request-id": "forged"})
    assert answer.json()["data"]["createGroup"] == {"group": {"name": "Made"}, "errors": []}
    recorded = await service.scalar("SELECT request_id FROM audit_events ORDER BY id DESC LIMIT 1")
    assert recorded == answer.headers["x-request-id"] != "forged"


async def test_a_browser_gets_the_page_where_a_program_gets_json(service: Service) -> None:
    for path in ("/graphql", "/graphql/"):
        answer = await service.client.get(path, headers={"accept": BROWSER})
        assert answer.headers["content-type"] == "text/html; charset=utf-8"
        assert answer.text.startswith("<!doctype html>")
        assert answer.headers["vary"].lower() == "accept"
        for name, value in SECURITY.items():
            assert answer.headers.get_list(name) == [value]
        policy = answer.headers["content-security-policy"]
        assert "default-src 'none'" in policy
        assert "frame-ancestors 'none'" in policy
    asked = await service.client.get("/graphql", params=ME, headers={"accept": BROWSER, "x-apikey": key_of("admin")})
    assert asked.json() == MINE
    root = await service.client.get("/")
    assert (root.status_code, root.headers["location"]) == (307, "/graphql")
