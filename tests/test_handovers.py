"""Values that change hands within one call: the state that the whole call leaves is what counts."""

import random
from typing import Any

import pytest

from tests.converting import convert
from tests.history import moment
from tests.service import Service, codes
from tests.test_update_users import update
from tests.test_upsert_users import events, upsert

PLACEHOLDER = "\x1f"


def person(who: str, email: str | None = None, **more: Any) -> dict[str, Any]:
    """A row about the user with the external id `who`."""
    return {"externalId": who, "email": f"{email or who}@swap.test", **more}


async def hire(service: Service, *names: str, **more: Any) -> dict[str, str]:
    """The ids of new users, by name."""
    answer = await upsert(service, *(person(each, name=each.capitalize(), **more) for each in names))
    assert [each["errors"] for each in answer["results"]] == [[]] * len(names)
    return {name: each["user"]["id"] for name, each in zip(names, answer["results"], strict=True)}


async def emails(service: Service) -> dict[str, str]:
    """External id to the part of the email before the @."""
    sql = "SELECT external_id, email, email_key FROM users WHERE email LIKE '%@swap.test'"
    rows = await service.rows(sql)
    assert all(row[1] == row[2] for row in rows)
    return {row[0]: row[1].partition("@")[0] for row in rows}


async def assert_no_placeholders(service: Service) -> None:
    """Nothing that is stored holds a placeholder, history and audit log included."""
    for table, rows in (await service.snapshot()).items():
        assert [row for row in rows if any(PLACEHOLDER in each for each in row if isinstance(each, str))] == [], table
    keys = ("username_key", "email_key", "external_id", "login_dn_key", "name_id")
    found = await service.rows(f"SELECT {', '.join(keys)} FROM users")
    assert [row for row in found if any(PLACEHOLDER in each for each in row if each)] == []


@pytest.mark.parametrize("count", [2, 3, 10])
async def test_upsert_users_passes_emails_round_a_circle(service: Service, count: int) -> None:
    names = [f"p{number}" for number in range(count)]
    ids = await hire(service, *names)
    before, wanted = await moment(), dict(zip(names, [*names[1:], names[0]], strict=True))
    answer = await upsert(service, *(person(name, email) for name, email in wanted.items()))
    assert answer["errors"] == []
    results = [(r["action"], r["changedFields"], r["errors"]) for r in answer["results"]]
    assert results == [("UPDATED", ["username", "email"], [])] * count
    assert {r["user"]["externalId"]: r["user"]["id"] for r in answer["results"]} == ids
    assert await emails(service) == wanted
    usernames = {r["user"]["externalId"]: r["user"]["username"] for r in answer["results"]}
    assert usernames == {name: f"{email}@swap.test" for name, email in wanted.items()}
    await assert_no_placeholders(service)
    for name, user in ids.items():
        action, changes = (await events(service, user))[-1]
        old, new = f"{name}@swap.test", f"{wanted[name]}@swap.test"
        assert (action, changes) == ("UPDATED", {"username": [old, new], "email": [old, new]})
    versions = "SELECT row_id, COUNT(*) FROM users_history WHERE email LIKE '%@swap.test' GROUP BY row_id"
    assert {row[1] for row in await service.rows(versions)} == {2}, "one state before the call, and one after it"
    document = "query($at: DateTime) { users(asOf: $at, first: 50) { nodes { id email } } }"
    then = (await service.data(document, {"at": before}))["users"]["nodes"]
    now = (await service.data(document, {"at": await moment()}))["users"]["nodes"]
    found = [
        {each["id"].partition("@")[0]: each["email"] for each in nodes if each["email"].endswith("@swap.test")}
        for nodes in (then, now)
    ]
    assert found[0] == {user: f"{name}@swap.test" for name, user in ids.items()}
    assert found[1] == {user: f"{wanted[name]}@swap.test" for name, user in ids.items()}


@pytest.mark.parametrize("order", [1, -1])
async def test_a_chain_ends_with_a_new_user_who_gets_the_email_of_a_deactivated_one(
    service: Service, order: int
) -> None:
    await hire(service, "ann", "bob")
    rows = [person("ann", "ann-left", isActive=False), person("bob", "ann"), person("cid", "bob")]
    answer = await upsert(service, *rows[::order])
    assert [r["action"] for r in answer["results"]][::order] == ["UPDATED", "UPDATED", "CREATED"]
    assert await emails(service) == {"ann": "ann-left", "bob": "ann", "cid": "bob"}
    assert await service.scalar("SELECT state FROM users WHERE external_id = 'ann'") == "DEACTIVATED"


async def test_usernames_and_ids_of_another_source_are_swapped(service: Service) -> None:
    one, two = [{"source": "crm", "value": f"c{number}"} for number in (1, 2)]
    await upsert(
        service, person("ann", username="a", externalIds=[one]), person("bob", username="b", externalIds=[two])
    )
    answer = await upsert(
        service, person("ann", username="b", externalIds=[two]), person("bob", username="A", externalIds=[one])
    )
    assert [r["errors"] for r in answer["results"]] == [[], []]
    assert {r["user"]["externalId"]: r["user"]["username"] for r in answer["results"]} == {"ann": "b", "bob": "A"}
    crm = "SELECT u.external_id, x.value FROM user_external_ids x JOIN users u ON u.id = x.user_id WHERE source = 'crm'"
    assert sorted(await service.rows(crm)) == [("ann", "c2"), ("bob", "c1")]
    await assert_no_placeholders(service)


async def test_convert_users_swaps_login_dns_and_name_ids(service: Service) -> None:
    ids = await hire(service, "ann", "bob")

    def ldap(name: str) -> Any:
        return {"ldap": {"serverNumber": 1, "loginDn": f"uid={name},dc=acme,dc=test"}}

    def saml(name: str) -> Any:
        return {"saml": {"nameId": name}}

    sql = "SELECT external_id, coalesce(login_dn_key, name_id) FROM users WHERE email LIKE '%@swap.test'"
    for to, shown in ((ldap, "uid={},dc=acme,dc=test"), (saml, "{}")):
        first = await convert(service, (ids["ann"], to("ann")), (ids["bob"], to("bob")), verify="NONE")
        assert [r["errors"] for r in first["results"]] == [[], []]
        swapped = await convert(service, (ids["ann"], to("bob")), (ids["bob"], to("ann")), verify="NONE")
        assert [r["errors"] for r in swapped["results"]] == [[], []]
        assert dict(await service.rows(sql)) == {"ann": shown.format("bob"), "bob": shown.format("ann")}
    await assert_no_placeholders(service)


async def test_a_row_that_fails_gives_nothing_up_and_the_rows_that_need_it_fail_too(service: Service) -> None:
    ids = await hire(service, "ann", "bob", "cid", "dan", "eve")
    rows = [
        person("new", "ann"),
        person("ann", "bob"),
        person("bob", "free", role={"name": "no such role"}),
        person("cid", "dan"),
        person("dan", "cid"),
    ]
    stopped = await upsert(service, *rows)
    assert [r["action"] for r in stopped["results"]] == ["FAILED", "FAILED", "FAILED", "SKIPPED", "SKIPPED"]
    unmoved = {name: name for name in ids}
    assert await emails(service) == unmoved
    answer = await upsert(service, *rows, errorPolicy="REJECT_FAILED")
    assert [r["action"] for r in answer["results"]] == ["FAILED", "FAILED", "FAILED", "UPDATED", "UPDATED"]
    assert [codes(r["errors"]) for r in answer["results"][:3]] == [["TAKEN"], ["TAKEN"], ["NOT_FOUND"]]
    assert answer["results"][1]["errors"][0]["message"] == (f"The email bob@swap.test is already used by {ids['bob']}.")
    assert await emails(service) == {**unmoved, "cid": "dan", "dan": "cid"}


async def test_two_rows_do_not_get_the_value_that_a_third_gives_up(service: Service) -> None:
    await hire(service, "ann")
    rows = [person("ann", "gone"), person("bob", "ann"), person("cid", "x", username="ann@swap.test")]
    answer = await upsert(service, *rows, errorPolicy="REJECT_FAILED")
    assert [r["action"] for r in answer["results"]] == ["UPDATED", "CREATED", "FAILED"]
    assert codes(answer["results"][2]["errors"]) == ["DUPLICATE"]


async def test_a_look_alike_takes_over_when_its_twin_moves(service: Service) -> None:
    await upsert(service, person("ann", "weiss"))
    lone = await upsert(service, person("bob", "weiß"), errorPolicy="REJECT_FAILED")
    assert codes(lone["results"][0]["errors"]) == ["TAKEN"]
    answer = await upsert(service, person("bob", "weiß"), person("ann", "schwarz"))
    assert [r["action"] for r in answer["results"]] == ["CREATED", "UPDATED"]
    stored = await service.rows("SELECT external_id, email FROM users WHERE email LIKE '%@swap.test'")
    assert dict(stored) == {"ann": "schwarz@swap.test", "bob": "weiß@swap.test"}


@pytest.mark.parametrize("seed", range(6))
async def test_random_calls_leave_what_an_oracle_says(service: Service, seed: int) -> None:
    """The oracle drops rows until all of the state that the rest leaves is unique."""
    chance = random.Random(seed)
    names = [f"p{number}" for number in range(8)]
    state = {name: name for name in names}
    await hire(service, *names)
    for _ in range(4):
        chosen = chance.sample([*names, "q1", "q2"], chance.randint(2, 9))
        pool = sorted({*state.values(), "f1", "f2", "f3"})
        chance.shuffle(pool)
        wanted = dict(zip(chosen, pool, strict=False))
        accepted = dict(wanted)
        while True:
            after = {**state, **accepted}
            kept = {email: name for name, email in after.items() if name not in accepted}
            clashing = [name for name, email in accepted.items() if email in kept]
            if not clashing:
                break
            for name in clashing:
                del accepted[name]
        answer = await upsert(
            service, *(person(name, email) for name, email in wanted.items()), errorPolicy="REJECT_FAILED"
        )
        failed = [name for name, r in zip(wanted, answer["results"], strict=True) if r["action"] == "FAILED"]
        assert failed == [name for name in wanted if name not in accepted], (state, wanted)
        state = {**state, **accepted}
        assert await emails(service) == state
        usernames = await service.rows("SELECT external_id, username FROM users WHERE email LIKE '%@swap.test'")
        assert dict(usernames) == {name: f"{email}@swap.test" for name, email in state.items()}
    await assert_no_placeholders(service)


async def test_a_username_that_is_the_email_follows_it_and_leaves_the_old_one_free(service: Service) -> None:
    ids = await hire(service, "ann")
    await hire(service, "bob", username="bobby")
    answer = await update(service, ids["ann"], email="ann.new@swap.test")
    assert answer["errors"] == []
    assert answer["changedFields"] == ["username", "email"]
    assert (answer["user"]["username"], answer["user"]["email"]) == ("ann.new@swap.test",) * 2
    (joiner,) = (await upsert(service, person("joiner", "ann")))["results"]
    assert (joiner["action"], joiner["user"]["username"]) == ("CREATED", "ann@swap.test")
    (bob,) = (await upsert(service, person("bob", "robert")))["results"]
    assert (bob["changedFields"], bob["user"]["username"]) == (["email"], "bobby"), "a name of its own stays"
    named = await update(service, ids["ann"], email="a@swap.test", username="ann.new@swap.test")
    assert (named["changedFields"], named["user"]["username"]) == (["email"], "ann.new@swap.test")


async def test_taken_names_the_user_in_the_way_where_the_viewer_may_see_them(service: Service) -> None:
    ids = await hire(service, "ann", username="first")
    mutation = """mutation($input: UpsertUsersInput!) { upsertUsers(input: $input) {
      results { errors { code message values } } } }"""

    async def refused(who: str, **row: Any) -> Any:
        answer = await service.data(mutation, {"input": {"users": [row]}}, who=who)
        (found,) = answer["upsertUsers"]["results"]
        return found["errors"]

    (error,) = await refused("admin", email="x@swap.test", username="first")
    assert error == {
        "code": "TAKEN",
        "message": f"The username first is already used by {ids['ann']}.",
        "values": {"what": "username", "value": "first", "owner": ids["ann"]},
    }
    (error,) = await refused("admin", email="x@swap.test", username="ann@swap.test")
    assert error["message"] == f"The username ann@swap.test is already used by {ids['ann']} as their email."
    (error,) = await refused("orgadmin", email="x@swap.test", username="first", organizationIds=["organization_3"])
    assert error == {
        "code": "TAKEN",
        "message": "The username first is taken.",
        "values": {"what": "username", "value": "first"},
    }
