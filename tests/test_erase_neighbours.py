"""Erasing users among others: values that changed hands, jobs that wait, and texts in which several are named."""

from typing import Any

import pytest

from resolvers import directory_jobs
from tests.directories import call, job_of, reconcile, row, work
from tests.service import Service, codes
from tests.test_erase_users import change, erase, table_names, texts

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
