"""389 Directory Server as it is: nsUniqueId, names answered as they were asked for, tagged values, locked accounts."""

from collections.abc import Iterator
from typing import Any

import pytest

from tests.crew import UPDATE, external_id, of_crew, row_of, sync, user
from tests.directories import counts
from tests.directory_server_389 import BASE, PASSWORD, DirectoryServer389, dn, person
from tests.service import Service
from tests.signing_in import sign_in
from tests.slapd import record
from tests.test_probe_providers import WORKING, steps, tried

NAMES = ("ann", "bob", "cid")
SAVING: dict[str, Any] = {"absencesBefore": 1, "maxDeactivations": {"users": 2}}


@pytest.fixture
def directory(server_389: DirectoryServer389) -> Iterator[DirectoryServer389]:
    """Ann, Bob and Cid; gone afterwards, with whoever came."""
    server_389.add("".join(map(person, NAMES)))
    yield server_389
    server_389.clear(server_389.people)


async def configure(service: Service, directory: DirectoryServer389, **more: Any) -> None:
    service.app.state.background._stopping.set()  # jobs are worked on when a test says so
    answer = await service.data(UPDATE, {"input": {"id": "provider_2", "ldap": directory.settings(**more)}})
    assert answer["updateIdentityProvider"]["errors"] == []


async def test_provider_works_from_trying_out_to_sign_in(service: Service, directory: DirectoryServer389) -> None:
    await configure(service, directory)
    answer = await tried(service, username="ann")
    assert (answer["isOk"], steps(answer)) == (True, [*WORKING, ("user", True), ("groups", True)])
    assert counts(await sync(service)) == {"create": 3}
    ann = await user(service, "ann")
    assert (ann["loginDn"], len(await external_id(service, "ann"))) == (dn("ann"), 35)
    assert (await sign_in(service, "ann", PASSWORD))["user"]["id"] == ann["id"]
    assert (await sign_in(service, "ann", "wrong"))["user"] is None


async def test_default_external_id_that_entries_lack_fails_the_probe(
    service: Service, directory: DirectoryServer389
) -> None:
    await configure(service, directory, attributes=None)
    answer = await tried(service)
    assert (answer["isOk"], steps(answer)[-1]) == (False, ("base", False))
    assert answer["steps"][-1]["message"].startswith(
        "Nobody below ou=people,dc=example,dc=com shows the attribute entryUUID."
    )
    answer = await tried(service, username="ann")
    assert (answer["isOk"], steps(answer)[-1]) == (False, ("user", False))
    assert answer["steps"][-1]["message"] == (
        f"{dn('ann')} has no external id. Check attributes.externalId (entryUUID) (Active Directory: objectGUID;"
        " 389 Directory Server: nsUniqueId), and what the service account may read; or leave such entries out by"
        " userFilter."
    )


@pytest.mark.parametrize("name", ["cn", "commonName", "2.5.4.3"])
async def test_value_without_a_language_comes_first_by_whatever_name_it_was_asked(
    service: Service, directory: DirectoryServer389, name: str
) -> None:
    change = "replace: cn;lang-ja\ncn;lang-ja: Benu\n-\nreplace: cn;lang-de\ncn;lang-de: Benno\n-\nreplace: cn\ncn: Ben"
    directory.modify(f"dn: {dn('bob')}\nchangetype: modify\n{change}\n\n")
    await configure(service, directory, attributes={"externalId": "nsUniqueId", "name": name})
    assert counts(await sync(service)) == {"create": 3}
    assert (await user(service, "bob"))["name"] == "Ben"
    await service.write("UPDATE users SET name = 'Benno', name_key = 'benno' WHERE email = 'bob@example.com'")
    changes = row_of(await sync(service), "bob")["changes"]
    assert changes == [{"field": "name", "before": "Benno", "after": "Ben"}]


async def test_locked_account_loses_access_and_gets_it_back(service: Service, directory: DirectoryServer389) -> None:
    await configure(service, directory)
    await sync(service)
    directory.modify(f"dn: {dn('cid')}\nchangetype: modify\nadd: nsAccountLock\nnsAccountLock: true\n\n")
    job = await sync(service, isFull=False)
    assert of_crew(job)["cid"] == "DEACTIVATE"
    assert row_of(job, "cid")["changes"] == [{"field": "state", "before": "ACTIVE", "after": "DEACTIVATED"}]
    directory.modify(f"dn: {dn('cid')}\nchangetype: modify\ndelete: nsAccountLock\n\n")
    assert of_crew(await sync(service, isFull=False))["cid"] == "REACTIVATE"


async def test_state_that_cannot_be_read_refuses_the_row(service: Service, directory: DirectoryServer389) -> None:
    await configure(service, directory)
    await sync(service)
    directory.modify(f"dn: {dn('cid')}\nchangetype: modify\nadd: nsAccountLock\nnsAccountLock: perhaps\n\n")
    row = row_of(await sync(service, **SAVING), "cid")
    assert (row["action"], [each["code"] for each in row["errors"]]) == ("FAILED", ["INVALID"])
    assert row["errors"][0]["message"] == (
        "The value of nsAccountLock cannot be read, so nobody knows whether the account is enabled. Correct it there."
    )
    assert (await user(service, "cid"))["state"] == "ACTIVE", "neither deactivated nor absent"


async def test_stored_address_stays_while_it_is_among_several(service: Service, directory: DirectoryServer389) -> None:
    await configure(service, directory)
    await sync(service)

    def mail(*addresses: str) -> None:
        lines = "".join(f"mail: {each}\n" for each in addresses)
        directory.modify(f"dn: {dn('ann')}\nchangetype: modify\nreplace: mail\n{lines}\n")

    mail("ann.lee@example.com", "ann@example.com")
    assert row_of(await sync(service), "ann.lee")["action"] == "UNCHANGED"
    mail("ann.lee@example.com", "a.lee@example.com")
    changes = row_of(await sync(service), "ann.lee")["changes"]
    assert changes == [{"field": "email", "before": "ann@example.com", "after": "ann.lee@example.com"}]


async def test_renamed_entry_is_followed_by_an_incremental_sync(
    service: Service, directory: DirectoryServer389
) -> None:
    await configure(service, directory)
    await sync(service)
    before = (await user(service, "bob"))["id"]
    directory.modify(f"dn: {dn('bob')}\nchangetype: modrdn\nnewrdn: uid=bert\ndeleteoldrdn: 1\n\n")
    row = row_of(await sync(service, isFull=False), "bob")
    assert (row["action"], row["user"]["id"]) == ("UPDATE", before)
    assert {"field": "loginDn", "before": dn("bob"), "after": dn("bert")} in row["changes"]
    assert (await user(service, "bob"))["loginDn"] == dn("bert")
    assert (await sign_in(service, "bob@example.com", PASSWORD))["user"]["id"] == before


async def test_groups_and_pages_are_read_whole(service: Service, directory: DirectoryServer389) -> None:
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
