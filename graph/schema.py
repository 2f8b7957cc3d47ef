"""The schema: every feature merged, and its root fields tied to the compiled read path."""

from functools import cache
from typing import Any

import strawberry
from graphql import GraphQLResolveInfo, GraphQLSchema
from strawberry.schema.config import StrawberryConfig

from graph.activate_users import ActivateUserMutations
from graph.api_keys import ApiKeyQueries
from graph.audit import AuditQueries
from graph.change_api_keys import ApiKeyMutations
from graph.change_groups import GroupMutations
from graph.change_organizations import OrganizationMutations
from graph.change_providers import ProviderMutations
from graph.change_roles import RoleMutations
from graph.change_saved_reports import SavedReportMutations
from graph.change_sessions import SessionMutations
from graph.convert_users import ConvertUserMutations
from graph.create_users import CreateUserMutations
from graph.delete_users import DeleteUserMutations
from graph.directories import DirectoryQueries
from graph.erase_users import EraseUserMutations
from graph.groups import GroupQueries
from graph.inputs import SCALARS
from graph.invitations import InvitationQueries
from graph.invite_users import InviteUserMutations
from graph.mutations import resolver_of
from graph.organizations import OrganizationQueries
from graph.passwords import PasswordMutations
from graph.probe_providers import ProbeProviderMutations
from graph.providers import ProviderQueries
from graph.raw_results import Complete
from graph.reconcile_users import ReconcileUserMutations
from graph.reports import ReportQueries
from graph.roles import RoleQueries
from graph.saved_reports import SavedReportQueries
from graph.second_factor import SecondFactorMutations
from graph.sign_in import SignInMutations
from graph.sites import spec_of
from graph.sync_directories import SyncDirectoryMutations
from graph.update_users import UpdateUserMutations
from graph.upsert_users import UpsertUserMutations
from graph.users import UserQueries
from graph.viewer import ViewerQueries
from resolvers import (
    api_keys,
    audit,
    directories,
    groups,
    invitations,
    organizations,
    providers,
    roles,
    saved_reports,
    sessions,
    users,
)
from resolvers.sources import Source

SOURCES: dict[str, Source] = {
    source.type_name: source
    for source in (
        users.SOURCE,
        roles.SOURCE,
        providers.SOURCE,
        organizations.SOURCE,
        groups.SOURCE,
        invitations.SOURCE,
        api_keys.SOURCE,
        sessions.SOURCE,
        audit.SOURCE,
        directories.JOBS,
        directories.ROWS,
        groups.MEMBERS,
        organizations.MEMBERS,
        saved_reports.SOURCE,
    )
}


@strawberry.type(description="What can be asked.")
class Query(
    ViewerQueries,
    UserQueries,
    RoleQueries,
    ProviderQueries,
    OrganizationQueries,
    GroupQueries,
    InvitationQueries,
    ApiKeyQueries,
    AuditQueries,
    DirectoryQueries,
    SavedReportQueries,
    ReportQueries,
):
    pass


@strawberry.type(description="What can be changed.")
class Mutation(
    CreateUserMutations,
    InviteUserMutations,
    UpdateUserMutations,
    UpsertUserMutations,
    ReconcileUserMutations,
    SyncDirectoryMutations,
    ConvertUserMutations,
    ActivateUserMutations,
    DeleteUserMutations,
    EraseUserMutations,
    PasswordMutations,
    SecondFactorMutations,
    ApiKeyMutations,
    SignInMutations,
    SessionMutations,
    RoleMutations,
    ProviderMutations,
    ProbeProviderMutations,
    OrganizationMutations,
    GroupMutations,
    SavedReportMutations,
):
    pass


def build() -> strawberry.Schema:
    schema = strawberry.Schema(
        query=Query,
        mutation=Mutation,
        config=StrawberryConfig(scalar_map=SCALARS),  # type: ignore[arg-type]
    )
    _tie(schema._schema)
    return schema


@cache
def built() -> GraphQLSchema:
    """The schema of this process, which nothing changes: made once, however many applications it serves."""
    return build()._schema


def _tie(schema: GraphQLSchema) -> None:
    """Queries answer from what their plan has read; mutations run, and shape their payload by plan too."""
    assert schema.query_type is not None
    assert schema.mutation_type is not None
    for field in schema.query_type.fields.values():
        field.resolve = _read
    for field in schema.mutation_type.fields.values():
        field.resolve = resolver_of(spec_of(field))


def _read(_: Any, info: GraphQLResolveInfo[Any], **arguments: Any) -> Complete:
    return Complete(info.context.roots[info.path.key])
