"""Retention: what is older than its setting is deleted, and the past is read only as far back as it is kept."""

from typing import Any

from resolvers.retention import Retention
from tests.service import Service

OLD = "'2020-01-01 00:00:00+00:00'"
REPORT = "query($at: DateTime!) { userReport(asOf: $at) { rows } }"
EACH = "query($at: DateTime!) { userReport(asOfEach: {from: $at, every: YEAR}) { rows } }"
USERS = "query($at: DateTime!) { users(asOf: $at) { totalCount } }"


async def run_to_the_end(service: Service) -> None:
    retention = Retention(service.database, service.app.state.services.settings)
    for _ in range(100):
        if not await retention.run_once():
            return
    raise AssertionError("retention never came to an end")


async def change(service: Service, name: str) -> None:
    document = f'mutation {{ updateUser(input: {{id: "user_9", name: "{name}"}}) {{ errors {{ code }} }} }}'
    assert (await service.data(document))["updateUser"]["errors"] == []


async def make_old(service: Service) -> None:
    """Versions that ended long ago, an event of that time, and the row of a job that ended then."""
    await change(service, "Second")
    await change(service, "Third")
    await service.write(f"UPDATE users_history SET valid_from = {OLD}, valid_to = {OLD} WHERE valid_to IS NOT NULL")
    columns = "action, subject_type, subject_id, subject_label, changes, created_at"
    for action in ("UPDATED", "ERASED"):
        values = f"'{action}', 'user', 9, 'outsider', '{{}}', {OLD}"
        await service.write(f"INSERT INTO audit_events ({columns}) VALUES ({values})")
    await service.write(
        "INSERT INTO directory_jobs (kind, state, source, is_dry_run, options, done, counts, created_at, finished_at)"
        f" VALUES ('RECONCILE', 'DONE', 'hr', false, '{{}}', 0, '{{}}', {OLD}, {OLD})"
    )
    await service.write(
        "INSERT INTO directory_job_rows (job_id, position, entry_key, label) SELECT MAX(id), 0, 'k', 'l'"
        " FROM directory_jobs"
    )


async def counts(service: Service) -> tuple[int, int, int]:
    """Old versions, old events and rows of jobs."""
    return (
        await service.scalar(f"SELECT COUNT(*) FROM users_history WHERE valid_to <= {OLD}"),
        await service.scalar(f"SELECT COUNT(*) FROM audit_events WHERE created_at <= {OLD}"),
        await service.scalar("SELECT COUNT(*) FROM directory_job_rows"),
    )


async def test_by_default_only_rows_of_jobs_end(service: Service) -> None:
    await make_old(service)
    await run_to_the_end(service)
    assert await counts(service) == (2, 2, 0)
    assert await service.scalar("SELECT COUNT(*) FROM directory_jobs") == 1


async def test_settings_end_versions_and_events_but_never_receipts_of_erasure(service_with: Any) -> None:
    async with service_with(history_days=30, audit_days=30) as service:
        await make_old(service)
        kept = await service.scalar("SELECT COUNT(*) FROM users_history WHERE valid_to IS NULL")
        events = await service.scalar(f"SELECT COUNT(*) FROM audit_events WHERE created_at > {OLD}")
        await run_to_the_end(service)
        assert await counts(service) == (0, 1, 0)
        assert await service.scalar("SELECT COUNT(*) FROM users_history WHERE valid_to IS NULL") == kept
        assert await service.scalar(f"SELECT COUNT(*) FROM audit_events WHERE created_at > {OLD}") == events
        left = await service.rows(f"SELECT action FROM audit_events WHERE created_at <= {OLD}")
        assert left == [("ERASED",)]


async def test_rows_of_a_recent_job_stay(service_with: Any) -> None:
    async with service_with(job_days=3_650) as service:
        await make_old(service)
        await run_to_the_end(service)
        assert (await counts(service))[2] == 1


async def test_nothing_is_read_as_of_a_time_that_is_no_longer_kept(service_with: Any) -> None:
    async with service_with(history_days=30) as service:
        for document in (REPORT, EACH, USERS):
            answer = await service.ask(document, {"at": "2020-01-01T00:00:00Z"})
            error = answer["errors"][0]
            assert error["extensions"]["code"] == "INVALID", document
            assert "30 days (USERGRAPH_HISTORY_DAYS)" in error["message"]


async def test_without_the_setting_any_time_can_be_read(service: Service) -> None:
    for document in (REPORT, USERS):
        assert "errors" not in await service.ask(document, {"at": "2020-01-01T00:00:00Z"})
