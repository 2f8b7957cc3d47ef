"""What mutations share: the inputs they all take, and the errors and results they all answer."""

from enum import Enum
from typing import TYPE_CHECKING, Annotated, Any

import strawberry

from graph.fields import plain, record, subject
from graph.inputs import JSON, described
from models.errors import ErrorCode
from resolvers import users as users_read

if TYPE_CHECKING:
    from graph.users import User

ErrorCodeEnum: Any = described(
    ErrorCode,
    "ErrorCode",
    "Why something was refused; never renamed.",
    {
        "BUILT_IN": "It came with the service.",
        "DELETION_FORBIDDEN": "A setting forbids deleting users.",
        "DUPLICATE": "It stands in the call twice.",
        "FORBIDDEN": "You lack a right.",
        "IDEMPOTENCY_KEY_REUSED": "The key belongs to another call.",
        "INVALID": "The value is not of the right form.",
        "INVALID_CREDENTIALS": "This did not sign anybody in; no reason is told.",
        "INVALID_TOKEN": "The link is unknown, used, revoked or expired.",
        "IN_USE": "Something still needs it.",
        "KEY_NOT_CONFIRMED": "The user's email, external id or login DN was set by somebody who may not grant this.",
        "LAST_ADMINISTRATOR": "Nobody could administer any more.",
        "NOT_FOUND": "There is none, or none that you may see.",
        "NOT_LDAP": "Only LDAP users have this.",
        "OTHERS_FAILED": "The row is good, but others were refused.",
        "OUTSIDE_ORGANIZATION": "It lies outside the organizations you administer.",
        "PAST_ID": "The id names something as of a time in the past. Send its stableId.",
        "PASSWORD_NOT_LOCAL": "The user signs in elsewhere.",
        "PROVIDER_DISABLED": "The identity provider is switched off.",
        "PROVIDER_NOT_CONFIGURED": "There is no such identity provider.",
        "PROVIDER_UNREACHABLE": "The directory cannot be asked at the moment.",
        "REQUIRED": "A value is missing.",
        "RIGHTS_TOO_WIDE": "You cannot give rights that you lack.",
        "ROLE_ABOVE_CEILING": "The role weighs more than its directory may give.",
        "ROLE_TOO_HEAVY": "The role weighs more than your own.",
        "SECOND_FACTOR_REQUIRED": "The password is right; the code of the second factor is missing.",
        "SELF": "Nobody may do this to themselves.",
        "TAKEN": "Somebody else has it.",
        "TOO_MANY": "More than one call takes.",
        "USER_TOO_HEAVY": "The user's role weighs more than your own.",
        "WEAK_PASSWORD": "The password is too short, too long or easy to guess.",
        "WRONG_CODE": "The code of the second factor is not right, or was used before.",
        "WRONG_PASSWORD": "The current password is not right.",
        "WRONG_STATE": "It is not in the state this needs.",
    },
)
# What a bulk mutation answers that is refused as a whole. `row`, where there is one, is for lists in each result.
NO_RESULTS: dict[str, Any] = {"results": [], "summary": None, "errors": []}


def given(description: str) -> Any:
    """A field of an input that may be left out: absent means unchanged, null means cleared."""
    return strawberry.field(description=description, default=strawberry.UNSET)


def needed(description: str) -> Any:
    return strawberry.field(description=description)


def own_input(base: Any, name: str) -> Any:
    """A mutation's own input, with the fields of `base`: it can grow without changing another mutation's."""
    description = base.__strawberry_definition__.description
    return strawberry.input(type(name, (base,), {"__module__": __name__}), name=name, description=description)


def own_payload(base: Any, name: str) -> Any:
    """A mutation's own payload, with the fields of `base`."""
    description = base.__strawberry_definition__.description
    return strawberry.type(type(name, (base,), {"__module__": __name__}), name=name, description=description)


@strawberry.enum(description="What becomes of the good rows of a call that has bad ones.")
class ErrorPolicy(Enum):
    ALL_OR_NOTHING = strawberry.enum_value("ALL_OR_NOTHING", description="Nothing is stored.")
    REJECT_FAILED = strawberry.enum_value("REJECT_FAILED", description="The good rows are stored.")


@strawberry.enum(description="What became of a row.")
class RowAction(Enum):
    CREATED = strawberry.enum_value("CREATED", description="A new user.")
    UPDATED = strawberry.enum_value("UPDATED", description="Changed.")
    UNCHANGED = strawberry.enum_value("UNCHANGED", description="It was so already.")
    DELETED = strawberry.enum_value("DELETED", description="Gone for good.")
    SKIPPED = strawberry.enum_value("SKIPPED", description="Good, but not stored because other rows failed.")
    FAILED = strawberry.enum_value("FAILED", description="Refused; see the row's errors.")


@strawberry.enum(description="By what a row was matched to a user.")
class MatchedBy(Enum):
    EMAIL = strawberry.enum_value("EMAIL", description="The email address.")
    EXTERNAL_ID = strawberry.enum_value("EXTERNAL_ID", description="The external id.")


@strawberry.input
class Changing:
    dry_run: bool | None = given("Answer exactly as the real call would, and store nothing.")
    idempotency_key: str | None = given(
        "Your own name for this call: sent again within 24 hours, it gets the first answer and stores nothing."
    )


@strawberry.input
class BulkChanging(Changing):
    error_policy: ErrorPolicy | None = given("What becomes of good rows beside bad ones; ALL_OR_NOTHING if not said.")


@strawberry.type(description="An expected refusal.")
class UserError:
    code: ErrorCodeEnum = plain("Why; branch on this.")
    message: str = plain("The same for people, with what to do.")
    path: list[str] = plain("Where in the input, from `input` down.")
    index: int | None = plain("Row of a bulk call, counted from 0.")
    values: JSON = plain(
        "The names and numbers in the message, such as `{limit: 100}` or `{weight: 100, own: 80}`, for messages in"
        " other languages."
    )


@strawberry.type(description="How many rows of a call came to what.")
class Summary:
    created: int = plain("New users.")
    updated: int = plain("Changed ones.")
    unchanged: int = plain("Those that were so already.")
    deleted: int = plain("Those that are gone for good.")
    skipped: int = plain("Good rows not stored because others failed.")
    failed: int = plain("Refused rows.")


@strawberry.type
class Payload:
    errors: list[UserError] = record("Refusals of the call as a whole.", many=True)


@strawberry.type
class BulkPayload(Payload):
    summary: Summary | None = record("The rows counted by what became of them; null where the whole call was refused.")


@strawberry.type
class RowResult:
    index: int = plain("Row of the input, counted from 0.")
    ref: str | None = plain("Your own reference of the row, or the id you sent.")
    action: RowAction = plain("What became of it.")
    changed_fields: list[str] = plain("Which fields changed.")
    user: Annotated["User", strawberry.lazy("graph.users")] | None = subject(
        lambda: users_read.SOURCE, "user", "The user as they are now; null where the row was refused."
    )
    errors: list[UserError] = record("Why it was refused.", many=True)


@strawberry.type(description="What became of one row.")
class UserResult(RowResult):
    pass


@strawberry.type(description="A result for every row, in the order of the input.")
class UserResultsPayload(BulkPayload):
    results: list[UserResult] = record("One for each row.", many=True)


@strawberry.type(description="What was deleted.")
class DeletedPayload(Payload):
    deleted_id: strawberry.ID | None = plain("Typed id of what is gone.")


@strawberry.input(description="Names what to delete.")
class DeleteInput(Changing):
    id: strawberry.ID = needed("Typed id.")


@strawberry.input(description="Names the users; one or many.")
class UserIdsInput(BulkChanging):
    ids: list[strawberry.ID] = needed("Typed ids of users.")


@strawberry.input(description="A role, by id or by name.", one_of=True)
class RoleRef:
    id: strawberry.ID | None = given("Typed id.")
    name: str | None = given("Name or synonym, in any case: “only read” is “Read only”.")


@strawberry.input(description="Where an LDAP user is found.")
class LdapInput:
    server_number: int = needed("Number of the LDAP server, 1 to 9.")
    login_dn: str = needed("Distinguished name, such as cn=jane,ou=users,dc=example,dc=com.")


@strawberry.input(description="Sign-in through SAML.")
class SamlInput:
    identity_provider_id: strawberry.ID | None = given("Which SAML provider; the first enabled one if not said.")
    name_id: str | None = given(
        "What the provider calls them, letter by letter. Without it they join by invitation, by link=1, or as the"
        " provider's nameIdMatches says."
    )
    provisioned_by: LdapInput | None = given("An LDAP server that provisions this SAML user.")


@strawberry.input(description="Sign-in with a password kept here.")
class LocalInput:
    password: str | None = given("The password, at least 15 characters by default. Required by createUser.")
    password_hash: str | None = given(
        "Instead of a password, its hash from another system: bcrypt, argon2, PBKDF2 or scrypt. Needs SET_PASSWORDS."
    )


@strawberry.input(description="How a user signs in.", one_of=True)
class AuthenticationInput:
    local: LocalInput | None = given("With a password kept here.")
    ldap: LdapInput | None = given("Through an LDAP server.")
    saml: SamlInput | None = given("Through a SAML provider.")
    api_only: bool | None = given("Not at all: API keys only.")


@strawberry.input(description="The id of a user in a source system.")
class ExternalIdInput:
    source: str = needed(
        "Whose id it is: `api`, or a name of your own. Mutations do not set ids of `provider_…` and `scim:…`."
    )
    value: str | None = needed("The id, unique within the source; null clears it.")


@strawberry.input(description="A custom variable.")
class VariableInput:
    name: str = needed("Its name.")
    value: str = needed("Its value.")
