"""Groups and memberships in them as they are read."""

from resolvers import users
from resolvers.conditions import One, Some
from resolvers.filters import Identity, Instant, Text
from resolvers.policy import Right
from resolvers.sources import Column, Kind, Relation, Source, Sql, everything

SOURCE: Source = Source(
    type_name="Group",
    table="groups",
    prefix="group",
    columns={
        "id": Column("{t}.id", Kind.ID, prefix="group"),
        "name": Column("{t}.name"),
        "description": Column("{t}.description", nullable=True),
        "nameKey": Column("{t}.name_key"),
        "createdAt": Column("{t}.created_at", Kind.INSTANT),
        "updatedAt": Column("{t}.updated_at", Kind.INSTANT),
    },
    visible=everything,
    orders={"ID": "id", "NAME": "nameKey", "CREATED_AT": "createdAt"},
    default_order=(("NAME", False),),
    is_small=True,
    filters={
        "id": Identity("group"),
        "name": Text("{t}.name_key"),
        "createdAt": Instant("{t}.created_at"),
        "users": Some("m{i}.group_id", lambda: users.SOURCE, "JOIN group_members m{i} ON m{i}.user_id = {i}.id"),
    },
)
OF_USER = Relation(lambda: SOURCE, "m.user_id", "JOIN group_members m ON m.group_id = t.id", few=True)


def visible_members(sql: Sql, alias: str) -> str | None:
    """Memberships of users whom the viewer may read, and the viewer's own."""
    return users.visible_through(sql, f"{alias}.user_id", Right.READ_USERS)


MEMBERS: Source = Source(
    type_name="GroupMember",
    table="group_members",
    prefix="groupmembership",
    columns={
        "id": Column("{t}.id", Kind.ID, prefix="groupmembership"),
        "userId": Column("{t}.user_id", Kind.NUMBER),
        "groupId": Column("{t}.group_id", Kind.NUMBER),
        "createdAt": Column("{t}.created_at", Kind.INSTANT),
    },
    visible=visible_members,
    indexed=frozenset({"id", "user", "group"}),
    unique=frozenset({"id"}),
    filters={
        "id": Identity("groupmembership"),
        "user": One("{t}.user_id", lambda: users.SOURCE),
        "group": One("{t}.group_id", lambda: SOURCE),
        "createdAt": Instant("{t}.created_at"),
    },
)
