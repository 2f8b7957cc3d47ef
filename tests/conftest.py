"""Every test that takes `service` runs on SQLite and on PostgreSQL, on a fresh copy of the same directory."""

import asyncio
import gc
import itertools
import os
import shutil
import tempfile
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from graph.collector import settle
from models import migrate
from models.database import Database
from tests import cast
from tests.apacheds import ApacheDs
from tests.crew import hired
from tests.directory_server_389 import DirectoryServer389
from tests.ldap_process import LdapProcess, NoServer
from tests.postgres import NoPostgres, Server
from tests.samba import Samba
from tests.service import Service, running
from tests.slapd import NoSlapd, Slapd

# Thousands of small databases are made and thrown away: in memory, where there is room for them.
MEMORY = Path("/dev/shm")
if MEMORY.is_dir() and os.access(MEMORY, os.W_OK) and shutil.disk_usage(MEMORY).free > 3 * 1024**3:
    tempfile.tempdir = str(MEMORY)

IN_CI = os.environ.get("CI") == "true"
_numbers = itertools.count(1)

# Files that take longest. One of them begun last would keep one process busy while the others have nothing to do.
LONGEST = (
    "samba directory_server_389 apacheds"
    " workers outbox_processes migrations copy_directory differential error_texts permission_matrix pgbouncer cli"
    " history_migration history_tables search_migration restarts reconcile_command report_command odata_client"
    " faults_kills faults_postgres serve quick_ways playground_charts playground_browser limits filters"
    " playground_examples faults_migrations traces convert_safely reseal logs metrics sessions sign_in idempotency"
).split()


# Looked through again and again, what is collected would take longer than many a test.
gc.disable()


def pytest_collection_finish() -> None:
    """As in the processes that serve."""
    gc.enable()
    settle()


def pytest_unconfigure() -> None:
    gc.unfreeze()  # libraries that count what is left at the end take it for leaks


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    places = {f"test_{name}": place for place, name in enumerate(LONGEST)}
    items.sort(key=lambda item: places.get(item.path.stem, len(places)))


@pytest.fixture(scope="session")
def postgres() -> Iterator[Server]:
    """A server for the session."""
    yield from a_server()


def a_server() -> Iterator[Server]:
    """Without one, tests on PostgreSQL are skipped, but never in CI."""
    try:
        server = Server()
    except NoPostgres as error:
        if IN_CI:
            pytest.fail(f"PostgreSQL is needed in CI: {error}")
        pytest.skip(f"no PostgreSQL: {error}")
    yield server
    server.stop()


@pytest.fixture(scope="session")
def slapd() -> Iterator[Slapd]:
    """An LDAP server for the session. Without one, its tests are skipped, but never in CI."""
    try:
        server = Slapd()
    except NoSlapd as error:
        if IN_CI:
            pytest.fail(f"slapd is needed in CI: {error}")
        pytest.skip(f"no LDAP server: {error}")
    yield server
    server.stop()


def a_directory(start: Callable[[], LdapProcess], name: str) -> Iterator[LdapProcess]:
    """Without the server, its tests are skipped, but never in CI."""
    try:
        server = start()
    except NoServer as error:
        if IN_CI:
            pytest.fail(f"{name} is needed in CI: {error}")
        pytest.skip(f"no {name}: {error}")
    yield server
    server.stop()


@pytest.fixture(scope="session")
def samba() -> Iterator[LdapProcess]:
    """A domain controller for the session."""
    yield from a_directory(Samba, "Samba")


@pytest.fixture(scope="session")
def server_389() -> Iterator[LdapProcess]:
    """A 389 Directory Server for the session."""
    yield from a_directory(DirectoryServer389, "389 Directory Server")


@pytest.fixture(scope="session")
def apacheds() -> Iterator[LdapProcess]:
    """An ApacheDS for the session."""
    yield from a_directory(ApacheDs, "ApacheDS")


@pytest.fixture
def crew(slapd: Slapd) -> Iterator[Slapd]:
    """The server with a few people to keep equal (tests/crew.py)."""
    with hired(slapd) as made:
        yield made


@pytest.fixture(scope="session")
def sqlite_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("template") / "usergraph.sqlite3"
    asyncio.run(_make(f"sqlite://{file}"))
    return file


@pytest.fixture(scope="session")
def owner(postgres: Server) -> Iterator[Callable[[str], None]]:
    """Runs SQL at the server, by one connection for the session."""
    with asyncio.Runner() as runner:
        connection = runner.run(asyncpg.connect(postgres.url("postgres")))
        yield lambda sql: runner.run(connection.execute(sql))
        runner.run(connection.close())


@pytest.fixture(scope="session")
def postgres_template(postgres: Server, owner: Callable[[str], None]) -> str:
    owner("CREATE DATABASE template_cast")
    asyncio.run(_make(postgres.url("template_cast")))
    return "template_cast"


async def _make(url: str) -> None:
    await migrate.bring_up_to_date(url)
    database = Database(url)
    await database.open()
    await cast.fill(database)
    await database.close()


@pytest.fixture(params=["sqlite", "postgres"])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """A fresh copy of the cast's directory (tests/cast.py), up to date."""
    if request.param == "sqlite":
        template: Path = request.getfixturevalue("sqlite_template")
        file = tmp_path / "usergraph.sqlite3"
        shutil.copyfile(template, file)
        yield f"sqlite://{file}"
        return
    server: Server = request.getfixturevalue("postgres")
    name = f"test_{next(_numbers)}"
    template_name: str = request.getfixturevalue("postgres_template")
    owner: Callable[[str], None] = request.getfixturevalue("owner")
    owner(f"CREATE DATABASE {name} TEMPLATE {template_name} STRATEGY FILE_COPY")
    yield server.url(name)
    owner(f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture
async def service(database_url: str) -> AsyncIterator[Service]:
    async with running(database_url) as made:
        yield made


@pytest.fixture
def service_with(database_url: str) -> Callable[..., Any]:
    """Make services over the same directory with settings of your own: `async with service_with(max_page=5) as s`."""

    def make(**settings: Any) -> Any:
        return running(database_url, **settings)

    return make


@pytest.fixture
def save(tmp_path: Path) -> Any:
    """Write a file of one's own into the test's folder."""

    def write(name: str, content: str | bytes) -> Path:
        path = tmp_path / name
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return path

    return write


# --- the GraphQL page in a browser (imported here, as few tests need a browser) ------------------------------------


@pytest.fixture(scope="session")
def playground_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    from tests import visits

    with visits.serving_demo(tmp_path_factory.mktemp("playground") / "usergraph.sqlite3") as url:
        yield url


@pytest.fixture(scope="session")
async def browser() -> AsyncIterator[Any]:
    from tests import visits

    async with visits.chromium() as chromium:
        yield chromium


@pytest.fixture
async def visit(browser: Any, playground_url: str) -> AsyncIterator[Any]:
    from tests import visits

    async with visits.visiting(browser, playground_url) as visit:
        yield visit
