"""The command `usergraph`: what it prints, what it stores, how it ends."""

import re
import shutil
import sqlite3
import stat
from contextlib import closing
from pathlib import Path

import httpx
import pytest

from graph import schema
from tests.server import empty_database, environment, in_a_process, key_of_demo, rows, serving, usergraph
from tests.service import SECRET, running

COMMANDS = ("serve", "migrate", "schema", "demo", "admin", "import", "report", "copy")
# What `usergraph demo` fills, with the columns that a second run may not make differently.
FILLED = {
    "users": "id, username, email, name, first_name, last_name, external_id, state, role_id, provider_id,"
    " ldap_provider_id, login_dn, can_create_projects_in_root, last_login_at, last_api_request_at, version",
    "user_tags": "*",
    "user_aliases": "*",
    "user_variables": "*",
    "user_external_ids": "*",
    "groups": "*",
    "group_members": "*",
    "organization_members": "*",
    "invitations": "*",
}


def change(folder: Path, sql: str) -> None:
    with closing(sqlite3.connect(folder / "usergraph.sqlite3")) as connection, connection:
        connection.execute(sql)


def administrators(folder: Path) -> list[tuple[object, ...]]:
    """The users of a folder's database, which need not be there."""
    if not (folder / "usergraph.sqlite3").exists():
        return []
    made = rows(folder, "SELECT name FROM sqlite_master WHERE name = 'users'")
    return rows(folder, "SELECT username FROM users") if made else []


def in_folder(path: Path) -> Path:
    path.mkdir()
    return path


async def who_am_i(folder: Path, secret: str) -> object:
    """Whom a key lets in, asked of a service over the folder's database."""
    async with running(f"sqlite://{folder}/usergraph.sqlite3") as service:
        answer = await service.client.post(
            "/graphql", json={"query": "{ me { username state role { name } } }"}, headers={"x-apikey": secret}
        )
        return answer.json()["data"]


# --- help and mistakes ---------------------------------------------------------------------------------------------


def test_help_names_every_command(tmp_path: Path) -> None:
    done = usergraph(tmp_path, "--help")
    assert done.returncode == 0
    assert [name for name in COMMANDS if not re.search(rf"^ +{name} ", done.stdout, re.MULTILINE)] == []
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "arguments",
    [(), ("dance",), ("admin", "demote", "jane"), ("demo", "--users", "many")],
    ids=" ".join,
)
def test_what_is_not_understood_ends_with_2(tmp_path: Path, arguments: tuple[str, ...]) -> None:
    done = usergraph(tmp_path, *arguments)
    assert done.returncode == 2
    assert done.stderr.startswith("usage: usergraph")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("port", "99999", "USERGRAPH_PORT takes a whole number from"),
        ("introspection", "perhaps", "USERGRAPH_INTROSPECTION takes true or false, not 'perhaps'"),
        ("log_level", "loud", "USERGRAPH_LOG_LEVEL"),
        ("secret_key", "short", "USERGRAPH_SECRET_KEY is not a key"),
        ("admin_key", "short", "USERGRAPH_ADMIN_KEY needs at least 20 characters"),
        ("database_url", "mysql://db/usergraph", "USERGRAPH_DATABASE_URL begins with sqlite:// or postgres://"),
        ("database_url", "sqlite://:memory:", "USERGRAPH_DATABASE_URL needs a file"),
        ("database_url", "postgres://db:port/usergraph", "USERGRAPH_DATABASE_URL"),
        ("database_url", "sqlite:///dev/null/usergraph.sqlite3", "USERGRAPH_DATABASE_URL"),
        ("prot", "8000", "USERGRAPH_PROT is not a setting"),
    ],
)
def test_serve_refuses_a_setting_it_cannot_use_and_names_it(tmp_path: Path, name: str, value: str, said: str) -> None:
    keys = {"secret_key": SECRET} if value.startswith("postgres:") else {}
    done = in_a_process(tmp_path, "serve", **keys, **{name: value})
    assert done.returncode == 1
    assert said in done.stderr
    assert "Traceback" not in done.stderr
    # An administrator made before the refusal would have had a key that nobody ever saw.
    assert administrators(tmp_path) == []


@pytest.mark.parametrize("arguments", [("schema",), ("import", "x.csv")], ids=" ".join)
def test_other_commands_refuse_unknown_settings_too(tmp_path: Path, arguments: tuple[str, ...]) -> None:
    done = usergraph(tmp_path, *arguments, databse_url="sqlite://x")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == "usergraph: USERGRAPH_DATABSE_URL is not a setting. The README lists them all.\n"
    assert list(tmp_path.iterdir()) == []


def test_without_a_secret_key_postgresql_is_refused(tmp_path: Path) -> None:
    done = in_a_process(tmp_path, "serve", database_url="postgres://nobody@127.0.0.1:1/usergraph")
    assert done.returncode == 1
    assert done.stderr.startswith("usergraph: USERGRAPH_SECRET_KEY is needed with PostgreSQL")
    assert "Traceback" not in done.stderr


# --- schema, migrate, demo -----------------------------------------------------------------------------------------


def test_schema_prints_and_compares(tmp_path: Path) -> None:
    printed = usergraph(tmp_path, "schema")
    assert (printed.returncode, printed.stdout) == (0, schema.build().as_str() + "\n")
    file = tmp_path / "schema.graphql"
    file.write_text(printed.stdout)
    assert usergraph(tmp_path, "schema", "--check", file).returncode == 0
    file.write_text(printed.stdout.replace("type User ", "type Person "))
    differs = usergraph(tmp_path, "schema", "--check", file)
    assert differs.returncode == 1
    assert "make schema" in differs.stderr


def test_migrating_twice_changes_nothing(tmp_path: Path) -> None:
    first = usergraph(tmp_path, "migrate")
    assert first.returncode == 0, first.stderr
    assert "0001" in first.stdout
    made = rows(tmp_path, "SELECT name, sql FROM sqlite_master ORDER BY name")
    second = usergraph(tmp_path, "migrate")
    assert (second.returncode, second.stdout) == (0, "The database is up to date.\n")
    assert rows(tmp_path, "SELECT name, sql FROM sqlite_master ORDER BY name") == made
    assert rows(tmp_path, "SELECT * FROM users") == []


async def test_migrating_and_filling_works_on_postgresql(request: pytest.FixtureRequest, tmp_path: Path) -> None:
    url = await empty_database(request.getfixturevalue("postgres"), "made_by_cli")
    for arguments in (("migrate",), ("migrate",), ("demo", "--users", "25")):
        done = usergraph(tmp_path, *arguments, database_url=url, secret_key=SECRET)
        assert done.returncode == 0, done.stderr
    secret = done.stdout.split()[-1]
    async with running(url) as service:
        answer = await service.client.post(
            "/graphql", json={"query": "{ users { totalCount } }"}, headers={"x-apikey": secret}
        )
        assert answer.json()["data"] == {"users": {"totalCount": 26}}


def test_demo_makes_the_same_people_at_every_run(tmp_path: Path) -> None:
    one, two = in_folder(tmp_path / "one"), in_folder(tmp_path / "two")
    for folder in (one, two):
        done = usergraph(folder, "demo", "--users", 200)
        assert done.returncode == 0, done.stderr
        assert re.search(r"shown this once: +ug_\S{43}$", done.stdout)
    for table, columns in FILLED.items():
        people = rows(one, f"SELECT {columns} FROM {table} ORDER BY id")
        assert people == rows(two, f"SELECT {columns} FROM {table} ORDER BY id"), table
        assert people, table
    assert rows(one, "SELECT COUNT(*) FROM users") == [(201,)]
    keys = [rows(folder, "SELECT digest FROM api_keys") for folder in (one, two)]
    assert keys[0] != keys[1], "the administrator's key is no part of the demo"


def test_demo_leaves_a_directory_with_people_alone(tmp_path: Path, sqlite_template: Path) -> None:
    shutil.copy(sqlite_template, tmp_path)
    before = rows(tmp_path, "SELECT * FROM users")
    assert before
    for secret in ("", key_of_demo()):
        again = usergraph(tmp_path, "demo", admin_key=secret)
        assert (again.returncode, again.stdout) == (1, "")
        assert "has users already" in again.stderr
        assert rows(tmp_path, "SELECT * FROM users") == before


# --- admin ---------------------------------------------------------------------------------------------------------


async def test_admin_key_lets_the_administrator_in_again(tmp_path: Path, sqlite_template: Path) -> None:
    shutil.copy(sqlite_template, tmp_path)
    done = usergraph(tmp_path, "admin", "key", "ADMIN")
    assert done.returncode == 0, done.stderr
    me = await who_am_i(tmp_path, done.stdout.strip())
    assert me == {"me": {"username": "admin", "state": "ACTIVE", "role": {"name": "Admin"}}}
    newest = rows(tmp_path, "SELECT user_id, name, rights, revoked_at FROM api_keys ORDER BY id DESC LIMIT 1")
    assert newest == [(1, "made on the command line", None, None)]
    assert rows(tmp_path, "SELECT action FROM audit_events ORDER BY id DESC LIMIT 1") == [("KEY_CREATED",)]


async def test_admin_promote_makes_anybody_an_administrator_who_can_get_in(
    tmp_path: Path, sqlite_template: Path
) -> None:
    shutil.copy(sqlite_template, tmp_path)
    identity = "provider_id = 2, ldap_provider_id = 2, login_dn = 'cn=r,dc=x', login_dn_key = 'cn=r,dc=x'"
    change(tmp_path, f"UPDATE users SET state = 'DEACTIVATED', {identity} WHERE id = 5")
    done = usergraph(tmp_path, "admin", "promote", "readonly")
    assert done.returncode == 0, done.stderr
    me = await who_am_i(tmp_path, done.stdout.strip())
    assert me == {"me": {"username": "readonly", "state": "ACTIVE", "role": {"name": "Admin"}}}
    assert rows(tmp_path, "SELECT provider_id, ldap_provider_id, login_dn FROM users WHERE id = 5") == [(1, None, None)]
    events = rows(tmp_path, "SELECT action, subject_label FROM audit_events ORDER BY id DESC LIMIT 2")
    assert ("UPDATED", "readonly") in events
    assert "KEY_CREATED" in dict(events)


def test_admin_does_not_know_strangers(tmp_path: Path, sqlite_template: Path) -> None:
    shutil.copy(sqlite_template, tmp_path)
    before = rows(tmp_path, "SELECT * FROM api_keys")
    for what in ("key", "promote"):
        done = usergraph(tmp_path, "admin", what, "nobody")
        assert (done.returncode, done.stdout) == (1, "")
        assert "There is no user nobody" in done.stderr
    assert rows(tmp_path, "SELECT * FROM api_keys") == before


def test_admin_confirm_keys_lets_the_keys_of_all_users_vouch_for_every_role(
    tmp_path: Path, sqlite_template: Path
) -> None:
    shutil.copy(sqlite_template, tmp_path)
    sql = "SELECT id, match_key_limits FROM users WHERE id > 1 ORDER BY id"
    confirmed = rows(tmp_path, sql)
    change(tmp_path, "UPDATE users SET match_key_limits = NULL")
    done = usergraph(tmp_path, "admin", "confirm-keys")
    message = "confirmed the emails, external ids and login DNs of 9 users\n"
    assert (done.returncode, done.stdout, done.stderr) == (0, message, "")
    assert rows(tmp_path, sql) == confirmed
    count = "SELECT COUNT(*) FROM audit_events WHERE changes LIKE '%confirmedKeys%'"
    assert rows(tmp_path, count) == [(9,)]
    done = usergraph(tmp_path, "admin", "confirm-keys")
    assert (done.returncode, done.stdout) == (0, message.replace(" 9 ", " 0 "))
    assert rows(tmp_path, count) == [(9,)]
    assert usergraph(tmp_path, "admin", "confirm-keys", "jane").returncode == 2


def test_admin_erase_shows_what_it_would_do_and_erases_with_yes(tmp_path: Path, sqlite_template: Path) -> None:
    shutil.copy(sqlite_template, tmp_path)
    shown = usergraph(tmp_path, "admin", "erase", "user_9")
    assert (shown.returncode, shown.stderr) == (0, "")
    assert shown.stdout.startswith("user_9 would be erased, and is erased-9 in the history.")
    assert "users_history" in shown.stdout
    assert "add --yes" in shown.stdout
    assert rows(tmp_path, "SELECT username FROM users WHERE id = 9") == [("outsider",)]
    done = usergraph(tmp_path, "admin", "erase", "user_9", "--yes")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("user_9 is erased, and is erased-9 in the history.")
    assert rows(tmp_path, "SELECT id FROM users WHERE id = 9") == []
    assert rows(tmp_path, "SELECT DISTINCT username FROM users_history WHERE row_id = 9") == [("erased-9",)]
    again = usergraph(tmp_path, "admin", "erase", "user_9", "--yes")
    assert (again.returncode, again.stdout) == (0, "user_9 was erased before: only erased-9 is left.\n")


@pytest.mark.parametrize(
    ("typed", "message"),
    [
        ("user_99", "There is no user user_99."),
        ("nobody", "There is no user nobody."),
        ("user_1", "This would leave no active administrator"),
    ],
)
def test_admin_erase_refuses(tmp_path: Path, sqlite_template: Path, typed: str, message: str) -> None:
    shutil.copy(sqlite_template, tmp_path)
    done = usergraph(tmp_path, "admin", "erase", typed, "--yes")
    assert (done.returncode, done.stdout) == (1, "")
    assert message in done.stderr
    assert rows(tmp_path, "SELECT COUNT(*) FROM users") == [(9,)]


# --- serve ---------------------------------------------------------------------------------------------------------


def test_the_first_start_prints_a_key_and_the_next_does_not(tmp_path: Path) -> None:
    url = f"sqlite://{tmp_path}/usergraph.sqlite3"  # which is not there yet
    ask = {"query": "{ me { username } users { totalCount } }"}
    with serving(tmp_path, "--demo", admin_key="", database_url=url) as address:
        secret = re.search(r"shown this once: +(ug_\S+)", (tmp_path / "serve.log").read_text())
        assert secret is not None
        answer = httpx.post(f"{address}/graphql", json=ask, headers={"X-ApiKey": secret[1]})
        assert answer.json()["data"] == {"me": {"username": "admin"}, "users": {"totalCount": 301}}
        assert httpx.get(f"{address}/healthz").json() == {"status": "ok"}
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in tmp_path.glob("usergraph.*")}
    assert modes == dict.fromkeys(("usergraph.sqlite3", "usergraph.key", "usergraph.lock"), 0o600)
    with serving(tmp_path, "--demo", admin_key="", database_url=url) as address:
        assert "ug_" not in (tmp_path / "serve.log").read_text()
        answer = httpx.post(f"{address}/graphql", json=ask, headers={"X-ApiKey": secret[1]})
        assert answer.json()["data"]["users"] == {"totalCount": 301}, "a second --demo adds nobody"


def test_a_key_from_the_settings_is_never_printed(tmp_path: Path) -> None:
    with serving(tmp_path, "--demo") as address:
        answer = httpx.post(
            f"{address}/graphql", json={"query": "{ me { username } }"}, headers={"X-ApiKey": key_of_demo()}
        )
        assert answer.json()["data"] == {"me": {"username": "admin"}}
    assert key_of_demo() not in (tmp_path / "serve.log").read_text()


def test_serve_refuses_a_database_that_a_newer_program_migrated(tmp_path: Path) -> None:
    assert usergraph(tmp_path, "migrate").returncode == 0
    columns = [str(row[1]) for row in rows(tmp_path, "PRAGMA table_info(tortoise_migrations)")]
    new = {"id": "NULL", "name": "'9999_of_the_future'"}
    copied = ", ".join(new.get(name, name) for name in columns)
    change(tmp_path, f"INSERT INTO tortoise_migrations SELECT {copied} FROM tortoise_migrations LIMIT 1")
    done = in_a_process(tmp_path, "serve", port=18_999)
    assert done.returncode == 1
    assert "9999_of_the_future" in done.stderr
    assert "newer" in done.stderr
    assert "Traceback" not in done.stderr
    assert rows(tmp_path, "SELECT * FROM users") == [], "refused before anything is stored"


def test_serve_refuses_a_file_that_is_no_database_and_keeps_it(tmp_path: Path) -> None:
    file = tmp_path / "usergraph.sqlite3"
    file.write_bytes(b"these are not the rows you are looking for\n" * 100)
    kept = file.read_bytes()
    done = in_a_process(tmp_path, "serve", port=18_999)
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    assert file.read_bytes() == kept


def test_the_environment_of_the_tests_is_clean() -> None:
    assert [name for name in environment() if name.startswith("USERGRAPH_")] == []
