"""No way in is opened by who has less: not by a narrow key of one's own, nor by a name that a provider knows."""

from typing import Any

import pytest

from tests.calls import change, hold, new_key, new_role, refused
from tests.cast import PASSWORD
from tests.service import Service
from tests.signing_in import ask_as, sign_in, token_of

NEW_PASSWORD = "amber ladder quiet 77"
SELF = {"conversions": [{"id": "user_1", "to": {"saml": {}}}]}
LDAP = {"ldap": {"serverNumber": 1, "loginDn": "cn=Them,dc=x"}}


async def test_a_narrow_key_makes_itself_no_session(service: Service) -> None:
    """Neither by a password where there was none, nor by a conversion there and back."""
    key = await new_key(service, ["USE_SELF_SERVICE", "READ_USERS"])
    before = await service.snapshot()
    first = {"id": "user_1", "newPassword": NEW_PASSWORD}
    assert await refused(service, "changePassword", first, key=key) == "RIGHTS_TOO_WIDE"
    assert await refused(service, "convertUsers", SELF, key=key) == "RIGHTS_TOO_WIDE"
    assert await service.snapshot() == before
    await change(service, "convertUsers", {"conversions": [{"id": "user_2", "to": {"saml": {}}}]})
    await service.write("UPDATE api_keys SET revoked_at = NULL")  # which the conversion ended
    narrow = await new_key(service, ["USE_SELF_SERVICE"], who="it")
    before = await service.snapshot()
    for mutation, given in (
        ("revertConversions", {"ids": ["user_2"]}),
        ("convertUsers", {"conversions": [{"id": "user_2", "to": {"local": {}}}]}),
    ):
        assert await refused(service, mutation, given, key=narrow) == "RIGHTS_TOO_WIDE", mutation
    assert await service.snapshot() == before
    assert await refused(service, "changePassword", first) == "", "a key with all its owner's rights does"


@pytest.mark.parametrize("to", [{"saml": {}}, LDAP], ids=["saml", "ldap"])
async def test_nobody_gives_a_user_who_may_more_the_name_that_a_provider_knows(service: Service, to: Any) -> None:
    role = await new_role(service, "Clerk", 100, ["USE_SELF_SERVICE", "CREATE_USERS", "UPDATE_USERS", "CONVERT_USERS"])
    await hold(service, "pm", role)
    await change(service, "updateUser", {"id": "user_2", "externalId": "hr-2"})
    conversion = {"conversions": [{"id": "user_2", "to": to}]}
    assert await refused(service, "convertUsers", conversion, who="pm") == "RIGHTS_TOO_WIDE"
    renamed: list[tuple[str, dict[str, Any]]] = [
        ("updateUser", {"id": "user_2", "username": "mine"}),
        ("updateUser", {"id": "user_2", "externalId": "mine"}),
        ("upsertUsers", {"users": [{"externalId": "hr-2", "email": "it@usergraph.test", "username": "mine"}]}),
    ]
    for mutation, given in renamed:
        assert await refused(service, mutation, {**given, "dryRun": True}, who="pm") == "", "no provider asks for it"
    await change(service, "convertUsers", conversion)
    before = await service.snapshot()
    for mutation, given in renamed:
        assert await refused(service, mutation, given, who="pm") == "RIGHTS_TOO_WIDE", (mutation, given)
    assert await service.snapshot() == before
    for mutation, given in renamed:
        assert await refused(service, mutation, {**given, "dryRun": True}) == "", "who may as much does"


@pytest.mark.parametrize("given", [{"loginDn": "cn=Another,dc=x"}, {"ldapServerNumber": 2}], ids=["DN", "server"])
async def test_another_entry_ends_the_sessions_of_who_signed_in_before(service: Service, given: Any) -> None:
    await service.write("UPDATE identity_providers SET is_enabled = true")
    token, other = await token_of(service), await token_of(service, "outsider")
    columns = "provider_id = 2, ldap_provider_id = 2, login_dn = 'cn=Them,dc=x', login_dn_key = 'cn=them,dc=x'"
    await service.write(f"UPDATE users SET {columns} WHERE id = 8")
    await change(service, "updateUser", {"id": "user_8", "name": "Still them"})
    assert "errors" not in await ask_as(service, token, "{ me { id } }")
    await change(service, "updateUser", {"id": "user_8", **given})
    assert (await ask_as(service, token, "{ me { id } }"))["errors"][0]["extensions"]["code"] == "UNAUTHENTICATED"
    assert "errors" not in await ask_as(service, other, "{ me { id } }")
    assert await service.rows("SELECT user_id FROM sessions WHERE ended_at IS NOT NULL") == [(8,)]


async def test_a_job_takes_further_users_only_by_the_key_that_began_it(service: Service) -> None:
    """It runs with that key's rights, which another key of the same administrator may lack."""
    await change(service, "changePassword", {"id": "user_1", "newPassword": PASSWORD})
    token = (await sign_in(service, "admin"))["session"]["token"]
    begin = (
        """mutation ($input: ReconcileUsersInput!) { reconcileUsers(input: $input) { job { id } errors { code } } }"""
    )
    first: dict[str, Any] = {"source": "hr", "users": [{"email": "one@x.test"}], "isComplete": False}
    began = await ask_as(service, token, begin, {"input": first})
    job = began["data"]["reconcileUsers"]["job"]["id"]
    more = {"jobId": job, "users": [{"email": "evil@x.test", "role": {"name": "Admin"}}]}
    narrow = await new_key(service, ["CREATE_USERS", "UPDATE_USERS"])
    for key in (narrow, None):
        assert await refused(service, "reconcileUsers", more, key=key) == "NOT_FOUND"
    assert await service.rows("SELECT state, total FROM directory_jobs") == [("COLLECTING", 1)]
    answer = await ask_as(service, token, begin, {"input": more})
    assert answer["data"]["reconcileUsers"] == {"job": {"id": job}, "errors": []}
