"""A source kept equal: what its full desired state does to users, who is missed, and who comes back."""

from typing import Any

import pytest

from tests.directories import absences, actions, call, counts, job_of, reconcile, row, states, trail, work
from tests.service import Service

FEW: dict[str, Any] = {"maxDeactivations": {"users": 1}}
LEAVE: dict[str, Any] = {"missing": "DEACTIVATE", "absencesBefore": 1, **FEW}


@pytest.fixture
def service(service: Service) -> Service:
    """Whose own worker rests: jobs are worked on when a test says so."""
    service.app.state.background._stopping.set()
    return service


async def test_a_first_run_creates_a_second_finds_nothing_to_do(service: Service) -> None:
    answer = await call(service, users=[row("ann"), row("bob", role={"name": "IT"})])
    assert answer["errors"] == []
    queued = answer["job"]
    assert queued == {
        "id": "job_1",
        "kind": "RECONCILE",
        "state": "QUEUED",
        "step": "PLAN",
        "source": "hr",
        "isDryRun": False,
        "done": 0,
        "total": 2,
        "error": None,
        "counts": {
            "create": 0,
            "update": 0,
            "reactivate": 0,
            "deactivate": 0,
            "unchanged": 0,
            "absent": 0,
            "failed": 0,
        },
    }
    assert await states(service) == {}
    await work(service)
    done = await job_of(service, "job_1")
    rows = done.pop("rows")
    assert done == {**queued, "state": "DONE", "step": None, "done": 2, "counts": {**queued["counts"], "create": 2}}
    ann = rows["nodes"][0]
    assert ann.pop("appliedAt") is not None
    assert ann == {
        "position": 0,
        "action": "CREATE",
        "label": "ann@hr.test",
        "entryKey": "hr-ann",
        "user": {"id": await service.id_of("ann@hr.test")},
        "changes": [
            {"field": "username", "before": None, "after": "ann@hr.test"},
            {"field": "email", "before": None, "after": "ann@hr.test"},
            {"field": "name", "before": None, "after": "Ann"},
            {"field": "state", "before": None, "after": "ACTIVE"},
            {"field": "role", "before": None, "after": "Normal user"},
            {"field": "externalIds", "before": None, "after": ["hr=hr-ann"]},
        ],
        "errors": [],
    }
    assert await states(service) == {"ann": "ACTIVE", "bob": "ACTIVE"}
    assert await trail(service, "job_1") == [("CREATED", "ann@hr.test", "admin"), ("CREATED", "bob@hr.test", "admin")]
    again = await reconcile(service, "ann", "bob")
    assert (again["state"], counts(again)) == ("DONE", {"unchanged": 2})
    assert await trail(service, "job_2") == []


async def test_differences_are_shown_first_and_applied_as_shown(service: Service) -> None:
    await reconcile(service, "ann", "bob", "cid")
    wanted = [row("ann", name="Anna", tags=["north"], role={"name": "IT"}), row("bob"), row("dan")]
    before = await service.snapshot()
    planned = await reconcile(service, *wanted, dryRun=True)
    after = await service.snapshot()
    assert {name: rows for name, rows in after.items() if not name.startswith("directory_job")} == {
        name: rows for name, rows in before.items() if not name.startswith("directory_job")
    }
    real = await reconcile(service, *wanted)
    assert (planned["isDryRun"], real["isDryRun"]) == (True, False)
    assert counts(planned) == counts(real) == {"create": 1, "update": 1, "unchanged": 1, "absent": 1}
    bare = ("position", "action", "label", "changes", "errors")
    shown, done = ([{name: each[name] for name in bare} for each in job["rows"]["nodes"]] for job in (planned, real))
    assert shown == done
    assert shown[0]["changes"] == [
        {"field": "name", "before": "Ann", "after": "Anna"},
        {"field": "role", "before": "Normal user", "after": "IT"},
        {"field": "tags", "before": None, "after": ["north"]},
    ]
    assert all(each["appliedAt"] is None for each in planned["rows"]["nodes"])
    assert await absences(service) == {"ann": (0, False), "bob": (0, False), "cid": (1, False), "dan": (0, False)}


async def test_a_missing_user_is_deactivated_after_enough_absences_in_a_row(service: Service) -> None:
    await reconcile(service, "ann", "bob")
    how = {"missing": "DEACTIVATE", "absencesBefore": 3, **FEW}
    for number in (1, 2):
        job = await reconcile(service, "ann", **how)
        assert (actions(job), await absences(service)) == (
            {"ann": "UNCHANGED", "bob": "ABSENT"},
            {"ann": (0, False), "bob": (number, False)},
        )
        planned = await reconcile(service, "ann", **how, dryRun=True)
        assert counts(planned) == ({"unchanged": 1, "absent": 1} if number == 1 else {"unchanged": 1, "deactivate": 1})
    await reconcile(service, "ann", "bob", **how)
    assert (await absences(service))["bob"] == (0, False), "being there once begins the count anew"
    for _ in range(2):
        assert actions(await reconcile(service, "ann", **how))["bob"] == "ABSENT"
    key = """SELECT COUNT(*) FROM api_keys WHERE revoked_at IS NULL AND user_id IN (
      SELECT id FROM users WHERE email LIKE 'bob%')"""
    made = 'mutation($id: ID!) { createApiKey(input: {name: "k", userId: $id}) { errors { code } } }'
    assert (await service.data(made, {"id": await service.id_of("bob@hr.test")}))["createApiKey"]["errors"] == []
    assert await service.scalar(key) == 1
    job = await reconcile(service, "ann", **how)
    assert actions(job) == {"ann": "UNCHANGED", "bob": "DEACTIVATE"}
    assert job["rows"]["nodes"][1]["changes"] == [{"field": "state", "before": "ACTIVE", "after": "DEACTIVATED"}]
    assert await states(service) == {"ann": "ACTIVE", "bob": "DEACTIVATED"}
    assert await service.scalar(key) == 0, "their keys went with it"
    assert await trail(service, job["id"]) == [("DEACTIVATED", "bob@hr.test", "admin")]
    later = await reconcile(service, "ann", **how)
    assert actions(later) == {"ann": "UNCHANGED"}, "nobody is missed twice"


async def test_missing_users_keep_what_they_have_unless_told(service: Service) -> None:
    await reconcile(service, "ann", "bob")
    for _ in range(3):
        job = await reconcile(service, "ann", **FEW)
        assert (job["state"], counts(job)) == ("DONE", {"unchanged": 1, "absent": 1})
    assert await states(service) == {"ann": "ACTIVE", "bob": "ACTIVE"}


async def test_only_users_of_the_same_source_are_missed(service: Service) -> None:
    await reconcile(service, "ann", "bob")
    job = await reconcile(service, "cid", source="crm", **LEAVE)
    assert counts(job) == {"create": 1}
    assert set((await states(service)).values()) == {"ACTIVE"}


async def test_who_comes_back_is_reactivated_where_a_job_deactivated_them(service: Service) -> None:
    await reconcile(service, "ann", "bob")
    await reconcile(service, "ann", **LEAVE)
    assert (await absences(service))["bob"] == (1, True)
    job = await reconcile(service, "ann", row("bob", role={"name": "IT"}))
    assert actions(job) == {"ann": "UNCHANGED", "bob": "REACTIVATE"}
    assert await states(service) == {"ann": "ACTIVE", "bob": "ACTIVE"}
    assert (await absences(service))["bob"] == (0, False)


@pytest.mark.parametrize("wanted", [{}, {"isActive": True}, {"role": {"name": "IT"}}], ids=["bare", "active", "role"])
async def test_who_was_deactivated_by_a_person_stays_so(service: Service, wanted: dict[str, Any]) -> None:
    await reconcile(service, "ann", "bob")
    bob = await service.id_of("bob@hr.test")
    off = "mutation($id: [ID!]!) { deactivateUsers(input: {ids: $id}) { errors { code } } }"
    on = "mutation($id: [ID!]!) { activateUsers(input: {ids: $id}) { errors { code } } }"
    await service.data(off, {"id": bob})
    await reconcile(service, "ann", row("bob", **wanted))
    assert (await states(service))["bob"] == "DEACTIVATED"
    await service.data(on, {"id": bob})
    await reconcile(service, "ann", **LEAVE)
    assert (await states(service))["bob"] == "DEACTIVATED"
    await service.data(on, {"id": bob})
    await service.data(off, {"id": bob})
    await reconcile(service, "ann", row("bob", **wanted))
    assert (await states(service))["bob"] == "DEACTIVATED", "the job's deactivation was taken back before theirs"


@pytest.mark.parametrize("said", [{"isActive": False}, {"role": {"name": "Deactivated"}}], ids=["isActive", "role"])
async def test_a_source_that_says_somebody_left_is_heard_at_once(service: Service, said: dict[str, Any]) -> None:
    await reconcile(service, "ann", "bob")
    job = await reconcile(service, "ann", row("bob", **said))
    assert actions(job) == {"ann": "UNCHANGED", "bob": "DEACTIVATE"}
    assert await states(service) == {"ann": "ACTIVE", "bob": "DEACTIVATED"}
    assert counts(await reconcile(service, "ann", row("bob", **said))) == {"unchanged": 2}
    assert actions(await reconcile(service, "ann", "bob"))["bob"] == "REACTIVATE"


async def test_a_user_is_known_by_the_source_also_when_address_and_external_id_changed(service: Service) -> None:
    await reconcile(service, "ann", {"email": "bob@hr.test"})
    bob = await service.id_of("bob@hr.test")
    change = 'mutation($id: ID!) { updateUser(input: {id: $id, email: "x@other.test"}) { errors { code } } }'
    await service.data(change, {"id": bob})
    job = await reconcile(service, row("ann", email="ann2@hr.test"), {"email": "bob@hr.test"})
    assert counts(job) == {"update": 2}
    assert await states(service) == {"ann2": "ACTIVE", "bob": "ACTIVE"}
    assert job["rows"]["nodes"][1]["user"]["id"] == bob


async def test_joiners_and_leavers_by_upsert_are_no_sighting(service: Service) -> None:
    """An event handler's upsertUsers works beside the full state, and does not stand in for it."""
    await reconcile(service, "ann", "bob")
    await reconcile(service, "ann", "cid", **FEW, missing="DEACTIVATE")
    upsert = """mutation($users: [UpsertUserInput!]!) { upsertUsers(input: {source: "hr", users: $users}) {
      results { action matchedBy errors { code } } errors { code } } }"""
    event = {"email": "bob@hr.test", "externalId": "hr-bob", "name": "Bobby"}
    joined = (await service.data(upsert, {"users": [event, row("dan")]}))["upsertUsers"]
    assert [each["action"] for each in joined["results"]] == ["UPDATED", "CREATED"]
    assert await absences(service) == {"ann": (0, False), "bob": (1, False), "cid": (0, False)}
    left = {"email": "cid@hr.test", "externalId": "hr-cid", "role": {"name": "Deactivated"}}
    answer = (await service.data(upsert, {"users": [left]}))["upsertUsers"]["results"]
    assert answer == [{"action": "UPDATED", "matchedBy": "EXTERNAL_ID", "errors": []}]
    assert (await states(service))["cid"] == "DEACTIVATED"
    assert (await absences(service))["cid"] == (0, False)
    job = await reconcile(service, "ann", **LEAVE)
    assert actions(job) == {"ann": "UNCHANGED", "bob": "DEACTIVATE"}, "dan is not of the source, cid has left already"
    await reconcile(service, "ann", "cid")
    assert (await states(service))["cid"] == "DEACTIVATED", (
        "an event deactivated them, so a later event brings them back"
    )


async def test_the_same_call_again_begins_no_second_job(service: Service) -> None:
    for key, dry in (("plan", True), ("real", False)):
        first, again = [
            await call(service, users=[row("ann")], dryRun=dry, idempotencyKey=key, missing="KEEP") for _ in range(2)
        ]
        assert first == again
        assert first["job"]["isDryRun"] is dry
    assert await service.scalar("SELECT COUNT(*) FROM directory_jobs") == 2
    started = "SELECT subject_id, subject_label, actor_username FROM audit_events WHERE subject_type = 'job'"
    assert await service.rows(started) == [(2, "hr", "admin")]
