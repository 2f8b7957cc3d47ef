"""Asking which emails, names and ids are in use, by calls that store nothing, leaves a trace and comes to an end."""

import json
from typing import Any

import pytest

from tests.calls import change, hold, new_role, told
from tests.service import Service

HOME = {"organizationIds": ["organization_3"]}
OTHERS = ("outsider@usergraph.test", "normal@usergraph.test", "it@usergraph.test")


async def trail(service: Service) -> list[tuple[str | None, Any]]:
    sql = "SELECT actor_username, changes FROM audit_events WHERE action = 'TAKEN_VALUES_PROBED' ORDER BY id"
    return [(row[0], json.loads(row[1])["refused"]) for row in await service.rows(sql)]


def ways(email: str) -> list[tuple[str, dict[str, Any]]]:
    new = {"username": "new", "email": email, "name": "New", "role": {"name": "Normal user"}, **HOME}
    return [
        ("inviteUsers", {"users": [{"email": email, **HOME}]}),
        ("upsertUsers", {"users": [{"email": email, **HOME}]}),
        ("createUser", {**new, "authentication": {"apiOnly": True}}),
        ("updateUser", {"id": "user_8", "email": email}),
    ]


async def people(service: Service, count: int) -> list[str]:
    """The emails of this many users out of sight of an organization's administrator."""
    users = [{"email": f"far{number}@x.test", "organizationIds": ["organization_5"]} for number in range(count)]
    assert told(await change(service, "upsertUsers", {"users": users})) == []
    return [user["email"] for user in users]


@pytest.mark.parametrize("dry", [True, False], ids=["dry", "for real"])
async def test_each_refused_probe_is_recorded_and_counted(service: Service, dry: bool) -> None:
    for mutation, given in ways(OTHERS[0]):
        payload = await change(service, mutation, {**given, "dryRun": dry}, who="orgadmin")
        assert told(payload) == ["TAKEN"], mutation
    assert await trail(service) == [("orgadmin", [None, 1])] * 4
    for mutation, given in ways("free@x.test"):
        assert told(await change(service, mutation, {**given, "dryRun": True}, who="orgadmin")) == []
    assert len(await trail(service)) == 4


async def test_many_probes_in_one_call_are_refused_together_and_the_next_ones_wait(service: Service) -> None:
    emails = await people(service, 101)
    users = [{"email": email, **HOME} for email in [*emails, "free@x.test"]]
    for given in ({"users": users, "dryRun": True}, {"users": users, "errorPolicy": "REJECT_FAILED"}):
        payload = await change(service, "inviteUsers", given, who="orgadmin")
        assert told(payload) == ["TOO_MANY"]
        rows = [(row["action"], [each["code"] for each in row["errors"]]) for row in payload["results"]]
        assert rows == [("FAILED", ["TOO_MANY"])] * 102
    assert await service.scalar("SELECT COUNT(*) FROM users WHERE email_key = 'free@x.test'") == 0
    assert [each[1] for each in await trail(service)] == [[None, 101], [None, 101]]
    for mutation, given in ways(OTHERS[0]):
        payload = await change(service, mutation, {**given, "dryRun": True}, who="orgadmin")
        assert told(payload) == ["TOO_MANY"], mutation
        assert "Wait 15 minutes" in payload["errors"][0]["message"]
    # What is right goes on, and so do others.
    for mutation, given in ways("free@x.test"):
        assert told(await change(service, mutation, {**given, "dryRun": True}, who="orgadmin")) == [], mutation
    await service.write("UPDATE sign_in_failures SET blocked_until = last_at")
    payload = await change(service, "inviteUsers", {"users": users[:2], "dryRun": True}, who="orgadmin")
    assert told(payload) == ["TAKEN", "TAKEN"]


async def test_who_may_read_all_users_probes_nothing(service: Service) -> None:
    emails = await people(service, 101)
    users = [{"email": email} for email in emails]
    for who in ("admin", "it"):
        assert told(await change(service, "inviteUsers", {"users": users, "dryRun": True}, who=who)) == ["TAKEN"] * 101
    assert await trail(service) == []
    rights = ["INVITE_USERS", "USE_SELF_SERVICE", "LIST_USERS", "READ_DIRECTORY"]
    await hold(service, "pm", await new_role(service, "Host", 60, rights))
    assert told(await change(service, "inviteUsers", {"users": users, "dryRun": True}, who="pm")) == ["TOO_MANY"]
    assert await trail(service) == [("pm", [None, 101])]
