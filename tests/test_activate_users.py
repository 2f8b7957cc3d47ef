"""Giving access and taking it away: what ends with a deactivation is counted, and stays ended."""

import json
from typing import Any

import pytest

from tests.service import Service, codes, key_of

OFF = """mutation($input: DeactivateUsersInput!) { deactivateUsers(input: $input) { errors { code path }
  summary { updated unchanged skipped failed }
  results { index ref action changedFields endedSessions revokedKeys revokedInvitations
    user { id state isActive accessibility version updatedBy { id } } errors { code message path index } } } }"""
ON = """mutation($input: ActivateUsersInput!) { activateUsers(input: $input) { errors { code path }
  summary { updated unchanged skipped failed }
  results { index ref action changedFields user { id state isActive version }
    errors { code message path index } } } }"""


async def deactivate(service: Service, *ids: str, who: str = "admin", **more: Any) -> Any:
    return (await service.data(OFF, {"input": {"ids": ids, **more}}, who=who))["deactivateUsers"]


async def activate(service: Service, *ids: str, who: str = "admin", **more: Any) -> Any:
    return (await service.data(ON, {"input": {"ids": ids, **more}}, who=who))["activateUsers"]


async def sessions(service: Service, user: int, count: int, *, ended: bool = False, hours: int = 1) -> None:
    """Sessions as a sign-in would leave them."""
    later = {
        "sqlite": f"strftime('%Y-%m-%d %H:%M:%f', 'now', '{hours:+d} hours') || '000+00:00'",
        "postgres": f"now() + interval '{hours} hours'",
    }[service.dialect]
    for number in range(count):
        await service.write(
            "INSERT INTO sessions (user_id, token_digest, created_at, expires_at, ended_at)"
            f" SELECT id, $2, created_at, {later}, {'created_at' if ended else 'NULL'} FROM users WHERE id = $1",
            user,
            f"{user}-{number}-{ended}-{hours}",
        )


async def open_things(service: Service, user: int) -> list[int]:
    return [
        await service.scalar(f"SELECT COUNT(*) FROM {table} WHERE user_id = $1 AND {condition}", user)
        for table, condition in (
            ("sessions", "ended_at IS NULL"),
            ("api_keys", "revoked_at IS NULL"),
            ("invitations", "state = 'PENDING'"),
            ("password_resets", "closed_at IS NULL"),
            ("letters", "state = 'WAITING'"),
        )
    ]


async def events(service: Service, user: int) -> list[tuple[str, str, Any]]:
    rows = await service.rows(
        "SELECT action, actor_username, changes FROM audit_events"
        " WHERE subject_type = 'user' AND subject_id = $1 AND action LIKE '%ACTIVATED' ORDER BY id",
        user,
    )
    return [(action, actor, json.loads(changes)) for action, actor, changes in rows]


async def test_sessions_keys_and_resets_end_with_the_access_and_are_counted(service: Service) -> None:
    await sessions(service, 4, 3)
    await sessions(service, 4, 2, ended=True)
    await sessions(service, 4, 1, hours=-1)
    await sessions(service, 9, 1)
    for _ in range(2):
        made = 'mutation { createApiKey(input: {name: "more", userId: "user_4"}) { errors { code } } }'
        await service.data(made)
    asked = 'mutation { requestPasswordReset(input: {email: "normal@usergraph.test"}) { link } }'
    token = (await service.data(asked))["requestPasswordReset"]["link"].split("#")[1]
    before = await service.snapshot()
    dry = await deactivate(service, "user_4", dryRun=True)
    assert await service.snapshot() == before
    real = await deactivate(service, "user_4")
    assert dry == real
    assert real == {
        "errors": [],
        "summary": {"updated": 1, "unchanged": 0, "skipped": 0, "failed": 0},
        "results": [
            {
                "index": 0,
                "ref": "user_4",
                "action": "UPDATED",
                "changedFields": ["state"],
                "endedSessions": 3,
                "revokedKeys": 3,
                "revokedInvitations": 0,
                "user": {
                    "id": "user_4",
                    "state": "DEACTIVATED",
                    "isActive": False,
                    "accessibility": "NONE",
                    "version": 2,
                    "updatedBy": {"id": "user_1"},
                },
                "errors": [],
            }
        ],
    }
    # The session that was over already is not ended once more.
    assert (await open_things(service, 4))[1:] == [0, 0, 0, 0]
    assert await service.scalar("SELECT COUNT(*) FROM sessions WHERE user_id = 9 AND ended_at IS NULL") == 1
    assert await events(service, 4) == [("DEACTIVATED", "admin", {"state": ["ACTIVE", "DEACTIVATED"]})]
    assert await service.codes("{ me { id } }", who="normal") == ["UNAUTHENTICATED"]
    document = """mutation($t: String!) { resetPassword(input: {token: $t, newPassword: "amber ladder quiet 77"}) {
      errors { code } } }"""
    assert codes((await service.data(document, {"t": token}, who=None))["resetPassword"]["errors"]) == ["INVALID_TOKEN"]


async def test_a_pending_invitation_ends_with_the_access(service: Service) -> None:
    invited = await service.data("""mutation { inviteUsers(input: {users: [{email: "a@x.test"}]}) {
      results { user { id } invitation { id } } } }""")
    assert await open_things(service, 10) == [0, 0, 1, 0, 1]
    user = invited["inviteUsers"]["results"][0]["user"]["id"]
    (result,) = (await deactivate(service, user))["results"]
    assert (result["endedSessions"], result["revokedKeys"], result["revokedInvitations"]) == (0, 0, 1)
    assert await open_things(service, 10) == [0, 0, 0, 0, 0]
    assert await service.rows("SELECT state FROM invitations") == [("REVOKED",)]


async def test_access_begins_anew_and_what_ended_stays_ended(service: Service) -> None:
    await sessions(service, 4, 1)
    await deactivate(service, "user_4")
    before = await service.snapshot()
    dry = await activate(service, "user_4", dryRun=True)
    assert await service.snapshot() == before
    real = await activate(service, "user_4", who="it")
    assert dry == real
    (result,) = real["results"]
    assert result == {
        "index": 0,
        "ref": "user_4",
        "action": "UPDATED",
        "changedFields": ["state"],
        "user": {"id": "user_4", "state": "ACTIVE", "isActive": True, "version": 3},
        "errors": [],
    }
    assert await open_things(service, 4) == [0, 0, 0, 0, 0]
    assert await service.codes("{ me { id } }", who="normal") == ["UNAUTHENTICATED"]
    assert [(action, actor) for action, actor, _ in await events(service, 4)] == [
        ("DEACTIVATED", "admin"),
        ("ACTIVATED", "it"),
    ]
    assert await service.scalar("SELECT password_hash IS NOT NULL FROM users WHERE id = 4")


@pytest.mark.parametrize(("name", "state"), [("deactivate", "DEACTIVATED"), ("activate", "ACTIVE")])
async def test_what_is_so_already_is_unchanged_and_leaves_no_event(service: Service, name: str, state: str) -> None:
    call = deactivate if name == "deactivate" else activate
    await service.write("UPDATE users SET state = $1 WHERE id = 9", state)
    before = await service.snapshot()
    answer = await call(service, "user_9")
    (result,) = answer["results"]
    assert (result["action"], result["changedFields"], result["errors"]) == ("UNCHANGED", [], [])
    assert answer["summary"]["unchanged"] == 1
    assert await service.snapshot() == before


async def test_keys_found_open_on_a_deactivated_user_do_not_work(service: Service) -> None:
    """The state alone shuts out: not only what the deactivation revoked."""
    await service.write("UPDATE users SET state = 'DEACTIVATED' WHERE id = 4")
    assert await service.codes("{ me { id } }", who="normal") == ["UNAUTHENTICATED"]
    headers = {"authorization": f"Bearer {key_of('normal')}"}
    answer = await service.post({"query": "{ me { id } }"}, who=None, headers=headers)
    assert answer.status_code == 401


async def test_nobody_activates_or_deactivates_themselves(service: Service) -> None:
    before = await service.snapshot()
    for who in ("admin", "it", "robot"):
        user = await service.id_of(who)
        for call in (deactivate, activate):
            (result,) = (await call(service, user, who=who))["results"]
            assert (result["action"], result["user"]) == ("FAILED", None)
            assert [(e["code"], e["path"], e["index"]) for e in result["errors"]] == [("SELF", ["ids", "0"], 0)]
    assert await service.snapshot() == before


async def test_refused_rows_say_why_and_keep_the_rest_waiting(service: Service) -> None:
    await service.data('mutation { inviteUsers(input: {users: [{email: "a@x.test"}]}) { errors { code } } }')
    before = await service.snapshot()
    off = (await deactivate(service, "user_9", "user_99", "user_9", "group_1", who="it"))["results"]
    assert [(r["index"], r["ref"], r["action"], codes(r["errors"])) for r in off] == [
        (0, "user_9", "SKIPPED", ["OTHERS_FAILED"]),
        (1, "user_99", "FAILED", ["NOT_FOUND"]),
        (2, "user_9", "FAILED", ["DUPLICATE"]),
        (3, "group_1", "FAILED", ["NOT_FOUND"]),
    ]
    counts = ("endedSessions", "revokedKeys", "revokedInvitations")
    assert [[r[name] for name in counts] for r in off] == [[None, None, None]] * 4
    on = (await activate(service, "user_10", "user_1", who="it"))["results"]
    assert [codes(r["errors"]) for r in on] == [["WRONG_STATE"], ["USER_TOO_HEAVY"]]
    assert "resendInvitations" in on[0]["errors"][0]["message"]
    assert await service.snapshot() == before


@pytest.mark.parametrize("who", ["pm", "normal", "readonly"])
async def test_both_need_the_right(service: Service, who: str) -> None:
    before = await service.snapshot()
    for name in ("activateUsers", "deactivateUsers"):
        document = f'mutation {{ {name}(input: {{ids: "user_9"}}) {{ results {{ index }} errors {{ code path }} }} }}'
        answer = (await service.data(document, who=who))[name]
        assert (answer["results"], codes(answer["errors"])) == ([{"index": 0}], ["FORBIDDEN"])
    assert await service.snapshot() == before


async def test_many_go_and_come_back_in_one_call_each(service: Service) -> None:
    ids = ["user_9", "user_3", "user_8"]
    for call, state in ((deactivate, "DEACTIVATED"), (activate, "ACTIVE")):
        answer = await call(service, *ids)
        assert [(r["index"], r["ref"], r["user"]["id"], r["user"]["state"]) for r in answer["results"]] == [
            (index, user, user, state) for index, user in enumerate(ids)
        ]
        assert answer["summary"]["updated"] == 3
        stored = await service.rows("SELECT DISTINCT state FROM users WHERE id IN (3, 8, 9)")
        assert stored == [(state,)]
