"""The session cookie: taken from the service's own pages, and never where another site's page could have sent it."""

from typing import Any

import pytest

from graph.incoming import origin_of
from tests.service import Service, key_of
from tests.signing_in import SIGN_IN, token_of

ME = {"query": "{ me { username } }"}
OWN = "http://127.0.0.1:8000"  # the public address, as it is set by default


async def name_of(
    service: Service, token: str, headers: dict[str, str], *, get: bool = False, cookie: str = "usergraph_session"
) -> str | None:
    """Who the service takes the request for; None for a stranger."""
    headers = {"cookie": f"theme=dark; {cookie}={token}; other=1", **headers}
    if get:
        answer = await service.client.get("/graphql", params=ME, headers=headers)
    else:
        answer = await service.client.post("/graphql", json=ME, headers=headers)
    body = answer.json()
    assert ("errors" in body) == (answer.status_code == 401)
    name: str | None = body["data"]["me"]["username"] if "data" in body else None
    return name


@pytest.mark.parametrize(
    ("headers", "post", "get"),
    [
        ({"sec-fetch-site": "same-origin"}, True, True),
        ({"sec-fetch-site": "none"}, True, True),
        ({"sec-fetch-site": "same-site"}, False, False),
        ({"sec-fetch-site": "cross-site"}, False, False),
        ({"sec-fetch-site": "cross-site", "origin": OWN}, False, False),
        ({"sec-fetch-site": "Same-Origin"}, False, False),
        ({"sec-fetch-site": "same-origin, cross-site"}, False, False),
        ({"sec-fetch-site": "same-origin", "origin": "https://evil.example"}, True, True),
        ({"origin": OWN}, True, False),
        ({"origin": OWN + "/"}, False, False),
        ({"origin": "http://127.0.0.1:8000.evil.example"}, False, False),
        ({"origin": "https://127.0.0.1:8000"}, False, False),
        ({"origin": "null"}, False, False),
        ({"referer": OWN + "/graphql"}, False, False),
        ({}, False, False),
    ],
)
async def test_the_cookie_counts_only_from_the_services_own_pages(
    service: Service, headers: dict[str, str], post: bool, get: bool
) -> None:
    token = await token_of(service)
    assert await name_of(service, token, headers) == ("member" if post else None)
    assert await name_of(service, token, headers, get=True) == ("member" if get else None)


async def test_the_origin_is_that_of_the_public_address(service_with: Any) -> None:
    async with service_with(public_url="https://People.example/app/") as service:
        token = await token_of(service)
        host = "__Host-usergraph_session"
        own = {"origin": "https://people.example"}
        assert await name_of(service, token, own, cookie=host) == "member"
        other = {"origin": "https://other.example", "host": "other.example"}
        assert await name_of(service, token, other, cookie=host) is None


async def test_over_https_a_cookie_without_the_host_prefix_opens_nothing(service_with: Any) -> None:
    """Another host of the same domain could have set it, to sign somebody in as somebody else."""
    async with service_with(public_url="https://people.example") as service:
        token = await token_of(service)
        for headers in ({"origin": "https://people.example"}, {"sec-fetch-site": "same-origin"}):
            assert await name_of(service, token, headers) is None
            assert await name_of(service, token, headers, cookie="__Host-usergraph_session") == "member"


@pytest.mark.parametrize(
    ("url", "origin"),
    [
        ("https://people.example", "https://people.example"),
        ("https://people.example:443/x?y", "https://people.example"),
        ("http://people.example:80", "http://people.example"),
        ("http://people.example:443", "http://people.example:443"),
        ("http://[::1]:8000/", "http://[::1]:8000"),
    ],
)
def test_an_origin_is_scheme_host_and_the_port_where_it_matters(url: str, origin: str) -> None:
    assert origin_of(url) == origin


async def test_a_header_goes_before_the_cookie(service: Service) -> None:
    token, own = await token_of(service), {"sec-fetch-site": "same-origin"}
    assert await name_of(service, token, {"x-apikey": key_of("it"), **own}) == "it"
    assert await name_of(service, token, {"x-apikey": "ug_wrong", **own}) is None


async def test_a_cookie_that_opens_nothing_is_as_none_so_that_one_can_sign_in_again(service: Service) -> None:
    token, own = await token_of(service), {"sec-fetch-site": "same-origin"}
    await service.write("UPDATE sessions SET ended_at = created_at")
    for dead in (token, "ugs_unknown", key_of("admin"), "", "x" * 5_000):
        assert await name_of(service, dead, own) is None
        body = {"query": SIGN_IN, "variables": {"input": {"username": "member", "password": "wrong"}}}
        answer = await service.client.post(
            "/graphql", json=body, headers={"cookie": f"usergraph_session={dead}", **own}
        )
        assert answer.json()["data"]["signIn"]["errors"][0]["code"] == "INVALID_CREDENTIALS"


async def test_a_mutation_by_cookie_needs_post_and_json(service: Service) -> None:
    headers = {"cookie": f"usergraph_session={await token_of(service)}", "sec-fetch-site": "same-origin"}
    mutation = {"query": "mutation { signOut(input: {}) { errors { code } } }"}
    assert (await service.client.get("/graphql", params=mutation, headers=headers)).status_code == 405
    assert (await service.client.post("/graphql", data=mutation, headers=headers)).status_code == 415
    done = (await service.client.post("/graphql", json=mutation, headers=headers)).json()
    assert done["data"] == {"signOut": {"errors": []}}
    assert await service.scalar("SELECT ended_at FROM sessions") is not None
