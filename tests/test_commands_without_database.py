"""Commands that need a directory make none where the address is wrong."""

import asyncio
from pathlib import Path

import asyncpg
import pytest

from tests.postgres import Server
from tests.server import empty_database, usergraph

COMMANDS = {
    "import": ("import", "people.csv"),
    "import, dry": ("import", "people.csv", "--dry-run"),
    "reconcile": ("reconcile", "people.csv", "--source", "hr"),
    "reseal": ("admin", "reseal"),
    "report": ("report", "users-by-role"),
    "erase": ("admin", "erase", "user_1"),
}
SAID = "There is no usergraph database at"


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize("name", ["wrong.sqlite3", "nowhere/wrong.sqlite3", "empty.sqlite3"])
def test_a_wrong_sqlite_address_makes_no_file(tmp_path: Path, command: str, name: str) -> None:
    (tmp_path / "people.csv").write_text("email\nada@acme.example\n")
    (tmp_path / "empty.sqlite3").touch()
    done = usergraph(tmp_path, *COMMANDS[command], database_url=f"sqlite://{tmp_path}/{name}")
    assert done.returncode == 1, done.stdout
    assert "There is no" in done.stderr
    assert "Traceback" not in done.stderr
    if command != "report":
        assert SAID in done.stderr
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["empty.sqlite3", "people.csv"]
    assert (tmp_path / "empty.sqlite3").stat().st_size == 0


@pytest.mark.parametrize("command", COMMANDS)
async def test_an_empty_postgresql_database_is_left_empty(tmp_path: Path, postgres: Server, command: str) -> None:
    url = await empty_database(postgres, "mistyped")
    (tmp_path / "people.csv").write_text("email\nada@acme.example\n")
    done = await asyncio.to_thread(usergraph, tmp_path, *COMMANDS[command], database_url=url, secret_key="k" * 43 + "=")
    assert done.returncode == 1, done.stdout
    assert "Traceback" not in done.stderr
    connection = await asyncpg.connect(url)
    try:
        assert await connection.fetchval("SELECT COUNT(*) FROM pg_tables WHERE schemaname = 'public'") == 0
    finally:
        await connection.close()
