"""A real Active Directory domain controller (Samba): settings of the docs, limits, times, expired accounts, groups."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from resolvers.connectors import ldap
from resolvers.connectors.ldap_account_state import filetime
from resolvers.connectors.ldap_connections import session
from resolvers.connectors.ldap_session import NOTHING
from tests.crew import UPDATE, external_id, of_crew, row_of, sync, user
from tests.directories import counts, loaded
from tests.samba import DOMAIN, DOMAIN_USERS, PASSWORD, STAFF, TEAMS, Samba, dn, group, person
from tests.service import Service
from tests.signing_in import sign_in
from tests.test_probe_providers import WORKING, steps, tried

NAMES = ("ann", "bob", "cid")
SAVING: dict[str, Any] = {"absencesBefore": 1, "maxDeactivations": {"users": 3}}
PAST = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.fixture
def domain(samba: Samba) -> Iterator[Samba]:
    """Ann, Bob and Cid; Bob is in Heads, which is in Leads. All gone afterwards."""
    samba.add("".join(map(person, NAMES)))
    samba.add(group("Heads", dn("Bob")) + group("Leads", f"CN=Heads,{TEAMS}"))
    try:
        yield samba
    finally:
        for each in (STAFF, TEAMS):
            samba.clear(each)


@pytest.fixture
def resting(service: Service) -> Service:
    """Whose own worker rests: jobs are worked on when a test says so."""
    service.app.state.background._stopping.set()
    return service


async def configure(service: Service, samba: Samba, *, ceiling: int | None = 80, **more: Any) -> None:
    given = {"id": "provider_2", "ldap": samba.settings(**more), "ceilingWeight": ceiling}
    answer = await service.data(UPDATE, {"input": given})
    assert answer["updateIdentityProvider"]["errors"] == []


async def test_search_with_a_size_limit_that_the_server_ignores_is_cut_by_the_page(domain: Samba) -> None:
    async with session(domain.server()) as talk:
        found = await talk.search(DOMAIN, "(objectClass=user)", NOTHING, most=2)
        assert (len(found.entries), found.is_cut) == (2, True)
        found = await talk.search(STAFF, "(sAMAccountName=ann)", NOTHING, most=2)
        assert ([each.dn for each in found.entries], found.is_cut) == ([dn("Ann")], False)
    assert (
        await ldap.find(domain.server(user_filter="(|(sAMAccountName={username})(objectClass=user))"), username="x")
        is None
    )


async def test_provider_with_the_documented_settings_works_from_trying_out_to_sign_in(
    resting: Service, domain: Samba
) -> None:
    await configure(resting, domain, groupBaseDn=DOMAIN)
    answer = await tried(resting, username="bob")
    assert (steps(answer), answer["isOk"]) == ([*WORKING, ("user", True), ("groups", True)], True)
    told = {step["name"]: step["message"] for step in answer["steps"]}
    assert told["base"].endswith("people are found below it, by when they changed (whenChanged) too.")
    assert told["user"] == f"bob is {dn('Bob')}, with username, email, name, external id."
    assert all(each in told["groups"] for each in (f"CN=Heads,{TEAMS}", f"CN=Leads,{TEAMS}", DOMAIN_USERS))
    job = await sync(resting)
    assert (job["state"], job["error"], counts(job)) == ("DONE", None, {"create": 3})
    ann = await user(resting, "ann")
    assert (ann["loginDn"], len(await external_id(resting, "ann")), ann["state"]) == (dn("Ann"), 36, "ACTIVE")
    for name in ("bob", "bob@example.com"):
        assert (await sign_in(resting, name, PASSWORD))["user"]["id"] == (await user(resting, "bob"))["id"]
    assert (await sign_in(resting, "bob", "wrong"))["user"] is None
    assert counts(await sync(resting)) == {"unchanged": 3}


async def test_sync_reads_several_pages_of_a_domain(resting: Service, domain: Samba) -> None:
    """Samba gives as many entries a page as are asked for, and its references to other partitions beside them."""
    domain.add("".join(person(f"p{n}") for n in range(18)))
    await configure(resting, domain, baseDn=DOMAIN, pageSize=10)
    assert counts(await sync(resting)) == {"create": 21}
    assert counts(await sync(resting)) == {"unchanged": 21}


async def test_incremental_sync_reads_who_changed_and_who_has_expired_since(
    resting: Service, domain: Samba, monkeypatch: pytest.MonkeyPatch
) -> None:
    await configure(resting, domain)
    await sync(resting)
    domain.add(person("dan"))
    job = await sync(resting, isFull=False)
    assert of_crew(job)["dan"] == "CREATE"
    # Cid's account ends between two runs: nothing about the entry changes at that moment.
    end = datetime.now(UTC) + timedelta(days=2)
    domain.modify(f"dn: {dn('Cid')}\nchangetype: modify\nreplace: accountExpires\naccountExpires: {filetime(end)}\n\n")
    assert (await sync(resting, isFull=False))["state"] == "DONE"
    assert (await user(resting, "cid"))["state"] == "ACTIVE"
    options = loaded(await resting.scalar("SELECT options FROM directory_jobs ORDER BY id DESC LIMIT 1"))
    later = {**options, "watermark": f"{end - timedelta(days=1):%Y%m%d%H%M%S}.0Z"}
    await resting.write("UPDATE directory_jobs SET options = $1", json.dumps(later))
    assert (await sync(resting, isFull=False))["total"] == 0
    for module in ("connectors.ldap", "sync_directories"):
        monkeypatch.setattr(f"resolvers.{module}.now", lambda: end + timedelta(days=1))
    assert of_crew(await sync(resting, isFull=False)) == {"cid": "DEACTIVATE"}
    assert (await user(resting, "cid"))["state"] == "DEACTIVATED"


async def test_expired_and_disabled_accounts_lose_access_and_get_it_back(resting: Service, domain: Samba) -> None:
    everybody = "(&(objectCategory=person)(objectClass=user)(sAMAccountName={username}))"
    await configure(resting, domain, userFilter=everybody)
    await sync(resting)
    expired = f"replace: accountExpires\naccountExpires: {filetime(PAST)}"
    domain.modify(f"dn: {dn('Ann')}\nchangetype: modify\n{expired}\n\n")
    domain.modify(f"dn: {dn('Bob')}\nchangetype: modify\nreplace: userAccountControl\nuserAccountControl: 514\n\n")
    job = await sync(resting, **SAVING)
    assert of_crew(job) == {"ann": "DEACTIVATE", "bob": "DEACTIVATE", "cid": "UNCHANGED"}
    assert row_of(job, "ann")["changes"] == [{"field": "state", "before": "ACTIVE", "after": "DEACTIVATED"}]
    assert of_crew(await sync(resting, **SAVING)) == {"ann": "UNCHANGED", "bob": "UNCHANGED", "cid": "UNCHANGED"}
    domain.modify(f"dn: {dn('Ann')}\nchangetype: modify\nreplace: accountExpires\naccountExpires: 0\n\n")
    domain.modify(f"dn: {dn('Bob')}\nchangetype: modify\nreplace: userAccountControl\nuserAccountControl: 512\n\n")
    assert of_crew(await sync(resting)) == {"ann": "REACTIVATE", "bob": "REACTIVATE", "cid": "UNCHANGED"}


@pytest.mark.parametrize("base", [None, TEAMS])
async def test_mapped_primary_group_counts(resting: Service, domain: Samba, base: str | None) -> None:
    mappings = [{"group": "Domain Users", "groupIds": ["group_1"]}, {"group": "Heads", "role": {"name": "IT"}}]
    await configure(resting, domain, groupMappings=mappings, groupBaseDn=base)
    assert counts(await sync(resting)) == {"create": 3}
    for name, role in (("ann", "Normal user"), ("bob", "IT")):
        found = await user(resting, name)
        assert (found["groups"]["nodes"], found["role"]["name"]) == ([{"id": "group_1"}], role)
    # Another primary group: the member takes the place of Domain Users.
    domain.make_primary(dn("Bob"), f"CN=Heads,{TEAMS}")
    await sync(resting)
    assert ((await user(resting, "bob"))["role"]["name"]) == "IT"


async def test_attribute_that_was_removed_is_cleared(resting: Service, domain: Samba) -> None:
    attributes = {**domain.settings()["attributes"], "firstName": "givenName", "lastName": "sn"}
    domain.modify(
        f"dn: {dn('Ann')}\nchangetype: modify\nreplace: givenName\ngivenName: Ann\n-\nreplace: sn\nsn: Lee\n\n"
    )
    await configure(resting, domain, attributes=attributes)
    await sync(resting)
    domain.modify(f"dn: {dn('Ann')}\nchangetype: modify\ndelete: givenName\n\n")
    job = await sync(resting, isFull=False)
    assert row_of(job, "ann")["changes"] == [{"field": "firstName", "before": "Ann", "after": None}]
    names = await resting.rows(
        "SELECT first_name, first_name_key, last_name FROM users WHERE email = 'ann@example.com'"
    )
    assert [tuple(each) for each in names] == [(None, None, "Lee")]


async def test_unknown_mapped_attribute_fails_the_probe(resting: Service, domain: Samba) -> None:
    attributes = {**domain.settings()["attributes"], "externalId": "entryUUID"}
    await configure(resting, domain, attributes=attributes)
    answer = await tried(resting)
    assert (answer["isOk"], steps(answer)[-1]) == (False, ("base", False))
    assert answer["steps"][-1]["message"] == (
        "The server's schema has no attribute entryUUID. Check attributes.externalId"
        " (Active Directory: objectGUID; 389 Directory Server: nsUniqueId)."
    )


async def test_moved_entry_is_found_by_an_id_of_bytes(resting: Service, domain: Samba) -> None:
    attributes = {**domain.settings()["attributes"], "externalId": "objectSid"}
    await configure(resting, domain, attributes=attributes)
    await sync(resting)
    before = await user(resting, "ann")
    domain.modify(f"dn: {dn('Ann')}\nchangetype: modrdn\nnewrdn: CN=Anne\ndeleteoldrdn: 1\n\n")
    assert (await sign_in(resting, "ann", PASSWORD))["user"]["id"] == before["id"]
    assert (await user(resting, "ann"))["loginDn"] == dn("Anne")
    assert of_crew(await sync(resting)) == {"ann": "UPDATE", "bob": "UNCHANGED", "cid": "UNCHANGED"}  # its name


@pytest.mark.parametrize(
    "spelling", ["commonName=Ann", "OID.2.5.4.3=Ann", "CN=#0c03416e6e", 'cn = "Ann" ', r"CN=\41nn"]
)
async def test_sign_in_reaches_the_entry_by_a_spelling_that_the_server_does_not_read(
    resting: Service, domain: Samba, spelling: str
) -> None:
    await configure(resting, domain)
    await sync(resting)
    sql = "UPDATE users SET login_dn = $1 WHERE email = 'ann@example.com'"
    await resting.write(sql, f"{spelling},{STAFF}")
    assert (await sign_in(resting, "ann", PASSWORD))["errors"] == []


async def test_job_over_a_refused_service_account_says_what_to_do(resting: Service, domain: Samba) -> None:
    await configure(resting, domain, bindPassword="wrong")
    job = await sync(resting)
    assert (job["state"], job["error"]) == (
        "FAILED",
        "The directory did not answer: The server refuses the service account: its name or password is wrong."
        " Check bindDn and bindPassword. Nothing was changed.",
    )


async def test_moved_entry_is_followed_by_an_incremental_sync(resting: Service, domain: Samba) -> None:
    await configure(resting, domain)
    await sync(resting)
    before = (await user(resting, "bob"))["id"]
    domain.modify(f"dn: {dn('Bob')}\nchangetype: modrdn\nnewrdn: CN=Robert Lee\ndeleteoldrdn: 1\n\n")
    row = row_of(await sync(resting, isFull=False), "bob")
    assert (row["action"], row["user"]["id"]) == ("UPDATE", before)
    assert {"field": "loginDn", "before": dn("Bob"), "after": dn("Robert Lee")} in row["changes"]
    assert (await sign_in(resting, "bob", PASSWORD))["user"]["id"] == before
