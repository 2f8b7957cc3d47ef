"""Many at once: whoever comes second finds what the first has done, and the audit log tells one story."""

import asyncio
import itertools
import subprocess
from collections import Counter
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from models.values import now
from tests.cast import PASSWORD
from tests.server import SCRIPT, environment
from tests.service import SECRET, Service

UPSERT = """mutation ($users: [UpsertUserInput!]!) { upsertUsers(input: {users: $users}) {
  errors { code } results { action user { id } errors { code } } } }"""
INVITE = """mutation ($users: [InviteUserInput!]!, $policy: ErrorPolicy) {
  inviteUsers(input: {users: $users, errorPolicy: $policy}) {
    errors { code } results { action errors { code } invitation { id link } } } }"""
ACCEPT = """mutation ($token: String!, $password: String) {
  acceptInvitation(input: {token: $token, password: $password}) { user { username state } errors { code path } } }"""
REVOKE = """mutation ($id: ID!) { revokeInvitations(input: {ids: [$id]}) { results { action errors { code } } } }"""
UPDATE = """mutation ($id: ID!, $name: String, $role: RoleRef, $version: Int) {
  updateUser(input: {id: $id, name: $name, role: $role, ifVersion: $version}) { changedFields errors { code } } }"""
ACCEPTED = {"user": {"username": "guest@x.org", "state": "ACTIVE"}, "errors": []}
INVALID = {"user": None, "errors": [{"code": "INVALID_TOKEN", "path": ["token"]}]}


async def invited(service: Service, email: str = "guest@x.org") -> tuple[str, str]:
    """The id and the token of a new invitation."""
    answer = await service.data(INVITE, {"users": [{"email": email}]})
    invitation = answer["inviteUsers"]["results"][0]["invitation"]
    return invitation["id"], invitation["link"].split("#", 1)[1]


async def events(service: Service, *actions: str) -> list[tuple[Any, ...]]:
    rows = await service.rows("SELECT id, action, subject_type, subject_id, changes FROM audit_events ORDER BY id")
    return [row for row in rows if row[1] in actions]


async def test_thirty_upserts_of_one_address_make_one_user(service: Service) -> None:
    spellings = itertools.cycle(["new@x.org", "NEW@x.org", "New@X.ORG"])
    rows = [{"users": [{"email": next(spellings), "name": "New"}]} for _ in range(30)]
    answers = await asyncio.gather(*(service.data(UPSERT, row) for row in rows))
    results = [answer["upsertUsers"]["results"][0] for answer in answers]
    assert Counter(result["action"] for result in results) == {"CREATED": 1, "UNCHANGED": 29}
    assert len({result["user"]["id"] for result in results}) == 1
    assert await service.scalar("SELECT COUNT(*) FROM users WHERE email_key = 'new@x.org'") == 1
    made = [e for e in await events(service, "CREATED", "UPDATED") if f"user_{e[3]}" == results[0]["user"]["id"]]
    assert [event[1] for event in made] == ["CREATED"]


async def test_one_address_in_two_bulk_invitations_is_invited_once(service: Service) -> None:
    async def invite(letter: str, policy: str) -> list[Any]:
        users = [{"email": f"{letter}{n}@x.org"} for n in range(5)] + [{"email": f"both-{policy}@x.org"}]
        return list((await service.data(INVITE, {"users": users, "policy": policy}))["inviteUsers"]["results"])

    for policy, loser in (("ALL_OR_NOTHING", ["SKIPPED"] * 5), ("REJECT_FAILED", ["CREATED"] * 5)):
        both = await asyncio.gather(invite(f"a{policy}", policy), invite(f"b{policy}", policy))
        actions = sorted([result["action"] for result in results] for results in both)
        assert actions == sorted([["CREATED"] * 6, [*loser, "FAILED"]])
        failed = [result for results in both for result in results if result["action"] == "FAILED"]
        assert [result["errors"] for result in failed] == [[{"code": "TAKEN"}]]
    assert await service.scalar("SELECT COUNT(*) FROM users WHERE email_key LIKE 'both-%'") == 2
    invited_users = await service.scalar("SELECT COUNT(*) FROM users WHERE state = 'INVITED'")
    assert invited_users == 6 + 11
    for table in ("invitations", "letters"):
        assert await service.scalar(f"SELECT COUNT(*) FROM {table}") == invited_users
    assert len(await events(service, "INVITED")) == invited_users


async def test_one_of_twenty_acceptances_of_an_invitation_succeeds(service: Service) -> None:
    _, token = await invited(service)
    variables = {"token": token, "password": PASSWORD}
    answers = await asyncio.gather(*(service.data(ACCEPT, variables, who=None) for _ in range(20)))
    payloads = [answer["acceptInvitation"] for answer in answers]
    assert payloads.count(ACCEPTED) == 1
    assert payloads.count(INVALID) == 19
    assert await service.rows("SELECT state FROM invitations") == [("ACCEPTED",)]
    assert await service.rows("SELECT state, version FROM users WHERE email_key = 'guest@x.org'") == [("ACTIVE", 2)]
    assert len(await events(service, "INVITATION_ACCEPTED")) == 1


async def test_an_invitation_is_either_accepted_or_revoked(service: Service) -> None:
    for n in range(6):
        email = f"guest{n}@x.org"
        typed, token = await invited(service, email)
        accept = service.data(ACCEPT, {"token": token, "password": PASSWORD}, who=None)
        revoke = service.data(REVOKE, {"id": typed})
        # Hashing makes accepting slow: half of the time it gets a start.
        tasks = [asyncio.create_task(accept)]
        if n % 2:
            await asyncio.wait(tasks, timeout=0.04)
        accepted, revoked = await asyncio.gather(tasks[0], revoke)
        came = accepted["acceptInvitation"]["user"] is not None
        result = revoked["revokeInvitations"]["results"][0]
        row = await service.rows(
            "SELECT u.state, i.state FROM users u JOIN invitations i ON i.user_id = u.id WHERE u.email_key = $1", email
        )
        if came:
            assert result == {"action": "FAILED", "errors": [{"code": "WRONG_STATE"}]}
            assert row == [("ACTIVE", "ACCEPTED")]
        else:
            assert accepted["acceptInvitation"] == INVALID
            assert result == {"action": "UPDATED", "errors": []}
            assert row == [("INVITED", "REVOKED")]
    assert len(await events(service, "INVITATION_ACCEPTED", "INVITATION_REVOKED")) == 6


@pytest.mark.parametrize(("late", "state"), [(0.001, "EXPIRED"), (0.4, "EXPIRED"), (3600, "EXPIRED"), (-60, "PENDING")])
async def test_an_invitation_ends_at_its_moment_for_who_reads_and_who_comes(
    service: Service, late: float, state: str
) -> None:
    typed, token = await invited(service)
    await service.write("UPDATE invitations SET expires_at = $1", now() - timedelta(seconds=late))
    listed = "query ($s: InvitationStatus!) { invitations(where: {state: {eq: $s}}) { nodes { id state } } }"
    assert (await service.data(listed, {"s": state}))["invitations"]["nodes"] == [{"id": typed, "state": state}]
    answer = await service.data(ACCEPT, {"token": token, "password": PASSWORD}, who=None)
    assert answer["acceptInvitation"] == (ACCEPTED if state == "PENDING" else INVALID)


async def test_two_administrators_demoting_each_other_leave_one(service: Service) -> None:
    for _ in range(5):
        await service.write("UPDATE users SET role_id = 1 WHERE username_key IN ('admin', 'it')")
        answers = await asyncio.gather(
            service.ask(UPDATE, {"id": "user_2", "role": {"name": "Normal user"}}, who="admin"),
            service.ask(UPDATE, {"id": "user_1", "role": {"name": "Normal user"}}, who="it"),
        )
        done = [(a.get("data") or {}).get("updateUser", {}).get("changedFields") == ["role"] for a in answers]
        assert sorted(done) == [False, True], answers
        assert await service.scalar("SELECT COUNT(*) FROM users WHERE role_id = 1") == 1


async def test_one_of_ten_updates_of_the_same_version_succeeds(service: Service) -> None:
    answers = await asyncio.gather(
        *(service.data(UPDATE, {"id": "user_4", "name": f"Name {n}", "version": 1}) for n in range(10))
    )
    done = [n for n, answer in enumerate(answers) if answer["updateUser"] == {"changedFields": ["name"], "errors": []}]
    assert len(done) == 1
    assert Counter(code["code"] for a in answers for code in a["updateUser"]["errors"]) == {"WRONG_STATE": 9}
    assert await service.rows("SELECT name, version FROM users WHERE id = 4") == [(f"Name {done[0]}", 2)]


async def test_a_role_that_grows_while_it_is_granted_was_granted_before_or_not_at_all(service: Service) -> None:
    create = (
        """mutation { createRole(input: {name: "Helper", weight: 50, permissions: [LIST_USERS]}) { role { id } } }"""
    )
    grow = """mutation ($id: ID!) { updateRole(input: {id: $id, weight: 90, permissions: [LIST_USERS, DELETE_USERS]}) {
      errors { code } } }"""
    role = (await service.data(create))["createRole"]["role"]["id"]
    shrink = "UPDATE roles SET weight = 50, rights = '[\"LIST_USERS\"]' WHERE name = 'Helper'"
    for n in range(6):
        await service.write("UPDATE users SET role_id = 4 WHERE id = 4")
        await service.write(shrink)
        grant = service.data(UPDATE, {"id": "user_4", "role": {"id": role}}, who="it")
        growing = service.data(grow, {"id": role})
        both = [grant, growing] if n % 2 else [growing, grant]
        answers = {next(iter(answer)): next(iter(answer.values())) for answer in await asyncio.gather(*both)}
        assert answers["updateRole"] == {"errors": []}
        last = [(event[2], event[3]) for event in await events(service, "UPDATED")][-2:]
        if answers["updateUser"]["errors"]:
            assert answers["updateUser"]["errors"] == [{"code": "ROLE_TOO_HEAVY"}]
            assert await service.scalar("SELECT role_id FROM users WHERE id = 4") == 4
            assert last[-1][0] == "role"
        else:
            assert [subject for subject, _ in last] == ["user", "role"]


async def test_a_user_deleted_while_getting_a_key_leaves_none(service: Service) -> None:
    issue = """mutation ($id: ID!) { createApiKey(input: {name: "new", userId: $id}) {
      apiKey { name user { id } } errors { code } } }"""
    delete = "mutation ($id: ID!) { deleteUsers(input: {ids: [$id]}) { results { action } } }"
    for n in range(6):
        made = await service.data(UPSERT, {"users": [{"email": f"short{n}@x.org"}]})
        typed = made["upsertUsers"]["results"][0]["user"]["id"]
        both = [service.data(issue, {"id": typed}), service.data(delete, {"id": typed})]
        answers = await asyncio.gather(*(both if n % 2 else reversed(both)))
        answer = {name: value for each in answers for name, value in each.items()}
        assert answer["deleteUsers"]["results"] == [{"action": "DELETED"}]
        key = answer["createApiKey"]
        assert key in (
            {"apiKey": {"name": "new", "user": {"id": typed}}, "errors": []},
            {"apiKey": None, "errors": [{"code": "NOT_FOUND"}]},
        )
        stories = [e[1] for e in await events(service, "KEY_CREATED", "DELETED") if f"user_{e[3]}" == typed]
        assert stories == (["KEY_CREATED", "DELETED"] if key["apiKey"] else ["DELETED"])
    assert await service.scalar("SELECT COUNT(*) FROM api_keys WHERE name = 'new'") == 0


async def test_parallel_changes_leave_one_audit_event_each_in_an_unbroken_chain(service: Service) -> None:
    group = """mutation ($id: ID!) { addGroupMembers(input: {id: "group_2", userIds: [$id]}) { results { action } } }"""
    first = await service.scalar("SELECT MAX(id) FROM audit_events")
    names = [f"Name {n}" for n in range(24)]
    updates = [service.data(UPDATE, {"id": f"user_{3 + n % 3}", "name": name}) for n, name in enumerate(names)]
    joins = [service.data(group, {"id": f"user_{3 + n % 3}"}, who="it") for n in range(9)]
    refused = [service.data(UPDATE, {"id": "user_4", "name": ""}) for _ in range(3)]
    answers = await asyncio.gather(*updates, *joins, *refused)
    assert [answer["updateUser"] for answer in answers[:24]] == [{"changedFields": ["name"], "errors": []}] * 24
    joined = Counter(answer["addGroupMembers"]["results"][0]["action"] for answer in answers[24:33])
    assert joined == {"UPDATED": 3, "UNCHANGED": 6}
    query = """query ($s: String!) { auditEvents(first: 100, where: {subjectId: {eq: $s}, action: {eq: UPDATED}}) {
      nodes { id changes actorUsername requestId } } }"""
    seen: list[Any] = []
    for user in (3, 4, 5):
        told = (await service.data(query, {"s": f"user_{user}"}))["auditEvents"]["nodes"]
        chain = [event["changes"]["name"] for event in reversed(told) if "name" in event["changes"]]
        assert len(chain) == 8
        assert all(before[1] == after[0] for before, after in itertools.pairwise(chain))
        row = await service.rows("SELECT name, version FROM users WHERE id = $1", user)
        assert row == [(chain[-1][1], 1 + len(told))]
        assert [event["changes"] for event in told if event["actorUsername"] == "it"] == [
            {"groups": [None, ["IT works"]]}
        ]
        seen += told
    assert len({event["id"] for event in seen}) == len({event["requestId"] for event in seen}) == 27
    total = await service.scalar("SELECT COUNT(*) FROM audit_events WHERE id > $1", first)
    assert total == 24 + 3 * 2  # a membership is told of the user and of the group


async def test_a_bug_beside_good_changes_leaves_them_and_a_healthy_service(service: Service) -> None:
    """The database itself breaks one statement, as a bug would: in one document and beside other requests."""
    if service.dialect == "sqlite":
        await service.write(
            "CREATE TRIGGER boom BEFORE UPDATE ON users WHEN NEW.name = 'boom' BEGIN SELECT RAISE(ABORT, 'boom'); END"
        )
    else:
        await service.write(
            "CREATE FUNCTION boom() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'boom'; END $$"
        )
        await service.write(
            "CREATE TRIGGER boom BEFORE UPDATE ON users FOR EACH ROW WHEN (NEW.name = 'boom') EXECUTE FUNCTION boom()"
        )
    together = """mutation { a: updateUser(input: {id: "user_4", name: "fine"}) { changedFields }
      b: updateUser(input: {id: "user_5", name: "boom"}) { changedFields } }"""
    body = await service.ask(together)
    assert [error["extensions"]["code"] for error in body["errors"]] == ["INTERNAL"]
    assert body["errors"][0]["path"] == ["b"]
    assert "boom" not in str(body)
    assert await service.scalar("SELECT name FROM users WHERE id = 4") == "fine"
    names = ["boom" if n % 2 else f"Name {n}" for n in range(20)]
    answers = await asyncio.gather(*(service.ask(UPDATE, {"id": "user_6", "name": name}) for name in names))
    assert [("errors" in answer) for answer in answers] == [name == "boom" for name in names]
    for _ in range(100):
        assert (await service.data("{ me { username } }"))["me"] == {"username": "admin"}
    assert await service.scalar("SELECT version FROM users WHERE id = 6") == 11
    assert len(await events(service, "UPDATED")) == 11


async def test_two_processes_importing_the_same_people_lose_nothing(service: Service, tmp_path: Path) -> None:
    emails = [f"p{n}@x.org" for n in range(1_500)]
    programs = [_importing(service.database.url, tmp_path / f"{tag}.csv", tag, emails) for tag in ("one", "two")]
    told = [await asyncio.to_thread(program.communicate, timeout=120) for program in programs]
    assert [program.returncode for program in programs] == [0, 0], told
    counts = Counter(word for out, _ in told for word in out.split("\n")[0].split(", "))
    assert await service.scalar("SELECT COUNT(*) FROM users WHERE email_key LIKE 'p%@x.org'") == 1_500, counts
    tags = await service.rows(
        "SELECT value_key, COUNT(DISTINCT user_id), COUNT(*) FROM user_tags GROUP BY value_key ORDER BY 1"
    )
    assert tags == [("one", 1_500, 1_500), ("two", 1_500, 1_500)]
    made = Counter(event[1] for event in await events(service, "CREATED", "UPDATED") if event[3] > 9)
    assert made == {"CREATED": 1_500, "UPDATED": 1_500}
    assert (await service.data("{ users { totalCount } }"))["users"]["totalCount"] == 1_509


def _importing(url: str, file: Path, tag: str, emails: list[str]) -> "subprocess.Popen[str]":
    file.write_text("email,tags\n" + "".join(f"{email},{tag}\n" for email in emails))
    settings = environment(database_url=url, secret_key=SECRET)
    pipe = subprocess.PIPE
    return subprocess.Popen([SCRIPT, "import", str(file)], env=settings, stdout=pipe, stderr=pipe, text=True)
