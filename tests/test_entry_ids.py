"""A DN that a directory gives to another person: neither a sign-in nor a sync takes them for who had it before."""

from typing import Any

import pytest

from tests.converting import convert, one, revert
from tests.crew import CREW, SAVING, configure, dn, lead, member, of_crew, row_of, sync, user
from tests.directories import counts
from tests.service import Service, codes
from tests.signing_in import REFUSED, sign_in
from tests.signing_in import counts as failures
from tests.slapd import PASSWORD as IN_DIRECTORY
from tests.slapd import Slapd
from tests.test_invite_users import invited
from tests.test_update_users import update

ENTRY = "SELECT entry_id FROM users WHERE id = $1"
JOINED = (
    "UPDATE users SET provider_id = 2, ldap_provider_id = 2, login_dn = $1, login_dn_key = $1, entry_id = NULL"
    " WHERE id = 8"
)


async def joined(service: Service, crew: Slapd, **more: Any) -> None:
    """User 8 is Ann of the directory, and nothing is known of her entry but its DN."""
    await configure(service, crew, **more)
    await service.write(JOINED, dn("ann"))


def recycle(crew: Slapd, name: str, **more: Any) -> None:
    """Delete somebody and give their DN to somebody else, with a password of the same letters."""
    crew.delete(dn(name))
    crew.add(member(name, **{"cn": "Somebody Else", "mail": "else@example.com", **more}))


def told(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in caplog.records if "by its own id" in record.getMessage()]


async def entry(service: Service, user: int = 8) -> Any:
    return await service.scalar(ENTRY, user)


async def enter(service: Service) -> list[str]:
    """The codes of a sign-in by Ann's name."""
    return codes((await sign_in(service, "member", IN_DIRECTORY))["errors"])


async def test_who_got_the_dn_of_somebody_else_is_refused_like_a_wrong_password(
    service: Service, crew: Slapd, caplog: pytest.LogCaptureFixture
) -> None:
    await joined(service, crew)
    assert await enter(service) == []
    learned = await entry(service)
    assert (learned.partition(":")[0], len(learned)) == ("entryuuid", 46)
    assert await enter(service) == []
    assert (await entry(service), told(caplog)) == (learned, [])
    recycle(crew, "ann")
    assert await sign_in(service, "member", IN_DIRECTORY) == REFUSED
    assert await failures(service) == [1, 1, 1]
    (line,) = told(caplog)
    assert line.startswith("user_8 does not get in through provider_2")
    assert not [word for word in ("ann", "member", "Somebody", CREW, learned) if word in line.split("convert")[0]]
    assert (await sign_in(service, "member", "wrong")) == REFUSED
    assert (len(told(caplog)), await entry(service)) == (1, learned)


async def test_learning_an_entry_is_no_change(service: Service, crew: Slapd) -> None:
    await joined(service, crew)
    seen = "SELECT version, updated_at, (SELECT COUNT(*) FROM audit_events WHERE action <> 'SIGNED_IN') FROM users"
    before = await service.rows(f"{seen} WHERE id = 8")
    assert await enter(service) == []
    assert await service.rows(f"{seen} WHERE id = 8") == before
    await service.write("UPDATE users SET entry_id = NULL WHERE id = 8")
    await service.write("UPDATE users SET email = 'ann@example.com', email_key = 'ann@example.com' WHERE id = 8")
    await sync(service)
    learned, version = (await service.rows("SELECT entry_id, version FROM users WHERE id = 8"))[0]
    await service.write("UPDATE users SET entry_id = NULL")
    job = await sync(service)
    assert (counts(job), await entry(service)) == ({"unchanged": 3}, learned)
    assert await service.scalar("SELECT version FROM users WHERE id = 8") == version


async def test_a_sync_takes_nobody_for_who_had_their_dn(service: Service, crew: Slapd) -> None:
    await configure(service, crew)
    await sync(service)
    before = await service.rows("SELECT * FROM users WHERE email = 'ann@example.com'")
    number = before[0][0]
    recycle(crew, "ann")
    planned = await sync(service, dryRun=True)
    assert of_crew(planned) == {"bob": "UNCHANGED", "cid": "UNCHANGED", "else": "FAILED", "ann": "ABSENT"}
    job = await sync(service)
    taken, error = row_of(job, "else")["errors"]
    assert [(each["code"], each["path"][-1]) for each in (taken, error)] == [
        ("TAKEN", "username"),
        ("TAKEN", "loginDn"),
    ]
    assert f"It is that of user_{number}, who was another entry" in error["message"]
    assert await service.rows("SELECT * FROM users WHERE email = 'ann@example.com'") == before
    assert await sign_in(service, "ann", IN_DIRECTORY) == REFUSED
    job = await sync(service)
    assert (of_crew(job)["ann"], of_crew(job)["else"]) == ("DEACTIVATE", "FAILED")
    assert (await user(service, "ann"))["state"] == "DEACTIVATED"
    assert of_crew(await sync(service))["else"] == "FAILED", "nobody comes back by a DN"
    to_local = await one(service, {"local": {}}, user=f"user_{number}")
    assert to_local["errors"] == []
    job = await sync(service)
    assert of_crew(job) == {"else": "FAILED", "bob": "UNCHANGED", "cid": "UNCHANGED"}
    assert codes(row_of(job, "else")["errors"]) == ["TAKEN"], "the username is Ann's still"
    await service.data(
        "mutation($id: ID!) { deleteUsers(input: {ids: [$id]}) { errors { code } } }", {"id": f"user_{number}"}
    )
    assert of_crew(await sync(service))["else"] == "CREATE"
    assert (await user(service, "else"))["id"] != f"user_{number}"
    assert (await sign_in(service, "ann", IN_DIRECTORY))["user"]["email"] == "else@example.com"


async def test_an_entry_that_moves_is_followed_by_its_id_alone(service: Service, crew: Slapd) -> None:
    """Nobody has synchronised yet, and neither external id nor address tell who she is."""
    await joined(service, crew)
    assert await enter(service) == []
    learned = await entry(service)
    crew.modify(f"dn: {dn('ann')}\nchangetype: modrdn\nnewrdn: uid=anna\ndeleteoldrdn: 1\n\n")
    crew.add(member("ann", mail="next@example.com"))
    job = await sync(service)
    assert of_crew(job) == {"ann": "UPDATE", "bob": "CREATE", "cid": "CREATE", "next": "CREATE"}
    assert row_of(job, "ann")["user"] == {"id": "user_8"}
    assert (await user(service, "ann"))["loginDn"] == dn("anna")
    assert await entry(service) == learned
    assert (await sign_in(service, "anna", IN_DIRECTORY))["user"]["id"] == "user_8"
    assert row_of(job, "next")["user"] != {"id": "user_8"}
    assert (await user(service, "next"))["loginDn"] == dn("ann"), "the DN that she left"
    assert of_crew(await sync(service)) == {
        "ann": "UNCHANGED",
        "bob": "UNCHANGED",
        "cid": "UNCHANGED",
        "next": "UNCHANGED",
    }


async def test_who_converts_or_moves_a_user_says_that_the_entry_may_be_another(service: Service, crew: Slapd) -> None:
    await joined(service, crew)
    assert await enter(service) == []
    learned = await entry(service)
    spelled = {"ldap": {"serverNumber": 1, "loginDn": dn("ann").replace(",", " , ")}}
    both = {"saml": {"identityProviderId": "provider_4", "provisionedBy": spelled["ldap"]}}
    assert (await update(service, "user_8", loginDn=dn("ann").upper()))["errors"] == []
    for to in (spelled, both, spelled):
        assert (await one(service, to))["errors"] == []
        assert await entry(service) == learned, "one DN, one entry"
    recycle(crew, "ann")
    assert await enter(service) == ["INVALID_CREDENTIALS"]
    assert (await one(service, {"local": {}}))["errors"] == []
    assert await entry(service) is None
    assert await service.scalar("SELECT MAX(entry_id) FROM previous_identities") == learned
    assert (await one(service, spelled))["errors"] == []
    assert await enter(service) == []
    assert await entry(service) not in (None, learned)
    for _ in range(2):
        (result,) = await revert(service, "user_8")
        assert result["errors"] == []
    assert await entry(service) == learned, "taken back, with the entry that it was"
    assert await enter(service) == ["INVALID_CREDENTIALS"]


@pytest.mark.parametrize("given", [{"loginDn": f"uid=bob,{CREW}"}, {"ldapServerNumber": 2}])
async def test_another_dn_or_server_is_another_entry(service: Service, crew: Slapd, given: Any) -> None:
    await joined(service, crew)
    await service.write("UPDATE identity_providers SET is_enabled = TRUE WHERE id = 3")
    await enter(service)
    assert (await update(service, "user_8", name="Ann"))["errors"] == []
    assert await entry(service) is not None
    assert (await update(service, "user_8", **given))["errors"] == []
    assert await entry(service) is None


async def test_whom_an_administrator_gave_another_entry_stays_with_it(service: Service, crew: Slapd) -> None:
    """The entry of before names them no more, whatever the source had known them by."""
    await configure(service, crew)
    await sync(service)
    ann = (await user(service, "ann"))["id"]
    crew.add(member("anna", mail="anna@example.com"))
    to = {"ldap": {"serverNumber": 1, "loginDn": dn("anna")}}
    assert (await one(service, to, user=ann))["errors"] == []
    assert (await sign_in(service, "ann", IN_DIRECTORY))["errors"] == []
    job = await sync(service)
    assert row_of(job, "anna")["user"] == {"id": ann}
    assert row_of(job, "ann")["action"] == "CREATE", "what the user gives up in this run is free for the entry"
    assert row_of(job, "ann")["user"] != {"id": ann}
    assert (await user(service, "anna"))["loginDn"] == dn("anna")


async def test_who_is_found_by_name_is_one_entry_too(service: Service, crew: Slapd) -> None:
    """Invited through the directory, with no DN: the next person of that name is not them."""
    await configure(service, crew)
    number, _, token = await invited(service, "ann@example.com", username="ann", identityProviderId="provider_2")
    accept = "mutation($token: String!) { acceptInvitation(input: {token: $token}) { errors { code } } }"
    answer = await service.ask(accept, {"token": token}, who=None)
    assert answer["data"]["acceptInvitation"]["errors"] == []
    assert (await sign_in(service, "ann", IN_DIRECTORY))["user"]["id"] == number
    assert await entry(service, int(number.removeprefix("user_"))) is not None
    recycle(crew, "ann", mail="ann@example.com")
    assert await sign_in(service, "ann", IN_DIRECTORY) == REFUSED
    assert of_crew(await sync(service))["ann"] == "FAILED", "nor is she joined by her address"


async def test_an_id_by_another_attribute_is_learned_anew(service: Service, crew: Slapd) -> None:
    """Else a setting would shut everybody out. An entry that hides the id that is known is not let in."""
    await joined(service, crew)
    assert await enter(service) == []
    await configure(service, crew, attributes={"externalId": "employeeNumber"})
    assert await enter(service) == []
    assert (await entry(service)).startswith("entryuuid:"), "there is none yet, and the old one is kept"
    crew.modify(f"dn: {dn('ann')}\nchangetype: modify\nadd: employeeNumber\nemployeeNumber: 4711\n\n")
    assert await enter(service) == []
    assert await entry(service) == "employeenumber:4711"
    crew.modify(f"dn: {dn('ann')}\nchangetype: modify\ndelete: employeeNumber\n\n")
    assert await enter(service) == ["INVALID_CREDENTIALS"]
    assert of_crew(await sync(service))["ann"] == "FAILED"
    await configure(service, crew, attributes=None)
    assert await enter(service) == []
    assert (await entry(service)).startswith("entryuuid:")


async def test_a_directory_that_shows_no_ids_any_more_moves_nobody(service: Service, crew: Slapd) -> None:
    await configure(service, crew)
    await sync(service)
    await service.write("UPDATE users SET entry_id = 'entryuuid:of-another-server' WHERE ldap_provider_id = 2")
    await service.write("DELETE FROM directory_entries")
    job = await sync(service, **SAVING)
    assert counts(job) == {"failed": 3}
    assert await service.scalar("SELECT COUNT(*) FROM users WHERE state = 'DEACTIVATED'") == 0


async def test_the_id_is_told_to_nobody(service: Service, crew: Slapd) -> None:
    await configure(service, crew)
    await sync(service)
    number = int((await user(service, "ann"))["id"].removeprefix("user_"))
    assert await enter_as_ann(service) == []
    await convert(service, (f"user_{number}", {"local": {}}))
    lead(crew, "heads", "cid")
    await sync(service)
    kept = await service.rows("SELECT changes FROM audit_events")
    assert len(kept) > 3
    assert "entryuuid:" not in str(kept)
    assert "entryId" not in str(await service.data("{ __schema { types { fields { name } inputFields { name } } } }"))
    told = await service.rows("SELECT changes, errors FROM directory_job_rows")
    assert "entryuuid:" not in str(told)
    assert str(await service.rows("SELECT entry_id FROM previous_identities")).count("entryuuid:") == 1


async def enter_as_ann(service: Service) -> list[str]:
    return codes((await sign_in(service, "ann", IN_DIRECTORY))["errors"])


async def test_ids_that_come_in_another_order_are_the_same_entry(service: Service, crew: Slapd) -> None:
    """The attribute that is taken for the id may have several values, which have no order in LDAP."""

    def change(*uids: str) -> None:
        lines = "\n".join(f"uid: {each}" for each in uids)
        crew.modify(f"dn: {dn('ann')}\nchangetype: modify\nreplace: uid\n{lines}\n\n")

    await configure(service, crew, attributes={"externalId": "uid"})
    change("ann", "annie")
    await sync(service)
    ann = await user(service, "ann")
    for uids in (("annie", "ann"), ("new", "annie", "ann")):
        change(*uids)
        assert (await sign_in(service, "ann@example.com", IN_DIRECTORY))["user"]["id"] == ann["id"]
        assert counts(await sync(service, **SAVING)) == {"unchanged": 3}
    crew.modify(f"dn: {dn('ann')}\nchangetype: modrdn\nnewrdn: cn=Ann\ndeleteoldrdn: 0\n\n")
    assert (await sign_in(service, "ann@example.com", IN_DIRECTORY))["user"]["id"] == ann["id"]
    assert counts(await sync(service, **SAVING)) == {"unchanged": 3}
    found = await service.rows("SELECT entry_id, login_dn FROM users WHERE email = 'ann@example.com'")
    assert found == [("uid:ann", f"cn=Ann,{CREW}")]
    assert (await user(service, "ann"))["externalIds"] == [{"source": "provider_2", "value": "ann"}]


async def test_id_that_is_also_a_value_of_another_entry_stays_with_the_entry_at_its_dn(
    service: Service, crew: Slapd
) -> None:
    await configure(service, crew, attributes={"externalId": "uid"})
    await sync(service)
    ann, bob = await user(service, "ann"), await user(service, "bob")
    crew.modify(f"dn: {dn('bob')}\nchangetype: modify\nreplace: uid\nuid: ann\nuid: bob\n\n")
    assert counts(await sync(service, **SAVING)) == {"unchanged": 3}
    assert [(await user(service, name))["id"] for name in ("ann", "bob")] == [ann["id"], bob["id"]]
