"""Signing in: a name and a password, and the code of a second factor where there is one (E3).

Whatever is wrong, the answer is one and comes after the same work: an unknown name, a wrong password, a user who is
not active, who signs in elsewhere or holds keys only, and an account that has to wait all cost one verification of a
hash. What a directory takes on top of that, and what an imported hash takes more, hides behind FLOOR. An address that
has to wait costs none: that tells nothing of any account, and a few addresses must not keep the hashing busy.
"""

import asyncio
import logging
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import timedelta
from time import monotonic
from typing import Any

from models.base import EMAIL
from models.database import Connection, Transaction
from models.errors import InvalidCredentials, ProviderNotConfigured, SecondFactorRequired, Unavailable
from models.providers import ProviderKind
from models.users import UserState
from models.values import email_key, email_spelling, key, now, spelling
from resolvers import audit, entry_ids, ldap_settings, second_factor, tarpit
from resolvers.audit import Action, Event, Subject
from resolvers.changes import Before, Caller, Change
from resolvers.connectors import ldap
from resolvers.domain_accounts import usernames
from resolvers.moved_entries import store_moved_dn
from resolvers.outcomes import error
from resolvers.policy import Viewer
from resolvers.sessions import open_session
from resolvers.viewers import MUST_ENROLL

log = logging.getLogger("usergraph.sign_in")

FLOOR = 0.3  # seconds that a failure takes at least
SESSIONS_KEPT = timedelta(days=30)  # beyond their end
IGNORED_PROXY = (
    "a sign-in came from %s with X-Forwarded-For, which is not believed from there. If that is your proxy, set "
    "USERGRAPH_TRUSTED_PROXIES to its address: until then all users behind it share that one address, and wait for "
    "each other's wrong passwords."
)

ANOTHER_ENTRY = (
    "user_%d does not get in through provider_%d: the entry of their DN or name is another one than before, by its own"
    " id. If it is somebody else's now, convert or deactivate user_%d. If it is the same person's, because the"
    " directory was built anew, convert them to local and back (convertUsers)."
)

COLUMNS = ("id", "username", "email", "state", "password_hash", "login_dn", "entry_id", "totp_enabled_at")
_FIND = f"""
SELECT {", ".join(f"u.{name}" for name in COLUMNS)}, p.id, p.kind, p.is_enabled, {MUST_ENROLL}
FROM users u JOIN roles r ON r.id = u.role_id LEFT JOIN identity_providers p ON p.id = u.provider_id
WHERE {{}}
"""
# A username may look like somebody else's address; whose address it is goes first.
BY_NAME = _FIND.format("u.email_key = $1 OR u.username_key = $2") + " ORDER BY u.email_key = $1 DESC"
BY_ID = _FIND.format("u.id = $1")
BY_PROVIDER = _FIND.format("u.username_key = $1 AND u.provider_id = $2")


@dataclass(frozen=True)
class Account:
    """A user as far as signing in goes; `columns` are COLUMNS and those of the provider."""

    columns: Mapping[str, Any]

    def __getitem__(self, name: str) -> Any:
        return self.columns[name]

    @property
    def kind(self) -> str | None:
        """How a password of this user is proved: LOCAL or LDAP; None for who cannot sign in with one."""
        is_able = self["state"] == UserState.ACTIVE and self["is_enabled"]
        return self["kind"] if is_able and self["kind"] in (ProviderKind.LOCAL, ProviderKind.LDAP) else None

    def proves_as(self, other: "Account") -> bool:
        """Whether what was proved for `other` is proved for this one."""
        names = ("id", "provider_id", "password_hash", "login_dn")
        return self.kind is not None and all(self[name] == other[name] for name in names)


@dataclass(frozen=True)
class Proof:
    """A right password: of whom as it was then, the attempt it came with, and the newer hash to keep.

    `entry_id` and `entry_dn`: of the entry that proved it, where a directory did.
    """

    account: Account
    attempt: tarpit.Attempt
    code: str | None
    new_hash: str | None
    entry_id: str | None = None
    entry_dn: str | None = None

    def is_of(self, account: Account) -> bool:
        """Whether the account is as it was, and its entry, if one is known by now, the one that proved this."""
        is_another = self.entry_id is not None and entry_ids.is_another(account["entry_id"], self.entry_id)
        return account.proves_as(self.account) and not is_another


@dataclass(frozen=True)
class Verdict:
    """Whether a password is right; None where nobody can tell, because its directory does not answer."""

    is_right: bool | None
    entry_id: str | None = None
    entry_dn: str | None = None


async def _account(connection: Connection, sql: str, *values: Any) -> Account | None:
    row = await connection.one(sql, *values)
    names = (*COLUMNS, "provider_id", "kind", "is_enabled", "must_enroll")
    return None if row is None else Account(dict(zip(names, row, strict=True)))


async def _account_by_name(connection: Connection, name: str) -> Account | None:
    """Whose address or username this is: in any case, but not whose only looks like it."""
    names = (*COLUMNS, "provider_id", "kind", "is_enabled", "must_enroll")
    rows = await connection.rows(BY_NAME, email_key(name), key(name))
    found = [Account(dict(zip(names, row, strict=True))) for row in rows]
    by_email = [each for each in found if email_spelling(each["email"]) == email_spelling(name)]
    by_username = [each for each in found if spelling(each["username"]) == spelling(name)]
    return next(iter((*by_email, *by_username)), None) or await _account_of_domain(connection, name)


async def _account_of_domain(connection: Connection, name: str) -> Account | None:
    """Whose name in an Active Directory this is, if it is one user's there."""
    found = []
    for provider_id, username in await usernames(connection, name):
        account = await _account(connection, BY_PROVIDER, key(username), provider_id)
        found += [account] if account is not None and spelling(account["username"]) == spelling(username) else []
    return found[0] if len(found) == 1 else None


async def prepare(before: Before, given: dict[str, Any]) -> None:
    """Count the attempt, then look at it: password and code make place for a `proof`. Raises InvalidCredentials."""
    begun = monotonic()
    name, password, code = given.pop("username"), given.pop("password"), given.pop("code", None) or None
    _warn_of_proxy(before.caller)
    account, attempt = await _counted(before, name)
    if attempt.is_by_address:
        await _wait_for_floor(begun)
        raise InvalidCredentials
    try:
        verdict = await _verdict(before, None if attempt.is_blocked else account, password)
        new_hash = await _newer_hash(before, account, password) if verdict.is_right and account else None
    except Unavailable:
        await before.database.transaction(lambda tx: tarpit.forgive(tx, attempt, all_here=False))
        raise
    if account is None or not verdict.is_right:
        await _failed(before, account, attempt, counts=verdict.is_right is not None)
        await _wait_for_floor(begun)
        raise InvalidCredentials
    if second_factor.is_on(account.columns) and code is None:
        await before.database.transaction(lambda tx: tarpit.forgive(tx, attempt, all_here=False))
        raise SecondFactorRequired("code")
    given["proof"] = Proof(account, attempt, code, new_hash, verdict.entry_id, verdict.entry_dn)


async def _wait_for_floor(begun: float) -> None:
    await asyncio.sleep(max(0.0, begun + FLOOR - monotonic()))  # nothing is held meanwhile


_is_proxy_told = False  # by this process, in its log


def _warn_of_proxy(caller: Caller) -> None:
    """Once, and with the peer: it may be no proxy of ours but somebody who makes the header up."""
    global _is_proxy_told
    if caller.ignored_proxy is not None and not _is_proxy_told:
        _is_proxy_told = True
        log.warning(IGNORED_PROXY, caller.ignored_proxy)


async def _counted(before: Before, name: str) -> tuple[Account | None, tarpit.Attempt]:
    known, address, moment = name[: EMAIL + 1], before.caller.address, now()  # no name is longer
    async with before.database.reading() as connection:
        account = await _account_by_name(connection, known)
        user_id = account["id"] if account else None
        is_known = user_id is not None and await tarpit.has_been_here(connection, user_id, address, moment)
    attempt = await before.database.transaction(
        lambda tx: tarpit.count(
            tx, before.sealer, name=known, user_id=user_id, address=address, moment=now(), is_known=is_known
        )
    )
    return account, attempt


async def _verdict(before: Before, account: Account | None, password: str) -> Verdict:
    kind = account.kind if account else None
    kept = account["password_hash"] if account and kind == ProviderKind.LOCAL else None
    is_right = await before.hasher.verify(kept, password)
    if account is None or kind != ProviderKind.LDAP:
        return Verdict(is_right)
    return await _of_directory(before, account, password) if password else Verdict(False)


async def _of_directory(before: Before, account: Account, password: str) -> Verdict:
    try:
        async with before.database.reading() as connection:
            server = await ldap_settings.server_of(connection, before.sealer, account["provider_id"])
        found = await ldap.authenticate(
            server,
            login_dn=account["login_dn"],
            username=account["username"],
            password=password,
            external_id=entry_ids.value_of(server, account["entry_id"]),
        )
    except (ldap.LdapUnavailable, ProviderNotConfigured) as problem:
        # Whoever asks is told what everybody is told: another answer would say that this name is a directory's.
        log.warning("nobody can sign in through provider_%d: %s", account["provider_id"], problem)
        return Verdict(None)
    if found is None:
        return Verdict(False)
    found = entry_ids.with_stored_id(server, found, [account["entry_id"] or ""])
    entry_id = entry_ids.entry_id(server, found)
    if entry_ids.is_another(account["entry_id"], entry_id):
        log.warning(ANOTHER_ENTRY, account["id"], account["provider_id"], account["id"])
        return Verdict(False)
    return Verdict(True, entry_id, found.dn)


async def _newer_hash(before: Before, account: Account, password: str) -> str | None:
    kept = account["password_hash"]
    if account.kind != ProviderKind.LOCAL or not before.hasher.is_outdated(kept):
        return None
    return await before.hash(password)


async def _failed(before: Before, account: Account | None, attempt: tarpit.Attempt, *, counts: bool) -> None:
    if not counts:
        await before.database.transaction(lambda tx: tarpit.forgive(tx, attempt, all_here=False))
    elif attempt.blocks:
        await before.database.transaction(lambda tx: _record_block(tx, before.viewer, before.caller, account, attempt))


async def _record_block(
    tx: Transaction, viewer: Viewer, caller: Caller, account: Account | None, attempt: tarpit.Attempt
) -> None:
    """Failures are not recorded one by one, that somebody begins to be kept waiting is."""
    for kind in attempt.blocks:
        log.warning("too many failed sign-ins by %s: further ones wait", kind.name)
    if account is None or not any(kind is not tarpit.ADDRESS for kind in attempt.blocks):
        return
    changes = {"address": (None, caller.address), "blocked_until": (None, attempt.until)}
    event = Event(Action.SIGN_IN_BLOCKED, Subject.USER, account["id"], account["username"], changes)
    await audit.record(tx, viewer, tx.moment, [event])


async def sign_in(change: Change, *, proof: Proof) -> dict[str, Any]:
    """The new session under `session`, its token told this once. The proof is the only right this needs."""
    account = await _account(change.tx, BY_ID, proof.account["id"])
    if account is None or not proof.is_of(account):
        raise InvalidCredentials
    if second_factor.is_on(account.columns):
        if proof.code is None:
            raise SecondFactorRequired("code")
        if not await second_factor.accept_code(change, account["id"], proof.code):
            await _record_block(change.tx, change.viewer, change.caller, account, proof.attempt)
            return {**REFUSED, "errors": [error(InvalidCredentials())]}
    await tarpit.forgive(change.tx, proof.attempt, all_here=True)
    if proof.new_hash is not None:
        await change.tx.rows("UPDATE users SET password_hash = $2 WHERE id = $1", account["id"], proof.new_hash)
    if (kept := entry_ids.to_keep(proof.entry_id or "")) is not None and kept != account["entry_id"]:
        # By the first sign-in: whose the DN is from now on. It is no change that anybody made.
        await change.tx.rows("UPDATE users SET entry_id = $2 WHERE id = $1", account["id"], kept)
    if proof.entry_dn is not None and account["login_dn"] is not None:
        await store_moved_dn(change, account["id"], proof.entry_id, proof.entry_dn)
    await change.tx.rows("DELETE FROM sessions WHERE expires_at < $1", change.moment - SESSIONS_KEPT)
    caller = change.caller
    opened = await open_session(change, account["id"], address=caller.address, user_agent=caller.user_agent)
    change.reader = replace(change.viewer, user_id=account["id"], username=account["username"])
    token = None if change.dry_run else opened.token
    return {
        "session": {"id": f"session_{opened.id}", "token": token, "expiresAt": opened.expires_at},
        "user": account["id"],
        "mustEnrollSecondFactor": bool(account["must_enroll"]),
        "errors": [],
    }


REFUSED: dict[str, Any] = {"session": None, "user": None, "mustEnrollSecondFactor": False}
