"""The catalogue of refusals: one class a reason, with its code and its public message."""

from collections.abc import Sequence
from typing import ClassVar

from models.error_codes import ErrorCode as ErrorCode

# Values that are English and not a name or a number: whoever writes the message in another language needs none of them.
SENTENCES = frozenset({"advice", "reason"})


class Refusal(Exception):
    """An expected no. `path` leads into the input, as GraphQL names; `index` is the row of a bulk call.

    `values` are what the message says, by name. More than its template takes may be given, for messages that are whole.
    """

    code: ClassVar[ErrorCode]
    template: ClassVar[str] = "{reason}"

    def __init__(self, *path: str | int, **values: object) -> None:
        self.path: Sequence[str | int] = path
        self.message = self.template.format(**values)
        self.values = {name: value for name, value in values.items() if name not in SENTENCES}
        super().__init__(self.message)

    def below(self, *prefix: str | int) -> "Refusal":
        """The same refusal seen from further up in the input."""
        self.path = (*prefix, *self.path)
        return self


class BuiltIn(Refusal):
    code = ErrorCode.BUILT_IN
    template = "{what} is built in and cannot be {how}. Make one of your own instead."


class DeletionForbidden(Refusal):
    code = ErrorCode.DELETION_FORBIDDEN
    template = "Users are never deleted here (USERGRAPH_USER_DELETION is off). Deactivate them instead."


class Duplicate(Refusal):
    code = ErrorCode.DUPLICATE
    template = "{what} is sent twice, first in {first}. Send it once."


class Forbidden(Refusal):
    """Missing rights; `fields` names what may not be read, where it is about reading."""

    code = ErrorCode.FORBIDDEN
    template = "You may not {what}. Ask an administrator for a role with {right}."

    def __init__(self, *path: str | int, fields: Sequence[str] = (), **values: object) -> None:
        super().__init__(*path, **values)
        self.fields = fields


class NarrowKey(Forbidden):
    """The key has fewer rights than a role could give it."""

    template = "This API key may not {what}: it is limited to some permissions. Use a key that has {right}."


class GainsRights(Refusal):
    """Moving users or organizations below one's own would turn one right over them into others."""

    code = ErrorCode.RIGHTS_TOO_WIDE
    template = (
        "This would give you rights over {what} that you do not have now: {rights}. Ask an administrator who has them."
    )


class IdempotencyKeyReused(Refusal):
    code = ErrorCode.IDEMPOTENCY_KEY_REUSED
    template = "This idempotencyKey was used for a different call. Use a new key for a new call."


class Invalid(Refusal):
    code = ErrorCode.INVALID


class InvalidCredentials(Refusal):
    """One answer whatever is wrong with a sign-in: a guess learns neither who there is nor how they sign in."""

    code = ErrorCode.INVALID_CREDENTIALS
    template = (
        "This did not sign you in. Check the name, the password and the code; after several failures wait a while"
        " before you try again."
    )


class InvalidToken(Refusal):
    """One answer for unknown, used, revoked and expired tokens: a guess learns nothing."""

    code = ErrorCode.INVALID_TOKEN
    template = "This link is not valid any more. Ask for a new one."


class InUse(Refusal):
    code = ErrorCode.IN_USE
    template = "{what} is still in use: {by}. Change those first."


class KeyNotConfirmed(Refusal):
    """A row found its user by a key that was set by somebody who could not grant what the row gives."""

    code = ErrorCode.KEY_NOT_CONFIRMED
    template = (
        "This row matched user_{number} by {key}, set by somebody who may not grant {what}. Check that user_{number} is"
        " the person meant. Then an administrator confirms it with updateUser (id: user_{number} and the same"
        " {fields}), and you send the row again."
    )


class LastAdministrator(Refusal):
    code = ErrorCode.LAST_ADMINISTRATOR
    template = "This would leave no active administrator who can get in. Make another one first."


class NotFound(Refusal):
    """Absent and invisible are the same answer."""

    code = ErrorCode.NOT_FOUND
    template = "There is no {what} {key}."


class NotLdap(Refusal):
    code = ErrorCode.NOT_LDAP
    template = "Only an LDAP user has a server number and a login DN. Convert the user with convertUsers first."


class OthersFailed(Refusal):
    code = ErrorCode.OTHERS_FAILED
    template = (
        "Nothing was stored because other rows failed. Mend them, or send errorPolicy: REJECT_FAILED"
        " to accept the rest."
    )


class OutsideOrganization(Refusal):
    code = ErrorCode.OUTSIDE_ORGANIZATION
    template = "{what} lies outside the organizations that you administer."


class PastId(Refusal):
    """An id of a row read as of a time in the past, where the row is to be changed."""

    code = ErrorCode.PAST_ID
    template = "{id} is {stable} as it was in the past, which cannot be changed. Send its stableId, {stable}."


class PasswordNotLocal(Refusal):
    code = ErrorCode.PASSWORD_NOT_LOCAL
    template = "This user signs in through another provider and has no password here. Convert the user first."


class ProviderDisabled(Refusal):
    code = ErrorCode.PROVIDER_DISABLED
    template = "{kind} sign-in is disabled: {name} is switched off. Enable it with updateIdentityProvider."


class ProviderNotConfigured(Refusal):
    code = ErrorCode.PROVIDER_NOT_CONFIGURED
    template = "No {kind} is configured. Add it with createIdentityProvider."


class ProviderUnreachable(Refusal):
    code = ErrorCode.PROVIDER_UNREACHABLE
    template = "{name} cannot be asked: {reason}. {advice}"


class Required(Refusal):
    code = ErrorCode.REQUIRED
    template = "{what} is required."


class RightsTooWide(Refusal):
    code = ErrorCode.RIGHTS_TOO_WIDE
    template = "You cannot give rights that you lack here: {rights}."


class RoleAboveCeiling(Refusal):
    code = ErrorCode.ROLE_ABOVE_CEILING
    template = (
        "The role {name} has weight {weight}, more than the {ceiling} that this directory may give. Change its mapping,"
        " or its ceilingWeight."
    )


class RoleTooHeavy(Refusal):
    code = ErrorCode.ROLE_TOO_HEAVY
    template = "The role {name} has weight {weight}, more than your own {own}."


class SecondFactorRequired(Refusal):
    """Only ever said to who sent the right password."""

    code = ErrorCode.SECOND_FACTOR_REQUIRED
    template = "Send the code of your authenticator, or a recovery code, as code beside the password."


class Self(Refusal):
    code = ErrorCode.SELF
    template = "Nobody may {what} themselves. Ask another administrator."


class Taken(Refusal):
    code = ErrorCode.TAKEN
    template = "The {what} {value} is taken."


class UsedBy(Taken):
    """For viewers who may see the user that has the value."""

    template = "The {what} {value} is already used by {owner}{advice}."


class TooMany(Refusal):
    code = ErrorCode.TOO_MANY
    template = "{count} {what} are more than the {limit} that one call takes. Split the call."


class TooManyProbes(Refusal):
    code = ErrorCode.TOO_MANY
    template = (
        "You sent too many emails, names or ids that other users have. Wait {minutes} minutes, or ask an administrator"
        " who may read all users to send this call."
    )


class UserTooHeavy(Refusal):
    code = ErrorCode.USER_TOO_HEAVY
    template = "This user's role weighs {weight}, more than your own {own}."


class WeakPassword(Refusal):
    code = ErrorCode.WEAK_PASSWORD
    template = "{reason}"


class WrongCode(Refusal):
    code = ErrorCode.WRONG_CODE
    template = "This code is not right, or was used before. Wait for the next one of your authenticator and send that."


class WrongPassword(Refusal):
    code = ErrorCode.WRONG_PASSWORD
    template = "The current password is not right."


class WrongState(Refusal):
    code = ErrorCode.WRONG_STATE


class Unavailable(Exception):
    """The database did not answer in time; the caller may try again. The cause is chained, never shown."""


class TooBusy(Unavailable):
    """The database answers, but as much of this kind is under way as may be, for all or for this user."""

    def __init__(self, message: str, *, is_of_one: bool = False) -> None:
        super().__init__(message)
        self.is_of_one = is_of_one


class TooSlow(Unavailable):
    """The database was given up, at work on something that would take as long again."""


class Unauthenticated(Exception):
    """A key was sent and is not (or no more) a key: one message for every cause."""
