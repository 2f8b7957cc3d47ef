"""Groups as they are read."""

from resolvers import users
from resolvers.filters import Identity, Instant, Some, Text
from resolvers.sources import Column, Kind, Relation, Source, everything

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
    filters={
        "id": Identity("group"),
        "name": Text("{t}.name_key"),
        "createdAt": Instant("{t}.created_at"),
        "users": Some(
            "JOIN group_members m{i} ON m{i}.user_id = {i}.id WHERE m{i}.group_id = {t}.id", lambda: users.SOURCE
        ),
    },
)
OF_USER = Relation(lambda: SOURCE, "m.user_id", "JOIN group_members m ON m.group_id = t.id", few=True)
