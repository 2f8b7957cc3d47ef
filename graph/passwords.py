"""Passwords in the schema: changed, and reset by link."""

from typing import Any

import strawberry

from graph.fields import mutation, plain, subject
from graph.inputs import DateTime
from graph.payloads import Changing, Payload, given, needed, own_payload
from graph.users import User
from resolvers import passwords
from resolvers import users as users_read


@strawberry.input(description="Whose password becomes what.")
class ChangePasswordInput(Changing):
    id: strawberry.ID = needed("Typed id of the user.")
    new_password: str = needed("The new password.")
    current_password: str | None = given("The one before; needed for your own, if there is one.")


@strawberry.type(description="Whose password changed, or why it did not.")
class PasswordPayload(Payload):
    user: User | None = subject(lambda: users_read.SOURCE, "user", "The user.")


@strawberry.input(description="Whose password to reset.")
class RequestPasswordResetInput(Changing):
    email: str = needed("Their address.")


@strawberry.type(description="The same answer whether or not there is such a user.")
class RequestPasswordResetPayload(Payload):
    accepted: bool = plain("Whether the request was taken: a letter goes out if there is such a local user.")
    link: str | None = plain("The link, for who may set passwords; null in a dry run.")
    expires_at: DateTime | None = plain("When that link stops working.")


@strawberry.input(description="The token of a reset link and the new password.")
class ResetPasswordInput(Changing):
    token: str = needed("What stands behind `#` in the link.")
    new_password: str = needed("The new password.")


ChangePasswordPayload: Any = own_payload(PasswordPayload, "ChangePasswordPayload")
ResetPasswordPayload: Any = own_payload(PasswordPayload, "ResetPasswordPayload")


@strawberry.type
class PasswordMutations:
    change_password: ChangePasswordPayload = mutation(
        passwords.change_password,
        ChangePasswordInput,
        "Set a local user's password; their sessions end. Needs SET_PASSWORDS, or your current password for your own.",
        empty={"user": None},
        prepare=passwords.prepare_change,
        subjects=passwords.subjects,
    )
    request_password_reset: RequestPasswordResetPayload = mutation(
        passwords.request_password_reset,
        RequestPasswordResetInput,
        "Send a reset link. Needs no key; who has SET_PASSWORDS is answered the link.",
        empty={"accepted": False, "link": None, "expiresAt": None},
        prepare=passwords.prepare_request,
    )
    reset_password: ResetPasswordPayload = mutation(
        passwords.reset_password,
        ResetPasswordInput,
        "Set a password by a reset link's token, once. Needs no key.",
        empty={"user": None},
        prepare=passwords.prepare_reset,
        subjects=lambda _: [""],
    )
