"""Running jobs over directories: each by one process at a time, in bounded parts, onward from wherever it stopped."""

import asyncio
import logging
import secrets
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from functools import partial
from typing import Any

from models.database import Database, Transaction
from models.directories import JobKind, JobState
from models.errors import Refusal, Unauthenticated, Unavailable
from models.secrets import Sealer
from models.settings import Settings
from models.values import now
from resolvers import directories_entries as entries
from resolvers import directories_handovers as handovers
from resolvers import directories_rules as rules
from resolvers.changes import Change
from resolvers.directories_apply import apply
from resolvers.directories_plan import planned, store
from resolvers.directories_start import starter
from resolvers.directories_store import (
    COLUMNS,
    LEASE,
    Job,
    LeaseLost,
    Stopped,
    clock,
    end,
    job_of,
    keep,
    next_rows,
    rows_by_id,
)
from resolvers.sync_directories import read

log = logging.getLogger("usergraph.directories")

AT_ONCE = 500  # rows of a part: a fraction of a second, in which others wait to write
TRIES = 3  # of a part that fails for no reason that is known
COLLECTED_WITHIN = timedelta(hours=24)
LOST = "Who started it may not do so any more: {reason} What was applied stays. Start it anew as somebody who may."
ABANDONED = "Its last part was not sent within 24 hours. Start it anew."
_WAITING = (
    "SELECT state FROM directory_jobs WHERE state IN ('QUEUED', 'RUNNING')"
    " OR (state = 'COLLECTING' AND created_at < $1) LIMIT 1"
)
# One job of a source at a time, in the order they were asked for.
_CLAIM = f"""
UPDATE directory_jobs SET state = 'RUNNING', lease_owner = $1, lease_until = $2, started_at = coalesce(started_at, $3)
WHERE id = (
    SELECT j.id FROM directory_jobs j
    WHERE (j.state = 'RUNNING' AND (j.lease_owner = $1 OR j.lease_until IS NULL OR j.lease_until < $3))
       OR (j.state = 'QUEUED' AND NOT EXISTS (
           SELECT 1 FROM directory_jobs o WHERE o.source = j.source AND o.state = 'RUNNING'))
    ORDER BY CASE WHEN j.state = 'RUNNING' AND j.lease_owner = $1 THEN 0 ELSE 1 END, j.id LIMIT 1)
RETURNING {COLUMNS}
"""


class Runner:
    """What one process does about jobs. `turn` is one part of one job."""

    def __init__(self, database: Database, settings: Settings, sealer: Sealer) -> None:
        self._database = database
        self._settings = settings
        self._sealer = sealer
        self._failures: dict[int, int] = {}
        self._turn = asyncio.Lock()  # the lease keeps out other processes, and not this one
        self.owner = secrets.token_hex(16)

    async def turn(self) -> bool:
        """Whether there may be more to do at once."""
        async with self._turn:
            return await self._take_turn()

    async def _take_turn(self) -> bool:
        async with self._database.reading() as connection:
            waiting = await connection.scalar(_WAITING, now() - COLLECTED_WITHIN)
        if waiting is None:
            return False
        job = await self._database.transaction(self._claim)
        if job is None:
            return False
        await self._attempt(job)
        return True

    async def _claim(self, tx: Transaction) -> Job | None:
        moment = await clock(tx)
        await tx.rows(
            "UPDATE directory_jobs SET state = 'FAILED', error = $2, finished_at = $3"
            " WHERE state = 'COLLECTING' AND created_at < $1",
            now() - COLLECTED_WITHIN,
            ABANDONED,
            moment,
        )
        row = await tx.one(_CLAIM, self.owner, moment + LEASE, moment)
        return None if row is None else job_of(row)

    async def _attempt(self, job: Job) -> None:
        try:
            await self._part(job)
            self._failures.pop(job.id, None)
        except LeaseLost:
            log.info("job_%d is run by another process now", job.id)
        except Stopped as stopped:
            await self._end(job, stopped.state, stopped.reason)
        except (Unauthenticated, Refusal) as lost:
            reason = lost.message if isinstance(lost, Refusal) else "the key or the user has lost access."
            await self._end(job, JobState.FAILED, LOST.format(reason=reason))
        except Unavailable:
            raise  # the database is away; the lease runs out, or this process goes on
        except Exception:
            self._failures[job.id] = self._failures.get(job.id, 0) + 1
            if self._failures[job.id] >= TRIES:
                await self._end(
                    job, JobState.FAILED, "Something unexpected went wrong; the log of the service says what."
                )
            raise

    async def _part(self, job: Job) -> None:
        step = job.options.get("step") or ("READ" if job.kind == JobKind.SYNC else "PLAN")
        if step == "READ":
            await read(self._database, self._sealer, job, self.owner)
        elif step == "PLAN":
            await self._plan(job)
        else:
            await self._apply(job)

    async def _change(self, tx: Transaction, job: Job) -> Change:
        return Change(tx, await starter(tx, job), self._settings, self._sealer)

    @property
    def _at_once(self) -> int:
        return min(AT_ONCE, self._settings.max_bulk)

    async def _plan(self, job: Job) -> None:
        async with self._database.reading() as connection:
            rows = await next_rows(connection, job, self._at_once)
        if not rows:
            await self._judge(job)
            return

        async def find_out(tx: Transaction) -> list[dict[str, Any]]:
            found = await planned(await self._change(tx, job), job, rows)
            tx.discard()
            return found

        found = await self._database.transaction(find_out)
        actions = {row.id: row.action for row in rows} | {row["id"]: row["action"] for row in found}
        for action in actions.values():
            job.count(action)
        self._advance(job, rows[-1].position + 1, len(rows))
        await self._note(job, found)

    async def _note(self, job: Job, found: Sequence[Mapping[str, Any]]) -> None:
        async def note(tx: Transaction) -> None:
            await keep(tx, job, self.owner)
            await store(tx, found)

        await self._database.transaction(note)

    async def _settle(self, job: Job) -> bool:
        """Plan rows that need each other's values again, together: each part of the job saw only its own rows.

        Returns whether there were any.
        """
        async with self._database.reading() as connection:
            groups = await handovers.batches(connection, job, self._at_once)
        for ids in groups:
            found = await self._database.transaction(partial(self._planned_again, job, ids))
            for row, action in found:
                job.count(action, -1)
                job.count(row["action"])
            await self._note(job, [row for row, _ in found])
        job.options |= {"is_settled": True}
        await self._keep(job)
        return bool(groups)

    async def _planned_again(
        self, job: Job, ids: Sequence[int], tx: Transaction
    ) -> list[tuple[dict[str, Any], str | None]]:
        """The rows as planned now, each with its action before."""
        rows = await rows_by_id(tx, ids)
        found = await planned(await self._change(tx, job), job, [replace(row, action=None) for row in rows])
        tx.discard()
        before = {row.id: row.action for row in rows}
        return [(row, before[row["id"]]) for row in found]

    def _advance(self, job: Job, position: int, by: int) -> None:
        job.options |= {"next": position}
        job.done += by

    async def _judge(self, job: Job) -> None:
        """All that is named was planned: now those who are not, then whether it may be applied at all."""
        if not job.options.get("is_settled") and await self._settle(job):
            return
        async with self._database.reading() as connection:
            known = await entries.known(connection, job)
        if job.is_full and job.options.get("absent_from") is None:
            reason = rules.cut_short(job.options, job.total or 0, known)
            if reason is not None:
                raise Stopped(JobState.REFUSED, reason)
            await self._database.transaction(lambda tx: self._add_absent(tx, job))
            return
        reason = rules.too_many(job.options, job.counts.get("deactivate", 0), known)
        if reason is not None:
            raise Stopped(JobState.REFUSED, reason)
        if job.is_dry_run:
            raise Stopped(JobState.DONE, "")
        job.begin("APPLY")
        await self._keep(job)

    async def _add_absent(self, tx: Transaction, job: Job) -> None:
        first = job.total or 0
        job.options |= {"absent_from": first}
        job.total = first + await entries.add_absent(tx, job, first)
        await keep(tx, job, self.owner)

    async def _apply(self, job: Job) -> None:
        """A part with the record of it in one transaction, so that no crash can do it twice or leave it out."""

        async def work(tx: Transaction) -> int:
            together = [] if job.next else await handovers.next_batch(tx, job, self._at_once)
            if together:
                await apply(await self._change(tx, job), job, together)
                await keep(tx, job, self.owner)
                return len(together)
            rows = await next_rows(tx, job, self._at_once)
            if rows:
                await apply(await self._change(tx, job), job, [row for row in rows if not row.is_applied])
                self._advance(job, rows[-1].position + 1, len(rows))
                await keep(tx, job, self.owner)
            return len(rows)

        if not await self._whole(job, work):
            raise Stopped(JobState.DONE, "")

    async def _whole(self, job: Job, work: Callable[[Transaction], Awaitable[int]]) -> int:
        """Where a conflict runs `work` again, the job is as it was before the first attempt."""
        before = replace(job, options=dict(job.options), counts=dict(job.counts))

        async def attempt(tx: Transaction) -> int:
            job.options, job.counts, job.done = dict(before.options), dict(before.counts), before.done
            return await work(tx)

        return await self._database.transaction(attempt)

    async def _keep(self, job: Job) -> None:
        await self._database.transaction(lambda tx: keep(tx, job, self.owner))

    async def _end(self, job: Job, state: JobState, reason: str) -> None:
        try:
            await self._database.transaction(lambda tx: end(tx, job, self.owner, state, reason or None, now()))
        except LeaseLost:
            return
        log.info("job_%d over %s: %s %s", job.id, job.source, state.value, job.counts)
