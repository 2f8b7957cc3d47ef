"""Jobs over directories in the schema."""

from enum import Enum
from typing import TYPE_CHECKING, Annotated

import strawberry

from graph.directory_inputs import DirectoryActionEnum, DirectoryJobKindEnum, DirectoryJobStateEnum
from graph.fields import Connection, Node, connection, plain, record, to_one
from graph.inputs import JSON, DateTime
from graph.payloads import UserError
from resolvers import directories as directories_read
from resolvers import providers as providers_read
from resolvers import users as users_read

if TYPE_CHECKING:
    from graph.providers import IdentityProvider
    from graph.users import User

lazy = strawberry.lazy


@strawberry.enum(description="What a job is at; `done` and `total` count within it.")
class DirectoryJobStep(Enum):
    READ = strawberry.enum_value("READ", description="Reading the directory.")
    PLAN = strawberry.enum_value("PLAN", description="Finding out what is to be done, with nothing changed.")
    APPLY = strawberry.enum_value("APPLY", description="Doing it.")


@strawberry.type(description="How many users come to what.")
class DirectoryJobCounts:
    create: int = plain("New users.")
    update: int = plain("Changed ones.")
    reactivate: int = plain("Those who come back.")
    deactivate: int = plain("Those who lose access.")
    unchanged: int = plain("Those who are so already.")
    absent: int = plain("Those who are missing and keep what they have.")
    failed: int = plain("Refused ones.")


@strawberry.type(description="A field that differs.")
class DirectoryFieldChange:
    field: str = plain("Its name.")
    before: JSON | None = plain("As it was.")
    after: JSON | None = plain("As it becomes.")


@strawberry.type(description="One user of a job: what is to be done, and what became of it.")
class DirectoryJobRow(Node):
    id: strawberry.ID = plain("Typed id, such as `jobrow_1`.")
    position: int = plain("Place in the source, from 0; those who are missing there come last.")
    action: DirectoryActionEnum | None = plain("What is done; null until it is planned.")
    label: str = plain("What the source calls them.")
    entry_key: str = plain("By what the source knows them: their external id, else their address.")
    user: Annotated["User", lazy("graph.users")] | None = to_one(
        lambda: users_read.SOURCE, "userId", "The user; null for one who is not made yet, or is gone."
    )
    changes: list[DirectoryFieldChange] = record("What differs.", many=True)
    errors: list[UserError] = record("Why it was refused.", many=True)
    applied_at: DateTime | None = plain("When it was done; null in a dry run.")


@strawberry.type(description="A run over a whole directory: planned first, then applied, or refused as a whole.")
class DirectoryJob(Node):
    id: strawberry.ID = plain("Typed id, such as `job_3`.")
    kind: DirectoryJobKindEnum = plain("Where its users come from.")
    state: DirectoryJobStateEnum = plain("How far it is; DONE, REFUSED and FAILED are final.")
    step: DirectoryJobStep | None = plain("What it is at, while it runs.")
    source: str = plain("The source whose users it is about.")
    provider: Annotated["IdentityProvider", lazy("graph.providers")] | None = to_one(
        lambda: providers_read.SOURCE, "providerId", "The LDAP provider that is read; null for a reconciliation."
    )
    is_dry_run: bool = plain("Whether it only plans.")
    done: int = plain("Users it is through with, in this step.")
    total: int | None = plain("Users there are; null while they are read.")
    counts: DirectoryJobCounts = to_one(
        lambda: directories_read.COUNTS, "id", "What is planned; once it is applied, what became of it."
    )
    error: str | None = plain("Why it was refused or failed, and what to do.")
    rows: Connection[DirectoryJobRow] = connection(
        directories_read.ROWS,
        "Its users in the order of the source. Kept for the ten newest jobs of a source.",
        lambda: directories_read.OF_JOB,
    )
    started_at: DateTime | None = plain("When a process first took it up.")
    finished_at: DateTime | None = plain("When it ended.")
    created_at: DateTime = plain("When it was asked for.")
    created_by: Annotated["User", lazy("graph.users")] | None = to_one(
        lambda: users_read.SOURCE, "createdById", "Who started it; it does what they may do at that moment."
    )


@strawberry.type
class DirectoryQueries:
    directory_jobs: Connection[DirectoryJob] = connection(directories_read.JOBS, "Jobs over directories, newest first.")
