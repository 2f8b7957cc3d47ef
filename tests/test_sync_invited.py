"""Who was invited or made for a directory before it listed them: taken over by it, and nobody else is."""

from typing import Any

import pytest

from tests.crew import configure, dn, member, of_crew, row_of, sync, user
from tests.directories import counts, trail
from tests.service import Service, changed, codes
from tests.signing_in import sign_in
from tests.slapd import PASSWORD as IN_DIRECTORY
from tests.slapd import Slapd
from tests.test_invite_users import invited

UPSERT = """mutation($input: UpsertUsersInput!) { upsertUsers(input: $input) {
  results { user { id } errors { code } } } }"""
ACCEPT = "mutation($token: String!) { acceptInvitation(input: {token: $token}) { errors { code } } }"
THROUGH = {"identityProviderId": "provider_2"}


async def test_who_was_invited_through_the_directory_is_taken_over(service: Service, crew: Slapd) -> None:
    await configure(service, crew)
    number, _, token = await invited(service, "Bob@Example.com", **THROUGH)
    planned = await sync(service, dryRun=True)
    assert (of_crew(planned)["bob"], (await user(service, "bob"))["loginDn"]) == ("UPDATE", None)
    job = await sync(service)
    assert counts(job) == {"create": 2, "update": 1}
    row = row_of(job, "bob")
    assert (row["action"], row["user"], row["errors"]) == ("UPDATE", {"id": number}, [])
    for change in (
        {"field": "provisionedBy", "before": None, "after": "Main LDAP"},
        {"field": "loginDn", "before": None, "after": dn("bob")},
    ):
        assert change in row["changes"]
    bob = await user(service, "bob")
    assert (bob["id"], bob["state"], bob["loginDn"]) == (number, "INVITED", dn("bob"))
    assert (bob["ldapServerNumber"], bob["role"]["name"], bob["identityProvider"]["id"]) == (1, "IT", "provider_2")
    assert await changed(service, number) == ["INVITED", "UPDATED"]
    assert (await trail(service, job["id"]))[-1] == ("UPDATED", "bob", "admin")
    assert codes((await sign_in(service, "bob@example.com", IN_DIRECTORY))["errors"]) == ["INVALID_CREDENTIALS"]
    answer = await service.ask(ACCEPT, {"token": token}, who=None)
    assert answer["data"]["acceptInvitation"]["errors"] == []
    assert (await sign_in(service, "bob@example.com", IN_DIRECTORY))["user"]["id"] == number
    assert counts(await sync(service)) == {"unchanged": 3}


async def test_by_the_name_of_the_entry_too_and_after_they_have_come(service: Service, crew: Slapd) -> None:
    await configure(service, crew)
    number, _, token = await invited(service, "ann@example.com", username="ANN", **THROUGH)
    await service.ask(ACCEPT, {"token": token}, who=None)
    assert (await sign_in(service, "ann", IN_DIRECTORY))["errors"] == []
    # The address changes there meanwhile: she is known by the id of her entry.
    crew.modify(f"dn: {dn('ann')}\nchangetype: modify\nreplace: mail\nmail: ann.new@example.com\n\n")
    job = await sync(service, isFull=False)
    assert (row_of(job, "ann.new")["action"], row_of(job, "ann.new")["user"]) == ("UPDATE", {"id": number})
    found = await user(service, "ann.new")
    assert (found["id"], found["state"], found["loginDn"]) == (number, "ACTIVE", dn("ann"))


@pytest.mark.parametrize("to", [{"ldap": {}}, {"saml": {"identityProviderId": "provider_4", "provisionedBy": {}}}])
async def test_who_was_made_with_a_login_dn_is_taken_over_whatever_their_address(
    service: Service, crew: Slapd, to: Any
) -> None:
    await configure(service, crew)
    named = {"serverNumber": 1, "loginDn": dn("ann").upper().replace(",", ", ")}
    to = {"ldap": named} if "ldap" in to else {"saml": {**to["saml"], "provisionedBy": named}}
    given = {"users": [{"email": "other@example.com", "username": "annie", "authentication": to}]}
    (made,) = (await service.data(UPSERT, {"input": given}))["upsertUsers"]["results"]
    assert made["errors"] == []
    job = await sync(service)
    assert (row_of(job, "ann")["action"], row_of(job, "ann")["user"]) == ("UPDATE", made["user"])
    found = await user(service, "ann")
    assert (found["id"], found["loginDn"]) == (made["user"]["id"], dn("ann"))
    assert found["identityProvider"]["id"] == ("provider_2" if "ldap" in to else "provider_4")


@pytest.mark.parametrize("given", [{}, {"identityProviderId": "provider_4"}, {**THROUGH, "username": "somebody"}])
async def test_nobody_else_is_joined_by_their_address(service: Service, crew: Slapd, given: Any) -> None:
    """Neither who signs in elsewhere, nor who goes by a name that is not the entry's."""
    await configure(service, crew)
    number, _, _ = await invited(service, "ann@example.com", **given)
    before = await user(service, "ann")
    job = await sync(service)
    assert of_crew(job) == {"ann": "FAILED", "bob": "CREATE", "cid": "CREATE"}
    assert codes(row_of(job, "ann")["errors"]) == ["TAKEN"]
    assert (await user(service, "ann"), before["id"]) == (before, number)


async def test_of_two_entries_with_one_address_neither_is_joined(service: Service, crew: Slapd) -> None:
    await configure(service, crew, pageSize=10)
    crew.add("".join(member(f"x{n}") for n in range(20)) + member("zoe", mail="Ann@Example.com"))
    await invited(service, "ann@example.com", **THROUGH)
    job = await sync(service)
    rows = [row for row in job["rows"]["nodes"] if row["label"].lower() == "ann@example.com"]
    assert [row["action"] for row in rows] == ["FAILED", "FAILED"]
    assert (await user(service, "ann"))["loginDn"] is None
    crew.delete(dn("zoe"))
    assert row_of(await sync(service), "ann")["action"] == "UPDATE"


async def test_an_incremental_run_joins_nobody_by_address(service: Service, crew: Slapd) -> None:
    """It does not see whether somebody else has the same one."""
    await configure(service, crew)
    crew.delete(dn("ann"))
    await sync(service)
    await invited(service, "ann@example.com", **THROUGH)
    crew.add(member("ann"))
    job = await sync(service, isFull=False)
    assert row_of(job, "ann")["action"] == "FAILED"
    assert row_of(await sync(service), "ann")["action"] == "UPDATE"


async def test_an_entry_whose_name_only_looks_like_theirs_is_not_them(service: Service, crew: Slapd) -> None:
    """To the directory, as LDAP says (RFC 4518), the ligature is the two letters, so it finds the entry."""
    await configure(service, crew)
    ligature = "\ufb01nn"
    number, _, token = await invited(service, f"{ligature}@example.com", username=ligature, **THROUGH)
    crew.add(member("finn"))
    await service.ask(ACCEPT, {"token": token}, who=None)
    assert codes((await sign_in(service, ligature, IN_DIRECTORY))["errors"]) == ["INVALID_CREDENTIALS"]
    job = await sync(service)
    row = row_of(job, "finn")
    assert (row["action"], codes(row["errors"])) == ("FAILED", ["TAKEN", "TAKEN"])
    stored = "SELECT login_dn, entry_id FROM users WHERE id = $1"
    assert await service.rows(stored, int(number.removeprefix("user_"))) == [(None, None)]
