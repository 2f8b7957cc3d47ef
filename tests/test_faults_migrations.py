"""A migration that is killed: the next start does the rest, and nothing is lost."""

import asyncio
import random
import subprocess
import time
from functools import partial
from pathlib import Path

from models import bulk, migrate
from models.database import Database, Transaction, sqlite_file
from models.users import User
from models.values import key, search_key
from tests.faults import assert_answers, assert_intact, rows, running, until
from tests.people import START
from tests.server import SCRIPT, environment
from tests.test_search_migration import back

USERS = 10_000
KILLS = 2
CONTENT = "SELECT id, username, email, name_key, state, created_at FROM users ORDER BY id"


def user(number: int) -> dict[str, object]:
    name = f"Person {number}"
    told = {"username": f"p{number}", "email": f"p{number}@large.test", "name": name}
    keys = {f"{each}_key": key(value) for each, value in told.items()}
    stamps = {"created_at": START, "updated_at": START, "version": 1}
    search = {"search_key": search_key(keys["name_key"], keys["username_key"], keys["email_key"])}
    return {**told, **keys, **search, "state": "ACTIVE", "role_id": 4, "can_create_projects_in_root": False, **stamps}


async def fill(url: str) -> None:
    """A large directory with the schema before users had a text to search in."""
    database = Database(url)
    await database.open()

    async def work(tx: Transaction) -> None:
        await bulk.insert(tx, User, [user(number) for number in range(USERS)])

    await database.transaction(work)
    await database.close()
    await back(url)


def start(url: str) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [SCRIPT, "migrate"],
        env=environment(database_url=url),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def has_begun(url: str, process: "subprocess.Popen[str]") -> bool:
    """Whether the migration has changed something that is not committed yet, or is over already."""
    if process.poll() is not None:
        return True
    file = sqlite_file(url)
    if file is not None:
        return any(Path(f"{file}{log}").exists() for log in ("-journal", "-wal"))
    sql = "SELECT COUNT(*) FROM pg_stat_activity WHERE datname = current_database() AND backend_xid IS NOT NULL"
    return bool(rows(url, sql)[0][0])


def test_a_migration_killed_at_any_moment_is_done_by_the_next_start(database_url: str, tmp_path: Path) -> None:
    asyncio.run(fill(database_url))
    before = rows(database_url, CONTENT)
    assert len(before) > USERS
    dice = random.Random(time.time_ns())
    for number in range(KILLS):
        with start(database_url) as process:
            until("it does not begin", partial(has_begun, database_url, process))
            time.sleep(dice.uniform(0, 0.3 * number))  # the outcome must be right whenever this is
            process.kill()
    applied = [row[0] for row in rows(database_url, "SELECT name FROM tortoise_migrations ORDER BY name")]
    print(f"\nafter {KILLS} kills: {applied[-1]}")
    assert rows(database_url, CONTENT) == before
    with running(tmp_path, database_url) as program:
        assert_answers(program)
    assert rows(database_url, CONTENT) == before
    applied = [row[0] for row in rows(database_url, "SELECT name FROM tortoise_migrations ORDER BY id")]
    assert applied == sorted(set(applied))
    assert applied[-1] == migrate.newest()
    searched = rows(database_url, "SELECT name_key, username_key, email_key, search_key FROM users WHERE id > 9")
    assert len(searched) == USERS
    assert [row[3] for row in searched] == [search_key(*row[:3]) for row in searched]
    assert_intact(database_url)
