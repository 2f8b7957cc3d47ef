"""Saving reports in tests: a document that tells whose rights it ran with, and the calls about reports."""

import json
from typing import Any

from tests.service import Service

# How many users there are is up to who asks: `admin` and `it` see all nine, `orgadmin` two, who lists only names all.
WHO_THERE_IS = "{ viewer { user { username } } users { totalCount nodes { name } } }"
SINCE = """query Since($since: DateTime!, $first: Int = 3, $states: [UserState!], $name: String) {
  users(first: $first, where: {createdAt: {after: $since}, state: {in: $states}, name: {startsWith: $name}},
    orderBy: [{field: ID}]) { nodes { id username } } }"""
REPORT = (
    "savedReport { id name description document variables url isBuiltIn version owner { id }"
    " sharedWith { name } } errors { code message path }"
)
ROWS = "summary { deleted skipped failed } errors { code } results { index ref action deletedId errors { code path } }"
READY = ["access-by-organization", "dormant-accounts", "last-use", "posture"]


async def create(service: Service, name: str = "mine", *, who: str = "admin", **given: Any) -> Any:
    document = f"mutation($input: CreateSavedReportInput!) {{ createSavedReport(input: $input) {{ {REPORT} }} }}"
    given = {"name": name, "document": WHO_THERE_IS, **given}
    return (await service.data(document, {"input": given}, who=who))["createSavedReport"]


async def saved(service: Service, name: str = "mine", *, who: str = "admin", **given: Any) -> str:
    """The id of a report that is saved without a refusal."""
    answer = await create(service, name, who=who, **given)
    assert answer["errors"] == [], answer
    found: str = answer["savedReport"]["id"]
    return found


async def saved_for(service: Service, role: str, name: str, *, who: str, **given: Any) -> str:
    """The id of a report that an administrator has shared with a role heavier than its owner's."""
    report = await saved(service, name, who=who, **given)
    assert (await update(service, report, sharedWith=[{"name": role}]))["errors"] == []
    return report


async def update(service: Service, report: str, *, who: str = "admin", **given: Any) -> Any:
    document = f"mutation($input: UpdateSavedReportInput!) {{ updateSavedReport(input: $input) {{ {REPORT} }} }}"
    return (await service.data(document, {"input": {"id": report, **given}}, who=who))["updateSavedReport"]


async def delete(service: Service, *reports: str, who: str = "admin", **more: Any) -> Any:
    document = f"mutation($input: DeleteSavedReportsInput!) {{ deleteSavedReports(input: $input) {{ {ROWS} }} }}"
    return (await service.data(document, {"input": {"ids": reports, **more}}, who=who))["deleteSavedReports"]


async def names(service: Service, who: str) -> list[str]:
    """Of the reports that somebody sees in the list, but for the ready ones."""
    data = await service.data("{ savedReports(first: 100) { totalCount nodes { name isBuiltIn } } }", who=who)
    nodes = data["savedReports"]["nodes"]
    assert data["savedReports"]["totalCount"] == len(nodes)
    assert [node["name"] for node in nodes if node["isBuiltIn"]] == READY
    return [node["name"] for node in nodes if not node["isBuiltIn"]]


async def events(service: Service, report: str) -> list[tuple[str, str | None, Any]]:
    sql = (
        "SELECT action, actor_username, changes FROM audit_events"
        " WHERE subject_type = 'report' AND subject_id = $1 ORDER BY id"
    )
    number = int(report.removeprefix("report_"))
    return [(action, actor, json.loads(changes)) for action, actor, changes in await service.rows(sql, number)]


def refusals(answer: Any) -> list[tuple[str, list[str]]]:
    assert answer["savedReport"] is None
    return [(error["code"], error["path"]) for error in answer["errors"]]
