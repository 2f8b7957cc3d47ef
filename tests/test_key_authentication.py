"""Who somebody is, by the key they send; what is no key, or no more, opens nothing and says no more than that."""

import hashlib
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

from tests.calls import change
from tests.cast import PASSWORD
from tests.service import Service, key_of

ME = {"query": "{ me { username } }"}
KEY = key_of("normal")
REFUSED = {
    "errors": [
        {
            "message": "Send a valid API key in X-ApiKey (or Authorization: Bearer).",
            "extensions": {"code": "UNAUTHENTICATED"},
        }
    ]
}


async def me(service: Service, headers: dict[str, str]) -> tuple[int, Any]:
    answer = await service.post(ME, who=None, headers=headers)
    body = answer.json()
    return answer.status_code, body["data"]["me"]["username"] if "data" in body else body


async def test_a_key_is_taken_from_either_header(service: Service) -> None:
    for headers in (
        {"x-apikey": KEY},
        {"X-APIKEY": KEY},
        {"authorization": f"Bearer {KEY}"},
        {"authorization": f"bearer  {KEY}"},
        {"x-apikey": KEY, "authorization": "Basic bm90OmFrZXk="},
        {"x-apikey": KEY, "cookie": "session=nonsense"},
    ):
        assert await me(service, headers) == (200, "normal"), headers


NO_KEYS: list[dict[str, str]] = [
    {},
    {"x-apikey": ""},
    {"x-apikey": "ug_wrong_key_wrong_key_wrong_key"},
    {"x-apikey": KEY[:-1]},
    {"x-apikey": KEY + "x"},
    {"x-apikey": KEY.upper()},
    {"x-apikey": KEY[:8]},
    {"x-apikey": f"{KEY}, {KEY}"},
    {"x-apikey": "ug_" + "x" * 10_000},
    {"x-apikey": "' OR '1'='1"},
    {"x-apikey": hashlib.sha256(f"ug:{KEY}".encode()).hexdigest()},
    {"authorization": KEY},
    {"authorization": f"Basic {KEY}"},
    {"authorization": "Bearer"},
    {"cookie": f"x-apikey={KEY}; session={KEY}"},
    {"x-apikey": "wrong", "authorization": f"Bearer {KEY}"},
]
DEAD = [
    "UPDATE api_keys SET revoked_at = created_at WHERE id = 4",
    "UPDATE api_keys SET expires_at = created_at WHERE id = 4",
    "UPDATE users SET state = 'DEACTIVATED' WHERE id = 4",
    "UPDATE users SET state = 'INVITED' WHERE id = 4",
    "DELETE FROM api_keys WHERE id = 4",
]


async def test_whatever_is_wrong_with_a_key_the_answer_is_the_same(service: Service) -> None:
    for headers in NO_KEYS:
        with service.statements() as statements:
            assert await me(service, headers) == (401, REFUSED), headers
        assert len(statements) <= 1
    for sql in DEAD:
        await service.write(sql)
        assert await me(service, {"x-apikey": KEY}) == (401, REFUSED), sql
        assert await service.scalar("SELECT count(last_used_at) FROM api_keys") == 0
        await service.write("UPDATE api_keys SET revoked_at = NULL, expires_at = NULL WHERE id = 4")
        await service.write("UPDATE users SET state = 'ACTIVE' WHERE id = 4")
    assert await service.scalar("SELECT count(last_used_at) FROM api_keys") == 0


async def test_a_key_in_the_address_is_none(service: Service) -> None:
    for name in ("x-apikey", "apikey", "api_key", "key", "access_token", "authorization"):
        parameters = {"query": "{ me { username } }", name: KEY}
        answer = await service.client.get("/graphql", params=parameters)
        assert (answer.status_code, answer.json()) == (401, REFUSED)
        answer = await service.client.post("/graphql", params={name: KEY}, json=ME)
        assert (answer.status_code, answer.json()) == (401, REFUSED)
        answer = await service.client.post("/graphql", json={**ME, name: KEY, "extensions": {name: KEY}})
        assert (answer.status_code, answer.json()) == (401, REFUSED)


async def test_a_wrong_key_is_refused_even_where_none_is_needed(service: Service) -> None:
    reset = 'mutation { requestPasswordReset(input: {email: "member@usergraph.test"}) { accepted } }'
    before = await service.snapshot()
    answer = await service.post({"query": reset}, who=None, headers={"x-apikey": "ug_wrong"})
    assert (answer.status_code, answer.json()) == (401, REFUSED)
    assert await service.snapshot() == before


async def test_an_expiry_is_exact_and_null_is_never(service: Service) -> None:
    moment = datetime.now(UTC)
    for expires, status in ((moment - timedelta(seconds=1), 401), (moment + timedelta(days=1), 200), (None, 200)):
        await service.write("UPDATE api_keys SET expires_at = $1 WHERE id = 4", expires)
        assert (await me(service, {"x-apikey": KEY}))[0] == status


async def test_the_keys_of_a_deactivated_owner_are_dead_also_when_the_owner_is_back(service: Service) -> None:
    payload = await change(service, "deactivateUsers", {"ids": ["user_4"]}, more="results { revokedKeys }")
    assert [row["revokedKeys"] for row in payload["results"]] == [1]
    assert (await me(service, {"x-apikey": KEY}))[0] == 401
    assert (await change(service, "activateUsers", {"ids": ["user_4"]}))["results"][0]["action"] == "UPDATED"
    assert await me(service, {"x-apikey": KEY}) == (401, REFUSED)


async def test_the_last_use_of_a_key_is_recorded_for_key_and_owner_and_for_no_other(
    service_with: Callable[..., Any],
) -> None:
    started = datetime.now(UTC) - timedelta(seconds=1)
    async with service_with() as service:
        await service.data("{ me { id } }", who="normal")
        await service.ask("{ me { id email } users { nodes { email } } }", who="readonly")  # refused, but used
        await service.post(ME, who=None, headers={"x-apikey": "ug_wrong"})
    # What waits to be written is written before the service is closed.
    async with service_with() as service:
        listing = "{ apiKeys(orderBy: {field: ID}) { nodes { id lastUsedAt user { lastApiRequestAt } } } }"
        keys = (await service.data(listing))["apiKeys"]["nodes"]
        used = {key["id"]: key for key in keys if key["lastUsedAt"] is not None and key["id"] != "key_1"}
        assert set(used) == {"key_4", "key_5"}
        for key in used.values():
            assert key["lastUsedAt"] == key["user"]["lastApiRequestAt"]
            assert started <= datetime.fromisoformat(key["lastUsedAt"]) <= datetime.now(UTC)
        assert await service.rows("SELECT id, version FROM users WHERE id IN (4, 5)") == [(4, 1), (5, 1)]
        first = await service.scalar("SELECT last_used_at FROM api_keys WHERE id = 4")
        await service.data("{ me { id } }", who="normal")
    # To about a minute: the second use within it is not written.
    async with service_with() as service:
        assert await service.scalar("SELECT last_used_at FROM api_keys WHERE id = 4") == first
        await service.write("UPDATE api_keys SET last_used_at = created_at WHERE id = 4")
        await service.data("{ me { id } }", who="normal")
    async with service_with() as service:
        assert await service.scalar("SELECT last_used_at FROM api_keys WHERE id = 4") > first


async def test_keys_and_the_tokens_of_invitations_resets_and_sessions_open_only_their_own_door(
    service: Service,
) -> None:
    guest = {"users": [{"email": "guest@x.test"}]}
    invited = await change(service, "inviteUsers", guest, more="results { invitation { link } }")
    asked = await change(service, "requestPasswordReset", {"email": "member@usergraph.test"}, more="link")
    secrets = {
        "key": KEY,
        "invitation": invited["results"][0]["invitation"]["link"].split("#")[1],
        "reset": asked["link"].split("#")[1],
        "session": "ugs_a_session_of_the_member_0123456789",
    }
    session = hashlib.sha256(f"ugs:{secrets['session']}".encode()).hexdigest()
    await service.write(
        "INSERT INTO sessions (user_id, token_digest, created_at, expires_at)"
        f" SELECT 8, '{session}', created_at, created_at FROM users WHERE id = 8"
    )
    await service.write("UPDATE sessions SET last_used_at = $1", datetime.now(UTC))
    await service.write("UPDATE sessions SET expires_at = $1", datetime.now(UTC) + timedelta(days=1))
    before = await service.snapshot()
    doors: dict[str, Any] = {
        "invitation": lambda token: ("acceptInvitation", {"token": token, "password": PASSWORD}),
        "reset": lambda token: ("resetPassword", {"token": token, "newPassword": PASSWORD + "!"}),
    }
    for door, call in doors.items():
        for kind, secret in secrets.items():
            if kind != door:
                mutation, given = call(secret)
                payload = await change(service, mutation, given)
                assert [(e["code"], e["path"]) for e in payload["errors"]] == [("INVALID_TOKEN", ["token"])], (
                    door,
                    kind,
                )
    for kind, secret in secrets.items():
        assert (await me(service, {"x-apikey": secret}))[0] == (200 if kind == "key" else 401), kind
        bearer = {"authorization": f"Bearer {secret}"}
        assert (await me(service, bearer))[0] == (200 if kind in ("key", "session") else 401), kind
    assert await service.snapshot() == before
    for door, call in doors.items():
        mutation, given = call(secrets[door])
        assert (await change(service, mutation, given))["errors"] == []
        assert [e["code"] for e in (await change(service, mutation, given))["errors"]] == ["INVALID_TOKEN"]
