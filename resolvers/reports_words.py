"""The vocabularies of reports: what users are grouped by, what is measured of them, and what a column holds."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum


class DimensionField(StrEnum):
    """What users can be grouped by."""

    ROLE = "ROLE"
    STATE = "STATE"
    ACCESSIBILITY = "ACCESSIBILITY"
    IDENTITY_PROVIDER = "IDENTITY_PROVIDER"
    ORGANIZATION = "ORGANIZATION"
    GROUP = "GROUP"
    TAG = "TAG"
    VARIABLE = "VARIABLE"
    EXTERNAL_ID_SOURCE = "EXTERNAL_ID_SOURCE"
    EMAIL_DOMAIN = "EMAIL_DOMAIN"
    CREATED_AT = "CREATED_AT"
    UPDATED_AT = "UPDATED_AT"
    LAST_LOGIN_AT = "LAST_LOGIN_AT"
    LAST_API_REQUEST_AT = "LAST_API_REQUEST_AT"
    LAST_LOGIN_AGE = "LAST_LOGIN_AGE"
    LAST_USE_AGE = "LAST_USE_AGE"
    IS_ACTIVE = "IS_ACTIVE"
    IS_2FA_ENABLED = "IS_2FA_ENABLED"
    HAS_VALID_PASSWORD = "HAS_VALID_PASSWORD"  # noqa: S105
    IS_API_ONLY = "IS_API_ONLY"
    IS_LDAP = "IS_LDAP"
    IS_SAML = "IS_SAML"


class Interval(StrEnum):
    """How long a bucket of dates is, in UTC; weeks begin on Monday."""

    YEAR = "YEAR"
    QUARTER = "QUARTER"
    MONTH = "MONTH"
    WEEK = "WEEK"
    DAY = "DAY"


class MeasureKind(StrEnum):
    """What is told of the users in a bucket."""

    COUNT = "COUNT"
    DISTINCT = "DISTINCT"
    SHARE = "SHARE"
    RATE = "RATE"
    FIRST = "FIRST"
    LAST = "LAST"

    @property
    def is_moment(self) -> bool:
        return self in (MeasureKind.FIRST, MeasureKind.LAST)


class ColumnKind(StrEnum):
    """What a column holds, the same on both databases."""

    ID = "ID"
    TEXT = "TEXT"
    NUMBER = "NUMBER"
    SHARE = "SHARE"
    FLAG = "FLAG"
    DATE = "DATE"
    INSTANT = "INSTANT"


@dataclass(frozen=True)
class Column:
    name: str
    title: str
    kind: ColumnKind
    is_measure: bool


F = DimensionField
DATES = frozenset({F.CREATED_AT, F.UPDATED_AT, F.LAST_LOGIN_AT, F.LAST_API_REQUEST_AT})
AGES = frozenset({F.LAST_LOGIN_AGE, F.LAST_USE_AGE})
FLAGS = frozenset({F.IS_ACTIVE, F.IS_2FA_ENABLED, F.HAS_VALID_PASSWORD, F.IS_API_ONLY, F.IS_LDAP, F.IS_SAML})
WITH_ID = frozenset({F.ROLE, F.IDENTITY_PROVIDER, F.ORGANIZATION, F.GROUP})
# A user may have several, and then counts in each.
MANY = frozenset({F.ORGANIZATION, F.GROUP, F.TAG, F.EXTERNAL_ID_SOURCE})

AGE_DAYS = (7, 30, 90, 180, 365)
# By the number of the bucket: a bucket's longer end belongs to it, and who never came stands last.
AGE_LABELS = (
    "up to 7 days",
    "7 to 30 days",
    "30 to 90 days",
    "90 to 180 days",
    "180 to 365 days",
    "over 365 days",
    "never",
)

TITLES: Mapping[DimensionField, str] = {
    F.ROLE: "Role",
    F.STATE: "State",
    F.ACCESSIBILITY: "Accessibility",
    F.IDENTITY_PROVIDER: "Identity provider",
    F.ORGANIZATION: "Organization",
    F.GROUP: "Group",
    F.TAG: "Tag",
    F.VARIABLE: "Variable",
    F.EXTERNAL_ID_SOURCE: "Source of external id",
    F.EMAIL_DOMAIN: "Email domain",
    F.CREATED_AT: "Created",
    F.UPDATED_AT: "Updated",
    F.LAST_LOGIN_AT: "Last login",
    F.LAST_API_REQUEST_AT: "Last API request",
    F.LAST_LOGIN_AGE: "Last login, how long ago",
    F.LAST_USE_AGE: "Last use, how long ago",
    F.IS_ACTIVE: "Active",
    F.IS_2FA_ENABLED: "Second factor",
    F.HAS_VALID_PASSWORD: "Valid password",
    F.IS_API_ONLY: "API only",
    F.IS_LDAP: "LDAP",
    F.IS_SAML: "SAML",
}

# What must be readable to group by it, or to ask for its different values.
READS: Mapping[DimensionField, tuple[tuple[str, str], ...]] = {
    F.ROLE: (("User", "role"), ("Role", "id"), ("Role", "name")),
    F.STATE: (("User", "state"),),
    F.ACCESSIBILITY: (("User", "accessibility"),),
    F.IDENTITY_PROVIDER: (("User", "identityProvider"), ("IdentityProvider", "id"), ("IdentityProvider", "name")),
    F.ORGANIZATION: (("User", "organizations"), ("Organization", "id"), ("Organization", "name")),
    F.GROUP: (("User", "groups"), ("Group", "id"), ("Group", "name")),
    F.TAG: (("User", "tags"),),
    F.VARIABLE: (("User", "variables"),),
    F.EXTERNAL_ID_SOURCE: (("User", "externalIds"),),
    F.EMAIL_DOMAIN: (("User", "email"),),
    F.CREATED_AT: (("User", "createdAt"),),
    F.UPDATED_AT: (("User", "updatedAt"),),
    F.LAST_LOGIN_AT: (("User", "lastLoginAt"),),
    F.LAST_API_REQUEST_AT: (("User", "lastApiRequestAt"),),
    F.LAST_LOGIN_AGE: (("User", "lastLoginAt"),),
    F.LAST_USE_AGE: (("User", "lastLoginAt"), ("User", "lastApiRequestAt")),
    F.IS_ACTIVE: (("User", "isActive"),),
    F.IS_2FA_ENABLED: (("User", "is2faEnabled"),),
    F.HAS_VALID_PASSWORD: (("User", "hasValidPassword"),),
    F.IS_API_ONLY: (("User", "isApiOnly"),),
    F.IS_LDAP: (("User", "isLdap"),),
    F.IS_SAML: (("User", "isSaml"),),
}

_KINDS = {
    MeasureKind.COUNT: ColumnKind.NUMBER,
    MeasureKind.DISTINCT: ColumnKind.NUMBER,
    MeasureKind.SHARE: ColumnKind.SHARE,
    MeasureKind.RATE: ColumnKind.SHARE,
    MeasureKind.FIRST: ColumnKind.INSTANT,
    MeasureKind.LAST: ColumnKind.INSTANT,
}


def kind_of(of: DimensionField | MeasureKind) -> ColumnKind:
    """What its column holds; of a dimension with an id, the id."""
    if isinstance(of, MeasureKind):
        return _KINDS[of]
    if of in WITH_ID:
        return ColumnKind.ID
    return ColumnKind.DATE if of in DATES else ColumnKind.FLAG if of in FLAGS else ColumnKind.TEXT


def words(name: str) -> str:
    """`Without second factor` for `withoutSecondFactor`: a name of the asker's as a title."""
    spaced = re.sub(r"(?<=[a-z0-9])(?=[A-Z])|_+", " ", name).strip()
    return spaced[:1].upper() + spaced[1:].lower() if spaced else name
