"""The users a change is about, and whether the viewer may change them: where, and not heavier than themselves (D10)."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Any

from models.database import Connection
from models.errors import GainsRights, LastAdministrator, NotFound, OutsideOrganization, Refusal, UserTooHeavy
from resolvers.changes import Change
from resolvers.policy import ADMINISTRATION, Grant, Right, Viewer, require_rights_held, require_weight
from resolvers.references import RoleRow, Roles

BELOW_EACH = (
    "WITH RECURSIVE below(root, id) AS (SELECT id, id FROM organizations WHERE {roots}"
    " UNION SELECT b.root, o.id FROM organizations o JOIN below b ON o.parent_id = b.id) SELECT root, id FROM below"
)


LOCAL = "(p.id IS NULL OR p.kind = 'LOCAL')"


@dataclass(frozen=True)
class Scope:
    """Where the viewer may do something, and how heavy they are there.

    `allowed`: the organizations, None for everywhere. `covered`: what lies at and below each of the viewer's grants.
    """

    viewer: Viewer
    allowed: frozenset[int] | None
    covered: tuple[tuple[Grant, frozenset[int]], ...] = ()

    def weight_at(self, organization_id: int) -> int:
        return max([self.viewer.weight, *(grant.weight for grant in self._grants_at(organization_id))])

    def rights_at(self, organization_id: int) -> frozenset[Right]:
        return self.viewer.rights.union(*(grant.rights for grant in self._grants_at(organization_id)))

    def rights_over(self, organizations: Collection[int]) -> frozenset[Right]:
        """What the viewer may do to a user with just these organizations: grants count that cover all of them."""
        held = set(self.viewer.rights)
        if organizations:
            for right in self.viewer.somewhere - held:
                covered = frozenset().union(*(below for grant, below in self.covered if right in grant.rights))
                if covered.issuperset(organizations):
                    held.add(right)
        return frozenset(held)

    def sees(self, target: "Target", right: Right = Right.READ_USERS) -> bool:
        """Whether the viewer may know that there is this user, as in `visible_through` of resolvers/users.py."""
        viewer = self.viewer
        if right in viewer.rights or target.id == viewer.user_id:
            return True
        administered = [below for grant, below in self.covered if right in grant.rights]
        if not administered:
            return right is Right.READ_USERS and Right.LIST_USERS in viewer.rights
        return not frozenset().union(*administered).isdisjoint(target.organizations)

    def covers(self, target: "Target") -> bool:
        """Whether a user lies wholly within the organizations where the viewer may do it."""
        return self.allowed is None or (bool(target.organizations) and target.organizations <= self.allowed)

    def _grants_at(self, organization_id: int) -> list[Grant]:
        return [grant for grant, below in self.covered if organization_id in below]


async def scope(change: Change, right: Right) -> Scope:
    """Everywhere, where the role gives `right`; else at and below the organizations whose membership gives it."""
    viewer = change.viewer
    covered: tuple[tuple[Grant, frozenset[int]], ...] = ()
    if viewer.grants:
        roots = change.tx.dialect.among("id", "$1", "bigint")
        rows = await change.tx.rows(BELOW_EACH.format(roots=roots), [grant.organization_id for grant in viewer.grants])
        below: dict[int, set[int]] = {}
        for root, organization_id in rows:
            below.setdefault(root, set()).add(organization_id)
        covered = tuple((grant, frozenset(below.get(grant.organization_id, ()))) for grant in viewer.grants)
    if right in viewer.rights:
        return Scope(viewer, None, covered)
    allowed = frozenset().union(*(below for grant, below in covered if right in grant.rights))
    return Scope(viewer, allowed, covered)


@dataclass(frozen=True)
class Target:
    """An existing user that a change is about. `grants` are the roles that hold in single organizations.

    `external_ids` are by their source.
    """

    id: int
    columns: Mapping[str, Any]
    role: RoleRow
    organizations: frozenset[int]
    grants: tuple[tuple[int, RoleRow], ...] = ()
    external_ids: Mapping[str, str] = field(default_factory=dict)

    def __getitem__(self, name: str) -> Any:
        return self.columns[name]


TARGET_COLUMNS = (
    "id",
    "username",
    "username_key",
    "email",
    "email_key",
    "name",
    "name_key",
    "first_name",
    "first_name_key",
    "last_name",
    "last_name_key",
    "external_id",
    "state",
    "role_id",
    "provider_id",
    "ldap_provider_id",
    "login_dn",
    "login_dn_key",
    "name_id",
    "entry_id",
    "can_create_projects_in_root",
    "password_hash",
    "version",
    "match_key_limits",
)


async def find(connection: Connection, known: Roles, ids: Collection[int]) -> dict[int, Target]:
    """These users, with the organizations they belong to and the roles they hold there."""
    wanted = sorted(set(ids))
    among = connection.dialect.among("id", "$1", "bigint")
    rows = await connection.rows(f"SELECT {', '.join(TARGET_COLUMNS)} FROM users WHERE {among}", wanted)
    of_users = connection.dialect.among("user_id", "$1", "bigint")
    members = f"SELECT user_id, organization_id, role_id FROM organization_members WHERE {of_users}"
    memberships: dict[int, dict[int, int | None]] = {}
    for row in await connection.rows(members, wanted):
        memberships.setdefault(row[0], {})[row[1]] = row[2]
    external_ids: dict[int, dict[str, str]] = {}
    for row in await connection.rows(f"SELECT user_id, source, value FROM user_external_ids WHERE {of_users}", wanted):
        external_ids.setdefault(row[0], {})[row[1]] = row[2]
    found = {}
    for row in rows:
        columns = dict(zip(TARGET_COLUMNS, row, strict=True))
        columns["can_create_projects_in_root"] = bool(columns["can_create_projects_in_root"])
        places = memberships.get(row[0], {})
        grants = tuple((place, known.by_id[role]) for place, role in places.items() if role is not None)
        role, own_ids = known.by_id[columns["role_id"]], external_ids.get(row[0], {})
        found[row[0]] = Target(row[0], columns, role, frozenset(places), grants, own_ids)
    return found


def require_manageable(
    change: Change,
    target: Target,
    where: Scope,
    *path: str | int,
    is_self_service: bool = True,
    unseen: Refusal | None = None,
    seen_by: Right = Right.READ_USERS,
) -> None:
    """Wholly within the viewer's organizations, and neither in role nor in membership heavier than the viewer there.

    The place is asked first: how heavy somebody elsewhere is, is nobody's business here. Out of sight, by the right
    that shows what the change is about, is `unseen`, by default NotFound. `is_self_service`: everybody may do it to
    themselves.
    """
    if is_self_service and target.id == change.viewer.user_id:
        return
    if not where.covers(target):
        if not where.sees(target, seen_by):
            raise unseen or NotFound(*path, what="user", key=f"user_{target.id}")
        raise OutsideOrganization(*path, what="This user")
    require_weight(change.viewer, target.role.weight, *path)
    for organization_id, role in target.grants:
        own = where.weight_at(organization_id)
        if role.weight > own:
            raise UserTooHeavy(*path, weight=role.weight, own=own)


def require_no_gain(where: Scope, target: Target, after: Collection[int], *path: str | int) -> None:
    """Nobody gains rights over a user by changing which organizations the user is in. Raises GainsRights."""
    if target.id != where.viewer.user_id:
        wider = where.rights_over(after) - where.rights_over(target.organizations)
        if wider:
            raise GainsRights(*path, what=f"user_{target.id}", rights=", ".join(sorted(wider)))


def require_no_wider(where: Scope, target: Target, *path: str | int, narrow: frozenset[Right] | None = None) -> None:
    """Who takes over a user's way in (password, address, key) holds already whatever that user may do, and where.

    `narrow`: the rights that the way in is narrowed to. One's own user is no exception: a narrow key of theirs may not
    widen itself.
    """
    require_rights_held(where.viewer.rights, _narrowed(target.role.rights, narrow), *path)
    for organization_id, role in target.grants:
        require_rights_held(where.rights_at(organization_id), _narrowed(role.rights, narrow), *path)


def _narrowed(rights: frozenset[Right], narrow: frozenset[Right] | None) -> frozenset[Right]:
    return rights if narrow is None else rights & narrow


def keep_one(administrators: set[int], user_id: int | None, *path: str | int) -> None:
    """Take a user out of those that remain, so that earlier rows of a call count. Raises LastAdministrator."""
    if user_id not in administrators:
        return
    if len(administrators) == 1:
        raise LastAdministrator(*path)
    administrators.discard(user_id)


async def administrators(connection: Connection, known: Roles, *, local: bool = False) -> set[int]:
    """The active users who can change roles and users, and whose way in is switched on (D9).

    `local`: only those whose way in is this service itself, a password or keys, and nobody else's to break.
    """
    able = [role.id for role in known.by_id.values() if role.rights >= ADMINISTRATION]
    held = connection.dialect.among("u.role_id", "$1", "bigint")
    rows = await connection.rows(
        "SELECT u.id FROM users u LEFT JOIN identity_providers p ON p.id = u.provider_id"
        f" WHERE u.state = 'ACTIVE' AND (p.id IS NULL OR p.is_enabled) AND {held}{' AND ' + LOCAL if local else ''}",
        able,
    )
    return {row[0] for row in rows}
