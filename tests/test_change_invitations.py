"""What becomes of invitations: accepted once, sent again, revoked, or too late."""

from typing import Any

import pytest

from tests.calls import change, told
from tests.service import Service, codes

INVITE = """mutation($input: InviteUsersInput!) { inviteUsers(input: $input) {
  results { errors { code } user { id } invitation { id link } } } }"""
ACCEPT = """mutation($input: AcceptInvitationInput!) { acceptInvitation(input: $input) {
  user { id username name state isActive hasValidPassword } errors { code message path } } }"""
LATER = """mutation($input: %sInput!) { %s(input: $input) {
  results { index ref action errors { code path index } user { id state }
    invitation { id link expiresAt invitation { state sentCount } } } errors { code } } }"""
NEW_PASSWORD = "amber ladder quiet 77"


async def invited(service: Service, email: str = "a@x.test", **row: Any) -> tuple[str, str, str]:
    """A new invitation: its user's id, its own id, and the token that only its link tells."""
    given = {"users": [{"email": email, **row}]}
    (result,) = (await service.data(INVITE, {"input": given}))["inviteUsers"]["results"]
    assert result["errors"] == []
    return result["user"]["id"], result["invitation"]["id"], result["invitation"]["link"].split("#")[1]


async def accept(service: Service, token: str, who: str | None = None, **given: Any) -> Any:
    given = {"password": NEW_PASSWORD, **given}
    return (await service.data(ACCEPT, {"input": {"token": token, **given}}, who=who))["acceptInvitation"]


async def later(service: Service, name: str, *ids: str, **given: Any) -> Any:
    return (await service.data(LATER % (f"{name[0].upper()}{name[1:]}", name), {"input": {"ids": ids, **given}}))[name]


async def actions(service: Service, user: str) -> list[str]:
    sql = "SELECT action FROM audit_events WHERE subject_type = 'user' AND subject_id = $1 ORDER BY id"
    return [row[0] for row in await service.rows(sql, int(user.removeprefix("user_")))]


async def letters(service: Service) -> list[tuple[str, str]]:
    """The outbox: to whom, and the link unsealed as the sender would."""
    found = []
    for kind, state, to, sealed in await service.rows("SELECT kind, state, to_address, link FROM letters ORDER BY id"):
        assert (kind, state) == ("INVITATION", "WAITING")
        assert "ugi_" not in sealed
        opened = service.app.state.services.sealer.open(sealed)
        assert opened is not None
        found.append((to, opened))
    return found


async def test_a_token_brings_its_user_in_once(service: Service) -> None:
    user, _, token = await invited(service)
    answer = await accept(service, token, name="Ann Lee")
    assert answer == {
        "user": {
            "id": user,
            "username": "a@x.test",
            "name": "Ann Lee",
            "state": "ACTIVE",
            "isActive": True,
            "hasValidPassword": True,
        },
        "errors": [],
    }
    state, hashed, version = (await service.rows("SELECT state, password_hash, version FROM users WHERE id = 10"))[0]
    assert (state, hashed.startswith("$argon2id$"), version) == ("ACTIVE", True, 2)
    assert await service.rows("SELECT state, closed_at IS NULL FROM invitations") in (
        [("ACCEPTED", False)],
        [("ACCEPTED", 0)],
    )
    assert await letters(service) == []
    before = await service.snapshot()
    again = await accept(service, token)
    assert (again["user"], codes(again["errors"])) == (None, ["INVALID_TOKEN"])
    assert await service.snapshot() == before
    assert await actions(service, user) == ["INVITED", "INVITATION_ACCEPTED"]


async def test_refused_acceptances_leave_the_token_good(service: Service) -> None:
    _, _, token = await invited(service)
    before = await service.snapshot()
    cases: list[tuple[dict[str, Any], str, list[str]]] = [
        ({"password": None}, "REQUIRED", ["password"]),
        ({"password": "too short"}, "WEAK_PASSWORD", ["password"]),
        ({"name": " "}, "REQUIRED", ["name"]),
        ({"dryRun": True}, "", []),
    ]
    for given, code, path in cases:
        answer = await accept(service, token, **given)
        assert [(e["code"], e["path"]) for e in answer["errors"]] == ([(code, path)] if code else [])
        assert await service.snapshot() == before
    assert (await accept(service, token))["errors"] == []


async def test_who_comes_through_a_provider_needs_no_password_and_gets_none(service: Service) -> None:
    _, _, token = await invited(service, identityProviderId="provider_4")
    answer = await accept(service, token, password=None)
    assert (answer["errors"], answer["user"]["state"], answer["user"]["hasValidPassword"]) == ([], "ACTIVE", False)
    _, _, other = await invited(service, email="b@x.test", identityProviderId="provider_4")
    assert (await accept(service, other))["errors"] == []
    assert await service.rows("SELECT provider_id, password_hash FROM users WHERE id > 9") == [(4, None)] * 2


async def test_every_token_that_is_not_pending_gets_the_same_answer(service: Service) -> None:
    late_user, _, late = await invited(service)
    await service.write("UPDATE invitations SET expires_at = created_at")
    _, revoked_id, revoked = await invited(service, email="b@x.test")
    await later(service, "revokeInvitations", revoked_id)
    off, _, ended = await invited(service, email="c@x.test")
    await service.data(f'mutation {{ deactivateUsers(input: {{ids: "{off}"}}) {{ errors {{ code }} }} }}')
    gone, _, deleted = await invited(service, email="d@x.test")
    await service.data(f'mutation {{ deleteUsers(input: {{ids: "{gone}"}}) {{ errors {{ code }} }} }}')
    reset = await service.data(
        'mutation { requestPasswordReset(input: {email: "member@usergraph.test"}) { link errors { code } } }'
    )
    other_purpose = reset["requestPasswordReset"]["link"].split("#")[1]
    before = await service.snapshot()
    answers = [
        await accept(service, token)
        for token in (late, revoked, ended, deleted, other_purpose, "ugi_made_up", "", "é" * 5_000)
    ]
    assert codes(answers[0]["errors"]) == ["INVALID_TOKEN"]
    assert [answer == answers[0] for answer in answers] == [True] * 8
    assert await service.snapshot() == before
    expired = await service.data("{ invitations(where: {state: {eq: EXPIRED}}) { nodes { state user { id } } } }")
    assert expired["invitations"]["nodes"] == [{"state": "EXPIRED", "user": {"id": late_user}}]


async def test_resending_gives_a_new_link_and_time_and_ends_the_old_link(service: Service) -> None:
    user, invitation, old = await invited(service)
    await service.write("UPDATE invitations SET expires_at = created_at")
    answer = await later(service, "resendInvitations", invitation)
    (result,) = answer["results"]
    issued = result.pop("invitation")
    assert result == {
        "index": 0,
        "ref": invitation,
        "action": "UPDATED",
        "errors": [],
        "user": {"id": user, "state": "INVITED"},
    }
    assert (issued["id"], issued["invitation"]) == (invitation, {"state": "PENDING", "sentCount": 2})
    assert await letters(service) == [("a@x.test", issued["link"])]
    assert codes((await accept(service, old))["errors"]) == ["INVALID_TOKEN"]
    assert (await accept(service, issued["link"].split("#")[1]))["errors"] == []
    assert await actions(service, user) == ["INVITED", "INVITATION_RESENT", "INVITATION_ACCEPTED"]


async def test_revoking_ends_the_link_and_drops_the_letter(service: Service) -> None:
    user, invitation, token = await invited(service)
    (result,) = (await later(service, "revokeInvitations", invitation))["results"]
    assert result == {
        "index": 0,
        "ref": invitation,
        "action": "UPDATED",
        "errors": [],
        "user": {"id": user, "state": "INVITED"},
        "invitation": {
            "id": invitation,
            "link": None,
            "expiresAt": None,
            "invitation": {"state": "REVOKED", "sentCount": 1},
        },
    }
    assert await letters(service) == []
    assert codes((await accept(service, token))["errors"]) == ["INVALID_TOKEN"]
    assert await actions(service, user) == ["INVITED", "INVITATION_REVOKED"]


@pytest.mark.parametrize("name", ["resendInvitations", "revokeInvitations"])
async def test_every_id_sent_is_answered_in_its_place(service: Service, name: str) -> None:
    _, done, token = await invited(service)
    await accept(service, token)
    _, open_, _ = await invited(service, email="b@x.test")
    ids = [open_, open_, done, "invitation_77", "user_1"]
    before = await service.snapshot()
    skipped = (await later(service, name, *ids))["results"]
    assert [r["action"] for r in skipped] == ["SKIPPED", "FAILED", "FAILED", "FAILED", "FAILED"]
    assert await service.snapshot() == before
    results = (await later(service, name, *ids, errorPolicy="REJECT_FAILED"))["results"]
    assert [(r["index"], r["ref"], r["action"], codes(r["errors"])) for r in results] == [
        (0, open_, "UPDATED", []),
        (1, open_, "FAILED", ["DUPLICATE"]),
        (2, done, "FAILED", ["WRONG_STATE"]),
        (3, "invitation_77", "FAILED", ["NOT_FOUND"]),
        (4, "user_1", "FAILED", ["NOT_FOUND"]),
    ]
    assert [(r["user"], r["invitation"]) for r in (*skipped, *results[1:])] == [(None, None)] * 9


async def test_every_refusal_about_an_invited_user_names_what_works(service: Service) -> None:
    user, invitation, _ = await invited(service, externalId="e-1")
    await later(service, "revokeInvitations", invitation)

    async def refusal(mutation: str, given: dict[str, Any], code: str) -> str:
        payload = await change(service, mutation, given)
        assert told(payload) == [code], mutation
        errors = payload["errors"] or payload["results"][0]["errors"]
        return str(errors[0]["message"])

    password = {"id": user, "newPassword": "a long new password"}
    assert "inviteUsers" in await refusal("changePassword", password, "WRONG_STATE")
    assert "inviteUsers" in await refusal("requestPasswordReset", {"email": "a@x.test"}, "WRONG_STATE")
    other = await refusal("inviteUsers", {"users": [{"email": "a@x.test", "externalId": "e-2"}]}, "TAKEN")
    assert ("another person" in other, "resendInvitations" in other) == (True, False)
    assert told(await change(service, "deactivateUsers", {"ids": [user]})) == []
    again = await refusal("inviteUsers", {"users": [{"email": "a@x.test"}]}, "TAKEN")
    assert ("activateUsers" in again, "resendInvitations" in again) == (True, False)
    assert "activateUsers" in await refusal("resendInvitations", {"ids": [invitation]}, "WRONG_STATE")
    assert told(await change(service, "activateUsers", {"ids": [user]})) == []
    assert told(await change(service, "requestPasswordReset", {"email": "a@x.test"})) == []


async def test_a_revoked_invitation_is_followed_by_another_one(service: Service) -> None:
    user, invitation, token = await invited(service, role={"name": "Normal user"}, groupIds=["group_1"])
    await later(service, "revokeInvitations", invitation)
    message = "mutation($ids: [ID!]!) { %s(input: {ids: $ids}) { results { errors { code message } } } }"
    for name, typed in (("resendInvitations", invitation), ("activateUsers", user)):
        refused = (await service.data(message % name, {"ids": [typed]}))[name]["results"][0]["errors"]
        assert codes(refused) == ["WRONG_STATE"]
        assert "inviteUsers" in refused[0]["message"]
    again = {"email": "A@x.test", "role": {"name": "Project manager"}, "groupIds": ["group_2"], "name": "Ada"}
    given = {"input": {"users": [again]}}
    document = """mutation($input: InviteUsersInput!) { inviteUsers(input: $input) { results { action
      errors { code message } user { id email username state name role { name } groups { nodes { id } } }
      invitation { id link } } } }"""
    dry = (await service.data(document, {"input": {**given["input"], "dryRun": True}}))["inviteUsers"]["results"]
    assert (dry[0]["action"], dry[0]["invitation"]["link"]) == ("UPDATED", None)
    (result,) = (await service.data(document, given))["inviteUsers"]["results"]
    made = result.pop("invitation")
    result["user"]["groups"]["nodes"].sort(key=lambda node: node["id"])
    assert result == {
        "action": "UPDATED",
        "errors": [],
        "user": {
            "id": user,
            "email": "A@x.test",
            "username": "a@x.test",
            "state": "INVITED",
            "name": "Ada",
            "role": {"name": "Project manager"},
            "groups": {"nodes": [{"id": "group_1"}, {"id": "group_2"}]},
        },
    }
    assert made["id"] != invitation
    assert codes((await accept(service, token))["errors"]) == ["INVALID_TOKEN"]
    twice = (await service.data(document, given))["inviteUsers"]["results"]
    assert codes(twice[0]["errors"]) == ["TAKEN"], "while it is open, it is sent again instead"
    accepted = await accept(service, made["link"].split("#")[1])
    assert (accepted["errors"], accepted["user"]["state"]) == ([], "ACTIVE")
    assert codes((await service.data(document, given))["inviteUsers"]["results"][0]["errors"]) == ["TAKEN"]
    assert await actions(service, user) == ["INVITED", "INVITATION_REVOKED", "INVITED", "INVITATION_ACCEPTED"]


async def test_inviting_again_ends_keys_and_is_for_the_same_address_and_manageable_users_only(service: Service) -> None:
    user, invitation, _ = await invited(service, "weiss@x.test", organizationIds=["organization_5"])
    await later(service, "revokeInvitations", invitation)
    document = "mutation($input: InviteUsersInput!) { inviteUsers(input: $input) { results { errors { code } } } }"

    async def invite(email: str, who: str = "admin") -> list[str]:
        row = {"email": email, "organizationIds": ["organization_3"] if who == "orgadmin" else []}
        answer = await service.data(document, {"input": {"users": [row]}}, who=who)
        return codes(answer["inviteUsers"]["results"][0]["errors"])

    assert await invite("weiß@x.test") == ["TAKEN"]
    assert await invite("weiss@x.test", "orgadmin") != []
    open_keys = "SELECT COUNT(*) FROM api_keys WHERE revoked_at IS NULL AND user_id = $1"
    number = int(user.removeprefix("user_"))
    # None is made for invited users today; one may be left from before.
    await service.write(
        "INSERT INTO api_keys (user_id, name, prefix, digest, created_at)"
        " SELECT id, 'k', 'ug_k', 'digest of k', created_at FROM users WHERE id = $1",
        number,
    )
    before = await service.scalar(open_keys, number)
    assert await invite("weiss@x.test") == []
    assert (before, await service.scalar(open_keys, number)) == (1, 0)


async def test_the_password_of_an_invited_user_cannot_be_changed(service: Service) -> None:
    user, _, _ = await invited(service)
    document = (
        "mutation($input: ChangePasswordInput!) { changePassword(input: $input) { errors { code path message } } }"
    )
    given = {"id": user, "newPassword": NEW_PASSWORD}
    before = await service.snapshot()
    answer = (await service.data(document, {"input": given}))["changePassword"]["errors"]
    assert [(each["code"], each["path"]) for each in answer] == [("WRONG_STATE", ["id"])]
    assert "resendInvitations" in answer[0]["message"]
    assert await service.snapshot() == before
