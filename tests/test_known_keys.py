"""A key that was looked up before is proved by the statement that answers: what changed since decides at once."""

import asyncio

import pytest

from tests.service import Service, key_of

USERS = "{ users(first: 3) { nodes { id email } } }"
NOBODY = '{ users(where: {username: {eq: "nobody at all"}}) { nodes { id } } }'
REFUSED = "UNAUTHENTICATED"
BY_IT = "(SELECT id FROM users WHERE username_key = 'it')"
IS_ITS = f"user_id = {BY_IT}"

ENDED = {
    "revoked": f"UPDATE api_keys SET revoked_at = created_at WHERE {IS_ITS}",
    "expired": f"UPDATE api_keys SET expires_at = created_at WHERE {IS_ITS}",
    "deleted": f"DELETE FROM api_keys WHERE {IS_ITS}",
    "another digest": f"UPDATE api_keys SET digest = 'another' WHERE {IS_ITS}",
    "owner deactivated": "UPDATE users SET state = 'DEACTIVATED' WHERE username_key = 'it'",
    "owner invited": "UPDATE users SET state = 'INVITED' WHERE username_key = 'it'",
}


async def known(service: Service, query: str = USERS) -> None:
    """Have the key and the document met before, and the key's last use recorded."""
    await service.data(query, who="it")
    await service.app.state.touches.close()
    await service.data(query, who="it")


@pytest.mark.parametrize("what", list(ENDED))
@pytest.mark.parametrize("query", [USERS, NOBODY, "{ __typename }", "{ __schema { queryType { name } } }"])
async def test_a_key_opens_nothing_from_the_moment_it_ends(service: Service, what: str, query: str) -> None:
    await known(service, query)
    await service.write(ENDED[what])
    body = await service.ask(query, who="it")
    assert [error["extensions"]["code"] for error in body["errors"]] == [REFUSED]
    assert "data" not in body


async def test_rights_that_were_taken_or_given_since_are_those_that_count(service: Service) -> None:
    await known(service)
    read_only = "(SELECT role_id FROM role_names WHERE name_key = 'read only')"
    before = await service.scalar("SELECT role_id FROM users WHERE username_key = 'it'")
    await service.write(f"UPDATE users SET role_id = {read_only} WHERE username_key = 'it'")
    assert await service.codes(USERS, who="it") == ["FORBIDDEN"]
    assert await service.codes(USERS, who="it") == ["FORBIDDEN"]
    await service.write("UPDATE users SET role_id = $1 WHERE username_key = 'it'", before)
    assert len((await service.data(USERS, who="it"))["users"]["nodes"]) == 3


async def test_a_role_that_was_edited_a_key_that_was_narrowed_and_a_name_that_was_changed(service: Service) -> None:
    about = "{ viewer { permissions user { username } } }"
    await known(service, about)
    narrow = '["USE_SELF_SERVICE"]'
    await service.write(f"UPDATE api_keys SET rights = '{narrow}' WHERE {IS_ITS}")
    assert (await service.data(about, who="it"))["viewer"]["permissions"] == ["USE_SELF_SERVICE"]
    await service.write(f"UPDATE api_keys SET rights = NULL WHERE {IS_ITS}")
    assert "LIST_USERS" in (await service.data(about, who="it"))["viewer"]["permissions"]
    both = '["USE_SELF_SERVICE", "READ_DIRECTORY"]'
    await service.write(f"UPDATE roles SET rights = '{both}' WHERE name = 'IT'")
    found = (await service.data(about, who="it"))["viewer"]["permissions"]
    assert sorted(found) == ["READ_DIRECTORY", "USE_SELF_SERVICE"]


async def test_who_gains_a_role_in_an_organization_acts_by_it_at_once(service: Service) -> None:
    administered = "{ viewer { administeredOrganizationIds } }"
    await known(service, administered)
    role = await service.scalar("SELECT id FROM roles WHERE name = 'Admin'")
    await service.write(
        "INSERT INTO organization_members (organization_id, user_id, role_id, created_at)"
        f" SELECT o.id, {BY_IT}, $1, o.created_at FROM organizations o WHERE o.parent_id IS NULL",
        role,
    )
    found = (await service.data(administered, who="it"))["viewer"]["administeredOrganizationIds"]
    assert len(found) == 1


async def test_on_postgresql_a_known_key_costs_no_statement_of_its_own(service: Service) -> None:
    await known(service)
    with service.statements() as seen:
        await service.data(USERS, who="it")
    assert len(seen) == (1 if service.dialect == "postgres" else 2)


async def test_many_at_once_while_the_key_ends_are_answered_or_refused(service: Service) -> None:
    await known(service)

    async def asked() -> str:
        body = await service.ask(USERS, who="it")
        return str(body["errors"][0]["extensions"]["code"]) if "errors" in body else "answered"

    waiting = [asyncio.create_task(asked()) for _ in range(20)]
    await service.write(ENDED["revoked"])
    assert {*(await asyncio.gather(*waiting))} <= {"answered", REFUSED}
    assert await asked() == REFUSED
    assert (await service.client.post("/graphql", json={"query": USERS}, headers={"x-apikey": key_of("admin")})).json()[
        "data"
    ]["users"]["nodes"]
