"""Sessions in the schema."""

from typing import TYPE_CHECKING, Annotated

import strawberry

from graph.fields import Node, is_current, plain, to_one
from graph.inputs import DateTime
from resolvers import users as users_read

if TYPE_CHECKING:
    from graph.users import User


@strawberry.type(description="A sign-in that lasts. Its token was told once and is not kept.")
class Session(Node):
    id: strawberry.ID = plain("Typed id, such as `session_3`.")
    is_open: bool = plain("Whether it has neither ended nor expired; unused for too long, it opens nothing either.")
    is_current: bool = is_current("Whether it is the one that you come with.")
    created_at: DateTime = plain("When they signed in.")
    last_used_at: DateTime = plain("Last request with it, to about a minute.")
    expires_at: DateTime = plain("When it ends at the latest.")
    ended_at: DateTime | None = plain("When it was ended before that.")
    address: str | None = plain("Where they signed in from.")
    user_agent: str | None = plain("What their browser or program called itself.")
    user: Annotated["User", strawberry.lazy("graph.users")] | None = to_one(
        lambda: users_read.SOURCE, "userId", "Whose it is."
    )
