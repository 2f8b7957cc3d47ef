"""testIdentityProvider: what works step by step, what does not and what to do, while everything else goes on."""

import asyncio
import tempfile
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.certificates import Authority
from tests.hostile import hostile, silent
from tests.service import Service, codes
from tests.slapd import BASE, GROUPS, JANE, READER, SERVICE, Slapd

TEST = """mutation($input: TestIdentityProviderInput!) { testIdentityProvider(input: $input) {
  identityProvider { id } isOk steps { name isOk message } errors { code message path } } }"""
UPDATE = """mutation($input: UpdateIdentityProviderInput!) { updateIdentityProvider(input: $input) {
  errors { code message path } } }"""


async def configure(service: Service, **ldap: Any) -> None:
    answer = await service.data(UPDATE, {"input": {"id": "provider_2", "ldap": ldap}})
    assert answer["updateIdentityProvider"]["errors"] == []


async def tried(service: Service, provider: str = "provider_2", **given: Any) -> Any:
    return (await service.data(TEST, {"input": {"id": provider, **given}}))["testIdentityProvider"]


def steps(answer: Any) -> list[tuple[str, bool]]:
    return [(step["name"], step["isOk"]) for step in answer["steps"]]


WORKING = [(name, True) for name in ("settings", "resolve", "connect", "tls", "bind", "base")]


async def test_a_server_that_works_says_what_was_found(service: Service, slapd: Slapd) -> None:
    await configure(service, **slapd.settings(groupBaseDn=GROUPS))
    before = await service.snapshot()
    answer = await tried(service, username="jane")
    assert (answer["identityProvider"], answer["isOk"], answer["errors"]) == ({"id": "provider_2"}, True, [])
    assert steps(answer) == [*WORKING, ("user", True), ("groups", True)]
    said = {step["name"]: step["message"] for step in answer["steps"]}
    assert said["user"].startswith(f"jane is {JANE}, with username, email, name")
    assert "cn=staff,ou=groups" in said["groups"]
    assert steps(await tried(service)) == [*WORKING, ("groups", True)]
    assert await service.snapshot() == before


@pytest.mark.parametrize(
    ("more", "failed", "part"),
    [
        ({"urls": ["ldaps://nowhere.invalid"]}, "resolve", "DNS"),
        ({"urls": ["ldaps://127.0.0.1:1"]}, "connect", "firewall"),
        ({"caCertificates": None}, "tls", "caCertificates"),
        ({"bindPassword": "wrong one"}, "bind", "bindPassword"),
        ({"baseDn": "dc=nowhere,dc=com"}, "base", "baseDn"),
        ({"userFilter": "(telexNumber={username})"}, "base", "userFilter"),
        ({"attributes": {"username": "telexNumber"}}, "user", "attributes.username"),
    ],
)
async def test_what_does_not_work_says_what_to_do(
    service: Service, slapd: Slapd, more: dict[str, Any], failed: str, part: str
) -> None:
    await configure(service, **slapd.settings(**more))
    answer = await tried(service, username="jane")
    assert (answer["isOk"], answer["errors"]) == (False, [])
    (wrong,) = [step for step in answer["steps"] if not step["isOk"]]
    assert wrong == answer["steps"][-1]
    assert wrong["name"] == failed
    assert part in wrong["message"]
    assert not any(secret in str(answer) for secret in (SERVICE, "wrong one"))


@pytest.mark.parametrize("field", ["username", "email", "externalId"])
@pytest.mark.parametrize(("attribute", "part"), [("telexNumber", "shows the attribute"), ("noSuchName", "schema")])
async def test_needed_attribute_that_nobody_shows_fails_without_a_username_too(
    service: Service, slapd: Slapd, field: str, attribute: str, part: str
) -> None:
    await configure(service, **slapd.settings(attributes={field: attribute}))
    answer = await tried(service)
    assert (answer["isOk"], steps(answer)[-1]) == (False, ("base", False))
    message = answer["steps"][-1]["message"]
    assert (attribute in message, part in message, f"attributes.{field}" in message) == (True, True, True)


@pytest.mark.parametrize("username", ["nobody", "*", "twin@example.com", "jane)(uid=*"])
async def test_who_is_not_found_once_is_said_so(service: Service, slapd: Slapd, username: str) -> None:
    await configure(service, **slapd.settings())
    assert steps(await tried(service, username=username)) == [*WORKING, ("user", False)]


async def test_plain_text_is_said_to_be_so(service: Service, slapd: Slapd) -> None:
    await configure(service, **slapd.settings(urls=[slapd.url], isStartTls=False))
    answer = await tried(service)
    assert steps(answer) == WORKING
    assert "in the clear" in answer["steps"][3]["message"]


async def test_a_saml_provider_tells_until_when_its_certificates_hold(service: Service) -> None:
    for life, is_ok in ((timedelta(days=9), True), (timedelta(days=-1), False)):
        with tempfile.TemporaryDirectory() as folder:
            certificate = Authority().issue(Path(folder), "idp.example.com", life=life)[0].read_text()
        saml = {"entityId": "urn:idp", "ssoUrl": "https://idp.example.com/sso", "certificates": [certificate]}
        answer = await service.data(UPDATE, {"input": {"id": "provider_4", "saml": saml}})
        assert answer["updateIdentityProvider"]["errors"] == []
        tested = await tried(service, "provider_4")
        assert (tested["isOk"], steps(tested)) == (is_ok, [("settings", True), ("certificate 1", is_ok)])


async def test_a_provider_without_settings_says_so(service: Service) -> None:
    for provider, is_ok in (("provider_1", True), ("provider_2", False), ("provider_4", False)):
        answer = await tried(service, provider)
        assert (answer["isOk"], steps(answer)) == (is_ok, [("settings", is_ok)])


async def test_secrets_that_no_key_opens_are_said_to_be_so(service: Service, slapd: Slapd) -> None:
    await configure(service, **slapd.settings())
    await service.write("UPDATE identity_providers SET secrets = $1 WHERE id = 2", "sealed with another key")
    answer = await tried(service)
    assert steps(answer) == [("settings", False)]
    assert "USERGRAPH_SECRET_KEY" in answer["steps"][0]["message"]


async def test_others_are_answered_and_may_write_while_a_server_hangs(service: Service) -> None:
    async with hostile(silent) as port:
        urls = [f"ldap://127.0.0.1:{port}"]
        await configure(service, urls=urls, baseDn=BASE, bindDn=READER, bindPassword=SERVICE, connectSeconds=2)
        waiting = asyncio.create_task(tried(service))
        answered = 0
        while not waiting.done():
            name = f"Renamed {answered}"
            document = 'mutation($n: String!) { updateGroup(input: {id: "group_1", name: $n}) { group { name } } }'
            assert (await service.data(document, {"n": name}))["updateGroup"]["group"] == {"name": name}
            answered += 1
    assert answered > 10
    assert steps(await waiting)[-1] == ("tls", False)


async def test_whom_it_is_not_for_and_what_is_not_there(service: Service) -> None:
    for who in ("it", "normal", "orgadmin"):
        answer = await service.data(TEST, {"input": {"id": "provider_2"}}, who=who)
        assert codes(answer["testIdentityProvider"]["errors"]) == ["FORBIDDEN"]
    for given, code, path in (
        ({"id": "provider_99"}, "NOT_FOUND", "id"),
        ({"id": "role_1"}, "NOT_FOUND", "id"),
        ({"id": "provider_2", "username": ""}, "INVALID", "username"),
        ({"id": "provider_2", "username": "x" * 256}, "INVALID", "username"),
    ):
        answer = (await service.data(TEST, {"input": given}))["testIdentityProvider"]
        assert [(each["code"], each["path"]) for each in answer["errors"]] == [(code, [path])]
        assert (answer["isOk"], answer["steps"]) == (False, [])
