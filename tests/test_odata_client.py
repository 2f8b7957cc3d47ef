"""The feed read by an OData client from a package registry, over a real socket: it knows nothing but the address."""

import asyncio
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest
import requests
from odata.exceptions import ODataError
from odata.service import ODataService

from graph.odata.model import SETS
from tests.server import empty_database, key_of_demo, serving
from tests.service import SECRET


class Client:
    """The feed as the library sees it, and GraphQL beside it."""

    def __init__(self, address: str) -> None:
        self.address = address
        session = requests.Session()
        session.auth = ("anybody", key_of_demo())  # Basic, as a spreadsheet sends it
        self.service = ODataService(f"{address}/odata/", session=session, reflect_entities=True, quiet_progress=True)
        self.users = self.service.entities["Users"]

    def ask(self, query: str) -> Any:
        headers = {"x-apikey": key_of_demo()}
        answer = httpx.post(f"{self.address}/graphql", json={"query": query}, headers=headers).json()
        assert "errors" not in answer, answer
        return next(iter(answer["data"].values()))

    def found(self, query: str) -> list[str]:
        """The ids of all pages of a query for users."""
        found, after = [], "null"
        while True:
            page = self.ask(query.replace("users(", f"users(after: {after}, first: 9, "))
            found += [node["id"] for node in page["nodes"]]
            if not page["pageInfo"]["hasNextPage"]:
                return found
            after = f'"{page["pageInfo"]["endCursor"]}"'


PAGE = "{ nodes { id } pageInfo { hasNextPage endCursor } }"


@pytest.fixture(params=["sqlite", "postgres"], scope="module")
def client(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Client]:
    """Against a demo directory that is served nine rows a page."""
    folder: Path = tmp_path_factory.mktemp("odata")
    settings: dict[str, Any] = {"max_page": 9, "default_page": 9}
    if request.param == "postgres":
        settings["secret_key"] = SECRET
        settings["database_url"] = asyncio.run(empty_database(request.getfixturevalue("postgres"), "odata_client"))
    with serving(folder, **settings) as address:
        yield Client(address)


def test_it_discovers_what_there_is(client: Client) -> None:
    assert set(client.service.entities) == set(SETS)
    names = {prop.name for _, prop in client.users.__new__(client.users).__odata__.properties}
    assert {"id", "name", "email", "state", "groupCount", "lastLoginAt", "tags"} <= names
    relations = {prop.name for _, prop in client.users.__new__(client.users).__odata__.navigation_properties}
    assert relations == {"role", "identityProvider", "createdBy", "updatedBy", "groups", "organizations", "memberships"}


def test_it_reads_every_row_of_every_set_once(client: Client) -> None:
    for name, entity in client.service.entities.items():
        found = [each.id for each in client.service.query(entity)]
        assert len(found) == len(set(found)) == client.service.query(entity).count(), name
    users = [each.id for each in client.service.query(client.users)]
    assert users == client.found(f"{{ users(last: null) {PAGE} }}")
    assert len(users) > 50


def test_it_filters(client: Client) -> None:
    query, user = client.service.query(client.users), client.users
    for conditions, where in (
        ([user.state == "ACTIVE"], "state: {eq: ACTIVE}"),
        ([user.name.contains("an")], 'name: {contains: "an"}'),
        ([user.name.startswith("a"), user.state != "ACTIVE"], 'name: {startsWith: "a"}, not: {state: {eq: ACTIVE}}'),
        ([user.name.lacks("e")], 'not: {name: {contains: "e"}}'),
        ([user.groupCount >= 2], "groupCount: {gte: 2}"),
        ([user.lastLoginAt.is_null()], "lastLoginAt: {isNull: true}"),
        ([user.isActive == False], "isActive: {eq: false}"),  # noqa: E712 a condition of the library
        (["role/name eq 'Admin'"], 'role: {name: {eq: "Admin"}}'),
        (
            [(user.state == "INVITED") | (user.role.weight > 60)],
            "or: [{state: {eq: INVITED}}, {role: {weight: {gt: 60}}}]",
        ),
        ([user.createdAt > datetime(2020, 1, 1, tzinfo=UTC)], 'createdAt: {after: "2020-01-01T00:00:00Z"}'),
        ([user.name == "O'Neil"], 'name: {eq: "O\'Neil"}'),
        (["groups/any(g: startswith(g/name,'a'))"], 'groups: {some: {name: {startsWith: "a"}}}'),
    ):
        asked = query
        for condition in conditions:
            asked = asked.filter(condition)
        wanted = client.found(f"{{ users(where: {{{where}}}) {PAGE} }}")
        assert [each.id for each in asked] == wanted, where
        assert asked.count() == len(wanted)


def test_it_orders_cuts_and_selects(client: Client) -> None:
    query, user = client.service.query(client.users), client.users
    ordered = client.found(f"{{ users(orderBy: [{{field: NAME, direction: DESC}}]) {PAGE} }}")
    assert [each.id for each in query.order_by(user.name.desc())] == ordered
    assert [each.id for each in query.order_by(user.name.desc()).limit(5).offset(12)] == ordered[12:17]
    first = query.order_by(user.name.desc()).first()
    assert first.id == ordered[0]
    rows = list(query.select(user.id, user.name).order_by(user.name.desc()).limit(2))
    assert [set(row) for row in rows] == [{"id", "name"}] * 2
    assert [row["id"] for row in rows] == ordered[:2]


def test_it_follows_relations(client: Client) -> None:
    query, user = client.service.query(client.users), client.users
    wanted = client.ask(
        "{ users(first: 9) { nodes { id role { id name } groups(first: 9) { nodes { id } } lastLoginAt } } }"
    )
    for each, of in zip(query.expand(user.role, user.groups).limit(9), wanted["nodes"], strict=True):
        assert (each.id, each.role.id, each.role.name) == (of["id"], of["role"]["id"], of["role"]["name"])
        assert [group.id for group in each.groups] == [group["id"] for group in of["groups"]["nodes"]]
        if of["lastLoginAt"]:
            assert each.lastLoginAt == datetime.fromisoformat(of["lastLoginAt"])
    member = query.get(wanted["nodes"][3]["id"])
    assert member.role.name == wanted["nodes"][3]["role"]["name"], "read from the entity's own address"
    assert {g.id for g in member.groups} == {g["id"] for g in wanted["nodes"][3]["groups"]["nodes"]}


def test_it_groups(client: Client) -> None:
    rows = client.service.query(client.users).raw({"$apply": "groupby((role/name),aggregate($count as n))"})
    report = client.ask("{ userReport(groupBy: [{field: ROLE}]) { rows } }")
    assert {row["role"]["name"]: row["n"] for row in rows} == {row["role"]: row["count"] for row in report["rows"]}


def test_it_is_told_why(client: Client) -> None:
    query = client.service.query(client.users)
    with pytest.raises(ODataError, match="length"):
        query.filter("length(name) eq 3").all()
    with pytest.raises(ODataError, match="no nothing"):
        query.filter("nothing eq 3").all()
    session = requests.Session()
    session.auth = ("anybody", "wrong")
    with pytest.raises(ODataError, match="401"):
        ODataService(f"{client.address}/odata/", session=session).query(client.users).connection.execute_get(
            f"{client.address}/odata/Users"
        )
