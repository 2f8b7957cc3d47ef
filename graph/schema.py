"""The schema: every feature merged, and its root fields tied to the compiled read path."""

from typing import Any

import strawberry
from graphql import GraphQLObjectType, GraphQLResolveInfo, GraphQLSchema
from strawberry.schema.config import StrawberryConfig

from graph.api_keys import ApiKeyQueries
from graph.audit import AuditQueries
from graph.executor import Complete
from graph.groups import GroupQueries
from graph.inputs import SCALARS
from graph.invitations import InvitationQueries
from graph.mutations import resolver_of
from graph.organizations import OrganizationQueries
from graph.providers import ProviderQueries
from graph.roles import RoleQueries
from graph.selection import spec_of
from graph.users import UserQueries
from graph.viewer import ViewerQueries
from resolvers import api_keys, audit, groups, invitations, organizations, providers, roles, users
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
        audit.SOURCE,
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
):
    pass


def build() -> strawberry.Schema:
    schema = strawberry.Schema(
        query=Query,
        config=StrawberryConfig(scalar_map=SCALARS),  # type: ignore[arg-type]
    )
    _tie(schema._schema)
    return schema


def _tie(schema: GraphQLSchema) -> None:
    """Queries answer from what their plan has read; mutations run, and shape their payload by plan too."""
    assert schema.query_type is not None
    for field in schema.query_type.fields.values():
        field.resolve = _read
    for field in (schema.mutation_type or GraphQLObjectType("None", {})).fields.values():
        field.resolve = resolver_of(spec_of(field))


def _read(_: Any, info: GraphQLResolveInfo, **arguments: Any) -> Complete:
    return Complete(info.context.roots[info.path.key])
