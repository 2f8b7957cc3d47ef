"""Erasing users: nothing that identifies them is left in any table, and what was counted is counted as before."""

import json
from collections.abc import Iterator
from typing import Any

import pytest

from models import tables
from models.history import VERSIONS
from models.secrets import Sealer
from resolvers.erase_history import REPLACED, REPLACED_IF_UNIQUE
from tests.service import SECRET, Service, codes

ERASE = """mutation($input: EraseUsersInput!) { eraseUsers(input: $input) { errors { code message path }
  summary { deleted unchanged skipped failed }
  results { index ref action erasedId pseudonym erasedRows { table rows } user { id } errors { code path } } } }"""
# Texts that stand nowhere but in the person's own data, in whatever field a user has.
TRACES = ("quixly", "zebrano", "Xanthe", "Yblood", "hr-77001", "crm-88002", "payroll-5150", "cn=quixly")
ROW = {
    "email": "xanthe.quixly@zebrano.example",
    "username": "quixly.x",
    "name": "Xanthe Yblood",
    "firstName": "Xanthe",
    "lastName": "Yblood",
    "externalId": "hr-77001",
    "externalIds": [{"source": "crm", "value": "crm-88002"}],
    "tags": ["AE", "quixly-only"],
    "aliases": ["payroll-5150"],
    "variables": [{"name": "desk", "value": "quixly corner"}, {"name": "cost centre", "value": "41"}],
    "groupIds": ["group_1"],
    "organizationIds": ["organization_3"],
}


async def erase(service: Service, *ids: str, who: str = "admin", **more: Any) -> Any:
    return (await service.data(ERASE, {"input": {"ids": list(ids), **more}}, who=who))["eraseUsers"]


async def change(service: Service, name: str, given: dict[str, Any], selection: str = "errors { code message }") -> Any:
    document = f"mutation($i: {name[0].upper()}{name[1:]}Input!) {{ {name}(input: $i) {{ {selection} }} }}"
    answer = (await service.data(document, {"i": given}))[name]
    assert answer.get("errors", []) == []
    return answer


async def live(service: Service) -> str:
    """A user with a past in every table that speaks of users; their typed id."""
    results = "errors { code } results { action user { id name email tags } errors { code message } }"
    made = await change(service, "upsertUsers", {"users": [ROW], "idempotencyKey": "first"}, results)
    user = made["results"][0]["user"]["id"]
    await change(service, "upsertUsers", {"users": [{"email": "pm@usergraph.test", "tags": ["AE"]}]}, results)
    shared = [{"name": "cost centre", "value": "41"}]
    await change(service, "upsertUsers", {"users": [{"email": "pm@usergraph.test", "variables": shared}]}, results)
    await change(service, "updateUser", {"id": user, "email": "x.yblood@zebrano.example"})
    await change(service, "createApiKey", {"userId": user, "name": "quixly's laptop"})
    await change(service, "addGroupMembers", {"id": "group_2", "userIds": [user]})
    await change(service, "removeGroupMembers", {"id": "group_2", "userIds": [user]})
    to = {"ldap": {"serverNumber": 1, "loginDn": "cn=quixly,dc=zebrano,dc=example"}}
    await change(service, "convertUsers", {"conversions": [{"id": user, "to": to}]})
    await change(service, "convertUsers", {"conversions": [{"id": user, "to": {"local": {}}}]})
    await change(service, "requestPasswordReset", {"email": "x.yblood@zebrano.example"}, "link errors { code }")
    await stage_job(service, user)
    return user


async def stage_job(service: Service, user: str) -> None:
    """Rows of a directory job: the user's own, one whose user is unknown, and one of somebody else that names them."""
    await service.write(
        "INSERT INTO directory_jobs (kind, state, source, is_dry_run, options, done, counts, created_at)"
        " VALUES ('RECONCILE', 'DONE', 'hr', false, '{}', 0, '{}', '2026-01-01 00:00:00+00:00')"
    )
    own = json.dumps({"email": "xanthe.quixly@zebrano.example", "name": "Xanthe Yblood"})
    changes = json.dumps([{"field": "name", "before": "Xanthe", "after": "Xanthe Yblood"}])
    error = "The email xanthe.quixly@zebrano.example is taken."
    errors = json.dumps([{"code": "TAKEN", "message": error, "path": [], "index": 2}])
    columns = "job_id, position, entry_key, label, user_id, action, wanted, changes, errors"
    sql = f"INSERT INTO directory_job_rows ({columns}) SELECT MAX(id), {{}} FROM directory_jobs"
    number = user.removeprefix("user_")
    await service.write(sql.format(f"0, 'hr-77001', 'x', {number}, 'UPDATE', '{own}', '{changes}', NULL"))
    await service.write(sql.format(f"1, 'k', 'xanthe.quixly@zebrano.example', NULL, NULL, '{own}', NULL, NULL"))
    await service.write(sql.format(f"2, 'other', 'other', 9, 'FAILED', NULL, NULL, '{errors}'"))


def texts(service: Service, value: Any) -> Iterator[str]:
    """What stands in a column, encrypted or not."""
    text = str(value)
    yield text
    opened = Sealer(SECRET).open(text) if isinstance(value, str) and text.startswith("gAAAA") else None
    if opened is not None:
        yield opened


async def table_names(service: Service) -> list[str]:
    if service.dialect == "sqlite":
        sql = "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%'"
    else:
        sql = "SELECT table_name FROM information_schema.tables WHERE table_schema = 'public'"
    return sorted(row[0] for row in await service.rows(sql))


async def traces(service: Service) -> list[tuple[str, str]]:
    """Where a trace of the person stands: whatever tables there are, now and after later migrations."""
    found = []
    for table in await table_names(service):
        for row in await service.rows(f'SELECT * FROM "{table}"'):
            for text in [text for value in row for text in texts(service, value)]:
                found += [(table, trace) for trace in TRACES if trace.lower() in text.lower()]
    return found


async def test_erasure_leaves_no_trace_in_any_table(service: Service) -> None:
    user = await live(service)
    before = {table for table, _ in await traces(service)}
    assert {"users", "users_history", "audit_events", "directory_job_rows", "stored_answers"} <= before
    result = (await erase(service, user))["results"][0]
    assert (result["action"], result["errors"]) == ("DELETED", [])
    assert await traces(service) == []


async def test_a_deleted_user_can_be_erased(service: Service) -> None:
    user = await live(service)
    await change(service, "deleteUsers", {"ids": [user]})
    assert await traces(service) != []
    result = (await erase(service, user))["results"][0]
    assert (result["action"], result["erasedId"], result["user"]) == ("DELETED", user, None)
    assert "users_history" in [each["table"] for each in result["erasedRows"]]
    assert await traces(service) == []


async def test_a_dry_run_gives_the_same_receipt_and_changes_nothing(service: Service) -> None:
    user = await live(service)
    before = await service.snapshot()
    dry = await erase(service, user, dryRun=True)
    assert await service.snapshot() == before
    assert dry == await erase(service, user)
    rows = {each["table"]: each["rows"] for each in dry["results"][0]["erasedRows"]}
    assert rows["users"] == 1
    assert rows["directory_job_rows"] == 3
    assert rows["stored_answers"] == 1
    number = user.removeprefix("user_")
    assert dry["results"][0]["pseudonym"] == f"erased-{number}"
    recorded = await service.rows(
        "SELECT action, subject_label, changes FROM audit_events WHERE subject_id = $1 ORDER BY id DESC LIMIT 1",
        int(number),
    )
    action, label, changes = recorded[0]
    assert (action, label) == ("ERASED", f"erased-{number}")
    assert json.loads(changes)["rows"] == [[f"{name}: {count}" for name, count in rows.items()], None]


async def test_a_second_erasure_changes_nothing(service: Service) -> None:
    user = await live(service)
    await erase(service, user)
    result = (await erase(service, user))["results"][0]
    assert (result["action"], result["erasedRows"], result["errors"]) == ("UNCHANGED", [], [])


async def test_counts_and_reports_over_the_past_stay(service: Service) -> None:
    user = await live(service)
    moment = await service.scalar("SELECT MAX(created_at) FROM audit_events")
    at = str(moment).replace(" ", "T").replace("+00:00", "Z")
    report = """query($at: DateTime!) { users(asOf: $at) { totalCount nodes { state role { name } groupCount } }
      byTag: userReport(groupBy: [{field: TAG}], asOf: $at) { rows }
      byCentre: userReport(groupBy: [{field: VARIABLE, name: "cost centre"}], asOf: $at) { rows } }"""
    before = await service.data(report, {"at": at})
    events = await service.rows("SELECT id, created_at, action, actor_id, subject_id, request_id FROM audit_events")
    await erase(service, user)
    after = await service.data(report, {"at": at})
    assert {**after, "byTag": None} == {**before, "byTag": None}
    names = [[str(value) for value in row.values()] for row in after["byTag"]["rows"]]
    assert len(names) == len(before["byTag"]["rows"])
    assert not any("quixly" in value for row in names for value in row)
    assert any("AE" in value for row in names for value in row)  # a tag of others, too
    kept = await service.rows("SELECT id, created_at, action, actor_id, subject_id, request_id FROM audit_events")
    assert sorted(kept)[:-1] == sorted(events)


async def test_another_user_of_the_same_name_keeps_it_in_the_log(service: Service) -> None:
    """A username may be used again: each event is about the one who had it then."""
    first = (await service.id_of("outsider"), "outsider")
    await change(service, "addGroupMembers", {"id": "group_2", "userIds": [first[0]]})
    await change(service, "updateUser", {"id": first[0], "username": "renamed"})
    row = {"email": "second@usergraph.test", "username": "outsider"}
    made = await change(service, "upsertUsers", {"users": [row]}, "errors { code } results { user { id } }")
    second = made["results"][0]["user"]["id"]
    await change(service, "addGroupMembers", {"id": "group_2", "userIds": [second]})
    await erase(service, first[0])
    rows = await service.rows("SELECT changes FROM audit_events WHERE action = 'MEMBERS_ADDED' ORDER BY id")
    members = [json.loads(row[0])["members"][1] for row in rows]
    assert members == [["erased-9"], ["outsider"]]


async def test_answers_about_others_stay_as_they_were(service: Service) -> None:
    user = await live(service)
    document = """mutation { upsertUsers(input: {idempotencyKey: "other", users: [{email: "o@x.test"}]}) {
      results { action user { id email } } } }"""
    first = await service.data(document)
    await erase(service, user)
    assert await service.data(document) == first


@pytest.mark.parametrize("who", ["it", "robot", "orgadmin", "pm", "normal", "readonly"])
async def test_erasure_needs_a_right_that_holds_everywhere(service: Service, who: str) -> None:
    before = await service.snapshot()
    document = 'mutation { eraseUsers(input: {ids: "user_9"}) { results { index } errors { code message } } }'
    answer = (await service.data(document, who=who))["eraseUsers"]
    assert (answer["results"], codes(answer["errors"])) == ([{"index": 0}], ["FORBIDDEN"])
    assert "ERASE_USERS" in answer["errors"][0]["message"]
    assert await service.snapshot() == before


async def test_refused_rows_say_why(service: Service) -> None:
    before = await service.snapshot()
    answer = await erase(service, "user_9", "user_1", "user_99", "user_9", "role_1")
    found = [codes(each["errors"]) for each in answer["results"]]
    assert found == [["OTHERS_FAILED"], ["SELF"], ["NOT_FOUND"], ["DUPLICATE"], ["NOT_FOUND"]]
    assert await service.snapshot() == before


async def test_nobody_erases_a_heavier_user_or_one_who_was(service: Service) -> None:
    role = """mutation { createRole(input: {
      name: "Eraser", weight: 50, permissions: [ERASE_USERS, READ_DIRECTORY, READ_USERS, LIST_USERS]
    }) { role { id } errors { code } } }"""
    made = (await service.data(role))["createRole"]["role"]["id"]
    await change(service, "updateUser", {"id": "user_4", "role": {"id": made}})
    assert codes((await erase(service, "user_2", who="normal"))["results"][0]["errors"]) == ["USER_TOO_HEAVY"]
    await change(service, "deleteUsers", {"ids": ["user_2"]})
    assert codes((await erase(service, "user_2", who="normal"))["results"][0]["errors"]) == ["USER_TOO_HEAVY"]
    assert (await erase(service, "user_9", who="normal"))["results"][0]["action"] == "DELETED"


async def test_the_setting_that_forbids_deletion_does_not_forbid_erasure(service_with: Any) -> None:
    async with service_with(user_deletion=False) as service:
        assert (await erase(service, "user_9"))["results"][0]["action"] == "DELETED"


def test_every_recorded_table_of_users_is_known_to_erasure() -> None:
    """A table of later times, whose rows belong to a user, must be erased, or be listed here as impersonal."""
    impersonal = {"group_members_history", "organization_members_history"}
    owned = {model._meta.db_table for model in VERSIONS.values() if {"user_id"} & set(model._meta.fields_map)} | {
        "users_history"
    }
    assert owned == set(REPLACED) | set(REPLACED_IF_UNIQUE) | impersonal


def test_every_reference_to_a_user_is_deleted_with_them_or_emptied() -> None:
    """A table of later times must say what becomes of its rows; job rows are erased by what stands in them."""
    emptied = {
        (model._meta.db_table, name)
        for model in (getattr(tables, name) for name in tables.__all__)
        for name in model._meta.fk_fields
        if model._meta.fields_map[name].model_name == "usergraph.User"
        and model._meta.fields_map[name].on_delete != "CASCADE"
    }
    assert emptied == {
        ("api_keys", "created_by"),
        ("directory_job_rows", "user"),
        ("directory_jobs", "created_by"),
        ("invitations", "created_by"),
        ("password_resets", "created_by"),
        ("saved_reports", "owner"),
        ("users", "created_by"),
        ("users", "updated_by"),
    }
