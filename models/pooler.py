"""Whether a pooler stands before PostgreSQL that lends a server's connection for one transaction, such as pgbouncer."""

import contextlib
import logging
from typing import Any

import asyncpg

log = logging.getLogger("usergraph.database")
# In this order one of two clients meets another server process, whether the pooler lends the connection that was
# given back last or the one that waits longest.
ROUNDS = (0, 1, 1, 0)


async def lends_by_transaction(url: str, wait: float) -> bool:
    """Whether transactions of one client run in several server processes, or those of two clients in one.

    Neither is so at PostgreSQL itself, nor behind a pooler that lends for a session. False where nobody answers: the
    connections that are made next say why.
    """
    clients: list[Any] = []
    try:
        for _ in range(2):
            clients.append(await asyncpg.connect(url, timeout=wait, command_timeout=wait, statement_cache_size=0))
        seen = [(place, await clients[place].fetchval("SELECT pg_backend_pid()")) for place in ROUNDS]
    except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError, TimeoutError, ValueError):
        return False
    finally:
        for client in clients:
            with contextlib.suppress(OSError, asyncpg.PostgresError, asyncpg.InterfaceError, TimeoutError):
                await client.close(timeout=wait)
    return len(set(seen)) != 2 or len({process for _, process in seen}) != 2


async def may_prepare(url: str, wait: float, prepare: bool) -> bool:
    """`prepare`, unless a pooler forbids it; then a line in the log says which setting to change."""
    if not prepare or not await lends_by_transaction(url, wait):
        return prepare
    log.warning(
        "a pooler lends PostgreSQL's connections for one transaction: nothing is prepared or kept in a session."
        " Set USERGRAPH_DATABASE_PREPARE=false"
    )
    return False
