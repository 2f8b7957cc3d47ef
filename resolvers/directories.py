"""Jobs over directories as they are read, with the users of each."""

from models.directories import DirectoryAction
from resolvers import providers, users
from resolvers.conditions import One
from resolvers.filters import Choice, Flag, Identity, Instant, Text, exact
from resolvers.policy import Right
from resolvers.sources import Column, Kind, Relation, Source, Sql

NOBODY = "1 = 0"


def visible_jobs(sql: Sql, alias: str) -> str | None:
    """A directory is the platform's: who updates the users of single organizations alone sees no job."""
    return None if Right.UPDATE_USERS in sql.viewer.rights else NOBODY


def visible_rows(sql: Sql, alias: str) -> str | None:
    return None if sql.viewer.rights >= {Right.UPDATE_USERS, Right.READ_USERS} else NOBODY


JOBS: Source = Source(
    type_name="DirectoryJob",
    table="directory_jobs",
    prefix="job",
    columns={
        "id": Column("{t}.id", Kind.ID, prefix="job"),
        "kind": Column("{t}.kind"),
        "state": Column("{t}.state"),
        "step": Column("({t}.options ->> 'step')", nullable=True),
        "source": Column("{t}.source"),
        "isDryRun": Column("{t}.is_dry_run", Kind.FLAG),
        "done": Column("{t}.done", Kind.NUMBER),
        "total": Column("{t}.total", Kind.NUMBER, nullable=True),
        "error": Column("{t}.error", nullable=True),
        "createdAt": Column("{t}.created_at", Kind.INSTANT),
        "startedAt": Column("{t}.started_at", Kind.INSTANT, nullable=True),
        "finishedAt": Column("{t}.finished_at", Kind.INSTANT, nullable=True),
        "providerId": Column("{t}.provider_id", Kind.NUMBER, nullable=True),
        "createdById": Column("{t}.created_by_id", Kind.NUMBER, nullable=True),
    },
    visible=visible_jobs,
    indexed=frozenset({"id", "state"}),
    orders={"ID": "id"},
    default_order=(("ID", True),),
    filters={
        "id": Identity("job"),
        "kind": Choice("{t}.kind", "DirectoryJobKindFilter"),
        "state": Choice("{t}.state", "DirectoryJobStateFilter"),
        "source": Text("{t}.source", normal=exact, part=exact),
        "isDryRun": Flag("{t}.is_dry_run"),
        "createdAt": Instant("{t}.created_at"),
        "provider": One("{t}.provider_id", lambda: providers.SOURCE),
    },
)
COUNTED = tuple(action.value.lower() for action in DirectoryAction)
COUNTS: Source = Source(
    type_name="DirectoryJobCounts",
    table="directory_jobs",
    prefix="",
    columns={
        "id": Column("{t}.id", Kind.NUMBER),
        **{name: Column(f"coalesce(CAST({{t}}.counts ->> '{name}' AS integer), 0)", Kind.NUMBER) for name in COUNTED},
    },
    visible=visible_jobs,
)
ROWS: Source = Source(
    type_name="DirectoryJobRow",
    table="directory_job_rows",
    prefix="jobrow",
    columns={
        "id": Column("{t}.id", Kind.ID, prefix="jobrow"),
        "position": Column("{t}.position", Kind.NUMBER),
        "action": Column("{t}.action", nullable=True),
        "label": Column("{t}.label"),
        "entryKey": Column("{t}.entry_key"),
        "changes": Column("coalesce({t}.changes, '[]')", Kind.JSON),
        "errors": Column("coalesce({t}.errors, '[]')", Kind.JSON),
        "appliedAt": Column("{t}.applied_at", Kind.INSTANT, nullable=True),
        "userId": Column("{t}.user_id", Kind.NUMBER, nullable=True),
        "jobId": Column("{t}.job_id", Kind.NUMBER),
    },
    visible=visible_rows,
    indexed=frozenset({"user"}),
    orders={"POSITION": "position"},
    default_order=(("POSITION", False),),
    filters={
        "action": Choice("{t}.action", "DirectoryActionFilter"),
        "user": One("{t}.user_id", lambda: users.SOURCE),
    },
)
OF_JOB = Relation(lambda: ROWS, "t.job_id")
