"""API keys in the schema."""

from typing import TYPE_CHECKING, Annotated

import strawberry

from graph.fields import Connection, Node, connection, plain, to_one
from graph.inputs import DateTime
from graph.roles import RightEnum
from resolvers import api_keys as api_keys_read
from resolvers import users as users_read

if TYPE_CHECKING:
    from graph.users import User

lazy = strawberry.lazy


@strawberry.type(description="A key for programs. Its secret was shown once and is not kept.")
class ApiKey(Node):
    id: strawberry.ID = plain("Typed id, such as `key_3`.")
    name: str = plain("What its owner calls it.")
    prefix: str = plain("How its secret begins, to tell keys apart.")
    permissions: list[RightEnum] | None = plain("The rights it is narrowed to; null for all of its owner's.")
    is_valid: bool = plain("Whether it is neither revoked nor expired.")
    expires_at: DateTime | None = plain("When it stops working; null for never.")
    revoked_at: DateTime | None = plain("When it was revoked.")
    last_used_at: DateTime | None = plain("Last request with it, to about a minute.")
    created_at: DateTime = plain("When it was made.")
    user: Annotated["User", lazy("graph.users")] | None = to_one(lambda: users_read.SOURCE, "userId", "Whose it is.")
    created_by: Annotated["User", lazy("graph.users")] | None = to_one(
        lambda: users_read.SOURCE, "createdById", "Who made it."
    )


@strawberry.type
class ApiKeyQueries:
    api_keys: Connection[ApiKey] = connection(
        api_keys_read.SOURCE, "API keys, newest first: your own, or all you may manage."
    )
