"""Password hashing: argon2id in a few threads of its own, with a queue that fails fast."""

import asyncio
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError
from argon2.low_level import Type

from models.errors import Unavailable
from resolvers import foreign_hashes

T = TypeVar("T")

MOST_WAITING = 256
MOST_BYTES = 1_024

# OWASP's minimum for argon2id: 19 MiB, two passes, one lane.
_argon2 = PasswordHasher(time_cost=2, memory_cost=19_456, parallelism=1, type=Type.ID)
_DUMMY = _argon2.hash("a hash to compare with when there is nobody")


class Hasher:
    """Never wider than the cores, so that hashing cannot take memory or the event loop from everybody else."""

    def __init__(self, width: int | None = None) -> None:
        self._pool = ThreadPoolExecutor(max_workers=width or os.cpu_count() or 1, thread_name_prefix="argon2")
        self._waiting = 0

    async def hash(self, password: str) -> str:
        return await self.run(_argon2.hash, password)

    async def verify(self, password_hash: str | None, password: str) -> bool:
        """Whether the password is the hash's, whatever made it. Takes as long for nobody's hash as for one of ours."""
        right = await self.run(_verify, password_hash or _DUMMY, password)
        return right and password_hash is not None

    def is_outdated(self, password_hash: str) -> bool:
        """Whether it was made otherwise than `hash` makes them today, and is to be replaced at the next sign-in."""
        try:
            return not password_hash.startswith("$argon2id$") or _argon2.check_needs_rehash(password_hash)
        except InvalidHashError:
            return True

    async def run(self, work: Callable[..., T], *values: Any) -> T:
        """Work on a password in one of the threads. Raises Unavailable where too much of it waits."""
        if self._waiting >= MOST_WAITING:
            raise Unavailable("too many passwords are waiting to be hashed")
        self._waiting += 1
        try:
            return await asyncio.get_running_loop().run_in_executor(self._pool, work, *values)
        finally:
            self._waiting -= 1

    def close(self) -> None:
        self._pool.shutdown(wait=False, cancel_futures=True)


def _verify(password_hash: str, password: str) -> bool:
    """What could never be set as a password is compared like any other, and is never right."""
    given = password.encode("utf-8", "surrogatepass")
    right = foreign_hashes.verify(password_hash, given[:MOST_BYTES])
    return right and len(given) <= MOST_BYTES
