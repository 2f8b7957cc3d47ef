"""`usergraph copy`: an SQLite directory in PostgreSQL, every row of it, or nothing."""

import asyncio
import contextlib
import shutil
import sqlite3
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from models import bulk, copying, migrate, tables
from models.database import Database
from tests.postgres import Server
from tests.server import SCRIPT, empty_database, environment, usergraph
from tests.service import SECRET, running

TABLES = sorted(getattr(tables, name)._meta.db_table for name in tables.__all__)
NOW = "'2026-06-01 10:00:00.123456+00:00'"
# What a service has written in the course of time, beside the people of the demo.
WRITTEN = f"""
UPDATE users SET created_by_id = 250, updated_by_id = 251 WHERE id IN (3, 250);
UPDATE users SET password_hash = 'hash', totp_secret = 'sealed', totp_enabled_at = {NOW} WHERE id = 4;
UPDATE organizations SET parent_id = (SELECT MAX(id) FROM organizations), name_key = 'moved' WHERE id = 3;
INSERT INTO sessions (user_id, token_digest, created_at, expires_at, ended_at) VALUES (3, 'd1', {NOW}, {NOW}, NULL);
INSERT INTO password_resets (user_id, token_digest, expires_at, created_at) VALUES (3, 'd2', {NOW}, {NOW});
INSERT INTO stored_answers (actor_id, key_digest, fingerprint, answer, created_at)
    VALUES (1, 'k', 'f', 'sealed', {NOW});
INSERT INTO previous_identities (user_id, provider_id, created_at) VALUES (3, 1, {NOW});
INSERT INTO api_keys (user_id, name, prefix, digest, rights, created_at)
    VALUES (3, 'limited', 'ug_', 'd3', '["users.read"]', {NOW});
INSERT INTO letters (kind, state, user_id, to_address, link, attempts, created_at)
    VALUES ('INVITATION', 'WAITING', 3, 'x@example.com', 'sealed', 0, {NOW});
INSERT INTO audit_events (created_at, action, subject_type, subject_id, subject_label, changes)
    VALUES ('2026-06-01 10:00:00+00:00', 'UPDATED', 'user', 3, 'Zoë 😀',
        '{{"name": [null, "Zoë \\" 😀"], "a": [1, true]}}');
INSERT INTO recovery_codes (user_id, code_digest, created_at, used_at) VALUES (3, 'd4', {NOW}, NULL);
INSERT INTO sign_in_failures (subject_digest, count, last_at, blocked_until) VALUES ('d5', 7, {NOW}, {NOW});
INSERT INTO saml_requests (provider_id, user_id, session_id, purpose, request_digest, return_to, created_at, expires_at)
    VALUES (1, 3, (SELECT MAX(id) FROM sessions), 'LINK', 'd6', '/graphql', {NOW}, {NOW});
INSERT INTO saml_assertions (provider_id, assertion_digest, expires_at) VALUES (1, 'd7', {NOW});
INSERT INTO directory_jobs (id, kind, state, provider_id, source, is_dry_run, options, done, counts, created_at)
    VALUES (1, 'SYNC', 'DONE', 1, 'ldap:1', 1, '{{"maxDeactivations": 5}}', 1, '{{"CREATE": 1}}', {NOW});
INSERT INTO directory_job_rows (job_id, position, entry_key, label, user_id, action, wanted, changes, applied_at)
    VALUES (1, 0, 'uid=zoë', 'Zoë 😀', 3, 'UPDATE', '{{"name": "Zoë"}}', '[["name", null, "Zoë"]]', {NOW});
INSERT INTO directory_entries (source, entry_key, user_id, absences, last_seen_at)
    VALUES ('ldap:1', 'uid=zoë', 3, 2, {NOW});
INSERT INTO saved_reports
    (name, name_key, document, variables, owner_id, is_built_in, created_at, updated_at, version)
    VALUES ('mine', 'mine', '{{ me {{ id }} }}', '{{"a": [1, null]}}', 3, 0, {NOW}, {NOW}, 2);
INSERT INTO saved_report_roles (report_id, role_id) SELECT MAX(id), 2 FROM saved_reports;
UPDATE identity_providers SET settings = '{{"url": "ldaps://x"}}', secrets = 'sealed', ceiling_weight = 40;
INSERT INTO groups (name, name_key, created_at, updated_at) VALUES ('Gone', 'gone', {NOW}, {NOW});
DELETE FROM groups WHERE name_key = 'gone';
"""
QUERIES = [
    "{ users(first: 400, orderBy: [{field: NAME}]) { totalCount nodes { id username email name state version createdAt"
    " role { name } createdBy { id } tags aliases groups { nodes { name } } } } }",
    "{ organizations(first: 200) { totalCount nodes { id name parent { id } } } }",
    "{ auditEvents(first: 400) { totalCount nodes { id action subjectId changes createdAt } } }",
    "{ invitations(first: 100) { totalCount nodes { id state } } me { username } roles { name weight } }",
]


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a directory that has rows in every table."""
    folder = tmp_path_factory.mktemp("directory")
    done = usergraph(folder, "demo", "--users", 300, admin_key="ug_test_key_of_admin_0123456789")
    assert done.returncode == 0, done.stderr
    change(folder, WRITTEN)
    (folder / "usergraph.key").write_text(SECRET)
    return folder


@pytest.fixture
def folder(directory: Path, tmp_path: Path) -> Path:
    shutil.copytree(directory, tmp_path, dirs_exist_ok=True)
    return tmp_path


@pytest.fixture
async def target(postgres: Server) -> str:
    return await empty_database(postgres, "copied")


def change(folder: Path, sql: str) -> None:
    with contextlib.closing(sqlite3.connect(folder / "usergraph.sqlite3")) as connection, connection:
        connection.executescript(sql)


async def execute(url: str, sql: str) -> None:
    connection = await asyncpg.connect(url)
    try:
        await connection.execute(sql)
    finally:
        await connection.close()


async def counts(url: str) -> dict[str, int]:
    connection = await asyncpg.connect(url)
    try:
        return {table: await connection.fetchval(f"SELECT COUNT(*) FROM {table}") for table in TABLES}
    finally:
        await connection.close()


def copy(folder: Path, target: str, **settings: object) -> "subprocess.CompletedProcess[str]":
    return usergraph(folder, "copy", "--to", target, **settings)


async def answers(url: str) -> list[Any]:
    async with running(url, max_cost=1_000_000) as service:
        return [await service.data(query) for query in QUERIES]


async def test_the_copy_answers_as_the_original_does_and_goes_on_from_there(folder: Path, target: str) -> None:
    done = copy(folder, target)
    assert done.returncode == 0, done.stderr
    found = await counts(target)
    assert [table for table in TABLES if not found[table]] == [], "each table has rows to show"
    for table in TABLES:
        (line,) = [line for line in done.stdout.splitlines() if line.startswith(f"{table} ")]
        assert line.split()[1] == line.split()[3] == f"{found[table]:,}"
        assert line.split()[2] == line.split()[4]
        assert line.endswith(" same")
    original = f"sqlite://{folder}/usergraph.sqlite3"
    assert await answers(target) == await answers(original)
    highest = {}
    with contextlib.closing(sqlite3.connect(folder / "usergraph.sqlite3")) as connection:
        highest = dict(connection.execute("SELECT name, seq FROM sqlite_sequence"))
    async with running(target) as service:
        made = await service.data('mutation { createGroup(input: {name: "New"}) { group { id } errors { code } } }')
        assert made["createGroup"]["group"]["id"] == f"group_{highest['groups'] + 1}", "not the one of a deleted group"
        sent = 'mutation { inviteUsers(input: {users: [{email: "new@example.com"}]}) { results { user { id } } } }'
        invited = await service.data(sent)
        assert invited["inviteUsers"]["results"][0]["user"]["id"] == f"user_{highest['users'] + 1}"


async def test_the_secret_key_is_told_of_and_not_told(folder: Path, target: str) -> None:
    done = copy(folder, target)
    assert f'export USERGRAPH_SECRET_KEY="$(cat {folder}/usergraph.key)"' in done.stdout
    assert SECRET not in done.stdout + done.stderr
    again = await empty_database(_server_of(target), "copied_again")
    done = copy(folder, again, secret_key=SECRET)
    assert "Serve it with the USERGRAPH_SECRET_KEY that is set now" in done.stdout
    assert SECRET not in done.stdout + done.stderr


def _server_of(url: str) -> Any:
    """As `empty_database` takes it."""

    class Same:
        def url(self, name: str) -> str:
            return f"{url.rsplit('/', 1)[0]}/{name}"

    return Same()


async def test_references_to_later_rows_are_copied_and_still_checked_afterwards(folder: Path, target: str) -> None:
    assert copy(folder, target).returncode == 0
    with pytest.raises(asyncpg.ForeignKeyViolationError):
        await execute(target, "UPDATE users SET created_by_id = 999999 WHERE id = 1")
    with pytest.raises(asyncpg.ForeignKeyViolationError):
        await execute(target, "UPDATE organizations SET parent_id = 999999 WHERE id = 4")
    fresh = await empty_database(_server_of(target), "constraints")
    await migrate.bring_up_to_date(fresh)
    found = []
    for url in (fresh, target):
        connection = await asyncpg.connect(url)
        sql = "SELECT conname, pg_get_constraintdef(oid) FROM pg_constraint WHERE contype = 'f' ORDER BY conname"
        found.append([tuple(row) for row in await connection.fetch(sql)])
        await connection.close()
    assert found[0] == found[1] != []


async def test_a_target_with_rows_is_refused_and_left_alone(folder: Path, target: str) -> None:
    assert copy(folder, target).returncode == 0
    before = await counts(target)
    again = copy(folder, target)
    assert (again.returncode, again.stdout) == (1, "")
    assert "The target has rows already" in again.stderr
    assert "Make a new database" in again.stderr
    assert await counts(target) == before


async def test_a_value_that_arrives_otherwise_fails_and_leaves_nothing(folder: Path, target: str) -> None:
    await migrate.bring_up_to_date(target)
    await execute(
        target,
        "CREATE FUNCTION shout() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN"
        " IF NEW.id = 7 THEN NEW.name := upper(NEW.name); END IF; RETURN NEW; END $$;"
        "CREATE TRIGGER shout BEFORE INSERT ON users FOR EACH ROW EXECUTE FUNCTION shout()",
    )
    done = copy(folder, target)
    assert done.returncode == 1
    assert "What arrived is not what was sent: users. Nothing was kept." in done.stderr
    assert [line.split()[0] for line in done.stdout.splitlines() if line.endswith("DIFFERENT")] == ["users"]
    assert set((await counts(target)).values()) == {0}


async def test_a_row_that_does_not_arrive_fails_and_leaves_nothing(folder: Path, target: str) -> None:
    await migrate.bring_up_to_date(target)
    await execute(
        target,
        "CREATE FUNCTION lose() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN"
        " IF NEW.id = 5 THEN RETURN NULL; END IF; RETURN NEW; END $$;"
        "CREATE TRIGGER lose BEFORE INSERT ON user_tags FOR EACH ROW EXECUTE FUNCTION lose()",
    )
    done = copy(folder, target)
    assert done.returncode == 1
    assert "What arrived is not what was sent: user_tags. Nothing was kept." in done.stderr
    assert set((await counts(target)).values()) == {0}


async def test_what_postgresql_does_not_take_is_told_with_its_place(folder: Path, target: str) -> None:
    change(folder, f"UPDATE groups SET description = '{'x' * 2_000}' WHERE id = 2")
    done = copy(folder, target)
    assert done.returncode == 1
    assert done.stderr.startswith("usergraph: PostgreSQL refuses what SQLite had taken (groups, ids 1 to 12)")
    assert "Mend it in SQLite and copy again." in done.stderr
    assert "Traceback" not in done.stderr
    assert set((await counts(target)).values()) == {0}


async def test_a_copy_that_is_killed_leaves_nothing_and_can_be_made_again(folder: Path, target: str) -> None:
    await migrate.bring_up_to_date(target)
    await execute(
        target,
        "CREATE FUNCTION dawdle() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN PERFORM pg_sleep(0.05); RETURN NEW;"
        " END $$; CREATE TRIGGER dawdle BEFORE INSERT ON user_tags FOR EACH ROW EXECUTE FUNCTION dawdle()",
    )
    settings = environment(database_url=f"sqlite://{folder}/usergraph.sqlite3")
    command = [SCRIPT, "copy", "--to", target]
    process = await asyncio.create_subprocess_exec(*command, env=settings, stdout=subprocess.DEVNULL)
    watcher = await asyncpg.connect(target)
    inserting = "SELECT COUNT(*) FROM pg_stat_activity WHERE query LIKE 'INSERT INTO \"user_tags\"%'"
    inserting += " AND datname = current_database()"

    async def wait_until(is_inserting: bool) -> None:
        for _ in range(3_000):
            if bool(await watcher.fetchval(inserting)) is is_inserting:
                return
            await asyncio.sleep(0.02)
        raise AssertionError(f"inserting is not {is_inserting}")

    await wait_until(True)
    process.kill()
    await process.wait()
    await watcher.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE wait_event = 'PgSleep'")
    await wait_until(False)
    await watcher.execute("DROP TRIGGER dawdle ON user_tags")
    await watcher.close()
    assert set((await counts(target)).values()) == {0}
    assert copy(folder, target).returncode == 0
    assert (await counts(target))["users"] == 301


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--to", "sqlite://other.sqlite3"), "The target is no PostgreSQL"),
        (("--to", "postgres://usergraph@127.0.0.1:1/x"), "PostgreSQL does not answer at --to"),
        (("--to", "postgres://x/x", "--from", "postgres://y/y"), "The source is no SQLite directory"),
        (("--to", "postgres://x/x", "--from", "sqlite://absent.sqlite3"), "Run: usergraph migrate"),
    ],
)
def test_what_cannot_be_copied_is_refused(folder: Path, options: tuple[str, ...], said: str) -> None:
    done = usergraph(folder, "copy", *options)
    assert (done.returncode, done.stdout) == (1, "")
    assert said in done.stderr
    assert "Traceback" not in done.stderr


async def test_a_directory_of_an_older_program_is_refused(folder: Path, target: str) -> None:
    change(folder, f"DELETE FROM tortoise_migrations WHERE name = '{migrate.newest()}'")
    done = copy(folder, target)
    assert done.returncode == 1
    assert "Run: usergraph migrate" in done.stderr


def test_every_table_is_copied_after_those_that_it_refers_to() -> None:
    order = [model.__name__ for model in copying.models()]
    assert sorted(order) == sorted(tables.__all__)
    for model in copying.models():
        for parent in copying.parents(model) - {model.__name__}:
            assert order.index(parent) < order.index(model.__name__)


async def test_every_column_is_copied(folder: Path) -> None:
    for model in copying.models():
        with contextlib.closing(sqlite3.connect(folder / "usergraph.sqlite3")) as connection:
            columns = {row[1] for row in connection.execute(f"PRAGMA table_info({model._meta.db_table})")}
        assert columns == set(bulk.column_kinds(model)), model.__name__


@contextlib.contextmanager
def silent(name: str, total: int) -> Iterator[Any]:
    yield lambda count: None


async def test_chunks_are_bounded_by_rows_and_by_text(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(copying, "ROWS", 7)
    monkeypatch.setattr(copying, "CHARACTERS", 200)
    database = Database(f"sqlite://{folder}/usergraph.sqlite3")
    await database.open()
    async with database.reading() as connection:
        for model in copying.models():
            ranges = await copying._ranges(connection, model)
            assert [a[1] + 1 for a in ranges[:-1]] == [b[0] for b in ranges[1:]], "no gap"
            assert (ranges[0][0], ranges[-1][1]) == (copying.FIRST, copying.LAST)
            sizes = [len(await copying._rows(connection, model, range_)) for range_ in ranges]
            assert max(sizes) <= 7
            assert sum(sizes) == await connection.scalar(f"SELECT COUNT(*) FROM {bulk.table(model)}")
        events = await copying._ranges(connection, tables.AuditEvent)
        for range_ in events:
            found = await connection.rows(
                "SELECT LENGTH(changes) FROM audit_events WHERE id BETWEEN $1 AND $2", *range_
            )
            assert len(found) == 1 or sum(row[0] for row in found) <= 200
    await database.close()


async def test_what_is_written_meanwhile_is_not_in_the_copy_and_is_told(
    folder: Path, target: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(copying, "ROWS", 50)
    await migrate.bring_up_to_date(target)
    source, sink = Database(f"sqlite://{folder}/usergraph.sqlite3"), Database(target)
    await source.open()
    await sink.open()
    late = f"INSERT INTO groups (name, name_key, created_at, updated_at) VALUES ('Late', 'late', {NOW}, {NOW});"

    @contextlib.contextmanager
    def meddling(name: str, total: int) -> Iterator[Any]:
        if name == "copy":
            change(folder, late)
        yield lambda count: None

    async with source.reading() as connection:
        copied = await sink.transaction(lambda tx: copying.copy(connection, tx, meddling))
    await sink.close()
    await source.close()
    assert copied.was_changed
    assert all(each.is_same for each in copied.tables)
    assert (await counts(target))["groups"] == 12
