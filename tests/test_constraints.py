"""Wrong states that no statement can store: the database itself refuses them, and takes along what belongs together."""

import sqlite3

import asyncpg

from models.database import Transaction
from tests.service import Service

USER = "username, username_key, email, email_key, name, name_key, state, role_id, created_at, updated_at"
AT = "CURRENT_TIMESTAMP"


def user(**columns: str) -> str:
    """An INSERT of a user that is fine but for these columns (SQL expressions)."""
    good = dict.fromkeys(USER.split(", "), "'new'")
    good |= {"state": "'ACTIVE'", "role_id": "1", "created_at": AT, "updated_at": AT, "version": "1"}
    values = {**good, "can_create_projects_in_root": "FALSE", **columns}
    return f"INSERT INTO users ({', '.join(values)}) VALUES ({', '.join(values.values())})"


def provider(kind: str, number: str = "NULL", **columns: str) -> str:
    values = {"name": "'New'", "name_key": "'new'", "prefix": "'new'", **columns}
    return (
        f"INSERT INTO identity_providers ({', '.join(values)}, kind, server_number, is_enabled, created_at, updated_at)"
        f" VALUES ({', '.join(values.values())}, '{kind}', {number}, TRUE, {AT}, {AT})"
    )


def role(weight: int) -> str:
    return (
        "INSERT INTO roles (name, weight, rights, is_built_in, created_at, updated_at)"
        f" VALUES ('New', {weight}, '[]', FALSE, {AT}, {AT})"
    )


def organization(parent: str, name: str = "new") -> str:
    return (
        "INSERT INTO organizations (name, name_key, parent_id, created_at, updated_at)"
        f" VALUES ('{name}', '{name}', {parent}, {AT}, {AT})"
    )


def invitation(state: str, closed: str = "NULL", digest: str = "new") -> str:
    return (
        "INSERT INTO invitations (user_id, token_digest, state, sent_count, expires_at, created_at, closed_at)"
        f" VALUES (4, '{digest}', '{state}', 1, {AT}, {AT}, {closed})"
    )


# What comes before the wrong statement is right, and shows that only the last word of it is wrong.
WRONG: dict[str, list[str]] = {
    "two users with one normal form of a username": [user(username_key="'normal'", email_key="'x'")],
    "two users with one normal form of an address": [user(email_key="'normal@usergraph.test'")],
    "two users with one external id": [
        user(external_id="'x'"),
        user(external_id="'x'", username_key="'y'", email_key="'y'"),
    ],
    "a user in an unknown state": [user(state="'SLEEPING'")],
    "a user without a role": [user(role_id="NULL")],
    "a user with a role that is not there": [user(role_id="99")],
    "a user of a provider that is not there": [user(provider_id="99")],
    "a login DN without a provider": [user(login_dn="'cn=x'", login_dn_key="'cn=x'")],
    "an LDAP provider without a login DN": [user(ldap_provider_id="2")],
    "a login DN without its normal form": [user(ldap_provider_id="2", login_dn="'cn=x'")],
    "one login DN twice at one server": [
        user(ldap_provider_id="2", login_dn="'cn=x'", login_dn_key="'cn=x'"),
        user(ldap_provider_id="3", login_dn="'cn=x'", login_dn_key="'cn=x'", username_key="'y'", email_key="'y'"),
        user(ldap_provider_id="2", login_dn="'CN=x'", login_dn_key="'cn=x'", username_key="'z'", email_key="'z'"),
    ],
    "a second factor without its secret": [user(totp_enabled_at=AT)],
    "an alias with two owners": [
        "INSERT INTO user_aliases (user_id, value, value_key) VALUES (1, 'x', 'x')",
        "INSERT INTO user_aliases (user_id, value, value_key) VALUES (2, 'X', 'x')",
    ],
    "an alias of nobody": ["INSERT INTO user_aliases (user_id, value, value_key) VALUES (99, 'x', 'x')"],
    "one tag twice on a user": [
        "INSERT INTO user_tags (user_id, value, value_key) VALUES (1, 'x', 'x')",
        "INSERT INTO user_tags (user_id, value, value_key) VALUES (2, 'x', 'x')",
        "INSERT INTO user_tags (user_id, value, value_key) VALUES (1, 'X', 'x')",
    ],
    "one variable twice on a user": [
        "INSERT INTO user_variables (user_id, name, name_key, value) VALUES (1, 'x', 'x', '1')",
        "INSERT INTO user_variables (user_id, name, name_key, value) VALUES (1, 'X', 'x', '2')",
    ],
    "a role of weight 0": [role(1), role(100), role(0)],
    "a role of weight 101": [role(101)],
    "two roles of one name": [
        "INSERT INTO role_names (role_id, name, name_key, is_synonym) VALUES (2, 'x', 'admin', TRUE)"
    ],
    "a role that is held and goes": ["DELETE FROM roles WHERE id = 3"],
    "a provider of an unknown kind": [provider("RADIUS")],
    "LDAP server number 0": [provider("LDAP", "9"), provider("LDAP", "0", name_key="'y'", prefix="'y'")],
    "LDAP server number 10": [provider("LDAP", "10")],
    "an LDAP provider without a number": [provider("LDAP")],
    "one LDAP server number twice": [provider("LDAP", "1")],
    "a SAML provider with a number": [provider("SAML", "3")],
    "a local provider with a number": [provider("LOCAL", "3")],
    "two providers of one name": [provider("SAML", name_key="'main ldap'")],
    "two providers with one prefix": [provider("SAML", prefix="'ldap1'")],
    "a provider that is used and goes": ["DELETE FROM identity_providers WHERE id = 1"],
    "a second root": [organization("NULL")],
    "an organization that is its own parent": ["UPDATE organizations SET parent_id = id WHERE id = 2"],
    "an organization below nothing": [organization("99")],
    "two siblings of one name": [organization("5", "acme"), organization("1", "acme")],
    "an organization that goes while others are below it": ["DELETE FROM organizations WHERE id = 2"],
    "a membership twice": [
        f"INSERT INTO organization_members (organization_id, user_id, created_at) VALUES (3, 8, {AT})"
    ],
    "a group membership twice": [f"INSERT INTO group_members (group_id, user_id, created_at) VALUES (1, 8, {AT})"],
    "two groups of one name": [
        f"INSERT INTO groups (name, name_key, created_at, updated_at) VALUES ('x', 'web work', {AT}, {AT})"
    ],
    "an invitation in an unknown state": [invitation("LOST", AT)],
    "a pending invitation that is closed": [invitation("PENDING", AT)],
    "an accepted invitation that is open": [invitation("ACCEPTED", AT), invitation("ACCEPTED", digest="y")],
    "two pending invitations of one user": [invitation("PENDING"), invitation("PENDING", digest="y")],
    "two invitations with one token": [invitation("REVOKED", AT), invitation("PENDING")],
    "two keys with one digest": [
        "INSERT INTO api_keys (user_id, name, prefix, digest, created_at)"
        f" SELECT 2, 'x', 'x', digest, {AT} FROM api_keys WHERE id = 1"
    ],
    "a letter in an unknown state": [
        "INSERT INTO letters (kind, state, user_id, to_address, attempts, created_at)"
        f" VALUES ('INVITATION', 'LOST', 1, 'x', 0, {AT})"
    ],
    "an audit event that is changed": ["UPDATE audit_events SET actor_username = 'somebody else' WHERE id = 1"],
    "an audit event that is deleted": ["DELETE FROM audit_events WHERE id = 1"],
}
REFUSED = (sqlite3.IntegrityError, asyncpg.IntegrityConstraintViolationError, asyncpg.RaiseError)


async def test_the_database_itself_refuses_wrong_states(service: Service) -> None:
    before = await service.snapshot()
    stored = [what for what, statements in WRONG.items() if await _is_stored(service, statements)]
    assert stored == []
    assert await service.snapshot() == before


async def _is_stored(service: Service, statements: list[str]) -> bool:
    async def work(tx: Transaction) -> None:
        tx.discard()
        for right in statements[:-1]:
            await tx.rows(right)
        try:
            await tx.rows(statements[-1])
        except REFUSED as refused:
            raise _Refused from refused

    try:
        await service.database.transaction(work)
    except _Refused:
        return False
    return True


class _Refused(Exception):
    """As it should be; ends the transaction."""


async def test_a_user_takes_what_is_theirs_along_and_leaves_history(service: Service) -> None:
    """By the keys of the tables alone: no statement of ours could forget a table."""
    await service.write("INSERT INTO user_tags (user_id, value, value_key) VALUES (8, 'x', 'x')")
    await service.write("UPDATE users SET created_by_id = 8, updated_by_id = 8 WHERE id = 9")
    events = await service.scalar("SELECT COUNT(*) FROM audit_events")
    await service.write("DELETE FROM users WHERE id = 8")
    for table in ("user_tags", "group_members", "organization_members", "api_keys", "invitations"):
        assert await service.scalar(f"SELECT COUNT(*) FROM {table} WHERE user_id = 8") == 0, table
    assert await service.rows("SELECT created_by_id, updated_by_id FROM users WHERE id = 9") == [(None, None)]
    assert await service.scalar("SELECT COUNT(*) FROM audit_events") == events
