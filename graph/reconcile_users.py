"""reconcileUsers in the schema."""

from enum import Enum
from typing import TYPE_CHECKING, Annotated

import strawberry

from graph.fields import mutation, to_one
from graph.payloads import Changing, Payload, given, needed
from graph.upsert_users import UpsertUserInput
from resolvers import directories as directories_read
from resolvers import reconcile_users as resolve

if TYPE_CHECKING:
    from graph.directories import DirectoryJob

NO_JOB: dict[str, object] = {"job": None, "errors": []}


@strawberry.enum(description="What becomes of users whom a source does not name any more.")
class Missing(Enum):
    KEEP = strawberry.enum_value("KEEP", description="They keep what they have.")
    DEACTIVATE = strawberry.enum_value("DEACTIVATE", description="They lose access, once missing for long enough.")


@strawberry.input(description="How many users one run may deactivate; beyond that it is refused.", one_of=True)
class MaxDeactivationsInput:
    users: int | None = given("This many.")
    percent: float | None = given("This share of the users that the source has named before, 0 to 100.")


@strawberry.input(description="All users of a source, or a part of them.")
class ReconcileUsersInput(Changing):
    users: list[UpsertUserInput] = needed("The rows, at most 10,000 a call by default. They set no passwords.")
    source: str | None = given("Name of the system they come from, always the same; needed by the first call.")
    missing: Missing | None = given("What becomes of users it named before and does not now; KEEP if not said.")
    max_deactivations: MaxDeactivationsInput | None = given("5 % if not said, and at least one user.")
    absences_before: int | None = given("In how many runs in a row a user must be missing to be deactivated; 2.")
    expected_count: int | None = given("How many users there are altogether; another number is refused.")
    create_missing_groups: bool | None = given("Make groups that are named and not there. Needs MANAGE_GROUPS.")
    job_id: strawberry.ID | None = given("The job that an earlier call began, to add to it.")
    is_complete: bool | None = given("False where further calls send more; true if not said, and the job begins.")


@strawberry.type(description="The job; ask for it again until it is DONE, REFUSED or FAILED.")
class ReconcileUsersPayload(Payload):
    job: Annotated["DirectoryJob", strawberry.lazy("graph.directories")] | None = to_one(
        lambda: directories_read.JOBS, "job", "The job, as it is now."
    )


@strawberry.type
class ReconcileUserMutations:
    reconcile_users: ReconcileUsersPayload = mutation(
        resolve.reconcile_users,
        ReconcileUsersInput,
        "Make the users of a source equal to this list: create, update, and deactivate the missing, never delete."
        " Needs CREATE_USERS and UPDATE_USERS everywhere, and DEACTIVATE_USERS for missing: DEACTIVATE.",
        empty=NO_JOB,
        keeps_dry_runs=True,
    )
