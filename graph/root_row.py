"""The parent row of root fields: who asks, and what they may."""

from typing import Any

from graphql import GraphQLObjectType, GraphQLSchema

from resolvers.policy import Viewer, visible_fields


def root_row(schema: GraphQLSchema, columns: list[str], viewer: Viewer) -> list[Any]:
    """The values of these columns."""
    return [viewer.user_id if name == "viewerId" else _about(schema, viewer) for name in columns]


def _about(schema: GraphQLSchema, viewer: Viewer) -> dict[str, Any]:
    """The record behind `viewer`."""
    user = schema.type_map["User"]
    assert isinstance(user, GraphQLObjectType)
    return {
        "viewerId": viewer.user_id,
        "permissions": sorted(viewer.somewhere),
        "administeredOrganizationIds": [f"organization_{grant.organization_id}" for grant in viewer.grants],
        "visibleUserFields": visible_fields(viewer, "User", user.fields),
    }
