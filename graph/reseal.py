"""The command `usergraph admin reseal`: secrets sealed anew with the newest key, with progress."""

import asyncio
import sys

from tqdm import tqdm

from models import migrate
from models.database import Database
from models.secrets import sealer
from models.settings import Settings
from resolvers import reseal


def run_reseal(settings: Settings) -> int:
    tally = asyncio.run(_reseal(settings))
    print(f"{tally.resealed} secrets sealed with the newest key, {tally.newest} were so already")
    if not tally.lost:
        return 0
    message = (
        "are sealed with a key that USERGRAPH_SECRET_KEY does not list. Add it behind the newest, and run this again"
    )
    print(f"usergraph: {tally.lost} {message}.", file=sys.stderr)
    return 3


async def _reseal(settings: Settings) -> reseal.Tally:
    await migrate.bring_existing_up_to_date(settings.database_url, prepare=settings.database_prepare)
    database = Database.of(settings)
    await database.open()
    try:
        keys = sealer(settings.secret_key, database.file)
        with tqdm(total=await reseal.count(database), desc="reseal", unit=" secrets", disable=None) as bar:
            return await reseal.reseal(database, keys, bar.update)
    finally:
        await database.close()
