"""The command `usergraph`: serve, migrate, schema, demo, admin, import, reconcile, report, copy."""

import argparse
import asyncio
import os
import sys
from collections.abc import Sequence
from importlib import metadata
from pathlib import Path

from graph.confirm_keys import run_confirm_keys
from graph.copy_directory import add_copy
from graph.erase_command import run_erase
from graph.import_users import add_import
from graph.reconcile import add_reconcile
from graph.report_command import add_report
from graph.reseal import run_reseal
from graph.serve import DEMO_USERS, add_serve, ready
from models import migrate
from models.database import Database
from models.errors import Refusal, Unavailable
from models.settings import BadSetting, Settings
from resolvers import bootstrap


def main(arguments: Sequence[str] | None = None) -> int:
    """Exit codes: 0 done, 1 it went wrong and was said, 2 the command was not understood, 3 rows were refused."""
    given = _parser().parse_args(arguments)
    # PyArrow's own allocator keeps some 25 MB more of what an export once held. It is asked when PyArrow is loaded.
    os.environ.setdefault("ARROW_DEFAULT_MEMORY_POOL", "system")
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
    parser.add_argument("--version", action="version", version=f"usergraph {_version()}")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    add_serve(commands)
    commands.add_parser("migrate", help="bring the database up to date").set_defaults(run=_migrate)
    printed = commands.add_parser("schema", help="print the schema")
    printed.add_argument("--check", type=Path, metavar="FILE", help="compare with FILE instead; exit 1 if it differs")
    printed.set_defaults(run=_schema)
    filling = commands.add_parser("demo", help="fill an empty database with a demo directory")
    filling.add_argument("--users", type=int, default=DEMO_USERS, help=f"how many ({DEMO_USERS})")
    filling.set_defaults(run=_demo)
    admin = commands.add_parser("admin", help="a key or the administrator's role for a user, new seals, erasure")
    actions = (
        "key: a new API key; promote: administrator, and a key; reseal: seal secrets with the newest key;"
        " erase: show which personal data of a user would be erased, and erase them with --yes;"
        " confirm-keys: let the emails, external ids and login DNs of all users vouch for every role"
    )
    admin.add_argument("what", choices=["key", "promote", "reseal", "erase", "confirm-keys"], help=actions)
    subject = "the username; for erase a typed id, such as user_18; `admin` is the first administrator"
    admin.add_argument("username", nargs="?", metavar="USER", help=subject)
    admin.add_argument("--yes", action="store_true", help="with erase: erase, instead of showing what would be erased")
    admin.set_defaults(run=_admin, refuse=admin.error)
    add_import(commands)
    add_reconcile(commands)
    add_report(commands)
    add_copy(commands)
    return parser


def _version() -> str:
    try:
        return metadata.version("usergraph")
    except metadata.PackageNotFoundError:
        return "that is not installed as a package"


def _migrate(given: argparse.Namespace, settings: Settings) -> int:
    asyncio.run(migrate.bring_up_to_date(settings.database_url, _told, prepare=settings.database_prepare))
    print("The database is up to date.")
    return 0


def _told(event: str) -> None:
    if event.startswith("apply done "):
        print(f"applied {event.removeprefix('apply done ')}")


def _schema(given: argparse.Namespace, settings: Settings) -> int:
    from graph import schema  # it takes a second to make

    text = schema.build().as_str() + "\n"
    if given.check is None:
        print(text, end="")
        return 0
    if given.check.read_text() == text:
        return 0
    print(f"{given.check} is not what the code says. Run: make schema", file=sys.stderr)
    return 1


def _demo(given: argparse.Namespace, settings: Settings) -> int:
    key, was_empty = asyncio.run(ready(settings, max(given.users, 0)))
    if not was_empty:
        message = "this directory has users already. Name an empty one in USERGRAPH_DATABASE_URL."
        print(f"usergraph: {message}", file=sys.stderr)
        return 1
    if key is not None:
        print(f"The administrator's API key, shown this once:  {key}")
    return 0


def _admin(given: argparse.Namespace, settings: Settings) -> int:
    if (given.username is None) != (given.what in ("reseal", "confirm-keys")):
        given.refuse(f"{given.what} {'takes no' if given.username else 'needs a'} USER")
    if given.yes and given.what != "erase":
        given.refuse("--yes goes with erase")
    if given.what == "reseal":
        return run_reseal(settings)
    if given.what == "confirm-keys":
        return run_confirm_keys(settings)
    if given.what == "erase":
        return run_erase(settings, given.username, confirmed=given.yes)
    print(asyncio.run(_rescue(settings, given.username, given.what == "promote")))
    return 0


async def _rescue(settings: Settings, username: str, make_administrator: bool) -> str:
    await migrate.bring_up_to_date(settings.database_url, prepare=settings.database_prepare)
    database = Database.of(settings)
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
