"""How jobs run: by one process at a time, onward from where another stopped, and only as who started them."""

import asyncio
from pathlib import Path
from typing import Any

import pytest

from resolvers.directory_jobs import Runner
from tests import faults
from tests.directories import JOB, READ, RECONCILE, ROWS, call, counts, job_of, reconcile, row, states, trail, work
from tests.service import Service, codes

MANY = 3_000
LIST = f"{{ directoryJobs {{ totalCount nodes {{ {JOB} }} }} }}"
CREATED = "SELECT COUNT(*) FROM audit_events WHERE action = 'CREATED' AND subject_label LIKE 'u%@hr.test'"


@pytest.fixture
def service(service: Service) -> Service:
    """Whose own worker rests: jobs are worked on when a test says so."""
    service.app.state.background._stopping.set()
    return service


def runner(service: Service) -> Runner:
    """What another process would have."""
    services = service.app.state.services
    return Runner(service.database, services.settings, services.sealer)


def many(count: int) -> list[dict[str, Any]]:
    return [row(f"u{number:05}") for number in range(count)]


async def test_progress_can_be_read_between_the_parts(service: Service) -> None:
    job_id = (await call(service, users=many(1_200)))["job"]["id"]
    seen = []
    one = runner(service)
    while await one.turn():
        job = await job_of(service, job_id)
        seen.append((job["state"], job["step"], job["done"], job["total"], job["counts"]["create"]))
    assert seen == [
        ("RUNNING", "PLAN", 500, 1_200, 500),
        ("RUNNING", "PLAN", 1_000, 1_200, 1_000),
        ("RUNNING", "PLAN", 1_200, 1_200, 1_200),
        ("RUNNING", "PLAN", 1_200, 1_200, 1_200),
        ("RUNNING", "APPLY", 0, 1_200, 1_200),
        ("RUNNING", "APPLY", 500, 1_200, 1_200),
        ("RUNNING", "APPLY", 1_000, 1_200, 1_200),
        ("RUNNING", "APPLY", 1_200, 1_200, 1_200),
        ("DONE", None, 1_200, 1_200, 1_200),
    ]
    assert await service.scalar(CREATED) == 1_200


async def test_two_processes_never_run_the_same_part(service: Service) -> None:
    job_id = (await call(service, users=many(1_200)))["job"]["id"]
    first, second = runner(service), runner(service)
    assert await first.turn()
    assert not await second.turn(), "it is somebody else's"
    assert (await job_of(service, job_id))["done"] == 500
    await service.write("UPDATE directory_jobs SET lease_until = '2001-01-01 00:00:00+00:00'")
    assert await second.turn(), "whose lease has run out"
    assert (await job_of(service, job_id))["done"] == 1_000
    assert not await first.turn()
    await asyncio.gather(_all(first), _all(second))
    job = await job_of(service, job_id)
    assert (job["state"], counts(job)) == ("DONE", {"create": 1_200})
    assert await service.scalar(CREATED) == 1_200


async def _all(one: Runner) -> None:
    more = True
    while more:
        more = await one.turn()


async def test_who_has_lost_the_lease_stores_nothing_more(service: Service) -> None:
    """The clock of one process may stand still for as long as it likes: what it did meanwhile is rolled back."""
    await call(service, users=many(600))
    slow, quick = runner(service), runner(service)
    for _ in range(4):
        assert await slow.turn()  # planned, and about to be applied
    claimed = await service.database.transaction(slow._claim)
    assert claimed is not None
    assert claimed.options["step"] == "APPLY"
    await service.write("UPDATE directory_jobs SET lease_until = '2001-01-01 00:00:00+00:00'")
    while await quick.turn():
        pass
    await slow._attempt(claimed)
    job = await job_of(service, "job_1")
    assert (job["state"], job["done"], counts(job)) == ("DONE", 600, {"create": 600})
    assert await service.scalar(CREATED) == 600


def test_killed_in_the_middle_it_goes_on_where_it_stopped(database_url: str, tmp_path: Path) -> None:
    applied = "SELECT COUNT(*) FROM users WHERE email LIKE 'u%@hr.test'"
    given = {"input": {"source": "hr", "users": many(MANY)}}
    with faults.running(tmp_path, database_url) as program:
        answer = faults.post(program, RECONCILE, given).json()
        assert answer["data"]["reconcileUsers"]["errors"] == []
        faults.until("it applies nothing", lambda: 0 < faults.scalar(database_url, applied) < MANY)
        program.process.kill()
        program.process.wait()
    done = faults.scalar(database_url, applied)
    assert 0 < done < MANY
    faults.scalar(database_url, "UPDATE directory_jobs SET lease_until = '2001-01-01 00:00:00+00:00' RETURNING id")
    with faults.running(tmp_path, database_url) as program:
        ended = "SELECT COUNT(*) FROM directory_jobs WHERE state = 'DONE'"
        faults.until("it does not go on", lambda: faults.scalar(database_url, ended))
        job = faults.post(program, READ, {"id": "job_1"}).json()["data"]["node"]
    assert (job["done"], job["total"], counts(job)) == (MANY, MANY, {"create": MANY})
    assert faults.scalar(database_url, applied) == MANY
    assert faults.scalar(database_url, CREATED) == MANY, "each once"
    assert faults.scalar(database_url, "SELECT COUNT(*) FROM directory_entries") == MANY
    faults.assert_intact(database_url)


TAKE = {
    "the right": "UPDATE users SET role_id = (SELECT id FROM roles WHERE name = 'Normal user') WHERE username = 'it'",
    "access": "UPDATE users SET state = 'DEACTIVATED' WHERE username = 'it'",
    "the key": "UPDATE api_keys SET revoked_at = created_at WHERE user_id = 2",
    "the key's rights": """UPDATE api_keys SET rights = '["READ_USERS"]' WHERE user_id = 2""",
    "everything": "UPDATE directory_jobs SET created_by_id = NULL",
}


@pytest.mark.parametrize("lost", TAKE)
async def test_who_loses_what_it_takes_does_nothing_more(service: Service, lost: str) -> None:
    await call(service, users=many(600), who="it")
    one = runner(service)
    for _ in range(5):
        assert await one.turn()
    assert await service.scalar(CREATED) == 500
    await service.write(TAKE[lost])
    while await one.turn():
        pass
    job = await job_of(service, "job_1")
    assert job["state"] == "FAILED"
    assert job["error"].startswith("Who started it may not do so any more")
    assert job["done"] == 500
    assert await service.scalar(CREATED) == 500
    assert {each[2] for each in await trail(service, "job_1")} == {"it"}


async def test_jobs_of_one_source_run_one_after_the_other(service: Service) -> None:
    await call(service, users=[row("ann")])
    await call(service, users=[row("ann", name="Anna")])
    await call(service, users=[row("bob")], source="crm")
    first, second, third = runner(service), runner(service), runner(service)
    assert await first.turn()
    assert await second.turn()
    assert not await third.turn()
    running = await service.rows("SELECT id, lease_owner FROM directory_jobs WHERE state = 'RUNNING' ORDER BY id")
    assert running == [(1, first.owner), (3, second.owner)]
    for each in (first, second, third):
        await _all(each)
    assert counts(await job_of(service, "job_2")) == {"update": 1}


async def test_what_fails_without_a_reason_is_tried_again_and_then_given_up(service: Service) -> None:
    await call(service, users=[row("ann")])
    await service.write("""UPDATE directory_job_rows SET wanted = '{"email": {"no": "text"}}'""")
    one = runner(service)
    for _ in range(3):
        with pytest.raises((AttributeError, TypeError)):
            await one.turn()
    assert not await one.turn()
    job = await job_of(service, "job_1")
    assert (job["state"], job["error"]) == (
        "FAILED",
        "Something unexpected went wrong; the log of the service says what.",
    )
    assert (await reconcile(service, "ann"))["state"] == "DONE"


async def test_parts_that_never_come_are_given_up_after_a_day(service: Service) -> None:
    await call(service, users=[row("ann")], isComplete=False)
    await work(service)
    assert (await job_of(service, "job_1"))["state"] == "COLLECTING"
    await service.write("UPDATE directory_jobs SET created_at = '2001-01-01 00:00:00+00:00'")
    await work(service)
    job = await job_of(service, "job_1")
    assert (job["state"], job["error"].split(".")[0]) == ("FAILED", "Its last part was not sent within 24 hours")


@pytest.mark.parametrize(
    ("who", "code"),
    [("pm", "FORBIDDEN"), ("normal", "FORBIDDEN"), ("readonly", "FORBIDDEN"), (None, "UNAUTHENTICATED")],
)
async def test_jobs_are_for_who_may_start_them(service: Service, who: str | None, code: str) -> None:
    await reconcile(service, "ann")
    for query in (LIST, f'{{ node(id: "job_1") {{ ... on DirectoryJob {{ state {ROWS} }} }} }}'):
        assert await service.codes(query, who=who) == [code]


async def test_an_organizations_administrator_sees_no_job(service: Service) -> None:
    await reconcile(service, "ann")
    found = await service.data(LIST, who="orgadmin")
    assert found["directoryJobs"] == {"totalCount": 0, "nodes": []}
    assert await job_of(service, "job_1", who="orgadmin") is None
    assert (await service.data(LIST, who="it"))["directoryJobs"]["totalCount"] == 1


async def test_rows_are_asked_for_by_action(service: Service) -> None:
    await reconcile(service, "ann")
    await reconcile(service, row("ann", name="Anna"), row("bob"), row("cid", email="none"))
    query = """{ directoryJobs(first: 1, where: {source: {eq: "hr"}, state: {eq: DONE}}) { nodes { id
      createdBy { username } startedAt finishedAt createdAt provider { id }
      rows(first: 5, where: {action: {in: [CREATE, FAILED]}}) { totalCount nodes { action label } } } } }"""
    (job,) = (await service.data(query))["directoryJobs"]["nodes"]
    assert job["createdAt"] <= job.pop("startedAt") <= job.pop("finishedAt")
    job.pop("createdAt")
    assert job == {
        "id": "job_2",
        "createdBy": {"username": "admin"},
        "provider": None,
        "rows": {
            "totalCount": 2,
            "nodes": [{"action": "CREATE", "label": "bob@hr.test"}, {"action": "FAILED", "label": "none"}],
        },
    }


async def test_a_narrow_key_starts_no_more_than_it_may(service: Service) -> None:
    await service.write("""UPDATE api_keys SET rights = '["CREATE_USERS", "UPDATE_USERS"]' WHERE user_id = 1""")
    assert codes((await call(service, users=[row("a")], missing="DEACTIVATE"))["errors"]) == ["FORBIDDEN"]
    await call(service, users=[row("a"), row("b", role={"name": "IT"})])
    await work(service)
    rows = await service.rows("SELECT action FROM directory_job_rows ORDER BY position")
    assert rows == [("FAILED",), ("FAILED",)], "a key without these rights gives no role that has them"
    assert await states(service) == {}
