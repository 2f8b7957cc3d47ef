"""Whoever chooses a key by which a source finds a user does not gain the role of the source's next row."""

from typing import Any

import pytest
from graphql import GraphQLInputObjectType, GraphQLNonNull, get_named_type

from tests.calls import SDL, change, hold, join, new_key, new_role, refused, told
from tests.directories import reconcile
from tests.service import Service

NEXT = {"email": "next@x.test", "externalId": "hr-next"}
HOME = {"organizationIds": ["organization_3"]}
NAMED = {"name": "Next", "username": "nextone", "role": {"name": "Normal user"}}
NO_SIGN_IN = {"authentication": {"apiOnly": True}}

# Every way to put a key on an account, by mutation: who does it, and its input, of which KEYS is filled in.
WAYS: dict[str, list[tuple[str, dict[str, Any]]]] = {
    "updateUser": [("orgadmin", {"id": "user_8"})],
    "createUser": [("orgadmin", {**NAMED, **NO_SIGN_IN, **HOME, "email": "own@x.test"})],
    "upsertUsers": [("orgadmin", {"users": [{"email": "own@x.test", **HOME}]})],
    "inviteUsers": [("orgadmin", {"users": [{"email": "own@x.test", **HOME}]})],
}
# Mutations whose inputs hold such a field and that write no key as somebody who is less than the platform's.
OF_THE_PLATFORM = {
    "reconcileUsers": "takes CREATE_USERS and UPDATE_USERS everywhere; what it hands on is tested below",
    "requestPasswordReset": "finds a user by the address and changes none",
    "convertUsers": "writes login DNs only: tests/test_directory_links.py",
    "createIdentityProvider": "names of attributes in a directory",
    "updateIdentityProvider": "names of attributes in a directory",
}
KEYS = {"email", "externalId", "externalIds", "loginDn"}


def holds_a_key(mutation: str) -> bool:
    """Whether some field below the input of a mutation is called as a match key."""
    assert SDL.mutation_type is not None
    seen: set[str] = set()

    def walk(kind: Any) -> bool:
        named = get_named_type(kind)
        if not isinstance(named, GraphQLInputObjectType) or named.name in seen:
            return False
        seen.add(named.name)
        return any(name in KEYS or walk(each.type) for name, each in named.fields.items())

    argument = SDL.mutation_type.fields[mutation].args["input"].type
    return walk(argument.of_type if isinstance(argument, GraphQLNonNull) else argument)


def test_every_mutation_that_can_write_a_match_key_is_attacked() -> None:
    assert SDL.mutation_type is not None
    assert {name for name in SDL.mutation_type.fields if holds_a_key(name)} == set(WAYS) | set(OF_THE_PLATFORM)


def planted(given: dict[str, Any], key: dict[str, str]) -> dict[str, Any]:
    return {"users": [{**given["users"][0], **key}]} if "users" in given else {**given, **key}


async def role_of(service: Service, key: dict[str, str]) -> Any:
    column, value = ("email_key", key["email"]) if "email" in key else ("external_id", key["externalId"])
    sql = f"SELECT r.name FROM users u JOIN roles r ON r.id = u.role_id WHERE u.{column} = $1"
    return await service.scalar(sql, value)


@pytest.mark.parametrize("key", [{"email": "next@x.test"}, {"externalId": "hr-next"}], ids=["email", "external id"])
@pytest.mark.parametrize("mutation", WAYS)
async def test_a_row_gives_no_role_by_a_key_that_its_setter_could_not_have_given_it(
    service: Service, mutation: str, key: dict[str, str]
) -> None:
    for who, given in WAYS[mutation]:
        assert told(await change(service, mutation, planted(given, key), who=who)) == []
    await service.write("UPDATE users SET state = 'ACTIVE' WHERE state = 'INVITED'")
    before = await role_of(service, key)
    assert before == "Normal user"
    row = {"email": "next@x.test", **key}
    for role in ("IT", "Admin", "Project manager"):
        raised = {**row, "role": {"name": role}}
        assert await refused(service, "upsertUsers", {"users": [raised]}) == "KEY_NOT_CONFIRMED"
        if "email" in key:  # the ids of another source find nobody
            job = await reconcile(service, raised)
            assert [error["code"] for error in job["rows"]["nodes"][0]["errors"]] == ["KEY_NOT_CONFIRMED"]
        assert await role_of(service, key) == before
    assert told(await change(service, "upsertUsers", {"users": [{**row, "name": "Found"}]})) == []
    assert told(await change(service, "upsertUsers", {"users": [{**row, "role": {"name": "Read only"}}]})) == []


async def test_a_match_hands_on_no_more_than_vouched_for_it(service: Service) -> None:
    """A row of an administrator's source that raises nothing does not turn a planted key into one of the source."""
    assert told(await change(service, "updateUser", {"id": "user_8", "email": "next@x.test"}, who="orgadmin")) == []
    for row in (NEXT, {**NEXT, "email": "moved@x.test"}):
        assert told(await change(service, "upsertUsers", {"users": [row]})) == []
        job = await reconcile(service, row)
        assert [each["errors"] for each in job["rows"]["nodes"]] == [[]]
        for raised in (row, {**row, "email": "third@x.test"}):
            raised = {**raised, "role": {"name": "IT"}}
            assert await refused(service, "upsertUsers", {"users": [raised]}) == "KEY_NOT_CONFIRMED"
            job = await reconcile(service, raised)
            assert [e["code"] for e in job["rows"]["nodes"][0]["errors"]] == ["KEY_NOT_CONFIRMED"]
    assert await service.scalar("SELECT role_id FROM users WHERE id = 8") == 4


async def test_it_does_not_become_administrator_by_an_own_key(service: Service) -> None:
    assert told(await change(service, "updateUser", {"id": "user_2", "externalId": "hr-next"}, who="it")) == []
    row = {"email": "chief@x.test", "externalId": "hr-next", "role": {"name": "Admin"}}
    assert await refused(service, "upsertUsers", {"users": [row]}) == "KEY_NOT_CONFIRMED"
    assert told(await change(service, "updateUser", {"id": "user_2", "email": "chief@x.test"}, who="it")) == []
    assert await refused(service, "upsertUsers", {"users": [row]}) == "KEY_NOT_CONFIRMED"


async def test_the_id_of_a_source_is_as_good_as_its_setter(service: Service) -> None:
    ids = {"id": "user_2", "externalIds": [{"source": "hr", "value": "hr-next"}]}
    assert await refused(service, "updateUser", {**ids, "id": "user_8"}, who="orgadmin") == "FORBIDDEN"
    assert told(await change(service, "updateUser", ids, who="it")) == []
    row = {"email": "chief@x.test", "externalId": "hr-next", "role": {"name": "Admin"}}
    assert await refused(service, "upsertUsers", {"source": "hr", "users": [row]}) == "KEY_NOT_CONFIRMED"
    (error,) = (await reconcile(service, row))["rows"]["nodes"][0]["errors"]
    assert (error["code"], "id at hr" in error["message"]) == ("KEY_NOT_CONFIRMED", True)
    assert told(await change(service, "updateUser", ids)) == []
    assert (await reconcile(service, row))["rows"]["nodes"][0]["errors"] == []
    assert await service.scalar("SELECT role_id FROM users WHERE id = 2") == 1


async def test_a_row_that_agrees_in_a_confirmed_key_gives_its_role(service: Service) -> None:
    """Whatever somebody has put beside it: the address was set by who could give the role."""
    assert told(await change(service, "updateUser", {"id": "user_8", "externalId": "hr-8"}, who="orgadmin")) == []
    row = {"email": "member@usergraph.test", "externalId": "hr-8", "role": {"name": "IT"}}
    assert told(await change(service, "upsertUsers", {"users": [row]})) == []


async def test_the_refusal_says_what_to_do_and_doing_it_helps(service: Service) -> None:
    assert told(await change(service, "updateUser", {"id": "user_8", "externalId": "hr-next"}, who="orgadmin")) == []
    row = {"email": "next@x.test", "externalId": "hr-next", "role": {"name": "IT"}}
    payload = await change(service, "upsertUsers", {"users": [row]})
    assert payload["results"][0]["errors"] == [
        {
            "code": "KEY_NOT_CONFIRMED",
            "message": "This row matched user_8 by external id, set by somebody who may not grant the role IT. Check"
            " that user_8 is the person meant. Then an administrator confirms it with updateUser (id: user_8 and the"
            " same externalId), and you send the row again.",
            "path": ["users", "0", "role"],
        }
    ]
    # Neither their own administrator nor somebody of less weight than the role confirms it.
    light = await new_role(service, "Clerk", 70, ["UPDATE_USERS", "CREATE_USERS", "LIST_USERS"])
    await hold(service, "pm", light)
    confirm = {"id": "user_8", "externalId": "hr-next"}
    for who in ("orgadmin", "pm"):
        assert told(await change(service, "updateUser", confirm, who=who)) == []
        assert await refused(service, "upsertUsers", {"users": [row]}) == "KEY_NOT_CONFIRMED"
    key = await change(service, "createApiKey", {"userId": "user_8", "name": "kept"}, who="orgadmin", more="secret")
    secret = key["secret"]
    assert told(await change(service, "updateUser", confirm)) == []
    sql = "SELECT changes FROM audit_events WHERE subject_type = 'user' AND subject_id = 8 ORDER BY id DESC LIMIT 1"
    assert '"confirmedKeys"' in await service.scalar(sql)
    before = await service.snapshot()
    assert told(await change(service, "updateUser", confirm)) == []
    assert await service.snapshot() == before
    assert told(await change(service, "upsertUsers", {"users": [row]})) == []
    assert await service.scalar("SELECT role_id FROM users WHERE id = 8") == 2
    # Whoever kept a key of the account does not hold what it may now.
    answer = await service.post({"query": "{ me { id } }"}, who=None, headers={"x-apikey": secret})
    assert answer.status_code == 401
    assert '"openApiKeys":[1,0]' in (await service.scalar(sql)).replace(" ", "")


async def test_a_narrow_key_vouches_for_no_more_than_it_may(service: Service) -> None:
    rights = ["CREATE_USERS", "UPDATE_USERS", "USE_SELF_SERVICE", "READ_DIRECTORY", "LIST_USERS"]
    key = await new_key(service, rights)
    row = {"email": "next@x.test", "role": {"name": "Normal user"}}
    assert told(await change(service, "upsertUsers", {"users": [row]}, key=key)) == []
    assert await refused(service, "upsertUsers", {"users": [{**row, "role": {"name": "IT"}}]}) == "KEY_NOT_CONFIRMED"
    pm = {**row, "role": {"name": "Project manager"}}
    assert told(await change(service, "upsertUsers", {"users": [pm]}, key=key)) == []


async def test_a_source_of_an_administrator_raises_whom_it_has_made(service: Service) -> None:
    for role in ("Normal user", "IT", "Normal user", "Admin"):
        row = {**NEXT, "role": {"name": role}}
        assert told(await change(service, "upsertUsers", {"users": [row]})) == []
        assert await role_of(service, NEXT) == role


async def test_a_key_from_before_the_upgrade_raises_nothing_until_it_is_confirmed(service: Service) -> None:
    await service.write("UPDATE users SET match_key_limits = NULL")
    row = {"email": "member@usergraph.test", "role": {"name": "IT"}}
    assert await refused(service, "upsertUsers", {"users": [row]}) == "KEY_NOT_CONFIRMED"
    assert told(await change(service, "upsertUsers", {"users": [{**row, "role": {"name": "Read only"}}]})) == []
    assert told(await change(service, "updateUser", {"id": "user_8", "email": "member@usergraph.test"})) == []
    assert told(await change(service, "upsertUsers", {"users": [row]})) == []


async def test_a_value_that_was_written_by_whatever_means_vouches_for_nothing(service: Service) -> None:
    """What is stored of a key is bound to its value."""
    await service.write("UPDATE users SET email = 'next@x.test', email_key = 'next@x.test' WHERE id = 8")
    row = {"email": "next@x.test", "role": {"name": "IT"}}
    assert await refused(service, "upsertUsers", {"users": [row]}) == "KEY_NOT_CONFIRMED"


async def test_projects_in_root_are_given_by_confirmed_keys_only(service: Service) -> None:
    await join(service, 2, 3)
    assert told(await change(service, "updateUser", {"id": "user_3", "externalId": "hr-next"}, who="it")) == []
    await service.write("UPDATE users SET match_key_limits = NULL WHERE id = 3")
    row = {"email": "pm@usergraph.test", "externalId": "hr-next", "canCreateProjectsInRoot": True}
    payload = await change(service, "upsertUsers", {"users": [row]})
    (error,) = payload["results"][0]["errors"]
    assert (error["code"], error["path"][-1]) == ("KEY_NOT_CONFIRMED", "canCreateProjectsInRoot")


async def test_an_alias_and_a_username_match_no_row(service: Service) -> None:
    """By these nobody is found, so nobody is taken over: the row makes a user of its own, or is in the way."""
    given = {"id": "user_8", "aliases": ["hr-next"], "username": "next"}
    assert told(await change(service, "updateUser", given, who="orgadmin")) == []
    assert told(await change(service, "upsertUsers", {"users": [{**NEXT, "role": {"name": "IT"}}]})) == []
    assert await service.scalar("SELECT role_id FROM users WHERE id = 8") == 4
    assert await role_of(service, NEXT) == "IT"


async def test_an_address_that_only_looks_like_that_of_the_row_vouches_for_nothing(service: Service) -> None:
    """Its setter is an administrator, but it is not the address that the source names."""
    person = {**NAMED, **NO_SIGN_IN, **HOME, "email": "weiss@x.test"}
    assert told(await change(service, "createUser", person)) == []
    planted_by = {"id": "user_10", "externalId": "hr-next"}
    assert told(await change(service, "updateUser", planted_by, who="orgadmin")) == []
    row = {"email": "wei\u00df@x.test", "externalId": "hr-next", "role": {"name": "IT"}}
    assert await refused(service, "upsertUsers", {"users": [row]}) == "KEY_NOT_CONFIRMED"
    assert told(await change(service, "upsertUsers", {"users": [{**row, "email": "WEISS@x.test"}]})) == []


async def test_a_reset_link_from_before_a_raised_role_opens_nothing(service: Service) -> None:
    """Its maker could not have granted the role."""
    for role in ("Read only", "IT"):  # a role that is not raised ends no link
        asked = {"email": "member@usergraph.test"}
        link = (await change(service, "requestPasswordReset", asked, who="orgadmin", more="link"))["link"]
        row = {"email": "member@usergraph.test", "role": {"name": role}}
        assert told(await change(service, "upsertUsers", {"users": [row]})) == []
        given = {"token": link.partition("#")[2], "newPassword": "otter marble lantern 88"}
        assert told(await change(service, "resetPassword", given)) == ([] if role == "Read only" else ["INVALID_TOKEN"])
    sql = "SELECT changes FROM audit_events WHERE subject_type = 'user' AND subject_id = 8 ORDER BY id DESC LIMIT 1"
    assert '"openResets":[1,0]' in (await service.scalar(sql)).replace(" ", "")


async def test_an_invitation_link_from_before_a_raised_role_opens_nothing(service: Service) -> None:
    invited = {**NEXT, **HOME, "role": {"name": "Normal user"}}
    assert told(await change(service, "inviteUsers", {"users": [invited]})) == []
    more = "results { invitation { link } }"
    again = await change(service, "resendInvitations", {"ids": ["invitation_1"]}, who="orgadmin", more=more)
    assert told(await change(service, "upsertUsers", {"users": [{**NEXT, "role": {"name": "IT"}}]})) == []
    given = {
        "token": again["results"][0]["invitation"]["link"].partition("#")[2],
        "password": "otter marble lantern 88",
    }
    assert await refused(service, "acceptInvitation", given) == "INVALID_TOKEN"
    waiting = await service.rows(
        "SELECT u.email, l.kind FROM letters l JOIN users u ON u.id = l.user_id WHERE l.state = 'WAITING'"
    )
    assert waiting == [("next@x.test", "INVITATION")]
