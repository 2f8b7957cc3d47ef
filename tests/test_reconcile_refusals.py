"""What a reconciliation is refused for: as a whole, row by row, and before it begins."""

from typing import Any

import pytest

from resolvers import bootstrap
from tests.directories import absences, actions, call, counts, job_of, reconcile, row, states, work
from tests.service import Service, codes

NAMES = [f"u{number:02}" for number in range(40)]
AT_ONCE: dict[str, Any] = {"missing": "DEACTIVATE", "absencesBefore": 1}


@pytest.fixture
def service(service: Service) -> Service:
    """Whose own worker rests: jobs are worked on when a test says so."""
    service.app.state.background._stopping.set()
    return service


def without(count: int) -> list[str]:
    return NAMES[count:]


@pytest.mark.parametrize(
    ("gone", "limit", "state"),
    [
        (2, None, "DONE"),  # 5 % of 40
        (3, None, "REFUSED"),
        (3, {"users": 3}, "DONE"),
        (4, {"users": 3}, "REFUSED"),
        (10, {"percent": 25.0}, "DONE"),
        (11, {"percent": 25.0}, "REFUSED"),
        (1, {"users": 0}, "REFUSED"),
        (1, {"percent": 0.0}, "REFUSED"),
    ],
)
async def test_no_more_are_deactivated_than_the_limit_says(
    service: Service, gone: int, limit: dict[str, Any] | None, state: str
) -> None:
    await reconcile(service, *NAMES)
    more = {"maxDeactivations": limit} if limit else {}
    # As many new ones as are missing: it is not cut short, and still takes too much away.
    job = await reconcile(service, *without(gone), *(f"new{n}" for n in range(gone)), **AT_ONCE, **more)
    assert job["state"] == state
    assert counts(job) == {"create": gone, "unchanged": 40 - gone, "deactivate": gone}
    left = await states(service)
    if state == "REFUSED":
        assert f"deactivate {gone} of 40 known users" in job["error"]
        assert "maxDeactivations" in job["error"]
        assert set(left) == set(NAMES)
        assert set(left.values()) == {"ACTIVE"}
        assert set((await absences(service)).values()) == {(0, False)}
        assert all(each["appliedAt"] is None for each in job["rows"]["nodes"])
    else:
        assert sum(each == "DEACTIVATED" for each in left.values()) == gone


async def test_leavers_who_are_said_count_as_those_who_are_missing(service: Service) -> None:
    await reconcile(service, *NAMES)
    job = await reconcile(service, *without(3), *(row(each, isActive=False) for each in NAMES[:3]))
    assert (job["state"], counts(job)) == ("REFUSED", {"unchanged": 37, "deactivate": 3})
    assert set((await states(service)).values()) == {"ACTIVE"}


@pytest.mark.parametrize("missing", ["KEEP", "DEACTIVATE"])
@pytest.mark.parametrize(
    ("users", "more", "reason"),
    [
        (NAMES[:37], {}, "names 37 users where 40 are known"),
        ([], {}, "names nobody"),
        ([], {"maxDeactivations": {"percent": 100.0}}, "names nobody"),
        (NAMES, {"expectedCount": 41}, "names 40 users, not the 41 of expectedCount"),
        ([*NAMES, "more"], {"expectedCount": 40}, "names 41 users, not the 40 of expectedCount"),
    ],
    ids=["cut short", "empty", "empty, whatever the limit", "fewer than expected", "more than expected"],
)
async def test_a_source_that_looks_cut_short_is_refused(
    service: Service, missing: str, users: list[str], more: dict[str, Any], reason: str
) -> None:
    await reconcile(service, *NAMES)
    job = await reconcile(service, *users, missing=missing, **more)
    assert job["state"] == "REFUSED"
    assert reason in job["error"]
    assert set((await absences(service)).values()) == {(0, False)}
    assert (await reconcile(service, *NAMES, expectedCount=40))["state"] == "DONE"


async def test_a_tiny_source_loses_one_at_a_time(service: Service) -> None:
    await reconcile(service, "ann", "bob", "cid")
    assert (await reconcile(service, "ann", **AT_ONCE))["state"] == "REFUSED"
    assert (await reconcile(service, "ann", "bob", **AT_ONCE))["state"] == "DONE"


async def test_bad_rows_fail_alone_and_their_users_are_not_missed(service: Service) -> None:
    await reconcile(service, "ann", "bob", "cid")
    local = {"local": {"password": "amber ladder quiet 77"}}
    rows = [
        row("ann", role={"name": "Nobody"}),
        row("bob", email="no address"),
        row("cid", name="C\u200bd"),
        row("cid"),
        row("dan", authentication=local),
        row("eve"),
        row("eve", externalId="hr-other"),
        {"email": "member@usergraph.test", "username": "it"},
    ]
    job = await reconcile(service, *rows, **AT_ONCE)
    found = [(each["action"], codes(each["errors"])) for each in job["rows"]["nodes"]]
    assert found == [
        ("FAILED", ["NOT_FOUND"]),
        ("FAILED", ["INVALID"]),
        ("FAILED", ["INVALID"]),
        ("FAILED", ["DUPLICATE"]),
        ("FAILED", ["INVALID"]),
        ("CREATE", []),
        ("FAILED", ["DUPLICATE"]),
        ("FAILED", ["TAKEN"]),
    ]
    assert job["rows"]["nodes"][1]["errors"][0]["path"] == ["users", "1", "email"]
    assert await states(service) == dict.fromkeys(("ann", "bob", "cid", "eve"), "ACTIVE")
    secret = "SELECT COUNT(*) FROM directory_job_rows WHERE CAST(wanted AS text) LIKE '%amber%'"
    assert await service.scalar(secret) == 0


async def test_the_last_administrator_the_heavier_and_oneself_are_never_deactivated(service: Service) -> None:
    addresses = [bootstrap.ADMIN["email"], "it@usergraph.test", "normal@usergraph.test"]
    people = [{"email": each} for each in addresses]
    await reconcile(service, *people, row("ann"), who="admin")
    await service.write("UPDATE directory_entries SET absences = 1")
    job = await reconcile(service, row("ann"), who="it", missing="DEACTIVATE", maxDeactivations={"users": 9})
    found = {each["label"]: (each["action"], codes(each["errors"])) for each in job["rows"]["nodes"]}
    assert found == {
        "ann@hr.test": ("UNCHANGED", []),
        addresses[0]: ("FAILED", ["USER_TOO_HEAVY"]),
        "it@usergraph.test": ("FAILED", ["SELF"]),
        "normal@usergraph.test": ("DEACTIVATE", []),
    }
    await service.write("UPDATE roles SET weight = 80 WHERE name = 'Admin'")
    job = await reconcile(service, row("ann"), who="it", missing="DEACTIVATE", maxDeactivations={"users": 9})
    assert codes(job["rows"]["nodes"][1]["errors"]) == ["LAST_ADMINISTRATOR"]
    assert await service.scalar("SELECT COUNT(*) FROM users WHERE state = 'DEACTIVATED'") == 1


@pytest.mark.parametrize(
    ("given", "who", "code", "path"),
    [
        ({"source": None}, "admin", "REQUIRED", ["source"]),
        ({"source": " "}, "admin", "REQUIRED", ["source"]),
        ({"source": "provider_2"}, "admin", "INVALID", ["source"]),
        ({"maxDeactivations": {"percent": 101.0}}, "admin", "INVALID", ["maxDeactivations", "percent"]),
        ({"maxDeactivations": {"users": -1}}, "admin", "INVALID", ["maxDeactivations", "users"]),
        ({"absencesBefore": 0}, "admin", "INVALID", ["absencesBefore"]),
        ({"expectedCount": 0}, "admin", "INVALID", ["expectedCount"]),
        ({"jobId": "job_9"}, "admin", "NOT_FOUND", ["jobId"]),
        ({"jobId": "user_1"}, "admin", "NOT_FOUND", ["jobId"]),
        ({}, "orgadmin", "FORBIDDEN", []),
    ],
)
async def test_calls_that_begin_nothing(
    service: Service, given: dict[str, Any], who: str, code: str, path: list[str]
) -> None:
    answer = await call(service, users=[row("ann")], who=who, **given)
    assert answer["job"] is None
    assert [(each["code"], each["path"]) for each in answer["errors"]] == [(code, path)]
    assert await service.scalar("SELECT COUNT(*) FROM directory_jobs") == 0


async def test_more_rows_than_a_call_takes_are_refused_at_once(service_with: Any) -> None:
    async with service_with(max_bulk=2) as service:
        answer = await call(service, users=[row("a"), row("b"), row("c")])
        assert codes(answer["errors"]) == ["TOO_MANY"]


async def test_parts_make_one_source(service_with: Any) -> None:
    async with service_with(max_bulk=2) as service:
        first = (await call(service, users=[row("a"), row("b")], isComplete=False, expectedCount=5))["job"]
        assert (first["state"], first["total"]) == ("COLLECTING", 2)
        await work(service)
        assert await states(service) == {}
        part: dict[str, Any] = {"jobId": first["id"], "isComplete": False, "idempotencyKey": "second"}
        for _ in range(2):
            assert (await call(service, users=[row("c"), row("a")], **part))["job"]["total"] == 4
        wrong = await call(service, users=[], jobId=first["id"], missing="DEACTIVATE")
        assert codes(wrong["errors"]) == ["INVALID"]
        assert codes((await call(service, users=[], jobId=first["id"], who="it"))["errors"]) == ["NOT_FOUND"]
        last = (await call(service, users=[row("d")], jobId=first["id"]))["job"]
        assert (last["state"], last["total"]) == ("QUEUED", 5)
        await work(service)
        job = await job_of(service, first["id"])
        assert (job["state"], counts(job)) == ("DONE", {"create": 4, "failed": 1})
        assert actions(job)["a"] == "FAILED", "sent twice, in another part"
        assert list(await states(service)) == ["a", "b", "c", "d"]
        assert codes((await call(service, users=[], jobId=first["id"]))["errors"]) == ["WRONG_STATE"]
