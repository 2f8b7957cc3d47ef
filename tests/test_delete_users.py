"""Deleting users for good: a right of its own, which a setting forbids."""

import json
from typing import Any

import pytest

from tests.service import Service, codes

DELETE = """mutation($input: DeleteUsersInput!) { deleteUsers(input: $input) { errors { code message path }
  summary { created updated unchanged skipped failed }
  results { index ref action changedFields deletedId user { id } errors { code path index } } } }"""
OWNED = (
    "user_tags",
    "user_aliases",
    "user_external_ids",
    "user_variables",
    "group_members",
    "organization_members",
    "invitations",
)
OWNED += ("password_resets", "sessions", "api_keys", "letters", "previous_identities", "stored_answers")


async def delete(service: Service, *ids: str, who: str = "admin", **more: Any) -> Any:
    return (await service.data(DELETE, {"input": {"ids": ids, **more}}, who=who))["deleteUsers"]


async def furnish(service: Service) -> None:
    """Hang something of every kind on `normal` (4)."""
    # A conversion ends the keys.
    own = 'mutation { createApiKey(input: {name: "mine", idempotencyKey: "k"}) { errors { code } } }'
    await service.data(own, who="normal")
    for document in (
        """{ updateUser(input: {id: "user_4", externalIds: {source: "hr", value: "p4"},
          tags: "t", aliases: "a", variables: [{name: "n", value: "v"}],
          groupIds: "group_1", organizationIds: "organization_3"}) { errors { code } } }""",
        '{ requestPasswordReset(input: {email: "normal@usergraph.test"}) { errors { code } } }',
        '{ convertUsers(input: {conversions: [{id: "user_4", to: {saml: {}}}]}) { errors { code } } }',
    ):
        await service.data(f"mutation {document}")
    copied = "FROM users WHERE id = 4"
    await service.write(
        "INSERT INTO sessions (user_id, token_digest, created_at, expires_at)"
        f" SELECT id, 'digest', created_at, updated_at {copied}"
    )
    await service.write(
        "INSERT INTO invitations (user_id, token_digest, state, sent_count, expires_at, created_at)"
        f" SELECT id, 'digest', 'PENDING', 1, updated_at, created_at {copied}"
    )
    await service.write("UPDATE users SET created_by_id = 4, updated_by_id = 4 WHERE id = 9")


async def test_a_user_goes_with_all_that_hangs_on_them_and_the_audit_log_stays(service: Service) -> None:
    await furnish(service)
    events = await service.rows("SELECT id FROM audit_events WHERE subject_type = 'user' AND subject_id = 4")
    before = await service.snapshot()
    dry = await delete(service, "user_4", dryRun=True)
    assert await service.snapshot() == before
    assert await delete(service, "user_4") == dry
    assert dry == {
        "errors": [],
        "summary": {"created": 0, "updated": 0, "unchanged": 0, "skipped": 0, "failed": 0},
        "results": [
            {
                "index": 0,
                "ref": "user_4",
                "action": "DELETED",
                "changedFields": [],
                "deletedId": "user_4",
                "user": None,
                "errors": [],
            }
        ],
    }
    owner = {table: "actor_id" if table == "stored_answers" else "user_id" for table in OWNED}
    for table, column in owner.items():
        assert await service.scalar(f"SELECT COUNT(*) FROM {table} WHERE {column} = 4") == 0, table
    assert await service.rows("SELECT id FROM users WHERE id = 4") == []
    assert await service.codes("{ me { id } }", who="normal") == ["UNAUTHENTICATED"]
    left = await service.data('{ user(by: {id: "user_9"}) { createdBy { id } updatedBy { id } } }')
    assert left == {"user": {"createdBy": None, "updatedBy": None}}
    rows = await service.rows(
        "SELECT id, action, actor_username, subject_label, changes FROM audit_events"
        " WHERE subject_type = 'user' AND subject_id = 4 ORDER BY id"
    )
    assert [row[:1] for row in rows[:-1]] == events
    _, action, actor, label, changes = rows[-1]
    assert (action, actor, label) == ("DELETED", "admin", "normal")
    changes = json.loads(changes)
    assert changes["email"] == ["normal@usergraph.test", None]
    assert changes["role"] == ["Normal user", None]


async def test_the_summary_counts_the_deleted(service: Service) -> None:
    document = """mutation { deleteUsers(input: {ids: ["user_8", "user_99"], errorPolicy: REJECT_FAILED}) {
      summary { deleted failed } } }"""
    assert (await service.data(document))["deleteUsers"] == {"summary": {"deleted": 1, "failed": 1}}


async def test_an_id_is_never_given_twice(service: Service) -> None:
    """Else the events of who is gone would be told of who comes after."""
    await delete(service, "user_9")
    made = await service.data("""mutation { upsertUsers(input: {users: [{email: "a@x.test"}]}) {
      results { user { id } } } }""")
    assert made["upsertUsers"]["results"][0]["user"]["id"] != "user_9"


async def test_the_names_of_who_is_gone_are_free_again(service: Service) -> None:
    await delete(service, "user_9")
    row = {"email": "outsider@usergraph.test", "username": "outsider"}
    made = await service.data(
        "mutation($r: [UpsertUserInput!]!) { upsertUsers(input: {users: $r}) { results { action matchedBy } } }",
        {"r": [row]},
    )
    assert made["upsertUsers"]["results"] == [{"action": "CREATED", "matchedBy": None}]


async def test_a_setting_forbids_it_and_says_what_to_do(service_with: Any) -> None:
    async with service_with(user_deletion=False) as service:
        before = await service.snapshot()
        for ids in (["user_9"], ["user_99"], []):
            answer = await delete(service, *ids)
            assert answer["summary"] is None
            assert [codes(each["errors"]) for each in answer["results"]] == [["DELETION_FORBIDDEN"]]
            assert [(e["code"], e["path"]) for e in answer["errors"]] == [("DELETION_FORBIDDEN", ["ids"])]
            assert "Deactivate" in answer["errors"][0]["message"]
        forbidden = await delete(service, "user_9", dryRun=True)
        assert codes(forbidden["errors"]) == ["DELETION_FORBIDDEN"]
        assert await service.snapshot() == before
        document = 'mutation { deactivateUsers(input: {ids: "user_9"}) { results { user { state } } } }'
        assert (await service.data(document))["deactivateUsers"]["results"] == [{"user": {"state": "DEACTIVATED"}}]


@pytest.mark.parametrize("who", ["it", "robot", "pm", "normal", "readonly"])
async def test_it_is_a_right_of_its_own(service: Service, who: str) -> None:
    before = await service.snapshot()
    document = 'mutation { deleteUsers(input: {ids: "user_9"}) { results { index } errors { code message } } }'
    answer = (await service.data(document, who=who))["deleteUsers"]
    assert (answer["results"], codes(answer["errors"])) == ([{"index": 0}], ["FORBIDDEN"])
    assert "DELETE_USERS" in answer["errors"][0]["message"]
    assert await service.snapshot() == before


async def test_refused_rows_say_why_and_name_nothing_deleted(service: Service) -> None:
    ids = ["user_9", "user_1", "user_99", "user_9", "role_1"]
    expected = [["SELF"], ["NOT_FOUND"], ["DUPLICATE"], ["NOT_FOUND"]]
    before = await service.snapshot()
    skipped = (await delete(service, *ids))["results"]
    assert [codes(result["errors"]) for result in skipped] == [["OTHERS_FAILED"], *expected]
    assert [result["deletedId"] for result in skipped] == [None] * 5
    assert await service.snapshot() == before
    results = (await delete(service, *ids, errorPolicy="REJECT_FAILED"))["results"]
    assert [(r["index"], r["ref"], r["action"]) for r in results] == [
        (index, typed, "FAILED" if index else "DELETED") for index, typed in enumerate(ids)
    ]
    assert [codes(result["errors"]) for result in results] == [[], *expected]
    assert [result["deletedId"] for result in results] == ["user_9", None, None, None, None]
    assert await service.rows("SELECT id FROM users WHERE id IN (1, 9)") == [(1,)]
