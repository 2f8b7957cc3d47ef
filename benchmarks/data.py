"""The directory that every peer is asked about: made by `usergraph demo`, once in SQLite and once in PostgreSQL."""

import asyncio
import contextlib
import hashlib
import os
import shutil
import signal
import sqlite3
import subprocess
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import asyncpg

from benchmarks import processes, tools
from benchmarks.tools import HOST, ROOT, WORK, BenchError

ADMIN_KEY = "ug_key_of_the_administrator_of_a_bench_directory"
SECRET_KEY = "YmVuY2gtYmVuY2gtYmVuY2gtYmVuY2gtYmVuY2gtYmU="  # 32 bytes that are no secret
DATABASE = "usergraph"
# The first administrator was made when the database was; every peer is to give the same answer on both.
SAME_MOMENT = "UPDATE users SET created_at = {0}, updated_at = {0} WHERE created_by_id IS NULL"
# Compiling a statement of a few milliseconds would cost several times what it saves, so jit is off, as is usual for
# such services.
DURABLE = (
    "autovacuum=off",
    "jit=off",
    "shared_buffers=512MB",
    "effective_cache_size=4GB",
    "max_wal_size=4GB",
    "max_connections=100",
)
# Where reads are measured: what protects writes only makes loading slow.
OPTIONS = ("fsync=off", "synchronous_commit=off", "full_page_writes=off", *DURABLE)


@dataclass(frozen=True)
class Directory:
    """Where the same users are kept twice. `server`: the process id of PostgreSQL."""

    users: int
    sqlite: str
    postgres: str
    server: int

    @property
    def sqlite_file(self) -> Path:
        return Path(self.sqlite.removeprefix("sqlite://"))


@contextlib.contextmanager
def directory(users: int, options: Sequence[str] = OPTIONS) -> Iterator[Directory]:
    """Both databases, filled, with their PostgreSQL server running."""
    folder = WORK / "data" / f"{users}-{_version()}"
    _drop_older(folder, users)
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / "usergraph.sqlite3"
    if not (folder / ".sqlite").exists():
        _fill_sqlite(file, users)
        (folder / ".sqlite").touch()
    with _postgres(folder, options) as (port, server):
        url = f"postgres://usergraph@{HOST}:{port}/{DATABASE}"
        if not (folder / ".postgres").exists():
            asyncio.run(_fill_postgres(url, users))
            (folder / ".postgres").touch()
        yield Directory(users, f"sqlite://{file}", url, server)


def _version() -> str:
    """Changes with whatever changes the tables or the people in them."""
    sources = sorted([*(ROOT / "models").rglob("migrations/*.py"), *(ROOT / "resolvers").rglob("demo*.py")])
    return hashlib.sha256(b"".join(path.read_bytes() for path in sources)).hexdigest()[:8]


def _drop_older(folder: Path, users: int) -> None:
    for old in folder.parent.glob(f"{users}-*"):
        if old != folder:
            shutil.rmtree(old)


def environment(url: str, **settings: object) -> dict[str, str]:
    """For `usergraph`: the bench's keys and database, and nothing of this process's own settings."""
    given = {"database_url": url, "admin_key": ADMIN_KEY, "secret_key": SECRET_KEY, **settings}
    kept = {name: value for name, value in os.environ.items() if not name.startswith("USERGRAPH_")}
    return kept | {f"USERGRAPH_{name.upper()}": str(value) for name, value in given.items()}


def _demo(url: str, users: int) -> None:
    print(f"Making {users:,} users in {url.split(':')[0]}, once …", flush=True)
    done = subprocess.run([tools.usergraph(), "demo", "--users", str(users)], env=environment(url), check=False)
    if done.returncode:
        raise BenchError(f"usergraph demo ended with exit code {done.returncode}.")


def _fill_sqlite(file: Path, users: int) -> None:
    for part in file.parent.glob(f"{file.name}*"):
        part.unlink()
    _demo(f"sqlite://{file}", users)
    with contextlib.closing(sqlite3.connect(file, isolation_level=None)) as connection:
        connection.execute(SAME_MOMENT.format("'2026-01-01 00:00:00+00:00'"))
        connection.execute("ANALYZE")
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")


async def _fill_postgres(url: str, users: int) -> None:
    connection = await asyncpg.connect(url.rsplit("/", 1)[0] + "/postgres")
    try:
        await connection.execute(f"DROP DATABASE IF EXISTS {DATABASE} WITH (FORCE)")
        await connection.execute(f"CREATE DATABASE {DATABASE}")
    finally:
        await connection.close()
    await asyncio.to_thread(_demo, url, users)
    connection = await asyncpg.connect(url)
    try:
        await connection.execute(SAME_MOMENT.format("TIMESTAMPTZ '2026-01-01 00:00:00+00:00'"))
        await connection.execute("VACUUM ANALYZE")
    finally:
        await connection.close()


@contextlib.contextmanager
def _postgres(folder: Path, options: Sequence[str]) -> Iterator[tuple[int, int]]:
    """Port and process id of a server whose data stays in `folder` between runs."""
    owner = tools.postgres_owner()
    home = folder / "postgres"
    if not (home / "data" / "PG_VERSION").exists():
        shutil.rmtree(home, ignore_errors=True)
        home.mkdir()
        (folder / ".postgres").unlink(missing_ok=True)
        if owner:
            shutil.chown(home, owner)
        _initialise(home, owner)
    port = tools.free_port()
    command: list[str | Path] = [tools.postgres("postgres"), "-D", home / "data", "-p", str(port), "-h", HOST, "-k", ""]
    for option in options:
        command += ["-c", option]
    with processes.running(
        "PostgreSQL", command, home / "log", lambda: asyncio.run(_lets_in(port)), user=owner, stop=signal.SIGINT
    ) as process:
        yield port, process.pid


def _initialise(home: Path, owner: str | None) -> None:
    arguments = ["-D", str(home / "data"), "-A", "trust", "-U", "usergraph", "-E", "UTF8", "--locale=C"]
    done = subprocess.run(
        [tools.postgres("initdb"), *arguments], user=owner, cwd=home, capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise BenchError(f"initdb failed, as user {owner or 'yourself'}: {done.stderr.strip()[-500:]}")


async def _lets_in(port: int) -> bool:
    try:
        connection = await asyncpg.connect(f"postgres://usergraph@{HOST}:{port}/postgres", timeout=2)
    except (OSError, asyncpg.PostgresError, TimeoutError):
        return False
    await connection.close()
    return True
