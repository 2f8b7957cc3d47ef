"""Saved reports as they are read: who sees which, by list, by name and by id, and what came with the service."""

from typing import Any

import pytest
from graphql import parse, print_ast

from graph.report_documents import check
from graph.schema import built
from models.settings import Settings
from resolvers.bootstrap import fill_empty
from resolvers.ready_reports import READY as READY_REPORTS
from tests.saved_reports import READY, SINCE, WHO_THERE_IS, names, saved, saved_for, update
from tests.service import PEOPLE, Service, beyond_who_asks

LISTERS = [who for who in PEOPLE if who != "readonly"]


async def test_the_ready_reports_are_there_for_everybody_who_reads_the_directory(service: Service) -> None:
    query = (
        "{ savedReports { nodes { id name description variables isBuiltIn url version owner { id }"
        " sharedWith { id } } } }"
    )
    for who in LISTERS:
        nodes = (await service.data(query, who=who))["savedReports"]["nodes"]
        assert [node["name"] for node in nodes] == READY
        for node in nodes:
            assert node["description"]
            assert node["url"] == f"/reports/{node['name']}"
            assert (node["isBuiltIn"], node["version"], node["owner"], node["sharedWith"]) == (True, 1, None, [])
    assert {node["name"]: node["variables"] for node in nodes} == {
        "access-by-organization": {},
        "dormant-accounts": {"since": "-P90D"},
        "last-use": {},
        "posture": {},
    }


@pytest.mark.parametrize("ready", READY_REPORTS, ids=[each.name for each in READY_REPORTS])
def test_a_ready_report_is_what_one_could_save(ready: Any) -> None:
    check(built(), Settings(), ready.document, ready.variables)
    assert ready.name == ready.name.lower()


async def test_ready_reports_become_those_of_this_version_at_every_start(service: Service) -> None:
    await saved(service, "last-week", who="pm")
    before = await service.rows("SELECT id, name, document, variables FROM saved_reports ORDER BY id")
    await service.write("UPDATE saved_reports SET document = '{ me { id } }' WHERE name_key = 'posture'")
    await service.write("UPDATE saved_reports SET name = 'old', name_key = 'old' WHERE name_key = 'last-use'")
    taken = "UPDATE saved_reports SET is_built_in = false, owner_id = 3 WHERE name_key = 'dormant-accounts'"
    await service.write(taken)
    await service.database.transaction(fill_empty)
    after = await service.rows("SELECT id, name, document, variables FROM saved_reports ORDER BY id")
    last_use = next(row for row in before if row[1] == "last-use")
    assert [row for row in before if row != last_use] == after[:-1]
    assert after[-1][1:] == last_use[1:]
    assert await service.scalar("SELECT owner_id FROM saved_reports WHERE name_key = 'dormant-accounts'") == 3
    assert await service.scalar("SELECT version FROM saved_reports WHERE name_key = 'posture'") == 2
    await service.database.transaction(fill_empty)
    assert await service.rows("SELECT id, name, document, variables FROM saved_reports ORDER BY id") == after


async def test_a_report_is_its_owners_until_it_is_shared(service: Service) -> None:
    await saved(service, "mine", who="pm")
    await saved(service, "for-normal", who="pm", sharedWith=[{"name": "Normal user"}])
    await saved(service, "for-two", who="it", sharedWith=[{"name": "IT"}, {"id": "role_3"}])
    assert {who: await names(service, who) for who in LISTERS} == {
        "admin": ["for-normal", "for-two", "mine"],  # who manages roles sees what is shared with them, and the rest
        "it": ["for-two"],
        "robot": ["for-two"],
        "pm": ["for-normal", "for-two", "mine"],
        "normal": ["for-normal"],
        "orgadmin": ["for-normal"],  # by platform role; in Acme they hold Admin, which is another
    }


async def test_who_holds_a_role_in_an_organization_alone_sees_what_is_shared_with_it(service: Service) -> None:
    await saved_for(service, "Admin", "for-admins", who="pm")
    assert await names(service, "orgadmin") == ["for-admins"]
    assert await names(service, "normal") == []
    assert await names(service, "it") == []


async def test_what_one_may_not_see_is_not_there_by_name_or_id_either(service: Service) -> None:
    report = await saved(service, "Mine-1", who="pm", description="Only mine")
    query = """query($name: String!, $id: ID!) { savedReport(name: $name) { id name description }
      node(id: $id) { id ... on SavedReport { name } } nodes(ids: [$id]) { id } }"""
    there = {
        "savedReport": {"id": report, "name": "Mine-1", "description": "Only mine"},
        "node": {"id": report, "name": "Mine-1"},
        "nodes": [{"id": report}],
    }
    absent = {"savedReport": None, "node": None, "nodes": [None]}
    for who in LISTERS:
        found = await service.data(query, {"name": "mine-1", "id": report}, who=who)
        assert found == (there if who in ("admin", "pm") else absent), who
    unknown = await service.data(query, {"name": "% OR 1=1", "id": "report_999"})
    assert unknown == absent


async def test_a_role_without_the_directory_reads_no_report(service: Service) -> None:
    await saved(service, "for-readers", sharedWith=[{"name": "Read only"}])
    body = await service.ask('{ savedReport(name: "for-readers") { name } }', who="readonly")
    assert [error["extensions"]["fields"] for error in body["errors"]] == [["SavedReport.name"]]
    assert body["data"] is None


WHERES: list[tuple[str, list[str]]] = [
    ("{}", ["a-1", "b-2", "c-3", *READY]),
    ("{isBuiltIn: {eq: false}}", ["a-1", "b-2", "c-3"]),
    ("{isBuiltIn: {eq: true}}", READY),
    ('{name: {eq: "B-2"}}', ["b-2"]),
    ('{name: {startsWith: "A"}, isBuiltIn: {eq: false}}', ["a-1"]),
    ('{owner: {username: {eq: "pm"}}}', ["a-1", "b-2"]),
    ("{owner: null}", READY),
    ('{sharedWith: {some: {name: {eq: "it"}}}}', ["b-2", "c-3"]),
    ("{sharedWith: {some: {weight: {lt: 50}}}}", ["b-2"]),
    ("{sharedWith: {none: {}}, isBuiltIn: {eq: false}}", ["a-1"]),
    ('{id: {in: ["report_5", "report_7", "role_1"]}}', ["a-1", "c-3"]),
    ('{not: {id: {in: ["report_5", "report_7"]}}, isBuiltIn: {eq: false}}', ["b-2"]),
    ('{createdAt: {after: "2020-01-01T00:00:00Z"}, updatedAt: {before: "2020-01-01T00:00:00Z"}}', ["a-1"]),
]


async def test_reports_are_filtered_and_ordered_as_other_lists_are(service: Service) -> None:
    await saved(service, "a-1", who="pm")
    both = await saved(service, "b-2", who="pm")
    assert (await update(service, both, sharedWith=[{"name": "IT"}, {"name": "User"}]))["errors"] == []
    await saved(service, "c-3", who="it", sharedWith=[{"name": "IT"}])
    assert await service.scalar("SELECT MIN(id) FROM saved_reports WHERE name = 'a-1'") == 5
    await service.write("UPDATE saved_reports SET updated_at = '2019-01-01 00:00:00+00:00' WHERE name = 'a-1'")
    for where, wanted in WHERES:
        data = await service.data(f"{{ savedReports(where: {where}) {{ totalCount nodes {{ name }} }} }}")
        found = [node["name"] for node in data["savedReports"]["nodes"]]
        assert (found, data["savedReports"]["totalCount"]) == (sorted(wanted), len(wanted)), where
    paged = "query($c: String) { savedReports(first: 3, after: $c, orderBy: [{field: ID, direction: DESC}]) {"
    paged += " nodes { name } pageInfo { hasNextPage endCursor } } }"
    found, cursor = [], None
    while True:
        page = (await service.data(paged, {"c": cursor}))["savedReports"]
        found += [node["name"] for node in page["nodes"]]
        cursor = page["pageInfo"]["endCursor"]
        if not page["pageInfo"]["hasNextPage"]:
            break
    assert found[:3] == ["c-3", "b-2", "a-1"]
    assert sorted(found) == sorted(["a-1", "b-2", "c-3", *READY])


async def test_a_document_is_kept_to_the_letter(service: Service) -> None:
    document = SINCE.replace("query Since", "# who came since\nquery Since")
    await saved(service, "since", document=document, variables={"since": "-P7D", "states": ["ACTIVE"]})
    found = (await service.data('{ savedReport(name: "since") { document variables createdAt updatedAt } }'))[
        "savedReport"
    ]
    assert found["document"] == document
    assert found["variables"] == {"since": "-P7D", "states": ["ACTIVE"]}
    assert found["createdAt"] == found["updatedAt"]
    assert print_ast(parse(found["document"])) == print_ast(parse(SINCE))


async def test_listing_reports_costs_the_same_for_any_number_of_them(service: Service) -> None:
    query = "{ savedReports { nodes { name owner { name } sharedWith { name } } } }"
    counts = []
    for number in range(3):
        await saved(service, f"one-{number}", document=WHO_THERE_IS, sharedWith=[{"name": "IT"}, {"name": "User"}])
        await service.data(query)
        with service.statements() as statements:
            await service.data(query)
        counts.append(len(beyond_who_asks(statements)))
    assert counts == [2, 2, 2]
