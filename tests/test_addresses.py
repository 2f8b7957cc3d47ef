"""Addresses: no token stands in one that is asked, and none that is answered follows what a request says."""

from collections.abc import Callable
from typing import Any

from tests.service import Service, key_of

INVITATION = "query Invited($t: String!) { invitationByToken(token: $t) { name } }"


async def test_invitation_by_token_is_refused_by_get_and_answered_by_post(service: Service) -> None:
    token = "ugi_" + "x" * 43
    for query in (
        INVITATION,
        "query Invited($t: String!) { ...F } fragment F on Query { invitationByToken(token: $t) { name } }",
        "query Other { __typename } " + INVITATION,
    ):
        for headers in ({}, {"x-apikey": key_of("admin")}):
            given = {"query": query, "variables": f'{{"t": "{token}"}}', "operationName": "Invited"}
            answer = await service.client.get("/graphql", params=given, headers=headers)
            assert (answer.status_code, answer.headers["allow"]) == (405, "POST")
            assert answer.json()["errors"][0]["extensions"]["code"] == "METHOD_NOT_ALLOWED"
            assert token not in answer.text
    assert await service.codes(INVITATION, {"t": token}, who=None) != ["METHOD_NOT_ALLOWED"]


async def test_links_of_odata_never_follow_the_host_header(service_with: Callable[..., Any]) -> None:
    for settings, begin in (
        ({}, "http://127.0.0.1:8000/odata/"),
        ({"public_url": "https://id.test"}, "https://id.test/odata/"),
    ):
        async with service_with(**settings) as service:
            headers = {"x-apikey": key_of("admin"), "host": "evil.test", "prefer": "odata.maxpagesize=2"}
            for path in ("/odata/", "/odata/Users"):
                answer = await service.client.get(path, headers=headers)
                assert answer.status_code == 200
                assert "evil.test" not in answer.text
                assert answer.json()["@odata.context"].startswith(begin)
            assert answer.json()["@odata.nextLink"].startswith(begin)
