"""The demo directory: its dates move with the day it is made."""

import itertools
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from graph.serve import ready
from models.settings import Settings
from models.values import now
from tests.server import empty_database
from tests.test_migrations import opened, rows

_numbers = itertools.count(1)


@pytest.fixture(params=["sqlite", "postgres"])
async def empty(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The address of a database with nothing in it."""
    if request.param == "sqlite":
        return f"sqlite://{tmp_path}/usergraph.sqlite3"
    return await empty_database(request.getfixturevalue("postgres"), f"demo_{next(_numbers)}")


def moment(stored: object) -> datetime:
    found = stored if isinstance(stored, datetime) else datetime.fromisoformat(str(stored))
    return found.astimezone(UTC) if found.tzinfo else found.replace(tzinfo=UTC)


async def test_people_of_the_demo_were_here_lately_and_most_invitations_are_open(empty: str) -> None:
    await ready(Settings(database_url=empty), 400)
    today = now()
    async with opened(empty) as database:
        people = await rows(database, "SELECT created_at, last_login_at, totp_enabled_at FROM users WHERE id > 1")
        invited = await rows(database, "SELECT expires_at FROM invitations WHERE state = 'PENDING'")
        events = await rows(database, "SELECT created_at FROM audit_events WHERE subject_type = 'user'")
    assert len(people) == 400
    assert max(moment(each) for row in people for each in row if each is not None) < today
    logins = [moment(row[1]) for row in people if row[1] is not None]
    assert sum(each > today - timedelta(days=60) for each in logins) > len(logins) / 2 > 100
    is_open = [moment(row[0]) > today for row in invited]
    assert sum(is_open) > len(is_open) / 2 > 5
    assert all(today - timedelta(days=3) < moment(row[0]) <= today for row in events)
