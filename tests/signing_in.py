"""Signing in, in the tests: with a name and a password, from wherever."""

from typing import Any

from tests.cast import PASSWORD
from tests.service import Service

SIGN_IN = """mutation ($input: SignInInput!) { signIn(input: $input) {
  session { id token expiresAt } user { id username email role { name } } mustEnrollSecondFactor
  errors { code message path index } } }"""
REFUSED = {
    "session": None,
    "user": None,
    "mustEnrollSecondFactor": False,
    "errors": [
        {
            "code": "INVALID_CREDENTIALS",
            "message": "This did not sign you in. Check the name, the password and the code; after several failures "
            "wait a while before you try again.",
            "path": [],
            "index": None,
        }
    ],
}


async def sign_in(
    service: Service, username: str = "member", password: str = PASSWORD, *, address: str = "", **more: Any
) -> dict[str, Any]:
    """The whole payload. `address` needs a service that trusts this machine as a proxy."""
    body = {"query": SIGN_IN, "variables": {"input": {"username": username, "password": password, **more}}}
    headers = {"user-agent": "tests"} | ({"x-forwarded-for": address} if address else {})
    answer = (await service.post(body, who=None, headers=headers)).json()
    assert "errors" not in answer, answer["errors"]
    found: dict[str, Any] = answer["data"]["signIn"]
    return found


async def token_of(service: Service, username: str = "member", **more: Any) -> str:
    """The token of a new session."""
    token: str = (await sign_in(service, username, **more))["session"]["token"]
    return token


async def ask_as(service: Service, token: str, query: str, variables: dict[str, Any] | None = None) -> dict[str, Any]:
    """The whole answer to who comes with a session."""
    body = {"query": query, "variables": variables or {}}
    answer: dict[str, Any] = (await service.post(body, who=None, headers={"authorization": f"Bearer {token}"})).json()
    return answer


async def counts(service: Service) -> list[int]:
    """The failures counted, whatever of, fewest first."""
    return sorted(row[0] for row in await service.rows("SELECT count FROM sign_in_failures"))
