"""The command `usergraph`: serve, migrate, schema, demo, admin, import."""

import argparse
import asyncio
import logging
import os
import sys
from collections.abc import Sequence
from pathlib import Path

import uvicorn
from tqdm import tqdm

from graph import schema
from graph.app import create_app
from graph.import_users import add_import
from graph.protocol import protocol
from models import migrate
from models.database import Database
from models.errors import NotFound, Refusal, Unavailable
from models.settings import BadSetting, Settings
from resolvers import bootstrap, demo, references

DEMO_USERS = 300


def main(arguments: Sequence[str] | None = None) -> int:
    """Exit codes: 0 done, 1 it went wrong and was said, 2 the command was not understood, 3 rows were refused."""
    given = _parser().parse_args(arguments)
    try:
        settings = Settings.from_environment(os.environ)
        code: int = given.run(given, settings)
    except (BadSetting, Unavailable, Refusal) as error:
        print(f"usergraph: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    return code


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="usergraph", description="A GraphQL service for user management.")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    serve = commands.add_parser("serve", help="serve GraphQL and GraphiQL; migrates the database first")
    serve.add_argument("--demo", action="store_true", help="fill an empty database with a demo directory")
    serve.set_defaults(run=_serve)
    commands.add_parser("migrate", help="bring the database up to date").set_defaults(run=_migrate)
    printed = commands.add_parser("schema", help="print the schema")
    printed.add_argument("--check", type=Path, metavar="FILE", help="compare with FILE instead; exit 1 if it differs")
    printed.set_defaults(run=_schema)
    filling = commands.add_parser("demo", help="fill an empty database with a demo directory")
    filling.add_argument("--users", type=int, default=DEMO_USERS, help=f"how many ({DEMO_USERS})")
    filling.set_defaults(run=_demo)
    admin = commands.add_parser("admin", help="get back in: a key for a user, as administrator if you say so")
    admin.add_argument("what", choices=["key", "promote"], help="key: a new API key; promote: administrator, and a key")
    admin.add_argument("username", help="whose; `admin` is the first administrator")
    admin.set_defaults(run=_admin)
    add_import(commands)
    return parser


def _serve(given: argparse.Namespace, settings: Settings) -> int:
    logging.getLogger("usergraph").setLevel(settings.log_level.upper())
    logging.basicConfig(level=logging.WARNING, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    app = create_app(settings)  # refuses bad settings before anything is made
    key, _ = asyncio.run(_ready(settings, DEMO_USERS if given.demo else 0))
    if key is not None:
        print(f"The administrator's API key, shown this once:  {key}", flush=True)
        print("Send it as X-ApiKey. Lost it?  usergraph admin key admin", flush=True)
    config = uvicorn.Config(
        app,
        host=settings.host,
        port=settings.port,
        http=protocol(settings.read_seconds),
        log_level=settings.log_level,
        access_log=False,
        timeout_graceful_shutdown=8,
        limit_concurrency=500,
        server_header=False,
    )
    address = f"http://{settings.host}:{settings.port}/graphql"
    print(f"usergraph serves {address}  (GraphiQL in a browser, GraphQL for programs)", flush=True)
    uvicorn.Server(config).run()
    return 0


async def _ready(settings: Settings, demo_users: int) -> tuple[str | None, bool]:
    """An up-to-date database with an administrator: their key, to be told this once, and whether it was empty."""
    await migrate.bring_up_to_date(settings.database_url)
    database = Database(settings.database_url)
    await database.open()
    try:
        key = await database.transaction(lambda tx: bootstrap.fill_empty(tx, settings.admin_key))
        await _check_default_role(database, settings)
        if key is not None and demo_users:
            with tqdm(total=demo_users, desc="demo users", unit=" users", disable=None) as bar:
                await demo.fill(database.transaction, demo_users, bar.update)
    finally:
        await database.close()
    return None if settings.admin_key else key, key is not None


async def _check_default_role(database: Database, settings: Settings) -> None:
    async with database.reading() as connection:
        roles = await references.roles(connection)
    try:
        roles.find({"name": settings.default_role})
    except NotFound as error:
        raise BadSetting(f"USERGRAPH_DEFAULT_ROLE: {error}") from error


def _migrate(given: argparse.Namespace, settings: Settings) -> int:
    asyncio.run(migrate.bring_up_to_date(settings.database_url, _told))
    print("The database is up to date.")
    return 0


def _told(event: str) -> None:
    if event.startswith("apply done "):
        print(f"applied {event.removeprefix('apply done ')}")


def _schema(given: argparse.Namespace, settings: Settings) -> int:
    text = schema.build().as_str() + "\n"
    if given.check is None:
        print(text, end="")
        return 0
    if given.check.read_text() == text:
        return 0
    print(f"{given.check} is not what the code says. Run: make schema", file=sys.stderr)
    return 1


def _demo(given: argparse.Namespace, settings: Settings) -> int:
    key, was_empty = asyncio.run(_ready(settings, max(given.users, 0)))
    if not was_empty:
        message = "this directory has users already. Name an empty one in USERGRAPH_DATABASE_URL."
        print(f"usergraph: {message}", file=sys.stderr)
        return 1
    if key is not None:
        print(f"The administrator's API key, shown this once:  {key}")
    return 0


def _admin(given: argparse.Namespace, settings: Settings) -> int:
    print(asyncio.run(_rescue(settings, given.username, given.what == "promote")))
    return 0


async def _rescue(settings: Settings, username: str, make_administrator: bool) -> str:
    await migrate.bring_up_to_date(settings.database_url)
    database = Database(settings.database_url)
    await database.open()
    try:
        first = await database.transaction(lambda tx: bootstrap.fill_empty(tx, settings.admin_key))
        if first is not None and username == bootstrap.ADMIN["username"]:
            return first
        return await database.transaction(
            lambda tx: bootstrap.rescue(tx, username, make_administrator=make_administrator)
        )
    finally:
        await database.close()


if __name__ == "__main__":
    sys.exit(main())
