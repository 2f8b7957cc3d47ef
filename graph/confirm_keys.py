"""The command `usergraph admin confirm-keys`: confirms the match keys of all users as they are."""

import asyncio

from models import migrate
from models.database import Database
from models.settings import Settings
from resolvers.confirm_keys import confirm_all


def run_confirm_keys(settings: Settings) -> int:
    count = asyncio.run(_confirm(settings))
    print(f"confirmed the emails, external ids and login DNs of {count} users")
    return 0


async def _confirm(settings: Settings) -> int:
    await migrate.bring_up_to_date(settings.database_url, prepare=settings.database_prepare)
    database = Database.of(settings)
    await database.open()
    try:
        return await database.transaction(confirm_all)
    finally:
        await database.close()
