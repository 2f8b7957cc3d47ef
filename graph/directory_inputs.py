"""The vocabularies of jobs over directories, and the conditions on them."""

from typing import Any

from graph.inputs import OPERATORS, choice, described
from models.directories import DirectoryAction, JobKind, JobState

DirectoryJobKindEnum: Any = described(
    JobKind,
    "DirectoryJobKind",
    "Where a job's users come from.",
    {"SYNC": "An LDAP server, which is read.", "RECONCILE": "The calls that sent them."},
)
DirectoryJobStateEnum: Any = described(
    JobState,
    "DirectoryJobState",
    "How far a job is.",
    {
        "COLLECTING": "Further calls send the rest of its users.",
        "QUEUED": "Waits for its turn.",
        "RUNNING": "Is worked on, by one process at a time.",
        "DONE": "Is done; rows that failed say why.",
        "REFUSED": "Was refused as a whole, with nothing applied.",
        "FAILED": "Could not go on; what it had applied stays, and is on record.",
    },
)
DirectoryActionEnum: Any = described(
    DirectoryAction,
    "DirectoryAction",
    "What a job does to a user; a dry run says what it would do.",
    {
        "CREATE": "A new user.",
        "UPDATE": "Fields change.",
        "REACTIVATE": "Comes back, after a job of the same source had deactivated them.",
        "DEACTIVATE": "Loses access: missing for long enough, or said to have left.",
        "UNCHANGED": "Is so already.",
        "ABSENT": "Is missing, and keeps what they have.",
        "FAILED": "Was refused; see the errors.",
    },
)
OPERATORS.update(
    {
        "DirectoryJobKindFilter": choice("DirectoryJobKindFilter", DirectoryJobKindEnum),
        "DirectoryJobStateFilter": choice("DirectoryJobStateFilter", DirectoryJobStateEnum),
        "DirectoryActionFilter": choice("DirectoryActionFilter", DirectoryActionEnum),
    }
)
