"""Password hashing: argon2id in a few threads of its own, with a queue that fails fast."""

import asyncio
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError
from argon2.low_level import Type

from models.errors import Unavailable, WeakPassword

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
        return await self._run(_argon2.hash, password)

    async def verify(self, password_hash: str | None, password: str) -> bool:
        """Takes as long for nobody's hash as for somebody's."""
        right = await self._run(_verify, password_hash or _DUMMY, password)
        return right and password_hash is not None

    async def _run(self, work: Callable[..., T], *values: str) -> T:
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
    try:
        return _argon2.verify(password_hash, password)
    except (VerificationError, InvalidHashError):
        return False


def check_password(password: str, fewest: int, *path: str | int, about: tuple[str, ...] = ()) -> None:
    """Long enough, short enough to hash, and not the user's own name or address. Raises WeakPassword."""
    if len(password) < fewest:
        raise WeakPassword(*path, reason=f"A password has at least {fewest} characters. Several words do well.")
    if len(password.encode()) > MOST_BYTES:
        raise WeakPassword(*path, reason=f"A password has at most {MOST_BYTES} bytes.")
    if len(set(password)) < 5 or any(password.casefold() == word.casefold() for word in about):
        raise WeakPassword(*path, reason="This password is easy to guess. Several unrelated words do well.")
