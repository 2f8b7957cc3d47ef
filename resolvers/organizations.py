"""Organizations and memberships as they are read."""

from resolvers import roles, users
from resolvers.conditions import One, Some
from resolvers.filters import Identity, Instant, Text
from resolvers.sources import Column, Kind, Relation, Source, everything, visible_memberships


def _escaped(name: str) -> str:
    """A name within a path, in SQL: `/` is written `\\/`, a backslash is doubled."""
    return f"REPLACE(REPLACE({name}, '\\', '\\\\'), '/', '\\/')"


# The names from below the root down to the organization, each behind a `/`; the root's own path is `/`.
PATH = (
    "(WITH RECURSIVE up(above, path) AS ("
    f"SELECT {{t}}.parent_id, CASE WHEN {{t}}.parent_id IS NULL THEN '/' ELSE '/' || {_escaped('{t}.name')} END"
    " UNION ALL SELECT p.parent_id,"
    f" CASE WHEN p.parent_id IS NULL THEN up.path ELSE '/' || {_escaped('p.name')} || up.path END"
    " FROM organizations p JOIN up ON p.id = up.above) SELECT up.path FROM up WHERE up.above IS NULL)"
)

SOURCE: Source = Source(
    type_name="Organization",
    table="organizations",
    prefix="organization",
    columns={
        "id": Column("{t}.id", Kind.ID, prefix="organization"),
        "name": Column("{t}.name"),
        "path": Column(PATH),
        "parentId": Column("{t}.parent_id", Kind.NUMBER, nullable=True),
        "nameKey": Column("{t}.name_key"),
        "createdAt": Column("{t}.created_at", Kind.INSTANT),
        "updatedAt": Column("{t}.updated_at", Kind.INSTANT),
    },
    visible=everything,
    orders={"ID": "id", "NAME": "nameKey", "CREATED_AT": "createdAt"},
    default_order=(("NAME", False),),
    is_small=True,
    filters={
        "id": Identity("organization", operators="OrganizationIDFilter"),
        "name": Text("{t}.name_key"),
        "createdAt": Instant("{t}.created_at"),
        "parent": One("{t}.parent_id", lambda: SOURCE),
        "children": Some("{i}.parent_id", lambda: SOURCE),
        "users": Some(
            "m{i}.organization_id",
            lambda: users.SOURCE,
            "JOIN organization_members m{i} ON m{i}.user_id = {i}.id",
            visible=visible_memberships,
        ),
    },
)
OF_USER = Relation(
    lambda: SOURCE,
    "m.user_id",
    "JOIN organization_members m ON m.organization_id = t.id",
    few=True,
    visible=visible_memberships,
)
CHILDREN = Relation(lambda: SOURCE, "t.parent_id", few=True)


MEMBERS: Source = Source(
    type_name="OrganizationMember",
    table="organization_members",
    prefix="membership",
    columns={
        "id": Column("{t}.id", Kind.ID, prefix="membership"),
        "userId": Column("{t}.user_id", Kind.NUMBER),
        "organizationId": Column("{t}.organization_id", Kind.NUMBER),
        "roleId": Column("{t}.role_id", Kind.NUMBER, nullable=True),
        "createdAt": Column("{t}.created_at", Kind.INSTANT),
    },
    visible=visible_memberships,
    indexed=frozenset({"id", "user", "organization"}),
    unique=frozenset({"id"}),
    filters={
        "id": Identity("membership"),
        "user": One("{t}.user_id", lambda: users.SOURCE),
        "organization": One("{t}.organization_id", lambda: SOURCE),
        "role": One("{t}.role_id", lambda: roles.SOURCE),
        "createdAt": Instant("{t}.created_at"),
    },
)
MEMBERS_OF_ORGANIZATION = Relation(lambda: MEMBERS, "t.organization_id")
MEMBERSHIPS_OF_USER = Relation(lambda: MEMBERS, "t.user_id", few=True)
