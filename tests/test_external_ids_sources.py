"""External ids of reconciliations, directories and files: each source keeps its own, and none overrules another."""

import asyncio
from pathlib import Path

import pytest

from tests.calls import change, told
from tests.crew import configure, dn, sync
from tests.directories import absences, actions, counts, reconcile, states
from tests.exporting import whole
from tests.server import usergraph
from tests.service import SECRET, Service
from tests.slapd import Slapd

QUERY = "{ users { nodes { email username externalId externalIds { source value } } } }"


@pytest.fixture
def service(service: Service) -> Service:
    """Whose own worker rests: jobs are worked on when a test says so."""
    service.app.state.background._stopping.set()
    return service


def person(email: str, external_id: str | None, **more: object) -> dict[str, object]:
    return {"email": email, **({} if external_id is None else {"externalId": external_id}), **more}


async def test_a_joiner_with_the_address_of_a_leaver_is_refused_until_it_is_free(service: Service) -> None:
    await reconcile(service, person("x@hr.test", "p1", role={"name": "IT"}))
    before = await service.rows("SELECT * FROM users WHERE id = 10")
    joiner = person("X@hr.test", "p9")
    for _ in range(2):
        job = await reconcile(service, joiner, missing="KEEP")
        row = job["rows"]["nodes"][0]
        assert (row["action"], row["entryKey"], row["user"]) == ("FAILED", "p9", None)
        (error,) = row["errors"]
        assert (error["code"], error["path"][-1]) == ("TAKEN", "email")
        assert "hr knows its user by another external id" in error["message"]
    assert await service.rows("SELECT * FROM users WHERE id = 10") == before
    assert await service.external_ids() == [(10, "hr", "p1")]
    await change(service, "updateUser", {"id": "user_10", "email": "leaver@hr.test", "username": "leaver"})
    job = await reconcile(service, joiner, missing="KEEP")
    assert job["rows"]["nodes"][0]["action"] == "CREATE"
    assert await service.rows("SELECT role_id, email FROM users WHERE id = 11") == [(4, "X@hr.test")]
    assert await service.external_ids() == [(10, "hr", "p1"), (11, "hr", "p9")]


async def test_an_id_that_was_given_to_somebody_else_here_overrules_what_the_source_remembers(service: Service) -> None:
    """An administrator says that p1 is another user's id; the job's memory of the entry does not undo that."""
    await reconcile(service, person("a@hr.test", "p1"), person("b@hr.test", "p2"))
    for user, value in (("user_10", "p0"), ("user_11", "p1")):
        payload = await change(service, "updateUser", {"id": user, "externalIds": [{"source": "hr", "value": value}]})
        assert payload["errors"] == []
    job = await reconcile(service, person("b@hr.test", "p1", name="B"), missing="KEEP")
    assert actions(job) == {"b": "UPDATE"}
    assert job["rows"]["nodes"][0]["user"]["id"] == "user_11"
    assert await service.rows("SELECT id, email FROM users WHERE id > 9 ORDER BY id") == [
        (10, "a@hr.test"),
        (11, "b@hr.test"),
    ]


async def test_two_sources_with_equal_ids_keep_their_own_users(service: Service) -> None:
    await reconcile(service, person("a@hr.test", "1"))
    job = await reconcile(service, person("b@hr.test", "1"), source="crm")
    assert counts(job) == {"create": 1}
    job = await reconcile(service, person("a@hr.test", "7"), source="crm")
    assert counts(job) == {"update": 1, "absent": 1}
    assert await service.external_ids() == [(10, "crm", "7"), (10, "hr", "1"), (11, "crm", "1")]
    assert counts(await reconcile(service, person("a2@hr.test", "1"))) == {"update": 1}
    assert await states(service) == {"a2": "ACTIVE", "b": "ACTIVE"}
    assert await absences(service) == {"a2": (0, False)}


async def test_a_directory_and_a_personnel_system_each_keep_their_id_of_a_user(service: Service, crew: Slapd) -> None:
    """What the directory writes does not hide the user from the personnel system, which would make a second one."""
    await configure(service, crew)
    await sync(service)
    ann = int((await service.id_of("ann")).removeprefix("user_"))
    uuid = await service.scalar("SELECT value FROM user_external_ids WHERE user_id = $1", ann)
    assert counts(await reconcile(service, person("ann@example.com", "p1"))) == {"update": 1}
    assert counts(await sync(service)) == {"unchanged": 3}
    crew.modify(f"dn: {dn('ann')}\nchangetype: modify\nreplace: mail\nmail: ann.new@example.com\n\n")
    await sync(service)
    assert [each for each in await service.external_ids() if each[0] == ann] == [
        (ann, "hr", "p1"),
        (ann, "provider_2", uuid),
    ]
    total = await service.scalar("SELECT COUNT(*) FROM users")
    job = await reconcile(service, person("ann.hr@example.com", "p1"))
    assert job["rows"]["nodes"][0]["user"] == {"id": f"user_{ann}"}
    assert await service.scalar("SELECT COUNT(*) FROM users") == total
    found = await service.data(
        "query($of: ExternalIdKey!) { user(by: {externalIdOf: $of}) { id externalId } }",
        {"of": {"source": "provider_2", "value": uuid}},
    )
    assert found["user"] == {"id": f"user_{ann}", "externalId": None}


@pytest.mark.parametrize("source", ["provider_7", "scim:okta", "PROVIDER_7"])
async def test_names_of_sources_that_programs_set_are_not_taken(service: Service, source: str) -> None:
    users = [person("a@hr.test", "1")]
    for mutation in ("reconcileUsers", "upsertUsers"):
        payload = await change(service, mutation, {"source": source, "users": users})
        assert [(each["code"], each["path"]) for each in payload["errors"]] == [("INVALID", ["source"])]
    assert await service.external_ids() == []


async def test_a_file_of_a_source_finds_users_by_its_ids(service: Service, tmp_path: Path) -> None:
    async def run(text: str, *options: str) -> tuple[int, str]:
        (tmp_path / "people.csv").write_text(text)
        url = service.database.url
        done = await asyncio.to_thread(
            usergraph, tmp_path, "import", "people.csv", *options, database_url=url, secret_key=SECRET
        )
        return done.returncode, done.stdout

    await change(service, "upsertUsers", {"users": [person("a@hr.test", "p1")]})
    told_ = await run("email,external_id\nb@hr.test,p1\n", "--source", "hr")
    assert told_ == (0, "1 created, 0 updated, 0 unchanged, 0 refused\n")
    told_ = await run("email,external_id\nb2@hr.test,p1\n", "--source", "hr")
    assert told_ == (0, "0 created, 1 updated, 0 unchanged, 0 refused\n")
    code, told_2 = await run("email,external_id\nb2@hr.test,p9\n", "--source", "hr")
    assert (code, told_2.splitlines()[0]) == (3, "0 created, 0 updated, 0 unchanged, 1 refused")
    assert await service.external_ids() == [(10, "api", "p1"), (11, "hr", "p1")]
    assert (await run("email,external_id\nc@hr.test,1\n", "--source", "provider_2"))[0] == 1


@pytest.mark.parametrize("format", ["csv", "ndjson"])
async def test_exported_external_ids_are_imported_again(service: Service, tmp_path: Path, format: str) -> None:
    await service.set_external_id(8, "7", "api")
    await service.set_external_id(8, "a|b\\", "hr")
    await service.set_external_id(9, "7", "crm=|2")
    before = await service.external_ids()
    (tmp_path / f"people.{format}").write_bytes(await whole(service, QUERY, format))
    await service.write("DELETE FROM user_external_ids")
    await service.write("UPDATE users SET external_id = NULL")
    done = await asyncio.to_thread(
        usergraph, tmp_path, "import", f"people.{format}", database_url=service.database.url, secret_key=SECRET
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert await service.external_ids() == before
    assert await service.scalar("SELECT external_id FROM users WHERE id = 8") == "7"


async def test_a_reused_address_is_refused_in_an_invitation(service: Service) -> None:
    await service.set_external_id(8, "p1", "hr")
    row = person("member@usergraph.test", None, externalIds=[{"source": "hr", "value": "p9"}])
    assert told(await change(service, "inviteUsers", {"users": [row]})) == ["TAKEN"]
