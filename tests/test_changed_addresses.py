"""Whose address changes: what was sent to the old one opens nothing, and an open invitation goes to the new one."""

import json
from typing import Any

import pytest

from models.values import now
from tests.service import Service, beyond_who_asks, changed, codes
from tests.test_passwords import request, reset

NEW = "moved@new.test"
UPDATE = """mutation($input: UpdateUserInput!) { updateUser(input: $input) {
  user { email } changedFields errors { code } } }"""
UPSERT = """mutation($input: UpsertUsersInput!) { upsertUsers(input: $input) {
  results { action user { id } errors { code } } errors { code } } }"""
INVITE = """mutation($input: InviteUsersInput!) { inviteUsers(input: $input) {
  results { user { id } invitation { id link } errors { code } } errors { code } } }"""
ACCEPT = """mutation($input: AcceptInvitationInput!) { acceptInvitation(input: $input) {
  user { id email state } errors { code } } }"""
WAYS = ("updateUser", "upsertUsers")
PASSWORD = "amber ladder quiet 77"


async def move(service: Service, way: str, user: int, email: str = NEW, **more: Any) -> None:
    """Change a user's address by one of the ways to do so; the user is known by an external id, `x` and the number."""
    if way == "updateUser":
        answer = (await service.data(UPDATE, {"input": {"id": f"user_{user}", "email": email, **more}}))["updateUser"]
        assert (answer["user"]["email"], answer["errors"]) == (email, [])
    else:
        await service.set_external_id(user, f"x{user}")
        rows = [{"externalId": f"x{user}", "email": email}]
        answer = (await service.data(UPSERT, {"input": {"users": rows, **more}}))["upsertUsers"]
        assert [(each["action"], each["errors"]) for each in answer["results"]] == [("UPDATED", [])]


async def invite(service: Service, email: str = "old@x.test") -> tuple[int, str]:
    """The new user's number and the token of their link."""
    answer = (await service.data(INVITE, {"input": {"users": [{"email": email}]}}))["inviteUsers"]
    (found,) = answer["results"]
    return int(found["user"]["id"].split("_")[1]), found["invitation"]["link"].split("#")[1]


async def accept(service: Service, token: str) -> Any:
    given = {"token": token, "password": PASSWORD}
    return (await service.data(ACCEPT, {"input": given}, who=None))["acceptInvitation"]


async def posted(service: Service, user: int) -> list[tuple[str, str, str]]:
    """Kind, address and token of the letters that wait for a user."""
    rows = await service.rows("SELECT kind, to_address, link FROM letters WHERE user_id = $1 ORDER BY id", user)
    sealer = service.app.state.services.sealer
    return [(kind, to, (sealer.open(link) or "").split("#")[1]) for kind, to, link in rows]


async def last_change(service: Service, user: int) -> dict[str, Any]:
    sql = "SELECT changes FROM audit_events WHERE subject_type = 'user' AND subject_id = $1 ORDER BY id DESC LIMIT 1"
    found: dict[str, Any] = json.loads(await service.scalar(sql, user))
    return found


@pytest.mark.parametrize("way", WAYS)
async def test_a_reset_sent_to_the_old_address_opens_nothing(service: Service, way: str) -> None:
    link = (await request(service, "outsider@usergraph.test"))["link"]
    await move(service, way, 9)
    assert codes((await reset(service, link.split("#")[1]))["errors"]) == ["INVALID_TOKEN"]
    assert await posted(service, 9) == []
    assert await service.rows("SELECT user_id, closed_at IS NULL FROM password_resets") == [(9, False)]
    assert (await changed(service, "user_9"))[-2:] == ["PASSWORD_RESET_REQUESTED", "UPDATED"]
    expected = {"email": ["outsider@usergraph.test", NEW], "openResets": [1, 0]}
    assert await last_change(service, 9) == expected
    again = (await request(service, NEW))["link"].split("#")[1]
    assert await posted(service, 9) == [("PASSWORD_RESET", NEW, again)]
    assert (await reset(service, again))["errors"] == []


@pytest.mark.parametrize("way", WAYS)
async def test_an_open_invitation_goes_to_the_new_address_with_a_new_link(service: Service, way: str) -> None:
    user, old = await invite(service)
    stored = "SELECT state, sent_count, expires_at FROM invitations WHERE user_id = $1"
    ((_, _, expires),) = await service.rows(stored, user)
    await move(service, way, user)
    ((kind, to, token),) = await posted(service, user)
    assert (kind, to) == ("INVITATION", NEW)
    assert token != old
    assert await service.rows(stored, user) == [("PENDING", 2, expires)], "it lasts no longer than it did"
    assert (await changed(service, f"user_{user}"))[-2:] == ["INVITATION_RESENT", "UPDATED"]
    sql = "SELECT changes, actor_username FROM audit_events WHERE action = 'INVITATION_RESENT'"
    told = [(json.loads(changes), actor) for changes, actor in await service.rows(sql)]
    assert told == [({"invitation": [None, "invitation_1"]}, "admin")]
    assert codes((await accept(service, old))["errors"]) == ["INVALID_TOKEN"]
    joined = {"user": {"id": f"user_{user}", "email": NEW, "state": "ACTIVE"}, "errors": []}
    assert await accept(service, token) == joined


async def test_an_invitation_that_is_over_is_not_brought_back(service: Service) -> None:
    user, old = await invite(service)
    await service.write("UPDATE invitations SET expires_at = $1", now())
    before = (await service.snapshot())["invitations"]
    await move(service, "updateUser", user)
    assert (await service.snapshot())["invitations"] == before
    assert await posted(service, user) == []
    assert codes((await accept(service, old))["errors"]) == ["INVALID_TOKEN"]


@pytest.mark.parametrize("given", [{"email": "OLD@x.test"}, {"name": "Other"}])
async def test_what_is_no_other_address_leaves_links_alone(service: Service, given: dict[str, Any]) -> None:
    user, token = await invite(service)
    answer = (await service.data(UPDATE, {"input": {"id": f"user_{user}", **given}}))["updateUser"]
    assert answer["changedFields"] == list(given)
    assert [(kind, found) for kind, _, found in await posted(service, user)] == [("INVITATION", token)]
    assert (await accept(service, token))["errors"] == []


@pytest.mark.parametrize("way", WAYS)
async def test_a_dry_run_and_a_refused_change_leave_links_alone(service: Service, way: str) -> None:
    user, token = await invite(service)
    await service.set_external_id(user, f"x{user}")
    before = await service.snapshot()
    await move(service, way, user, dryRun=True)
    assert await service.snapshot() == before
    taken = {"id": f"user_{user}", "email": "member@usergraph.test"}
    refused = (await service.data(UPDATE, {"input": taken}))["updateUser"]
    assert codes(refused["errors"]) == ["TAKEN"]
    assert await service.snapshot() == before
    assert (await accept(service, token))["errors"] == []


async def test_who_is_deactivated_with_it_is_not_invited_anew(service: Service) -> None:
    user, token = await invite(service)
    await service.set_external_id(user, "x")
    rows = [{"externalId": "x", "email": NEW, "isActive": False}]
    answer = (await service.data(UPSERT, {"input": {"users": rows}}))["upsertUsers"]
    assert [each["action"] for each in answer["results"]] == ["UPDATED"]
    assert await posted(service, user) == []
    assert await service.rows("SELECT state FROM invitations") == [("REVOKED",)]
    assert codes((await accept(service, token))["errors"]) == ["INVALID_TOKEN"]


async def test_a_way_to_a_saml_provider_that_the_old_link_began_ends(service: Service) -> None:
    user, _ = await invite(service)
    for purpose, number in (("INVITATION", user), ("LINK", user), ("INVITATION", 9)):
        await service.write(
            "INSERT INTO saml_requests (provider_id, user_id, purpose, request_digest, return_to, created_at,"
            " expires_at) VALUES (4, $1, $2, $3, '/', $4, $4)",
            number,
            purpose,
            f"{purpose}{number}",
            now(),
        )
    await move(service, "updateUser", user)
    kept = await service.rows("SELECT user_id, purpose FROM saml_requests ORDER BY id")
    assert kept == [(user, "LINK"), (9, "INVITATION")]


async def test_many_take_as_many_statements_as_one(service: Service) -> None:
    seen, made = [], 0
    for size in (2, 40):
        emails = [f"a{made + n}@x.test" for n in range(size)]
        users = [{"email": each, "externalId": f"many {each}"} for each in emails]
        results = (await service.data(INVITE, {"input": {"users": users}}))["inviteUsers"]["results"]
        assert [each["errors"] for each in results] == [[]] * size
        rows = [{"externalId": f"many {each}", "email": f"new.{each}"} for each in emails]
        with service.statements() as statements:
            answer = (await service.data(UPSERT, {"input": {"users": rows}}))["upsertUsers"]
        assert [each["action"] for each in answer["results"]] == ["UPDATED"] * size
        seen.append(len(beyond_who_asks(statements)))
        made += size
    assert seen[0] == seen[1]
    fresh = await service.rows("SELECT to_address, link FROM letters ORDER BY to_address")
    assert sorted(row[0] for row in fresh) == sorted(f"new.a{n}@x.test" for n in range(made))
    assert await service.scalar("SELECT COUNT(DISTINCT token_digest) FROM invitations WHERE sent_count = 2") == made
