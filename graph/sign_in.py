"""signIn in the schema."""

import strawberry

from graph.fields import mutation, plain, record, subject
from graph.inputs import DateTime
from graph.payloads import Changing, Payload, given, needed
from graph.users import User
from resolvers import sign_in
from resolvers import users as users_read


@strawberry.input(description="Who comes, and what proves it.")
class SignInInput(Changing):
    username: str = needed("Username or email address.")
    password: str = needed("The password, of here or of the directory.")
    code: str | None = given("Code of the authenticator, or a recovery code; where a second factor is set up.")


@strawberry.type(description="A new session with its token, which is told only now.")
class OpenedSession:
    id: strawberry.ID = plain("Typed id, such as `session_3`.")
    token: str | None = plain("What to send as `Authorization: Bearer …`; null in a dry run.")
    expires_at: DateTime = plain("When it ends at the latest; it ends sooner when it is not used.")


@strawberry.type(description="The session that was opened, or that none was.")
class SignInPayload(Payload):
    session: OpenedSession | None = record("The new session.")
    user: User | None = subject(lambda: users_read.SOURCE, "user", "Who signed in.")
    must_enroll_second_factor: bool = plain(
        "Whether their role demands a second factor that they lack: the session allows nothing but setting it up."
    )


@strawberry.type
class SignInMutations:
    sign_in: SignInPayload = mutation(
        sign_in.sign_in,
        SignInInput,
        "Open a session. Needs no key. Whatever is wrong, the answer is the same: INVALID_CREDENTIALS.",
        empty=sign_in.REFUSED,
        prepare=sign_in.prepare,
        subjects=lambda _: [""],
    )
