"""API keys: made, shown once, narrowed, listed, revoked."""

import asyncio
import hashlib
from datetime import UTC, datetime, timedelta
from typing import Any

from models.values import rfc3339
from resolvers.policy import MEMBER, Right
from tests.calls import change, hold, new_key, refused, told
from tests.service import Service

CREATED = """secret apiKey { id name prefix permissions isValid expiresAt revokedAt lastUsedAt
             user { id } createdBy { id } }"""
TABLES = (
    "users user_tags user_aliases user_variables previous_identities roles role_names identity_providers organizations"
    " organization_members groups group_members invitations password_resets sessions api_keys letters audit_events"
    " stored_answers"
).split()


def digest(secret: str) -> str:
    return hashlib.sha256(f"ug:{secret}".encode()).hexdigest()


async def viewer_of(service: Service, secret: str) -> Any:
    """What the holder of a key is told about themselves; None for no key."""
    query = "{ viewer { user { id } permissions } }"
    body = (await service.post({"query": query}, who=None, headers={"x-apikey": secret})).json()
    return body["data"]["viewer"] if "errors" not in body else None


async def test_a_key_of_ones_own_is_answered_once_and_kept_as_a_digest(service: Service) -> None:
    payload = await change(service, "createApiKey", {"name": "  Billing job "}, who="normal", more=CREATED)
    secret = payload["secret"]
    made = payload["apiKey"]
    assert secret.startswith("ug_")
    assert len(secret) >= 40
    assert payload == {
        "errors": [],
        "secret": secret,
        "apiKey": {
            "id": made["id"],
            "name": "Billing job",
            "prefix": secret[:8],
            "permissions": None,
            "isValid": True,
            "expiresAt": None,
            "revokedAt": None,
            "lastUsedAt": None,
            "user": {"id": "user_4"},
            "createdBy": {"id": "user_4"},
        },
    }
    number = int(made["id"].removeprefix("key_"))
    columns = "user_id, name, prefix, digest, rights, expires_at, revoked_at, created_by_id"
    stored = await service.rows(f"SELECT {columns} FROM api_keys WHERE id = $1", number)
    assert stored == [(4, "Billing job", secret[:8], digest(secret), None, None, None, 4)]
    assert await viewer_of(service, secret) == {"user": {"id": "user_4"}, "permissions": sorted(MEMBER)}
    assert await service.rows(
        "SELECT action, subject_type, subject_id, actor_id, actor_username FROM audit_events ORDER BY id DESC LIMIT 1"
    ) == [("KEY_CREATED", "user", 4, 4, "normal")]
    events = await service.data("{ auditEvents(first: 1) { nodes { changes } } }")
    changes = {"key": [None, made["id"]], "name": [None, "Billing job"]}
    assert events == {"auditEvents": {"nodes": [{"changes": changes}]}}


async def test_the_secret_stands_nowhere_in_the_database(service: Service) -> None:
    given = {"name": "x", "userId": "user_8", "idempotencyKey": "once"}
    secret = (await change(service, "createApiKey", given, more="secret"))["secret"]
    rows = [await service.rows(f"SELECT * FROM {table}") for table in TABLES]
    assert digest(secret) in str(rows)
    assert secret not in str(rows)
    assert secret.removeprefix("ug_") not in str(rows)
    if service.database.file is not None:
        folder = service.database.file.parent
        files = [each.read_bytes() for each in folder.iterdir() if each.name.startswith(service.database.file.name)]
        assert any(digest(secret).encode() in each for each in files)
        assert not any(secret.encode() in each for each in files)


async def test_a_narrowed_expiring_key_for_another_has_what_was_asked(service: Service) -> None:
    expires = datetime.now(UTC) + timedelta(days=3)
    given = {"name": "CI", "userId": "user_2", "permissions": ["READ_USERS", "LIST_USERS"], "expiresAt": expires.isoformat()}  # fmt: skip # noqa: E501
    payload = await change(service, "createApiKey", given, more=CREATED)
    made = payload["apiKey"]
    assert (made["permissions"], made["user"], made["createdBy"]) == (
        ["LIST_USERS", "READ_USERS"],
        {"id": "user_2"},
        {"id": "user_1"},
    )
    assert (made["isValid"], made["expiresAt"]) == (True, rfc3339(expires))
    narrow = {"user": {"id": "user_2"}, "permissions": ["LIST_USERS", "READ_USERS"]}
    assert await viewer_of(service, payload["secret"]) == narrow


async def test_a_key_follows_its_owners_role_and_a_narrow_one_never_beyond_itself(service: Service) -> None:
    whole, narrow = await new_key(service, who="it"), await new_key(service, ["READ_USERS", "LIST_USERS"], who="it")
    nothing = await new_key(service, [], who="it")

    async def rights() -> list[list[str]]:
        return [(await viewer_of(service, key))["permissions"] for key in (whole, narrow, nothing)]

    before = await rights()
    assert (len(before[0]), before[1:]) == (14, [["LIST_USERS", "READ_USERS"], []])
    await hold(service, "it", 4)
    assert await rights() == [sorted(MEMBER), ["LIST_USERS"], []]
    await hold(service, "it", 1)
    assert await rights() == [sorted(Right), ["LIST_USERS", "READ_USERS"], []]


REFUSED: list[tuple[str, dict[str, Any], str, str]] = [
    ("normal", {"name": " "}, "REQUIRED", "name"),
    ("normal", {"name": "x" * 300}, "INVALID", "name"),
    ("normal", {"expiresAt": "2020-01-01T00:00:00Z"}, "INVALID", "expiresAt"),
    ("normal", {"permissions": ["READ_USERS"]}, "RIGHTS_TOO_WIDE", "permissions"),
    ("normal", {"userId": "user_8"}, "FORBIDDEN", "userId"),
    ("normal", {"userId": "user_999"}, "FORBIDDEN", "userId"),
    ("it", {"userId": "user_999"}, "NOT_FOUND", "userId"),
    ("it", {"userId": "role_1"}, "NOT_FOUND", "userId"),
    ("it", {"userId": "user_1"}, "USER_TOO_HEAVY", "userId"),
    ("it", {"userId": "user_8", "permissions": ["READ_USERS"]}, "RIGHTS_TOO_WIDE", "permissions"),
    ("it", {"userId": "user_9"}, "WRONG_STATE", "userId"),
    ("it", {"userId": "user_3"}, "WRONG_STATE", "userId"),
]


async def test_a_refused_key_is_not_made(service: Service) -> None:
    await service.write("UPDATE users SET state = 'DEACTIVATED' WHERE id = 9")
    await service.write("UPDATE users SET state = 'INVITED' WHERE id = 3")
    before = await service.snapshot()
    for who, given, code, path in REFUSED:
        payload = await change(service, "createApiKey", {"name": "x", **given}, who=who, more=CREATED)
        assert (payload["secret"], payload["apiKey"]) == (None, None)
        assert [(error["code"], error["path"]) for error in payload["errors"]] == [(code, [path])], (who, given)
    assert await service.snapshot() == before


async def test_a_dry_run_shows_the_key_and_makes_none(service: Service) -> None:
    before = await service.snapshot()
    given = {"name": "x", "permissions": ["USE_SELF_SERVICE"], "dryRun": True}
    payload = await change(service, "createApiKey", given, who="normal", more=CREATED)
    assert (payload["errors"], payload["secret"]) == ([], None)
    assert (payload["apiKey"]["name"], payload["apiKey"]["permissions"]) == ("x", ["USE_SELF_SERVICE"])
    assert await service.snapshot() == before


async def test_nobody_holds_more_than_a_hundred_keys(service: Service) -> None:
    numbers = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 98)"
    row = "SELECT 8, 'many', 'many', 'many' || i, u.created_at FROM n, users u WHERE u.id = 8"
    await service.write(f"INSERT INTO api_keys (user_id, name, prefix, digest, created_at) {numbers} {row}")
    given = {"name": "x", "userId": "user_8"}
    assert [await refused(service, "createApiKey", given) for _ in range(3)] == ["", "", "INVALID"]
    await service.write("UPDATE api_keys SET revoked_at = created_at WHERE digest = 'many1'")
    assert await refused(service, "createApiKey", given) == ""


async def test_a_repeated_call_gets_the_first_answer_and_makes_one_key(service: Service) -> None:
    given = {"name": "x", "idempotencyKey": "once"}
    first = await change(service, "createApiKey", given, who="normal", more=CREATED)
    again = await change(service, "createApiKey", given, who="normal", more=CREATED)
    assert first == again
    assert await service.scalar("SELECT count(*) FROM api_keys WHERE user_id = 4") == 2
    other = await change(service, "createApiKey", {**given, "name": "y"}, who="normal", more=CREATED)
    assert told(other) == ["IDEMPOTENCY_KEY_REUSED"]
    elsewhere = await change(service, "createApiKey", given, who="pm", more=CREATED)
    assert elsewhere["apiKey"]["user"] == {"id": "user_3"}


async def test_a_narrow_key_does_not_fetch_the_first_answer_of_a_wider_one(service: Service) -> None:
    narrow = await new_key(service, ["USE_SELF_SERVICE"])
    given = {"name": "x", "idempotencyKey": "once"}
    wide = await change(service, "createApiKey", given, more="secret")
    answer = await change(service, "createApiKey", given, key=narrow, more="secret")
    assert answer["secret"] != wide["secret"]
    if answer["secret"] is not None:
        assert (await viewer_of(service, answer["secret"]))["permissions"] == ["USE_SELF_SERVICE"]


async def test_revoked_keys_stop_working_at_once_and_for_ever(service: Service) -> None:
    made = await change(service, "createApiKey", {"name": "x"}, who="normal", more="secret apiKey { id }")
    key_id, secret = made["apiKey"]["id"], made["secret"]
    assert await viewer_of(service, secret) is not None
    more = "summary { updated unchanged failed } results { ref user { id } apiKey { id isValid } }"
    payload = await change(service, "revokeApiKeys", {"ids": key_id}, who="normal", more=more)
    row = {"ref": key_id, "errors": [], "user": {"id": "user_4"}, "apiKey": {"id": key_id, "isValid": False}}
    assert payload == {
        "errors": [],
        "summary": {"updated": 1, "unchanged": 0, "failed": 0},
        "results": [{**row, "action": "UPDATED"}],
    }
    assert await viewer_of(service, secret) is None
    revoked = await service.rows("SELECT id FROM api_keys WHERE revoked_at IS NOT NULL")
    assert revoked == [(int(key_id.removeprefix("key_")),)]
    last = "SELECT action, subject_id, actor_id FROM audit_events ORDER BY id DESC LIMIT 1"
    assert await service.rows(last) == [("KEY_REVOKED", 4, 4)]
    before = await service.snapshot()
    payload = await change(service, "revokeApiKeys", {"ids": [key_id]}, who="normal", more=more)
    assert payload["results"] == [{**row, "action": "UNCHANGED"}]
    assert await service.snapshot() == before


async def test_a_key_may_revoke_itself(service: Service) -> None:
    assert await refused(service, "revokeApiKeys", {"ids": ["key_4"]}, who="normal") == ""
    assert (await service.post({"query": "{ me { id } }"}, who="normal")).status_code == 401


async def test_unknown_and_foreign_keys_are_not_there_and_rows_stay_in_the_order_of_the_input(service: Service) -> None:
    ids = ["key_1", "key_4", "key_999", "user_4", "nonsense"]
    more = "results { index ref apiKey { id } }"
    payload = await change(service, "revokeApiKeys", {"ids": ids, "errorPolicy": "REJECT_FAILED"}, who="normal", more=more)  # fmt: skip # noqa: E501
    rows = [(row["index"], row["ref"], row["action"], [e["code"] for e in row["errors"]]) for row in payload["results"]]
    missing = ["NOT_FOUND"]
    assert rows == [
        (0, "key_1", "FAILED", missing),
        (1, "key_4", "UPDATED", []),
        (2, "key_999", "FAILED", missing),
        (3, "user_4", "FAILED", missing),
        (4, "nonsense", "FAILED", missing),
    ]
    assert [row["apiKey"] for row in payload["results"]] == [None, {"id": "key_4"}, None, None, None]
    assert await service.rows("SELECT id FROM api_keys WHERE revoked_at IS NOT NULL") == [(4,)]


async def test_a_repeated_id_still_gets_a_row_of_its_own(service: Service) -> None:
    ids = ["key_2", "key_2", "key_3"]
    payload = await change(service, "revokeApiKeys", {"ids": ids, "errorPolicy": "REJECT_FAILED"}, more="results { index ref }")  # fmt: skip # noqa: E501
    assert [(row["index"], row["ref"]) for row in payload["results"]] == list(enumerate(ids))
    assert await service.rows("SELECT id FROM api_keys WHERE revoked_at IS NOT NULL ORDER BY id") == [(2,), (3,)]


async def test_keys_are_listed_with_their_state_and_never_their_secret(service: Service) -> None:
    await service.write("UPDATE api_keys SET expires_at = created_at WHERE id = 2")
    await service.write("UPDATE api_keys SET revoked_at = created_at WHERE id = 3")
    listing = "{{ apiKeys(where: {}, orderBy: {{field: ID}}) {{ totalCount nodes {{ id isValid }} }} }}"
    invalid = await service.data(listing.format("{isValid: {eq: false}}"))
    rows = [{"id": "key_2", "isValid": False}, {"id": "key_3", "isValid": False}]
    assert invalid == {"apiKeys": {"totalCount": 2, "nodes": rows}}
    assert (await service.data(listing.format("{isValid: {eq: true}}")))["apiKeys"]["totalCount"] == 5
    kept = await service.data('{ __type(name: "ApiKey") { fields { name } } }')
    assert {field["name"] for field in kept["__type"]["fields"]} & {"secret", "digest", "token"} == set()


async def test_a_key_issued_while_its_owner_is_deleted_belongs_to_nobody_or_is_refused(service: Service) -> None:
    made, deleted = await asyncio.gather(
        change(service, "createApiKey", {"name": "x", "userId": "user_8"}, who="it", more="secret"),
        change(service, "deleteUsers", {"ids": ["user_8"]}),
    )
    assert told(deleted) == []
    assert told(made) in ([], ["NOT_FOUND"])
    assert await service.scalar("SELECT count(*) FROM api_keys WHERE user_id = 8") == 0
    if made["secret"] is not None:
        assert await viewer_of(service, made["secret"]) is None
