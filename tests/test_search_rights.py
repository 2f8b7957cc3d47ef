"""Search for viewers who may read names only looks at names, and a refusal says what may not be listed."""

import pytest

from tests.service import Service

SEARCH = "query($s: String!) { users(search: $s, orderBy: [{field: ID}]) { totalCount nodes { id name } } }"


@pytest.fixture
async def named(service: Service) -> Service:
    await service.write(
        "UPDATE users SET name = 'Ada Lovelace', name_key = 'ada lovelace', email = 'secret@x.test',"
        " email_key = 'secret@x.test', search_key = 'ada lovelace' || char(31) || 'member' || char(31)"
        " || 'secret@x.test' WHERE id = 8"
        if service.dialect == "sqlite"
        else "UPDATE users SET name = 'Ada Lovelace', name_key = 'ada lovelace', email = 'secret@x.test',"
        " email_key = 'secret@x.test', search_key = 'ada lovelace' || chr(31) || 'member' || chr(31)"
        " || 'secret@x.test' WHERE id = 8"
    )
    return service


async def test_search_of_who_may_read_names_only_finds_names_and_nothing_else(named: Service) -> None:
    ada = {"totalCount": 1, "nodes": [{"id": "user_8", "name": "Ada Lovelace"}]}
    nobody = {"totalCount": 0, "nodes": []}
    for text in ("lovelace", "ada love", "ADA"):
        assert (await named.data(SEARCH, {"s": text}, who="normal"))["users"] == ada
        assert (await named.data(SEARCH, {"s": text}, who="admin"))["users"] == ada
    for text in ("secret@x.test", "secret", "ada secret"):
        assert (await named.data(SEARCH, {"s": text}, who="normal"))["users"] == nobody
        assert (await named.data(SEARCH, {"s": text}, who="admin"))["users"] == ada


async def test_who_may_not_list_users_is_told_that_and_the_right(service: Service) -> None:
    body = await service.ask("{ users { totalCount nodes { id name email role { name } } } }", who="readonly")
    message = body["errors"][0]["message"]
    assert message.startswith("You may not list users. Ask an administrator for a role with LIST_USERS.")
    assert "User." not in message
    assert body["errors"][0]["extensions"]["code"] == "FORBIDDEN"
    body = await service.ask(SEARCH, {"s": "x"}, who="readonly")
    assert body["errors"][0]["message"] == "You may not list users. Ask an administrator for a role with LIST_USERS."
    body = await service.ask("{ users { nodes { name email } } }", who="normal")
    assert body["errors"][0]["message"] == "You may not read User.email."


async def test_advice_about_indexes_names_no_condition_that_is_there(service: Service) -> None:
    query = '{ users(where: {username: {ne: "x"}, state: {eq: ACTIVE}}) { nodes { id } } }'
    body = await service.ask(query)
    for warning in body["extensions"].get("warnings", []):
        advised = warning["message"].partition("Add a condition on one of ")[2].partition(", with ")[0].split(", ")
        assert not {"username", "state"} & set(advised)
        assert "email" in advised
