"""Active Directory's own names: a service account and people by `user@realm` and `DOMAIN\\user`, addresses inside."""

from typing import Any

import pytest

from tests.active_directory import PASSWORD, SERVICE_PASSWORD, Domain, active_directory
from tests.crew import sync
from tests.mutations import ask
from tests.service import Service
from tests.signing_in import REFUSED, sign_in
from tests.signing_in import counts as failures
from tests.test_ldap_active_directory import UPDATE, configure
from tests.test_probe_providers import tried


@pytest.fixture
def service(service: Service) -> Service:
    """Whose own worker rests: jobs are worked on when a test says so."""
    service.app.state.background._stopping.set()
    return service


@pytest.mark.parametrize("bind_dn", ["reader@corp.example.com", "CORP\\reader", "corp\\service account$"])
async def test_bind_dn_takes_the_names_of_a_domain(service: Service, bind_dn: str) -> None:
    async with active_directory() as domain:
        domain.passwords[bind_dn] = SERVICE_PASSWORD
        await configure(service, domain, bindDn=bind_dn)
        await sync(service)
        assert (await sign_in(service, "jane", PASSWORD))["errors"] == []


@pytest.mark.parametrize(
    "bind_dn", ["reader", "@corp", "reader@", "CORP\\", "\\reader", "a b@corp", "CORP\\a=b", "x@y@z"]
)
async def test_bind_dn_rejects_what_is_no_name(service: Service, bind_dn: str) -> None:
    ldap: dict[str, Any] = {"urls": ["ldaps://dc1.corp.local"], "baseDn": "DC=corp,DC=local"}
    given = {"id": "provider_2", "ldap": {**ldap, "bindDn": bind_dn, "bindPassword": "x"}}
    answer = (await service.data(UPDATE, {"input": given}))["updateIdentityProvider"]
    assert [(each["code"], each["path"]) for each in answer["errors"]] == [("INVALID", ["ldap", "bindDn"])]


async def signed_in_as(service: Service, domain: Domain, name: str) -> str | None:
    answer = await sign_in(service, name, PASSWORD)
    return answer["user"]["username"] if answer["user"] else None


async def test_people_sign_in_by_the_names_of_their_domain(service: Service) -> None:
    async with active_directory() as domain:
        await configure(service, domain)
        await sync(service)
        for name in ("jane", "jane@corp.example.com", "JANE@CORP.example.com", "CORP\\jane", "corp.example.com\\Jane"):
            assert await signed_in_as(service, domain, name) == "jane", name
        assert not any(await failures(service))
        for name in ("jane@example.org", "jane@corp", "OTHER\\jane", "CORP\\", "\\jane", "CORP\\jane\\x", "CORP\\*"):
            assert await signed_in_as(service, domain, name) is None, name
        # A local user is none of the domain's, and a wrong password counts for the one user whatever the name.
        assert await signed_in_as(service, domain, "CORP\\member") is None
        await service.write("DELETE FROM sign_in_failures")
        for name in ("jane", "CORP\\jane", "jane@corp.example.com"):
            assert await sign_in(service, name, "wrong") == REFUSED
        assert await failures(service) == [3, 3, 3]


@pytest.mark.parametrize("domain", ["corp.local", "mail.corp.LOCAL", "x.internal", "x.lan", "x.corp", "x.home.arpa"])
async def test_addresses_of_names_used_inside_are_taken(service: Service, domain: str) -> None:
    row = {"username": "inside", "email": f"Inside@{domain}", "name": "I", "role": {"name": "Normal user"}}
    given = {**row, "authentication": {"local": {"password": "a long enough secret 4711"}}}
    assert (await ask(service, "createUser", given, "errors { code path }"))["errors"] == []
    found = await service.rows("SELECT email, email_key FROM users WHERE username = 'inside'")
    assert found == [(f"Inside@{domain}", f"inside@{domain.lower()}")]


@pytest.mark.parametrize("domain", ["x.invalid", "x.onion", "x.localhost", "localhost", "local", "1.in-addr.arpa"])
async def test_addresses_that_nobody_can_have_are_refused(service: Service, domain: str) -> None:
    row = {"username": "inside", "email": f"inside@{domain}", "name": "I", "role": {"name": "Normal user"}}
    given = {**row, "authentication": {"local": {"password": "a long enough secret 4711"}}}
    answer = await ask(service, "createUser", given, "errors { code path }")
    assert answer["errors"] == [{"code": "INVALID", "path": ["email"]}]


async def test_people_whose_username_is_their_principal_name_sign_in_by_the_names_of_their_domain(
    service: Service,
) -> None:
    attributes = {"username": "userPrincipalName", "externalId": "objectGUID", "changedAt": "whenChanged"}
    async with active_directory() as domain:
        await configure(service, domain, attributes=attributes)
        await sync(service)
        for name in ("jane@corp.example.com", "CORP\\jane", "corp\\JANE", "corp.example.com\\jane"):
            assert await signed_in_as(service, domain, name) == "jane@corp.example.com", name
        for name in ("jane", "OTHER\\jane", "jane@corp"):
            assert await signed_in_as(service, domain, name) is None, name


@pytest.mark.parametrize("name", ["jane", "CORP\\jane", "jane@corp.example.com"])
async def test_trying_out_takes_the_names_that_sign_in_takes(service: Service, name: str) -> None:
    async with active_directory() as domain:
        await configure(service, domain, userFilter="(&(objectClass=user)(sAMAccountName={username}))")
        answer = await tried(service, username=name)
        assert [each["isOk"] for each in answer["steps"] if each["name"] == "user"] == [True]
        answer = await tried(service, username=name.replace("corp", "other").replace("CORP", "OTHER") + "x")
        assert [each["isOk"] for each in answer["steps"] if each["name"] == "user"] == [False]
