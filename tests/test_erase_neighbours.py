"""Erasing users among others: values that changed hands, jobs that wait, and texts in which several are named."""

from typing import Any

import pytest

from resolvers import directory_jobs
from resolvers.erase_history import REPLACED, REPLACED_IF_UNIQUE
from tests.directories import call, job_of, reconcile, row, work
from tests.service import Service, codes
from tests.test_erase_users import change, erase, live, table_names, texts, traces

USERS = "errors { code } results { action user { id name email } errors { code message } }"


@pytest.fixture
def service(service: Service) -> Service:
    service.app.state.background._stopping.set()
    return service


async def marks(service: Service, *wanted: str) -> list[tuple[str, str]]:
    """In which tables a text stands, in whatever form."""
    found = []
    for table in await table_names(service):
        for values in await service.rows(f'SELECT * FROM "{table}"'):
            stored = [text.lower() for value in values for text in texts(service, value)]
            found += [(table, mark) for mark in wanted for text in stored if mark in text]
    return found


async def user_of(service: Service, external_id: str) -> str:
    sql = "SELECT user_id FROM user_external_ids WHERE value = $1"
    return f"user_{await service.scalar(sql, external_id)}"


async def test_a_value_that_was_handed_over_stays_with_its_new_owner(service: Service) -> None:
    first = {"externalId": "aaa-1", "email": "shared1@x.test"}
    leaver = (await change(service, "upsertUsers", {"users": [first]}, USERS))["results"][0]["user"]["id"]
    await change(service, "updateUser", {"id": leaver, "email": "second1@x.test"})
    joiner = {"externalId": "bbb-1", "email": "shared1@x.test", "name": "Bob"}
    given = {"users": [joiner], "idempotencyKey": "once"}
    answer = await change(service, "upsertUsers", given, USERS)
    job = (await call(service, users=[{**joiner, "name": "Bobby"}]))["job"]["id"]
    assert (await erase(service, leaver))["results"][0]["action"] == "DELETED"
    assert await change(service, "upsertUsers", given, USERS) == answer
    await work(service)
    rows = (await job_of(service, job))["rows"]["nodes"]
    assert [(each["action"], each["label"], each["errors"]) for each in rows] == [("UPDATE", "shared1@x.test", [])]
    assert await marks(service, "aaa-1", "second1") == []


async def test_a_member_is_replaced_in_events_from_before_the_recorded_past(service: Service) -> None:
    await change(service, "updateUser", {"id": "user_9", "username": "zebrano9"})
    await change(service, "addGroupMembers", {"id": "group_2", "userIds": ["user_9"]})
    await change(service, "updateUser", {"id": "user_9", "username": "later9"})
    await service.write("DELETE FROM users_history WHERE row_id = 9 AND username = 'zebrano9'")
    await erase(service, "user_9")
    assert await marks(service, "zebrano9", "later9") == []


async def test_errors_that_name_several_users_name_none_of_them_afterwards(service: Service) -> None:
    rows = [{"externalId": f"aaa-{number}", "email": f"quixly{number}@x.test"} for number in (1, 2)]
    made = await change(service, "upsertUsers", {"users": rows}, USERS)
    taken = {"externalId": "aaa-1", "email": "n1@x.test", "username": "quixly1@x.test", "name": "N"}
    other = {"externalId": "n-2", "email": "n2@x.test", "username": "quixly2@x.test", "name": "N"}
    job = await reconcile(service, taken, other, {**other, "externalId": "n-3", "aliases": ["quixly1@x.test"]})
    assert all(codes(each["errors"]) for each in job["rows"]["nodes"])
    both = '[{"code": "TAKEN", "message": "quixly1@x.test, quixly2@x.test", "path": [], "index": 2}]'
    await service.write(f"UPDATE directory_job_rows SET errors = '{both}' WHERE position = 2")
    assert {mark for _, mark in await marks(service, "quixly1", "quixly2")} == {"quixly1", "quixly2"}
    await erase(service, *(each["user"]["id"] for each in made["results"]))
    assert await marks(service, "quixly", "aaa-") == []


@pytest.mark.parametrize("turns", range(5))
async def test_a_row_whose_user_is_erased_while_the_job_runs_fails_and_says_why(
    service: Service, turns: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(directory_jobs, "AT_ONCE", 2)
    await reconcile(service, "quixa1", "quixa2")
    job = (await call(service, users=[row("quixa1", name="New"), row("quixa2", name="New"), row("quixa3")]))["job"][
        "id"
    ]
    for _ in range(turns):
        await service.app.state.jobs.turn()
    await erase(service, await user_of(service, "hr-quixa1"))
    assert await marks(service, "quixa1") == []
    await work(service)
    found = await job_of(service, job)
    rows: list[dict[str, Any]] = found["rows"]["nodes"]
    assert (found["state"], found["done"], found["total"]) == ("DONE", 3, 3)
    assert [each["action"] for each in rows[1:]] == ["UPDATE", "CREATE"]
    told = (rows[0]["label"].partition("-")[0], rows[0]["action"], codes(rows[0]["errors"]))
    applied = rows[0]["errors"] == []
    assert told == ("erased", "UPDATE" if applied else "FAILED", [] if applied else ["WRONG_STATE"])
    assert found["counts"]["failed"] == (0 if applied else 1)
    assert await service.scalar("SELECT COUNT(*) FROM users WHERE email LIKE 'quixa%'") == 2
    assert await marks(service, "quixa1") == []


async def test_a_deleted_user_whose_versions_are_gone_is_known_by_the_audit_log(service: Service) -> None:
    user = await live(service)
    await change(service, "deleteUsers", {"ids": [user]})
    for table in (*REPLACED, *REPLACED_IF_UNIQUE):
        await service.write(f"DELETE FROM {table}")
    assert "directory_job_rows" in {table for table, _ in await traces(service)}
    assert (await erase(service, user))["results"][0]["action"] == "DELETED"
    assert await traces(service) == []


async def test_a_short_external_id_is_not_taken_for_a_number_in_texts_about_others(service: Service) -> None:
    row_one = {"users": [{"externalId": "1", "email": "short@x.test"}]}
    user = (await change(service, "upsertUsers", row_one, USERS))["results"][0]["user"]["id"]
    given = {"users": [{"email": "other@x.test", "tags": ["1"]}], "idempotencyKey": "tags"}
    more = "errors { code } results { action user { id tags } }"
    answer = await change(service, "upsertUsers", given, more)
    job = await reconcile(service, "quixa1", "quixa1")
    messages = [each["errors"] for each in job["rows"]["nodes"]]
    assert "row 1" in messages[1][0]["message"]
    await erase(service, user)
    assert [each["errors"] for each in (await job_of(service, job["id"]))["rows"]["nodes"]] == messages
    assert await change(service, "upsertUsers", given, more) == answer
