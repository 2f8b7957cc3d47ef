"""A renamed branch: whoever is below it signs in by the entry's own id, and nobody else by the DN that was theirs."""

import logging
from typing import Any

import pytest

from resolvers.connectors import ldap
from tests.active_directory import DOMAIN, PASSWORD, active_directory
from tests.crew import CREW, configure, sync, user
from tests.directories import counts
from tests.service import Service
from tests.signing_in import REFUSED, sign_in
from tests.signing_in import counts as failures
from tests.slapd import PASSWORD as IN_DIRECTORY
from tests.slapd import Slapd, person, record

BEFORE, AFTER = f"uid=dee,ou=one,{CREW}", f"uid=dee,ou=two,{CREW}"
UNIT = {"objectClass": "organizationalUnit"}
KEPT = "SELECT login_dn, login_dn_key, version FROM users WHERE email = 'dee@example.com'"


@pytest.fixture
def branch(crew: Slapd) -> Slapd:
    """Dee works in the branch `one`."""
    crew.add(record(f"ou=one,{CREW}", **UNIT, ou="one") + person(BEFORE, "dee", "Dee", mail="dee@example.com"))
    return crew


def rename(crew: Slapd) -> None:
    crew.modify(f"dn: ou=one,{CREW}\nchangetype: modrdn\nnewrdn: ou=two\ndeleteoldrdn: 1\n\n")


async def changes(service: Service) -> list[Any]:
    """What was recorded of changes to users."""
    sql = "SELECT subject_id, actor_id, changes FROM audit_events WHERE action = 'UPDATED' AND subject_type = 'user'"
    return [[row[0], row[1], str(row[2])] for row in await service.rows(sql)]


async def test_sign_in_after_a_branch_was_renamed_finds_the_entry_by_its_id_and_stores_the_dn(
    service: Service, branch: Slapd, caplog: pytest.LogCaptureFixture
) -> None:
    await configure(service, branch)
    await sync(service)
    number = int((await user(service, "dee"))["id"].removeprefix("user_"))
    version = (await service.rows(KEPT))[0][2]
    rename(branch)
    assert await sign_in(service, "dee", "wrong") == REFUSED
    assert await service.rows(KEPT) == [(BEFORE, BEFORE, version)]
    await service.write("DELETE FROM sign_in_failures")
    with caplog.at_level(logging.WARNING, "usergraph.sign_in"):
        assert (await sign_in(service, "dee", IN_DIRECTORY))["errors"] == []
    assert not any(await failures(service))
    assert await service.rows(KEPT) == [(AFTER, AFTER, version + 1)]
    assert [r.getMessage().split(":")[0] for r in caplog.records] == [
        f"the entry of user_{number} has another DN than before at provider_2"
    ]
    (recorded,) = await changes(service)
    assert (recorded[:2], BEFORE in recorded[2], AFTER in recorded[2]) == ([number, None], True, True)
    # From now on it is as before: nothing to say, nothing to change, and the sync agrees.
    caplog.clear()
    assert (await sign_in(service, "dee", IN_DIRECTORY))["errors"] == []
    assert ([r.getMessage() for r in caplog.records], len(await changes(service))) == ([], 1)
    assert counts(await sync(service)) == {"unchanged": 4}


async def test_who_gets_the_dn_of_a_renamed_branch_gets_no_account_and_its_owner_keeps_theirs(
    service: Service, branch: Slapd
) -> None:
    await configure(service, branch)
    await sync(service)
    rename(branch)
    other = person(BEFORE, "dee", "Other", mail="other@example.com", userPassword="another password 4711")
    branch.add(record(f"ou=one,{CREW}", **UNIT, ou="one") + other)
    assert await sign_in(service, "dee", "another password 4711") == REFUSED
    assert await failures(service) == [1, 1, 1]
    assert [row[0] for row in await service.rows(KEPT)] == [BEFORE]
    assert (await sign_in(service, "dee", IN_DIRECTORY))["errors"] == []
    assert [row[0] for row in await service.rows(KEPT)] == [AFTER]


async def test_an_entry_that_is_gone_or_was_never_known_by_its_id_lets_nobody_in(
    service: Service, branch: Slapd
) -> None:
    await configure(service, branch)
    await sync(service)
    rename(branch)
    await service.write("UPDATE users SET entry_id = NULL WHERE email = 'dee@example.com'")
    assert await sign_in(service, "dee", IN_DIRECTORY) == REFUSED
    branch.delete(AFTER)
    await service.write("UPDATE users SET entry_id = 'entryuuid:*' WHERE email = 'dee@example.com'")
    assert await sign_in(service, "dee", IN_DIRECTORY) == REFUSED
    assert [row[0] for row in await service.rows(KEPT)] == [BEFORE]


async def test_a_dn_that_another_user_still_has_is_not_taken_from_them(
    service: Service, branch: Slapd, caplog: pytest.LogCaptureFixture
) -> None:
    await configure(service, branch)
    await sync(service)
    rename(branch)
    await service.write("UPDATE users SET login_dn = $1, login_dn_key = $1 WHERE email = 'ann@example.com'", AFTER)
    with caplog.at_level(logging.WARNING, "usergraph.sign_in"):
        assert (await sign_in(service, "dee", IN_DIRECTORY))["errors"] == []
    assert [row[0] for row in await service.rows(KEPT)] == [BEFORE]
    assert "still has it until the next sync" in caplog.text


@pytest.mark.parametrize("is_open", [True, False])
async def test_without_a_service_account_the_entry_is_found_where_strangers_may_search(is_open: bool) -> None:
    async with active_directory(is_open=is_open) as domain:
        dn = domain.person("dee", below=f"OU=One,{DOMAIN}")
        server = domain.server(bind_dn=None)
        known = await ldap.authenticate(server, login_dn=dn, username="", password=PASSWORD)
        assert known is not None
        moved = f"CN=Dee,OU=Two,{DOMAIN}"
        domain.entries[moved], domain.passwords[moved] = domain.entries.pop(dn), domain.passwords.pop(dn)
        asked = {"login_dn": dn, "username": "", "external_id": known.first("objectGUID")}
        found = await ldap.authenticate(server, password=PASSWORD, **asked)
        assert (found.dn if found else None) == (moved if is_open else None)
        assert await ldap.authenticate(server, password="wrong", **asked) is None
