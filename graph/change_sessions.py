"""signOut and endSessions in the schema."""

import strawberry

from graph.fields import mutation, record, to_one
from graph.payloads import NO_RESULTS, BulkChanging, BulkPayload, Changing, Payload, RowResult, needed
from graph.sessions import Session
from resolvers import change_sessions
from resolvers import sessions as sessions_read


@strawberry.input(description="Nothing need be said: it is about the session that the call comes with.")
class SignOutInput(Changing):
    pass


@strawberry.type(description="The session that ended.")
class SignOutPayload(Payload):
    session: Session | None = to_one(lambda: sessions_read.SOURCE, "session", "The session.")


@strawberry.input(description="Names sessions; one or many.")
class EndSessionsInput(BulkChanging):
    ids: list[strawberry.ID] = needed("Typed ids of sessions.")


@strawberry.type(description="What became of one session.")
class EndedSessionResult(RowResult):
    session: Session | None = to_one(lambda: sessions_read.SOURCE, "session", "The session as it is now.")


@strawberry.type(description="A result for every session, in the order of the input.")
class EndSessionsPayload(BulkPayload):
    results: list[EndedSessionResult] = record("One for each session.", many=True)


@strawberry.type
class SessionMutations:
    sign_out: SignOutPayload = mutation(
        change_sessions.sign_out,
        SignOutInput,
        "End the session that you come with.",
        empty={"session": None},
    )
    end_sessions: EndSessionsPayload = mutation(
        change_sessions.end_sessions,
        EndSessionsInput,
        "Sessions end at once: your own, or with DEACTIVATE_USERS those of others.",
        empty=NO_RESULTS,
    )
