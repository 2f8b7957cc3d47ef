"""An LDAP directory kept equal, against a real server: who comes, changes, moves, goes, and what it may not do."""

import json
from typing import Any

import pytest

from tests.crew import CREW, NAMES, SAVING, TEAMS, UPDATE, configure, dn, external_id, lead, of_crew, sync, user
from tests.directories import SYNC, counts, loaded, trail
from tests.service import Service, codes
from tests.slapd import BASE, NARROW, Slapd, crowd, person


async def test_a_directory_is_taken_in_and_then_there_is_nothing_to_do(service: Service, crew: Slapd) -> None:
    await configure(service, crew)
    planned = await sync(service, dryRun=True)
    assert (planned["state"], counts(planned)) == ("DONE", {"create": 3})
    assert await user(service, "ann") is None
    job = await sync(service)
    assert (job["kind"], job["source"], job["error"], counts(job)) == ("SYNC", "provider_2", None, {"create": 3})
    bob = await user(service, "bob")
    assert (bob["name"], bob["state"], bob["role"]["name"], bob["loginDn"]) == ("Bob", "ACTIVE", "IT", dn("bob"))
    assert (bob["identityProvider"]["id"], bob["groups"]["nodes"]) == ("provider_2", [{"id": "group_2"}])
    assert len(await external_id(service, "bob")) == 36
    assert (await user(service, "ann"))["role"]["name"] == "Normal user"
    assert [each[0] for each in await trail(service, job["id"])] == ["CREATED"] * 3
    assert counts(await sync(service)) == {"unchanged": 3}


async def test_changes_moves_and_lost_groups_are_followed(service: Service, crew: Slapd) -> None:
    await configure(service, crew)
    await sync(service)
    crew.modify(f"dn: {dn('ann')}\nchangetype: modify\nreplace: cn\ncn: Anna\n\n")
    crew.modify(f"dn: {dn('cid')}\nchangetype: modrdn\nnewrdn: uid=cyd\ndeleteoldrdn: 1\n\n")
    crew.modify(f"dn: cn=heads,{TEAMS}\nchangetype: modify\nreplace: member\nmember: {dn('ann')}\n\n")
    ids = {name: (await user(service, name))["id"] for name in NAMES}
    job = await sync(service)
    found = {each["label"].split("@")[0]: each for each in job["rows"]["nodes"]}
    assert {each["action"] for each in found.values()} == {"UPDATE"}
    assert {each["label"].split("@")[0]: each["user"]["id"] for each in job["rows"]["nodes"]} == ids
    assert {"field": "name", "before": "Ann", "after": "Anna"} in found["ann"]["changes"]
    assert {"field": "role", "before": "IT", "after": "Normal user"} in found["bob"]["changes"]
    assert {"field": "loginDn", "before": dn("cid"), "after": dn("cyd")} in found["cid"]["changes"]
    assert (await user(service, "cid"))["loginDn"] == dn("cyd")
    assert (await user(service, "ann"))["role"]["name"] == "IT"


async def test_who_is_gone_is_missed_and_who_returns_is_let_in_again(service: Service, crew: Slapd) -> None:
    await configure(service, crew)
    await sync(service)
    crew.modify(f"dn: {dn('cid')}\nchangetype: modrdn\nnewrdn: uid=cid\ndeleteoldrdn: 1\nnewsuperior: {TEAMS}\n\n")
    assert of_crew(await sync(service))["cid"] == "ABSENT"
    assert of_crew(await sync(service))["cid"] == "DEACTIVATE"
    assert (await user(service, "cid"))["state"] == "DEACTIVATED"
    crew.modify(f"dn: uid=cid,{TEAMS}\nchangetype: modrdn\nnewrdn: uid=cid\ndeleteoldrdn: 1\nnewsuperior: {CREW}\n\n")
    assert of_crew(await sync(service))["cid"] == "REACTIVATE"
    assert (await user(service, "cid"))["state"] == "ACTIVE"


async def test_a_role_above_the_ceiling_is_never_given(service: Service, crew: Slapd) -> None:
    await configure(service, crew)
    await service.write("UPDATE roles SET weight = 90 WHERE name = 'IT'")
    await sync(service)
    assert (await user(service, "bob"))["role"]["name"] == "Normal user"
    await service.write("UPDATE users SET role_id = 1 WHERE email = 'bob@example.com'")
    crew.delete(dn("bob"))
    job = await sync(service, **SAVING)
    assert [codes(each["errors"]) for each in job["rows"]["nodes"]] == [[], [], ["ROLE_ABOVE_CEILING"]]
    assert (await user(service, "bob"))["state"] == "ACTIVE"


async def test_nobody_starts_what_gives_more_than_they_have(service: Service, crew: Slapd) -> None:
    await configure(service, crew)
    await service.write("UPDATE roles SET weight = 70 WHERE name = 'IT'")
    await service.write("UPDATE users SET role_id = (SELECT id FROM roles WHERE name = 'Project manager') WHERE id = 2")
    await service.write("""UPDATE roles SET rights = '["CREATE_USERS", "UPDATE_USERS", "DEACTIVATE_USERS",
      "READ_USERS", "LIST_USERS", "USE_SELF_SERVICE", "READ_DIRECTORY"]' WHERE name = 'Project manager'""")
    job = await sync(service, who="it")
    assert {each["label"].split("@")[0]: codes(each["errors"]) for each in job["rows"]["nodes"]} == {
        "ann": [],
        "bob": ["ROLE_TOO_HEAVY"],
        "cid": [],
    }
    assert await user(service, "bob") is None


async def test_nobody_is_linked_by_their_address_alone(service: Service, crew: Slapd) -> None:
    await configure(service, crew)
    await service.write("UPDATE users SET email = 'ann@example.com', email_key = 'ann@example.com' WHERE id = 1")
    before = await user(service, "ann")
    job = await sync(service)
    assert of_crew(job) == {"ann": "FAILED", "bob": "CREATE", "cid": "CREATE"}
    assert {each["code"] for each in job["rows"]["nodes"][0]["errors"]} == {"TAKEN"}
    assert await user(service, "ann") == before
    assert before["identityProvider"]["id"] == "provider_1"


async def test_who_signs_in_by_saml_goes_on_doing_so(service: Service, crew: Slapd) -> None:
    """D5: provisioned here, authenticated there; and whom a person converted away is not this directory's any more."""
    await configure(service, crew)
    await sync(service)
    ann, bob = (await user(service, "ann"))["id"], (await user(service, "bob"))["id"]
    by = {"serverNumber": 1, "loginDn": dn("ann")}
    await service.write("UPDATE users SET provider_id = 4 WHERE email = 'ann@example.com'")
    await service.write(
        "UPDATE users SET provider_id = 1, ldap_provider_id = NULL, login_dn = NULL, login_dn_key = NULL"
        " WHERE email = 'bob@example.com'"
    )
    assert by["loginDn"] == (await user(service, "ann"))["loginDn"]
    crew.modify(f"dn: {dn('ann')}\nchangetype: modrdn\nnewrdn: uid=anna\ndeleteoldrdn: 1\n\n")
    job = await sync(service)
    assert of_crew(job) == {"ann": "UPDATE", "bob": "FAILED", "cid": "UNCHANGED"}
    assert [each["code"] for each in job["rows"]["nodes"][1]["errors"]] == ["WRONG_STATE"]
    found = await user(service, "ann")
    assert (found["id"], found["identityProvider"]["id"], found["loginDn"]) == (ann, "provider_4", dn("anna"))
    crew.delete(dn("bob"))
    assert "bob" not in of_crew(await sync(service, **SAVING))
    assert ((await user(service, "bob"))["id"], (await user(service, "bob"))["state"]) == (bob, "ACTIVE")


async def test_an_incremental_run_reads_what_changed_and_misses_nobody(service: Service, crew: Slapd) -> None:
    await configure(service, crew)
    first = await sync(service, isFull=False)
    assert counts(first) == {"create": 3}, "nothing is known yet, so everything is read"
    # As if it had been a while ago: times of LDAP are in whole seconds.
    later = "30000101000000Z"
    await service.write("UPDATE directory_jobs SET options = $1", _with(await _options(service), watermark=later))
    crew.delete(dn("cid"))
    job = await sync(service, isFull=False, **SAVING)
    assert (job["state"], job["total"], counts(job)) == ("DONE", 0, {})
    assert (await user(service, "cid"))["state"] == "ACTIVE"
    await service.write(
        "UPDATE directory_jobs SET options = $1", _with(await _options(service), watermark="20000101000000Z")
    )
    assert counts(await sync(service, isFull=False)) == {"unchanged": 2}
    await configure(service, crew, pageSize=20)
    assert counts(await sync(service, isFull=False)) == {"unchanged": 2}, "new settings: read anew, and nobody missed"


async def _options(service: Service) -> Any:
    return loaded(await service.scalar("SELECT options FROM directory_jobs ORDER BY id DESC LIMIT 1"))


def _with(options: Any, **more: Any) -> str:
    return json.dumps({**options, **more})


async def test_a_server_that_does_not_answer_changes_nothing(service: Service, crew: Slapd) -> None:
    await configure(service, crew)
    await sync(service)
    await configure(service, crew, urls=["ldaps://127.0.0.1:1"])
    job = await sync(service)
    assert (job["state"], job["error"].split(":")[0]) == ("FAILED", "The directory did not answer")
    assert counts(job) == {}


async def test_a_list_that_breaks_off_is_refused(service: Service, crew: Slapd) -> None:
    """The server lets this account read 500 entries, and stops in the middle of the pages."""
    crew.add(crowd(600, CREW))
    await configure(service, crew, pageSize=100)
    assert counts(await sync(service, maxDeactivations={"users": 0})) == {"create": 603}
    await configure(service, crew, pageSize=100, bindDn=NARROW)
    job = await sync(service, **SAVING)
    assert job["state"] == "REFUSED"
    assert "stopped answering after 500 entries" in job["error"]
    assert await service.scalar("SELECT COUNT(*) FROM users WHERE state = 'DEACTIVATED'") == 0
    assert await service.scalar("SELECT COUNT(*) FROM directory_entries WHERE absences > 0") == 0
    await configure(service, crew, pageSize=100)
    assert counts(await sync(service)) == {"unchanged": 603}


@pytest.mark.parametrize(
    ("given", "code"),
    [
        ({"provider": "provider_1"}, "INVALID"),
        ({"provider": "provider_3"}, "PROVIDER_DISABLED"),
        ({"provider": "provider_99"}, "NOT_FOUND"),
    ],
)
async def test_providers_that_cannot_be_read(service: Service, given: Any, code: str) -> None:
    answer = (await service.data(SYNC, {"input": given}))["syncDirectory"]
    assert (answer["job"], codes(answer["errors"])) == (None, [code])


async def test_a_provider_without_settings_fails_and_says_so(service: Service) -> None:
    job = await sync(service)
    assert (job["state"], "configured" in job["error"]) == ("FAILED", True)


@pytest.mark.parametrize("is_full", [True, False])
async def test_base_of_people_that_is_gone_fails_the_run_and_says_so(
    service: Service, crew: Slapd, is_full: bool
) -> None:
    await configure(service, crew)
    await sync(service)
    answer = await service.data(UPDATE, {"input": {"id": "provider_2", "ldap": {"baseDn": f"ou=gone,{BASE}"}}})
    assert answer["updateIdentityProvider"]["errors"] == []
    job = await sync(service, isFull=is_full, **SAVING)
    assert (job["state"], job["error"]) == (
        "FAILED",
        f"The directory did not answer: ou=gone,{BASE} is not there, or may not be read."
        " Check baseDn and the service account. Nothing was changed.",
    )


async def test_user_whose_entry_has_lost_its_address_keeps_theirs_and_follows_the_rest(
    service: Service, crew: Slapd
) -> None:
    """Who leaves often loses the mailbox first: the end of the account must not be missed for that."""
    await configure(service, crew)
    await sync(service)
    before = await user(service, "bob")
    lead(crew, "heads", "ann")
    crew.modify(f"dn: {dn('bob')}\nchangetype: modify\ndelete: mail\n-\nreplace: sn\nsn: Lee\n\n")
    job = await sync(service, **SAVING)
    assert counts(job) == {"update": 2, "unchanged": 1}
    (row,) = (each for each in job["rows"]["nodes"] if each["label"] == "bob")
    assert [each["field"] for each in row["changes"]] == ["lastName", "role", "groups"]
    after = await user(service, "bob")
    assert (after["id"], after["email"], after["role"]) == (before["id"], before["email"], {"name": "Normal user"})
    # Somebody new needs one.
    crew.modify(f"dn: {dn('cid')}\nchangetype: modrdn\nnewrdn: uid=sid\ndeleteoldrdn: 1\n\n")
    crew.add(person(dn("dan"), "dan", "Dan"))
    (row,) = (each for each in (await sync(service, **SAVING))["rows"]["nodes"] if each["label"] == "dan")
    assert [(each["code"], each["path"][2:]) for each in row["errors"]] == [("REQUIRED", ["email"])]


async def test_of_several_values_of_mail_the_first_address_is_taken(service: Service, crew: Slapd) -> None:
    await configure(service, crew)
    crew.add(person(dn("dan"), "dan", "Dan", mail=["+49 30 1", "dan@example.com", "daniel@example.com"]))
    crew.add(person(dn("eve"), "eve", "Eve", mail=["+49 30 2", "nobody"]))
    job = await sync(service)
    assert of_crew(job) == {**dict.fromkeys((*NAMES, "dan"), "CREATE"), "+49 30 2": "FAILED"}
    assert (await user(service, "dan"))["email"] == "dan@example.com"
    assert of_crew(await sync(service))["dan"] == "UNCHANGED"
