"""Spellings that look alike are different people: none finds the other's account, and none is made beside it."""

from typing import Any

import pytest

from tests.calls import change, refused, told
from tests.directories import counts, reconcile
from tests.service import Service
from tests.signing_in import sign_in

PASSWORD = "plum violin harbour 41"
KELVIN, LIGATURE, LONG_S = "\u212a", "\ufb01", "\u017f"
# Of each pair the normal form is the same.
PAIRS = [
    ("weiss", "wei\u00df"),
    ("wei\u00df", "weiss"),
    ("karl", f"{KELVIN}arl"),
    ("finn", f"{LIGATURE}nn"),
    ("susi", f"su{LONG_S}i"),
    ("anna", "\uff41nna"),
]
# Another case of the same letters, composed or not.
SAME = [
    ("Weiss", "wEISS"),
    ("Jos\u00e9", "JOSE\u0301"),
    ("\u039d\u0399\u039a\u039f\u03a3", "\u03bd\u03b9\u03ba\u03bf\u03c2"),
]


def at(name: str) -> str:
    return f"{name}@x.test"


async def make(service: Service, name: str) -> str:
    """A local user who is named so, with an alias; their typed id."""
    local = {"local": {"password": PASSWORD}}
    given = {"email": at(name), "username": name, "name": "N", "role": {"name": "IT"}, "authentication": local}
    payload = await change(service, "createUser", {**given, "aliases": [f"{name}-1"]}, more="user { id }")
    assert payload["errors"] == []
    made: str = payload["user"]["id"]
    return made


@pytest.mark.parametrize(("name", "other"), PAIRS)
async def test_a_look_alike_updates_nobody_and_is_refused(service: Service, name: str, other: str) -> None:
    await make(service, name)
    before = await service.snapshot()
    answer = await change(service, "upsertUsers", {"users": [{"email": at(other), "name": "Other"}]})
    (error,) = answer["results"][0]["errors"]
    assert (error["code"], error["path"]) == ("TAKEN", ["users", "0", "email"])
    assert "looks like it" in error["message"]
    job = await reconcile(service, {"email": at(other), "externalId": "p9"})
    assert counts(job) == {"failed": 1}
    assert [each["code"] for each in job["rows"]["nodes"][0]["errors"]] == ["TAKEN"]
    after = await service.snapshot()
    assert (after["users"], after["user_external_ids"]) == (before["users"], [])
    person: dict[str, Any] = {
        "username": "zz",
        "name": "Z",
        "role": {"name": "IT"},
        "authentication": {"apiOnly": True},
    }
    for mutation, given in (
        ("createUser", {**person, "email": at(other)}),
        ("createUser", {**person, "email": "zz@x.test", "username": other}),
        ("createUser", {**person, "email": "zz@x.test", "aliases": [f"{other}-1"]}),
        ("inviteUsers", {"users": [{"email": at(other)}]}),
        ("updateUser", {"id": "user_9", "email": at(other)}),
        ("updateUser", {"id": "user_9", "username": other}),
        ("updateUser", {"id": "user_9", "aliases": [f"{other}-1"]}),
    ):
        assert await refused(service, mutation, given) in ("TAKEN", "TAKEN TAKEN"), (mutation, given)


@pytest.mark.parametrize(("name", "other"), PAIRS)
async def test_a_look_alike_finds_and_signs_in_nobody(service: Service, name: str, other: str) -> None:
    await make(service, name)
    keys = [{"email": at(other)}, {"username": other}, {"alias": f"{other}-1"}]
    query = "query($keys: [UserKey!]!) { usersByKeys(keys: $keys) { id } }"
    assert (await service.data(query, {"keys": keys}))["usersByKeys"] == [None] * 3
    one = "query($by: UserKey!) { user(by: $by) { id } }"
    for by in keys:
        assert (await service.data(one, {"by": by}))["user"] is None, by
    for spelled in (other, at(other)):
        assert told(await sign_in(service, spelled, PASSWORD)) == ["INVALID_CREDENTIALS"], spelled
    for spelled in (name, at(name)):
        assert told(await sign_in(service, spelled, PASSWORD)) == [], spelled
    assert await refused(service, "requestPasswordReset", {"email": at(other)}) == "NOT_FOUND"
    ask = "mutation($email: String!) { requestPasswordReset(input: {email: $email}) { accepted link } }"
    for spelled, letters in ((at(other), 0), (at(name), 1)):
        answer = await service.ask(ask, {"email": spelled}, who=None)
        assert answer["data"]["requestPasswordReset"] == {"accepted": True, "link": None}
        assert await service.scalar("SELECT COUNT(*) FROM password_resets") == letters


@pytest.mark.parametrize(("name", "other"), SAME)
async def test_the_case_and_the_way_an_accent_is_written_make_no_difference(
    service: Service, name: str, other: str
) -> None:
    made = await make(service, name)
    keys = [{"email": at(other)}, {"username": other}, {"alias": f"{other}-1"}]
    query = "query($keys: [UserKey!]!) { usersByKeys(keys: $keys) { id } }"
    assert (await service.data(query, {"keys": keys}))["usersByKeys"] == [{"id": made}] * 3
    for spelled in (other, at(other)):
        assert told(await sign_in(service, spelled, PASSWORD)) == [], spelled
    answer = await change(
        service, "upsertUsers", {"users": [{"email": at(other)}]}, more="results { action user { id email } }"
    )
    assert answer["results"][0]["action"] == "UNCHANGED"
    assert counts(await reconcile(service, {"email": at(other)})) == {"unchanged": 1}


async def test_the_domain_is_the_same_in_unicode_and_in_ascii(service: Service) -> None:
    """IDNA says when two domains are one."""
    await change(service, "upsertUsers", {"users": [{"email": "jo@b\u00fccher.example"}]})
    answer = await change(service, "upsertUsers", {"users": [{"email": "JO@xn--bcher-kva.example", "name": "J"}]})
    assert answer["results"][0]["action"] == "UPDATED"
    rows = [{"email": "jo@stra\u00dfe.example", "username": "jo1"}, {"email": "jo@strasse.example", "username": "jo2"}]
    answer = await change(service, "upsertUsers", {"users": rows})
    assert [each["action"] for each in answer["results"]] == ["CREATED", "CREATED"]


async def test_a_character_that_looks_like_a_letter_stays_what_it_is(service: Service) -> None:
    """The Kelvin sign is kept, so that the same row finds its user again, and the letter K does not."""
    row = {"email": f"{KELVIN}@x.test"}
    for action in ("CREATED", "UNCHANGED"):
        answer = await change(service, "upsertUsers", {"users": [row]}, more="results { user { email } }")
        assert (answer["results"][0]["action"], answer["results"][0]["user"]["email"]) == (action, row["email"])
    assert told(await change(service, "upsertUsers", {"users": [{"email": "k@x.test"}]})) == ["TAKEN"]


async def test_an_external_id_changes_an_address_to_one_that_looks_like_it(service: Service) -> None:
    """The person is known by the id, so the new spelling is theirs."""
    await change(service, "upsertUsers", {"users": [{"email": "weiss@x.test", "externalId": "1"}]})
    answer = await change(
        service,
        "upsertUsers",
        {"users": [{"email": "wei\u00df@x.test", "externalId": "1"}]},
        more="results { changedFields user { id email } }",
    )
    result = answer["results"][0]
    assert (result["action"], result["changedFields"], result["user"]) == (
        "UPDATED",
        ["email"],
        {"id": "user_10", "email": "wei\u00df@x.test"},
    )
    assert told(await change(service, "upsertUsers", {"users": [{"email": "weiss@x.test"}]})) == ["TAKEN"]


async def test_a_source_does_not_know_a_look_alike_by_its_address(service: Service) -> None:
    """The address is all that this source says of its users, and what it remembers them by."""
    await reconcile(service, {"email": "weiss@hr.test", "name": "First"})
    job = await reconcile(service, {"email": "weiss@hr.test"}, {"email": "wei\u00df@hr.test", "name": "Second"})
    assert counts(job) == {"unchanged": 1, "failed": 1}
    job = await reconcile(service, {"email": "wei\u00df@hr.test", "name": "Second"}, missing="KEEP")
    assert counts(job)["failed"] == 1
    assert await service.rows("SELECT name FROM users WHERE id = 10") == [("First",)]


async def test_what_a_source_remembers_by_a_normal_form_finds_no_look_alike(service: Service) -> None:
    """Earlier releases remembered users by the normal form of their address."""
    await reconcile(service, {"email": "wei\u00df@hr.test", "name": "First"})
    await service.write("UPDATE directory_entries SET entry_key = 'weiss@hr.test'")
    job = await reconcile(service, {"email": "weiss@hr.test", "name": "Second"}, missing="KEEP")
    assert job["rows"]["nodes"][0]["action"] == "FAILED"
    assert [each["code"] for each in job["rows"]["nodes"][0]["errors"]] == ["TAKEN"]
    assert counts(await reconcile(service, {"email": "WEI\u00df@hr.test", "name": "First"})) == {"unchanged": 1}
    assert await service.rows("SELECT entry_key FROM directory_entries") == [("wei\u00df@hr.test",)]
