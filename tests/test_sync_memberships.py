"""What groups of a directory give is taken back when they no longer give it, and nothing else is."""

import json
from typing import Any

from tests.crew import MAPPINGS, NAMES, TEAMS, configure, lead, of_crew, row_of, sync, user
from tests.directories import counts, reconcile, row
from tests.service import Service
from tests.slapd import BASE, Slapd
from tests.test_probe_providers import steps, tried

ADD = """mutation($group: ID!, $users: [ID!]!) {
  addGroupMembers(input: {id: $group, userIds: $users}) { errors { code } results { errors { code } } } }"""
HEADS: list[dict[str, Any]] = [
    {"group": "heads", "groupIds": ["group_2"], "organizationIds": ["organization_3", "organization_4"]},
    {"group": "all", "organizationIds": ["organization_4"]},
]


async def places(service: Service, name: str) -> tuple[list[str], list[str]]:
    """Groups and organizations."""
    found = await user(service, name)
    groups, organizations = (sorted(each["id"] for each in found[of]["nodes"]) for of in ("groups", "organizations"))
    return groups, organizations


async def put(service: Service, group: str, *names: str) -> None:
    """By hand, as an administrator does."""
    users = [(await user(service, name))["id"] for name in names]
    answer = await service.data(ADD, {"group": group, "users": users})
    assert all(not each["errors"] for each in answer["addGroupMembers"]["results"])


async def test_who_leaves_a_group_there_leaves_what_it_gave_here(service: Service, crew: Slapd) -> None:
    await configure(service, crew, mappings=HEADS)
    await sync(service)
    assert await places(service, "bob") == (["group_2"], ["organization_3", "organization_4"])
    await put(service, "group_1", "bob")
    lead(crew, "heads", "ann")
    before = await service.rows("SELECT * FROM group_members"), await service.rows("SELECT * FROM organization_members")
    planned = await sync(service, dryRun=True)
    after = await service.rows("SELECT * FROM group_members"), await service.rows("SELECT * FROM organization_members")
    assert before == after
    job = await sync(service)
    assert counts(job) == counts(planned) == {"update": 2, "unchanged": 1}
    expected = [
        {"field": "groups", "before": ["IT works"], "after": None},
        {"field": "organizations", "before": ["Acme East"], "after": None},
    ]
    for each in (planned, job):
        assert row_of(each, "bob")["changes"] == expected
        assert row_of(each, "ann")["changes"] == [
            {"field": "groups", "before": None, "after": ["IT works"]},
            {"field": "organizations", "before": None, "after": ["Acme East"]},
        ]
    # What another group of his still gives stays, and so does what no mapping names.
    assert await places(service, "bob") == (["group_1"], ["organization_4"])
    assert await places(service, "ann") == (["group_2"], ["organization_3", "organization_4"])
    sql = "SELECT changes FROM audit_events WHERE request_id = $1 AND subject_label = 'bob'"
    (changes,) = [json.loads(each[0]) for each in await service.rows(sql, job["id"])]
    assert changes == {"groups": [["IT works"], None], "organizations": [["Acme East"], None]}
    assert await service.scalar("SELECT version FROM users WHERE username = 'bob'") == 3
    assert counts(await sync(service)) == {"unchanged": 3}


async def test_another_group_in_place_of_one(service: Service, crew: Slapd) -> None:
    await configure(service, crew, mappings=[*MAPPINGS, {"group": "all", "groupIds": ["group_1"]}])
    lead(crew, "all", "ann", "cid")
    await sync(service)
    assert (await places(service, "bob"))[0] == ["group_2"]
    lead(crew, "all", "bob")
    lead(crew, "heads", "cid")
    job = await sync(service)
    found = {each["field"]: each for each in row_of(job, "bob")["changes"]}
    assert found["groups"] == {"field": "groups", "before": ["IT works"], "after": ["Web work"]}
    assert [(await places(service, name))[0] for name in NAMES] == [[], ["group_1"], ["group_2"]]


async def test_what_a_mapping_gives_is_the_directorys_matter(service: Service, crew: Slapd) -> None:
    """Put there by hand, or holding a role there: whom the directory does not name for it leaves."""
    await configure(service, crew, mappings=HEADS)
    await sync(service)
    await put(service, "group_2", "ann")
    await service.write(
        "INSERT INTO organization_members (organization_id, user_id, role_id, created_at)"
        " SELECT 3, id, role_id, created_at FROM users WHERE username = 'ann'"
    )
    job = await sync(service)
    assert of_crew(job) == {"ann": "UPDATE", "bob": "UNCHANGED", "cid": "UNCHANGED"}
    assert await places(service, "ann") == ([], ["organization_4"])


async def test_without_a_mapping_nothing_is_taken(service: Service, crew: Slapd) -> None:
    await configure(service, crew, mappings=HEADS)
    await sync(service)
    await configure(service, crew, mappings=[])
    lead(crew, "heads", "ann")
    assert counts(await sync(service)) == {"unchanged": 3}
    assert await places(service, "bob") == (["group_2"], ["organization_3", "organization_4"])


async def test_nobody_beyond_the_directory_loses_anything(service: Service, crew: Slapd) -> None:
    """Neither others in the same group, nor who is of it no more, nor by a source that maps nothing."""
    await configure(service, crew, mappings=HEADS)
    await sync(service)
    await put(service, "group_2", "bob")
    await service.data(ADD, {"group": "group_2", "users": ["user_8"]})
    await service.write(
        "UPDATE users SET provider_id = 1, ldap_provider_id = NULL, login_dn = NULL, login_dn_key = NULL,"
        " entry_id = NULL WHERE username = 'bob'"
    )
    lead(crew, "heads", "ann")
    job = await sync(service)
    assert of_crew(job) == {"ann": "UPDATE", "bob": "FAILED", "cid": "UNCHANGED"}
    assert await places(service, "bob") == (["group_2"], ["organization_3", "organization_4"])
    members = "SELECT COUNT(*) FROM group_members WHERE group_id = 2 AND user_id = 8"
    assert await service.scalar(members) == 1
    assert counts(await reconcile(service, row("eve", groupIds=["group_2"]))) == {"create": 1}
    assert counts(await reconcile(service, row("eve"))) == {"unchanged": 1}


async def test_base_of_groups_that_is_gone_fails_the_run_and_takes_nothing(service: Service, crew: Slapd) -> None:
    await configure(service, crew)
    await sync(service)
    before = await user(service, "bob")
    crew.modify(f"dn: {TEAMS}\nchangetype: modrdn\nnewrdn: ou=units\ndeleteoldrdn: 1\n\n")
    try:
        for given in ({}, {"isFull": False}):
            job = await sync(service, **given)
            assert (job["state"], job["error"]) == (
                "FAILED",
                f"The directory did not answer: {TEAMS} is not there, or may not be read."
                " Check groupBaseDn and the service account. Nothing was changed.",
            )
        assert await user(service, "bob") == before
        answer = await tried(service, username="bob")
        assert (answer["isOk"], steps(answer)[-1]) == (False, ("groups", False))
    finally:
        crew.modify(f"dn: ou=units,{BASE}\nchangetype: modrdn\nnewrdn: ou=teams\ndeleteoldrdn: 1\n\n")
    crew.delete("-r", f"cn=heads,{TEAMS}", f"cn=all,{TEAMS}")
    job = await sync(service)  # a base that is there and has no groups
    assert (job["state"], (await user(service, "bob"))["role"]) == ("DONE", {"name": "Normal user"})
