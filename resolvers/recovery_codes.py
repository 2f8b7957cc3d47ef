"""Recovery codes: each stands in for the second factor once; kept as digests."""

import base64
import secrets
from collections.abc import Sequence

from models import bulk
from models.credentials import RecoveryCode
from models.database import Connection
from resolvers import tokens
from resolvers.changes import Change

HOW_MANY = 10
_BYTES = 10  # 80 random bits: 16 letters and digits in four groups


async def renew(change: Change, user_id: int) -> list[str]:
    """New codes in the place of all before them, told only now."""
    await drop(change, [user_id])
    codes = [_spelled(secrets.token_bytes(_BYTES)) for _ in range(HOW_MANY)]
    stamps = {"user_id": user_id, "created_at": change.moment}
    await bulk.insert(change.tx, RecoveryCode, [{"code_digest": _digest(code), **stamps} for code in codes])
    return codes


async def drop(change: Change, user_ids: Sequence[int]) -> None:
    among = change.tx.dialect.among("user_id", "$1", "bigint")
    await change.tx.rows(f"DELETE FROM recovery_codes WHERE {among}", list(user_ids))


async def find(connection: Connection, user_id: int, code: str) -> int | None:
    """The unused recovery code that this is, compared with each of the user's in constant time."""
    wanted = _digest(code)
    rows = await connection.rows(
        "SELECT id, code_digest FROM recovery_codes WHERE user_id = $1 AND used_at IS NULL", user_id
    )
    found = [row[0] for row in rows if tokens.same(row[1], wanted)]
    return found[0] if found else None


async def use(change: Change, code_id: int) -> bool:
    """Whether it was still unused."""
    rows = await change.tx.rows(
        "UPDATE recovery_codes SET used_at = $2 WHERE id = $1 AND used_at IS NULL RETURNING id", code_id, change.moment
    )
    return bool(rows)


def _spelled(raw: bytes) -> str:
    text = base64.b32encode(raw).decode()
    return "-".join(text[start : start + 4] for start in range(0, len(text), 4))


def _digest(code: str) -> str:
    """People type codes in any case, with or without the hyphens."""
    normal = "".join(c for c in code.upper() if c.isalnum())
    return tokens.digest(tokens.Purpose.RECOVERY_CODE, normal)
