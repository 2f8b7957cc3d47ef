"""A directory of 100,000 people taken in from slapd, found unchanged, and changed: seconds and peak memory.

`python -m benchmarks.directories [entries]`; the figures go into docs/reliability.md by hand.
"""

import asyncio
import resource
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import orjson

from models import migrate
from models.database import Database
from models.secrets import sealer
from models.settings import Settings
from models.values import now
from resolvers import bootstrap
from resolvers.changes import Change
from resolvers.directory_jobs import Runner
from resolvers.ldap_settings import checked
from resolvers.sync_directories import sync_directory
from resolvers.viewers import by_username
from tests.slapd import BASE, Slapd, crowd, record

ENTRIES = 100_000
LONGEST = 1_800  # seconds for one run; beyond that something is wrong, and it is given up
CROWD = f"ou=crowd,{BASE}"
PROVIDER = (
    "INSERT INTO identity_providers (name, name_key, prefix, kind, is_enabled, server_number, settings, secrets,"
    " created_at, updated_at) VALUES ('Main', 'main', 'main', 'LDAP', true, 1, $1, $2, $3, $3) RETURNING id"
)


def main() -> None:
    entries = int(sys.argv[1]) if len(sys.argv) > 1 else ENTRIES
    begun = time.perf_counter()
    slapd = Slapd(record(CROWD, objectClass="organizationalUnit", ou="crowd") + crowd(entries, CROWD))
    print(f"slapd holds {entries:,} entries after {time.perf_counter() - begun:.0f} s")
    try:
        with tempfile.TemporaryDirectory() as folder:
            asyncio.run(_measure(slapd, entries, Path(folder)))
    finally:
        slapd.stop()


async def _measure(slapd: Slapd, entries: int, folder: Path) -> None:
    settings = Settings(database_url=f"sqlite://{folder}/usergraph.sqlite3")
    await migrate.bring_up_to_date(settings.database_url)
    database = Database.of(settings)
    await database.open()
    try:
        provider = await _prepare(database, settings, slapd)
        some = slapd_changes(entries)
        for name, given in (
            ("dry run", {"dry_run": True}),
            ("first run", {}),
            ("nothing new", {}),
        ):
            await _run(database, settings, provider, name, **given)
        slapd.modify(some)
        await _run(database, settings, provider, "1 % changed")
        slapd.modify(slapd_changes(entries, "Once More"))
        await _run(database, settings, provider, "1 % changed, incremental", is_full=False)
    finally:
        await database.close()


def slapd_changes(entries: int, name: str = "Renamed") -> str:
    """LDIF that gives every hundredth person another name."""
    return "".join(
        f"dn: uid=p{number:06},{CROWD}\nchangetype: modify\nreplace: cn\ncn: {name} {number}\n\n"
        for number in range(0, entries, 100)
    )


async def _prepare(database: Database, settings: Settings, slapd: Slapd) -> int:
    await database.transaction(lambda tx: bootstrap.fill_empty(tx))
    given = slapd.server(base_dn=CROWD)
    kept, secrets = checked(
        {
            "urls": [slapd.tls_url],
            "ca_certificates": given.ca_certificates,
            "base_dn": CROWD,
            "bind_dn": given.bind_dn,
            "bind_password": given.bind_password,
        }
    )
    sealed = _sealer(database, settings).seal(_json(secrets))
    moment = now()
    rows = await database.transaction(lambda tx: tx.rows(PROVIDER, _json(kept), sealed, moment))
    return int(rows[0][0])


def _sealer(database: Database, settings: Settings) -> Any:
    return sealer(settings.secret_key, database.file)


def _json(value: Any) -> str:
    return orjson.dumps(value).decode()


async def _run(database: Database, settings: Settings, provider: int, name: str, **given: Any) -> None:
    async with database.reading() as connection:
        viewer = await by_username(connection, "admin")
    assert viewer is not None
    opener = _sealer(database, settings)
    started = time.perf_counter()
    cpu = time.process_time()

    async def begin(tx: Any) -> Any:
        change = Change(tx, viewer, settings, opener)
        return await sync_directory(change, provider=f"provider_{provider}", **given)

    number = (await database.transaction(begin))["job"]
    runner = Runner(database, settings, opener)
    while await runner.turn():
        if time.perf_counter() - started > LONGEST:
            raise SystemExit(f"{name}: given up after {LONGEST} s")
    took, used = time.perf_counter() - started, time.process_time() - cpu
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    sql = "SELECT state, counts, error, is_dry_run FROM directory_jobs WHERE id = $1"
    async with database.reading() as connection:
        row = await connection.one(sql, number)
    assert row is not None
    print(f"{name}: {took:.1f} s ({used:.1f} s of CPU), peak {peak:.0f} MB, {row[0]} {row[1]} {row[2] or ''}")


if __name__ == "__main__":
    main()
