"""Placing new and changed users under the policy: roles, ways in, groups, organizations, and where the viewer acts."""

from collections.abc import Mapping, Sequence
from typing import Any

from resolvers import references, targets
from resolvers.changes import Change
from resolvers.directory_links import require_linkable
from resolvers.drafts import Draft, login_dn_path
from resolvers.policy import ROOT_PROJECT_ROLES, Right, require_grantable, require_within
from resolvers.references import Providers, RoleRow, Roles


class Placing:
    """The roles, providers, groups and organizations that a call's rows refer to, and where the viewer may act."""

    def __init__(self, change: Change, roles: Roles, providers: Providers, where: targets.Scope) -> None:
        self.change = change
        self.roles = roles
        self.providers = providers
        self.where = where
        self.allowed = where.allowed
        self.reads_directory: int | None = None  # the provider whose own entries the rows are
        self.groups: Mapping[int, str] = {}
        self.organizations: Mapping[int, str] = {}

    @classmethod
    async def load(cls, change: Change, right: Right, drafts: Sequence[Draft]) -> "Placing":
        tx = change.tx
        placing = cls(
            change,
            await references.roles(tx),
            await references.providers(tx),
            await targets.scope(change, right),
        )
        placing.groups = await references.names_of(tx, "groups", _numbers(drafts, "groups", "group_ids"))
        organizations = _numbers(drafts, "organizations", "organization_ids")
        placing.organizations = await references.names_of(tx, "organizations", organizations)
        return placing

    def role(self, draft: Draft, given: Mapping[str, Any] | None) -> RoleRow | None:
        """The role given, or the default; refused where the viewer may not grant it."""
        path = (*draft.path, "role")
        named = given if given is not None else {"name": self.change.settings.default_role}
        role = draft.attempt(lambda: self.roles.find(named, *path))
        if role is not None:
            draft.attempt(lambda: require_grantable(self.change.viewer, role.name, role.weight, role.rights, *path))
            draft.columns["role_id"] = role.id
        found: RoleRow | None = role
        return found

    def identity(self, draft: Draft, given: Mapping[str, Any] | None) -> None:
        """How a new user signs in; a link to a directory's entry only from who may make one, or from the directory."""
        path = (*draft.path, "authentication")
        identity = draft.attempt(lambda: self.providers.identity(given or {"local": {}}, *path))
        if identity is not None:
            draft.columns |= identity.columns
            draft.attempt(self.require_linkable, identity.ldap_provider_id, *draft.path, *login_dn_path(draft))
            local = (given or {}).get("local") or {}
            draft.columns["password_hash"] = local.get("password_hash")
            draft.refusals += [local["refusal"]] if "refusal" in local else []

    def require_linkable(self, provider_id: int | None, *path: str | int) -> None:
        """Raises RoleTooHeavy and RightsTooWide. `provider_id`: of a directory, or None."""
        if provider_id is not None and provider_id != self.reads_directory:
            require_linkable(self.change.viewer, self.providers.by_id[provider_id], self.roles, *path)

    def memberships(self, draft: Draft) -> None:
        resolve = references.resolve_ids
        draft.group_ids = resolve(
            draft.given.get("group_ids") or (),
            "group",
            "group",
            self.groups,
            draft.refusals,
            *draft.path,
            "groupIds",
        )
        draft.organization_ids = resolve(
            draft.given.get("organization_ids") or (),
            "organization",
            "organization",
            self.organizations,
            draft.refusals,
            *draft.path,
            "organizationIds",
        )

    def within(self, draft: Draft) -> None:
        """A new user of an organization's administrator belongs to that administrator's organizations."""
        path = (*draft.path, "organizationIds")
        draft.attempt(lambda: require_within(draft.organization_ids, self.allowed, "A new user", *path))

    def project_right(self, draft: Draft, role: RoleRow | None, default: bool) -> bool:
        """May-create-projects-in-root is for IT and Project managers, ignored for others, and given everywhere only."""
        given = draft.given.get("can_create_projects_in_root")
        if role is None or role.name not in ROOT_PROJECT_ROLES:
            return False
        if given is not None and bool(given) != default:
            path = (*draft.path, "canCreateProjectsInRoot")
            draft.attempt(self.change.viewer.require_everywhere, Right.UPDATE_USERS, *path)
        return default if given is None else bool(given)


def _numbers(drafts: Sequence[Draft], name: str, given: str) -> set[int]:
    """What of a kind the drafts add (typed ids in `given`) and take away."""
    typed = {each for draft in drafts for each in draft.given.get(given) or ()}
    found = (references.number_or_none(each) for each in typed)
    left = {each for draft in drafts for each in draft.left.get(name, ())}
    return left | {number for number in found if number is not None}
