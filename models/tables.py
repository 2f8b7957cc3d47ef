"""Every table in one namespace, for Tortoise and for whoever needs several."""

from models.api_keys import ApiKey
from models.audit import AuditEvent, StoredAnswer
from models.credentials import PasswordReset, RecoveryCode, SignInFailure
from models.directories import DirectoryEntry, DirectoryJob, DirectoryJobRow
from models.grant_limits import KeyGrantLimit
from models.groups import Group, GroupMember
from models.history import (
    ApiKeyVersion,
    GroupMemberVersion,
    GroupVersion,
    IdentityProviderVersion,
    OrganizationMemberVersion,
    OrganizationVersion,
    RoleNameVersion,
    RoleVersion,
    UserAliasVersion,
    UserExternalIdVersion,
    UserTagVersion,
    UserVariableVersion,
    UserVersion,
)
from models.invitations import Invitation
from models.letters import Letter
from models.organizations import Organization, OrganizationMember
from models.providers import IdentityProvider
from models.roles import Role, RoleName
from models.saml import SamlAssertion, SamlRequest
from models.saved_reports import SavedReport, SavedReportRole
from models.sessions import Session
from models.users import PreviousIdentity, User, UserAlias, UserExternalId, UserTag, UserVariable

__all__ = [
    "ApiKey",
    "ApiKeyVersion",
    "AuditEvent",
    "DirectoryEntry",
    "DirectoryJob",
    "DirectoryJobRow",
    "Group",
    "GroupMember",
    "GroupMemberVersion",
    "GroupVersion",
    "IdentityProvider",
    "IdentityProviderVersion",
    "Invitation",
    "KeyGrantLimit",
    "Letter",
    "Organization",
    "OrganizationMember",
    "OrganizationMemberVersion",
    "OrganizationVersion",
    "PasswordReset",
    "PreviousIdentity",
    "RecoveryCode",
    "Role",
    "RoleName",
    "RoleNameVersion",
    "RoleVersion",
    "SamlAssertion",
    "SamlRequest",
    "SavedReport",
    "SavedReportRole",
    "Session",
    "SignInFailure",
    "StoredAnswer",
    "User",
    "UserAlias",
    "UserAliasVersion",
    "UserExternalId",
    "UserExternalIdVersion",
    "UserTag",
    "UserTagVersion",
    "UserVariable",
    "UserVariableVersion",
    "UserVersion",
]
