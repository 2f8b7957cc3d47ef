"""syncDirectory in the schema."""

from typing import Any

import strawberry

from graph.fields import mutation
from graph.payloads import Changing, given, needed, own_payload
from graph.reconcile_users import NO_JOB, MaxDeactivationsInput, Missing, ReconcileUsersPayload
from resolvers import sync_directories as resolve


@strawberry.input(description="A directory to read.")
class SyncDirectoryInput(Changing):
    provider: strawberry.ID = needed("Typed id of the LDAP provider.")
    is_full: bool | None = given(
        "False to read only what changed since the last run, where that is known. Such a run counts nobody as absent, "
        "even where it has to read everything."
    )
    missing: Missing | None = given("What becomes of users it named before and does not now; DEACTIVATE if not said.")
    max_deactivations: MaxDeactivationsInput | None = given("5 % if not said, and at least one user.")
    absences_before: int | None = given("In how many full runs in a row a user must be missing to be deactivated; 2.")


SyncDirectoryPayload: Any = own_payload(ReconcileUsersPayload, "SyncDirectoryPayload")


@strawberry.type
class SyncDirectoryMutations:
    sync_directory: SyncDirectoryPayload = mutation(
        resolve.sync_directory,
        SyncDirectoryInput,
        "Make the users of an LDAP directory equal to it: create, update, and deactivate the missing, never delete."
        " Needs CREATE_USERS and UPDATE_USERS everywhere, and DEACTIVATE_USERS unless missing is KEEP.",
        empty=NO_JOB,
        keeps_dry_runs=True,
    )
