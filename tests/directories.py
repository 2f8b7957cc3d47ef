"""Jobs over directories in the tests: begun as a client does, worked on here and now, and read back whole."""

import json
from typing import Any

from tests.service import Service

COUNTS = "counts { create update reactivate deactivate unchanged absent failed }"
JOB = f"id kind state step source isDryRun done total error {COUNTS}"
ROWS = """rows(first: 1000) { totalCount nodes { position action label entryKey user { id } appliedAt
  changes { field before after } errors { code message path index } } }"""
RECONCILE = f"""mutation($input: ReconcileUsersInput!) {{ reconcileUsers(input: $input) {{
  job {{ {JOB} }} errors {{ code message path }} }} }}"""
SYNC = f"""mutation($input: SyncDirectoryInput!) {{ syncDirectory(input: $input) {{
  job {{ {JOB} }} errors {{ code message path }} }} }}"""
READ = f"query($id: ID!) {{ node(id: $id) {{ ... on DirectoryJob {{ {JOB} {ROWS} }} }} }}"


async def call(service: Service, *, who: str = "admin", **given: Any) -> Any:
    """The payload of reconcileUsers; the source is `hr` unless said."""
    given = {"source": "hr", **given} if "jobId" not in given else given
    return (await service.data(RECONCILE, {"input": given}, who=who))["reconcileUsers"]


async def work(service: Service) -> None:
    """Until no job has anything left to do."""
    while await service.app.state.jobs.turn():
        pass


async def job_of(service: Service, job_id: str, who: str = "admin") -> Any:
    return (await service.data(READ, {"id": job_id}, who=who))["node"]


async def reconcile(service: Service, *users: Any, who: str = "admin", **given: Any) -> Any:
    """The finished job over these rows."""
    answer = await call(
        service, users=[each if isinstance(each, dict) else row(each) for each in users], who=who, **given
    )
    assert answer["errors"] == [], answer["errors"]
    await work(service)
    return await job_of(service, answer["job"]["id"])


def row(who: str, **more: Any) -> dict[str, Any]:
    return {"email": f"{who}@hr.test", "externalId": f"hr-{who}", "name": who.capitalize(), **more}


def actions(job: Any) -> dict[str, str]:
    """Label to action."""
    return {each["label"].removesuffix("@hr.test"): each["action"] for each in job["rows"]["nodes"]}


def counts(job: Any) -> dict[str, int]:
    """What was counted, without the zeros."""
    return {name: number for name, number in job["counts"].items() if number}


async def states(service: Service) -> dict[str, str]:
    sql = "SELECT email, state FROM users WHERE email LIKE '%@hr.test' ORDER BY email"
    return {row[0].removesuffix("@hr.test"): row[1] for row in await service.rows(sql)}


async def absences(service: Service, source: str = "hr") -> dict[str, tuple[int, bool]]:
    """By address: how often missing in a row, and whether a job deactivated them."""
    sql = """SELECT u.email, e.absences, e.deactivated_at IS NOT NULL FROM directory_entries e
      JOIN users u ON u.id = e.user_id WHERE e.source = $1 ORDER BY u.email"""
    return {row[0].removesuffix("@hr.test"): (row[1], bool(row[2])) for row in await service.rows(sql, source)}


async def trail(service: Service, job_id: str) -> list[tuple[str, str, str | None]]:
    """What a job has put on record: action, whom about, by whom."""
    sql = "SELECT action, subject_label, actor_username FROM audit_events WHERE request_id = $1 ORDER BY id"
    return [(row[0], row[1], row[2]) for row in await service.rows(sql, job_id)]


def loaded(value: Any) -> Any:
    return json.loads(value) if isinstance(value, str) else value
