"""What no export is made of, who may not take one, and how a format is asked for."""

import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.exporting import MEDIA, by_csv, by_lines, fetch, refusal, whole
from tests.service import Service, key_of

NAMES = "{ users { nodes { username } } }"
REFUSED = {
    "{ users { nodes { id } } groups { nodes { id } } }": "NOT_EXPORTABLE",
    "{ a: users { nodes { id } } b: users { nodes { id } } }": "NOT_EXPORTABLE",
    "{ __typename }": "NOT_EXPORTABLE",
    "{ me { id } }": "NOT_EXPORTABLE",
    "{ viewer { permissions } }": "NOT_EXPORTABLE",
    '{ user(by: {username: "it"}) { tags } }': "NOT_EXPORTABLE",
    '{ node(id: "user_1") { id } }': "NOT_EXPORTABLE",
    "{ __schema { types { name } } }": "NOT_EXPORTABLE",
    "{ users { totalCount } }": "NOT_EXPORTABLE",
    "{ users { edges { cursor } } }": "NOT_EXPORTABLE",
    "{ users { nodes { id } edges { node { id } } } }": "NOT_EXPORTABLE",
    'mutation { createGroup(input: {name: "X"}) { group { id } } }': "NOT_EXPORTABLE",
    "{ users(last: 5) { nodes { id } } }": "INVALID",
    '{ users(before: "x") { nodes { id } } }': "INVALID",
    "{ users(first: -1) { nodes { id } } }": "INVALID",
    '{ users(after: "x") { nodes { id } } }': "INVALID",
    "{ users { nodes { groups(first: 1000) { nodes { users(first: 1000) { nodes { id } } } } } } }": "TOO_COSTLY",
    "{ users(first: 1) { nodes { groups(first: 1001) { nodes { id } } } } }": "PAGE_TOO_LARGE",
    "{ users { nodes { nonsense } } }": "GRAPHQL_VALIDATION_FAILED",
    "{ users {": "GRAPHQL_PARSE_FAILED",
    "query Q($n: Int!) { users(first: $n) { nodes { id } } }": "BAD_USER_INPUT",
}


@pytest.mark.parametrize("format", MEDIA)
async def test_what_is_no_list_is_no_export(service: Service, format: str) -> None:
    before = await service.snapshot()
    for query, code in REFUSED.items():
        assert await refusal(service, query, format) == (400, code), query
    assert await service.snapshot() == before


async def test_rights_are_those_of_the_query(service: Service) -> None:
    for query in (
        NAMES,
        "{ users { nodes { email lastLoginAt } } }",
        "{ auditEvents { nodes { id } } }",
        "{ roles { name } }",
    ):
        for who in ("admin", "it", "pm", "normal", "readonly", "orgadmin", "robot"):
            answer = await service.ask(query, who=who)
            for format, read in (("csv", by_csv), ("ndjson", by_lines)):
                if "errors" in answer:
                    code = answer["errors"][0]["extensions"]["code"]
                    assert await refusal(service, query, format, who=who) == (403, code)
                    continue
                (found,) = answer["data"].values()
                rows = found["nodes"] if isinstance(found, dict) else found
                exported: Any = read(await whole(service, query, format, who=who))
                given = [{key: "" if each is None else each for key, each in row.items()} for row in rows]
                assert exported == (rows if format == "ndjson" else given), (query, who)
        assert await refusal(service, query, who=None) == (401, "UNAUTHENTICATED")


async def test_a_hidden_field_is_named_as_in_json(service: Service) -> None:
    query = "{ users { nodes { username loginDn apiKeys { nodes { name } } } } }"
    expected = (await service.ask(query, who="normal"))["errors"]
    assert (await fetch(service, query, "parquet", who="normal")).json()["errors"] == expected


ACCEPTED = {
    "text/csv": "csv",
    "TEXT/CSV; charset=utf-8": "csv",
    "text/csv, */*": "csv",
    "text/csv, application/json": None,
    "text/csv;q=0.5, application/json": None,
    "application/json;q=0.5, text/csv": "csv",
    "text/csv;q=0": "NOT_ACCEPTABLE",
    "*/*": None,
    "application/x-ndjson": "ndjson",
    "application/jsonl": "ndjson",
    MEDIA["arrow"]: "arrow",
    MEDIA["parquet"]: "parquet",
    f"{MEDIA['parquet']};q=0.2, {MEDIA['xlsx']};q=0.3": "xlsx",
}


@pytest.mark.parametrize("accept", ACCEPTED)
async def test_accept_asks_for_a_format(service: Service, accept: str) -> None:
    for send in (
        service.client.get("/graphql", params={"query": NAMES}, headers=_headers(accept)),
        service.client.post("/graphql", json={"query": NAMES}, headers=_headers(accept)),
    ):
        answer = await send
        expected = ACCEPTED[accept]
        if expected == "NOT_ACCEPTABLE":
            assert answer.status_code == 406
            continue
        media = MEDIA[expected] if expected else "application/json; charset=utf-8"
        assert (answer.status_code, answer.headers["content-type"]) == (200, media)


def _headers(accept: str) -> dict[str, str]:
    return {"x-apikey": key_of("admin"), "accept": accept}


async def test_the_address_outweighs_the_header(service: Service) -> None:
    get = service.client.get
    given = {"query": "query Everybody { users { nodes { username } } }"}
    answer = await get("/graphql", params={**given, "format": "ndjson"}, headers=_headers("text/csv"))
    assert answer.headers["content-type"] == MEDIA["ndjson"]
    assert answer.headers["content-disposition"] == 'attachment; filename="Everybody.ndjson"'
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["cache-control"] == "no-store"
    assert "accept" in answer.headers["vary"]
    assert answer.headers["x-request-id"]
    assert "content-length" not in answer.headers
    plain = await get("/graphql", params={**given, "format": "json"}, headers=_headers("text/csv"))
    assert len(plain.json()["data"]["users"]["nodes"]) == 9
    wrong = await get("/graphql", params={**given, "format": "pdf"}, headers=_headers("*/*"))
    assert (wrong.status_code, wrong.json()["errors"][0]["extensions"]["code"]) == (406, "NOT_ACCEPTABLE")
    head = await service.client.head("/graphql", params={**given, "format": "csv"}, headers=_headers("*/*"))
    assert (head.status_code, head.content) == (200, b"")
    assert head.headers["content-disposition"] == 'attachment; filename="Everybody.csv"'
    browser = "text/html,application/xhtml+xml,*/*;q=0.8"
    opened = await get("/graphql", params={**given, "format": "csv"}, headers=_headers(browser))
    assert opened.headers["content-disposition"] == 'attachment; filename="Everybody.csv"'


async def test_a_byte_order_mark_is_there_for_who_wants_one(service: Service) -> None:
    given = {"query": NAMES, "format": "csv"}
    with_mark = await service.client.get("/graphql", params={**given, "bom": "true"}, headers=_headers("*/*"))
    without = await service.client.get("/graphql", params=given, headers=_headers("*/*"))
    assert with_mark.content == b"\xef\xbb\xbf" + without.content


async def test_an_export_has_all_rows_or_as_many_as_are_asked_for(service_with: Callable[..., Any]) -> None:
    async with service_with(default_page=2, max_page=3) as service:
        everybody = [row["username"] for row in by_csv(await whole(service, NAMES, "csv"))]
        assert len(everybody) == 9
        for first in (0, 1, 5, 9, 100):
            query = f"{{ users(first: {first}) {{ nodes {{ username }} }} }}"
            assert [row["username"] for row in by_csv(await whole(service, query, "csv"))] == everybody[:first]
        page = await service.data("{ users(first: 3) { pageInfo { endCursor } } }")
        query = "query Q($after: String) { users(after: $after, where: {isActive: {eq: true}}) { nodes { username } } }"
        given = {"after": page["users"]["pageInfo"]["endCursor"]}
        rest = by_csv(await whole(service, query, "csv", variables=given))
        assert [row["username"] for row in rest] == everybody[3:]
        found = by_csv(await whole(service, '{ users(search: "orgadmin") { nodes { username } } }', "csv"))
        assert found == [{"username": "orgadmin"}]


async def test_a_sheet_that_finds_no_room_on_the_disk_says_so(
    service: Service, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "absent"))
    for query in (NAMES, "{ userReport(groupBy: [{field: ROLE}]) { columns { name kind } rows } }"):
        assert await refusal(service, query, "xlsx") == (503, "SERVICE_UNAVAILABLE")
        answer = await fetch(service, query, "xlsx")
        assert "sheet" in answer.json()["errors"][0]["message"]
        assert by_csv(await whole(service, query, "csv"))
