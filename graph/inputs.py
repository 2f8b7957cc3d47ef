"""The input types of lists, made from what a source can be filtered and ordered by."""

from collections.abc import Mapping
from enum import Enum
from functools import cache
from typing import Any

import strawberry

from graph.scalars import JSON as JSON
from graph.scalars import SCALARS as SCALARS
from graph.scalars import DateTime as DateTime
from models.providers import ProviderKind
from models.users import UserState
from resolvers.audit import Action
from resolvers.conditions import One, Some
from resolvers.sources import Source


@strawberry.enum(description="How a user can get in.")
class Accessibility(Enum):
    INTERACTIVE = strawberry.enum_value("INTERACTIVE", description="By signing in.")
    API_ONLY = strawberry.enum_value("API_ONLY", description="By API key only.")
    NONE = strawberry.enum_value("NONE", description="Not at all.")


@strawberry.enum(description="Where an invitation stands.")
class InvitationStatus(Enum):
    PENDING = strawberry.enum_value("PENDING", description="The link works.")
    ACCEPTED = strawberry.enum_value("ACCEPTED", description="The user has come.")
    REVOKED = strawberry.enum_value("REVOKED", description="Taken back.")
    EXPIRED = strawberry.enum_value("EXPIRED", description="Its time is over; resend it.")


@strawberry.enum(description="What became of the newest letter.")
class DeliveryState(Enum):
    WAITING = strawberry.enum_value("WAITING", description="In the outbox: to be sent, or to be tried again.")
    SENT = strawberry.enum_value("SENT", description="The mail server has it.")
    PARKED = strawberry.enum_value("PARKED", description="The mail server refused it for good; resend it.")
    NONE = strawberry.enum_value("NONE", description="There is none: its link stopped working before it was sent.")


@strawberry.enum(description="Which way a list goes. Nulls come first going up and last going down.")
class Direction(Enum):
    ASC = strawberry.enum_value("ASC", description="Up.")
    DESC = strawberry.enum_value("DESC", description="Down.")


def described(enum: Any, name: str, description: str, values: Mapping[str, str]) -> Any:
    """A vocabulary from another room as an enum of the schema, with a description for every value."""
    made = strawberry.enum(enum, name=name, description=description)
    for value in made.__strawberry_definition__.values:
        value.description = values[value.name]
    return made


UserStateEnum: Any = described(
    UserState,
    "UserState",
    "Whether a user may get in at all.",
    {
        "INVITED": "Has a link and has not come yet.",
        "ACTIVE": "May get in.",
        "DEACTIVATED": "May not get in; everything else is kept.",
    },
)
ProviderKindEnum: Any = described(
    ProviderKind,
    "IdentityProviderKind",
    "How a provider proves who somebody is.",
    {"LOCAL": "A password kept here.", "LDAP": "A bind at an LDAP server.", "SAML": "A SAML 2.0 assertion."},
)
AuditActionEnum: Any = described(
    Action,
    "AuditAction",
    "What was done.",
    {
        "CREATED": "It was made.",
        "UPDATED": "It was changed.",
        "DELETED": "It was deleted for good.",
        "ERASED": "All personal data of a user were erased.",
        "INVITED": "A user was made by invitation.",
        "INVITATION_RESENT": "An invitation got a new link.",
        "INVITATION_REVOKED": "An invitation was taken back.",
        "INVITATION_ACCEPTED": "A user came by invitation.",
        "CONVERTED": "A user signs in another way now.",
        "CONVERSION_REVERTED": "A conversion was taken back.",
        "ACTIVATED": "A user may get in again.",
        "DEACTIVATED": "A user may not get in any more.",
        "PASSWORD_CHANGED": "A password was changed.",
        "PASSWORD_RESET_REQUESTED": "A reset link was asked for.",
        "PASSWORD_RESET": "A password was set by a reset link.",
        "SECOND_FACTOR_ENROLLED": "A second factor was set up, and not confirmed yet.",
        "SECOND_FACTOR_ENABLED": "A second factor was confirmed, and turned on.",
        "SECOND_FACTOR_DISABLED": "A second factor was turned off by its user.",
        "SECOND_FACTOR_RESET": "A second factor was taken away by an administrator.",
        "RECOVERY_CODES_MADE": "Recovery codes were made anew; those before them stopped working.",
        "RECOVERY_CODE_USED": "A recovery code stood in for the second factor.",
        "KEY_CREATED": "An API key was made.",
        "KEY_REVOKED": "An API key was revoked.",
        "SIGNED_IN": "Opened a session.",
        "SIGNED_OUT": "Ended the session they came with.",
        "TAKEN_VALUES_PROBED": "Sent emails, names or ids that other users have, without the right to read all users.",
        "SIGN_IN_BLOCKED": "Failed to sign in so often that further attempts have to wait.",
        "SESSIONS_ENDED": "Some of their sessions were ended.",
        "MEMBERS_ADDED": "Users joined.",
        "MEMBERS_REMOVED": "Users left.",
    },
)


def _input(name: str, description: str, fields: dict[str, tuple[Any, str]], *, one_of: bool = False) -> type:
    """An input type from field names, types and descriptions; every field may be left out."""
    body: dict[str, Any] = {
        python: strawberry.field(name=graphql, description=text, default=strawberry.UNSET)
        for graphql, (_, text) in fields.items()
        for python in [_python(graphql)]
    }
    body["__annotations__"] = {_python(graphql): annotation | None for graphql, (annotation, _) in fields.items()}
    body["__module__"] = __name__
    return strawberry.input(type(name, (), body), name=name, description=description, one_of=one_of)


def _python(graphql: str) -> str:
    return f"{graphql}_"


_TEXT: dict[str, tuple[Any, str]] = {
    "eq": (str, "Equal, whatever the case."),
    "ne": (str, "Not equal, or absent."),
    "in": (list[str], "One of these."),
    "notIn": (list[str], "None of these, or absent."),
    "contains": (str, "Holds this text."),
    "startsWith": (str, "Begins with this text."),
    "endsWith": (str, "Ends with this text."),
    "isNull": (bool, "Whether it is absent."),
}


def choice(name: str, of: Any) -> type:
    return _input(
        name,
        f"Conditions on a {of.__name__}.",
        {
            "eq": (of, "This one."),
            "ne": (of, "Not this one."),
            "in": (list[of], "One of these."),
            "notIn": (list[of], "None of these."),
        },
    )


_IDS: dict[str, tuple[Any, str]] = {
    "eq": (strawberry.ID, "This one."),
    "ne": (strawberry.ID, "Not this one."),
    "in": (list[strawberry.ID], "One of these."),
    "notIn": (list[strawberry.ID], "None of these."),
}
StringFilter = _input("StringFilter", "Conditions on a text, by its normal form.", _TEXT)
OPERATORS: dict[str, type] = {
    "StringFilter": StringFilter,
    "BooleanFilter": _input("BooleanFilter", "A condition on a yes or no.", {"eq": (bool, "Equal.")}),
    "IntFilter": _input(
        "IntFilter",
        "Conditions on a number.",
        {
            "eq": (int, "Equal."),
            "ne": (int, "Not equal, or absent."),
            "gt": (int, "Greater."),
            "gte": (int, "Greater or equal."),
            "lt": (int, "Less."),
            "lte": (int, "Less or equal."),
            "in": (list[int], "One of these."),
            "isNull": (bool, "Whether it is absent."),
        },
    ),
    "DateTimeFilter": _input(
        "DateTimeFilter",
        "Conditions on a moment.",
        {
            "eq": (DateTime, "This very moment."),
            "before": (DateTime, "Earlier."),
            "after": (DateTime, "Later."),
            "notBefore": (DateTime, "At this moment or later."),
            "notAfter": (DateTime, "At this moment or earlier."),
            "isNull": (bool, "Whether it never was."),
        },
    ),
    "IDFilter": _input("IDFilter", "Conditions on a typed id.", _IDS),
    "OrganizationIDFilter": _input(
        "OrganizationIDFilter",
        "Conditions on an organization's id.",
        {**_IDS, "within": (strawberry.ID, "This organization or one below it.")},
    ),
    "UserStateFilter": choice("UserStateFilter", UserStateEnum),
    "AccessibilityFilter": choice("AccessibilityFilter", Accessibility),
    "ProviderKindFilter": choice("ProviderKindFilter", ProviderKindEnum),
    "InvitationStateFilter": choice("InvitationStateFilter", InvitationStatus),
    "DeliveryStateFilter": choice("DeliveryStateFilter", DeliveryState),
    "AuditActionFilter": choice("AuditActionFilter", AuditActionEnum),
    "StringListFilter": _input(
        "StringListFilter",
        "Conditions on a list of texts.",
        {"some": (StringFilter, "One of them is so."), "none": (StringFilter, "None of them is so.")},
    ),
}
_VARIABLE = _input(
    "VariableFilter",
    "Conditions on one custom variable.",
    {"name": (StringFilter, "Its name."), "value": (StringFilter, "Its value, to the letter.")},
)
OPERATORS["VariableListFilter"] = _input(
    "VariableListFilter",
    "Conditions on the custom variables.",
    {"some": (_VARIABLE, "One of them is so."), "none": (_VARIABLE, "None of them is so.")},
)
_EXTERNAL_ID = _input(
    "ExternalIdFilter",
    "Conditions on one external id.",
    {"source": (StringFilter, "Its source, case-sensitive."), "value": (StringFilter, "The id, case-sensitive.")},
)
OPERATORS["ExternalIdListFilter"] = _input(
    "ExternalIdListFilter",
    "Conditions on the external ids.",
    {"some": (_EXTERNAL_ID, "One of them is so."), "none": (_EXTERNAL_ID, "None of them is so.")},
)


@cache
def where_input(source: Source) -> Any:
    """`XWhere`: and, or, not, and a field for every filter of the source."""
    name = f"{source.type_name}Where"
    itself: Any = type(name, (), {"__module__": __name__})
    annotations: dict[str, Any] = {
        "and_": list[itself] | None,
        "or_": list[itself] | None,
        "not_": itself | None,
    }
    fields: dict[str, Any] = {
        "and_": strawberry.field(name="and", description="All of these hold.", default=strawberry.UNSET),
        "or_": strawberry.field(name="or", description="One of these holds.", default=strawberry.UNSET),
        "not_": strawberry.field(name="not", description="This does not hold.", default=strawberry.UNSET),
    }
    _CURRENT[source] = itself
    for graphql, declared in source.filters.items():
        annotations[_python(graphql)] = _annotation(declared) | None
        fields[_python(graphql)] = strawberry.field(
            name=graphql, description=f"Conditions on {graphql}.", default=strawberry.UNSET
        )
    for attribute, value in fields.items():
        setattr(itself, attribute, value)
    itself.__annotations__ = annotations
    return strawberry.input(itself, name=name, description=f"Which {source.type_name}s: every condition given holds.")


_CURRENT: dict[Source, Any] = {}


def _where(source: Source) -> Any:
    """The source's own where type, also while it is being made: relations may lead back to it."""
    return _CURRENT[source] if source in _CURRENT else where_input(source)


def _annotation(declared: Any) -> Any:
    if isinstance(declared, One):
        return _where(declared.source())
    if isinstance(declared, Some):
        return some_input(declared.source())
    return OPERATORS[declared.operators]


@cache
def some_input(source: Source) -> Any:
    where = _where(source)
    return _input(
        f"{source.type_name}ListFilter",
        f"Conditions on a list of {source.type_name}s.",
        {"some": (where, "One of them is so."), "none": (where, "None of them is so.")},
    )


@cache
def order_input(source: Source) -> Any:
    """`XOrder`: a field and a direction."""
    fields = Enum(f"{source.type_name}OrderField", {name: name for name in source.orders})  # type: ignore[misc]
    by = {name: f"By {name.lower().replace('_', ' ')}." for name in source.orders}
    field = described(fields, fields.__name__, f"What {source.type_name}s can be ordered by.", by)
    name = f"{source.type_name}Order"
    body = {
        "__annotations__": {"field": field, "direction": Direction},
        "__module__": __name__,
        "field": strawberry.field(description="By what."),
        "direction": strawberry.field(description="Which way.", default=Direction.ASC),
    }
    return strawberry.input(
        type(name, (), body), name=name, description=f"One step of an order of {source.type_name}s."
    )
