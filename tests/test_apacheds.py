"""ApacheDS as it is: new entries without modifyTimestamp, its own forms of times and ids, aliases of attributes."""

import json
from collections.abc import Iterator
from typing import Any

import pytest

from tests.apacheds import BASE, PASSWORD, ApacheDs, dn, person
from tests.crew import UPDATE, of_crew, row_of, sync, user
from tests.directories import counts, loaded
from tests.service import Service
from tests.signing_in import sign_in
from tests.slapd import record
from tests.test_probe_providers import WORKING, steps, tried

NAMES = ("ann", "bob", "cid")
ALIASES = {
    "email": "rfc822Mailbox",
    "firstName": "gn",
    "lastName": "surname",
    "username": "userid",
    "name": "commonName",
}


@pytest.fixture
def directory(apacheds: ApacheDs) -> Iterator[ApacheDs]:
    """Ann, Bob and Cid; gone afterwards, with whoever came."""
    apacheds.add("".join(person(name, givenName=name.capitalize()) for name in NAMES))
    yield apacheds
    apacheds.clear(apacheds.people)


async def configure(service: Service, directory: ApacheDs, **more: Any) -> None:
    service.app.state.background._stopping.set()  # jobs are worked on when a test says so
    answer = await service.data(UPDATE, {"input": {"id": "provider_2", "ldap": directory.settings(**more)}})
    assert answer["updateIdentityProvider"]["errors"] == []


async def change_watermark(service: Service, time: str) -> None:
    """As if the last run had seen changes up to this time."""
    options = loaded(await service.scalar("SELECT options FROM directory_jobs ORDER BY id DESC LIMIT 1"))
    await service.write("UPDATE directory_jobs SET options = $1", json.dumps({**options, "watermark": time}))


async def test_new_entry_without_modify_timestamp_is_read_by_an_incremental_sync(
    service: Service, directory: ApacheDs
) -> None:
    await configure(service, directory)
    answer = await tried(service, username="ann")
    assert (answer["isOk"], steps(answer)) == (True, [*WORKING, ("user", True), ("groups", True)])
    assert "by when they changed (modifyTimestamp) too" in answer["steps"][5]["message"]
    assert counts(await sync(service)) == {"create": 3}
    assert (await sign_in(service, "ann", PASSWORD))["user"]["id"] == (await user(service, "ann"))["id"]
    await change_watermark(service, "30000101000000.0Z")
    assert (await sync(service, isFull=False))["total"] == 0
    await change_watermark(service, "20000101000000.0Z")
    directory.add(person("dan"))
    job = await sync(service, isFull=False)
    assert of_crew(job) == {"ann": "UNCHANGED", "bob": "UNCHANGED", "cid": "UNCHANGED", "dan": "CREATE"}


async def test_attributes_mapped_by_their_aliases_are_read(service: Service, directory: ApacheDs) -> None:
    await configure(service, directory, attributes=ALIASES)
    answer = await tried(service, username="bob")
    assert (answer["isOk"], steps(answer)[-1]) == (True, ("groups", True))
    said = "with username, email, name, first name, last name, external id."
    assert answer["steps"][-2]["message"] == f"bob is {dn('bob')}, {said}"
    assert counts(await sync(service)) == {"create": 3}
    sql = "SELECT username, name, first_name, last_name FROM users WHERE email = 'bob@example.com'"
    assert [tuple(each) for each in await service.rows(sql)] == [("bob", "Bob", "Bob", "Bob")]
    directory.modify(f"dn: {dn('bob')}\nchangetype: modify\ndelete: givenName\n\n")
    changes = row_of(await sync(service, isFull=False), "bob")["changes"]
    assert changes == [{"field": "firstName", "before": "Bob", "after": None}]


async def test_locked_account_is_deactivated(service: Service, directory: ApacheDs) -> None:
    """By the password policy: locked until an administrator unlocks it."""
    await configure(service, directory)
    await sync(service)
    directory.add(person("eve", pwdAccountLockedTime="000001010000Z"))
    assert of_crew(await sync(service))["eve"] == "CREATE"
    assert (await user(service, "eve"))["state"] == "DEACTIVATED"


async def test_renamed_entry_is_followed_by_an_incremental_sync(service: Service, directory: ApacheDs) -> None:
    await configure(service, directory)
    await sync(service)
    before = (await user(service, "bob"))["id"]
    directory.modify(f"dn: {dn('bob')}\nchangetype: modrdn\nnewrdn: uid=bert\ndeleteoldrdn: 1\n\n")
    row = row_of(await sync(service, isFull=False), "bob")
    assert (row["action"], row["user"]["id"]) == ("UPDATE", before)
    assert {"field": "loginDn", "before": dn("bob"), "after": dn("bert")} in row["changes"]
    assert (await user(service, "bob"))["loginDn"] == dn("bert")
    assert (await sign_in(service, "bob@example.com", PASSWORD))["user"]["id"] == before


async def test_groups_and_pages_are_read_whole(service: Service, directory: ApacheDs) -> None:
    """More people than a page has, in a group that is in another group."""
    others = [f"p{n}" for n in range(18)]
    directory.add("".join(map(person, others)))
    members = [dn(each) for each in (*NAMES, *others)]
    inner, outer = (f"cn={name},{BASE}" for name in ("inner", "outer"))
    directory.add(record(inner, objectClass="groupOfNames", cn="inner", member=members))
    directory.add(record(outer, objectClass="groupOfUniqueNames", cn="outer", uniqueMember=[inner]))
    try:
        mappings = [{"group": "outer", "groupIds": ["group_1"]}]
        await configure(service, directory, pageSize=10, groupBaseDn=BASE, groupMappings=mappings)
        assert counts(await sync(service)) == {"create": 21}
        sql = "SELECT COUNT(*) FROM group_members m JOIN users u ON u.id = m.user_id WHERE u.ldap_provider_id = 2"
        assert await service.scalar(sql + " AND m.group_id = 1 AND u.email LIKE 'p%@example.com'") == 18
        answer = await tried(service, username="ann")
        assert all(each in answer["steps"][-1]["message"] for each in (inner, outer))
    finally:
        directory.delete(inner, outer)
