"""Linking users to entries of a directory: nobody hands a user what the entry's groups give and they could not."""

from typing import Any

import pytest

from tests.calls import change, hold, join, new_role, refused, told
from tests.crew import MAPPINGS, SAVING, configure, dn, lead, row_of, sync, user
from tests.service import Service, changed
from tests.slapd import PASSWORD as IN_DIRECTORY
from tests.slapd import Slapd
from tests.test_convert_oneself import CONVERT

HOME = {"organizationIds": ["organization_3"]}
BOB = {"ldap": {"serverNumber": 1, "loginDn": dn("bob")}}
BOTH = {"saml": {"identityProviderId": "provider_4", "provisionedBy": BOB["ldap"]}}
NEW = {"username": "mine", "email": "mine@x.test", "name": "Mine", "role": {"name": "Normal user"}}
KEYS = {"name": "kept", "permissions": ["USE_SELF_SERVICE"]}


def ways_to_link(to: dict[str, Any]) -> list[tuple[str, dict[str, Any]]]:
    """Every call by which a user comes to be linked to an entry, or to be found by a directory."""
    member = {"id": "user_8", "to": to}
    return [
        ("convertUsers", {"conversions": [member]}),
        ("convertUsers", {"conversions": [member], "verify": "FIND"}),
        ("convertUsers", {"conversions": [member], "verify": "NONE"}),
        ("createUser", {**NEW, **HOME, "authentication": to}),
        ("upsertUsers", {"users": [{"email": "mine@x.test", **HOME, "authentication": to}]}),
        ("inviteUsers", {"users": [{"email": "bob@example.com", **HOME, "identityProviderId": "provider_2"}]}),
    ]


@pytest.mark.parametrize("to", [BOB, BOTH], ids=["LDAP", "SAML, provisioned by LDAP"])
async def test_nobody_links_who_could_not_grant_what_the_directory_may_give(
    service: Service, crew: Slapd, to: dict[str, Any]
) -> None:
    await configure(service, crew)
    for mutation, given in ways_to_link(to):
        assert await refused(service, mutation, given, who="orgadmin") == "ROLE_TOO_HEAVY", mutation
        assert told(await change(service, mutation, {**given, "dryRun": True}, who="it")) == [], mutation
    # As heavy as the ceiling, without the rights of the heaviest role below it.
    rights = ["CREATE_USERS", "UPDATE_USERS", "INVITE_USERS", "CONVERT_USERS", "USE_SELF_SERVICE", "READ_DIRECTORY"]
    await hold(service, "pm", await new_role(service, "Clerk", 80, [*rights, "LIST_USERS"]))
    for mutation, given in ways_to_link(to):
        assert await refused(service, mutation, given, who="pm") == "RIGHTS_TOO_WIDE", mutation


async def test_the_ceiling_counts_and_not_what_is_mapped_today(service: Service, crew: Slapd) -> None:
    await configure(service, crew, ceiling=100)
    for mutation, given in ways_to_link(BOB):
        assert await refused(service, mutation, given, who="it") == "ROLE_TOO_HEAVY", mutation
    await configure(service, crew, ceiling=None, mappings=[])
    for mutation, given in ways_to_link(BOB):
        assert told(await change(service, mutation, {**given, "dryRun": True}, who="orgadmin")) == [], mutation


async def test_a_light_role_with_more_rights_counts_where_it_is_mapped(service: Service, crew: Slapd) -> None:
    await new_role(service, "Trap", 10, ["DELETE_USERS"])
    await configure(service, crew, mappings=[{"group": "heads", "role": {"name": "Trap"}}])
    for mutation, given in ways_to_link(BOB):
        assert await refused(service, mutation, given, who="it") == "RIGHTS_TOO_WIDE", mutation


async def test_a_link_is_not_moved_to_another_entry_either(service: Service, crew: Slapd) -> None:
    await configure(service, crew, ceiling=40, mappings=[])
    to = {"ldap": {"serverNumber": 1, "loginDn": dn("ann")}}
    assert told(await change(service, "convertUsers", {"conversions": [{"id": "user_8", "to": to}]})) == []
    await configure(service, crew, ceiling=100)
    moved = {"id": "user_8", "loginDn": dn("bob")}
    assert await refused(service, "updateUser", moved, who="it") == "ROLE_TOO_HEAVY"
    assert await refused(service, "updateUser", moved, who="orgadmin") == "ROLE_TOO_HEAVY"
    assert told(await change(service, "updateUser", {**moved, "dryRun": True})) == []


@pytest.mark.parametrize("verify", ["FIND", "NONE", "BIND", None])
async def test_an_organizations_administrator_takes_no_entry_for_themselves(
    service: Service, crew: Slapd, verify: str | None
) -> None:
    for ceiling in (80, None):
        await configure(service, crew, ceiling=ceiling, mappings=MAPPINGS if ceiling else [])
        given = {"conversions": [{"id": "user_6", "to": BOB}], **({"verify": verify} if verify else {})}
        code = "REQUIRED" if verify in ("BIND", None) else "FORBIDDEN"
        assert await refused(service, "convertUsers", given, who="orgadmin") == code


async def test_who_proves_an_entry_gets_what_its_groups_give(service: Service, crew: Slapd) -> None:
    await configure(service, crew)
    row = {"id": "user_8", "to": BOB, "directoryPassword": IN_DIRECTORY}
    row = {**row, "id": "user_4"}
    given = {"conversions": [row], "verify": "BIND"}
    answer = (await service.data(CONVERT, {"input": given}, who="normal"))["convertUsers"]
    assert (answer["results"][0]["errors"], answer["results"][0]["checkedBy"]) == ([], "BIND")
    # Proved by themselves: their key stays. It ends with the role that the directory gives.
    assert (await service.post({"query": "{ me { id } }"}, who="normal")).status_code == 200
    job = await sync(service)
    assert (row_of(job, "bob")["user"], row_of(job, "bob")["errors"]) == ({"id": "user_4"}, [])
    assert await service.scalar("SELECT role_id FROM users WHERE id = 4") == 2
    assert (await service.post({"query": "{ me { id } }"}, who="normal")).status_code == 401


async def test_a_sync_raises_nobody_above_what_their_linker_could_grant(service: Service, crew: Slapd) -> None:
    """Linked while the directory gave nothing, and then it does."""
    await configure(service, crew, ceiling=None, mappings=[])
    given = {"conversions": [{"id": "user_8", "to": BOB}]}
    assert told(await change(service, "convertUsers", given, who="orgadmin")) == []
    await configure(service, crew)
    job = await sync(service)
    (error,) = row_of(job, "bob")["errors"]
    assert (error["code"], row_of(job, "bob")["action"]) == ("KEY_NOT_CONFIRMED", "FAILED")
    assert "same loginDn" in error["message"]
    assert await service.scalar("SELECT role_id FROM users WHERE id = 8") == 4
    # A further run, also one of changes, does not forget it.
    assert row_of(await sync(service, isFull=False), "bob")["action"] == "FAILED"
    # Taking it back and doing it again brings nothing new.
    for mutation, given in (
        ("revertConversions", {"ids": ["user_8"]}),
        ("convertUsers", {"conversions": [{"id": "user_8", "to": BOB}]}),
    ):
        told(await change(service, mutation, given, who="orgadmin"))
    assert await service.scalar("SELECT role_id FROM users WHERE id = 8") == 4
    assert told(await change(service, "convertUsers", {"conversions": [{"id": "user_8", "to": BOB}]})) == []
    assert told(await change(service, "updateUser", {"id": "user_8", "loginDn": dn("bob")})) == []
    assert row_of(await sync(service), "bob")["errors"] == []
    assert await service.scalar("SELECT role_id FROM users WHERE id = 8") == 2


async def test_who_was_invited_by_less_is_not_raised_by_the_directory(service: Service, crew: Slapd) -> None:
    await configure(service, crew, ceiling=None, mappings=[])
    given = {"users": [{"email": "bob@example.com", **HOME, "identityProviderId": "provider_2"}]}
    assert told(await change(service, "inviteUsers", given, who="orgadmin")) == []
    await configure(service, crew)
    job = await sync(service)
    assert [error["code"] for error in row_of(job, "bob")["errors"]] == ["KEY_NOT_CONFIRMED"]
    assert (await user(service, "bob"))["role"]["name"] == "Normal user"
    assert (
        told(
            await change(
                service, "updateUser", {"id": (await user(service, "bob"))["id"]} | {"email": "bob@example.com"}
            )
        )
        == []
    )
    assert row_of(await sync(service), "bob")["errors"] == []
    assert (await user(service, "bob"))["role"]["name"] == "IT"


async def test_who_is_promoted_in_the_directory_is_here_and_old_keys_end(service: Service, crew: Slapd) -> None:
    await configure(service, crew)
    await sync(service)
    ann = (await user(service, "ann"))["id"]
    key = await change(service, "createApiKey", {"userId": ann, "name": "kept"}, more="secret")
    lead(crew, "heads", "ann")
    job = await sync(service, **SAVING)
    assert row_of(job, "ann")["errors"] == []
    assert {"field": "openApiKeys", "before": 1, "after": 0} in row_of(job, "ann")["changes"]
    assert (await user(service, "ann"))["role"]["name"] == "IT"
    assert (
        await service.post({"query": "{ me { id } }"}, who=None, headers={"x-apikey": key["secret"]})
    ).status_code == 401


async def test_a_conversion_ends_the_keys_of_its_user(service: Service) -> None:
    for to, back in (({"saml": {}}, {"local": {}}), (BOB, {"local": {}})):
        for step in (to, back, None):
            key = await change(service, "createApiKey", {"userId": "user_8", "name": "kept"}, more="secret")
            if step is None:
                assert told(await change(service, "revertConversions", {"ids": ["user_8"]})) == []
            else:
                given = {"conversions": [{"id": "user_8", "to": step}]}
                more = "results { kept lost }"
                (row,) = (await change(service, "convertUsers", given, more=more))["results"]
                assert row["errors"] == []
                assert ("apiKeys" in row["lost"], "apiKeys" in row["kept"]) == (True, False)
            headers = {"x-apikey": key["secret"]}
            assert (await service.post({"query": "{ me { id } }"}, who=None, headers=headers)).status_code == 401
    assert "KEY_REVOKED" not in await changed(service, "user_8")


async def test_an_entry_that_is_taken_is_not_told_before_it_is_proved(service: Service, crew: Slapd) -> None:
    await configure(service, crew)
    assert told(await change(service, "convertUsers", {"conversions": [{"id": "user_9", "to": BOB}]})) == []
    for mutation, given in ways_to_link(BOB)[:-1]:
        assert await refused(service, mutation, given, who="orgadmin") == "ROLE_TOO_HEAVY", mutation
    for more, code in (
        ({"directoryPassword": "wrong"}, "WRONG_PASSWORD"),
        ({}, "REQUIRED"),
        ({"directoryPassword": IN_DIRECTORY}, "TAKEN"),
    ):
        given = {"conversions": [{"id": "user_4", "to": BOB, **more}]}
        assert told(await change(service, "convertUsers", given, who="normal")) == [code]


async def test_a_directory_without_settings_is_claimed_by_nobody_for_themselves(service: Service) -> None:
    await join(service, 2, 4)
    for who, user_id in (("normal", "user_4"), ("pm", "user_3"), ("readonly", "user_5"), ("orgadmin", "user_6")):
        for to in (BOB, BOTH):
            for more in ({}, {"verify": "NONE"}, {"verify": "FIND"}, {"verify": "BIND"}):
                given = {"conversions": [{"id": user_id, "to": to}], **more}
                assert await refused(service, "convertUsers", given, who=who) == "PROVIDER_UNREACHABLE"
    assert told(await change(service, "convertUsers", {"conversions": [{"id": "user_8", "to": BOB}]})) == []
