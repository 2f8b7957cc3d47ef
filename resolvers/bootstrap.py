"""What every directory begins with: built-in roles, local sign-in, the root organization, one administrator."""

from datetime import datetime
from typing import Any

from models import bulk
from models.api_keys import ApiKey
from models.database import Transaction
from models.errors import Invalid, NotFound
from models.organizations import Organization
from models.providers import IdentityProvider
from models.roles import Role, RoleName
from models.users import User
from models.values import key, search_key
from models.values import username as username_of
from resolvers import ready_reports, tokens
from resolvers.audit import Action, Event, Subject, record
from resolvers.policy import ALL, BUILT_IN_ROLES, NOBODY, Viewer
from resolvers.user_keys import id_by_username

# Whoever runs a command on the machine itself can change the database in any case.
COMMAND_LINE = Viewer(username="usergraph", weight=100, rights=ALL)
ADMIN = {"username": "admin", "email": "admin@usergraph.example", "name": "Administrator"}


async def fill_empty(tx: Transaction, admin_key: str = "") -> str | None:
    """Make the built-ins and the first administrator. Answers their key; None for a directory that has users."""
    await ready_reports.ensure(tx, tx.moment)
    if await tx.scalar("SELECT COUNT(*) FROM users"):
        return None
    moment = tx.moment
    await ensure_built_ins(tx, moment)
    admin = (await tx.rows("SELECT id FROM roles WHERE name = 'Admin'"))[0][0]
    user_id = await _make_administrator(tx, moment, admin)
    return await make_key(tx, moment, user_id, "first key", admin_key)


async def ensure_built_ins(tx: Transaction, moment: datetime) -> None:
    if await tx.scalar("SELECT COUNT(*) FROM roles"):
        return
    stamps = {"created_at": moment, "updated_at": moment}
    roles = [
        {
            "name": role.name,
            "weight": role.weight,
            "rights": sorted(role.rights),
            "is_built_in": True,
            **stamps,
        }
        for role in BUILT_IN_ROLES
    ]
    ids = {row[1]: row[0] for row in await bulk.insert(tx, Role, roles, returning=("id", "name"))}
    names = [
        {"role_id": ids[role.name], "name": name, "name_key": key(name), "is_synonym": name != role.name}
        for role in BUILT_IN_ROLES
        for name in dict.fromkeys((role.name, *role.synonyms))
    ]
    await bulk.insert(tx, RoleName, names)
    local: dict[str, Any] = {
        "name": "Local passwords",
        "prefix": "local",
        "kind": "LOCAL",
        "is_enabled": True,
    }
    await bulk.insert(
        tx, IdentityProvider, [{**local, "name_key": key(local["name"]), "server_number": None, **stamps}]
    )
    await bulk.insert(tx, Organization, [{"name": "Platform", "name_key": "platform", "parent_id": None, **stamps}])


async def _make_administrator(tx: Transaction, moment: datetime, role_id: int) -> int:
    row = {
        **ADMIN,
        "username_key": key(ADMIN["username"]),
        "email_key": ADMIN["email"],
        "name_key": key(ADMIN["name"]),
        "search_key": search_key(key(ADMIN["name"]), key(ADMIN["username"]), ADMIN["email"]),
        "state": "ACTIVE",
        "role_id": role_id,
        "provider_id": await tx.scalar("SELECT id FROM identity_providers WHERE kind = 'LOCAL' ORDER BY id LIMIT 1"),
        "can_create_projects_in_root": False,
        "created_at": moment,
        "updated_at": moment,
        "version": 1,
    }
    user_id: int = (await bulk.insert(tx, User, [row]))[0][0]
    event = Event(Action.CREATED, Subject.USER, user_id, ADMIN["username"], {"username": (None, ADMIN["username"])})
    await record(tx, NOBODY, moment, [event])
    return user_id


async def make_key(tx: Transaction, moment: datetime, user_id: int, name: str, secret: str = "") -> str:
    """A key of all the owner's rights. Answers the secret, which is not kept. Raises Invalid for a guessable one."""
    if secret and len(secret) < 20:
        raise Invalid(reason="USERGRAPH_ADMIN_KEY needs at least 20 characters.")
    secret = secret or tokens.make(tokens.Purpose.API_KEY)
    row = {
        "user_id": user_id,
        "name": name,
        "prefix": secret[:6],
        "digest": tokens.digest(tokens.Purpose.API_KEY, secret),
        "created_at": moment,
    }
    key_id = (await bulk.insert(tx, ApiKey, [row]))[0][0]
    await record(
        tx,
        NOBODY,
        moment,
        [Event(Action.KEY_CREATED, Subject.USER, user_id, name, {"key": (None, f"key_{key_id}")})],
    )
    return secret


async def rescue(tx: Transaction, username: str, *, make_administrator: bool) -> str:
    """A key for a user who is locked out, made on the machine itself; as an active administrator, if so asked."""
    user_id = await id_by_username(tx, username_of(username))
    if user_id is None:
        raise NotFound(what="user", key=username)
    moment = tx.moment
    if make_administrator:
        admin = await tx.scalar("SELECT id FROM roles WHERE name = 'Admin' AND is_built_in")
        local = await tx.scalar("SELECT id FROM identity_providers WHERE kind = 'LOCAL' ORDER BY id LIMIT 1")
        change = {
            "id": user_id,
            "role_id": admin,
            "provider_id": local,
            "ldap_provider_id": None,
            "login_dn": None,
            "login_dn_key": None,
            "name_id": None,
            "entry_id": None,
            "state": "ACTIVE",
            "updated_at": moment,
        }
        await bulk.update(tx, User, [change])
        event = Event(
            Action.UPDATED,
            Subject.USER,
            user_id,
            username,
            {"role": (None, "Admin"), "state": (None, "ACTIVE")},
        )
        await record(tx, NOBODY, moment, [event])
    return await make_key(tx, moment, user_id, "made on the command line")
