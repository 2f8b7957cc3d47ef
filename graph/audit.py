"""The audit log in the schema."""

from typing import TYPE_CHECKING, Annotated

import strawberry

from graph.fields import Connection, Node, connection, nodes, plain, to_one
from graph.inputs import JSON, AuditActionEnum, DateTime
from resolvers import audit as audit_read
from resolvers import users as users_read

if TYPE_CHECKING:
    from graph.users import User


@strawberry.type(description="One change, recorded in the transaction that made it. Never edited.")
class AuditEvent(Node):
    id: strawberry.ID = plain("Typed id, such as `event_9`.")
    created_at: DateTime = plain("When.")
    action: AuditActionEnum = plain("What was done.")
    actor_username: str | None = plain("Who did it, by the name of that day; null for a stranger with a token.")
    actor: Annotated["User", strawberry.lazy("graph.users")] | None = to_one(
        lambda: users_read.SOURCE, "actorId", "Who did it, if they are still here."
    )
    api_key_id: strawberry.ID | None = plain("The API key they came with.")
    subject_id: strawberry.ID = plain("Typed id of what was changed.")
    subject_label: str = plain("Its name of that day.")
    subject: Node | None = nodes("What was changed, if it is still here.", column="subjectId")
    changes: JSON = plain("Field to `[before, after]`. Secrets never stand here.")
    request_id: str | None = plain("The request that did it.")


@strawberry.type
class AuditQueries:
    audit_events: Connection[AuditEvent] = connection(audit_read.SOURCE, "Changes, newest first.")
