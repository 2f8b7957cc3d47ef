"""Retention: deletes what the settings no longer keep, a bounded part at a time, in whichever process comes first."""

from datetime import datetime, timedelta

from tortoise.models import Model

from models import bulk
from models.audit import AuditEvent
from models.audit_guard import Purpose, audit_maintenance
from models.database import Database, Transaction
from models.directories import DirectoryJobRow
from models.history import VERSIONS
from models.settings import Settings
from models.values import now
from resolvers.audit import Action

BATCH = 5_000
# The receipt of an erasure is kept as long as its pseudonym can be met: without end.
_AUDIT = f"SELECT id FROM audit_events WHERE created_at < $1 AND action <> '{Action.ERASED}'"
_JOB_ROWS = (
    "SELECT r.id FROM directory_job_rows r WHERE r.job_id IN (SELECT id FROM directory_jobs WHERE finished_at < $1)"
)


class Retention:
    """Deletes recorded versions, audit events and rows of directory jobs that are older than their settings."""

    def __init__(self, database: Database, settings: Settings) -> None:
        self._database = database
        self._settings = settings

    async def run_once(self) -> bool:
        """Delete at most one batch of each table. Returns whether there may be more.

        What is to be deleted is looked for outside of a transaction, so that nobody waits for it to write.
        """
        deleted = await self._delete_old(DirectoryJobRow, _JOB_ROWS, self._settings.job_days)
        deleted += await self._delete_old(AuditEvent, _AUDIT, self._settings.audit_days)
        for model in VERSIONS.values():
            sql = f"SELECT id FROM {bulk.table(model)} WHERE valid_to < $1"
            deleted += await self._delete_old(model, sql, self._settings.history_days)
        return deleted > 0

    async def _delete_old(self, model: type[Model], sql: str, days: int) -> int:
        if not days:
            return 0
        oldest: datetime = now() - timedelta(days=days)
        async with self._database.reading() as connection:
            ids = [row[0] for row in await connection.rows(f"{sql} LIMIT {BATCH}", oldest)]
        if ids:
            await self._database.transaction(lambda tx: _delete(tx, model, ids))
        return len(ids)


async def _delete(tx: Transaction, model: type[Model], ids: list[int]) -> None:
    if model is not AuditEvent:
        await bulk.delete(tx, model, ids)
        return
    async with audit_maintenance(tx, Purpose.RETENTION):
        await bulk.delete(tx, model, ids)
