"""Keys as the password of `Authorization: Basic`, for programs that can send them in no other way."""

import base64
from typing import Any

import pytest

from tests.program import KEY as LONG_ENOUGH
from tests.service import Service, key_of
from tests.signing_in import token_of

ME = {"query": "{ me { username } }"}
KEY = key_of("normal")


def basic(text: str) -> str:
    return f"Basic {base64.b64encode(text.encode()).decode()}"


async def me(service: Service, authorization: str, **headers: str) -> tuple[int, Any]:
    sent = {"authorization": authorization, **{name.replace("_", "-"): value for name, value in headers.items()}}
    for answer in (
        await service.post(ME, who=None, headers=sent),
        await service.client.get("/graphql", params=ME, headers=sent),
    ):
        assert "www-authenticate" not in answer.headers, "a browser would keep the key, and send it for any site's page"
        body = answer.json()
    return answer.status_code, body["data"]["me"]["username"] if "data" in body else body["errors"][0]["extensions"]


@pytest.mark.parametrize("name", ["", "key", "somebody@x.test", "Ärger", "x" * 200])
async def test_the_password_is_the_key_whatever_the_name(service: Service, name: str) -> None:
    assert await me(service, basic(f"{name}:{KEY}")) == (200, "normal")
    assert await me(service, basic(f"{name}:{KEY}").replace("Basic", "basic ")) == (200, "normal")


WRONG = [
    "Basic",
    "Basic ",
    f"Basic {KEY}",
    "Basic ====",
    basic(""),
    basic(KEY),
    basic(f"{KEY}:"),
    basic(":"),
    basic(f":{KEY}x"),
    basic(f":{KEY}:"),
    basic(f":{LONG_ENOUGH}"),
    basic(":" + "x" * 10_000),
    basic("x" * 10_000 + f":{KEY}"),
    f"Digest {base64.b64encode(f':{KEY}'.encode()).decode()}",
]


@pytest.mark.parametrize("authorization", WRONG)
async def test_what_is_no_key_opens_nothing(service: Service, authorization: str) -> None:
    assert await me(service, authorization) == (401, {"code": "UNAUTHENTICATED"})


async def test_another_sites_page_cannot_use_what_a_browser_kept(service: Service) -> None:
    for site in ("cross-site", "same-site"):
        assert (await me(service, basic(f":{KEY}"), sec_fetch_site=site))[0] == 401
    for site in ("same-origin", "none"):
        assert await me(service, basic(f":{KEY}"), sec_fetch_site=site) == (200, "normal")


async def test_a_session_is_not_taken_so(service: Service) -> None:
    token = await token_of(service)
    assert await me(service, f"Bearer {token}") == (200, "member")
    assert await me(service, basic(f":{token}")) == (401, {"code": "UNAUTHENTICATED"})


async def test_the_header_of_its_own_counts_more(service: Service) -> None:
    answer = await service.post(ME, who="it", headers={"authorization": basic(f":{KEY}")})
    assert answer.json()["data"]["me"]["username"] == "it"
