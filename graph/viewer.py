"""The viewer: who asks, and what will answer them."""

import strawberry

from graph.fields import Node, argument, nodes, plain, record, viewer_user
from graph.roles import RightEnum
from graph.users import User
from resolvers import users as users_read


@strawberry.type(description="Who asks, and what they may do.")
class Viewer:
    user: User | None = viewer_user(lambda: users_read.SOURCE, "Your own user, whole.")
    permissions: list[RightEnum] = plain("Your rights, narrowed by the key you came with.")
    administered_organization_ids: list[strawberry.ID] = plain("Where a membership gives you rights of its own.")
    visible_user_fields: list[str] = plain("The fields of other users that will answer you.")


@strawberry.type
class ViewerQueries:
    viewer: Viewer = record("Who you are to this service.")
    node: Node | None = nodes("Anything by its typed id.", argument("id", strawberry.ID, "Typed id."))
    nodes: list[Node | None] = nodes(
        "Many things by their typed ids: in the order asked, null where unknown.",
        argument("ids", list[strawberry.ID], "Typed ids; as many as a page may hold."),
    )
