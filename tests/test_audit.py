"""The audit log: every change leaves its event in its own transaction, without secrets, and stays as it is."""

import json
import logging
import re
from typing import Any

import pytest

from tests.cast import PASSWORD
from tests.service import PEOPLE, Service, codes, key_of

NEW = "amber ladder quiet 77"
EVENTS = """query($where: AuditEventWhere) { auditEvents(first: 200, where: $where, orderBy: [{field: ID}]) {
  totalCount nodes { id createdAt action actorUsername actor { id } apiKeyId subjectId subjectLabel
    subject { __typename id } changes requestId } } }"""


async def do(service: Service, document: str, who: str | None = "admin", **variables: Any) -> tuple[Any, str]:
    """The answer of a mutation that has no errors, and its request id."""
    answer = await service.post({"query": f"mutation{document}", "variables": variables}, who=who)
    body = answer.json()
    assert "errors" not in body, body
    assert '"code"' not in json.dumps(body), body
    (payload,) = body["data"].values()
    return payload, answer.headers["x-request-id"]


async def since(service: Service, last: int) -> list[dict[str, Any]]:
    columns = "id, action, actor_id, actor_username, api_key_id, subject_type, subject_id, subject_label, changes"
    rows = await service.rows(f"SELECT {columns}, request_id FROM audit_events WHERE id > $1 ORDER BY id", last)
    names = [*columns.split(", "), "request_id"]
    found = [dict(zip(names, row, strict=True)) for row in rows]
    return [{**each, "changes": json.loads(each["changes"])} for each in found]


# One after the other on one directory: who asks for what, and the events it must leave (action, subject, label).
STEPS: list[tuple[str | None, str, str, str]] = [
    (
        "it",
        "createUser",
        'username: "jo", email: "jo@x.test", name: "Jo", role: {name: "IT"},'
        f' authentication: {{local: {{password: "{PASSWORD}"}}}}',
        "CREATED user_10 jo",
    ),
    ("admin", "updateUser", 'id: "user_10", name: "Joan"', "UPDATED user_10 jo"),
    (
        "robot",
        "upsertUsers",
        'createMissingGroups: true, users: [{email: "al@x.test", groups: ["Choir"]},'
        ' {email: "jo@x.test", tags: "t"}, {email: "member@usergraph.test"}]',
        "CREATED group_3 Choir; CREATED user_11 al@x.test; UPDATED user_10 jo",
    ),
    ("admin", "convertUsers", 'conversions: [{id: "user_10", to: {saml: {}}}]', "CONVERTED user_10 jo"),
    ("it", "revertConversions", 'ids: "user_10"', "CONVERSION_REVERTED user_10 jo"),
    ("it", "deactivateUsers", 'ids: "user_10"', "DEACTIVATED user_10 jo"),
    ("it", "activateUsers", 'ids: "user_10"', "ACTIVATED user_10 jo"),
    ("admin", "changePassword", f'id: "user_10", newPassword: "{NEW}"', "PASSWORD_CHANGED user_10 jo"),
    (
        "normal",
        "changePassword",
        f'id: "user_4", newPassword: "{NEW}", currentPassword: "{PASSWORD}"',
        "PASSWORD_CHANGED user_4 normal",
    ),
    (None, "requestPasswordReset", 'email: "jo@x.test"', "PASSWORD_RESET_REQUESTED user_10 jo"),
    ("admin", "createApiKey", 'name: "ci", userId: "user_10"', "KEY_CREATED user_10 jo"),
    ("admin", "revokeApiKeys", 'ids: "key_8"', "KEY_REVOKED user_10 jo"),
    (
        "admin",
        "createRole",
        'name: "Auditor", weight: 30, permissions: [READ_AUDIT], synonyms: ["Checker"]',
        "CREATED role_6 Auditor",
    ),
    ("admin", "updateRole", 'id: "role_6", weight: 20', "UPDATED role_6 Auditor"),
    ("admin", "deleteRole", 'id: "role_6"', "DELETED role_6 Auditor"),
    ("admin", "createIdentityProvider", 'name: "Third", prefix: "third", kind: SAML', "CREATED provider_5 Third"),
    ("admin", "updateIdentityProvider", 'id: "provider_5", isEnabled: false', "UPDATED provider_5 Third"),
    ("admin", "deleteIdentityProvider", 'id: "provider_5"', "DELETED provider_5 Third"),
    ("orgadmin", "createOrganization", 'name: "North", parentId: "organization_2"', "CREATED organization_6 North"),
    (
        "orgadmin",
        "updateOrganization",
        'id: "organization_6", parentId: "organization_3"',
        "UPDATED organization_6 North",
    ),
    (
        "admin",
        "addOrganizationMembers",
        'id: "organization_6", userIds: "user_10", role: {name: "IT"}',
        "MEMBERS_ADDED organization_6 North; UPDATED user_10 jo",
    ),
    (
        "admin",
        "removeOrganizationMembers",
        'id: "organization_6", userIds: "user_10"',
        "MEMBERS_REMOVED organization_6 North; UPDATED user_10 jo",
    ),
    ("admin", "deleteOrganization", 'id: "organization_6"', "DELETED organization_6 North"),
    ("it", "createGroup", 'name: "Band"', "CREATED group_4 Band"),
    ("it", "updateGroup", 'id: "group_4", name: "Brass"', "UPDATED group_4 Brass"),
    (
        "it",
        "addGroupMembers",
        'id: "group_4", userIds: ["user_9", "user_10"]',
        "MEMBERS_ADDED group_4 Brass; UPDATED user_9 outsider; UPDATED user_10 jo",
    ),
    (
        "it",
        "removeGroupMembers",
        'id: "group_4", userIds: ["user_9"]',
        "MEMBERS_REMOVED group_4 Brass; UPDATED user_9 outsider",
    ),
    ("it", "deleteGroup", 'id: "group_4"', "DELETED group_4 Brass"),
    ("admin", "deleteUsers", 'ids: "user_10"', "DELETED user_10 jo"),
    ("it", "inviteUsers", 'users: [{email: "i@x.test"}]', "INVITED user_12 i@x.test"),
    ("admin", "resendInvitations", 'ids: "invitation_1"', "INVITATION_RESENT user_12 i@x.test"),
    ("admin", "revokeInvitations", 'ids: "invitation_1"', "INVITATION_REVOKED user_12 i@x.test"),
    ("admin", "eraseUsers", 'ids: "user_12"', "ERASED user_12 erased-12"),
    ("pm", "createSavedReport", 'name: "mine", document: "{ me { id } }"', "CREATED report_5 mine"),
    ("pm", "updateSavedReport", 'id: "report_5", sharedWith: {name: "Read only"}', "UPDATED report_5 mine"),
    ("pm", "deleteSavedReports", 'ids: "report_5"', "DELETED report_5 mine"),
]


def document(name: str, given: str) -> str:
    """A mutation that asks for its errors only; the plural ones have some in each row too."""
    rows = "results { errors { code } }" if name.endswith("s") else ""
    return f"{{ {name}(input: {{{given}}}) {{ {rows} errors {{ code }} }} }}"


async def test_every_change_leaves_its_events_with_actor_key_and_request(service: Service) -> None:
    numbers = {name: number for number, name in enumerate(PEOPLE, 1)}
    for who, name, given, expected in STEPS:
        last = await service.scalar("SELECT MAX(id) FROM audit_events")
        _, request = await do(service, document(name, given), who)
        events = await since(service, last)
        told = [f"{e['action']} {e['subject_type']}_{e['subject_id']} {e['subject_label']}" for e in events]
        assert sorted(told) == sorted(expected.split("; ")), name
        user = numbers[who] if who else None
        for event in events:
            assert event["request_id"] == request, name
            assert (event["actor_id"], event["actor_username"]) == (user, who), name
            assert event["api_key_id"] == user, name
            assert all(len(pair) == 2 and pair[0] != pair[1] for pair in event["changes"].values()), name


# What they record is asked where their steps are: tests of sign-in, sessions, second factors and directories.
# The last one changes nothing.
RECORDED_ELSEWHERE = {
    "signIn",
    "signOut",
    "endSessions",
    "enrollSecondFactor",
    "confirmSecondFactor",
    "disableSecondFactor",
    "regenerateRecoveryCodes",
    "resetSecondFactor",
    "reconcileUsers",
    "syncDirectory",
    "testIdentityProvider",
}


async def test_every_mutation_is_recorded_here(service: Service) -> None:
    data = await service.data("{ __schema { mutationType { fields { name } } } }")
    names = {field["name"] for field in data["__schema"]["mutationType"]["fields"]}
    by_token = {"acceptInvitation", "resetPassword"}
    assert names == {name for _, name, _, _ in STEPS} | by_token | RECORDED_ELSEWHERE


async def test_who_comes_by_a_token_is_the_actor_of_what_it_changes(service: Service) -> None:
    invited, _ = await do(
        service, '{ inviteUsers(input: {users: [{email: "i@x.test"}]}) { results { invitation { link } } } }'
    )
    asked, _ = await do(service, '{ requestPasswordReset(input: {email: "outsider@usergraph.test"}) { link } }')
    for name, link, more, expected in (
        ("acceptInvitation", invited["results"][0]["invitation"]["link"], "password", ("INVITATION_ACCEPTED", 10)),
        ("resetPassword", asked["link"], "newPassword", ("PASSWORD_RESET", 9)),
    ):
        document = (
            f'($t: String!) {{ {name}(input: {{token: $t, {more}: "{NEW}"}}) {{ user {{ id }} errors {{ code }} }} }}'
        )
        last = await service.scalar("SELECT MAX(id) FROM audit_events")
        _, request = await do(service, document, None, t=link.split("#")[1])
        (event,) = await since(service, last)
        assert (event["action"], event["actor_id"], event["subject_id"]) == (expected[0], expected[1], expected[1])
        assert (event["api_key_id"], event["request_id"]) == (None, request)


async def test_events_are_read_with_before_and_after(service: Service) -> None:
    document = '{ updateUser(input: {id: "user_9", name: "Odd", role: {name: "IT"}}) { errors { code } } }'
    _, request = await do(service, document, "it")
    data = await service.data(EVENTS, {"where": {"requestId": {"eq": request}}})
    (event,) = data["auditEvents"]["nodes"]
    assert event.pop("createdAt").endswith("Z")
    assert event.pop("id").startswith("event_")
    assert event == {
        "action": "UPDATED",
        "actorUsername": "it",
        "actor": {"id": "user_2"},
        "apiKeyId": "key_2",
        "subjectId": "user_9",
        "subjectLabel": "outsider",
        "subject": {"__typename": "User", "id": "user_9"},
        "changes": {"name": ["Outsider", "Odd"], "role": ["Normal user", "IT"]},
        "requestId": request,
    }
    times = await service.rows(
        "SELECT e.created_at, u.updated_at FROM audit_events e, users u WHERE e.request_id = $1 AND u.id = 9", request
    )
    assert times[0][0] == times[0][1]
    for where, total in (
        ({"action": {"eq": "UPDATED"}, "subjectId": {"eq": "user_9"}}, 1),
        ({"subjectId": {"in": ["user_9", "group_9", "nobody"]}, "action": {"eq": "UPDATED"}}, 1),
        ({"subjectId": {"in": []}}, 0),
        ({"subjectId": {"eq": "user_09"}}, 0),
        ({"subjectId": {"eq": "9"}}, 0),
        ({"subjectId": {"startsWith": "user_9"}, "action": {"eq": "UPDATED"}}, 1),
        ({"actorId": {"eq": "user_2"}}, 1),
        ({"actorId": {"eq": "user_3"}}, 0),
    ):
        assert (await service.data(EVENTS, {"where": where}))["auditEvents"]["totalCount"] == total


async def test_the_events_outlive_their_subject_and_their_actor(service: Service) -> None:
    await do(service, '{ updateUser(input: {id: "user_9", name: "Odd"}) { errors { code } } }', "it")
    await do(service, '{ deleteUsers(input: {ids: ["user_9", "user_2"]}) { errors { code } } }')
    data = await service.data(EVENTS, {"where": {"subjectId": {"eq": "user_9"}}})
    updated, deleted = data["auditEvents"]["nodes"]
    assert (updated["actorUsername"], updated["actor"], updated["subject"]) == ("it", None, None)
    assert deleted["changes"]["name"] == ["Odd", None]
    assert deleted["changes"]["role"] == ["Normal user", None]


async def test_refused_and_dry_calls_leave_no_event(service: Service) -> None:
    before = await service.rows("SELECT id FROM audit_events")
    dry = document(STEPS[0][1], f"dryRun: true, {STEPS[0][2]}")
    assert (await service.data(f"mutation{dry}"))["createUser"]["errors"] == []
    refused = 'mutation { updateUser(input: {id: "user_9", username: "member"}) { errors { code } } }'
    assert codes((await service.data(refused))["updateUser"]["errors"]) == ["TAKEN"]
    assert codes((await service.data(refused, who="normal"))["updateUser"]["errors"]) == ["FORBIDDEN"]
    assert await service.rows("SELECT id FROM audit_events") == before


BLOCK = {
    "sqlite": ["CREATE TRIGGER blocked BEFORE INSERT ON audit_events BEGIN SELECT RAISE(ABORT, 'disk gone'); END"],
    "postgres": [
        "CREATE FUNCTION block() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'disk gone'; END $$",
        "CREATE TRIGGER blocked BEFORE INSERT ON audit_events FOR EACH ROW EXECUTE FUNCTION block()",
    ],
}


async def test_what_cannot_be_recorded_does_not_happen(service: Service) -> None:
    before = await service.snapshot()
    for statement in BLOCK[service.dialect]:
        await service.write(statement)
    for who, name, given, _ in (STEPS[0], STEPS[2], STEPS[12]):
        assert await service.codes(f"mutation{document(name, given)}", who=who) == ["INTERNAL"]
    assert await service.snapshot() == before
    await service.write("DROP TRIGGER blocked" + (" ON audit_events" if service.dialect == "postgres" else ""))
    await do(service, document(*STEPS[0][1:3]), "it")


async def test_the_database_itself_refuses_to_change_an_event(service: Service) -> None:
    before = await service.snapshot()
    statements = ["UPDATE audit_events SET actor_username = 'nobody'", "DELETE FROM audit_events WHERE id = 1"]
    if service.dialect == "postgres":
        statements += ["TRUNCATE audit_events", "UPDATE audit_events SET changes = '{}' WHERE id = 1"]
    else:
        columns = "id, created_at, action, subject_type, subject_id, subject_label, changes"
        statements.append(
            f"INSERT OR REPLACE INTO audit_events ({columns})"
            " SELECT id, created_at, 'UPDATED', subject_type, subject_id, 'nobody', changes FROM audit_events"
        )
    for statement in statements:
        with pytest.raises(Exception, match="audit events are never changed"):
            await service.write(statement)
    assert await service.snapshot() == before


async def test_no_secret_is_in_any_event_log_or_column(service: Service, caplog: pytest.LogCaptureFixture) -> None:
    """After a life of a directory: no password, key, token or link as it is; in events and logs not even hashed."""
    caplog.set_level(logging.INFO)
    caplog.set_level(logging.DEBUG, logger="usergraph")
    secrets = [PASSWORD, NEW, *(key_of(name) for name in PEOPLE)]
    for who, name, given, _ in STEPS:
        await do(service, document(name, given), who)
    made, _ = await do(service, '{ createApiKey(input: {name: "k", idempotencyKey: "k"}) { secret } }', "it")
    invited, _ = await do(
        service,
        '{ inviteUsers(input: {idempotencyKey: "i", users: [{email: "t@x.test"}]})'
        " { results { invitation { link } } } }",
    )
    asked, _ = await do(service, '{ requestPasswordReset(input: {email: "it@usergraph.test"}) { link } }')
    links = [invited["results"][0]["invitation"]["link"], asked["link"]]
    secrets += [made["secret"], *links, *(link.split("#")[1] for link in links)]
    refused = """mutation($p: String!) {
      changePassword(input: {id: "user_2", newPassword: $p, currentPassword: $p}) { errors { code } } }"""
    await service.data(refused, {"p": "wrong tomato circus 5"}, who="it")
    secrets.append("wrong tomato circus 5")

    stored = {}
    for (table,) in await service.rows(
        "SELECT name FROM sqlite_master WHERE type = 'table'"
        if service.dialect == "sqlite"
        else "SELECT table_name FROM information_schema.tables WHERE table_schema = 'public'"
    ):
        stored[table] = str(await service.rows(f'SELECT * FROM "{table}"'))
    assert {"audit_events", "letters", "stored_answers", "api_keys", "invitations", "password_resets"} <= set(stored)
    for secret in secrets:
        assert [table for table, text in stored.items() if secret in text] == []
        assert secret not in caplog.text
    digests = [row[0] for row in await service.rows("SELECT digest FROM api_keys")]
    digests += [row[0] for row in await service.rows("SELECT token_digest FROM invitations")]
    for text in (stored["audit_events"], caplog.text):
        assert not re.search(r"\$argon2|ugi_|ugr_|ugs_|ug_\w{20}", text)
        assert not [digest for digest in digests if digest in text]
