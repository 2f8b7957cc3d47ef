"""Active Directory: its ids, its times, its disabled accounts, and what it says when it lets nobody in."""

import uuid
from collections.abc import AsyncIterator
from typing import Any

import pytest

from models.values import camel
from resolvers import ldap_settings
from resolvers.connectors import ldap
from tests.active_directory import (
    ATTRIBUTES,
    DOMAIN,
    PASSWORD,
    SERVICE_DN,
    SERVICE_PASSWORD,
    STAFF,
    USERS,
    Domain,
    active_directory,
)
from tests.crew import sync
from tests.directories import counts
from tests.hostile import BOUND, hostile, plain, refused, result, says
from tests.service import Service
from tests.signing_in import REFUSED, sign_in
from tests.signing_in import counts as failures
from tests.test_probe_providers import UPDATE, steps, tried

JANE = f"CN=Jane,{STAFF}"
ONE_BY_ONE: dict[str, Any] = {"absencesBefore": 1, "maxDeactivations": {"users": 2}}


@pytest.fixture
def service(service: Service) -> Service:
    """Whose own worker rests: jobs are worked on when a test says so."""
    service.app.state.background._stopping.set()
    return service


@pytest.fixture
async def domain() -> AsyncIterator[Domain]:
    async with active_directory() as made:
        yield made


async def configure(service: Service, domain: Domain, *, changed_at: str | None = "whenChanged", **more: Any) -> None:
    attributes = {camel(name): value for name, value in ATTRIBUTES.items()} | {"changedAt": changed_at}
    given = {"urls": [f"ldap://127.0.0.1:{domain.port}"], "isStartTls": False, "baseDn": DOMAIN, "userFilter": USERS}
    service_account = {"bindDn": SERVICE_DN, "bindPassword": SERVICE_PASSWORD}
    ldap_input = {**given, **service_account, "groupFilter": "(member={dn})", "attributes": attributes, **more}
    answer = await service.data(UPDATE, {"input": {"id": "provider_2", "ldap": ldap_input}})
    assert answer["updateIdentityProvider"]["errors"] == []


async def said(service: Service, step: str, **given: Any) -> Any:
    return next(each for each in (await tried(service, **given))["steps"] if each["name"] == step)


# --- ids ----------------------------------------------------------------------------------------------------------

GUID = "8f2d1c3e-5a7b-4c9d-8e1f-0a2b3c4d5e6f"
BYTES = bytes.fromhex("3e1c2d8f 7b5a 9d4c 8e1f 0a2b3c4d5e6f")  # as Active Directory keeps it


@pytest.mark.parametrize("attribute", ["objectGUID", "mS-DS-ConsistencyGuid"])
async def test_a_guid_is_read_as_text_and_found_by_it(domain: Domain, attribute: str) -> None:
    domain.person("olga", **{attribute: BYTES})
    server = domain.server(attributes={**ATTRIBUTES, "external_id": attribute})
    found = await ldap.find(server, username="olga")
    assert found is not None
    assert ldap_settings.as_user(server, found)["external_id"] == GUID
    for text in (GUID, GUID.upper(), f"{{{GUID}}}"):
        assert await ldap.find(server, external_id=text) == found
    for text in ("*", BYTES.hex(), str(uuid.UUID(bytes=BYTES)), "olga"):
        assert await ldap.find(server, external_id=text) is None


@pytest.mark.parametrize("raw", [bytes(16), b"*" * 16, b"(objectClass=*))", b"\\2a\\2a\\2a\\2a\\2a!", b"\xff" * 16])
async def test_no_guid_is_a_filter(domain: Domain, raw: bytes) -> None:
    domain.person("olga", objectGUID=raw)
    server = domain.server()
    found = await ldap.find(server, username="olga")
    assert found is not None
    external_id = ldap_settings.as_user(server, found)["external_id"]
    assert external_id == str(uuid.UUID(bytes_le=raw))
    again = await ldap.find(server, external_id=external_id)
    assert again is not None
    assert again.dn == found.dn


async def test_a_domain_is_kept_equal_by_its_guids(service: Service, domain: Domain) -> None:
    domain.entries[JANE]["objectGUID"] = [BYTES]
    await configure(service, domain)
    assert counts(await sync(service)) == {"create": 1}
    query = """{ usersByKeys(keys: [
      { externalIdOf: { source: "provider_2", value: "8f2d1c3e-5a7b-4c9d-8e1f-0a2b3c4d5e6f" } }]) {
      username email name firstName lastName loginDn state } }"""
    expected = {
        "username": "jane", "email": "jane@example.com", "name": "Jane Doe", "firstName": "Jane", "lastName": "Doe",
        "loginDn": JANE, "state": "ACTIVE",
    }  # fmt: skip
    assert (await service.data(query))["usersByKeys"] == [expected]
    moved = f"CN=Jane,OU=Former,{DOMAIN}"
    domain.entries[moved], domain.passwords[moved] = domain.entries.pop(JANE), domain.passwords.pop(JANE)
    domain.entries[moved]["sAMAccountName"] = [b"jane.d"]
    assert counts(await sync(service)) == {"update": 1}
    assert (await service.data(query))["usersByKeys"] == [{**expected, "username": "jane.d", "loginDn": moved}]
    assert (await sign_in(service, "jane.d", PASSWORD))["errors"] == []


async def test_pages_are_as_small_as_the_domain_wants_them(domain: Domain) -> None:
    names = {domain.entries[domain.person(f"p{number}")]["sAMAccountName"][0].decode() for number in range(9)}
    domain.max_page = 4
    found = [[entry.first("sAMAccountName") for entry in page] async for page in ldap.pages(domain.server())]
    assert [len(page) for page in found] == [4, 4, 2]
    assert {name for page in found for name in page} == {"jane", *names}


# --- disabled accounts --------------------------------------------------------------------------------------------


async def test_bits_are_asked_for_as_rfc_4511_encodes_them(domain: Domain) -> None:
    rule, bits = b"1.2.840.113556.1.4.803", b"(!(userAccountControl:1.2.840.113556.1.4.803:=2))"
    server = domain.server(user_filter=f"(&(sAMAccountName={{username}}){bits.decode()})")
    assert await ldap.find(server, username="jane") is not None
    # not [2] of extensibleMatch [9]: matchingRule [1], type [2], matchValue [3]; dnAttributes is left out, being FALSE.
    assert domain.asked[-1].condition == (
        b"\xa0\x4b"
        b"\xa3\x16\x04\x0esAMAccountName\x04\x04jane"
        b"\xa2\x31\xa9\x2f\x81\x16" + rule + b"\x82\x12userAccountControl\x83\x012"
    )


async def test_whoever_is_disabled_is_out_at_once_and_missed_by_the_next_full_run(
    service: Service, domain: Domain
) -> None:
    domain.person("bob", userAccountControl="514")
    domain.person("pc$", objectCategory=f"CN=Computer,CN=Schema,CN=Configuration,{DOMAIN}")
    olga = domain.person("olga", userAccountControl="66048")
    await configure(service, domain)
    assert counts(await sync(service)) == {"create": 2}
    assert (await sign_in(service, "olga", PASSWORD))["errors"] == []
    domain.entries[olga]["userAccountControl"] = [b"66050"]
    assert await sign_in(service, "olga", PASSWORD) == REFUSED
    assert counts(await sync(service, **ONE_BY_ONE)) == {"unchanged": 1, "deactivate": 1}
    domain.entries[olga]["userAccountControl"] = [b"66048"]
    assert counts(await sync(service)) == {"unchanged": 1, "reactivate": 1}
    assert (await sign_in(service, "olga", PASSWORD))["errors"] == []


# --- what changed -------------------------------------------------------------------------------------------------


async def test_what_changed_is_read_by_when_changed(service: Service, domain: Domain) -> None:
    domain.person("olga", whenChanged="20251231120000.0Z")
    await configure(service, domain)
    assert (await sync(service, isFull=False))["total"] == 2, "nothing is known yet, so everything is read"
    asked = len(domain.asked)
    domain.entries[JANE] |= {"cn": [b"Jane D."], "whenChanged": [b"20260102120000.0Z"]}
    job = await sync(service, isFull=False)
    assert (job["total"], counts(job)) == (1, {"update": 1})
    *_, told, read = domain.asked[asked:]
    assert b"\x04\x0bwhenChanged\x04\x1119700101000000.0Z" in told.condition
    assert b"\x04\x0bwhenChanged\x04\x11202601011159" in read.condition, "a little before the last one"
    assert (await sync(service, isFull=False))["total"] == 1
    assert (await sync(service))["total"] == 2


@pytest.mark.parametrize("changed_at", [None, "modifyTimeStamp", "whenCreated"])
async def test_a_time_that_is_not_searched_by_leads_to_whole_readings(
    service: Service, domain: Domain, changed_at: str | None
) -> None:
    """Shown, but constructed, so that a search by it is refused; or shown by nobody."""
    domain.person("olga")
    await configure(service, domain, changed_at=changed_at)
    assert (await sync(service))["total"] == 2
    domain.entries[JANE] |= {"cn": [b"Jane D."], "whenChanged": [b"20260102120000.0Z"]}
    job = await sync(service, isFull=False)
    assert (job["state"], job["total"], counts(job)) == ("DONE", 2, {"update": 1, "unchanged": 1})
    assert "but not by" in (await said(service, "base"))["message"]


async def test_a_time_that_finds_nobody_leads_to_whole_readings_too(
    service: Service, domain: Domain, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Searched by without a refusal, but undefined for every entry."""
    monkeypatch.setattr("tests.active_directory.CONSTRUCTED", set())
    matches = domain._matches

    def undefined(entry: Any, tag: int, content: bytes) -> bool | None:
        return None if b"modifyTimestamp" in content and tag == 0xA5 else matches(entry, tag, content)

    monkeypatch.setattr(domain, "_matches", undefined)
    await configure(service, domain, changed_at=None)
    assert (await sync(service))["total"] == 1
    assert (await sync(service, isFull=False))["total"] == 1


async def test_trying_out_says_whether_changes_are_found(service: Service, domain: Domain) -> None:
    await configure(service, domain)
    answer = await tried(service, username="jane@corp.example.com")
    assert answer["isOk"] is True
    told = {step["name"]: step["message"] for step in answer["steps"]}
    assert told["base"].endswith("people are found below it, by when they changed (whenChanged) too.")
    fields = "with username, email, name, first name, last name, external id."
    assert told["user"] == f"jane@corp.example.com is {JANE}, {fields}"
    assert told["groups"] == f"{JANE} is in CN=Engineers,OU=Groups,{DOMAIN}."


# --- refused binds ------------------------------------------------------------------------------------------------

REASONS = {
    "52e": "its name or password is wrong. Check bindDn and bindPassword.",
    "530": "it may not sign in at this time. Change its logon hours there.",
    "532": "its password has expired. Set a new one there, and send it as bindPassword.",
    "533": "it is disabled. Enable it there.",
    "701": "it has expired. Extend it there.",
    "773": "its password has to be changed first. Set a new one there, and send it as bindPassword.",
    "775": "it is locked after too many wrong passwords. Unlock it there, and check bindPassword.",
    "FFF": "its name or password is wrong. Check bindDn and bindPassword.",
}


@pytest.mark.parametrize("data", REASONS)
async def test_administrators_are_told_why_the_service_account_is_refused(
    service: Service, domain: Domain, caplog: pytest.LogCaptureFixture, data: str
) -> None:
    await configure(service, domain)
    await sync(service)
    domain.refusals[SERVICE_DN] = data
    answer = await tried(service)
    assert steps(answer)[-1] == ("bind", False)
    assert answer["steps"][-1]["message"] == f"The server refuses the service account: {REASONS[data]}"
    assert await sign_in(service, "jane", PASSWORD) == REFUSED
    assert set(await failures(service)) == {0}, "nobody's fault"
    job = await sync(service)
    assert (job["state"], REASONS[data].split(".")[0] in job["error"]) == ("FAILED", True)
    for told in (str(answer), job["error"], caplog.text):
        assert not any(part in told for part in (SERVICE_PASSWORD, PASSWORD, "AcceptSecurityContext", "DSID"))


@pytest.mark.parametrize("data", REASONS)
async def test_who_signs_in_is_told_the_same_whatever_is_wrong(
    service: Service, domain: Domain, caplog: pytest.LogCaptureFixture, data: str
) -> None:
    await configure(service, domain)
    await sync(service)
    domain.refusals[JANE] = data
    assert await sign_in(service, "jane", PASSWORD) == REFUSED
    assert set(await failures(service)) == {1}, "it counts like a wrong password"
    assert not any(part in caplog.text for part in (PASSWORD, "AcceptSecurityContext", "locked", "expired"))


@pytest.mark.parametrize("code", [8, 13])
async def test_a_domain_that_takes_passwords_encrypted_only_says_so(code: int) -> None:
    async with hostile(says(result(BOUND, code))) as port:
        raised = await refused(plain(port))
    assert (raised.step, raised.hint) == ("bind", "Use ldaps://, or ldap:// with StartTLS.")
