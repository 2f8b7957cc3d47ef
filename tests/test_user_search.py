"""Searching users: every change keeps what is searched, an index is used where it helps, short words are told."""

import asyncio
import csv
from pathlib import Path
from typing import Any

import pytest

from models.database import Statement, Steps
from models.values import search_key
from resolvers import loaders, user_search, users
from resolvers.loaders import Page
from resolvers.policy import Right, Viewer
from resolvers.selected import Selected
from tests.server import usergraph
from tests.service import SECRET, Service

PROGRAM = {"role": {"name": "Normal user"}, "authentication": {"apiOnly": True}}
EVERYONE = Viewer(user_id=1, username="admin", rights=frozenset(Right))
ROWS = 12_000
# Many who share a domain, one who has a name of their own at the very end.
CROWD = f"""WITH RECURSIVE g(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM g WHERE n < {ROWS})
INSERT INTO users (username, username_key, email, email_key, name, name_key, search_key, state, role_id, created_at,
  updated_at, version, can_create_projects_in_root)
SELECT 'c' || n, 'c' || n, 'c' || n || '@x.org', 'c' || n || '@x.org', 'Crowd', 'crowd',
  'crowd c' || n || '@x.org' || CASE WHEN n = {ROWS} THEN ' zimmermann' ELSE '' END,
  'ACTIVE', 4, CURRENT_TIMESTAMP, CURRENT_TIMESTAMP, 1, false FROM g"""


async def agree(service: Service) -> None:
    """What is searched of every user is what their columns and aliases say, and SQLite's index holds exactly that."""
    aliases: dict[int, list[str]] = {}
    for user, alias in await service.rows("SELECT user_id, value_key FROM user_aliases"):
        aliases.setdefault(user, []).append(alias)
    for row in await service.rows("SELECT id, name_key, username_key, email_key, search_key FROM users"):
        assert row[4] == search_key(*row[1:4], aliases.get(row[0], ())), row
    if service.dialect == "sqlite":
        await service.write("INSERT INTO user_search (user_search, rank) VALUES ('integrity-check', 1)")


async def change(service: Service, mutation: str, **given: Any) -> Any:
    type_name = mutation[0].upper() + mutation[1:]
    asked = {"createUser": "user { id }", "updateUser": "user { id }", "acceptInvitation": "user { id }"}
    asked |= {"inviteUsers": "results { invitation { link } errors { message } }"}
    selection = asked.get(mutation, "results { errors { message } }")
    payload = f"{{ {selection} errors {{ message }} }}"
    query = f"mutation ($input: {type_name}Input!) {{ it: {mutation}(input: $input) {payload} }}"
    answer = (await service.data(query, {"input": given}))["it"]
    assert answer["errors"] == []
    assert all(row["errors"] == [] for row in answer.get("results", ())), answer
    return answer


async def found(service: Service, text: str) -> list[str]:
    query = "query ($s: String) { users(search: $s) { totalCount nodes { username } } }"
    answer = (await service.data(query, {"s": text}))["users"]
    names = [node["username"] for node in answer["nodes"]]
    assert answer["totalCount"] == len(names)
    return names


async def test_every_change_of_a_name_or_alias_is_searched_from_then_on(service: Service, tmp_path: Path) -> None:
    await agree(service)
    person = {"email": "zo\u00eb@m\u00fcnchen.de", "username": "zo\u00eb", "name": "Zo\u00eb Stra\u00dfe"}
    made = await change(service, "createUser", **person, aliases=["AE-1", "ae-2"], **PROGRAM)
    user = made["user"]["id"]
    await agree(service)
    assert await found(service, "STRASSE ae-2") == ["zo\u00eb"]
    assert await found(service, "@M\u00fcnchen.de") == await found(service, "xn--mnchen-3ya") == ["zo\u00eb"]
    assert await found(service, "strassezo\u00eb") == []
    row = {"email": "gast@x.org", "aliases": ["G-1"]}
    issued = (await change(service, "inviteUsers", users=[row, {"email": "late@x.org"}]))["results"]
    await agree(service)
    token = issued[0]["invitation"]["link"].split("#")[1]
    await change(service, "acceptInvitation", token=token, name="The Guest", password="plum violin harbour 42")
    assert await found(service, "guest") == ["gast@x.org"]
    for given in (
        {"name": "Zoe Lane"},
        {"aliases": ["AE-3"], "removeAliases": ["ae-1"]},
        {"setAliases": ["Q\u00b2", "ae-3"], "username": "zoe.lane"},
        {"tags": ["no name"]},
        {"setAliases": []},
        {"email": "zoe@x.org", "aliases": ["zed"]},
    ):
        await change(service, "updateUser", id=user, **given)
        await agree(service)
    assert await found(service, "lane zed") == ["zoe.lane"]
    assert await found(service, "ae-3") == []
    upserted = [
        {"email": "ZOE@x.org", "name": "Zoe Hill", "aliases": ["U-1"]},
        {"email": "u@x.org", "aliases": ["U-2"]},
    ]
    await change(service, "upsertUsers", users=upserted)
    await agree(service)
    assert sorted(await found(service, "U-")) == ["u@x.org", "zoe.lane"]
    await imported(
        service, tmp_path, [{"email": "zoe@x.org", "name": "Zoe Dale"}, {"email": "i@x.org", "name": "Ines"}]
    )
    await agree(service)
    assert await found(service, "dale zed") == ["zoe.lane"]
    await change(service, "convertUsers", conversions=[{"id": "user_8", "to": {"saml": {}}}])
    await change(service, "deactivateUsers", ids=[user])
    await agree(service)
    await change(service, "deleteUsers", ids=[user])
    await agree(service)
    assert await found(service, "zoe") == []


async def imported(service: Service, folder: Path, rows: list[dict[str, str]]) -> None:
    with (folder / "people.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    done = await asyncio.to_thread(
        usergraph, folder, "import", folder / "people.csv", database_url=service.database.url, secret_key=SECRET
    )
    assert done.returncode == 0, done.stderr


async def test_signs_of_the_index_are_letters(service: Service) -> None:
    name = """a"b OR (near* -c:d ^e) 'f'"""
    await change(service, "createUser", email="signs@x.org", username="signs", name=name, **PROGRAM)
    for text in (name, 'a"b', "(near*", "-c:d", "^e)", "'f'", '"b or', "NEAR*"):
        assert await found(service, text) == ["signs"], text
    for text in ("near* and", '""', "search_key:near", "nea*", '"near"'):
        assert await found(service, text) == [], text
    words = " ".join(str(each) for each in range(100, 150))
    assert await found(service, words) == []


def explained(steps: Steps[Any], explain: str, plans: list[str]) -> Steps[Any]:
    """The same steps, with the database's plan of each statement noted before it."""
    rows: Any = None
    while True:
        try:
            statement = steps.send(rows)
        except StopIteration as done:
            return done.value
        found = yield Statement(f"{explain} {statement.sql}", statement.values, statement.anew)
        plans.append("\n".join(str(row[-1]) for row in found))
        rows = yield statement


async def plans(service: Service, asked: Page, *, count: bool = False) -> tuple[list[int], list[str]]:
    """The rows of a page (or their number), and the plans of the statements that read them."""
    dialect, seen = service.database.dialect, list[str]()
    wanted: Any = users.SOURCE if count else Selected.of(users.SOURCE, ["id"])
    steps = (loaders.count if count else loaders.page)(EVERYONE, dialect, wanted, asked)
    explain = "EXPLAIN QUERY PLAN" if dialect.name == "sqlite" else "EXPLAIN"
    rows = await service.database.read(explained(steps, explain, seen))
    return [row[0 if count else 1] for row in rows], seen


INDEX = {"sqlite": "user_search VIRTUAL TABLE", "postgres": "on users_search"}


@pytest.fixture
async def crowded(service: Service, monkeypatch: pytest.MonkeyPatch) -> Service:
    await service.write(CROWD)
    monkeypatch.setattr(user_search, "FEW", 100)
    if service.dialect == "postgres":
        if not await service.scalar("SELECT COUNT(*) FROM pg_extension WHERE extname = 'pg_trgm'"):
            pytest.skip("this PostgreSQL comes without pg_trgm")
        await service.write("SELECT gin_clean_pending_list('users_search')")  # as autovacuum does after a while
    await service.write("ANALYZE")
    return service


@pytest.mark.parametrize("order", [(), (("NAME", False),), (("CREATED_AT", True),)])
async def test_a_rare_word_is_looked_up_in_the_index(crowded: Service, order: tuple[tuple[str, bool], ...]) -> None:
    last = await crowded.scalar("SELECT MAX(id) FROM users")
    asked = Page(size=20, search="immerm cr", order=order)
    for count in (False, True):
        rows, seen = await plans(crowded, asked, count=count)
        assert rows == ([1] if count else [last])
        assert all(INDEX[crowded.dialect] in plan for plan in seen), seen
        assert not any("SCAN t" in plan or "Seq Scan on users" in plan for plan in seen), seen


async def test_common_words_are_met_in_the_order_asked_for(crowded: Service) -> None:
    rows, seen = await plans(crowded, Page(size=20, search="crowd", order=(("NAME", False),)))
    assert len(rows) == 21
    assert INDEX[crowded.dialect] not in seen[-1]
    assert "users_name_key_id" in seen[-1]
    if crowded.dialect == "sqlite":
        assert len(seen) == 2


async def test_a_plan_is_made_for_the_words_asked(crowded: Service) -> None:
    """PostgreSQL keeps no statement whose plan was made for a common word and would serve a rare one."""
    async with crowded.database.reading() as connection:
        for word in ["crowd"] * 10 + ["zimmermann"]:
            selected = Selected.of(users.SOURCE, ["id"])
            await connection.run(loaders.page(EVERYONE, connection.dialect, selected, Page(size=20, search=word)))
        if crowded.dialect == "postgres":
            kept = await connection.rows("SELECT statement FROM pg_prepared_statements")
            assert [row[0] for row in kept if "search_key LIKE" in row[0]] == []


async def test_short_words_are_looked_for_row_by_row_and_told(service: Service) -> None:
    with service.statements() as seen:
        assert await found(service, "no al") == ["normal"]
    assert not any("user_search" in statement for statement in seen)
    for text in ("no al", "a", "\u5c71"):
        (warning,) = user_search.search_warnings(text)
        assert warning.endswith("search for longer ones.")
    for text in ("", " ", "no normal", "zo\u00eb", "\ufb03"):  # the last is one sign and three letters
        assert user_search.search_warnings(text) == []
