"""Warnings: a list that no index helps is told about, with what would help; any other uses an index."""

import re
from collections.abc import Iterator
from typing import Any

import pytest

from resolvers import advice, table_sizes, users
from resolvers.loaders import Page
from tests.service import Service
from tests.test_user_search import crowded, plans

__all__ = ["crowded"]

LIST = """query ($where: UserWhere, $orderBy: [UserOrder!], $search: String) {
  users(first: 20, where: $where, orderBy: $orderBy, search: $search) { nodes { id } } }"""

FOUND: list[dict[str, Any]] = [
    {"id": {"in": ["user_5", "user_9000"]}},
    {"username": {"eq": "c77"}},
    {"email": {"in": ["c77@x.org", "c78@x.org"]}},
    {"username": {"startsWith": "c1199"}},
    {"firstName": {"eq": "ada"}},
    {"externalId": {"eq": "x"}},
    {"role": {"name": {"eq": "IT"}}},
    {"identityProvider": {"kind": {"eq": "SAML"}}},
    {"createdBy": {"username": {"eq": "it"}}},
    {"createdAt": {"before": "2001-01-01T00:00:00Z"}},
    {"lastLoginAt": {"after": "2001-01-01T00:00:00Z"}},
    {"groups": {"some": {"name": {"contains": "work"}}}},
    {"organizations": {"some": {"id": {"within": "organization_2"}}}},
    {"tags": {"some": {"eq": "x"}}},
    {"aliases": {"some": {"startsWith": "x"}}},
    {"variables": {"some": {"name": {"eq": "x"}, "value": {"contains": "y"}}}},
    {"and": [{"isLdap": {"eq": True}}, {"username": {"eq": "c77"}}]},
    {"or": [{"username": {"eq": "c77"}}, {"email": {"eq": "c78@x.org"}}]},
    {"memberships": {"some": {"organization": {"name": {"eq": "acme"}}}}},
    {"invitations": {"some": {"createdAt": {"after": "2001-01-01T00:00:00Z"}}}},
]
READ_THROUGH: list[dict[str, Any]] = [
    {"name": {"contains": "zz"}},
    {"email": {"endsWith": "@y.org"}},
    {"accessibility": {"eq": "NONE"}},
    {"groupCount": {"gt": 3}},
    {"isLdap": {"eq": True}},
    {"hasValidPassword": {"eq": True}},
    {"username": {"ne": "c77"}},
    {"not": {"username": {"eq": "c77"}}},
    {"or": [{"username": {"eq": "c77"}}, {"name": {"contains": "zz"}}]},
    {"groups": {"none": {}}},
    {"variables": {"some": {"value": {"eq": "x"}}}},
    {"createdBy": {"name": {"contains": "zz"}}},
    {"version": {"gt": 3}},
]


@pytest.mark.parametrize("where", FOUND, ids=str)
async def test_what_is_not_told_about_is_found_by_an_index(crowded: Service, where: dict[str, Any]) -> None:
    for order in ((("NAME", False),), (("LAST_LOGIN_AT", True),)):
        for count in (False, True):
            asked = Page(size=20, where=_values(where), order=order)
            assert advice.warnings(users.SOURCE, asked) == []
            _, (plan,) = await plans(crowded, asked, count=count)
            assert not re.search(r"^SCAN t$|Seq Scan on users t\b", plan, re.MULTILINE), (order, count, plan)


def _values(where: Any) -> Any:
    """As the engine hands it on: moments as moments."""
    from graph.scalars import parse_instant

    if isinstance(where, dict):
        return {name: parse_instant(v) if name in ("before", "after") else _values(v) for name, v in where.items()}
    return [_values(each) for each in where] if isinstance(where, list) else where


@pytest.fixture
def every_table_is_large(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(table_sizes, "LARGE", 0)


async def test_a_scan_of_a_table_of_few_rows_is_no_warning(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    where = {"where": {"name": {"contains": "zz"}}}
    assert "warnings" not in (await service.ask(LIST, where))["extensions"]
    monkeypatch.setattr(table_sizes, "LARGE", 9)  # as many as there are
    (warning,) = (await service.ask(LIST, where))["extensions"]["warnings"]
    assert warning["path"] == ["users"]
    monkeypatch.setattr(table_sizes, "LARGE", 10)
    assert "warnings" not in (await service.ask(LIST, where))["extensions"]
    monkeypatch.setattr(table_sizes, "LARGE", 9)
    with service.statements() as seen:
        await service.ask(LIST, where)
    assert not any("MAX(id)" in statement for statement in seen), "the size is known for some minutes"


@pytest.mark.usefixtures("every_table_is_large")
async def test_what_reads_every_user_is_told_with_what_would_help(service: Service) -> None:
    for where in READ_THROUGH:
        body = await service.ask(LIST, {"where": where})
        (warning,) = body["extensions"]["warnings"]
        assert warning["path"] == ["users"], where
        assert warning["message"].startswith("No index finds Users by "), where
        assert "username" in warning["message"]
        assert body["data"] is not None
    for where in FOUND:
        body = await service.ask(LIST, {"where": where})
        assert "warnings" not in body["extensions"], where


def orders() -> Iterator[tuple[dict[str, Any], int]]:
    yield {"orderBy": [{"field": "GROUP_COUNT"}]}, 1
    yield {"orderBy": [{"field": "ROLE", "direction": "DESC"}, {"field": "NAME"}]}, 1
    yield {"orderBy": [{"field": "ROLE"}], "where": {"username": {"eq": "it"}}}, 0
    yield {"orderBy": [{"field": "ROLE"}], "search": "normal"}, 1
    yield {"orderBy": [{"field": "GROUP_COUNT"}], "where": {"state": {"eq": "ACTIVE"}}}, 1
    yield {"orderBy": [{"field": "STATE"}, {"field": "LAST_LOGIN_AT"}]}, 1
    yield {"orderBy": [{"field": "LAST_API_REQUEST_AT"}, {"field": "ID", "direction": "DESC"}]}, 1
    yield {"orderBy": [{"field": "STATE", "direction": "DESC"}, {"field": "ID", "direction": "DESC"}]}, 0
    yield {"orderBy": [{"field": "STATE"}, {"field": "NAME"}], "where": {"id": {"in": ["user_1", "user_2"]}}}, 0
    yield {"orderBy": [{"field": "NAME"}, {"field": "LAST_LOGIN_AT"}]}, 0
    yield {"where": {"groups": {"some": {"users": {"some": {"name": {"contains": "zz"}}}}}}}, 1
    yield {"where": {"groups": {"some": {"users": {"some": {"username": {"eq": "it"}}}}}}}, 0
    yield {"orderBy": [{"field": "NAME"}]}, 0
    yield {"search": "no"}, 1
    yield {"search": "no", "where": {"isLdap": {"eq": True}}}, 2
    yield {"search": "normal", "where": {"isLdap": {"eq": True}}}, 0
    yield {}, 0


@pytest.mark.usefixtures("every_table_is_large")
async def test_orders_and_searches_without_an_index_are_told(service: Service) -> None:
    for given, count in orders():
        for _ in range(2):  # the second answer comes of a plan that is remembered
            body = await service.ask(LIST, given)
            assert len(body["extensions"].get("warnings", [])) == count, given


@pytest.mark.usefixtures("every_table_is_large")
async def test_small_tables_are_not_worth_a_warning(service: Service) -> None:
    body = await service.ask('{ roles { name } groups(where: {name: {contains: "w"}}) { nodes { id } } }')
    assert "warnings" not in body["extensions"]


@pytest.mark.usefixtures("every_table_is_large")
async def test_a_small_table_that_leads_to_a_large_one_is_told(service: Service) -> None:
    query = "query ($where: OrganizationWhere) { organizations(where: $where) { nodes { id } } }"
    for where, count in (
        ({"users": {"some": {"accessibility": {"eq": "NONE"}}}}, 1),
        ({"not": {"users": {"some": {"name": {"contains": "zz"}}}}}, 1),
        ({"users": {"some": {"username": {"eq": "it"}}}}, 0),
        ({"users": {"none": {}}}, 0),
    ):
        body = await service.ask(query, {"where": where})
        assert len(body["extensions"].get("warnings", [])) == count, where


@pytest.mark.usefixtures("every_table_is_large")
async def test_events_of_a_subject_are_found_by_an_index(service: Service) -> None:
    query = "query ($where: AuditEventWhere) { auditEvents(where: $where) { nodes { id } } }"
    for given, count in (({"eq": "user_9"}, 0), ({"in": ["user_9"]}, 0), ({"startsWith": "user_9"}, 1)):
        body = await service.ask(query, {"where": {"subjectId": given}})
        assert len(body["extensions"].get("warnings", [])) == count, given


@pytest.mark.usefixtures("every_table_is_large")
async def test_a_users_few_rows_are_not_worth_a_warning(service: Service) -> None:
    body = await service.ask(
        """{ me { sessions(where: {isOpen: {eq: true}}, orderBy: [{field: LAST_USED_AT}]) { nodes { id } }
          apiKeys(where: {name: {contains: "e"}}) { nodes { id } } } }"""
    )
    assert "warnings" not in body["extensions"]


@pytest.mark.usefixtures("every_table_is_large")
async def test_a_warning_is_told_beside_introspection_too(service: Service) -> None:
    body = await service.ask(
        '{ __typename users(where: {name: {contains: "w"}}) { nodes { id } } __schema { __typename } }'
    )
    assert [warning["path"] for warning in body["extensions"]["warnings"]] == [["users"]]
