"""The people of the tests: one of each role, an organization's administrator, a program, and what they hang on.

Organizations: 1 Platform > 2 Acme > 3 Acme East, 4 Acme West; 5 Other. Groups: 1 Web work, 2 IT works.
Providers: 1 local, 2 LDAP server 1, 3 LDAP server 2 (disabled), 4 SAML.
Users 1 to 7 are PEOPLE; then `member` (8, Normal user, Acme East), `outsider` (9, Normal user, Other), both local with
the password PASSWORD and no key.
"""

from datetime import timedelta

from models import bulk
from models.api_keys import ApiKey
from models.database import Database, Transaction
from models.groups import Group, GroupMember
from models.organizations import Organization, OrganizationMember
from models.providers import IdentityProvider
from models.users import User
from models.values import key, now, search_key
from resolvers import bootstrap, tokens
from resolvers.hashing import Hasher
from resolvers.match_keys import limit_ids, text_of
from resolvers.policy import PROVED
from tests.service import PEOPLE, key_of

PASSWORD = "plum violin harbour 41"
ROLES = {
    "it": "IT",
    "pm": "Project manager",
    "normal": "Normal user",
    "readonly": "Read only",
    "orgadmin": "Normal user",
    "robot": "IT",
    "member": "Normal user",
    "outsider": "Normal user",
}


async def fill(database: Database) -> None:
    hasher = Hasher()
    hashed = await hasher.hash(PASSWORD)
    hasher.close()
    await database.transaction(lambda tx: _fill(tx, hashed))


async def _fill(tx: Transaction, hashed: str) -> None:
    await bootstrap.fill_empty(tx, key_of("admin"))
    moment = now() - timedelta(days=30)
    stamps = {"created_at": moment, "updated_at": moment}
    for name, prefix, kind, enabled, server in (
        ("Main LDAP", "ldap1", "LDAP", True, 1),
        ("Old LDAP", "ldap2", "LDAP", False, 2),
        ("Single sign-on", "sso", "SAML", True, None),
    ):
        row = {"name": name, "name_key": key(name), "prefix": prefix, "kind": kind, "is_enabled": enabled}
        await bulk.insert(tx, IdentityProvider, [{**row, "server_number": server, **stamps}])
    for name, parent in (("Acme", 1), ("Acme East", 2), ("Acme West", 2), ("Other", 1)):
        await bulk.insert(tx, Organization, [{"name": name, "name_key": key(name), "parent_id": parent, **stamps}])
    for name in ("Web work", "IT works"):
        await bulk.insert(tx, Group, [{"name": name, "name_key": key(name), "description": None, **stamps}])
    roles = {row[1]: row[0] for row in await tx.rows("SELECT id, name FROM roles")}
    limit = (await limit_ids(tx, [PROVED]))[PROVED]
    for username, role in ROLES.items():
        user = _user(username, roles[role], hashed, stamps)
        await bulk.insert(tx, User, [{**user, "match_key_limits": text_of(user, {}, limit)}])
    ids = {row[1]: row[0] for row in await tx.rows("SELECT id, username FROM users")}
    keys = [
        {
            "user_id": ids[name],
            "name": "test",
            "prefix": "ug_test_",
            "digest": tokens.digest(tokens.Purpose.API_KEY, key_of(name)),
            "created_at": moment,
        }
        for name in PEOPLE
        if name != "admin"
    ]
    await bulk.insert(tx, ApiKey, keys)
    memberships = ((2, "orgadmin", "Admin"), (3, "member", None), (5, "outsider", None))
    members = [
        {"organization_id": o, "user_id": ids[u], "role_id": roles[r] if r else None, "created_at": moment}
        for o, u, r in memberships
    ]
    await bulk.insert(tx, OrganizationMember, members)
    await bulk.insert(tx, GroupMember, [{"group_id": 1, "user_id": ids["member"], "created_at": moment}])


def _user(username: str, role_id: int, hashed: str, stamps: dict[str, object]) -> dict[str, object]:
    name = username.capitalize()
    return {
        "username": username,
        "username_key": username,
        "email": f"{username}@usergraph.test",
        "email_key": f"{username}@usergraph.test",
        "name": name,
        "name_key": key(name),
        "search_key": search_key(key(name), username, f"{username}@usergraph.test"),
        "state": "ACTIVE",
        "role_id": role_id,
        "provider_id": None if username == "robot" else 1,
        "password_hash": None if username == "robot" else hashed,
        "can_create_projects_in_root": False,
        "version": 1,
        "created_by_id": 1,
        "updated_by_id": 1,
        **stamps,
    }
