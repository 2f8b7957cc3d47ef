"""Sealing anew with the newest key what was sealed with an older one, so that the older one can be taken away."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from tortoise.models import Model

from models import bulk
from models.audit import StoredAnswer
from models.database import Database, Transaction
from models.letters import Letter
from models.providers import IdentityProvider
from models.secrets import Sealer
from models.users import User

BATCH = 500
PLACES: tuple[tuple[type[Model], str], ...] = (
    (User, "totp_secret"),
    (User, "totp_pending"),
    (IdentityProvider, "secrets"),
    (Letter, "link"),
    (StoredAnswer, "answer"),
)
Progress = Callable[[int], object]


@dataclass
class Tally:
    """What became of what is sealed. `lost`: sealed with a key that is not listed."""

    resealed: int = 0
    newest: int = 0
    lost: int = 0


async def count(database: Database) -> int:
    async with database.reading() as connection:
        counts = [
            await connection.scalar(f"SELECT COUNT(*) FROM {bulk.table(model)} WHERE {column} IS NOT NULL")
            for model, column in PLACES
        ]
    return sum(counts)


async def reseal(database: Database, sealer: Sealer, progress: Progress) -> Tally:
    """Go through all that is sealed, in batches of a transaction each: interrupted, it can begin again."""
    tally = Tally()
    for model, column in PLACES:
        last: int | None = 0
        while last is not None:
            last = await database.transaction(partial(_batch, sealer, tally, progress, model, column, last))
    return tally


async def _batch(
    sealer: Sealer, tally: Tally, progress: Progress, model: type[Model], column: str, after: int, tx: Transaction
) -> int | None:
    """The id up to which it went; None at the end."""
    rows = await tx.rows(
        f"SELECT id, {column} FROM {bulk.table(model)} WHERE id > $1 AND {column} IS NOT NULL"
        f" ORDER BY id LIMIT {BATCH}",
        after,
    )
    renewed = [(row[0], row[1], sealer.reseal(row[1])) for row in rows]
    changed = [each for each in renewed if each[2] not in (None, each[1])]
    await _replace(tx, model, column, changed)
    lost = sum(new is None for _, _, new in renewed)
    tally.lost += lost
    tally.resealed += len(changed)
    tally.newest += len(rows) - len(changed) - lost
    progress(len(rows))
    return rows[-1][0] if len(rows) == BATCH else None


async def _replace(tx: Transaction, model: type[Model], column: str, rows: list[tuple[int, str, str | None]]) -> None:
    """Only what is still as it was read: somebody may have set it anew meanwhile."""
    if not rows:
        return
    values = tx.dialect.spread(rows, 3)
    columns = (("id", "bigint"), ("before", "text"), ("after", "text"))
    source = tx.dialect.unnest([f"${i + 1}" for i in range(len(values))], columns)
    table = bulk.table(model)
    await tx.rows(
        f'UPDATE {table} SET {column} = v."after" FROM {source}'
        f' WHERE {table}.id = v.id AND {table}.{column} = v."before"',
        *values,
    )
