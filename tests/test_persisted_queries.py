"""Queries named by their hash are not kept here: clients are answered in the words that make them send the text."""

import json
from typing import Any

import pytest

from tests.service import Service, key_of
from tests.test_client_caches import address as address
from tests.test_client_caches import run_node

EXTENSIONS = {"persistedQuery": {"version": 1, "sha256Hash": "0" * 64}}
REFUSED = {
    "errors": [{"message": "PersistedQueryNotSupported", "extensions": {"code": "PERSISTED_QUERY_NOT_SUPPORTED"}}]
}


@pytest.mark.parametrize("who", ["admin", None])
@pytest.mark.parametrize(("accept", "status"), [("application/json", 200), ("application/graphql-response+json", 400)])
async def test_a_hash_without_a_text_is_refused_in_the_words_of_the_protocol(
    service: Service, accept: str, status: int, who: str | None
) -> None:
    body: dict[str, Any] = {"operationName": "Me", "variables": {}, "extensions": EXTENSIONS}
    answer = await service.post(body, who=who, headers={"accept": accept})
    assert (answer.status_code, answer.json()) == (status, REFUSED)
    keys = {"x-apikey": key_of(who)} if who else {}
    given = {"operationName": "Me", "variables": "{}", "extensions": json.dumps(EXTENSIONS)}
    answer = await service.client.get("/graphql", params=given, headers={"accept": accept, **keys})
    assert (answer.status_code, answer.json()) == (status, REFUSED)


async def test_a_text_with_its_hash_is_answered(service: Service) -> None:
    answer = await service.post({"query": "{ me { id } }", "extensions": EXTENSIONS})
    assert answer.json()["data"] == {"me": {"id": "user_1"}}


async def test_a_request_with_neither_is_refused_as_before(service: Service) -> None:
    for extensions in ({}, {"persistedQuery": None}, None):
        answer = await service.post({"extensions": extensions})
        assert answer.json()["errors"][0]["extensions"]["code"] == "BAD_REQUEST"


async def test_apollo_client_and_urql_send_the_text_after_the_refusal(service: Service, address: str) -> None:
    said = await run_node("persisted.test.mjs", ADDRESS=address, KEY=key_of("admin"))
    assert "# pass 4" in said
