"""Texts looked for in search and where: every sign is a letter, and a domain has two forms."""

from typing import Any

from models import values
from tests.service import Service

CREATE = """mutation ($username: String!, $email: String!, $name: String!) { createUser(input: {username: $username,
  email: $email, name: $name, role: {name: "Normal user"}, authentication: {apiOnly: true}}) {
  user { username email name } errors { code path } } }"""
NAMES = [
    "100%",
    "100x",
    "a_b",
    "axb",
    "back\\slash",
    "back/slash",
    'quo"te',
    "quo'te",
    "\u00c9clair",
    "eclair",
    "[ab]*?",
]
LOOKED_FOR = {
    "100%": ["100%"],
    "%": ["100%"],
    "_": ["a_b"],
    "a_b": ["a_b"],
    "\\": ["back\\slash"],
    "'": ["quo'te"],
    '"': ['quo"te'],
    "\u00e9": ["\u00c9clair"],
    "E\u0301CL": ["\u00c9clair"],
    "ecl": ["eclair"],
    "*": ["[ab]*?"],
    "[ab]": ["[ab]*?"],
    "' OR '1'='1": [],
    "\\%": [],
    "x" * 200: [],
}


async def test_signs_that_mean_something_in_sql_are_letters_in_search_and_where(service: Service) -> None:
    for place, name in enumerate(NAMES):
        await service.data(CREATE, {"username": f"signs{place}", "email": f"signs{place}@x.org", "name": name})
    query = """query ($t: String!) {
      search: users(search: $t) { nodes { name } } contains: users(where: {name: {contains: $t}}) { nodes { name } }
      starts: users(where: {name: {startsWith: $t}}) { nodes { name } }
      ends: users(where: {name: {endsWith: $t}}) { nodes { name } } }"""
    for text, expected in LOOKED_FOR.items():
        data = await service.data(query, {"t": text})
        found = {name: [node["name"] for node in part["nodes"]] for name, part in data.items()}
        normal = values.key(text)
        assert found == {
            "search": expected,
            "contains": expected,
            "starts": [name for name in expected if values.key(name).startswith(normal)],
            "ends": [name for name in expected if values.key(name).endswith(normal)],
        }, text


async def test_a_text_too_long_to_be_anywhere_is_found_nowhere(service: Service) -> None:
    query = "query ($t: String!) { users(where: {name: {contains: $t}}) { totalCount } }"
    body = await service.ask(query, {"t": "x" * 60_000})
    assert body.get("data") == {"users": {"totalCount": 0}} or codes_of(body) == ["INVALID"], body
    assert (await service.data(query, {"t": "normal"}))["users"]["totalCount"] == 1


async def test_an_address_is_found_in_both_forms_of_its_domain(service: Service) -> None:
    await service.data(CREATE, {"username": "jo", "email": "jo@m\u00fcnchen.de", "name": "Jo"})
    query = """query ($e: String!, $d: String!) { user(by: {email: $e}) { username }
      equal: users(where: {email: {eq: $e}}) { nodes { username } }
      ends: users(where: {email: {endsWith: $d}}) { nodes { username } }
      search: users(search: $d) { nodes { username } } }"""
    jo = {"username": "jo"}
    for domain in ("xn--mnchen-3ya.de", "M\u00fcnchen.de"):
        data = await service.data(query, {"e": f"JO@{domain}", "d": f"@{domain}"})
        assert data == {"user": jo, "equal": {"nodes": [jo]}, "ends": {"nodes": [jo]}, "search": {"nodes": [jo]}}, (
            domain
        )


def codes_of(body: dict[str, Any]) -> list[str]:
    return [error["extensions"]["code"] for error in body.get("errors", [])]
