"""Who may do and see what: the viewer, the rights, and every permission decision. Pure; nothing here does I/O."""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import Enum, StrEnum

from models.errors import Forbidden, NarrowKey, OutsideOrganization, RightsTooWide, RoleTooHeavy, UserTooHeavy


class Right(StrEnum):
    """What a role allows. A viewer holds the rights of their role, narrowed by the key they came with."""

    USE_SELF_SERVICE = "USE_SELF_SERVICE"
    READ_DIRECTORY = "READ_DIRECTORY"
    LIST_USERS = "LIST_USERS"
    READ_USERS = "READ_USERS"
    CREATE_USERS = "CREATE_USERS"
    UPDATE_USERS = "UPDATE_USERS"
    INVITE_USERS = "INVITE_USERS"
    CONVERT_USERS = "CONVERT_USERS"
    DEACTIVATE_USERS = "DEACTIVATE_USERS"
    DELETE_USERS = "DELETE_USERS"
    ERASE_USERS = "ERASE_USERS"
    SET_PASSWORDS = "SET_PASSWORDS"
    MANAGE_API_KEYS = "MANAGE_API_KEYS"
    MANAGE_GROUPS = "MANAGE_GROUPS"
    MANAGE_ORGANIZATIONS = "MANAGE_ORGANIZATIONS"
    MANAGE_PROVIDERS = "MANAGE_PROVIDERS"
    MANAGE_ROLES = "MANAGE_ROLES"
    READ_AUDIT = "READ_AUDIT"


ALL = frozenset(Right)
IT = ALL - {Right.DELETE_USERS, Right.ERASE_USERS, Right.MANAGE_ROLES, Right.MANAGE_PROVIDERS}
MEMBER = frozenset({Right.USE_SELF_SERVICE, Right.READ_DIRECTORY, Right.LIST_USERS})
READ_ONLY = frozenset({Right.USE_SELF_SERVICE})


@dataclass(frozen=True)
class BuiltInRole:
    name: str
    weight: int
    rights: frozenset[Right]
    synonyms: tuple[str, ...] = ()


BUILT_IN_ROLES = (
    BuiltInRole("Admin", 100, ALL, ("FullAdmin", "Full admin", "Administrator")),
    BuiltInRole("IT", 80, IT, ("LimitedAdmin", "Limited admin")),
    BuiltInRole("Project manager", 60, MEMBER, ("ProjectManager",)),
    BuiltInRole("Normal user", 40, MEMBER, ("Participant", "User")),
    BuiltInRole("Read only", 20, READ_ONLY, ("Only read", "ReadOnly")),
)
DEACTIVATED = "deactivated"  # S2's "role" that is a state
ROOT_PROJECT_ROLES = frozenset({"IT", "Project manager"})  # who can have canCreateProjectsInRoot at all (S3)

# Whoever holds one of these can make themselves administrator, so losing its last holder locks everybody out.
ADMINISTRATION = frozenset({Right.MANAGE_ROLES, Right.UPDATE_USERS})

# What belongs to the platform and to no organization: a membership's role does not give these.
PLATFORM = frozenset({Right.ERASE_USERS, Right.MANAGE_PROVIDERS})

# What works without a key, because it brings a token of its own or gives nothing away.
FOR_STRANGERS = frozenset(
    {"__typename", "acceptInvitation", "invitationByToken", "requestPasswordReset", "resetPassword", "signIn"}
)

# What a session is good for whose user must set a second factor up first.
FOR_ENROLLING = frozenset(
    {"__schema", "__type", "me", "viewer", "enrollSecondFactor", "confirmSecondFactor", "signOut"}
)

# The right that each type's fields need when they are not the viewer's own. `*` is every field that is not named.
FIELD_RIGHTS: Mapping[str, Mapping[str, Right]] = {
    "User": {"id": Right.LIST_USERS, "stableId": Right.LIST_USERS, "name": Right.LIST_USERS, "*": Right.READ_USERS},
    "Role": {"userCount": Right.READ_USERS, "users": Right.READ_USERS, "*": Right.READ_DIRECTORY},
    "IdentityProvider": {
        "userCount": Right.READ_USERS,
        "users": Right.READ_USERS,
        "ldapSettings": Right.MANAGE_PROVIDERS,
        "samlSettings": Right.MANAGE_PROVIDERS,
        "*": Right.READ_DIRECTORY,
    },
    "Organization": {
        "userCount": Right.READ_USERS,
        "users": Right.READ_USERS,
        "members": Right.READ_USERS,
        "*": Right.READ_DIRECTORY,
    },
    "OrganizationMember": {"*": Right.READ_USERS},
    "GroupMember": {"*": Right.READ_USERS},
    "Group": {"userCount": Right.READ_USERS, "users": Right.READ_USERS, "*": Right.READ_DIRECTORY},
    "Invitation": {"*": Right.INVITE_USERS},
    "ApiKey": {"*": Right.USE_SELF_SERVICE},
    "DirectoryJob": {"*": Right.UPDATE_USERS},
    "DirectoryJobRow": {"*": Right.READ_USERS},
    "Session": {"*": Right.USE_SELF_SERVICE},
    "SavedReport": {"*": Right.READ_DIRECTORY},  # its document; what it answers is up to the rights of who runs it
    "AuditEvent": {"*": Right.READ_AUDIT},
}
# What hangs on the viewer's own user and may be read with it, by whatever role.
OWN_NEIGHBOURS = frozenset({"id", "stableId", "name", "weight", "permissions", "kind", "description"})


@dataclass(frozen=True)
class Grant:
    """What a membership's role gives its holder in an organization and below."""

    organization_id: int
    rights: frozenset[Right]
    weight: int


@dataclass(frozen=True)
class GrantLimit:
    """The heaviest role and the rights that somebody can grant everywhere. `rights` None is every right."""

    weight: int
    rights: frozenset[Right] | None

    def covers(self, weight: int, rights: Collection[Right]) -> bool:
        return weight <= self.weight and (self.rights is None or set(rights) <= self.rights)

    def meet(self, other: "GrantLimit") -> "GrantLimit":
        """What both can grant."""
        if self.rights is None or other.rights is None:
            rights = self.rights if other.rights is None else other.rights
        else:
            rights = self.rights & other.rights
        return GrantLimit(min(self.weight, other.weight), rights)


NO_GRANT = GrantLimit(0, frozenset())
PROVED = GrantLimit(100, None)  # a key whose owner has proved that it is theirs


@dataclass(frozen=True)
class Viewer:
    """Who asks. `rights` hold everywhere; `grants` hold below their organization. They come with a key or a session."""

    user_id: int | None = None
    username: str | None = None
    role_id: int | None = None
    weight: int = 0
    rights: frozenset[Right] = frozenset()
    grants: tuple[Grant, ...] = ()
    key_id: int | None = None
    key_is_narrow: bool = False
    key_expires_at: datetime | None = None
    session_id: int | None = None
    must_enroll: bool = False  # a session that is good for nothing but setting up the second factor
    request_id: str | None = None

    @property
    def is_stranger(self) -> bool:
        return self.user_id is None

    @property
    def grant_limit(self) -> GrantLimit:
        return GrantLimit(self.weight, self.rights)

    @property
    def somewhere(self) -> frozenset[Right]:
        return self.rights.union(*(grant.rights - PLATFORM for grant in self.grants)) if self.grants else self.rights

    def organizations_with(self, right: Right) -> list[int]:
        """The organizations at and below which the viewer holds `right` through a membership."""
        return [grant.organization_id for grant in self.grants if right in grant.rights]

    def can(self, right: Right) -> bool:
        return right in self.somewhere

    def require(self, right: Right, *path: str | int) -> None:
        if not self.can(right):
            raise self._missing(right, *path)

    def require_everywhere(self, right: Right, *path: str | int) -> None:
        """For what belongs to the platform and not to one organization."""
        if right not in self.rights:
            raise self._missing(right, *path)

    def _missing(self, right: Right, *path: str | int) -> Forbidden:
        kind = NarrowKey if self.key_is_narrow else Forbidden
        return kind(*path, what=_plain(right), right=right)

    def require_self_or(self, right: Right, subjects: Iterable[int], *path: str | int) -> None:
        """Everybody may do this to themselves; to others, who holds `right`."""
        if set(subjects) == {self.user_id}:
            right = Right.USE_SELF_SERVICE
        self.require(right, *path)


NOBODY = Viewer()


def _plain(right: Right) -> str:
    return right.value.lower().replace("_", " ")


class Reach(Enum):
    """How far a selection is from the viewer: their own user, what hangs on it, or anything else."""

    OWN = "OWN"
    NEAR = "NEAR"
    FAR = "FAR"

    def to(self, type_name: str) -> "Reach":
        """How far rows of a type are that hang on this one. A membership of one's own is part of oneself."""
        if self is Reach.OWN:
            return Reach.OWN if type_name == "OrganizationMember" else Reach.NEAR
        return Reach.FAR


def may_read(viewer: Viewer, type_name: str, field_name: str, reach: Reach = Reach.FAR) -> bool:
    """Whether this viewer may read a field of some row; which rows, the SQL decides."""
    rights = FIELD_RIGHTS.get(type_name)
    if rights is None or reach is Reach.OWN or (reach is Reach.NEAR and field_name in OWN_NEIGHBOURS):
        return True
    return viewer.can(rights.get(field_name, rights["*"]))


def list_right(viewer: Viewer, type_name: str) -> Right | None:
    """The right without which the viewer may not even list rows of a type; None for who may."""
    rights = FIELD_RIGHTS.get(type_name)
    if rights is None or viewer.can(right := rights.get("id", rights["*"])):
        return None
    return right


def visible_fields(viewer: Viewer, type_name: str, names: Iterable[str]) -> list[str]:
    return [name for name in names if may_read(viewer, type_name, name)]


def require_weight(viewer: Viewer, weight: int, *path: str | int) -> None:
    """Nobody changes a user heavier than themselves (D10)."""
    if weight > viewer.weight:
        raise UserTooHeavy(*path, weight=weight, own=viewer.weight)


def require_grantable(
    viewer: Viewer,
    name: str,
    weight: int,
    rights: Collection[Right],
    *path: str | int,
    organization_ids: Collection[int] = (),
) -> None:
    """Nobody grants a role heavier than their own, or with rights they do not hold themselves (D10).

    `organization_ids` are the grants' organizations that cover where the role will hold; none means everywhere.
    """
    held, own = viewer.rights, viewer.weight
    for grant in viewer.grants:
        if grant.organization_id in organization_ids:
            held, own = held | grant.rights, max(own, grant.weight)
    if weight > own:
        raise RoleTooHeavy(*path, name=name, weight=weight, own=own)
    require_rights_held(held, rights, *path)


def require_rights_held(held: Collection[Right], rights: Collection[Right], *path: str | int) -> None:
    wider = sorted(set(rights) - set(held))
    if wider:
        raise RightsTooWide(*path, rights=", ".join(wider))


def require_within(
    organizations: Collection[int], allowed: Collection[int] | None, what: str, *path: str | int
) -> None:
    """`allowed` None is everywhere; otherwise at least one organization is needed, and all within (D10)."""
    if allowed is None:
        return
    if not organizations or not set(organizations) <= set(allowed):
        raise OutsideOrganization(*path, what=what)
