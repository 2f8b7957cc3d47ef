"""What conversions never cost: the last way in, and more than a few conversations for ten thousand."""

from pathlib import Path

from tests.converting import convert, one
from tests.server import usergraph
from tests.service import Service, codes, running
from tests.slapd import BASE, JANE, LEE, PEOPLE, Slapd, crowd
from tests.test_convert_to_ldap import GHOST, configure, to


async def test_the_last_administrator_is_not_converted_to_any_directory(service: Service, slapd: Slapd) -> None:
    """Not even to one that answers: whether it does so tomorrow, nobody knows today."""
    await configure(service, **slapd.settings())
    before = await service.snapshot()
    for more in ({}, {"verify": "NONE"}):
        assert codes((await one(service, to(JANE), user="user_1", **more))["errors"]) == ["LAST_ADMINISTRATOR"]
    assert await service.snapshot() == before
    await service.write("UPDATE users SET role_id = 1 WHERE id IN (3, 4)")
    # A row that its directory refuses does not count against the others.
    rows = (("user_1", to(GHOST)), ("user_3", to(JANE)), ("user_4", to(LEE)))
    results = (await convert(service, *rows, errorPolicy="REJECT_FAILED"))["results"]
    assert [codes(result["errors"]) for result in results] == [["NOT_FOUND"], [], []]
    assert codes((await one(service, to(f"uid=twin1,{PEOPLE}"), user="user_1"))["errors"]) == ["LAST_ADMINISTRATOR"]


async def test_the_command_line_always_gets_back_in(tmp_path: Path) -> None:
    """A converted administrator gets a key, whatever their directory does; or is made a local one again."""
    url = f"sqlite://{tmp_path}/usergraph.sqlite3"
    assert usergraph(tmp_path, "admin", "key", "admin").returncode == 0
    async with running(url) as service:
        local = "provider_id, login_dn, login_dn_key, ldap_provider_id, name_id"
        await service.write(
            "INSERT INTO identity_providers (name, name_key, prefix, kind, is_enabled, created_at, updated_at)"
            " SELECT 'Sso', 'sso', 'sso', 'SAML', FALSE, created_at, created_at FROM users"
        )
        await service.write("UPDATE users SET provider_id = 2, name_id = 'boss'")
    done = usergraph(tmp_path, "admin", "key", "admin")
    assert done.returncode == 0, done.stderr
    async with running(url) as service:
        headers = {"x-apikey": done.stdout.strip()}
        answer = await service.client.post("/graphql", json={"query": "{ me { isSaml } }"}, headers=headers)
        assert answer.json()["data"] == {"me": {"isSaml": True}}
    assert usergraph(tmp_path, "admin", "promote", "admin").returncode == 0
    async with running(url) as service:
        assert await service.rows(f"SELECT {local} FROM users") == [(1, None, None, None, None)]


MANY = 400


async def test_many_cost_a_few_conversations_and_no_more_statements(service: Service, slapd: Slapd) -> None:
    """A result for each row, at most four conversations side by side, and the statements of a single row."""
    place = f"ou={service.dialect},{BASE}"
    slapd.add(f"dn: {place}\nobjectClass: organizationalUnit\nou: {service.dialect}\n\n{crowd(MANY, place)}")
    await configure(service, **slapd.settings())
    emails = [{"email": f"c{n}@x.test"} for n in range(MANY)]
    document = "mutation($input: UpsertUsersInput!) { upsertUsers(input: $input) { results { user { id } } } }"
    made = (await service.data(document, {"input": {"users": emails}}))["upsertUsers"]["results"]
    rows = [(row["user"]["id"], to(f"uid=p{n:06},{place}")) for n, row in enumerate(made)]
    counts = []
    for some in (rows[:30], rows[30:]):
        with service.statements() as seen:
            results = (await convert(service, *some, shown=""))["results"]
        assert [(each["index"], each["action"]) for each in results] == [(n, "UPDATED") for n in range(len(some))]
        counts.append(len([each for each in seen if "SET last_" not in each]))
    assert counts[0] == counts[1]
    found = await service.rows("SELECT login_dn FROM users WHERE provider_id = 2 ORDER BY id")
    assert [row[0] for row in found] == [f"uid=p{n:06},{place}" for n in range(MANY)]
