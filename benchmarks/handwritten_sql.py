"""The statements of the hand-written peer, as somebody who knows both databases writes them."""

from collections.abc import Mapping

Statements = Mapping[str, tuple[str, tuple[str, ...]]]  # kind → statement, the variables in the order of its places

_COLUMNS = "id, username, email, name, state, last_login_at, created_at, role_id, created_by_id"


def _statements(whole: Mapping[str, str], conditions: Mapping[str, tuple[str, str, tuple[str, ...]]]) -> Statements:
    """A page for each condition and order; `whole` says how a page becomes JSON."""
    made = {}
    for kind, (condition, order, names) in conditions.items():
        page = f"SELECT {_COLUMNS} FROM users u {condition} ORDER BY {order} LIMIT {{first}}"
        form = whole.get(kind, whole["page"])
        made[kind] = form.replace("<page>", page).replace("<order>", order).replace("<where>", condition), names
    return made


_POSTGRES_PAGE = """
WITH page AS (<page>),
places AS (
    SELECT m.user_id, json_agg(json_build_object('id', o.id, 'name', o.name)) AS list
    FROM organization_members m JOIN organizations o ON o.id = m.organization_id
    WHERE m.user_id IN (SELECT id FROM page) GROUP BY m.user_id
)
SELECT coalesce(json_agg(s), '[]')<cast> FROM (
    SELECT u.id, u.username, u.email, u.name, u.state,
        u.last_login_at AS "lastLoginAt", u.created_at AS "createdAt",
        (SELECT x FROM (SELECT r.id, r.name, r.weight) x) AS role,
        coalesce(p.list, '[]') AS organizations,
        (SELECT x FROM (SELECT c.id, c.username) x WHERE c.id IS NOT NULL) AS "createdBy"
    FROM page u JOIN roles r ON r.id = u.role_id
    LEFT JOIN users c ON c.id = u.created_by_id
    LEFT JOIN places p ON p.user_id = u.id
    ORDER BY <order>
) s"""

_POSTGRES_ONE = """
SELECT row_to_json(s)::text FROM (
    SELECT u.id, u.username, u.email, u.name, u.state,
        u.last_login_at AS "lastLoginAt", u.created_at AS "createdAt",
        (SELECT x FROM (SELECT r.id, r.name, r.weight) x) AS role,
        (SELECT coalesce(json_agg(x), '[]') FROM (
            SELECT o.id, o.name FROM organization_members m JOIN organizations o ON o.id = m.organization_id
            WHERE m.user_id = u.id) x) AS organizations,
        (SELECT x FROM (SELECT c.id, c.username) x WHERE c.id IS NOT NULL) AS "createdBy"
    FROM users u JOIN roles r ON r.id = u.role_id LEFT JOIN users c ON c.id = u.created_by_id
    <where>
) s"""

POSTGRES = _statements(
    {
        "page": _POSTGRES_PAGE.replace("<cast>", "::text"),
        "one": _POSTGRES_ONE,
        "filtered": "SELECT json_build_object('totalCount', (SELECT count(*) FROM users u <where>), 'nodes', ("
        + _POSTGRES_PAGE.replace("<cast>", "")
        + "))::text",
    },
    {
        "page": ("", "u.id", ()),
        "one": ("WHERE u.id = $1", "u.id", ("id",)),
        "filtered": (
            "WHERE u.role_id = (SELECT id FROM roles WHERE name = $1) AND u.created_at > $2::text::timestamptz",
            "u.last_login_at DESC NULLS LAST, u.id DESC",
            ("role", "since"),
        ),
        "behind": ("WHERE u.id > $1", "u.id", ("after",)),
        "search": ("WHERE u.search_key LIKE '%' || $1 || '%'", "u.id", ("word",)),
    },
)

# The page is the outermost loop, so its order is the array's.
_SQLITE_PERSON = """json_object('id', u.id, 'username', u.username, 'email', u.email, 'name', u.name, 'state', u.state,
    'lastLoginAt', replace(u.last_login_at, ' ', 'T'), 'createdAt', replace(u.created_at, ' ', 'T'),
    'role', json_object('id', r.id, 'name', r.name, 'weight', r.weight),
    'organizations', (SELECT json_group_array(json_object('id', o.id, 'name', o.name))
        FROM organization_members m JOIN organizations o ON o.id = m.organization_id WHERE m.user_id = u.id),
    'createdBy', CASE WHEN c.id IS NOT NULL THEN json_object('id', c.id, 'username', c.username) END)"""

_SQLITE_PAGE = f"""
SELECT json_group_array({_SQLITE_PERSON})
FROM (<page>) u CROSS JOIN roles r ON r.id = u.role_id LEFT JOIN users c ON c.id = u.created_by_id"""

SQLITE = _statements(
    {
        "page": _SQLITE_PAGE,
        "one": f"SELECT {_SQLITE_PERSON} FROM users u JOIN roles r ON r.id = u.role_id"
        " LEFT JOIN users c ON c.id = u.created_by_id <where>",
        "filtered": "SELECT json_object('totalCount', (SELECT count(*) FROM users u <where>), 'nodes', ("
        + _SQLITE_PAGE
        + "))",
    },
    {
        "page": ("", "u.id", ()),
        "one": ("WHERE u.id = ?1", "u.id", ("id",)),
        "filtered": (
            "WHERE u.role_id = (SELECT id FROM roles WHERE name = ?1)"
            " AND u.created_at > strftime('%Y-%m-%d %H:%M:%S+00:00', ?2)",
            "u.last_login_at DESC, u.id DESC",
            ("role", "since"),
        ),
        "behind": ("WHERE u.id > ?1", "u.id", ("after",)),
        "search": (
            "WHERE u.id IN (SELECT rowid FROM user_search"
            " WHERE user_search MATCH '\"' || replace(?1, '\"', '\"\"') || '\"' ORDER BY rowid LIMIT {first})",
            "u.id",
            ("word",),
        ),
    },
)
