"""The command `usergraph admin erase`: what would be erased, and with --yes its erasure and a receipt."""

import asyncio
import sys
from typing import Any

from models import migrate
from models.database import Database, Transaction
from models.secrets import sealer
from models.settings import Settings
from resolvers.bootstrap import COMMAND_LINE
from resolvers.changes import Change
from resolvers.erase_users import erase_users


def run_erase(settings: Settings, typed: str, *, confirmed: bool) -> int:
    """Exit codes: 0 done or shown, 1 refused."""
    result = asyncio.run(_erase(settings, typed, dry_run=not confirmed))
    if result["errors"]:
        for error in result["errors"]:
            print(f"usergraph: {error['message']}", file=sys.stderr)
        return 1
    rows = result["erasedRows"]
    if not rows:
        print(f"{typed} was erased before: only {result['pseudonym']} is left.")
        return 0
    print(f"{typed} {'is erased' if confirmed else 'would be erased'}, and is {result['pseudonym']} in the history.")
    width = max(len(each["table"]) for each in rows)
    for each in rows:
        print(f"  {each['table']:<{width}}  {each['rows']:>7} rows")
    if not confirmed:
        print("This was a dry run. Nothing can bring the data back: add --yes to erase them.")
    return 0


async def _erase(settings: Settings, typed: str, *, dry_run: bool) -> dict[str, Any]:
    await migrate.bring_existing_up_to_date(settings.database_url, prepare=settings.database_prepare)
    database = Database.of(settings)
    await database.open()
    try:
        keys = sealer(settings.secret_key, database.file)

        async def work(tx: Transaction) -> dict[str, Any]:
            change = Change(tx, COMMAND_LINE, settings, keys, dry_run)
            answer = await erase_users(change, ids=[typed])
            if dry_run:
                tx.discard()
            found: dict[str, Any] = answer["results"][0]
            return found

        return await database.transaction(work)
    finally:
        await database.close()
