"""Sessions: what they open, how they are listed, and how they end."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from models.values import now
from tests.cast import PASSWORD
from tests.service import Service, beyond_who_asks, changed, key_of
from tests.signing_in import ask_as, sign_in, token_of

ME = "{ me { username } }"
LIST = """{ me { sessions { totalCount nodes {
  id isOpen isCurrent createdAt lastUsedAt expiresAt endedAt address userAgent user { id } } } } }"""
OF = "query ($id: ID!) { user(by: {id: $id}) { sessions { nodes { id isCurrent } } } }"
END = """mutation ($input: EndSessionsInput!) { endSessions(input: $input) { errors { code }
  results { action session { id isOpen } errors { code path } } } }"""
SIGN_OUT = "mutation { signOut(input: {}) { session { id isOpen endedAt } errors { code } } }"


async def opens(service: Service, token: str) -> bool:
    """Whether it opens the door; a session that does not is UNAUTHENTICATED and nothing else."""
    answer = await ask_as(service, token, ME)
    if "errors" in answer:
        assert [error["extensions"]["code"] for error in answer["errors"]] == ["UNAUTHENTICATED"]
        return False
    return True


async def end(service: Service, ids: list[str], *, token: str = "", who: str = "admin") -> list[str]:
    """What became of each."""
    sent = {"input": {"ids": ids}}
    answer = await ask_as(service, token, END, sent) if token else await service.ask(END, sent, who=who)
    assert "errors" not in answer, answer["errors"]
    results = answer["data"]["endSessions"]["results"]
    return [row["action"] if not row["errors"] else row["errors"][0]["code"] for row in results]


async def test_a_session_acts_with_its_users_whole_rights_and_the_log_has_it(service: Service) -> None:
    token = await token_of(service, "it")
    made = await ask_as(service, token, 'mutation { createGroup(input: {name: "New"}) { group { id } } }')
    assert made["data"]["createGroup"]["group"] == {"id": "group_3"}
    row = (await service.rows("SELECT actor_username, api_key_id FROM audit_events ORDER BY id DESC LIMIT 1"))[0]
    assert row == ("it", None)


async def test_a_session_is_taken_as_bearer_only(service: Service) -> None:
    token = await token_of(service)
    for headers, status in (
        ({"authorization": f"Bearer {token}"}, 200),
        ({"authorization": f"bearer  {token}"}, 200),
        ({"x-apikey": token}, 401),
        ({"authorization": f"Basic {token}"}, 401),
        ({"authorization": f"Bearer {token}x"}, 401),
        ({"authorization": f"Bearer {token[:-1]}"}, 401),
        ({"authorization": f"Bearer {token.upper()}"}, 401),
        ({"authorization": f"Bearer {token[4:]}"}, 401),
        ({"authorization": "Bearer ugs_" + "x" * 1_000}, 401),
        ({"x-apikey": key_of("normal"), "authorization": f"Bearer {token}"}, 200),
    ):
        assert (await service.post({"query": ME}, who=None, headers=headers)).status_code == status, headers
    answer = await service.client.get("/graphql", params={"query": ME, "session": token, "access_token": token})
    assert answer.status_code == 401


async def test_ones_sessions_are_listed_newest_first_and_the_current_one_is_marked(service: Service) -> None:
    first, second = await token_of(service), await token_of(service)
    await token_of(service, "outsider")
    await end(service, ["session_1"], token=second)
    found = (await ask_as(service, second, LIST))["data"]["me"]["sessions"]
    assert found["totalCount"] == 2
    assert [(s["id"], s["isOpen"], s["isCurrent"]) for s in found["nodes"]] == [
        ("session_2", True, True),
        ("session_1", False, False),
    ]
    for session in found["nodes"]:
        assert (session["address"], session["userAgent"]) == ("127.0.0.1", "tests")
        assert session["user"] == {"id": "user_8"}
        created = datetime.fromisoformat(session["createdAt"])
        assert datetime.fromisoformat(session["expiresAt"]) - created == timedelta(hours=12)
        assert session["lastUsedAt"] >= session["createdAt"]
    assert [s["endedAt"] is None for s in found["nodes"]] == [True, False]
    assert not await opens(service, first)
    only = "{ me { sessions(where: {isOpen: {eq: true}}, first: 1) { totalCount edges { node { id } } } } }"
    found = (await ask_as(service, second, only))["data"]["me"]["sessions"]
    assert found == {"totalCount": 1, "edges": [{"node": {"id": "session_2"}}]}
    node = '{ node(id: "session_3") { id } mine: node(id: "session_2") { ... on Session { isCurrent } } }'
    answer = await ask_as(service, second, node)
    assert "errors" not in answer, answer
    assert answer["data"] == {"node": None, "mine": {"isCurrent": True}}


async def test_the_sessions_of_others_are_for_who_may_end_them(service: Service) -> None:
    await token_of(service)
    await token_of(service, "outsider")
    for who, user, seen in (
        ("admin", "user_8", ["session_1"]),
        ("it", "user_9", ["session_2"]),
        ("orgadmin", "user_8", ["session_1"]),
        ("admin", "user_4", []),
    ):
        answer = (await service.data(OF, {"id": user}, who=who))["user"]
        assert [s["id"] for s in answer["sessions"]["nodes"]] == seen, who
    for who in ("normal", "readonly"):
        assert await service.codes(OF, {"id": "user_8"}, who=who) == ["FORBIDDEN"]


async def test_signing_out_ends_the_session_it_comes_with(service: Service) -> None:
    one, other = await token_of(service), await token_of(service)
    dry = "mutation { signOut(input: {dryRun: true}) { session { id isOpen } } }"
    assert (await ask_as(service, one, dry))["data"]["signOut"] == {"session": {"id": "session_1", "isOpen": False}}
    assert await opens(service, one)
    answer = (await ask_as(service, one, SIGN_OUT))["data"]["signOut"]
    assert (answer["session"]["isOpen"], answer["errors"]) == (False, [])
    assert not await opens(service, one)
    assert await opens(service, other)
    assert await changed(service, "user_8") == ["SIGNED_IN", "SIGNED_IN", "SIGNED_OUT"]
    keyed = (await service.data(SIGN_OUT, who="normal"))["signOut"]
    assert keyed == {"session": None, "errors": [{"code": "WRONG_STATE"}]}
    assert await service.codes(SIGN_OUT, who=None) == ["UNAUTHENTICATED"]


async def test_sessions_are_ended_by_their_owner_and_by_who_may_deactivate_them(service: Service) -> None:
    token = await token_of(service)
    admin_hash = "UPDATE users SET password_hash = (SELECT password_hash FROM users WHERE id = 8) WHERE id = 1"
    await service.write(admin_hash)
    await token_of(service, "admin")
    await token_of(service, "outsider")
    before = await service.snapshot()
    assert await end(service, ["session_2"], token=token) == ["NOT_FOUND"], "another's is not there"
    assert await end(service, ["session_1"], who="normal") == ["NOT_FOUND"]
    assert await end(service, ["session_2"], who="it") == ["USER_TOO_HEAVY"]
    assert await end(service, ["session_3"], who="orgadmin") == ["NOT_FOUND"]
    assert await end(service, ["session_99", "key_1", ""]) == ["NOT_FOUND"] * 3
    assert await end(service, ["session_3", "session_3"]) == ["OTHERS_FAILED", "DUPLICATE"]
    assert await service.snapshot() == before
    assert await end(service, ["session_1"], who="orgadmin") == ["UPDATED"]
    assert await end(service, ["session_1", "session_2", "session_3"]) == ["UNCHANGED", "UPDATED", "UPDATED"]
    assert not await opens(service, token)
    assert await changed(service, "user_8") == ["SIGNED_IN", "SESSIONS_ENDED"]
    last = "SELECT actor_username, changes FROM audit_events WHERE action = 'SESSIONS_ENDED' ORDER BY id LIMIT 1"
    ((actor, changes),) = await service.rows(last)
    assert (actor, "session_1" in str(changes)) == ("orgadmin", True)


ENDS = {
    "deactivation": 'mutation { deactivateUsers(input: {ids: "user_8"}) { errors { code } } }',
    "password": """mutation { changePassword(input: {id: "user_8", newPassword: "amber ladder quiet 77"}) {
      errors { code } } }""",
    "conversion": 'mutation { convertUsers(input: {conversions: {id: "user_8", to: {saml: {}}}}) { errors { code } } }',
    "deletion": 'mutation { deleteUsers(input: {ids: "user_8"}) { errors { code } } }',
}


@pytest.mark.parametrize("why", ENDS)
async def test_sessions_end_with_the_way_in_that_they_came_by(service: Service, why: str) -> None:
    token, other = await token_of(service), await token_of(service, "outsider")
    answer = await service.data(ENDS[why])
    assert [payload["errors"] for payload in answer.values()] == [[]]
    assert not await opens(service, token)
    assert await opens(service, other)


@pytest.mark.parametrize(
    "sql",
    [
        "UPDATE sessions SET ended_at = created_at",
        "UPDATE sessions SET expires_at = created_at",
        "UPDATE users SET state = 'DEACTIVATED' WHERE id = 8",
        "UPDATE users SET state = 'INVITED' WHERE id = 8",
        "UPDATE users SET provider_id = NULL WHERE id = 8",
        "UPDATE identity_providers SET is_enabled = false WHERE id = 1",
        "DELETE FROM sessions",
    ],
)
async def test_what_ends_a_session_behind_its_back_ends_it_at_once(service: Service, sql: str) -> None:
    token = await token_of(service)
    assert await opens(service, token)
    await service.write(sql)
    assert not await opens(service, token)


async def test_a_session_that_is_not_used_ends_and_use_keeps_it(service_with: Any) -> None:
    async with service_with(session_idle_minutes=5) as service:
        token = await token_of(service)
        for minutes, open_ in ((4, True), (6, False)):
            await service.write("UPDATE sessions SET last_used_at = $1", now() - timedelta(minutes=minutes))
            assert await opens(service, token) is open_
        await service.write("UPDATE sessions SET last_used_at = $1", now() - timedelta(minutes=4))
        assert await opens(service, token)
    async with service_with(session_idle_minutes=5) as service:  # what waits to be written has been
        used = datetime.fromisoformat(str(await service.scalar("SELECT last_used_at FROM sessions")))
        assert now() - used < timedelta(minutes=1)
        assert await service.scalar("SELECT last_api_request_at FROM users WHERE id = 8") is None, "that is for keys"


async def test_a_session_lasts_as_long_as_the_setting_says(service_with: Any) -> None:
    async with service_with(session_hours=2) as service:
        expires = (await sign_in(service))["session"]["expiresAt"]
        assert timedelta(minutes=119) < datetime.fromisoformat(expires) - datetime.now(UTC) <= timedelta(hours=2)


async def test_a_session_that_ends_while_a_change_is_prepared_changes_nothing(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    token = await token_of(service)
    hasher = service.app.state.services.hasher
    real = hasher.hash

    async def hashing(password: str) -> str:
        await service.write("UPDATE sessions SET ended_at = created_at")
        found: str = await real(password)
        return found

    monkeypatch.setattr(hasher, "hash", hashing)
    change = f"""mutation {{ changePassword(input: {{id: "user_8", newPassword: "amber ladder quiet 77",
      currentPassword: "{PASSWORD}"}}) {{ errors {{ code }} }} }}"""
    answer = await ask_as(service, token, change)
    assert answer["errors"][0]["extensions"]["code"] == "UNAUTHENTICATED"
    assert await changed(service, "user_8") == ["SIGNED_IN"]


async def test_who_asks_is_one_statement_for_sessions_and_none_more_for_keys(service: Service) -> None:
    tokens = [await token_of(service, name) for name in ("member", "outsider", "it")]
    with service.statements() as alone:
        await service.data(ME, who="normal")
    assert len([each for each in alone if "FROM sessions" in each]) == 0
    assert len([each for each in alone if "FROM api_keys k" in each]) == 1
    with service.statements() as many:
        asked = [ask_as(service, token, ME) for token in tokens * 10]
        answers = await asyncio.gather(*asked, *(service.ask(ME, who="normal") for _ in range(10)))
    names = [answer["data"]["me"]["username"] for answer in answers]
    assert names == ["member", "outsider", "it"] * 10 + ["normal"] * 10
    looked_up = [each for each in many if "FROM sessions s JOIN" in each or "FROM api_keys k JOIN" in each]
    assert len(looked_up) <= 12, "those who wait share a look-up"
    assert all("users" in each for each in beyond_who_asks(many))


async def test_old_sessions_go_with_the_next_sign_in(service: Service) -> None:
    await token_of(service)
    await token_of(service, "outsider")
    await service.write("UPDATE sessions SET expires_at = $1 WHERE id = 1", now() - timedelta(days=31))
    await service.write("UPDATE sessions SET expires_at = $1 WHERE id = 2", now() - timedelta(days=29))
    await token_of(service)
    assert await service.rows("SELECT id FROM sessions ORDER BY id") == [(2,), (3,)]
