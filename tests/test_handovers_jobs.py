"""Values that change hands within a job, however far apart its rows stand: reconciliations, directories, files."""

import random
from typing import Any

import pytest

from models.settings import Settings
from resolvers import directory_jobs, import_users
from resolvers.hashing import Hasher
from resolvers.import_users import Import, import_rows
from resolvers.importers import Row
from tests.crew import configure, dn, member, of_crew, sync, user
from tests.directories import call, counts, job_of, reconcile, row, work
from tests.service import SECRET, Service
from tests.signing_in import sign_in
from tests.slapd import PASSWORD as IN_DIRECTORY
from tests.slapd import Slapd
from tests.test_handovers import assert_no_placeholders


@pytest.fixture
def parts(monkeypatch: pytest.MonkeyPatch) -> None:
    """Parts of two rows, so that rows that need each other stand in different ones."""
    monkeypatch.setattr(directory_jobs, "AT_ONCE", 2)


@pytest.fixture
def service(service: Service) -> Service:
    service.app.state.background._stopping.set()
    return service


def moved(who: str, to: str, **more: Any) -> dict[str, Any]:
    return {**row(who, **more), "email": f"{to}@hr.test"}


async def addresses(service: Service) -> dict[str, str]:
    sql = "SELECT x.value, u.email FROM user_external_ids x JOIN users u ON u.id = x.user_id WHERE x.source = 'hr'"
    return {who.removeprefix("hr-"): email.removesuffix("@hr.test") for who, email in await service.rows(sql)}


def results(job: Any) -> list[tuple[str, list[str]]]:
    return [(each["action"], [error["code"] for error in each["errors"]]) for each in job["rows"]["nodes"]]


@pytest.mark.parametrize("count", [2, 3, 10])
async def test_reconcile_users_passes_emails_round_a_circle_across_parts(
    service: Service, parts: None, count: int
) -> None:
    names = [f"p{number}" for number in range(count)]
    await reconcile(service, *names)
    filler = [row(f"f{number}") for number in range(3)]
    rows = [moved(name, to) for name, to in zip(names, [*names[1:], names[0]], strict=True)]
    mixed = [rows[0], *filler, *rows[1:]]
    planned = await reconcile(service, *mixed, dryRun=True)
    assert counts(planned) == {"update": count, "create": 3}
    assert await addresses(service) == {name: name for name in names}
    job = await reconcile(service, *mixed)
    assert (job["state"], counts(job), job["done"], job["total"]) == (
        "DONE",
        {"update": count, "create": 3},
        count + 3,
        count + 3,
    )
    circle = dict(zip(names, [*names[1:], names[0]], strict=True))
    assert await addresses(service) == {**circle, **{f"f{number}": f"f{number}" for number in range(3)}}
    assert all(each["appliedAt"] for each in job["rows"]["nodes"])
    await assert_no_placeholders(service)
    assert counts(await reconcile(service, *mixed)) == {"unchanged": count + 3}


async def test_a_joiner_gets_the_email_of_a_leaver_of_a_later_part(service: Service, parts: None) -> None:
    await reconcile(service, "ann", "bob")
    job = await reconcile(
        service, moved("new", "ann"), row("x"), row("y"), moved("ann", "bob"), row("z"), moved("bob", "bob.old")
    )
    assert results(job) == [(action, []) for action in ("CREATE", "CREATE", "CREATE", "UPDATE", "CREATE", "UPDATE")]
    found = await addresses(service)
    assert {name: found[name] for name in ("new", "ann", "bob")} == {"new": "ann", "ann": "bob", "bob": "bob.old"}


async def test_rows_that_need_a_row_that_fails_fail_in_every_part(service: Service, parts: None) -> None:
    await reconcile(service, "ann", "bob", "cid", "dan")
    job = await reconcile(
        service,
        moved("ann", "bob"),
        row("x"),
        moved("cid", "dan"),
        moved("bob", "free", role={"name": "no such role"}),
        moved("dan", "cid"),
        row("y"),
    )
    assert results(job) == [
        ("FAILED", ["TAKEN"]),
        ("CREATE", []),
        ("UPDATE", []),
        ("FAILED", ["NOT_FOUND"]),
        ("UPDATE", []),
        ("CREATE", []),
    ]
    found = await addresses(service)
    assert {name: found[name] for name in ("ann", "bob", "cid", "dan")} == {
        "ann": "ann",
        "bob": "bob",
        "cid": "dan",
        "dan": "cid",
    }


async def test_after_every_part_of_a_job_everybody_has_a_value_of_their_own(service: Service, parts: None) -> None:
    names = [f"p{number}" for number in range(7)]
    await reconcile(service, *names)
    order = [(0, 1), (1, 2), (2, 0), (3, 4), (4, 3), (5, 6), (6, 7)]
    random.Random(3).shuffle(order)
    answer = await call(service, users=[moved(f"p{one}", f"p{other}") for one, other in order])
    while await service.app.state.jobs.turn():
        await assert_no_placeholders(service)
        found = await addresses(service)
        assert len(set(found.values())) == 7
        circle = [found["p0"], found["p1"], found["p2"]]
        assert circle in (["p0", "p1", "p2"], ["p1", "p2", "p0"]), "a circle is stored at once, or not at all"
    assert counts(await job_of(service, answer["job"]["id"])) == {"update": 7}
    assert await addresses(service) == {f"p{one}": f"p{other}" for one, other in order}


async def test_another_process_goes_on_where_a_swap_was_not_applied_yet(service: Service, parts: None) -> None:
    await reconcile(service, "ann", "bob", "cid")
    rows = [moved("ann", "bob"), row("cid"), row("x"), moved("bob", "ann")]
    answer = await call(service, users=rows)
    jobs = service.app.state.jobs
    while (await job_of(service, answer["job"]["id"]))["step"] != "APPLY":
        assert await jobs.turn()
    taken_over = jobs.owner
    jobs.owner = "another process"
    await service.write("UPDATE directory_jobs SET lease_until = NULL")
    await work(service)
    assert taken_over != jobs.owner
    assert counts(await job_of(service, answer["job"]["id"])) == {"update": 2, "unchanged": 1, "create": 1}
    assert (await addresses(service))["ann"] == "bob"


async def test_after_a_swap_of_dns_both_people_sign_in_as_themselves(
    service: Service, crew: Slapd, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(directory_jobs, "AT_ONCE", 1)
    await configure(service, crew)
    await sync(service)
    ids = {name: (await user(service, name))["id"] for name in ("ann", "bob")}
    for old, new in (("ann", "tmp"), ("bob", "ann"), ("tmp", "bob")):
        crew.modify(f"dn: {dn(old)}\nchangetype: modrdn\nnewrdn: uid={new}\ndeleteoldrdn: 1\n\n")
    job = await sync(service)
    assert of_crew(job) == {"ann": "UPDATE", "bob": "UPDATE", "cid": "UNCHANGED"}
    for mail, name in (("ann", "bob"), ("bob", "ann")):
        found = await user(service, mail)
        assert (found["id"], found["loginDn"]) == (ids[mail], dn(name))
        assert (await sign_in(service, name, IN_DIRECTORY))["user"]["id"] == ids[mail]
    await assert_no_placeholders(service)
    crew.add(member("dan"))
    assert of_crew(await sync(service))["dan"] == "CREATE"


@pytest.fixture
def small_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(import_users, "CHUNK", 2)


@pytest.mark.parametrize("dry_run", [True, False])
async def test_an_import_hands_values_over_across_its_chunks(
    service: Service, small_chunks: None, dry_run: bool
) -> None:
    def rows(*pairs: tuple[str, str]) -> list[Row]:
        return [
            Row(number, {}, {"ref": str(number), "external_id": who, "email": f"{to}@hr.test"}, [])
            for number, (who, to) in enumerate(pairs, 1)
        ]

    async def bring(*pairs: tuple[str, str], dry_run: bool = False) -> tuple[dict[str, int], list[str]]:
        how = Import(
            Settings(secret_key=SECRET), service.app.state.services.sealer, Hasher(1), "admin", dry_run=dry_run
        )
        refused: list[str] = []
        tally = await import_rows(
            service.database, how, rows(*pairs), lambda row, _: refused.append(row.user["email"]), lambda _: None
        )
        return tally.counts, refused

    await bring(("ann", "ann"), ("bob", "bob"), ("cid", "cid"), ("dan", "dan"))
    swapped = [("ann", "bob"), ("eve", "cid"), ("fay", "fay"), ("gus", "dan"), ("bob", "ann"), ("cid", "gone")]
    tally, refused = await bring(*swapped, dry_run=dry_run)
    assert (tally, refused) == ({"CREATED": 2, "UPDATED": 3, "UNCHANGED": 0, "FAILED": 1}, ["dan@hr.test"])
    names = "SELECT x.value, u.email FROM user_external_ids x JOIN users u ON u.id = x.user_id"
    stored = dict(await service.rows(f"{names} WHERE u.email LIKE '%@hr.test'"))
    done = {"ann": "bob", "bob": "ann", "cid": "gone", "dan": "dan", "eve": "cid", "fay": "fay"}
    expected = {each: each for each in ("ann", "bob", "cid", "dan")} if dry_run else done
    assert stored == {who: f"{to}@hr.test" for who, to in expected.items()}
