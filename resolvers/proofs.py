"""Proving again who one is, by a password or a code: each failure counts in the tarpit, whatever it was asked for."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from models.errors import WrongCode, WrongPassword, WrongState
from models.values import now
from resolvers import tarpit
from resolvers.changes import Before


@asynccontextmanager
async def counted(before: Before, user_id: int, username: str, *path: str | int) -> AsyncIterator[None]:
    """Around the check, and before the change's transaction: what a refused or dry run changes is not kept.

    Raises WrongState where too many have failed, and leaves a wrong password or code counted.
    """
    address, moment = before.caller.address, now()
    async with before.database.reading() as connection:
        is_known = await tarpit.has_been_here(connection, user_id, address, moment)
    attempt = await before.database.transaction(
        lambda tx: tarpit.count(
            tx, before.sealer, name=username, user_id=user_id, address=address, moment=moment, is_known=is_known
        )
    )
    if attempt.is_blocked:
        raise WrongState(*path, reason="Too many passwords or codes were wrong. Wait some minutes, then try again.")
    try:
        yield
    except (WrongCode, WrongPassword):
        raise
    except BaseException:
        await before.database.transaction(lambda tx: tarpit.forgive(tx, attempt, all_here=False))
        raise
    await before.database.transaction(lambda tx: tarpit.forgive(tx, attempt, all_here=False))
