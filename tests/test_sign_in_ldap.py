"""Signing in through a directory: a real server proves the password, and tells strangers nothing about who is its."""

import time
from typing import Any

import pytest

from resolvers.sign_in import FLOOR
from tests.hostile import hostile, silent
from tests.service import Service
from tests.signing_in import REFUSED, ask_as, counts, sign_in
from tests.slapd import JANE, Slapd
from tests.slapd import PASSWORD as IN_DIRECTORY

UPDATE = """mutation($input: UpdateIdentityProviderInput!) { updateIdentityProvider(input: $input) {
  errors { code message path } } }"""


async def configure(service: Service, **ldap: Any) -> None:
    """User 8 is Jane at provider 2, which is reached by these settings."""
    answer = await service.data(UPDATE, {"input": {"id": "provider_2", "ldap": ldap}})
    assert answer["updateIdentityProvider"]["errors"] == []
    await service.write(
        "UPDATE users SET provider_id = 2, ldap_provider_id = 2, login_dn = $1, login_dn_key = $1 WHERE id = 8", JANE
    )


async def test_the_password_of_the_directory_opens_a_session(service: Service, slapd: Slapd) -> None:
    await configure(service, **slapd.settings())
    answer = await sign_in(service, "member@usergraph.test", IN_DIRECTORY)
    assert answer["errors"] == []
    me = await ask_as(service, answer["session"]["token"], "{ me { username isLdap hasValidPassword } }")
    assert me["data"]["me"] == {"username": "member", "isLdap": True, "hasValidPassword": False}


@pytest.mark.parametrize("password", ["", "wrong", IN_DIRECTORY + " ", IN_DIRECTORY.upper(), "*", "\u00a0"])
async def test_any_other_password_does_not_and_counts(service: Service, slapd: Slapd, password: str) -> None:
    """An empty one would bind as nobody in particular, and the one that was kept here before proves nothing."""
    await configure(service, **slapd.settings())
    begun = time.perf_counter()
    assert await sign_in(service, "member", password) == REFUSED
    assert time.perf_counter() - begun >= FLOOR
    assert await sign_in(service, "member") == REFUSED
    assert await counts(service) == [2, 2, 2]


async def test_a_provider_that_is_off_or_a_user_who_is_lets_nobody_in(service: Service, slapd: Slapd) -> None:
    await configure(service, **slapd.settings())
    for sql in (
        "UPDATE identity_providers SET is_enabled = {} WHERE id = 2",
        "UPDATE users SET state = CASE WHEN {} THEN 'ACTIVE' ELSE 'DEACTIVATED' END WHERE id = 8",
    ):
        await service.write(sql.format("false"))
        assert await sign_in(service, "member", IN_DIRECTORY) == REFUSED
        await service.write(sql.format("true"))
    assert (await sign_in(service, "member", IN_DIRECTORY))["errors"] == []


async def test_a_directory_that_hangs_keeps_nobody_else_waiting_and_counts_no_failure(
    service: Service, slapd: Slapd, caplog: pytest.LogCaptureFixture
) -> None:
    async with hostile(silent) as port:
        await configure(service, **slapd.settings(urls=[f"ldaps://localhost:{port}"]))
        begun = time.perf_counter()
        assert await sign_in(service, "member", IN_DIRECTORY) == REFUSED
        assert time.perf_counter() - begun < 10
    assert await counts(service) == [0, 0, 0]
    assert any("nobody can sign in through provider_2" in r.message for r in caplog.records)
    assert IN_DIRECTORY not in caplog.text
